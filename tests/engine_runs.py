"""Runs of the whole engine for tests, and TCP traffic to feed it: known streams, cut in any way."""

import json
import multiprocessing
import os
import signal
import struct
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from itertools import count, zip_longest
from pathlib import Path
from typing import Any

from store_rows import new

from otsec import writer
from otsec.config import Caps, Config, StateFrom
from otsec.engine import Engine, Settings
from otsec.model import ACK, BATCH_PACKETS, FIN, PSH, RST, SYN
from otsec.pipeline import Options, Outcome, Run, plan_sources
from otsec.store import Store, open_store
from otsec.store.dump import dump

OWN = sorted((Path(__file__).parents[1] / "pcaps" / "modbus").glob("*.pcap"))
SEED = 0x5EED
MS, SECOND, HOUR = 10**6, 10**9, 3600 * 10**9
START = 1_767_600_000 * SECOND  # 2026-01-05 08:00 UTC, on a whole hour
PCAP_HEADER = struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 65_535, 1)
if "forkserver" in multiprocessing.get_all_start_methods():
    # a process that has imported what writing takes, and opened no store, forks each writer:
    # started anew, as for commands, they took most of the time of small runs with workers
    multiprocessing.set_forkserver_preload(["otsec.writer"])
    writer.CONTEXT = multiprocessing.get_context("forkserver")
FLAGS = {"F": FIN, "S": SYN, "R": RST, "P": PSH, "A": ACK}


# ------------------------------------------------------------------------------- runs


@dataclass
class Result:
    """What a run left behind."""

    outcomes: list[Outcome]
    dump: list[str]


def analyse(
    paths: Sequence[Path],
    db: Path,
    *,
    point: str | None = "tap",
    batch: int = BATCH_PACKETS,
    checkpoint_s: float = 3600.0,
    workers: int = 1,
    caps: Caps | None = None,
    state_from: StateFrom | None = None,
    states: Mapping[str, tuple[str, ...]] | None = None,
    seed: int = SEED,
    **settings: Any,
) -> Result:
    """Read captures into a store, which may have been there before; no checkpoint but the last."""
    with open_store(db) if db.exists() else new(db) as store:
        options = Options(
            workers=workers,
            batch_packets=batch,
            checkpoint_s=checkpoint_s,
            settings=Settings(seed=seed, **settings),
        )
        config = Config(caps=caps or Caps(), state_from=state_from, states=dict(states or {}))
        with Run(store, config, options, lambda *_: None, lambda: False) as run:
            outcomes = list(run.read(plan_sources(list(paths), point), named=point is not None))
        return Result(outcomes, list(dump(store)))


class Bench:
    """Runs frames again and again in one folder, each time into a new store."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.numbers = count()

    def store(self) -> Path:
        """A path where no store is."""
        return self.folder / f"{next(self.numbers)}.db"

    def dump(self, content: bytes | Sequence[bytes], **options: Any) -> list[str]:
        """The dump of captures, given as the bytes of their files, one behind the other."""
        contents = [content] if isinstance(content, bytes) else content
        db = self.store()
        paths = [self.folder / f"{db.stem}-{at:05d}.pcap" for at in range(len(contents))]
        for path, one in zip(paths, contents, strict=True):
            path.write_bytes(one)
        try:
            return analyse(paths, db, **options).dump
        finally:
            for path in [*paths, *self.folder.glob(f"{db.stem}.db*")]:
                path.unlink()

    def grown(self, content: bytes, packets: int, **options: Any) -> list[str]:
        """The dump of a capture that grows by so many packets, run by run, engine by engine."""
        db = self.store()
        path = self.folder / f"{db.stem}.pcap"
        parts = records(content)
        try:
            for upto in [*range(packets, len(parts), packets), len(parts)]:
                path.write_bytes(content[:24] + b"".join(parts[:upto]))
                found = analyse([path], db, **options).dump
        finally:
            for one in self.folder.glob(f"{db.stem}.*"):
                one.unlink()
        return found


def records(content: bytes) -> list[bytes]:
    """The records of a little-endian pcap, micro- or nanoseconds."""
    assert content[:4] in {b"\xd4\xc3\xb2\xa1", b"\x4d\x3c\xb2\xa1"}, content[:4]
    found, at = [], 24
    while at < len(content):
        size = 16 + struct.unpack_from("<I", content, at + 8)[0]
        found.append(content[at : at + size])
        at += size
    return found


def as_pcap(frames: Iterable[tuple[int, bytes]]) -> bytes:
    """Frames with their times as a capture, nanoseconds, Ethernet."""
    records = [
        struct.pack("<IIII", *divmod(time, SECOND), len(data), len(data)) + data
        for time, data in frames
    ]
    return PCAP_HEADER + b"".join(records)


def taken(engine: Engine) -> dict[str, list[Any]]:
    """All rows of an engine that changed, by table."""
    return {table: list(part) for table, part in engine.take_rows(1).items()}


def difference(one: Sequence[str], other: Sequence[str]) -> str:
    """The lines in which two dumps differ, for people; ``""`` where they do not."""
    if list(one) == list(other):
        return ""
    less, more = Counter(one) - Counter(other), Counter(other) - Counter(one)
    pairs = zip_longest(sorted(less)[:6], sorted(more)[:6], fillvalue="")
    lines = [f"- {a}\n+ {b}" for a, b in pairs]
    return f"{less.total()} lines less, {more.total()} more\n" + "\n".join(lines)


def cells(lines: Iterable[str], table: str) -> list[dict[str, Any]]:
    """The rows of a table in a dump, text and lists decoded, numbers as numbers."""
    rows = []
    for line in lines:
        if not line.startswith(f"{table} "):
            continue
        row: dict[str, Any] = {}
        rest = line[len(table) + 1 :]
        _, at = json.JSONDecoder().raw_decode(rest)  # the source
        while at < len(rest):
            name, _, rest = rest[at:].lstrip().partition("=")
            row[name], at = _value(rest)
        rows.append(row)
    return rows


def _value(text: str) -> tuple[Any, int]:
    try:
        return json.JSONDecoder().raw_decode(text)
    except ValueError:  # a histogram, or a reference to nothing
        word = text.partition(" ")[0]
        return word, len(word)


Said = Counter[tuple[str, str, str, str]]


def said(lines: Iterable[str]) -> Said:
    """How often each behaviour was found: (device, operation, object, outcome)."""
    found: Said = Counter()
    for row in cells(lines, "behaviour"):
        found[row["device"], row["operation"], row["object"], row["outcome"]] += row["count"]
    return found


def total(lines: Iterable[str], column: str, table: str = "conversation") -> int:
    """The sum of a column."""
    return sum(row[column] for row in cells(lines, table))


def counter(lines: Iterable[str], name: str) -> int:
    """How often something was counted."""
    return sum(row["count"] for row in cells(lines, "counter") if row["name"] == name)


# ------------------------------------------------------------------------------- killed runs


def killed(runs: Sequence[Mapping[str, Any]]) -> int:
    """Run in processes that kill themselves (SIGKILL) at a moment, then again, then to the end.

    Each run: ``paths``, ``db``, ``batch`` and ``moments``, each (what, how many of it): batches
    begun, batches done, checkpoints begun, checkpoints written in part, checkpoints done.
    Gives how many were killed: a moment may lie behind the end of a run. All runs are forked from
    one process of their own, which has imported what they need.
    """
    done = subprocess.run(
        [sys.executable, __file__, json.dumps(runs)],
        check=True,
        capture_output=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
    )
    return int(done.stdout)


def _killed(arguments: dict[str, Any]) -> int:
    number = 0
    for moment in arguments["moments"]:
        child = os.fork()
        if not child:
            _die_at(*moment)
            _again(arguments)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        number += os.WIFSIGNALED(status)
    child = os.fork()
    if not child:
        _again(arguments)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    if status:
        raise SystemExit("the last run failed")
    return number


def _again(arguments: dict[str, Any]) -> None:
    paths = [Path(path) for path in arguments["paths"]]
    analyse(paths, Path(arguments["db"]), batch=arguments["batch"], checkpoint_s=0)


def _die_at(what: str, moment: int) -> None:
    left = [moment]

    def now() -> None:
        left[0] -= 1
        if left[0] < 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def around(owner: type, name: str, *, before: bool) -> None:
        old = getattr(owner, name)

        def new(*given: Any, **named: Any) -> Any:
            if before:
                now()
            result = old(*given, **named)
            if not before:
                now()
            return result

        setattr(owner, name, new)

    owner, name, before = {
        "batch begun": (Engine, "apply", True),
        "batch done": (Engine, "apply", False),
        "checkpoint begun": (Store, "checkpoint", True),
        "checkpoint in part": (Store, "_upsert", False),
        "checkpoint done": (Store, "checkpoint", False),
    }[what]
    around(owner, name, before=before)


# ------------------------------------------------------------------------------- traffic


@dataclass
class Wire:
    """A capture while it is being made: frames with their times."""

    frames: list[tuple[int, bytes]] = field(default_factory=list)
    time: int = START
    step: int = 3 * MS  # between frames: more than two sights of one frame are ever apart
    ident: int = 0

    def ip(self, source: str, target: str, protocol: int, body: bytes) -> None:
        """Add one IPv4 packet; equal calls give frames that differ by their identification."""
        self.ident = self.ident + 1 & 0xFFFF
        head = struct.pack(
            ">BBHHHBBH", 0x45, 0, 20 + len(body), self.ident, 0x4000, 64, protocol, 0
        )
        addresses = [bytes(map(int, address.split("."))) for address in (source, target)]
        macs = [b"\x02\x00" + address for address in reversed(addresses)]
        self.frames.append((self.time, b"".join([*macs, b"\x08\x00", head, *addresses, body])))
        self.time += self.step

    def udp(self, source: tuple[str, int], target: tuple[str, int], data: bytes) -> None:
        """Add one datagram."""
        head = struct.pack(">HHHH", source[1], target[1], 8 + len(data), 0)
        self.ip(source[0], target[0], 17, head + data)

    def bytes(self) -> bytes:
        """The capture."""
        return as_pcap(self.frames)


CLIENT, SERVER = 0, 1
Unlike = tuple[str, int]


@dataclass
class Tcp:
    """One TCP connection on a wire: what each side sent so far, and what it has to say next."""

    wire: Wire
    ends: tuple[Unlike, Unlike] = (("10.0.0.1", 40_000), ("10.0.0.2", 502))
    first: tuple[int, int] = (1_000, 700_000)  # sequence number of the first byte of each side
    sent: list[int] = field(default_factory=lambda: [0, 0])  # bytes

    def seq(self, side: int, at: int | None = None) -> int:
        """Sequence number of byte ``at`` of a side, or of the next."""
        return self.first[side] + (self.sent[side] if at is None else at) & 0xFFFFFFFF

    def packet(self, side: int, data: bytes = b"", flags: str = "A", at: int | None = None) -> None:
        """One segment: byte ``at`` and what follows, or only flags."""
        bits = sum(FLAGS[letter] for letter in flags)
        ack = self.seq(1 - side) if "A" in flags else 0
        source, target = self.ends[side], self.ends[1 - side]
        ports = source[1], target[1]
        head = struct.pack(">HHIIBBHHH", *ports, self.seq(side, at), ack, 5 << 4, bits, 8192, 0, 0)
        self.wire.ip(source[0], target[0], 6, head + data)

    def open(self) -> None:
        """The handshake."""
        self.packet(CLIENT, flags="S", at=-1)
        self.packet(SERVER, flags="SA", at=-1)
        self.packet(CLIENT)

    def close(self) -> None:
        """FIN from both sides, which count as one byte each."""
        for side in (CLIENT, SERVER):
            self.packet(side, flags="FA")
            self.sent[side] += 1

    def say(self, side: int, data: bytes) -> None:
        """Send data in one segment."""
        self.packet(side, data, "PA")
        self.sent[side] += len(data)


def request(transaction: int, unit: int, address: int, number: int) -> bytes:
    """Read holding registers ([APP] 6.3)."""
    return struct.pack(">HHHBBHH", transaction, 0, 6, unit, 3, address, number)


def response(transaction: int, unit: int, registers: Sequence[int]) -> bytes:
    """What the registers hold."""
    size = 2 * len(registers)
    head = struct.pack(">HHHBBB", transaction, 0, 3 + size, unit, 3, size)
    return head + struct.pack(f">{len(registers)}H", *registers)


def write(transaction: int, unit: int, address: int, value: int) -> bytes:
    """Write single register ([APP] 6.6); its response is the same bytes."""
    return struct.pack(">HHHBBHH", transaction, 0, 6, unit, 6, address, value)


if __name__ == "__main__":
    import_module("otsec.protocols").PROTOCOLS  # noqa: B018 - or each fork imports them all
    sys.stdout.write(str(sum(map(_killed, json.loads(sys.argv[1])))))
