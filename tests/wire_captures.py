"""What the tests ask of tshark about captures: fields, and transport payloads packet by packet."""

import atexit
import json
import shutil
import subprocess
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from otsec.columns import I64, gather, walk
from otsec.protocols.api import Framing

CUT_SHORT = "iti__melsoft_129_clean.pcap"  # ends within a record, where mergecap stops


def tshark(path: Path, *arguments: str) -> list[list[str]]:
    """The lines of fields that tshark prints; where those are numbers of frames, sharkd is asked."""
    if shutil.which("tshark") is None:
        pytest.skip("needs tshark")
    if (asked := _frames_asked(arguments)) and shutil.which("sharkd"):
        return [[str(number)] for number in SHARKD.frames(path, *asked)]
    command = ["tshark", "-n", "-r", str(path), "-T", "fields", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stdout or "cut short" in done.stderr or not done.returncode, done.stderr
    return [line.split("\t") for line in done.stdout.splitlines()]


def _frames_asked(arguments: Sequence[str]) -> tuple[str, dict[str, str]] | None:
    """The filter and the switches, if nothing but the numbers of frames is wanted."""
    pairs = list(zip(arguments[::2], arguments[1::2], strict=False))
    filters = [value for word, value in pairs if word == "-Y"]
    settings = dict(value.split(":", 1) for word, value in pairs if word == "-o")
    others = [pair for pair in pairs if pair[0] not in {"-Y", "-o"}]
    if len(filters) != 1 or len(arguments) % 2 or others != [("-e", "frame.number")]:
        return None
    if not {"TRUE", "FALSE"}.issuperset(settings.values()):
        return None
    return filters[0], settings


class Sharkd:
    """The dissectors of tshark in a process that stays: starting them takes ten times a capture.

    It reads each capture from its beginning, and so as if it had been started for it.
    """

    def __init__(self) -> None:
        self.process: subprocess.Popen[str] | None = None
        self.before: dict[str, str] = {}  # of each switch that was ever turned, how it stood
        self.loads = 0
        self.free = threading.Lock()

    def frames(self, path: Path, only: str, settings: Mapping[str, str]) -> list[int]:
        """The numbers of the frames that a filter finds; one after the other, whoever asks."""
        with self.free:
            return self._frames(path, only, settings)

    def _frames(self, path: Path, only: str, settings: Mapping[str, str]) -> list[int]:
        for name in settings.keys() - self.before.keys():
            told = self._ask("dumpconf", pref=name)["prefs"][name]["b"]
            self.before[name] = "TRUE" if told else "FALSE"
        for name, value in {**self.before, **settings}.items():
            self._ask("setconf", name=name, value=value)
        self._ask("load", file=str(path))
        self.loads += 1  # it remembers what a filter found, whatever was loaded since
        once = f"({only}) && frame.number < {(1 << 32) - self.loads}"
        return [row["num"] for row in self._ask("frames", filter=once)]

    def _ask(self, method: str, **told: str) -> Any:
        if self.process is None:
            self.process = subprocess.Popen(
                ["sharkd", "-"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
            )
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        question = {"jsonrpc": "2.0", "id": 1, "method": method, "params": told}
        self.process.stdin.write(json.dumps(question) + "\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        assert "result" in answer, (told, answer)
        return answer["result"]

    def close(self) -> None:
        """End it."""
        if self.process is not None:
            self.process.communicate()
        self.process, self.before = None, {}


SHARKD = Sharkd()
atexit.register(SHARKD.close)


def in_one_file(paths: list[Path], into: Path, *options: str) -> Path:
    """Captures one behind the other in one file: tshark takes long to start."""
    command = ["mergecap", "-a", *options, "-w", str(into), *map(str, paths)]
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
