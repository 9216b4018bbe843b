"""`otsec show`: packets taken apart by otsec and by tshark, and tshark kept from doing harm."""

import ast
import csv
import json
import os
import re
import shutil
import stat
import sys
import time
from pathlib import Path

import pytest
from conftest import ROOT, Command
from engine_runs import CLIENT, SERVER, Tcp, Wire
from evidence_runs import ANSWER, WRITE, store_of, two_peers

from otsec.cli import main
from otsec.cli.show import hex_dump
from otsec.errors import Exit
from otsec.evidence import deep, pcapng

TSHARK = pytest.mark.skipif(shutil.which("tshark") is None, reason="needs tshark")
EARLY = "^tshark (could not be read: .+|told of 0 of [0-9]+ packets and ended)$"
LINUX = pytest.mark.skipif(sys.platform != "linux", reason="Linux keeps processes apart so")


@pytest.fixture
def db(tmp_path: Path) -> Path:
    """A store of two clients of one controller."""
    return store_of(tmp_path, two_peers().bytes())


def capture(wire: Wire) -> bytes:
    """The frames as a file to dissect."""
    packets = [pcapng.Packet(0, time, len(data), data, ()) for time, data in wire.frames]
    return pcapng.capture("test", [], [pcapng.Interface(1, "", "")], packets)


def shown(capsys: pytest.CaptureFixture[str], *words: object) -> str:
    """What `otsec show` prints; it must succeed."""
    assert main(["show", *map(str, words)]) == Exit.FINE
    return capsys.readouterr().out


def program(folder: Path, name: str, text: str) -> Path:
    """A script that stands for tshark, where the child's user can run it.

    It must be called tshark, for pyshark looks for no other.
    """
    folder.chmod(0o755)
    for parent in folder.parents[:5]:
        if parent.stat().st_uid == os.geteuid():
            parent.chmod(parent.stat().st_mode | stat.S_IXOTH | stat.S_IROTH)
    path = folder / name
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


# ---------------------------------------------------------------------------------- output


@TSHARK
def test_page(db: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A person reads who did what, its answer, what tshark says, and why the rest is there."""
    page = shown(capsys, "--db", db, f"tap:{WRITE}")

    for text in (
        f"tap:{WRITE}  2026-01-05T08:00:00.204+00:00",
        "10.0.0.1:40000 -> 10.0.0.2:502  tcp, 66 B; frame 69 of tap_00000.pcap",
        "otsec   modbus request: write_single_register (write), holding 5, unit 1, outcome ok",
        f"answered by tap:{ANSWER}, 3.0 ms",
        "values 4711",
        "tshark  modbus",
        ".000 0110 = Function Code: Write Single Register (6)",
        f"answers tap:{WRITE}, 3.0 ms",
        "Packets that belong to it",
        "TCP handshake of the connection",
    ):
        assert text in page
    assert "tshark  tcp" not in page


@TSHARK
def test_layers(db: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With --layers the lower protocols are shown as well, with --hex the bytes."""
    page = shown(capsys, "--db", db, "--layers", "--hex", f"tap:{WRITE}")

    assert "tshark  tcp" in page
    assert "Destination Port: 502" in page
    assert "00 63 00 00 00 06 01 06 00 05 12 67" in page


def test_without_tshark(
    db: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without tshark otsec's own reading and the bytes are shown, and it is said."""
    monkeypatch.setenv("PATH", "/nowhere")
    assert main(["show", "--db", str(db), f"tap:{WRITE}"]) == Exit.FINE
    told = capsys.readouterr()

    assert "note: tshark is not installed" in told.err
    assert "modbus request: write_single_register" in told.out
    assert "0036  00 63 00 00 00 06 01 06 00 05 12 67" in told.out


@TSHARK
def test_json(db: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """JSON has every packet with all that both say of it."""
    whole = json.loads(shown(capsys, "--db", db, "--json", f"tap:{WRITE}"))

    (row,) = [one for one in whole["rows"] if one["named"]]
    (said,) = row["otsec"]
    assert (said["operation"], said["class"], said["object"], said["values"]) == (
        *("write_single_register", "write", "holding 5"),
        [4711],
    )
    assert (said["part"], said["other"], said["response_us"]) == (
        *("request", f"tap:{ANSWER}"),
        3000,
    )
    modbus = next(layer for layer in row["tshark"] if layer["name"] == "modbus")
    assert {"name": "modbus.func_code", "shown": ".000 0110 = Function Code: Write Single Register (6)"} in modbus["fields"]  # fmt: skip
    assert bytes.fromhex(row["bytes"]) == two_peers().frames[WRITE][1]
    assert whole["dissector"]["problem"] == ""


def test_lines_and_cells(db: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """JSON lines have a packet a line, CSV a row, in the order of time."""
    lines = shown(capsys, "--db", db, "--jsonl", "--no-tshark", f"tap:{WRITE}").splitlines()
    rows = list(csv.DictReader(shown(capsys, "--db", db, "--csv", f"tap:{WRITE}").splitlines()))

    told = [json.loads(line) for line in lines]
    assert [one["id"] for one in told] == [row["id"] for row in rows]
    assert {one["kind"] for one in told} == {"packet"}
    assert [row["operations"] for row in rows if row["id"] == f"tap:{ANSWER}"] == [
        "modbus write_single_register"
    ]


def test_untrusted_text(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Escape sequences and line ends in a packet do not reach the terminal."""
    wire = Wire()
    one = Tcp(wire, ends=(("10.0.0.1", 40_000), ("10.0.0.2", 80)))
    one.open()
    evil = b"GET /\x1b]0;owned\x07\x1b[31m\xe2\x80\xae HTTP/1.1\r\nHost: \x1b[2Jx\r\n\r\n"
    one.say(CLIENT, evil)
    one.say(SERVER, b"HTTP/1.1 200 OK\r\nServer: \x1b[5mx\r\nContent-Length: 0\r\n\r\n")
    db = store_of(tmp_path, wire.bytes())

    page = shown(capsys, "--db", db, "--layers", "--hex", "tap:3-4")

    assert "\x1b" not in page
    assert "\x07" not in page
    assert "\u202e" not in page


def test_hex_dump() -> None:
    """Headers end a line, the content begins the next; what is no letter is a dot."""
    assert list(hex_dump(b"ab\x1bcd", 3)) == [
        "0000  61 62 1b                                         ab.",
        "0003  63 64                                            cd",
    ]


# --------------------------------------------------------------------------------- the child


@TSHARK
def test_both_ways_agree() -> None:
    """Through pyshark and by reading PDML itself the child tells the same."""
    pytest.importorskip("pyshark")
    content = capture(two_peers())

    one = deep.dissect(content, len(two_peers().frames))
    other = deep.dissect(content, len(two_peers().frames), pyshark=False)

    assert (one.how, one.problem, one.note) == ("pyshark", "", "")
    assert (other.how, other.problem, other.note) == ("pdml", "", "")
    assert len(one.packets) == len(two_peers().frames)
    for left, right in zip(one.packets, other.packets, strict=True):
        assert [layer.name for layer in left] == [layer.name for layer in right]
        for mine, yours in zip(left, right, strict=True):
            assert sorted(mine.fields) == sorted(yours.fields)


@TSHARK
@LINUX
def test_what_is_given_up() -> None:
    """The child is cut off from the network, limited, and as root becomes nobody."""
    given_up = deep.dissect(capture(two_peers()), 1).given_up

    assert given_up["limits"]
    assert given_up["privileges"]
    if os.geteuid() == 0:
        assert given_up["user"]


@LINUX
def test_tshark_sees_nothing(tmp_path: Path) -> None:
    """What runs in tshark's place is nobody, gains no rights, and knows only a dead loop-back."""
    told = "$(id -u) $(grep NoNewPrivs /proc/self/status | cut -f2) $(ulimit -v)"
    devices = "$(sed 1,2d /proc/net/dev | cut -d: -f1 | tr -d ' \\n') ${OTSEC_SECRET:-nothing}"
    spy = program(tmp_path, "tshark", f'echo "{told} {devices}" >&2; exit 3')

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OTSEC_SECRET", "x")
        found = deep.dissect(capture(two_peers()), 1, tshark=str(spy), pyshark=False)

    user, privileges, memory, names, secret = found.problem.rpartition(": ")[2].split()
    assert user == (str(deep.NOBODY) if os.geteuid() == 0 else str(os.geteuid()))
    assert (privileges, memory, secret) == ("1", str(deep.MEMORY // 1024), "nothing")
    assert (names == "lo") is found.given_up["network"]


@pytest.mark.parametrize("pyshark", [True, False])
@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("exit 1", EARLY),
        ("kill -9 $$", EARLY),
        ("echo '<pdml><packet><proto name=\"x\">'; exit 2", EARLY),
        ("echo 'no xml <<<'", EARLY),
        ("kill -9 $PPID; sleep 60", "the child that runs tshark ended early"),
    ],
)
def test_tshark_dies(tmp_path: Path, text: str, problem: str, *, pyshark: bool) -> None:
    """However tshark dies, there is a result and a line that says why it is not all."""
    fake = program(tmp_path, "tshark", text)

    found = deep.dissect(capture(two_peers()), 5, tshark=str(fake), pyshark=pyshark)

    assert found.packets == ()
    assert re.search(problem, found.problem)
    assert "\n" not in found.problem


@pytest.mark.parametrize("pyshark", [True, False])
def test_tshark_hangs(tmp_path: Path, *, pyshark: bool) -> None:
    """A tshark that hangs is ended, with all it started."""
    mark = f"3{time.monotonic_ns() % 10**6}"
    fake = program(tmp_path, "tshark", f"sleep {mark} & sleep {mark}")

    begun = time.monotonic()
    found = deep.dissect(capture(two_peers()), 5, tshark=str(fake), pyshark=pyshark, seconds=1.5)

    assert found.problem == "tshark took longer than 1.5 s and was ended"
    assert time.monotonic() - begun < 30
    until = time.monotonic() + 20  # it is gone when the system has come to it
    while _running(f"sleep\0{mark}\0") and time.monotonic() < until:
        time.sleep(0.05)
    assert not _running(f"sleep\0{mark}\0")


def _running(command: str) -> bool:
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if path.read_text() == command:
                return True
        except OSError:
            continue
    return False


def test_tshark_tells_without_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A tshark that tells without end is ended, and what it told first is kept."""
    monkeypatch.setattr(deep, "MOST_TOLD", 1 << 20)
    packet = (
        '<packet><proto name="x"><field name="y" showname="z" pos="0" size="1"/></proto></packet>'
    )
    fake = program(tmp_path, "tshark", f"echo '<pdml>'; while :; do echo '{packet}'; done")

    found = deep.dissect(capture(two_peers()), 10**9, tshark=str(fake), pyshark=False, seconds=20)

    assert found.packets[0] == (deep.Layer("x", (("y", "z"),), 0),)
    assert len(found.packets) <= deep.MOST_PACKETS


def test_one_line_of_trouble(db: Path, tmp_path: Path, otsec_command: Command) -> None:
    """A broken tshark on the PATH costs a note, no traceback, and the exit code is 0."""
    folder = tmp_path / "bin"
    folder.mkdir()
    program(folder, "tshark", "exit 7")

    done = otsec_command(
        "show", "--db", db, f"tap:{WRITE}", env={"PATH": f"{folder}:{os.environ['PATH']}"}
    )

    assert done.returncode == 0
    assert "Traceback" not in done.stderr
    (note,) = [line for line in done.stderr.splitlines() if line.startswith("note: tshark")]
    assert re.match(EARLY, note.removeprefix("note: "))
    assert "modbus request: write_single_register" in done.stdout


def test_only_the_child_knows_pyshark() -> None:
    """Nothing but the script of the child imports pyshark, and that script nothing of otsec."""
    importing = []
    for path in (ROOT / "otsec").rglob("*.py"):
        names = set()
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                names.update(alias.name.partition(".")[0] for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                names.add((node.module or "").partition(".")[0])
        if "pyshark" in names:
            importing.append((path.name, "otsec" in names))
    assert importing == [("dissector.py", False)]
