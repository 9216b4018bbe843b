"""Broadcast addresses of networks, that only their frames tell: groups, and no servers."""

from pathlib import Path

import pytest
from engine_runs import Bench, Wire, analyse, cells, difference
from policy_texts import BASE

from otsec.detect.fields import CATEGORIES
from otsec.detect.rows import Rows
from otsec.inventory.assembly import inventory
from otsec.policy.placing import People
from otsec.policy.reading import read
from otsec.policy.verdicts import flows, judged
from otsec.store import checks, open_store, queries
from otsec.store.broadcasts import broadcasts

HOST, OTHER, ROUTED = ("10.0.0.5", 137), ("10.0.0.6", 137), ("10.9.0.9", 5000)
EVERYBODY, SILENT, DEVICE = "10.0.0.255", "10.0.0.66", "10.0.0.7"


def wire_of() -> Wire:
    """Hosts speak to everybody, one of them also to a device, whose frame it sends to everybody."""
    wire = Wire()

    def aloud(source: tuple[str, int], target: tuple[str, int]) -> None:
        wire.udp(source, target, b"is anybody there?")
        when, frame = wire.frames[-1]
        wire.frames[-1] = when, b"\xff" * 6 + frame[6:]

    for _ in range(3):
        aloud(OTHER, (EVERYBODY, 137))
        aloud(HOST, (EVERYBODY, 137))
        aloud(("10.0.0.9", 137), ("10.0.0.3", 137))  # of a small network; lower than its host
        aloud(HOST, (DEVICE, 137))
        wire.udp((DEVICE, 137), HOST, b"I am")
        aloud(OTHER, (SILENT, 700))
        wire.udp(ROUTED, (SILENT, 700), b"and you?")
    asked = bytes.fromhex(
        "ffffffffffff 02000a000005 0806 0001 0800 06 04 0001 02000a000005 0a000005"
    )
    wire.frames.append((wire.time, asked + bytes(6) + bytes([10, 0, 0, 255])))
    return wire


@pytest.fixture
def db(tmp_path: Path) -> Path:
    """A store of it."""
    capture, path = tmp_path / "one.pcap", tmp_path / "x.db"
    capture.write_bytes(wire_of().bytes())
    analyse([capture], path)
    return path


def test_who_sends_to_everybody_is_the_client(tmp_path: Path) -> None:
    """The sender is the publisher, whatever ports and addresses say, and wherever batches end."""
    bench, content = Bench(tmp_path), wire_of().bytes()
    lines = bench.dump(content)
    found = {
        (row["client"], row["server"]): row["client_reason"]
        for row in cells(lines, "conversation")
        if row["service"] != "0x0806"
    }
    assert found == {
        ("10.0.0.6", EVERYBODY): "publisher",
        ("10.0.0.5", EVERYBODY): "publisher",
        ("10.0.0.9", "10.0.0.3"): "publisher",
        ("10.0.0.5", DEVICE): "publisher",
        ("10.0.0.6", SILENT): "publisher",
        ("10.9.0.9", SILENT): "port",
    }
    for how in ({"batch": 1}, {"batch": 7}, {"workers": 2}, {"all_plain": True}):
        assert difference(bench.dump(content, **how), lines) == "", how
    assert difference(bench.grown(content, 5), lines) == ""


def test_all_parts_agree(db: Path) -> None:
    """Listings, overview, inventory, policy, rules and health take it for no device; others they do."""
    with open_store(db, readonly=True) as store:
        nobody = {address for *_, address in broadcasts(store)}
        assert nobody == {EVERYBODY, "10.0.0.3"}
        devices = {row.address for row in queries.devices(store) if "." in row.address}
        assert devices == {"10.0.0.5", "10.0.0.6", "10.0.0.9", "10.9.0.9", DEVICE, SILENT}
        found = inventory(store)
        asked = {one.name: one.asks for one in found.assets}
        assert asked["10.0.0.9"] == ()
        policy = read(BASE).policy
        assert policy is not None
        groups = {
            one.server.address
            for one in flows(judged(store, policy, People(found)))
            if one.server.group
        }
        # that of so small a network could be a device's, and a policy that names it would be refused
        assert groups & {*nobody, DEVICE, SILENT} == {EVERYBODY}
        rows = Rows(store)
        category = CATEGORIES["conversation"]
        for row in rows.read(category, (), rows.combinations(category)[1], all_wanted=True):
            rows.fill_scope(row)
            server = str(row.cell("server"))
            if "." in server:
                assert (row.cell("server_scope") == "group") is (server in nobody)
        (source,) = queries.sources(store)
        assert checks.lookups(store, source.id).asked == 0
