"""What several capture points see: of one network it is told once, of two networks twice."""

import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest

from otsec.cli import main
from otsec.errors import Exit
from otsec.inventory.assembly import inventory
from otsec.store import Store, open_store, queries

CAPTURES = (
    "enip-cip/icsnpp-enip__enip_cip_example.pcap",
    "s7comm/icsnpp-s7comm__snap7.pcap",
    "modbus/icsnpp-modbus__modbus_example.pcap",
)
SERIAL = b"S C-C2UR2892201"  # of the controller in the capture below, without its last digit
IDENTITY = "s7comm/icsnpp-s7comm__s7ident.pcap"


def taken(folder: Path, points: dict[str, str], captures: Sequence[Path]) -> Path:
    """A store of captures, each read at a point; ``points``: each one's group."""
    lines = "".join(f"  {point}: {{group: {group}}}\n" for point, group in points.items())
    config, db = folder / "otsec.yaml", folder / "site.db"
    config.write_text(f"points:\n{lines}", "utf-8")
    for number, (point, capture) in enumerate(zip(points, captures, strict=True)):
        copy = folder / f"{number}-{capture.name}"
        shutil.copy(capture, copy)
        words = ["analyze", str(copy), "--db", str(db), "--point", point, "-q"]
        assert main([*words, "--config", str(config)]) in {Exit.FINE, Exit.INPUT}
    return db


Told = tuple[list[tuple[object, ...]], list[tuple[object, ...]]]


def told(store: Store, group: str) -> Told:
    """Conversations and behaviours of a group with their counts."""
    here = [queries.Filter("group", group)]
    talks = queries.conversations(store, here)
    does = queries.behaviours(store, here)
    return (
        sorted(
            (one.client, one.server, one.service, one.packets_out, one.packets_in, one.payload_in)
            for one in talks
        ),
        sorted(
            (one.client, one.server, one.operation, one.object, one.outcome, one.count)
            for one in does
        ),
    )


@pytest.mark.parametrize("name", CAPTURES)
def test_one_network_is_told_once_two_twice(captures: Path, tmp_path: Path, name: str) -> None:
    """Recorded at two points of a group it has the counts of one; in two groups it is in both."""
    path = captures / name
    for folder in ("once", "group", "groups"):
        (tmp_path / folder).mkdir()
    with open_store(taken(tmp_path / "once", {"a": "hall"}, [path]), readonly=True) as store:
        once = told(store, "hall")
    assert once[0]
    assert once[1]
    db = taken(tmp_path / "group", {"a": "hall", "b": "hall"}, [path, path])
    with open_store(db, readonly=True) as store:
        assert told(store, "hall") == once
        assert {len(one.witnesses) for one in queries.conversations(store)} == {1}
    db = taken(tmp_path / "groups", {"a": "hall", "b": "yard"}, [path, path])
    with open_store(db, readonly=True) as store:
        assert told(store, "hall") == told(store, "yard") == once
        assert {one.witnesses for one in queries.conversations(store)} == {()}


def test_serial_numbers_alone_make_four_plants(captures: Path, tmp_path: Path) -> None:
    """Captures that differ only in a serial number, in four groups, are four inventories."""
    content = (captures / IDENTITY).read_bytes()
    assert SERIAL in content
    paths = []
    for number in range(4):
        path = tmp_path / f"plant{number}.pcap"
        path.write_bytes(content.replace(SERIAL, SERIAL[:-1] + b"%d" % number))
        paths.append(path)
    points = {f"tap{number}": f"plant{number}" for number in range(4)}
    with open_store(taken(tmp_path, points, paths), readonly=True) as store:
        found = inventory(store)
        counts = [told(store, group) for group in points.values()]

    assert [asset.groups for asset in found.assets] == [(group,) for group in points.values()]
    serials = [asset.value("serial") for asset in found.assets]
    assert [serial[-2] for serial in serials] == ["0", "1", "2", "3"]
    alike = [[row for row in talks if row] for talks, _ in counts]
    assert alike[0]
    assert alike == [alike[0]] * 4
