"""Learning ends by evidence, and what must not be learned is not."""

import json
import math
from pathlib import Path

import pytest
from baseline_stores import DAY, HMI, LAPTOP, PLC, WORD, Plant, polled
from inventory_stores import SECOND
from store_rows import array, row, write

from otsec.baseline.audit import audit
from otsec.baseline.evidence import Pool, closing, evidence, poisson_bound
from otsec.baseline.learning import approve, baseline, forget, learn
from otsec.baseline.standing import standings
from otsec.errors import UsageError
from otsec.store import TABLES
from otsec.store.acts import every_act
from otsec.store.baseline import ended, lines
from otsec.store.findings import Finding, replace


@pytest.mark.parametrize(
    ("events", "bound"),
    [(0, 2.9957), (1, 4.7439), (2, 6.2958), (10, 16.9622), (100, 118.0793)],
)
def test_bound_is_the_exact_one(events: int, bound: float) -> None:
    """The bound is that of the tables of the Poisson distribution, 95 % one-sided."""
    assert poisson_bound(events) == pytest.approx(bound, abs=2e-4)


def test_bound_has_no_step() -> None:
    """Where the bound is taken from its normal form it goes on without a step."""
    steps = [poisson_bound(n + 1) - poisson_bound(n) for n in range(190, 210)]

    assert all(0.9 < step < 1.2 for step in steps)


def test_learning_ends_when_the_budget_is_kept(tmp_path: Path) -> None:
    """With nothing seen but once, three days suffice for a budget of one false alert a day."""
    plant = polled(tmp_path, days=2).ends(2 * DAY)

    assert learn(plant.store, 1).closed == ()
    assert {one.open for one in standings(baseline(plant.store), 1)} == {
        ("1.0 more days of watching",)
    }
    assert {one.address for one in learn(plant.store, 2).closed} == {"", HMI, PLC}
    assert learn(plant.store, 2).lines == ()


def test_what_is_rare_keeps_learning_open(tmp_path: Path) -> None:
    """A thing of one occasion keeps its device open, is named, and costs others nothing."""
    plant = polled(tmp_path, days=4)
    plant.does(HMI, PLC, "read", 100, 200, object="holding 900")
    plant.ends(4 * DAY)
    learn(plant.store, 1)
    standing = {one.scope.address: one for one in standings(baseline(plant.store), 1)}

    assert standing[""].state == "complete"
    assert standing[PLC].state == "learning"
    assert standing[PLC].singles == 1
    assert standing[PLC].expected == pytest.approx(1 / 4)
    assert standing[PLC].at_most == pytest.approx(4.7439 / 4, rel=1e-4)
    assert "holding 900" in standing[PLC].open[0]


def test_a_new_device_has_a_window_of_its_own(tmp_path: Path) -> None:
    """A device heard since yesterday stays open when the others are closed."""
    plant = polled(tmp_path, days=9)
    plant.hears("10.0.0.22", 8 * DAY, 9 * DAY)
    plant.does(HMI, "10.0.0.22", "read", 8 * DAY, 9 * DAY)
    plant.ends(9 * DAY)
    learn(plant.store, 1)

    assert {one.address for one in ended(plant.store)} == {"", HMI, PLC}


def test_devices_closed_together_keep_the_budget(tmp_path: Path) -> None:
    """The bound on all that evidence closes is within the budget, whatever they are."""
    plant = polled(tmp_path, days=6)
    for number in range(30, 60):
        address = f"10.0.0.{number}"
        plant.hears(address, 0, 6 * DAY)
        plant.does(HMI, address, "read", 0, 6 * DAY)
        for rare in range(number % 4):
            plant.does(HMI, address, "read", 100, 200, object=f"holding {900 + rare}")
    plant.ends(6 * DAY)
    base = baseline(plant.store)
    found = evidence(base.learnable(), base.shown.spans, base.said)
    closed = closing(found, {}, 1)
    pool = Pool()
    for one in closed:
        pool = pool.with_(len(one.singles), one.watched_ns)

    assert 0 < len(closed) < len(found)
    assert pool.at_most <= 1
    assert all(not one.singles or pool.singles for one in closed)
    left = min((len(one.singles) for one in found if one not in closed), default=math.inf)
    assert pool.with_(int(left), 6 * DAY * SECOND).at_most > 1


def test_gaps_are_no_time_of_watching(tmp_path: Path) -> None:
    """Days in which the capture lost packets do not count, and nothing is learned from them."""
    plant = polled(tmp_path, days=4)
    plant.does(HMI, PLC, "read", 2 * DAY + 5, 2 * DAY + 9, object="holding 900")
    plant.ends(4 * DAY)
    gap = {"begin_time": DAY * SECOND, "end_time": 3 * DAY * SECOND, "kind": "drops"}
    write(plant.store, gap=[row("gap", source=1, **gap)])
    base = baseline(plant.store)

    (network,) = base.shown.spans.groups.values()
    assert network.seconds == 2 * DAY
    assert [key.object for key in base.barred] == ["holding 900"]
    assert learn(plant.store, 1).closed == ()
    assert "holding 900" not in {one.object for one in lines(plant.store)}


@pytest.mark.parametrize("cls", ["program", "mode", "firmware"])
def test_nobody_but_a_person_makes_it_normal(tmp_path: Path, cls: str) -> None:
    """Program, mode and firmware are not learned; approved by name they are there, with an act."""
    plant = polled(tmp_path)
    plant.does(HMI, PLC, cls, 0, 5 * DAY, operation="stop", object="")
    plant.ends(5 * DAY)
    learn(plant.store, 1)
    base = baseline(plant.store)
    mine = [thing for thing in base.shown.things if thing.key.cls == cls]

    assert PLC in {one.address for one in ended(plant.store)}
    assert [one for one in lines(plant.store) if one.cls == cls] == []
    assert {risk.state for risk in audit(plant.store, base) if risk.client == HMI} >= {
        "needs a person"
    }
    with pytest.raises(UsageError, match="say why with --reason"):
        approve(plant.store, base, mine, WORD._replace(reason=""), 0, end=False)
    approve(plant.store, base, mine, WORD, 0, end=False)
    told = [one for one in lines(plant.store) if one.cls == cls]
    assert {(one.how, one.who, one.reason) for one in told} == {("approved", "Ann", "ticket 4711")}
    acts = every_act(plant.store)
    assert {(act.kind, act.before, act.after) for act in acts} == {
        ("baseline-approve", "not in it", "approved")
    }
    assert len(acts) == len(told) == 2


def test_open_findings_are_not_learned(tmp_path: Path) -> None:
    """What an open finding of level high tells of is not learned; of level medium it is."""
    plant = polled(tmp_path)
    plant.does(LAPTOP, PLC, "write", 100, 5 * DAY, object="holding 5")
    plant.ends(5 * DAY)
    for level, learned in (("high", False), ("medium", True)):
        replace(plant.store, [(_finding(level), ())])
        learn(plant.store, 1)
        got = {(one.kind, one.client) for one in lines(plant.store)}
        assert (("writer", LAPTOP) in got) is learned
        assert (("operation", LAPTOP) in got) is learned
        assert ("operation", HMI) in got


def _finding(level: str) -> Finding:
    empty = dict.fromkeys(Finding._fields, "")
    numbers = dict.fromkeys(("times", "source", "first_packet", "last_packet"), 1)
    lists = dict.fromkeys(("witnesses", "objects", "outcomes", "techniques", "falsepositives"), ())
    told = {
        "id": "cafe0001",
        "site": "plant",
        "group": "net",
        "level": level,
        "client": LAPTOP,
        "server": PLC,
        "operations": ("write_single_register",),
        "first_time": 100 * SECOND,
        "last_time": 5 * DAY * SECOND,
    }
    return Finding(**{**empty, **numbers, **lists, **told})  # type: ignore[arg-type]


def test_forgotten_stays_forgotten(tmp_path: Path) -> None:
    """What a person takes out is not learned again, and is told in the record."""
    plant = polled(tmp_path).ends(5 * DAY)
    learn(plant.store, 20)
    base = baseline(plant.store)
    gone = [one for one in base.lines if one.kind == "writer"]
    forget(plant.store, base, gone, WORD)
    learn(plant.store, 20)

    assert [one.how for one in lines(plant.store) if one.kind == "writer"] == ["forgotten"]
    (act,) = every_act(plant.store)
    assert (act.kind, act.before, act.after) == ("baseline-forget", "learned", "forgotten")
    assert act.attribute.startswith("writer site=plant group=net client=10.0.0.11 ")


def test_learning_until_a_time(tmp_path: Path) -> None:
    """Learned until a time, a store gives what it would have given had it ended then."""
    whole = polled(tmp_path, days=8)
    whole.does(LAPTOP, PLC, "write", 6 * DAY, 7 * DAY, value=99, object="holding 100")
    whole.ends(8 * DAY)
    (tmp_path / "part").mkdir()
    part = polled(tmp_path / "part", days=5).ends(5 * DAY)
    learn(whole.store, 1, until=5 * DAY * SECOND)
    learn(part.store, 1)

    def told(kinds: set[str], plant: object) -> set[tuple[object, ...]]:
        found = lines(plant.store)  # type: ignore[attr-defined]
        return {(one.id, one.detail) for one in found if one.kind in kinds}

    kinds = {"device", "conversation", "operation", "object", "writer", "value", "identity"}
    assert told(kinds, whole) == told(kinds, part)
    assert ended(whole.store) == ended(part.store)


@pytest.mark.parametrize(
    ("greatest_at", "learned"), [(3 * DAY, [20, 90, 50]), (6 * DAY, [20, 50, 50])]
)
def test_a_range_of_the_past_takes_what_was_written_by_then(
    tmp_path: Path, greatest_at: int, learned: list[int]
) -> None:
    """Of a value that is still written the extremes count if it is known that they were before."""
    plant = polled(tmp_path, days=8)
    at = {name: n for n, name in enumerate(TABLES["value"].names)}
    told = list(plant.tap.rows["value"][0])
    told[at["minimum"]], told[at["maximum"]] = array(20), array(90)
    for name, time in (("minimum_seen", DAY), ("maximum_seen", greatest_at)):
        told[at[name]] = array(time * SECOND, time)
    plant.tap.rows["value"] = [tuple(told)]
    plant.ends(8 * DAY)
    learn(plant.store, 1, until=5 * DAY * SECOND)
    (line,) = (one for one in lines(plant.store) if one.kind == "value")

    assert json.loads(line.detail) == learned


SIGNED = {"certificate": "CN=updates.maker.example, O=Maker", "certificate_self_signed": "no"}


@pytest.mark.parametrize(
    ("facts", "name"),
    [
        ({}, ""),
        ({"hostname": "cloud.example"}, "cloud.example"),
        (SIGNED, "updates.maker.example"),
        (SIGNED | {"hostname": "cloud.example"}, "cloud.example"),
        (
            SIGNED | {"certificate": "O=Maker", "certificate_name": "*.maker.example"},
            "*.maker.example",
        ),
        (SIGNED | {"certificate_self_signed": "yes"}, ""),
        (
            SIGNED | {"certificate": f"CN={PLC}, O=Maker"},
            "",
        ),  # it would be taken for the controller
        ({"hostname": PLC}, ""),
    ],
)
def test_hosts_of_the_internet_are_named(tmp_path: Path, facts: dict[str, str], name: str) -> None:
    """By a name, else by a certificate that others signed, and by the address if there is none."""
    address = "203.0.113.9"
    made = Plant(tmp_path)
    made.hears(HMI, 0, DAY)
    made.tap.heard("00:00:5e:00:01:01", address)  # the router's
    made.tap.talks(HMI, address, "tls", "tcp/443")
    made.tap.says(address, "tls", **facts)
    made.ends(DAY)
    things = baseline(made.store).shown.things

    assert [one.key.server for one in things if one.key.kind == "conversation"] == [name or address]
