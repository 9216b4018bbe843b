"""`otsec evidence`: from what the store names back to the packets, and what is written of them."""

import gzip
import json
import shutil
import struct
from hashlib import sha256
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from engine_runs import CLIENT, SECOND, SERVER, Tcp, Wire, analyse, as_pcap, records, write
from evidence_runs import (
    ANSWER,
    WRITE,
    by_tshark,
    evidence,
    number_of,
    packets,
    store_of,
    two_peers,
)

from otsec.capture import open_capture
from otsec.cli import main
from otsec.errors import Exit, InputError, UsageError
from otsec.evidence.captures import Library
from otsec.evidence.references import joined, resolve
from otsec.store import open_store
from otsec.store.references import taps

TSHARK = pytest.mark.skipif(shutil.which("tshark") is None, reason="needs tshark")
HALF = 40  # packets of a first file


def cut(content: bytes, *places: int) -> list[bytes]:
    """A capture as several files, cut behind so many packets."""
    parts = records(content)
    bounds = [0, *places, len(parts)]
    return [content[:24] + b"".join(parts[begin:end]) for begin, end in pairwise(bounds)]


# --------------------------------------------------------------------------------- the rule


def test_what_is_gathered(tmp_path: Path) -> None:
    """A write brings its response, the handshake and set-up of its connection, and no other's."""
    db = store_of(tmp_path, two_peers().bytes())

    manifest = evidence(db, tmp_path / "a.pcapng", "--around", "1", f"tap:{WRITE}")

    why = {one["packet"]: one["why"] for one in manifest["packets"]}
    handshake = ["TCP handshake of the connection"]
    setup = ["set-up of the session"]
    assert why == {
        **dict.fromkeys((0, 1, 2), handshake),
        **dict.fromkeys((6, 7, 10, 11, 14, 15, 18, 19), setup),
        WRITE - 1: [f"before tap:{WRITE} on the same connection"],
        WRITE: [f"named: tap:{WRITE}", "request of modbus write_single_register"],
        ANSWER: ["response of modbus write_single_register"],
    }
    assert [one["packet"] for one in manifest["packets"] if one["named"]] == [WRITE]
    assert manifest["notes"] == []


def test_names_of_one_thing(tmp_path: Path) -> None:
    """A behaviour and its packet lead to the same packet, however they are written."""
    db = store_of(tmp_path, two_peers().bytes())
    number = number_of(db, "write_single_register")
    names = [
        *(["behaviour", str(number)], [f"behaviour:{number}"], [f"behaviours:tap:{number}"]),
        *([f"tap:{WRITE}"], [str(WRITE)], [f"site/tap:{WRITE}"], [f"1:{WRITE}"]),
    ]
    with open_store(db, readonly=True) as store:
        found = [{one.packet for one in resolve(store, words)} for words in names]

    assert found == [{WRITE}] * len(names)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["tap:9999"], r"tap:9999: tap has packets 0 to \d+; 9999 is none of them"),
        (["elsewhere:1"], "no source 'elsewhere'; there are: tap"),
        (["tap:x"], "'x' is no packet; expected a number, or FIRST-LAST"),
        (["tap:5-2"], "expected FIRST-LAST of at most 10,000 packets"),
        (["behaviour:9999"], "has no such behaviour"),
        (["behaviour"], "expected what follows, behaviour:12"),
        (["behaviour:one"], "'one' is no number"),
        (["fact:10.0.0.1"], "expected fact:10.0.0.1/hostname"),
        (["F-1234"], "names nothing in .*; write SOURCE:PACKET, or one of: behaviour:12"),
    ],
)
def test_names_of_nothing(tmp_path: Path, words: list[str], message: str) -> None:
    """An id that names nothing is told in one line, with what could be meant."""
    db = store_of(tmp_path, two_peers().bytes())
    with open_store(db, readonly=True) as store, pytest.raises(UsageError, match=message):
        resolve(store, words)


def test_words_are_joined() -> None:
    """The kind may stand apart from its number, as people say it."""
    assert joined(["behaviour", "12", "tap:3", "events", "7"]) == [
        "behaviour:12", "tap:3", "event:7",
    ]  # fmt: skip


def test_opening_not_captured(tmp_path: Path) -> None:
    """A connection that was there before the capture is said to lack its opening."""
    content = cut(two_peers().bytes(), 10)[1]
    db = store_of(tmp_path, content)

    manifest = evidence(db, tmp_path / "a.pcapng", f"tap:{WRITE - 10}")

    (note,) = manifest["notes"]
    assert note == (
        f"the connection of tap:{WRITE - 10} was there before the capture began; "
        "its opening is not here"
    )


def test_ports_used_again(tmp_path: Path) -> None:
    """Of two connections with the same ports the opening of the one named is taken."""
    wire = Wire()
    for first in (1_000, 5_000_000):
        one = Tcp(wire, first=(first, first + 1))
        one.open()
        one.say(CLIENT, write(1, 1, 2, 3))
        one.say(SERVER, write(1, 1, 2, 3))
        one.close()
    db = store_of(tmp_path, wire.bytes())

    manifest = evidence(db, tmp_path / "a.pcapng", "--around", "0", "tap:10")

    assert packets(manifest) == [7, 8, 9, 10, 11]


def test_pieces_of_a_message(tmp_path: Path) -> None:
    """A request that came in three segments is given whole, whichever of them is named."""
    wire = Wire()
    one = Tcp(wire)
    one.open()
    for number in range(12):
        one.say(CLIENT, write(number, 1, 2, 3))
        one.say(SERVER, write(number, 1, 2, 3))
    pieces = len(wire.frames)
    whole = write(77, 1, 9, 10)
    for piece in (whole[:2], whole[2:7], whole[7:]):
        one.say(CLIENT, piece)
    one.say(SERVER, whole)
    db = store_of(tmp_path, wire.bytes())

    for named in range(4):
        out = tmp_path / f"{named}.pcapng"
        manifest = evidence(db, out, "--around", "0", f"tap:{pieces + named}")
        assert packets(manifest)[-4:] == [pieces, pieces + 1, pieces + 2, pieces + 3]


def test_fragments_of_a_datagram(tmp_path: Path) -> None:
    """The IP fragment named brings the others of its datagram, and those of no other."""
    frames = []
    for ident in (1, 2):
        body = struct.pack(">HHHH", 47_808, 47_808, 8 + 32, 0) + bytes(32)
        for offset, more in ((0, 1), (16, 1), (32, 0)):
            piece = body[offset : offset + 16] if more else body[offset:]
            head = struct.pack(
                ">BBHHHBBH4s4s", 0x45, 0, 20 + len(piece), ident, more << 13 | offset // 8,
                64, 17, 0, b"\x0a\0\0\1", b"\x0a\0\0\2",
            )  # fmt: skip
            frames.append((len(frames) * SECOND // 100, bytes(12) + b"\x08\0" + head + piece))
    db = store_of(tmp_path, as_pcap(frames))

    manifest = evidence(db, tmp_path / "a.pcapng", "--around", "0", "tap:4")

    assert packets(manifest) == [3, 4, 5]


# ---------------------------------------------------------------------------- finding files


def test_rotated_files(tmp_path: Path) -> None:
    """Packets are found in the second and third of rotated files, with their numbers there."""
    db = store_of(tmp_path, *cut(two_peers().bytes(), HALF, HALF + 20))

    manifest = evidence(db, tmp_path / "a.pcapng", "--around", "0", f"tap:{WRITE}")

    (written,) = [one for one in manifest["packets"] if one["packet"] == WRITE]
    assert (written["capture"], written["frame"]) == ("tap_00002.pcap", WRITE - HALF - 20 + 1)
    names = {one["name"]: one["sha256"] for one in manifest["captures"]}
    assert names == {
        path.name: sha256(path.read_bytes()).hexdigest()
        for path in (tmp_path / "tap_00000.pcap", tmp_path / "tap_00002.pcap")
    }


def test_files_before_are_not_opened(tmp_path: Path) -> None:
    """A file whose packets are not needed may be gone."""
    db = store_of(tmp_path, *cut(two_peers().bytes(), HALF))
    (tmp_path / "tap_00000.pcap").unlink()

    with open_store(db, readonly=True) as store:
        (tap,) = taps(store)
        (frame,) = Library(store).frames(tap, np.array([WRITE]))

    assert frame.data == two_peers().frames[WRITE][1]


def test_every_packet_is_found(tmp_path: Path) -> None:
    """Each ordinal of each file leads to the frame that was captured, packed or not."""
    wire = two_peers()
    one, other, third = cut(wire.bytes(), 20, 50)
    (tmp_path / "a_00000.pcap").write_bytes(one)
    (tmp_path / "a_00001.pcap.gz").write_bytes(gzip.compress(other))
    (tmp_path / "a_00002.pcap").write_bytes(third)
    files = sorted(tmp_path.glob("a_*"))
    analyse(files, tmp_path / "test.db", point="tap", batch=7)

    with open_store(tmp_path / "test.db", readonly=True) as store:
        (tap,) = taps(store)
        frames = Library(store).frames(tap, np.arange(len(wire.frames)))

    assert [(frame.time, frame.data) for frame in frames] == wire.frames
    assert [frame.number for frame in frames] == [*range(1, 21), *range(1, 31), *range(1, 41)]


def test_several_points(tmp_path: Path) -> None:
    """Each point's packets come from its own files, and one file of evidence holds both."""
    wire = two_peers()
    one, other = tmp_path / "east.pcap", tmp_path / "west.pcap"
    one.write_bytes(wire.bytes())
    other.write_bytes(cut(wire.bytes(), 6)[1])
    for path in (one, other):
        analyse([path], tmp_path / "test.db", point=path.stem)

    manifest = evidence(
        tmp_path / "test.db", tmp_path / "a.pcapng", "--around", "0", "east:6", "west:0"
    )

    named = [(p["source"], p["packet"], p["capture"]) for p in manifest["packets"] if p["named"]]
    assert named == [("east", 6, "east.pcap"), ("west", 0, "west.pcap")]
    digests = {p["sha256"] for p in manifest["packets"] if p["named"]}
    assert len(digests) == 1, "the same frame, seen twice"


def test_several_interfaces(tmp_path: Path) -> None:
    """Where a file mixes two interfaces, a packet is counted within its own."""
    from otsec.evidence import pcapng

    wire = two_peers()
    mixed = pcapng.capture(
        "test",
        [],
        [pcapng.Interface(1, "eth0", ""), pcapng.Interface(1, "eth1", "")],
        [
            pcapng.Packet(number % 3 == 0, time, len(data), data, ())
            for number, (time, data) in enumerate(wire.frames)
        ],
    )
    path = tmp_path / "mixed.pcapng"
    path.write_bytes(mixed)
    analyse([path], tmp_path / "test.db", point="tap")
    mine = [data for number, (_, data) in enumerate(wire.frames) if number % 3 == 0]

    with open_store(tmp_path / "test.db", readonly=True) as store:
        tap = next(one for one in taps(store) if one.interface)
        frames = Library(store).frames(tap, np.arange(len(mine)))

    assert tap.name == "tap/1:eth1"
    assert [frame.data for frame in frames] == mine


@pytest.mark.parametrize("packed", [False, True])
def test_moved_captures(tmp_path: Path, *, packed: bool) -> None:
    """A capture that was moved, renamed or packed is found again by its content."""
    db = store_of(tmp_path, two_peers().bytes())
    away = tmp_path / "archive" / "deep"
    away.mkdir(parents=True)
    content = (tmp_path / "tap_00000.pcap").read_bytes()
    (away / "decoy.pcap").write_bytes(content[:-40])
    (away / "other.bin").write_bytes(gzip.compress(content) if packed else content)
    (tmp_path / "tap_00000.pcap").unlink()

    manifest = evidence(
        db, tmp_path / "a.pcapng", "--captures", tmp_path / "archive", f"tap:{WRITE}"
    )

    assert manifest["captures"][0]["name"] == "other.bin"


def test_captures_that_are_gone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A capture that is gone, or is another one now, is told in one line, and nothing is written."""
    db = store_of(tmp_path, two_peers().bytes())
    capture, out = tmp_path / "tap_00000.pcap", tmp_path / "a.pcapng"
    command = ["evidence", "--db", str(db), "-w", str(out), "tap:1"]
    content = bytearray(capture.read_bytes())

    content[-1] ^= 1
    capture.write_bytes(content)
    assert main(command) == Exit.INPUT
    told = capsys.readouterr().err
    assert "is not the capture that was read there, its content has changed; if it lies" in told
    capture.rename(tmp_path / "another.pcap")
    assert main([*command, "--captures", str(tmp_path)]) == Exit.INPUT
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert "is no longer there; nothing in" in told
    assert not out.exists()


def test_grown_capture(tmp_path: Path) -> None:
    """A capture that has grown since it was read still gives the packets that were read."""
    content = two_peers().bytes()
    db = store_of(tmp_path, cut(content, HALF)[0])
    (tmp_path / "tap_00000.pcap").write_bytes(content)

    assert packets(evidence(db, tmp_path / "a.pcapng", "--around", "0", "tap:0")) == [0]
    with open_store(db, readonly=True) as store:
        (tap,) = taps(store)
        with pytest.raises(InputError, match=f"packet {HALF} is not in the captures"):
            Library(store).frames(tap, np.array([HALF]))


def test_time_must_agree(tmp_path: Path) -> None:
    """A packet whose time is not the one in the store is not taken for the one that is meant."""
    db = store_of(tmp_path, two_peers().bytes())
    with open_store(db) as store:
        store.db.conn.execute("UPDATE behaviour SET first_time = 1, last_time = 1")
        store.db.conn.commit()
    number = number_of(db, "write_single_register")

    command = ["evidence", "--db", db, "-w", tmp_path / "a.pcapng", f"behaviour:{number}", "-q"]
    assert main([str(word) for word in command]) == Exit.INPUT


# --------------------------------------------------------------------------------- the files


def test_what_is_written(tmp_path: Path) -> None:
    """The capture holds the frames byte for byte with their times, and the manifest their hashes."""
    wire = two_peers()
    db = store_of(tmp_path, wire.bytes())
    out = tmp_path / "a.pcapng"

    manifest = evidence(db, out, f"tap:{WRITE}")

    reader = open_capture(out)
    (chunk,) = reader.chunks()
    (batch,) = chunk.batches
    frames = [
        (time, batch.buffer[start : start + size].tobytes())
        for time, start, size in zip(
            batch.time.tolist(), batch.offset.tolist(), batch.captured.tolist(), strict=True
        )
    ]
    reader.close()
    assert frames == [wire.frames[ordinal] for ordinal in packets(manifest)]
    assert [one["sha256"] for one in manifest["packets"]] == [
        sha256(data).hexdigest() for _, data in frames
    ]
    assert manifest["sha256"] == sha256(out.read_bytes()).hexdigest()
    assert out.stat().st_mode & 0o777 == 0o600


def test_nothing_is_overwritten(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file that is there stays, unless --force says otherwise."""
    db, out = store_of(tmp_path, two_peers().bytes()), tmp_path / "a.pcapng"
    out.write_text("mine")
    command = ["evidence", "--db", str(db), "-w", str(out), "-q", "tap:1"]

    assert main(command) == Exit.USAGE
    assert "is there already" in capsys.readouterr().err
    assert out.read_text() == "mine"
    assert main([*command, "--force"]) == Exit.FINE
    assert out.read_bytes()[:4] == b"\x0a\x0d\x0d\x0a"


def test_same_evidence_twice(tmp_path: Path) -> None:
    """The same command gives the same bytes."""
    db = store_of(tmp_path, two_peers().bytes())
    one, other = (evidence(db, tmp_path / name, f"tap:{WRITE}") for name in ("a", "b"))

    assert one["sha256"] == other["sha256"]


@TSHARK
def test_tshark_reads_it(tmp_path: Path) -> None:
    """A foreign parser sees each packet with its nanoseconds, its comment, and the section's."""
    wire = two_peers()
    db, out = store_of(tmp_path, wire.bytes()), tmp_path / "a.pcapng"

    manifest = evidence(db, out, f"tap:{WRITE}")

    rows = by_tshark(out, "frame.time_epoch", "frame.len", "frame.comment", "frame.interface_name")
    assert len(rows) == len(manifest["packets"])
    for row, packet in zip(rows, manifest["packets"], strict=True):
        seconds, nanoseconds = divmod(packet["time_ns"], SECOND)
        comment = "\\n".join([f"otsec tap:{packet['packet']}", *packet["why"]])
        assert row == [f"{seconds}.{nanoseconds:09d}", str(packet["length"]), comment, "tap"]
    section = json.dumps(manifest["captures"][0]["sha256"]).strip('"')
    assert section.encode() in out.read_bytes()


def test_context_is_brought(tmp_path: Path) -> None:
    """A CIP read over a connection brings the Forward_Open without which it cannot be read."""
    from conftest import ROOT

    path = ROOT / "pcaps" / "enip" / "tags.pcap"
    analyse([path], tmp_path / "test.db", point="tap")
    with open_store(tmp_path / "test.db", readonly=True) as store:
        rows = store.all(
            "SELECT first_packet FROM behaviour WHERE operation = 'forward_open' ORDER BY 1"
        )
        ((last,),) = store.all("SELECT MAX(last_packet) FROM behaviour")

    manifest = evidence(tmp_path / "test.db", tmp_path / "a.pcapng", "--around", "0", f"tap:{last}")

    setters = {
        one["packet"]
        for one in manifest["packets"]
        if "changes how later messages are read" in one["why"]
    }
    assert setters & {row[0] for row in rows}


def test_finding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A finding leads to the packets that the store keeps for it, whatever else it keeps."""
    from otsec.store import references
    from otsec.store.schema import TABLES

    db = store_of(tmp_path, two_peers().bytes())
    time = two_peers().frames[WRITE][0]
    rows = {
        "finding": {"id": "f1", "title": "a write"},
        "finding_packet": {
            "source": 1,
            "finding": "f1",
            "packet": WRITE,
            "time": time,
            "what": "holding 5",
        },
    }
    with open_store(db) as store:
        for table, cells in rows.items():
            if table in TABLES:
                empty = {c.name: "" if c.type == "TEXT" else 0 for c in TABLES[table].columns}
            else:
                store.db.conn.execute(f"CREATE TABLE {table} ({', '.join(cells)})")
                empty = {}
            store.db[table].insert({**empty, **cells})
        store.db.conn.commit()
    monkeypatch.setattr(references, "TABLES", {**TABLES, **dict.fromkeys(rows)})

    with open_store(db, readonly=True) as store:
        found = [*resolve(store, ["f1"]), *resolve(store, ["finding", "f1"])]

    told = [(one.packet, one.time, one.why) for one in found]
    assert told == [(WRITE, time, "a write: holding 5")] * 2
