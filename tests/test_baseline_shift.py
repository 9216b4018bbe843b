"""What is other at once in much of a scope is one finding; what is apart stays apart."""

from pathlib import Path

from baseline_stores import DAY, HMI, LAPTOP, PLC, WORD, Plant, polled
from inventory_stores import SECOND
from test_baseline_deviations import _until
from test_changes import announced

from otsec.baseline.deviations import judge
from otsec.baseline.explaining import things_of
from otsec.baseline.learning import approve, baseline, learn
from otsec.changes.records import added
from otsec.detect.cases import cases
from otsec.store.acts import record
from otsec.store.findings import Finding, packets

LEARNED, END = 5 * DAY, 6 * DAY
DEVICES = [f"10.0.0.{number}" for number in range(31, 37)]


def learned(folder: Path, devices: list[str]) -> Plant:
    """A station that read some devices for five days, and still does a day later."""
    plant = polled(folder, days=5)
    for one in devices:
        plant.hears(one, 0, LEARNED)
        plant.does(HMI, one, "read", 0, LEARNED)
    plant.tap.says(PLC, "modbus", at=0, until=LEARNED, count=99, serial="A 1")
    plant.ends(LEARNED)
    learn(plant.store, 1)
    for name in ("station", "conversation", "behaviour", "value"):
        plant.tap.rows[name] = [_until(name, cells, END) for cells in plant.tap.rows[name]]
    return plant


def written(folder: Path, devices: list[str], chosen: list[str], apart: int) -> Plant:
    """The station writes to some of the devices for the first time, so many seconds apart."""
    plant = learned(folder, devices)
    for number, one in enumerate(chosen):
        at = LEARNED + 60 + number * apart
        plant.does(HMI, one, "write", at, at + 1, object="holding 7")
    return plant.ends(END)


def names(found: list[Finding]) -> list[str]:
    """Of findings."""
    return sorted(one.name for one in found)


def test_most_devices_at_once(tmp_path: Path) -> None:
    """It is as bad as the worst, names all, and its id approves all of it."""
    plant = written(tmp_path, DEVICES, DEVICES, apart=60)
    (one,) = judge(plant.store, [])

    assert (one.name, one.level, one.client, one.server) == ("shift", "high", HMI, "several")
    assert "6 of 7 devices" in one.seen
    assert "6 times 'Changed by a client that never did so'" in one.seen
    assert one.seen.count("Gravest: 10.0.0.11 changed 10.0.0.31") == 1
    assert len(packets(plant.store, one.id)) >= len(DEVICES)
    base = baseline(plant.store)
    approve(plant.store, base, things_of(plant.store, base, one.id), WORD, 0, end=False)
    assert judge(plant.store, []) == []


def test_one_after_the_other_or_few_are_told_one_by_one(tmp_path: Path) -> None:
    """Six within a day are six findings; five of twenty are five; four are four."""
    many = [f"10.0.0.{number}" for number in range(31, 51)]
    for case, (devices, chosen, apart) in enumerate(
        [(DEVICES, DEVICES, 3_700), (many, many[:5], 60), (DEVICES, DEVICES[:4], 60)]
    ):
        folder = tmp_path / str(case)
        folder.mkdir()
        found = judge(written(folder, devices, chosen, apart).store, [])

        assert names(found) == ["new-writer"] * len(chosen)


def test_most_of_one_device_at_once(tmp_path: Path) -> None:
    """Another program, another master, another serial number: one device that is other."""
    plant = learned(tmp_path, DEVICES)
    at = LEARNED + 60
    plant.tap.says(PLC, "modbus", at=at, until=END, count=9, serial="B 2")
    plant.does(HMI, PLC, "config", at, at + 1, operation="set_ports", object="")
    plant.does(HMI, PLC, "read", at, at + 1, object="holding 500-510")
    plant.does(DEVICES[0], PLC, "read", at, at + 1)
    plant.does(LAPTOP, PLC, "write", at, at + 1, object="holding 100")
    (one,) = judge(plant.ends(END).store, [])

    assert (one.name, one.level, one.server) == ("shift", "high", PLC)
    assert "is other at 10.0.0.21:" in one.seen


def test_what_was_announced_is_no_part_of_it(tmp_path: Path) -> None:
    """Announced work stays expected, each finding by itself, however much it changes."""
    plant = written(tmp_path, DEVICES, DEVICES, apart=60)
    work = announced(
        assets=(), nodes=(), hosts=(), allowed=("write",), begin=LEARNED * SECOND,
        end=END * SECOND,
    )  # fmt: skip
    record(plant.store, added([], [work], WORD, "change-add"))
    judge(plant.store, [])

    assert [(one.finding.name, one.state) for one in cases(plant.store)] == [
        ("new-writer", "expected")
    ] * len(DEVICES)
