"""A row and a line a minute that say how the sensor goes."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from otsec.engine import Engine
from otsec.sensor.listening import Ear
from otsec.sensor.machine import Clock, clock
from otsec.store import Store
from otsec.store.paging import open_findings
from otsec.store.sensor import Heartbeat, beat
from otsec.streams.connections import COUNTS

EVERY_S = 60.0


@dataclass(slots=True)
class Before:
    """The counts of an interface at the heartbeat before."""

    packets: int = 0
    bytes: int = 0
    dropped: int = 0
    duplicates: int = 0
    units: int = 0


class Heart:
    """Beats for all interfaces of a sensor."""

    def __init__(
        self,
        store: Store,
        ears: Sequence[Ear],
        every_s: float = EVERY_S,
        rules: Callable[[], str] = str,
    ) -> None:
        """``rules``: gives the version of the rules in effect."""
        self.store, self.ears, self.every_s, self.rules = store, ears, every_s, rules
        self._last = time.monotonic()
        self._before = {ear.source: _counts(ear) for ear in ears}

    def due(self) -> bool:
        """Whether it is time."""
        return time.monotonic() - self._last >= self.every_s

    def beat(self, *, stopped: bool = False) -> list[Heartbeat]:
        """Write the rows of the span since the last time."""
        now = time.monotonic()
        span_ms, self._last = round((now - self._last) * 1000), now
        told, moment = clock(), time.time_ns()
        told_of = open_findings(self.store), self.rules()
        rows = [
            replace(
                self._row(ear, moment, span_ms, told, stopped=stopped),
                findings=told_of[0],
                rules=told_of[1],
            )
            for ear in self.ears
        ]
        beat(self.store, rows)
        return rows

    def _row(self, ear: Ear, moment: int, span_ms: int, told: Clock, *, stopped: bool) -> Heartbeat:
        counts, before = _counts(ear), self._before[ear.source]
        self._before[ear.source] = counts
        one_sided, decoded = shares(ear.engine)
        row = Heartbeat(
            source=ear.source,
            time=moment,
            span_ms=span_ms,
            state="stopped" if stopped else "listening" if ear.tap else "down",
            packets=counts.packets - before.packets,
            bytes=counts.bytes - before.bytes,
            dropped=counts.dropped - before.dropped,
            ring_percent=round(100 * ear.fullest),
            lag_ms=ear.lag_ns // 1_000_000,
            duplicates=counts.duplicates - before.duplicates,
            units=counts.units - before.units,
            one_sided_percent=one_sided,
            decoded_percent=decoded,
            recorded_bytes=ear.recording.stored() if ear.recording else 0,
            shed=ear.shed,
            clock=told.state,
            clock_offset_us=told.offset_us,
        )
        ear.fullest, ear.lag_ns = 0.0, 0
        return row


def _counts(ear: Ear) -> Before:
    counters = ear.engine.hearing.counters
    return Before(
        ear.total("received"),
        ear.total("bytes"),
        ear.total("dropped"),
        counters.count("duplicate_frames"),
        counters.count("engine:units") + ear.engine.units,
    )


def shares(engine: Engine) -> tuple[int, int]:
    """Of what is alive, in percent: connections with one side alone, and content decoded."""
    table = engine.connections.table
    table = table[table["alive"]]
    counts = {name: table["counts"][:, :, at] for at, name in enumerate(COUNTS)}
    spoken = table[table["stream"] & table["content"]]["counts"][:, :, COUNTS.index("packets")]
    half = int((spoken == 0).any(axis=1).sum())
    known = table["protocol"] > 0
    content, decoded = (int(counts[name][known].sum()) for name in ("payload", "decoded"))
    return _percent(half, len(spoken)), _percent(decoded, content)


def _percent(part: int, whole: int) -> int:
    return min(round(100 * part / whole), 100) if whole else 0


def line(ear: Ear, row: Heartbeat) -> str:
    """A heartbeat as a line of a log."""
    rate = row.packets * 1000 / max(row.span_ms, 1)
    shed = f", shed {row.shed}" if row.shed else ""
    off = f" ({row.clock_offset_us / 1000:+.1f} ms)" if row.clock == "synchronised" else ""
    findings = f", {row.findings:,} findings open, rules {row.rules or 'none'}"
    return (
        f"{ear.name}: {row.state}, {row.packets:,} packets ({rate:,.0f}/s), "
        f"{row.dropped:,} dropped, ring {row.ring_percent} % full at most, "
        f"{row.lag_ms / 1000:.1f} s behind at most{shed}, clock {row.clock}{off}{findings}"
    )
