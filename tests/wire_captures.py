"""What the tests ask of tshark about captures: fields, and transport payloads packet by packet."""

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from otsec.columns import I64, gather, walk
from otsec.protocols.api import Framing

CUT_SHORT = "iti__melsoft_129_clean.pcap"  # ends within a record, where mergecap stops


def tshark(path: Path, *arguments: str) -> list[list[str]]:
    """The lines of fields that tshark prints."""
    if shutil.which("tshark") is None:
        pytest.skip("needs tshark")
    command = ["tshark", "-n", "-r", str(path), "-T", "fields", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stdout or "cut short" in done.stderr or not done.returncode, done.stderr
    return [line.split("\t") for line in done.stdout.splitlines()]


def in_one_file(paths: list[Path], into: Path) -> Path:
    """Captures one behind the other in one file: tshark takes long to start."""
    command = ["mergecap", "-a", "-w", str(into), *map(str, paths)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert not done.returncode, done.stderr
    return into


@dataclass(frozen=True)
class Payloads:
    """TCP or UDP payloads of one capture, one behind the other; what is sent again left out."""

    frame: list[int]
    target_port: list[int]
    source_port: list[int]
    buffer: np.ndarray[tuple[int], np.dtype[np.uint8]]
    start: I64
    end: I64


def payloads(path: Path, transport: str = "tcp", *, again: bool = False) -> Payloads:
    """Every payload; ``again`` keeps those that tshark takes for retransmissions."""
    wanted = f"{transport}.payload" if again or transport == "udp" else (
        "tcp.payload && !tcp.analysis.retransmission && !tcp.analysis.spurious_retransmission"
    )  # fmt: skip
    fields = (
        "frame.number",
        f"{transport}.dstport",
        f"{transport}.srcport",
        f"{transport}.payload",
    )
    rows = tshark(path, "-Y", wanted, *(word for field in fields for word in ("-e", field)))
    data = [bytes.fromhex(row[3].split(",")[0]) for row in rows]
    end = np.cumsum(np.array([len(one) for one in data], np.int64))
    return Payloads(
        [int(row[0]) for row in rows],
        [int(row[1].split(",")[0]) for row in rows],
        [int(row[2].split(",")[0]) for row in rows],
        np.frombuffer(b"".join(data), np.uint8),
        end - np.array([len(one) for one in data], np.int64),
        end,
    )


def joined(found: Payloads) -> Payloads:
    """The payloads of each direction one behind the other, as if they came in order."""
    data = found.buffer.tobytes()
    streams: dict[tuple[int, int], bytes] = {}
    for at, ports in enumerate(zip(found.source_port, found.target_port, strict=True)):
        streams[ports] = streams.get(ports, b"") + data[found.start[at] : found.end[at]]
    end = np.cumsum(np.array([len(one) for one in streams.values()], np.int64))
    start = np.concatenate([[0], end[:-1]]) if len(end) else end
    buffer = np.frombuffer(b"".join(streams.values()), np.uint8)
    targets, sources = [two for _, two in streams], [one for one, _ in streams]
    return Payloads([], targets, sources, buffer, start, end)


def cut(
    framing: Framing, buffer: np.ndarray[tuple[int], np.dtype[np.uint8]], start: I64, end: I64
) -> tuple[I64, I64, I64]:
    """Whole frames from the start of each span: (number of the span, start, end)."""

    def step(walker: I64, offset: I64) -> I64:
        header, fits = gather(buffer, offset, end[walker], framing.header)
        length = framing.lengths(buffer, offset, end[walker], header)
        return np.where(fits & (offset + length <= end[walker]), length, 0)

    links = walk(start, end, step)
    return links.walker, links.offset, links.offset + links.length
