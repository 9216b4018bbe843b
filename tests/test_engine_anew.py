"""A store whose state another version wrote: gone on with from its rows, and a gap says so."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import ROOT
from engine_runs import analyse, cells, counter, total

from otsec import engine
from otsec.aggregates import totals
from otsec.aggregates.addresses import address_text, address_words
from otsec.anew import KIND, REBUILT
from otsec.cli import main
from otsec.config import Config
from otsec.dissect import stack_text, stack_words
from otsec.errors import Exit
from otsec.health import judge
from otsec.model import place_of, place_text
from otsec.pipeline import ANEW, Options, Run
from otsec.state import VERSION, pack, unpack
from otsec.store import TABLES, open_store
from otsec.store.upkeep import check

PLANT = ROOT / "pcaps" / "plant" / "ten_minutes.pcap"
HALF = 5_000  # packets
WHOLE = {  # what rows tell as if nothing had happened, but for these columns
    "station": (),
    "lookup": (),
    "announcement": (),
    "volume": (),
    "path": ("least_ns",),
}
State = dict[str, dict[str, Any]]


def older(state: State) -> None:
    """No version is told."""
    del state["engine"]["version"]


def newer(state: State) -> None:
    """A later version, of the same shape."""
    state["engine"]["version"] = VERSION + 1


def column(state: State) -> None:
    """A table without one of its columns."""
    rows = state["connections"]["rows"]
    names = [name for name in rows.dtype.names if name != "serial"]
    state["connections"]["rows"] = np.array(
        rows[names].tolist(), [(name, rows.dtype[name]) for name in names]
    )


def module(state: State) -> None:
    """A part that another version does not have."""
    state["streams"] = {}


def field(state: State) -> None:
    """A field that this version does not know."""
    waiting = state["exchanges:modbus"]["waiting"]
    waiting["colour"] = waiting["row"] if "row" in waiting else np.zeros(0)


def totals_field(state: State) -> None:
    """A field that this version wants of what adds up, and another did not keep."""
    del state["steps"]["gap"]


ALTERED = (older, newer, column, module, field, totals_field)


def alter(db: Path, change: Callable[[State], None]) -> None:
    """Write the state of a store as another version might have done."""
    with closing(sqlite3.connect(db)) as store, store:
        found = store.execute("SELECT module, data FROM state").fetchall()
        state = {name: unpack(data) for name, data in found}
        change(state)
        store.executemany(
            "UPDATE state SET data = ? WHERE module = ?",
            [(pack(part), name) for name, part in state.items()],
        )


def first_half(capture: Path, half: int) -> bytes:
    """The first packets of a little-endian pcap."""
    content, at = capture.read_bytes(), 24
    for _ in range(half):
        at += 16 + int.from_bytes(content[at + 8 : at + 12], "little")
    return content[:at]


@pytest.fixture(scope="module")
def read_at_once(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The dump of the plant, read in one go."""
    return analyse([PLANT], tmp_path_factory.mktemp("whole") / "x.db").dump


@pytest.fixture(scope="module")
def half_read(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of the first half of the plant; `x.pcap` beside it is that half."""
    folder = tmp_path_factory.mktemp("half")
    (folder / "x.pcap").write_bytes(first_half(PLANT, HALF))
    (outcome,) = analyse([folder / "x.pcap"], folder / "x.db").outcomes
    assert outcome.packets == HALF
    return folder / "x.db"


@pytest.fixture
def db(tmp_path: Path, half_read: Path) -> Path:
    """A copy of that store."""
    copy = tmp_path / "x.db"
    with closing(sqlite3.connect(half_read)) as one, closing(sqlite3.connect(copy)) as other:
        one.backup(other)
    copy.chmod(0o600)
    return copy


@pytest.mark.parametrize("change", ALTERED, ids=lambda one: one.__name__)
def test_goes_on_without_the_state(
    tmp_path: Path, db: Path, read_at_once: list[str], change: Callable[[State], None]
) -> None:
    """No packet counts twice or not at all, names stay, and one gap says that it began anew."""
    path = tmp_path / "x.pcap"
    alter(db, change)
    path.write_bytes(PLANT.read_bytes())
    found = analyse([path], db)

    assert found.outcomes[0].packets + HALF == cells(read_at_once, "clock")[0]["packets"]
    (gap,) = cells(found.dump, "gap")
    assert (gap["kind"], gap["packet"], gap["begin_time"]) == (KIND, HALF, gap["end_time"])
    assert counter(found.dump, f"gap:{KIND}") == 1
    with open_store(db, readonly=True) as store:
        verdicts = [one for report in judge(store) for one in report.verdicts]
    (told,) = (one for one in verdicts if one.check == "restarts")
    assert told.figure.startswith("An otsec of another version went on 1 time;")
    for table, but in WHOLE.items():
        assert without(found.dump, table, but) == without(read_at_once, table, but), table
    for name in ("packets", "bytes", "payload"):
        for one in (f"{name}_out", f"{name}_in"):
            assert total(found.dump, one) == total(read_at_once, one), one
    modbus, before = (
        sum(one["count"] for one in cells(dump, "behaviour") if one["protocol"] == "modbus")
        for dump in (found.dump, read_at_once)
    )
    assert before - modbus in {0, -1}  # of the request that waited, the answer stands alone
    assert analyse([path], db).dump == found.dump


def without(lines: list[str], table: str, columns: tuple[str, ...]) -> list[dict[str, Any]]:
    """The rows of a table without some columns."""
    rows = cells(lines, table)
    return [{name: value for name, value in row.items() if name not in columns} for row in rows]


def test_every_table_is_thought_of() -> None:
    """A table that rows are written to again is rebuilt; of the others no row is written twice."""
    once = {
        "event",
        "gap",
        "connection",
        "silence",
        "held",
        "bout",
    }  # by packet, or by a number of its own
    added = {"histogram", "rhythm", "volume"}
    pushed = {name for name, table in TABLES.items() if table.pushed}
    assert pushed == {*engine.TABLES, *totals.TABLES, *REBUILT, *once, *added}


def test_killed_right_after(tmp_path: Path, db: Path, read_at_once: list[str]) -> None:
    """What was begun anew and stopped before any packet came goes on as it was, with one gap."""
    path = tmp_path / "x.pcap"
    alter(db, newer)
    path.write_bytes(first_half(PLANT, HALF + 100))
    analyse([path], db)
    path.write_bytes(PLANT.read_bytes())
    found = analyse([path], db)
    assert len(cells(found.dump, "gap")) == 1
    assert total(found.dump, "packets_out") == total(read_at_once, "packets_out")


def test_says_so_in_a_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Who runs otsec is told in one line what was let go, and the command ends well."""
    path, db = tmp_path / "line.pcap", tmp_path / "x.db"
    path.write_bytes(first_half(PLANT, HALF))
    assert main(["analyze", str(path), "--db", str(db), "-q"]) == Exit.FINE
    alter(db, older)
    path.write_bytes(PLANT.read_bytes())
    capsys.readouterr()
    assert main(["analyze", str(path), "--db", str(db), "-q"]) == Exit.FINE
    told = [line for line in capsys.readouterr().err.splitlines() if "another version" in line]
    assert told == ["otsec: " + ANEW.format(point="line")]


@pytest.mark.parametrize(
    "text", ["00:1b:1b:aa:00:01", "10.20.1.21", "fe80::1", "::", "::ffff:10.0.0.1", "1::2:3"]
)
def test_addresses_are_read_back(text: str) -> None:
    """The words of an address are those whose text it is."""
    kind, high, low = address_words(text)
    assert address_text(kind, high, low) == text.replace("::ffff:10.0.0.1", "::ffff:a00:1")


@pytest.mark.parametrize("text", ["", "10", "100.10", "vni 5000", "vni 5000 10", "vni 1 7.8", "0"])
def test_places_are_read_back(text: str) -> None:
    """The number of a place is the one whose text it is."""
    assert place_text(place_of(text)) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "SYN: hops 64, window 29200, mss 1460, scale 7, mss sack time nop scale",
        "SYN-ACK: hops 128, window 0, mss 1460, mss",
        "SYN: hops 255, window 65535, no options",
        "SYN: hops 64, window 1, scale 0, nop other end scale",
    ],
)
def test_stacks_are_read_back(text: str) -> None:
    """The words of a stack are those whose text it is."""
    assert stack_text(*stack_words(text)) == text


def test_sound_without_a_packet(db: Path) -> None:
    """A store that was gone on with, and written before any packet came, is sound."""
    alter(db, newer)
    with open_store(db) as store:
        run = Run(store, Config(), Options(), lambda *_: None, lambda: False)
        source, engine = run._engine("tap", "")
        assert engine.packets == HALF
        run.write([(source, engine)], [])
        assert check(store) == []
