"""What hangs on what: ports are told, the far end is inferred, with why."""

from pathlib import Path

import pytest
from conftest import ROOT, Command
from tui_pilot import Seat, visit

from otsec.inventory.assembly import inventory
from otsec.inventory.topology import Line, topology
from otsec.store import open_store, queries
from otsec.store.filters import Filter
from otsec.store.pulse import pulse


def _lines(command: Command, path: Path, *captures: Path) -> list[Line]:
    assert not command("analyze", *captures, "--db", path, "-q").returncode
    with open_store(path, readonly=True) as store:
        return topology(store, inventory(store))


def test_one_switch_has_its_neighbours(tmp_path: Path, otsec_command: Command) -> None:
    """Where one switch is heard, whoever else names a port hangs on it, and that is inferred."""
    found = _lines(otsec_command, tmp_path / "x.db", ROOT / "pcaps" / "lldp" / "neighbours.pcap")

    assert [(line.depth, line.name, line.port, line.how, line.by) for line in found] == [
        (0, "site, untagged", "", "", ""),
        (1, "cell-4", "", "told", ""),
        (2, "", "ethX3", "told", "lldp"),
        (2, "", "ethX4", "told", "lldp"),
        (2, "00:0e:8c:10:00:03", "port-001.et200sp-cell4", "inferred", "lldp"),
        (2, "P3245-V 192.168.50.40", "00:40:8c:10:00:02", "inferred", "lldp"),
    ]
    assert all(line.why and line.packets for line in found if line.depth == 2)


def test_of_several_switches_none_is_guessed(tmp_path: Path, otsec_command: Command) -> None:
    """Where two switches are heard it is said that nobody tells which of them it is."""
    captures = [ROOT / "pcaps" / "lldp" / "neighbours.pcap", ROOT / "pcaps" / "cdp" / "switch.pcap"]
    found = _lines(otsec_command, tmp_path / "x.db", *captures)

    assert {line.name for line in found if line.depth == 1 and line.how == "told"} == {
        "cell-4",
        "core-1",
    }
    hosts = [line for line in found if line.how == "inferred"]
    assert hosts
    assert all((line.depth, "which of the switches" in line.why) == (1, True) for line in hosts)


def test_ports_of_a_tree_hang_on_their_bridge(tmp_path: Path, otsec_command: Command) -> None:
    """Ports send with addresses of their own; what they say of their bridge makes them one device."""
    path = tmp_path / "x.db"
    found = _lines(otsec_command, path, ROOT / "pcaps" / "stp" / "trees.pcap")

    assert [(line.name, line.port) for line in found if line.depth] == [
        ("00:07:7c:20:00:10", ""),
        *(("", number) for number in "1246"),
        ("00:07:7c:20:00:40", ""),
        *(("", number) for number in "257"),
        ("00:1b:0d:20:00:80", ""),
        ("", "8, VLAN 20"),
        ("", "8, VLAN 10"),
        ("00:80:63:20:00:20", ""),
        ("", "3"),
    ]
    assert {(line.how, line.by) for line in found if line.depth == 2} == {("told", "stp")}


def test_changes_of_a_tree_are_events(tmp_path: Path, otsec_command: Command) -> None:
    """Each message that says that the tree changes is kept by itself, and no other one is."""
    path = tmp_path / "x.db"
    assert not otsec_command("analyze", ROOT / "pcaps" / "stp" / "trees.pcap", "--db", path, "-q").returncode  # fmt: skip
    with open_store(path, readonly=True) as store:
        rows = queries.behaviours(store, [Filter("proto", "stp")])
        kept = sum(row.count for row in rows if row.operation.startswith("topology_change"))
        assert sum(pulse(store, "site", 9).counts) == kept
    assert kept == 12


@pytest.mark.parametrize("size", [(80, 24), (120, 40)])
def test_the_screen_draws_it(tmp_path: Path, otsec_command: Command, size: tuple[int, int]) -> None:
    """Key 9 draws what is told with lines and what is inferred dotted; p shows the packets."""
    path = tmp_path / "x.db"
    _lines(otsec_command, path, ROOT / "pcaps" / "lldp" / "neighbours.pcap")

    async def do(seat: Seat) -> None:
        await seat.press("9")
        assert "\u251c\u2500\u2500 cell-4" in seat.text
        assert "\u2502   \u251c\u2500\u2500 port ethX3" in seat.text
        assert "\u2502   \u2506\u254c\u254c P3245-V" in seat.text
        await seat.press("slash")
        await seat.type("how:inferred")
        await seat.press("enter", "end")
        assert len(seat.table.rows) == 2
        await seat.press("p")
        assert "lldp" in seat.text
        await seat.press("escape", "question_mark")
        assert "Topology: help" in seat.text

    visit(path, do, size=size)
