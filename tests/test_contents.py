"""Programs, blocks and files that are transferred: put together again, told by their hash.

What our peers sent is known: their hashes are those of the bytes that the generators gave them.
Of captures of others tshark says what was carried.
"""

import hashlib
import json
import struct
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from engine_runs import (
    CLIENT,
    SECOND,
    SERVER,
    Bench,
    Tcp,
    Wire,
    analyse,
    cells,
    counter,
    difference,
    killed,
)
from engine_runs import records as records_of
from wire_captures import tshark

from otsec.aggregates import contents as own
from otsec.store import open_store
from otsec.store.contents import changes, contents
from otsec.store.queries import Filter

OWN = Path(__file__).parents[1] / "pcaps"
Told = dict[tuple[str, str], tuple[str, str, int, int]]  # by name and direction


def sha256(data: bytes) -> str:
    """The hash as the store tells it."""
    return hashlib.sha256(data).hexdigest()


def told(lines: Sequence[str]) -> Told:
    """What was transferred: hash, why it is incomplete, bytes, how often."""
    return {
        (row["name"], row["direction"]): (row["sha256"], row["reason"], row["size"], row["count"])
        for row in cells(lines, "content")
    }


# ------------------------------------------------------------------------------- peers


def test_file_of_peers(tmp_path: Path) -> None:
    """A file that an implementation of others sent has the hash of the file."""
    content = b"IDN=RELAY-91\r\n" * 40
    found = told(Bench(tmp_path).dump((OWN / "tftp" / "peers.pcap").read_bytes()))
    assert found["settings.txt", "from_server"] == (sha256(content), "", len(content), 1)


def test_firmware_by_tftp(tmp_path: Path) -> None:
    """What is left at a relay has the hash of what tshark finds in its blocks."""
    path = OWN / "tftp" / "peers.pcap"
    ports = ("-d", "udp.port==1024-65535,tftp")
    rows = tshark(
        path,
        *ports,
        "-Y",
        "tftp.opcode == 3 && udp.dstport != 1024",
        "-e",
        "ip.src",
        "-e",
        "data.data",
    )
    content = b"".join(bytes.fromhex(data) for sender, data in rows if sender == "10.10.30.15")
    found = told(Bench(tmp_path).dump(path.read_bytes()))
    assert found["firmware.bin", "to_server"] == (sha256(content), "", len(content), 1)


REAL = (  # capture, name, direction, bytes, how often, and where the hash is from
    ("s7comm/nDPI__s7comm.pcap", "DB1", "to_server", 500, 1),
    ("s7comm/icsnpp-s7comm__snap7.pcap", "SDB0", "from_server", 216, 4),
    ("modbus/Quickdraw-Snort__modicon_test.pcap", "project", "from_server", 12_343, 1),
    ("dnp3/iti__file_read.pcap", "./testfile.txt", "from_server", 19, 1),
    ("dnp3/zeek__dnp3_file_read.pcap", "./test.xml", "from_server", 830, 1),
)


@pytest.mark.parametrize(("capture", "name", "direction", "size", "count"), REAL)
def test_real_captures(
    capture: str, name: str, direction: str, size: int, count: int, captures: Path, tmp_path: Path
) -> None:
    """Real transfers are complete, as long as they said, the same ones the same."""
    found = told(Bench(tmp_path).dump((captures / capture).read_bytes()))
    digest, *rest = found[name, direction]
    assert rest == ["", size, count]
    assert len(digest) == 64


def test_block_as_tshark_reads_it(captures: Path, tmp_path: Path) -> None:
    """The block loaded into a controller is the data of the three pieces that tshark finds."""
    path = captures / "s7comm" / "nDPI__s7comm.pcap"
    only = "s7comm.header.rosctr == 3 && s7comm.param.func == 0x1b"
    sizes = ("-e", "s7comm.header.datlg", "-e", "tcp.payload")
    rows = tshark(path, "-Y", only, *sizes)
    content = b"".join(bytes.fromhex(data)[4 - int(size) :] for size, data in rows)
    found = told(Bench(tmp_path).dump(path.read_bytes()))
    assert found["DB1", "to_server"][0] == sha256(content)


def test_project_as_its_bytes_stand(captures: Path, tmp_path: Path) -> None:
    """The project of a Modicon is what its answers carry behind their heads of 14 bytes."""
    path = captures / "modbus" / "Quickdraw-Snort__modicon_test.pcap"
    asked: set[str] = set()
    content = b""
    for (text,) in tshark(path, "-Y", "modbus.func_code == 90", "-e", "tcp.payload"):
        if text[18:20] == "34":
            asked.add(text[:4])
        elif text[:4] in asked and text[18:20] == "fe":
            content += bytes.fromhex(text)[14:]
    assert content.startswith(b"APX")
    found = told(Bench(tmp_path).dump(path.read_bytes()))
    assert found["project", "from_server"][0] == sha256(content)


@pytest.mark.parametrize(
    "capture", ["iti__file_read", "iti__file_write", "iti__file_list_directory",
                "zeek__dnp3_file_read", "zeek__dnp3_file_write"],
)  # fmt: skip
def test_files_of_dnp3_as_tshark_reads_them(capture: str, captures: Path, tmp_path: Path) -> None:
    """A file is the data of the blocks that tshark finds."""
    path = captures / "dnp3" / f"{capture}.pcap"
    rows = tshark(path, "-Y", "dnp3.al.file.data", "-e", "dnp3.al.file.data")
    content = b"".join(bytes.fromhex(row[0]) for row in rows)
    assert [row[0] for row in told(Bench(tmp_path).dump(path.read_bytes())).values()] == [
        sha256(content)
    ]


def test_one_file_read_and_written(captures: Path, tmp_path: Path) -> None:
    """The file that one capture reads and another writes has one hash."""
    bench = Bench(tmp_path)
    digests = {
        digest
        for name in ("read", "write")
        for digest, *_ in told(
            bench.dump((captures / "dnp3" / f"zeek__dnp3_file_{name}.pcap").read_bytes())
        ).values()
    }
    assert len(digests) == 1
    assert told(bench.dump((captures / "dnp3/iti__file_read.pcap").read_bytes()))[
        "./testfile.txt", "from_server"
    ][0] == sha256(b"This is a test file")


# ------------------------------------------------------------------------------ equality

CAPTURES = [OWN / f"{name}.pcap" for name in ("tftp/peers", "s7comm/engineer", "dnp3/bench")]


@pytest.mark.parametrize("path", CAPTURES, ids=lambda path: path.parent.name)
def test_batches_make_no_difference(path: Path, tmp_path: Path) -> None:
    """Transfers are the same in any batches, one by one, and gone on with at any packet."""
    bench, content = Bench(tmp_path), path.read_bytes()
    whole = bench.dump(content)
    assert cells(whole, "content")
    for options in ({"batch": 1}, {"batch": 5}, {"all_plain": True}):
        assert not difference(whole, bench.dump(content, **options)), options
    assert not difference(whole, bench.grown(content, 3))


def test_killed_at_any_moment(tmp_path: Path) -> None:
    """A run that is killed within transfers, and again, ends with what one run finds."""
    wire = Wire()
    talk = Download(wire)
    for number in range(4):
        talk.block(f"_0A0000{number}P", bytes(range(200)) * 3)
    content = wire.bytes()
    whole = Bench(tmp_path).dump(content)
    path, db = tmp_path / "killed.pcap", tmp_path / "killed.db"
    path.write_bytes(content)
    moments = [
        ("batch done", 1),
        ("checkpoint done", 2),
        ("batch begun", 3),
        ("checkpoint in part", 4),
    ]
    run = {"paths": [str(path)], "db": str(db), "batch": 5, "moments": moments}
    assert killed([run]) == len(moments)
    assert not difference(whole, analyse([path], db).dump)
    assert len(told(whole)) == 4


# ---------------------------------------------------------------------- transfers by hand


class Download:
    """A client loads blocks of S7comm into a controller: requests and answers by hand.

    They are as those of a real capture (nDPI, `s7comm.pcap`), which `REAL` names.
    """

    def __init__(self, wire: Wire, port: int = 40_000, server: str = "10.0.0.2") -> None:
        self.tcp = Tcp(wire, (("10.0.0.1", port), (server, 102)))
        self.tcp.open()
        self.reference = 0

    def say(self, side: int, kind: int, parameter: bytes, data: bytes = b"") -> None:
        """One message."""
        error = b"\0\0" if kind == 3 else b""
        head = struct.pack(">BBHHHH", 0x32, kind, 0, self.reference, len(parameter), len(data))
        body = b"\x02\xf0\x80" + head + error + parameter + data
        self.tcp.say(side, b"\3\0" + struct.pack(">H", 4 + len(body)) + body)

    def named(self, side: int, function: int, name: str, more: bytes = b"") -> None:
        """A job about a block."""
        self.reference += 1
        text = name.encode()
        self.say(side, 1, bytes([function]) + bytes(7) + bytes([len(text)]) + text + more)

    def begin(self, name: str, size: int) -> None:
        """The client wants to load a block."""
        self.named(CLIENT, 0x1A, name, b"\x0d1" + b"%06d%06d" % (size, size))
        self.say(SERVER, 3, b"\x1a")

    def piece(self, name: str, data: bytes, *, last: bool, answer: bool = True) -> None:
        """The controller asks for the next piece, and gets it."""
        self.named(SERVER, 0x1B, name)
        if answer:
            head = struct.pack(">HH", len(data), 0xFB)
            self.say(CLIENT, 3, bytes([0x1B, not last]), head + data)

    def end(self, name: str) -> None:
        """The controller has all of it."""
        self.named(SERVER, 0x1C, name)
        self.say(CLIENT, 3, b"\x1c")

    def block(self, name: str, data: bytes, size: int = 200) -> None:
        """All of it."""
        self.begin(name, len(data))
        for at in range(0, len(data), size):
            self.piece(name, data[at : at + size], last=at + size >= len(data))
        self.end(name)


def test_by_hand_as_tshark_reads_it(tmp_path: Path) -> None:
    """What the tests below are made of is sound for tshark too."""
    wire = Wire()
    Download(wire).block("_0A00001P", bytes(500))
    path = tmp_path / "by_hand.pcap"
    path.write_bytes(wire.bytes())
    assert tshark(path, "-Y", "_ws.malformed", "-e", "frame.number") == []
    functions = tshark(path, "-Y", "s7comm.header.rosctr == 1", "-e", "s7comm.param.func")
    assert [row[0] for row in functions] == ["0x1a", "0x1b", "0x1b", "0x1b", "0x1c"]


def without(content: bytes, *numbers: int) -> bytes:
    """A capture that lacks some of its packets."""
    parts = records_of(content)
    return content[:24] + b"".join(part for at, part in enumerate(parts) if at not in numbers)


def test_loss_makes_it_incomplete(tmp_path: Path) -> None:
    """Without any one of the packets that carry it a block is never called complete with another hash."""
    wire = Wire()
    content_of = bytes(range(250)) * 2
    Download(wire).block("_0A00001P", content_of)
    content, bench = wire.bytes(), Bench(tmp_path)
    good = sha256(content_of)
    assert told(bench.dump(content))["DB1", "to_server"] == (good, "", 500, 1)
    reasons = set()
    for at in range(3, len(records_of(content))):
        rows = cells(bench.dump(without(content, at)), "content")
        assert all(row["sha256"] in ("", good) for row in rows), at
        reasons |= {row["reason"] for row in rows}
    assert reasons >= {"", "pieces missing", "open"}


def test_answer_lost_in_the_middle(tmp_path: Path) -> None:
    """A piece that was asked for and not seen is missing, though all others came."""
    wire = Wire()
    talk = Download(wire)
    talk.begin("_0A00001P", 600)
    for at, answer in enumerate((True, False, True)):
        talk.piece("_0A00001P", bytes([at]) * 200, last=at == 2, answer=answer)
    talk.end("_0A00001P")
    assert told(Bench(tmp_path).dump(wire.bytes()))["DB1", "to_server"] == (
        "", "pieces missing", 200, 1,
    )  # fmt: skip


def test_less_than_was_announced(tmp_path: Path) -> None:
    """A block that is shorter than was said is incomplete."""
    wire = Wire()
    talk = Download(wire)
    talk.begin("_0A00001P", 600)
    talk.piece("_0A00001P", bytes(200), last=True)
    talk.end("_0A00001P")
    found = told(Bench(tmp_path).dump(wire.bytes()))
    assert found["DB1", "to_server"] == ("", "600 bytes announced", 200, 1)


def umas(wire: Wire, *requests: bytes) -> None:
    """Requests of UMAS, each answered with success; the session is 1."""
    tcp = Tcp(wire, (("10.0.0.1", 41_000), ("10.0.0.3", 502)))
    tcp.open()
    for number, body in enumerate(requests, 1):
        for side, data in ((CLIENT, body), (SERVER, b"\xfe")):
            frame = b"\0\x5a\1" + data
            tcp.say(side, struct.pack(">HHH", number, 0, len(frame)) + frame)


@pytest.mark.parametrize(
    ("blocks", "reason"),
    [((1, 2, 2, 3), ""), ((1, 3), "pieces missing"), ((1, 2), "pieces missing")],
)
def test_program_into_a_modicon(blocks: tuple[int, ...], reason: str, tmp_path: Path) -> None:
    """A project is what its blocks carry, of which one may come twice, and none may be missing."""
    data = {number: bytes([number]) * 244 for number in (1, 2, 3)}
    wire = Wire()
    umas(
        wire,
        b"\x30\0\1",
        *(b"\x31\0\1" + struct.pack("<HH", number, 244) + data[number] for number in blocks),
        b"\x32\0\1\3\0",
    )
    digest = "" if reason else sha256(b"".join(data.values()))
    found = told(Bench(tmp_path).dump(wire.bytes()))["project", "to_server"]
    assert (found[0], found[1], found[3]) == (digest, reason, 1)


def blocks(data: bytes, size: int) -> list[bytes]:
    """Datagrams of a file, RFC 1350; the last is short."""
    parts = [data[at : at + size] for at in range(0, len(data) + 1, size)]
    return [struct.pack(">HH", 3, at & 0xFFFF) + part for at, part in enumerate(parts, 1)]


@pytest.mark.parametrize("size", [8, 512, 1024])
def test_files_at_the_same_time(size: int, tmp_path: Path) -> None:
    """Files between the same two hosts at the same time are not mixed, whatever their blocks."""
    wire, client, server = Wire(), "10.0.0.1", "10.0.0.9"
    files = {f"file-{at}": bytes([at]) * (size * 3 + at) for at in range(4)}
    for at, name in enumerate(files):
        options = b"octet\0blksize\0%d\0" % size
        wire.udp((client, 50_000 + at), (server, 69), b"\0\1" + name.encode() + b"\0" + options)
    for at in range(4):
        answer = b"\0\6blksize\0%d\0" % size
        wire.udp((server, 51_000 - at), (client, 50_000 + at), answer)
    for number in range(4):
        for at, data in enumerate(files.values()):
            wire.udp((server, 51_000 - at), (client, 50_000 + at), blocks(data, size)[number])
    found = told(Bench(tmp_path).dump(wire.bytes()))
    assert found == {
        (name, "from_server"): (sha256(data), "", len(data), 1) for name, data in files.items()
    }


# ------------------------------------------------------------------------------- changes


def loaded(tmp_path: Path, *blocks: bytes) -> Path:
    """A store in which a controller was loaded with one block after the other, by two clients."""
    wire = Wire()
    for number, block in enumerate(blocks):
        Download(wire, port=40_000 + number).block("_0A00001P", block)
    path, db = tmp_path / "loaded.pcap", tmp_path / "loaded.db"
    path.write_bytes(wire.bytes())
    analyse([path], db)
    return db


def test_the_same_again_is_no_change(tmp_path: Path) -> None:
    """The same block loaded three times is one row, and no change."""
    with open_store(loaded(tmp_path, b"a" * 300, b"a" * 300, b"a" * 300), readonly=True) as store:
        (row,) = contents(store)
        assert (row.count, row.changed, row.before) == (3, False, "")
        assert changes(store) == []


def test_another_is_a_change(tmp_path: Path) -> None:
    """Another block of the same name is a change, which tells what was there before."""
    one, other = b"a" * 300, b"b" * 300
    with open_store(loaded(tmp_path, one, one, other), readonly=True) as store:
        (row,) = changes(store)
        assert (row.sha256, row.before) == (sha256(other), sha256(one))
        assert changes(store, [Filter("sha256", sha256(one))]) == []
        assert changes(store, [Filter("sha256", sha256(other))]) == [row]


def test_back_to_what_was_there(tmp_path: Path) -> None:
    """What was replaced and came back is told as returned."""
    one, other = b"a" * 300, b"b" * 300
    with open_store(loaded(tmp_path, one, other, one), readonly=True) as store:
        first, second = contents(store)
        assert (first.returned, first.changed, first.count) == (True, True, 2)
        assert (second.returned, second.before) == (False, sha256(one))


def seen_at(tmp_path: Path, *loads: tuple[str, int, bytes]) -> Path:
    """A store of several points of one network: where and when (seconds) which block was loaded."""
    db = tmp_path / "points.db"
    for point in dict.fromkeys(name for name, _, _ in loads):
        wire = Wire()
        begin = wire.time
        for number, (_, after, block) in enumerate(one for one in loads if one[0] == point):
            wire.time = begin + after * SECOND
            Download(wire, port=40_000 + number).block("_0A00001P", block)
        path = tmp_path / f"{point}.pcap"
        path.write_bytes(wire.bytes())
        analyse([path], db, point=point)
    return db


DAY = 86_400
OLD, NEW = b"a" * 300, b"b" * 300


@pytest.mark.parametrize(
    ("loads", "expected"),
    [
        # the other point saw it come the day before
        ([("one", 0, OLD), ("two", DAY, NEW), ("one", 2 * DAY, NEW)], [("two", OLD)]),
        # each point saw one of two
        ([("one", 0, OLD), ("two", DAY, NEW)], [("two", OLD)]),
        # both see all of it, by clocks that differ: one change with a witness
        ([("one", 0, OLD), ("one", 20, NEW), ("two", 15, OLD), ("two", 35, NEW)], [("one", OLD)]),
        # the same again at another point
        ([("one", 0, OLD), ("two", DAY, OLD)], []),
    ],
)  # fmt: skip
def test_points_of_one_network_know_what_the_others_saw(
    tmp_path: Path, loads: list[tuple[str, int, bytes]], expected: list[tuple[str, bytes]]
) -> None:
    """What one point saw come is no change for another one, and what it saw replaced is."""
    with open_store(seen_at(tmp_path, *loads), readonly=True) as store:
        assert [(row.point, row.before) for row in changes(store)] == [
            (point, sha256(before)) for point, before in expected
        ]


def test_listing_and_asset(tmp_path: Path, otsec_command: Any) -> None:
    """People see what was loaded, by itself and with the controller."""
    db = loaded(tmp_path, b"a" * 300, b"b" * 300)
    listed = json.loads(otsec_command("contents", "--json", "--db", db).stdout)
    assert [row["sha256"] for row in listed["rows"]] == [sha256(b"a" * 300), sha256(b"b" * 300)]
    changed = json.loads(otsec_command("contents", "--changed", "--json", "--db", db).stdout)
    assert [row["before"] for row in changed["rows"]] == [sha256(b"a" * 300)]
    table = otsec_command("contents", "name:DB1", "--db", db).stdout
    assert "changed" in table
    assert sha256(b"b" * 300)[:16] in table
    page = otsec_command("asset", "10.0.0.2", "--db", db).stdout
    assert "What was loaded into it or read from it" in page
    assert sha256(b"b" * 300) in page


# ------------------------------------------------------------------------------- hostile


def hostile() -> Iterator[tuple[str, Wire]]:
    """Transfers that nobody means."""
    never = Wire()
    talk = Download(never)
    talk.begin("_0A00001P", 999_999)
    for _ in range(30):
        talk.piece("_0A00001P", bytes(900), last=False)
    yield "never ending", never
    many = Wire()
    talk = Download(many)
    for number in range(14):
        talk.begin(f"_0A{number:05d}P", 100)
    yield "many begun", many
    names = Wire()
    talk = Download(names)
    for number in range(16):
        talk.block(f"_0A{number:05d}P", bytes([number]) * 20)
    yield "many names", names
    talks = Wire()
    lines = [Download(talks, port=40_000 + at) for at in range(6)]
    for at in range(3):
        for number, line in enumerate(lines):
            name = f"_0A0000{number}P"
            if at == 0:
                line.begin(name, 400)
            line.piece(name, bytes([number]) * 200, last=at == 1)
    for number, line in enumerate(lines):
        line.end(f"_0A0000{number}P")
    yield "many talks", talks
    left = Wire()
    for at in range(4):
        talk = Download(left, port=40_100 + at)
        name = f"_0A0000{at}P"
        talk.begin(name, 12_000)
        for number in range(12):
            talk.piece(name, bytes([at]) * 1_000, last=number == 11)
    talk.end(name)
    yield "left behind", left
    crossed = Wire()
    talk = Download(crossed)
    talk.begin("_0A00001P", 400)
    talk.begin("_0A00002P", 400)
    for at in range(4):
        talk.piece(f"_0A0000{1 + at % 2}P", bytes([at]) * 200, last=at > 1)
    talk.begin("_0A00001P", 400)
    talk.end("_0A00002P")
    talk.end("_0A00003P")
    yield "crossed", crossed


@pytest.mark.parametrize(("name", "wire"), list(hostile()), ids=lambda one: str(one)[:12])
def test_hostile_transfers_are_bounded(
    name: str, wire: Wire, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever never ends, or comes a thousandfold, meets caps that are told, in any batches alike."""
    for cap, most in (
        ("TRANSFER_BYTES", 20_000), ("HELD_BYTES", 30_000), ("UNDER_WAY", 8), ("ROWS", 10),
        ("TALKS", 2),
    ):  # fmt: skip
        monkeypatch.setattr(own, cap, most)
    bench, content = Bench(tmp_path), wire.bytes()
    whole = bench.dump(content)
    rows = cells(whole, "content")
    assert len(rows) <= 10 + 8
    if name == "crossed":
        reasons = {(row["name"], row["reason"]) for row in rows}
        assert reasons == {("DB1", "begun anew"), ("DB1", "open"), ("DB2", "")}
    else:
        assert counter(whole, "cap:transfers")
    if name == "many talks":  # whose pieces nobody asked for, as far as is remembered
        assert {row["sha256"] for row in rows} == {""}
    if name == "left behind":  # who goes on is not hindered by those who do not
        assert [row["sha256"] for row in rows if row["reason"] == ""] == [sha256(b"\3" * 12_000)]
    if name == "never ending":
        assert {(row["reason"], row["size"]) for row in rows} == {("open", 27_000)}
    for options in ({"batch": 3}, {"batch": 7, "all_plain": True}):
        assert not difference(whole, bench.dump(content, **options)), options
    assert not difference(whole, bench.grown(content, 37))
