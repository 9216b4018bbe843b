"""What depends on a device, as far as traffic shows it."""

from pathlib import Path

from conftest import Command
from inventory_stores import Tap, new_store, tap

from otsec.inventory.assembly import inventory
from otsec.inventory.selection import find
from otsec.policy.impact import Dependence, behind, impact, port_of
from otsec.policy.verdicts import acts_of

MINUTE = 60 * 10**9


def of(seen: Tap, name: str, depth: int = 1) -> list[Dependence]:
    """What depends on a device."""
    seen.write()
    found = inventory(seen.store)
    return impact(found, acts_of(seen.store, details=False), [find(found, name)], depth)


def plant(folder: Path) -> Tap:
    """A plant: an HMI writes to a controller, which reads inputs; two time servers."""
    seen = tap(new_store(folder))
    for number in range(1, 7):
        seen.heard(f"00:1b:1b:00:00:0{number}", f"10.1.1.{number}")
    seen.does("10.1.1.1", "10.1.1.2", "modbus", "read", count=61, last_time=MINUTE)
    seen.does("10.1.1.1", "10.1.1.2", "modbus", "write", count=2, last_time=MINUTE)
    seen.does("10.1.1.2", "10.1.1.3", "enip", "report", count=601, last_time=MINUTE)
    for server in ("10.1.1.4", "10.1.1.5"):
        seen.does("10.1.1.1", server, "ntp", "time", count=9, last_time=MINUTE)
    return seen


def told(found: list[Dependence]) -> list[tuple[str, str, str, bool]]:
    """Who loses what, how, and whether there is another."""
    return [(one.who, one.lost, one.how, one.redundant) for one in found]


def test_who_asks_and_who_is_commanded(tmp_path: Path) -> None:
    """Clients lose what they ask for, servers who commands them; the worst comes first."""
    seen = plant(tmp_path)
    assert told(of(seen, "10.1.1.2")) == [
        ("10.1.1.1", "writes", "asks it", False),
        ("10.1.1.3", "reports", "hears it", False),
        ("10.1.1.1", "polls", "asks it", False),
    ]
    found = of(seen, "10.1.1.1")
    assert told(found) == [("10.1.1.2", "writes", "is commanded by it", False)]
    assert [one.every_us for one in of(seen, "10.1.1.2")] == [None, 100_000, 1_000_000]


def test_spare(tmp_path: Path) -> None:
    """A second time server, or a second writer, makes the loss of one bearable; asking does not."""
    seen = plant(tmp_path)
    (lost,) = of(seen, "10.1.1.4")
    assert (lost.who, lost.redundant, lost.others) == ("10.1.1.1", True, ("10.1.1.5",))
    seen.does("10.1.1.6", "10.1.1.2", "modbus", "write")
    (lost,) = of(seen, "10.1.1.1")
    assert (lost.who, lost.redundant, lost.others) == ("10.1.1.2", True, ("10.1.1.6",))


def test_depth(tmp_path: Path) -> None:
    """With depth 2 who depends on those that depend on it is told as well, once."""
    found = of(plant(tmp_path), "10.1.1.1", depth=2)
    assert [(one.depth, one.who, one.on) for one in found] == [
        (1, "10.1.1.2", "10.1.1.1"),
        (2, "10.1.1.3", "10.1.1.2"),
    ]


def test_nothing_answered_is_nothing_lost(tmp_path: Path) -> None:
    """Who never answered is missed by nobody."""
    seen = tap(new_store(tmp_path))
    seen.heard("00:1b:1b:00:00:01", "10.1.1.1")
    seen.heard("00:1b:1b:00:00:02", "10.1.1.2")
    seen.does("10.1.1.1", "10.1.1.2", "modbus", "read", outcome="unanswered")
    assert of(seen, "10.1.1.2") == []


def test_as_a_user(tmp_path: Path, otsec_command: Command) -> None:
    """`otsec impact` lists it, and refuses a depth that is none."""
    plant(tmp_path).write()
    found = otsec_command("impact", "10.1.1.2", "--db", "inventory.db", "--csv", cwd=tmp_path)
    assert found.stdout.splitlines()[1].startswith("10.1.1.1,writes,asks it,modbus,")
    wrong = otsec_command(
        "impact", "10.1.1.2", "--depth", "9", "--db", "inventory.db", cwd=tmp_path
    )
    assert (wrong.returncode, wrong.stderr) == (
        *(2, "otsec: --depth 9: expected a number from 1 to 5\n"),
    )


SITE = """\
otsec_policy: 1
site: {id: works, timezone: UTC}
zones:
  scada: {level: 2, nets: [10.1.1.1/32, 10.1.1.6/32]}
  field: {level: 1, nets: [10.1.1.2/32, 10.1.1.3/32]}
  times: {level: 3, nets: [10.1.1.4/32, 10.1.1.5/32]}
conduits:
  - {id: hmi, from: scada, to: field, allow: [{protocol: modbus, ops: [read, write]}], owner: o, reason: r}
  - {id: reads, from: scada, to: field, allow: [{protocol: modbus, ops: [read]}], owner: o, reason: r}
  - {id: clocks, from: scada, to: times, allow: [{protocol: ntp}], owner: o, reason: r}
"""


def test_of_a_conduit(tmp_path: Path, otsec_command: Command) -> None:
    """A conduit is needed by what passes it; what another one allows as well is spare."""
    plant(tmp_path).write()
    (tmp_path / "site.yaml").write_text(SITE, "utf-8")
    words = ("impact", "hmi", "--policy", "site.yaml", "--db", "inventory.db", "--csv")
    found = otsec_command(*words, cwd=tmp_path)
    rows = [line.split(",")[:7] for line in found.stdout.splitlines()[1:]]
    assert [(row[0], row[1], row[2], row[6]) for row in rows] == [
        ("10.1.1.1", "writes", "passes it", "no"),
        ("10.1.1.1", "polls", "passes it", "yes"),
    ]
    deep = otsec_command(*words, "--depth", "2", cwd=tmp_path)
    assert "10.1.1.2,writes,is commanded by it" in deep.stdout
    unused = otsec_command("impact", "reads", *words[2:-1], cwd=tmp_path)
    assert unused.stderr == "nothing was seen that depends on conduit reads\n"


def test_of_a_router(tmp_path: Path) -> None:
    """Of a router counts what depends on whom it passes on."""
    seen = plant(tmp_path)
    router = "00:1b:1b:00:00:99"
    seen.heard(router, *(f"10.9.{number}.7" for number in range(1, 6)))
    seen.does("10.1.1.1", "10.9.1.7", "modbus", "read", count=9, last_time=MINUTE)
    seen.write()
    found = inventory(seen.store)
    asset = find(found, router)
    assert "10.9.1.7" in [ip for one in behind(found, asset) for ip in one.ips]
    rows = impact(found, acts_of(seen.store, details=False), [asset, *behind(found, asset)])
    assert ("10.1.1.1", "polls") in [(one.who, one.lost) for one in rows]


def test_of_a_switch(tmp_path: Path) -> None:
    """Of a switch counts what depends on whoever says that it is at one of its ports."""
    seen = plant(tmp_path)
    seen.says("00:1b:1b:00:00:07", "profinet", name="switch-hall-2")
    seen.heard("00:1b:1b:00:00:07")
    seen.says("10.1.1.2", "profinet", alias="port-003.switch-hall-2")
    seen.write()
    found = inventory(seen.store)
    switch = find(found, "switch-hall-2")
    assert [one.name for one in behind(found, switch)] == ["10.1.1.2"]
    assert port_of("port-003.Switch-Hall-2") == ("port-003", "switch-hall-2")
    assert port_of("no alias") == ("", "")
