"""Files of FTP and SMB: put together again from connections of their own, and from any order.

What the peers of the captures transferred is known: the hashes are those of the bytes that the
generators gave them, and of what tshark exports.
"""

import hashlib
import itertools
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from engine_runs import CLIENT, SERVER, Bench, Tcp, Wire, cells, counter, difference
from engine_runs import records as records_of
from wire_captures import tshark

from otsec.aggregates import asides
from otsec.aggregates import contents as own
from otsec.aggregates.contents import _cover
from otsec.errors import WireError
from otsec.protocols.api import Expect, Reader, Side
from otsec.protocols.transfers import ftp, smb

OWN = Path(__file__).parents[1] / "pcaps"
FTP, SMB, CIP = (OWN / name / "files.pcap" for name in ("ftp", "smb", "enip"))
Row = tuple[str, str, str, int, int]  # direction, hash, why there is none, bytes, how often


def sha256(data: bytes) -> str:
    """The hash as the store tells it."""
    return hashlib.sha256(data).hexdigest()


def told(lines: Sequence[str]) -> dict[str, set[Row]]:
    """What was transferred, by name."""
    found: dict[str, set[Row]] = {}
    for row in cells(lines, "content"):
        made = row["direction"], row["sha256"], row["reason"], row["size"], row["count"]
        found.setdefault(row["name"], set()).add(made)
    return found


# ---------------------------------------------------------------------------------- peers


FIRMWARE = random.Random(1).randbytes(30_000)
RECIPE = b"speed;1480\r\ntemperature;71\r\n" * 60
PROGRAM = random.Random(2).randbytes(66_000)


def test_files_of_ftp(tmp_path: Path) -> None:
    """Files have the hash of what the peers gave: by PASV, EPSV and PORT, left and fetched."""
    other = FIRMWARE[:-4] + b"\0\0\0\2"
    assert told(Bench(tmp_path).dump(FTP.read_bytes())) == {
        "firmware.bin": {
            ("to_server", sha256(FIRMWARE), "", 30_000, 2),
            ("to_server", sha256(other), "", 30_000, 1),
            ("from_server", sha256(other), "", 30_000, 2),
        },
        "recipe.csv": {
            ("to_server", sha256(RECIPE), "", 1680, 1),
            ("from_server", sha256(RECIPE), "", 1680, 1),
            ("from_server", "", "only from byte 100 on", 1580, 1),
            ("to_server", "", "added to what was there", 12, 1),
        },
        "empty.txt": {("to_server", sha256(b""), "", 0, 1)},
    }


@pytest.mark.parametrize("name", ["mixer", "old"])
def test_files_of_smb(name: str, tmp_path: Path) -> None:
    """Files of SMB 2 and of SMB 1 have the hash of what the peers gave; a part of one has none."""
    changed = b"\x01" + PROGRAM[1:]
    found = told(Bench(tmp_path).dump(SMB.read_bytes()))
    assert found[f"RECIPES\\{name}.bin"] == {
        ("to_server", sha256(PROGRAM), "", 66_000, 2),
        ("to_server", sha256(changed), "", 66_000, 1),
        ("from_server", sha256(PROGRAM), "", 66_000, 1),
    }
    assert found[f"RECIPES\\{name}.txt"] == {
        ("to_server", sha256(b"speed 1480\r\n" * 700), "", 8400, 1),
        ("from_server", "", "8400 bytes announced", 1200, 1),
    }


def test_files_of_cip(tmp_path: Path) -> None:
    """Files of CIP have the hash of what was built, also where numbers begin anew; a part has none."""
    sheet = b"$ EDS of a remote rack\r\n[File]\r\n  Revision = 1.1;\r\n" * 90
    image = random.Random(4).randbytes(16_000)
    changed = image[:-1] + b"\x99"
    lines = Bench(tmp_path).dump(CIP.read_bytes())
    read = ("from_server", sha256(sheet), "", 4590, 1)
    assert told(lines) == {
        "EDS and icons": {read},
        "1734.nvs": {
            ("to_server", sha256(image), "", 16_000, 2),
            ("to_server", sha256(changed), "", 16_000, 1),
        },
        "given up.nvs": {("to_server", "", "aborted", 750, 1)},
        "wrong sum.nvs": {("to_server", "", "failed", 16_000, 1)},
        "file 113": {("from_server", sha256(b"serial = 00D4E5F6\r\n"), "", 19, 1)},
    }
    devices = [row["device"] for row in cells(lines, "content") if row["sha256"] == read[1]]
    assert sorted(devices) == ["", "slot 0"]  # asked of the rack itself, and of a slot of it


def test_file_object_as_tshark_reads_it() -> None:
    """For tshark too the requests are to the file object, with these services."""
    rows = tshark(CIP, "-Y", "cip.class == 0x37", "-e", "cip.sc")
    counted = Counter(row[0].split(",")[-1] for row in rows)
    assert {int(code, 0) & 0x7F for code in counted} == {0x4B, 0x4C, 0x4F, 0x50}


@pytest.mark.parametrize(("path", "kind"), [(FTP, "ftp-data"), (SMB, "smb")])
def test_files_as_tshark_exports_them(path: Path, kind: str, tmp_path: Path) -> None:
    """Each hash is that of an object that tshark puts together."""
    folder = tmp_path / "objects"
    tshark(path, "--export-objects", f"{kind},{folder}", "-e", "frame.number")
    theirs = {sha256(one.read_bytes()) for one in folder.iterdir()}
    ours = {
        row[1] for rows in told(Bench(tmp_path).dump(path.read_bytes())).values() for row in rows
    }
    assert len(ours - {"", sha256(b"")}) >= 3
    assert ours - {"", sha256(b"")} <= theirs


def test_captures_are_sound() -> None:
    """Tshark finds nothing malformed in the captures."""
    for path in (FTP, SMB, CIP):
        assert tshark(path, "-Y", "_ws.malformed", "-e", "frame.number") == []


# -------------------------------------------------------------------------------- equality


@pytest.mark.parametrize("path", [FTP, SMB, CIP], ids=["ftp", "smb", "cip"])
def test_batches_make_no_difference(path: Path, tmp_path: Path) -> None:
    """Files are the same in any batches, in the plain way, and gone on with at any packet."""
    bench, content = Bench(tmp_path), path.read_bytes()
    whole = bench.dump(content)
    assert cells(whole, "content")
    for options in ({"batch": 7}, {"batch": 64}, {"all_plain": True}, {"workers": 2, "batch": 50}):
        assert not difference(whole, bench.dump(content, **options)), options
    assert not difference(whole, bench.grown(content, 41))


def test_order_of_data_makes_no_difference(tmp_path: Path) -> None:
    """Segments of data that come in another order, or twice, make the same file."""
    wire = Wire()
    talk = Files(wire)
    data = talk.passive(50_001)
    talk.asks(b"RETR a.bin", b"150 Here it comes.")
    for begin, end in ((300, 600), (0, 350), (900, 1000), (300, 600), (600, 900)):
        data.packet(SERVER, FIRMWARE[begin:end], at=begin)
    data.packet(SERVER, b"", at=1000, flags="FA")
    talk.says(b"226 Done.")
    assert told(Bench(tmp_path).dump(wire.bytes())) == {
        "a.bin": {("from_server", sha256(FIRMWARE[:1000]), "", 1000, 1)}
    }


@pytest.mark.parametrize("path", [FTP, SMB, CIP], ids=["ftp", "smb", "cip"])
def test_loss_never_makes_another_file(path: Path, tmp_path: Path) -> None:
    """Whatever packet is missing, no hash is told that is not that of a file."""
    content, bench = path.read_bytes(), Bench(tmp_path)
    good = {row[1] for rows in told(bench.dump(content)).values() for row in rows}
    parts, reasons = records_of(content), set[str]()
    for at in random.Random(3).sample(range(3, len(parts)), 24):
        lines = bench.dump(content[:24] + b"".join(parts[:at] + parts[at + 1 :]))
        rows = [row for rows in told(lines).values() for row in rows]
        assert {row[1] for row in rows} <= good, at
        reasons |= {row[2] for row in rows}
    assert reasons & {"pieces missing", "open", "end not seen"}


# --------------------------------------------------------------------------------- by hand


class Files:
    """A control connection of FTP by hand, as that of the peers."""

    def __init__(self, wire: Wire, port: int = 40_000) -> None:
        self.wire, self.tcp = wire, Tcp(wire, (("10.0.0.1", port), ("10.0.0.2", 21)))
        self.tcp.open()
        self.says(b"220 FTP server ready.")
        self.asks(b"USER maint", b"331 Password.")

    def says(self, line: bytes) -> None:
        """The server says something."""
        self.tcp.say(SERVER, line + b"\r\n")

    def asks(self, line: bytes, *answers: bytes) -> None:
        """The client says something, and is answered."""
        self.tcp.say(CLIENT, line + b"\r\n")
        for answer in answers:
            self.says(answer)

    def passive(self, port: int) -> Tcp:
        """A connection of data to the server."""
        numbers = b",".join(b"%d" % one for one in (10, 0, 0, 2, port >> 8, port & 0xFF))
        self.asks(b"PASV", b"227 Entering Passive Mode (" + numbers + b").")
        data = Tcp(self.wire, (("10.0.0.1", port + 1000), ("10.0.0.2", port)))
        data.open()
        return data


CASES: dict[str, tuple[tuple[bytes, ...], str]] = {
    "connection not seen to end": ((b"226 Done.",), "open"),
    "it failed": ((b"426 Aborted.",), "failed"),
    "nothing was said": ((), "open"),
}


@pytest.mark.parametrize("case", CASES)
def test_what_is_incomplete(case: str, tmp_path: Path) -> None:
    """A file of which the end was not seen has no hash."""
    answers, reason = CASES[case]
    wire = Wire()
    talk = Files(wire)
    data = talk.passive(50_001)
    talk.asks(b"STOR a.bin", b"150 Go on.")
    data.packet(CLIENT, b"x" * 100, at=0)
    for answer in answers:
        talk.says(answer)
    assert told(Bench(tmp_path).dump(wire.bytes())) == {
        "a.bin": {("to_server", "", reason, 100, 1)}
    }


def test_the_server_says_it_first(tmp_path: Path) -> None:
    """A file is complete also where the end of its connection comes behind the server's word."""
    wire = Wire()
    talk = Files(wire)
    data = talk.passive(50_001)
    talk.asks(b"STOR a.bin", b"150 Go on.")
    data.packet(CLIENT, b"x" * 100, at=0)
    talk.says(b"226 Done.")
    data.packet(CLIENT, b"y" * 50, at=100, flags="FA")
    assert told(Bench(tmp_path).dump(wire.bytes())) == {
        "a.bin": {("to_server", sha256(b"x" * 100 + b"y" * 50), "", 150, 1)}
    }


def test_others_put_nothing_into_a_file(tmp_path: Path) -> None:
    """What goes the other way, or comes from somebody else to the same end, is not of the file."""
    wire = Wire()
    talk = Files(wire)
    data = talk.passive(50_001)
    other = Tcp(wire, (("10.0.0.66", 40_001), ("10.0.0.2", 50_009)))
    other.open()
    talk.asks(b"STOR a.bin", b"150 Go on.")
    data.packet(CLIENT, b"x" * 100, at=0)
    data.packet(SERVER, b"no" * 100, at=0)
    other.say(CLIENT, b"evil" * 100)
    data.packet(CLIENT, b"", at=100, flags="FA")
    talk.says(b"226 Done.")
    assert told(Bench(tmp_path).dump(wire.bytes())) == {
        "a.bin": {("to_server", sha256(b"x" * 100), "", 100, 1)}
    }


def test_what_is_encrypted_has_no_hash(tmp_path: Path) -> None:
    """Where data are encrypted, nothing is told of files."""
    wire = Wire()
    talk = Files(wire)
    talk.asks(b"PROT P", b"200 Private.")
    data = talk.passive(50_001)
    talk.asks(b"STOR a.bin", b"150 Go on.")
    data.packet(CLIENT, b"\x17\x03\x03", at=0, flags="FA")
    talk.says(b"226 Done.")
    assert told(Bench(tmp_path).dump(wire.bytes())) == {}


# --------------------------------------------------------------------------------- hostile

ANNOUNCED = {
    b"227 Entering Passive Mode (10,0,0,2,195,81).\r\n": ("10.0.0.2", 50_001, True),
    b"227 =10,0,0,2,0,21\r\n": ("10.0.0.2", 21, True),
    b"229 Entering Extended Passive Mode (|||6446|)\r\n": ("", 6446, True),
    b"PORT 10,0,0,1,4,1\r\n": ("10.0.0.1", 1025, False),
    b"eprt |2|fe80::1|5282|\r\n": ("fe80::1", 5282, False),
    b"227 Entering Passive Mode (10,0,0,2,300,81).\r\n": None,
    b"229 Entering Extended Passive Mode (|||99999|)\r\n": None,
    b"229 Entering (|1|2|3|)\r\n": None,
    b"PORT 10,0,0,1,0,0\r\n": None,
    b"EPRT |1|10.0.0.1|1\r\n": None,
}


@pytest.mark.parametrize("line", ANNOUNCED)
def test_ends_that_are_announced(line: bytes) -> None:
    """Only an end that there can be is expected."""
    end = ANNOUNCED[line]
    wanted = None if end is None else Expect("data", *end)
    assert ftp.expects(line, Side.UNKNOWN) == wanted


def test_what_is_remembered_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many ends are announced and files begun, only so much is kept, and that is told."""
    monkeypatch.setattr(asides, "ENDS", 4)
    monkeypatch.setattr(own, "HELD_BYTES", 5000)
    monkeypatch.setattr(own, "TRANSFER_BYTES", 4000)
    wire = Wire()
    for number in range(8):
        talk = Files(wire, 40_000 + number)
        data = talk.passive(50_001 + number)
        talk.asks(b"STOR a%d.bin" % number, b"150 Go on.")
        data.packet(CLIENT, b"x", at=(5000 if number == 7 else 3000))
    found = told(Bench(tmp_path).dump(wire.bytes()))
    assert len(found) == 8
    assert {row[1] for rows in found.values() for row in rows} == {""}
    assert counter(Bench(tmp_path).dump(wire.bytes()), "cap:transfers") > 0


def test_spans_are_joined() -> None:
    """What came is told as spans apart from one another, however it came."""
    chance = random.Random(5)
    for _ in range(300):
        spans: list[list[int]] = []
        there: set[int] = set()
        for _ in range(chance.randrange(12)):
            begin = chance.randrange(40)
            end = begin + chance.randrange(8)
            _cover(spans, begin, end)
            there |= set(range(begin, end))
        assert {at for left, right in spans for at in range(left, right)} == there
        assert all(one[1] < two[0] for one, two in itertools.pairwise(spans))


def units_of_smb() -> Iterator[bytes]:
    """All packets of the capture, as tshark puts them together."""
    for row in tshark(SMB, "-Y", "nbss", "-e", "tcp.payload"):
        yield bytes.fromhex(row[0])


def test_no_bytes_break_it() -> None:
    """Packets that are cut and flipped raise nothing but what bytes of the network may."""
    chance = random.Random(7)
    for data in [*units_of_smb()][:80]:
        broken = bytearray(data[:400])
        for _ in range(4):
            broken[chance.randrange(len(broken))] ^= 1 << chance.randrange(8)
        for one in (broken, broken[: chance.randrange(len(broken))]):
            memory: dict[str, Any] = {"tree 1": "X", "file 5": ["X", 5, 5, 0, 0]}
            try:
                smb.TRANSFERS.read(Reader(bytes(one)), Side.UNKNOWN, memory, (445, 50_000))
            except WireError:
                continue
