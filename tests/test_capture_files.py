"""Opening, resuming and knowing captures again; what is no capture is told in one line."""

import gzip
import io
import json
import os
import subprocess
import sys
import threading
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest
from capture_bytes import (
    NANO,
    START,
    enhanced,
    expected,
    interface,
    numbered,
    old_packet,
    packets_of,
    pcap,
    pcap_header,
    read_all,
    read_bytes,
    section,
    simple,
    statistics,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from otsec.capture import contract, head_hash, open_capture, tail_hash
from otsec.errors import InputError, RightsError

PACKETS = numbered(500, size=40)
TICKS = START * 10**6


def many_sections() -> bytes:
    """A pcapng with all that a state must remember."""
    parts = []
    for order in "<>":
        parts += [section(order), interface(order), interface(order, snaplen=9)]
        for row in range(20):
            parts += [
                enhanced(row % 2, TICKS + row, bytes([row]) * row, order),
                old_packet(1, row % 3, TICKS + row, b"abc", order),
                simple(b"simple packet"[:row], order),
                statistics(0, TICKS + row, row // 4, order),
            ]
    return b"".join(parts)


RESUMED = {
    "pcap": pcap(PACKETS),
    "concatenated": pcap(PACKETS) + pcap(PACKETS, ">", NANO) + pcap(PACKETS),
    "pcapng": many_sections(),
}


@pytest.mark.parametrize("kind", RESUMED)
def test_batch_sizes_change_nothing(tmp_path: Path, kind: str) -> None:
    """The same packets and drops of each interface for any batch size, in even batches."""
    whole = read_bytes(tmp_path, RESUMED[kind])
    for size in (1, 7, 100):
        read = read_bytes(tmp_path, RESUMED[kind], batch_packets=size)
        for number in range(4):
            mine = [packet for packet in read.packets if packet[0] == number]
            assert mine == [packet for packet in whole.packets if packet[0] == number]
        assert read.drops == whole.drops
        assert read.ends[-1] == whole.ends[-1] == len(RESUMED[kind])


def test_batches_are_even(tmp_path: Path) -> None:
    """What is buffered is divided evenly, so that no tiny batch is left over."""
    (tmp_path / "x").write_bytes(pcap(numbered(1001)))
    reader = open_capture(tmp_path / "x", batch_packets=500)

    sizes = [len(chunk.batches[0]) for chunk in reader.chunks()]
    reader.close()

    assert sizes == [333, 334, 334]


@pytest.mark.parametrize("size", [1, 7, 100, 1_000])
@pytest.mark.parametrize("piece", [40, 333, 5_000])
@pytest.mark.parametrize("kind", RESUMED)
def test_any_pieces(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, piece: int, size: int
) -> None:
    """However little is read at once, and whatever is held for the next batch, nothing is lost."""
    whole = read_bytes(tmp_path, RESUMED[kind])
    monkeypatch.setattr(contract, "LEAST_PIECE", piece)
    monkeypatch.setattr(contract, "PIECE", piece)
    read = read_bytes(tmp_path, RESUMED[kind], batch_packets=size)
    for number in range(4):
        mine = [packet for packet in read.packets if packet[0] == number]
        assert mine == [packet for packet in whole.packets if packet[0] == number]
    assert (read.drops, read.ends[-1]) == (whole.drops, whole.ends[-1])


@pytest.mark.parametrize("kind", RESUMED)
@pytest.mark.parametrize("grown", [False, True])
def test_resume_at_any_chunk(tmp_path: Path, kind: str, *, grown: bool) -> None:
    """Reading goes on behind any chunk, also if the file has grown since."""
    content = RESUMED[kind]
    path = tmp_path / "x"
    path.write_bytes(content)
    whole = read_bytes(tmp_path, content, "whole", batch_packets=17)
    for count in range(0, len(whole.ends), 3):
        path.write_bytes(content)
        reader = open_capture(path, batch_packets=17)
        chunks = reader.chunks()
        packets, drops = [], []
        for _ in range(count):
            chunk = next(chunks)
            packets += packets_of(chunk)
            drops += (replace(drop, row=0) for drop in chunk.drops)
        state = json.loads(json.dumps(reader.state()))
        reader.close()
        if grown:
            path.write_bytes(content[: state["offset"] + 5])
            open_capture(path, state=state).close()
            path.write_bytes(content)

        rest = read_all(open_capture(path, batch_packets=17, state=state))

        assert packets + rest.packets == whole.packets
        assert drops + rest.drops == whole.drops
        assert rest.reader.interfaces == whole.reader.interfaces


@pytest.mark.parametrize("packed", [False, True])
def test_half_written_goes_on(tmp_path: Path, *, packed: bool) -> None:
    """A file cut inside a record is read on when the rest has come, gzip or not."""
    content = pcap(PACKETS)
    path = tmp_path / "x"
    path.write_bytes(gzip.compress(content)[:-600] if packed else content[:10_001])
    first = read_all(open_capture(path))
    path.write_bytes(gzip.compress(content) if packed else content)

    second = read_all(open_capture(path, state=first.reader.state()))

    assert not first.reader.complete
    assert first.packets + second.packets == expected(PACKETS)
    assert second.reader.complete


def test_half_written_file_header(tmp_path: Path) -> None:
    """A file header that is not whole yet is no error, and has no packets."""
    path = tmp_path / "x"
    path.write_bytes(pcap(PACKETS)[:20])
    first = read_all(open_capture(path))
    path.write_bytes(pcap(PACKETS))

    second = read_all(open_capture(path, state=first.reader.state()))

    assert (first.packets, first.reader.complete, first.reader.interfaces) == ([], False, [])
    assert second.packets == expected(PACKETS)


def test_resume_in_a_shorter_file(tmp_path: Path) -> None:
    """A file with fewer bytes than were read is another one."""
    path = tmp_path / "x"
    path.write_bytes(pcap(PACKETS))
    state = read_all(open_capture(path)).reader.state()
    path.write_bytes(pcap(PACKETS[:-1]))

    with pytest.raises(InputError, match=r"x: has fewer bytes than the 28,024 read from it before"):
        open_capture(path, state=state)


@pytest.mark.parametrize("kind", ["plain", "gzip"])
def test_fingerprints(tmp_path: Path, kind: str) -> None:
    """The hash at each chunk is that of the 64 KiB before it, and is found again in the file."""
    content = pcap(numbered(9000, size=100))
    path = tmp_path / "x"
    path.write_bytes(content if kind == "plain" else gzip.compress(content))
    reader = open_capture(path, batch_packets=400, capacity=1 << 18)

    for row, chunk in enumerate(reader.chunks()):
        assert reader.fingerprint() == (
            sha256(content[max(0, chunk.end - 65536) : chunk.end]).hexdigest()
        )
        if row % 5 == 0:
            assert tail_hash(path, chunk.end) == reader.fingerprint()
            resumed = open_capture(path, state=reader.state())
            assert resumed.fingerprint() == reader.fingerprint()
            resumed.close()
    reader.close()
    assert reader.fingerprint() == sha256(content[-65536:]).hexdigest()


def test_head_hash(tmp_path: Path) -> None:
    """The first 64 KiB, or fewer, or as many as were there when the file was first seen."""
    content = pcap(numbered(2000))
    path = tmp_path / "x"
    path.write_bytes(content)

    assert head_hash(path) == (65536, sha256(content[:65536]).hexdigest())
    assert head_hash(path, 100) == (100, sha256(content[:100]).hexdigest())
    path.write_bytes(content[:99])
    assert head_hash(path) == (99, sha256(content[:99]).hexdigest())
    assert head_hash(path, 100) == (99, sha256(content[:99]).hexdigest())
    path.write_bytes(gzip.compress(content))
    assert head_hash(path) == (65536, sha256(content[:65536]).hexdigest())


def test_tail_hash_of_a_shorter_file(tmp_path: Path) -> None:
    """The hash at an offset that the file does not have is an error."""
    (tmp_path / "x").write_bytes(pcap([]))

    with pytest.raises(InputError, match="x: has fewer bytes than the 25 read from it before"):
        tail_hash(tmp_path / "x", 25)


NO_CAPTURES = [
    (b"", "is empty; nothing was captured in it"),
    (b"\xd4\xc3", "is no capture: it has only 2 bytes"),
    (b"PK\x03\x04rest", "is no capture but a zip archive; unpack it first"),
    (b"\x7fELF rest", "is no capture but a program"),
    (b"hello\nworld\n", "is no capture but text; give a pcap or pcapng file"),
    (bytes(9), "is no capture: it begins with 00 00 00 00 00 00 00 00; give a pcap or pcapng file"),
    (bytes.fromhex("0a0d0d0a0000001c00000000"), "is no capture: it begins with 0a 0d"),
]


@pytest.mark.parametrize(("content", "text"), NO_CAPTURES)
def test_no_capture(tmp_path: Path, content: bytes, text: str) -> None:
    """What is no capture is told with what it looks like."""
    (tmp_path / "x.pcap").write_bytes(content)

    with pytest.raises(InputError) as error:
        open_capture(tmp_path / "x.pcap")

    assert str(error.value).startswith(f"{tmp_path / 'x.pcap'}: {text}")
    assert "\n" not in str(error.value)


def test_missing_and_directory(tmp_path: Path) -> None:
    """A name that leads to no file is told."""
    with pytest.raises(InputError, match="nothing: does not exist; check the name"):
        open_capture(tmp_path / "nothing")
    with pytest.raises(InputError, match="is a directory; name the captures in it"):
        open_capture(tmp_path)
    with pytest.raises(InputError, match="cannot be opened"):
        open_capture(Path("a\0b"))


def test_no_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that may not be read is a matter of rights."""

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError

    (tmp_path / "x").write_bytes(pcap([]))
    monkeypatch.setattr(Path, "open", refuse)

    with pytest.raises(RightsError, match="x: no permission to read it"):
        open_capture(tmp_path / "x")


def test_standard_input() -> None:
    """A pipe gives the same packets, whatever pieces it comes in, compressed or not."""
    script = (
        "from otsec.capture import open_capture\n"
        "reader = open_capture(None)\n"
        "print(sum(len(b) for c in reader.chunks() for b in c.batches), reader.damage,"
        " reader.size, reader.total, reader.consumed)"
    )
    content = pcap(numbered(9000, size=100))
    for sent in (content, gzip.compress(content)):
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", script],
            input=sent,
            capture_output=True,
            check=True,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
        )
        assert done.stdout.decode() == f"9000 None None None {len(sent)}\n"


def test_slow_pipe(monkeypatch: pytest.MonkeyPatch) -> None:
    """What has come through a pipe is given out before the pipe ends."""
    ours, theirs = os.pipe()
    monkeypatch.setattr("otsec.capture.intake.PATIENCE_S", 0.0)
    with open(ours, "rb") as pipe, open(theirs, "wb", buffering=0) as sender:  # noqa: PTH123
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(pipe))
        sender.write(pcap_header())
        reader = open_capture(None)
        chunks = reader.chunks()
        sender.write(pcap(PACKETS[:3])[24:])
        first = next(chunks)
        assert packets_of(first) == expected(PACKETS[:3])
        rest = pcap(PACKETS[3:])[24:]
        writer = threading.Thread(target=lambda: (sender.write(rest), sender.close()))
        writer.start()
        packets = [packet for chunk in chunks for packet in packets_of(chunk)]
        writer.join()

    assert packets == expected(PACKETS[3:])


def test_a_terminal_is_no_capture(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody types a capture."""
    monkeypatch.setattr(sys, "stdin", None)

    with pytest.raises(InputError, match="standard input: is a terminal; pipe a capture"):
        open_capture(None)


def test_a_pipe_with_a_name(tmp_path: Path) -> None:
    """A named pipe, as shells make them, is read like standard input."""
    if not hasattr(os, "mkfifo"):
        pytest.skip("this system has no named pipes")
    path = tmp_path / "pipe"
    os.mkfifo(path)
    writer = threading.Thread(target=lambda: path.write_bytes(pcap(PACKETS)))
    writer.start()

    read = read_all(open_capture(path))
    writer.join()

    assert read.packets == expected(PACKETS)
    assert (read.reader.size, read.reader.total) == (None, None)


def test_an_error_of_the_disk_is_damage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was read before the disk failed is used."""
    content = pcap(PACKETS)
    (tmp_path / "x").write_bytes(content)
    reader = open_capture(tmp_path / "x")
    file = reader._intake.content._file

    class Failing:
        count = 0

        def readinto(self, view: memoryview) -> int:
            self.count += 1
            if self.count > 2:
                raise OSError(5, "Input/output error")
            return file.readinto(view[:5000])

        def close(self) -> None:
            file.close()

    monkeypatch.setattr(reader._intake.content, "_file", Failing())

    read = read_all(reader)

    whole = (512 + 10_000 - 24) // 56
    assert read.packets == expected(PACKETS[:whole])
    assert read.reader.damage.text == "cannot be read beyond byte 10,512: Input/output error"


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.sampled_from(sorted(RESUMED)), st.data())
def test_mutated_captures(tmp_path: Path, kind: str, data: st.DataObject) -> None:
    """Whatever is changed in a capture: no crash, one line, and the same for any batch size."""
    content = bytearray(RESUMED[kind])
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(content) - 1))
        new = data.draw(st.one_of(st.binary(max_size=9), st.just(RESUMED[kind][:40])))
        content[at : at + data.draw(st.integers(0, 12))] = new
    (tmp_path / "x").write_bytes(content)
    try:
        reads = [
            read_all(open_capture(tmp_path / "x", batch_packets=size, capacity=1 << 20))
            for size in (1, 50, 65536)
        ]
    except InputError:
        return

    whole = reads[-1]
    for read in reads:
        assert sorted(read.packets) == sorted(whole.packets)
        assert read.drops == whole.drops
        assert read.reader.damage == whole.reader.damage
        assert read.reader.state() == whole.reader.state()
        assert read.reader.fingerprint() == whole.reader.fingerprint()
    assert "\n" not in str(whole.reader.damage)
