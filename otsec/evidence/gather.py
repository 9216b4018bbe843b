"""Which packets are evidence: those named, what they answer, and how their session began.

The rule, packet by packet named:

- **named**: the packet itself;
- **pieces** of the message that it completes: segments and IP fragments before it;
- **exchange**: the request that it answers, or the response to it;
- **opening**: the TCP handshake of its connection, and the first `SETUP` packets with content
  behind it, in which protocols set themselves up;
- **context**: packets between that change how it is read (Forward_Open, OPC UA channels, ...);
- **around**: so many packets of the same connection, or between the same two, before and behind.

The opening is looked for in the `BACK` packets before; where it is not there it is said so.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from secrets import randbits

import numpy as np

from otsec.columns import I64, U64, Ints, hash_words
from otsec.dissect import dissect
from otsec.errors import InputError, UsageError
from otsec.evidence.captures import Frame, Library
from otsec.evidence.references import Reference
from otsec.evidence.said import Said, Study, batches, study
from otsec.model import ACK, SYN, TCP, Kind, Packets, Problem
from otsec.store import references
from otsec.store.references import Tap

AROUND = 4  # packets of the connection before and behind each one named
SETUP = 8  # packets with content behind the handshake: OPC UA and TLS need as many
SETTERS = 16  # packets that set a context, the last ones before the one named
BACK = 2_000_000  # packets before the one named among which its connection's SYN is looked for
FIRST_BACK, GROWTH = 50_000, 6  # less is looked at first
AHEAD = 200_000  # packets behind it among which the response and what follows is looked for
STUDIED = 1_000  # packets of a connection before the one named, and of its beginning, decoded
STUDIED_AFTER = 64
STUDIED_IN_ALL = 20_000  # shared by all that are named; 30 MB of full frames
FRAGMENT_NS = 30 * 10**9  # fragments of one datagram are no further apart
MOST_PIECES = 1_024  # packets looked back over for the beginning of a message
MOST_NAMED = 10_000

NAMED, PIECE, EXCHANGE, OPENING, CONTEXT, AROUND_IT = range(6)  # in order of weight
WORDS = {"request": "request of {}", "response": "response of {}", "message": "message: {}"}
Why = tuple[int, str]


@dataclass(frozen=True, slots=True)
class Rule:
    """How much is gathered."""

    around: int = AROUND
    setup: int = SETUP
    back: int = BACK


@dataclass(frozen=True, slots=True)
class Gathered:
    """The frames of one source that are evidence, each with why, and what they say."""

    tap: Tap
    frames: tuple[Frame, ...]
    why: tuple[tuple[str, ...], ...]
    named: frozenset[int]  # positions of the frames that were named
    said: tuple[Said, ...]  # with positions among the frames; only of frames that are here
    notes: tuple[str, ...]


@dataclass(slots=True)
class _Reasons:
    """Why each ordinal is taken."""

    of: dict[int, dict[Why, None]] = field(default_factory=dict)

    def add(self, ordinal: int, kind: int, text: str) -> None:
        self.of.setdefault(ordinal, {}).setdefault((kind, text))

    def texts(self, ordinal: int) -> tuple[str, ...]:
        """The weightiest first; that a packet stands around another is said only of it alone."""
        whys = sorted(self.of[ordinal])
        telling = [why for why in whys if why[0] != AROUND_IT] or whys[:1]
        return tuple(dict.fromkeys(text for _, text in telling))


@dataclass(frozen=True, slots=True)
class _Rows:
    """Packets of some connections, ascending by ordinal."""

    ordinal: I64
    time: I64
    key: U64
    sender: U64
    seq: I64
    flags: Ints
    payload: I64  # bytes captured behind the last header
    transport: Ints
    fragment: Ints

    def take(self, rows: I64) -> "_Rows":
        return _Rows(*(getattr(self, name)[rows] for name in _COLUMNS))


_COLUMNS = (
    *("ordinal", "time", "key", "sender", "seq", "flags", "payload", "transport", "fragment"),
)


def gather(library: Library, wanted: Sequence[Reference], rule: Rule) -> list[Gathered]:
    """The evidence of each source that the references name."""
    if len(wanted) > MOST_NAMED:
        raise UsageError(f"{len(wanted):,} packets are named; at most {MOST_NAMED:,} at a time")
    taps = {tap.id: tap for tap in references.taps(library.store)}
    found = []
    for source in dict.fromkeys(one.source for one in wanted):
        mine = [one for one in wanted if one.source == source]
        found.append(_Gathering(library, taps[source], mine, rule).gathered())
    return found


class _Gathering:
    """Of one source."""

    def __init__(self, library: Library, tap: Tap, wanted: Sequence[Reference], rule: Rule) -> None:
        self.library, self.tap, self.wanted, self.rule = library, tap, wanted, rule
        self.seed = randbits(63)  # connections are told apart by 64-bit hashes nobody can foresee
        self.reasons = _Reasons()
        self.notes: list[str] = []
        self.targets = np.array(sorted({one.packet for one in wanted}), np.int64)
        self.packets = references.packets_of(library.store, tap.id)

    def gathered(self) -> Gathered:
        """Go through the steps of the rule."""
        frames = self.library.frames(self.tap, self.targets)
        self._must_be_meant(frames)
        for one in self.wanted:
            self.reasons.add(one.packet, NAMED, _told(one))
        keys = np.concatenate(
            [self._rows(dissect(one), np.arange(len(one))).key for one in batches(frames)]
            or [np.empty(0, np.uint64)]
        )
        rows = self._scan(keys)
        each = max(min(STUDIED, STUDIED_IN_ALL // max(len(self.targets), 1)), self.rule.around + 1)
        studied: set[int] = set(self.targets.tolist())
        for target, key in zip(self.targets.tolist(), keys.tolist(), strict=True):
            studied.update(self._connection(target, rows[key], each))
        ordinals = np.array(sorted(studied | set(self.reasons.of)), np.int64)
        frames = self.library.frames(self.tap, ordinals)
        found = study(frames)
        self._exchanges(found, ordinals, rows)
        return self._kept(found, frames, ordinals)

    def _must_be_meant(self, frames: Sequence[Frame]) -> None:
        """The store's times must be those of the packets; raises InputError."""
        times = {frame.ordinal: frame.time for frame in frames}
        for one in self.wanted:
            if one.time is not None and times[one.packet] != one.time:
                raise InputError(
                    f"{self.tap.name}: packet {one.packet} of the captures is another one than "
                    f"{one.id} points to, its time differs; analyse the captures anew"
                )

    # ------------------------------------------------------------------ connections

    def _rows(self, packets: Packets, ordinal: I64) -> _Rows:
        """``ordinal``: of each packet of the batch."""
        ends = [
            hash_words([packets.kind.astype(np.uint64), hi, lo, port.astype(np.uint64)], self.seed)
            for hi, lo, port in (
                (packets.source_hi, packets.source_lo, packets.source_port),
                (packets.target_hi, packets.target_lo, packets.target_port),
            )
        ]
        where = hash_words([packets.place, packets.protocol.astype(np.uint64)], self.seed)
        return _Rows(
            ordinal[packets.row],
            packets.time,
            where + ends[0] + ends[1],  # the same both ways
            ends[0],
            packets.seq,
            packets.flags,
            np.maximum(packets.payload_end - packets.payload, 0),
            np.where(packets.kind == Kind.MAC, 0, packets.protocol),
            packets.problem == Problem.FRAGMENT,
        )

    def _scan(self, keys: U64) -> dict[int, _Rows]:
        """All packets of the connections, as far before and behind as the rule needs them."""
        wanted = np.unique(keys)
        back = min(FIRST_BACK, self.rule.back)
        while True:
            rows = _by_key(self._look(wanted, back))
            if back >= self.rule.back or back >= int(self.targets[0]):
                return rows
            if all(
                self._begun(rows[key], target)
                for target, key in zip(self.targets.tolist(), keys.tolist(), strict=True)
            ):
                return rows
            back = min(back * GROWTH, self.rule.back)

    def _look(self, wanted: U64, back: int) -> _Rows:
        parts: list[_Rows] = []
        reached = 0
        for begin, end, last in self._spans(back):
            lacking: list[str] = []
            for stretch in self.library.read(self.tap, max(begin, reached), end, lacking=lacking):
                rows = self._rows(dissect(stretch.batch), stretch.ordinal)
                mine = np.isin(rows.key, wanted) & (rows.ordinal >= max(begin, reached))
                parts.append(rows.take(np.flatnonzero(mine)))
                reached = int(stretch.ordinal[-1]) + 1
                if reached > last and self._enough(parts, wanted, last):
                    break
            self.notes += lacking
        return _Rows(
            *(np.concatenate([getattr(part, name) for part in parts]) for name in _COLUMNS)
        )

    def _spans(self, back: int) -> Iterable[tuple[int, int, int]]:
        """Ordinals to look at: begin, end, and the last one named within."""
        spans: list[list[int]] = []
        for target in self.targets.tolist():
            begin, end = max(target - back, 0), min(target + AHEAD, self.packets)
            if spans and begin <= spans[-1][1]:
                spans[-1][1:] = [end, target]
            else:
                spans.append([begin, end, target])
        return [(begin, end, last) for begin, end, last in spans]

    def _enough(self, parts: Sequence[_Rows], wanted: U64, last: int) -> bool:
        """Whether each connection went on long enough behind the last packet named."""
        behind = [part.key[part.ordinal > last] for part in parts]
        keys, count = np.unique(np.concatenate(behind), return_counts=True)
        return len(keys) == len(wanted) and int(count.min()) >= max(STUDIED_AFTER, self.rule.around)

    def _begun(self, mine: _Rows, target: int) -> bool:
        """Whether the beginning of the connection is there, if it is one that has any."""
        return not _is_tcp(mine) or _opening(mine, target) is not None

    def _connection(self, target: int, mine: _Rows, each: int) -> list[int]:
        """Take handshake, set-up and what stands around; gives the ordinals to be decoded."""
        at = int(np.searchsorted(mine.ordinal, target))
        around = self.rule.around
        for row in range(max(at - around, 0), min(at + around + 1, len(mine.ordinal))):
            if row != at:
                side = "before" if row < at else "after"
                text = f"{side} {self.tap.name}:{target} on the same connection"
                self.reasons.add(int(mine.ordinal[row]), AROUND_IT, text)
        studied = mine.ordinal[max(at - each, 0) : at + STUDIED_AFTER].tolist()
        begin = _opening(mine, target) if _is_tcp(mine) else None
        if begin is not None:
            self._set_up(mine, begin, at)
            studied += mine.ordinal[begin : min(begin + each, at)].tolist()
        elif _is_tcp(mine):
            early = (
                "was there before the capture began"
                if target <= self.rule.back
                else f"began more than {self.rule.back:,} packets before it"
            )
            self.notes.append(
                f"the connection of {self.tap.name}:{target} {early}; its opening is not here"
            )
        return list(map(int, studied))

    def _set_up(self, mine: _Rows, begin: int, at: int) -> None:
        """The handshake and the first packets with content behind it."""
        full = begin + np.flatnonzero(mine.payload[begin:at] > 0)[: self.rule.setup]
        shake = begin + np.flatnonzero(mine.payload[begin : at + 1] == 0)
        until = int(full[0]) if len(full) else at + 1
        for row in shake[shake < until][:8].tolist():
            self.reasons.add(int(mine.ordinal[row]), OPENING, "TCP handshake of the connection")
        for row in full.tolist():
            self.reasons.add(int(mine.ordinal[row]), OPENING, "set-up of the session")

    # ------------------------------------------------------------------ what they say

    def _exchanges(self, found: Study, ordinals: I64, rows: dict[int, _Rows]) -> None:
        """Take the other half of each exchange that a named packet is part of, with all pieces."""
        named = set(self.targets.tolist())
        known = set(ordinals.tolist())
        key_of = {
            ordinal: key
            for key, mine in rows.items()
            for ordinal in mine.ordinal.tolist()
            if ordinal in known
        }
        for said in found.said:
            units = [(int(ordinals[unit.frame]), unit.size) for unit in said.units()]
            pieces = {at: _pieces(rows[key_of[at]], at, size) for at, size in units}
            parts = named & {at for at, _ in units}.union(*pieces.values())
            if not parts:
                continue
            operation = f"{said.protocol} {said.message.operation}"
            for at, unit in said.halves():
                ordinal = int(ordinals[unit.frame])
                self.reasons.add(ordinal, EXCHANGE, WORDS[at].format(operation))
                for piece in pieces[ordinal]:
                    text = f"piece of the {at} completed by {self.tap.name}:{ordinal}"
                    self.reasons.add(piece, PIECE, text)
        setters = np.array(sorted(int(ordinals[one]) for one in found.setters), np.int64)
        for target in sorted(named):
            before = setters[setters < target].tolist()
            same = [one for one in before if key_of.get(one) == key_of.get(target)]
            for one in same[-SETTERS:]:
                self.reasons.add(one, CONTEXT, "changes how later messages are read")

    def _kept(self, found: Study, frames: Sequence[Frame], ordinals: I64) -> Gathered:
        self._fragments(frames)
        known = set(ordinals.tolist())
        missing = np.array(sorted(set(self.reasons.of) - known), np.int64)
        every = {frame.ordinal: frame for frame in frames}
        every.update((one.ordinal, one) for one in self.library.frames(self.tap, missing))
        kept = sorted(self.reasons.of)
        position = {ordinal: at for at, ordinal in enumerate(kept)}
        said = [
            moved for one in found.said if (moved := _moved(one, ordinals, position)) is not None
        ]
        said.sort(key=lambda one: min(unit.frame for unit in one.units()))
        return Gathered(
            self.tap,
            tuple(every[one] for one in kept),
            tuple(self.reasons.texts(one) for one in kept),
            frozenset(position[one] for one in self.targets.tolist()),
            tuple(said),
            tuple(dict.fromkeys(self.notes)),
        )

    def _fragments(self, frames: Sequence[Frame]) -> None:
        """Take the other fragments of each datagram that a named packet is a fragment of."""
        marks = _fragment_marks(frames)
        named = {mark for ordinal, mark in marks.items() if ordinal in set(self.targets.tolist())}
        times = {frame.ordinal: frame.time for frame in frames}
        for ordinal, mark in marks.items():
            if mark not in named:
                continue
            near = min(abs(times[ordinal] - times[int(one)]) for one in self.targets)
            if near <= FRAGMENT_NS:
                self.reasons.add(ordinal, PIECE, "fragment of the same datagram")


def _told(one: Reference) -> str:
    return f"{one.id}: {one.why}" if one.why != "named" else f"named: {one.id}"


def _is_tcp(mine: _Rows) -> bool:
    return bool(len(mine.transport)) and int(mine.transport[0]) == TCP


def _opening(mine: _Rows, target: int) -> int | None:
    """Position of the SYN with which the connection of the target began; None: not there."""
    upto = int(np.searchsorted(mine.ordinal, target, "right"))
    syn = np.flatnonzero(mine.flags[:upto] & (SYN | ACK) == SYN)
    if not len(syn):
        return None
    last = int(syn[-1])
    again = syn[(mine.seq[syn] == mine.seq[last]) & (mine.sender[syn] == mine.sender[last])]
    return int(again[0])


def _by_key(rows: _Rows) -> dict[int, _Rows]:
    """The packets of each connection."""
    order = np.argsort(rows.key, kind="stable")
    key = rows.key[order]
    bounds = np.flatnonzero(np.diff(key, prepend=~key[:1])) if len(key) else order
    parts = np.split(order, bounds[1:])
    return {int(rows.key[part[0]]): rows.take(part) for part in parts if len(part)}


def _pieces(mine: _Rows, ordinal: int, size: int) -> list[int]:
    """Packets of the same sender that a unit of that size began in, before the one that ended it.

    Walks back over content until there is as much of it as the unit has.
    """
    at = int(np.searchsorted(mine.ordinal, ordinal))
    have, pieces = int(mine.payload[at]), []
    for row in range(at - 1, max(at - MOST_PIECES, 0) - 1, -1):
        if have >= size:
            break
        if mine.sender[row] != mine.sender[at] or not mine.payload[row]:
            continue
        have += int(mine.payload[row])
        pieces.append(int(mine.ordinal[row]))
    return pieces[::-1]


def _moved(said: Said, ordinals: I64, position: dict[int, int]) -> Said | None:
    """The same, its frames by their position among those that are kept; None: none of them is."""
    units = [
        None
        if unit is None or int(ordinals[unit.frame]) not in position
        else replace(unit, frame=position[int(ordinals[unit.frame])])
        for unit in (said.request, said.response)
    ]
    if units == [None, None]:
        return None
    return replace(said, request=units[0], response=units[1])


def _fragment_marks(frames: Sequence[Frame]) -> dict[int, bytes]:
    """What the fragments of one datagram share, by ordinal: addresses, protocol, identification."""
    marks: dict[int, bytes] = {}
    done = 0
    for batch in batches(frames):
        packets = dissect(batch)
        some = np.flatnonzero((packets.problem == Problem.FRAGMENT) & (packets.network >= 0))
        for row in some.tolist():
            at = int(packets.network[row])
            head = batch.buffer[at : at + 48].tobytes()
            frame = frames[done + int(packets.row[row])]
            if packets.kind[row] == Kind.IPV4:
                marks[frame.ordinal] = head[4:6] + head[9:10] + head[12:20]
            elif head[6:7] == b"\x2c":  # a fragment header right behind, RFC 8200 4.5
                marks[frame.ordinal] = head[8:40] + head[44:48]
        done += len(batch)
    return marks
