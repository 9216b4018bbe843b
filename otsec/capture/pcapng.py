"""pcapng files: draft-ietf-opsawg-pcapng, with the obsolete packet block of its appendix."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from struct import Struct
from typing import Any, Literal, TypeAlias

import numpy as np

from otsec.capture.chain import Mark, Rule
from otsec.capture.contract import (
    MAX_CAPTURED,
    MAX_INTERFACES,
    Chunk,
    Corrupt,
    Drops,
    Interface,
    Reader,
    Tick,
)
from otsec.capture.in_time import NO_PACKET
from otsec.capture.intake import Intake
from otsec.columns import I64, U64, Bytes, Header, Ints, Mask, gather, windows
from otsec.errors import InputError
from otsec.model import PacketBatch
from otsec.nanoseconds import SECOND_NS

SECTION, INTERFACE, PACKET, SIMPLE, STATISTICS, ENHANCED = 0x0A0D0D0A, 1, 2, 3, 5, 6
MAGIC = SECTION.to_bytes(4, "big")  # the same in both byte orders
BYTE_ORDER = {bytes.fromhex("1a2b3c4d"): ">", bytes.fromhex("4d3c2b1a"): "<"}  # section 4.1

MAX_BLOCK = 512 << 10  # bytes: the longest packet and the longest options together; others skipped
MAX_OPTIONS = 16  # of one block; they are read for all blocks at once, one each round
MAX_NAME = 256  # bytes of an interface's name
SECTION_HEADER = 28
INTERFACE_HEADER = 20
PACKET_HEADER = 28  # without the length at the end
TICK, OUTAGE = b"otsec tick", b"otsec gap:"  # how comments of otsec in statistics blocks begin
MAX_TICKS = 4_096  # of one file: each costs a batch of its own; otsec begins another file before
PACKET_ID = 5  # option of an enhanced packet block (4.3): here the ordinal within the source
PACKET_ORDINAL = np.dtype(
    [("code", "<u2"), ("length", "<u2"), ("ordinal", "<u8"), ("end", "<u4")]
)  # the options of a packet as otsec records it in part
MAX_TIME = (1 << 63) - 1


@dataclass(slots=True)
class Clock:
    """How an interface tells time (sections 4.2 if_tsresol, if_tsoffset), and what it lost."""

    resolution: int = 6  # as in if_tsresol: 10**-n, with the top bit 2**-n seconds
    offset_s: int = 0
    lost: int = 0  # packets it has said it lost

    def times(self, ticks: U64) -> I64:
        """Nanoseconds; what does not fit is the last or first moment that does."""
        power = self.resolution & 0x7F
        if self.resolution & 0x80:
            return _shifted(_binary_ns(ticks, power), self.offset_s)
        if power > 28:  # a tick is less than any time stamp can tell
            return _shifted(np.zeros_like(ticks), self.offset_s)
        factor = np.uint64(10 ** abs(9 - power))
        if power > 9:
            return _shifted(ticks // factor, self.offset_s)
        late = ticks > MAX_TIME // int(factor)
        time = ticks * factor
        time[late] = MAX_TIME
        return _shifted(time, self.offset_s)


def _binary_ns(ticks: U64, power: int) -> U64:
    """Ticks of 2**-power seconds as nanoseconds; 10**9 is 5**9 * 2**9."""
    if power > 43:  # the product below would overflow
        ticks = ticks >> np.uint64(power - 43) if power < 43 + 64 else np.zeros_like(ticks)
        power = 43
    seconds = ticks >> np.uint64(power)
    fraction = ticks - (seconds << np.uint64(power))
    nine = np.uint64(max(power - 9, 0))
    rest = np.uint64(max(9 - power, 0))
    nanoseconds = (fraction * np.uint64(5**9) >> nine) << rest
    late = seconds > np.uint64(MAX_TIME // SECOND_NS - 1)
    whole = np.where(late, np.uint64(0), seconds) * np.uint64(SECOND_NS) + nanoseconds
    return np.where(late, np.uint64(MAX_TIME), whole)


def _shifted(time: U64, offset_s: int) -> I64:
    """Times and an offset in seconds."""
    shift = max(min(offset_s * SECOND_NS, MAX_TIME), -MAX_TIME)
    signed = np.minimum(time, np.uint64(MAX_TIME)).view(np.int64)
    if shift > 0:
        signed = np.minimum(signed, MAX_TIME - shift)
    return signed + shift if shift else signed


class BlockRule(Rule):
    """Lengths of blocks, told at both ends; a section header ends the chain."""

    header = 12  # type, length, and the length again

    def __init__(self, order: str) -> None:
        self.word = np.dtype(order + "u4")
        self._block = np.dtype([("type", self.word), ("length", self.word)])
        self._words = Struct(order + "II")
        self._word = Struct(order + "I")

    def lengths(self, buffer: Bytes, offset: I64, limit: int) -> I64:
        """The length told, which must be told again at the end. Mind its speed."""
        block = windows(buffer, self._block)[offset].view(self._block)
        length: I64 = block["length"].astype(np.int64)
        end = offset + length
        bad = None
        if (
            length.min() < self.header
            or length.max() > MAX_BLOCK
            or end.max() > limit
            or np.bitwise_or.reduce(length) & 3
            or (block["type"] == SECTION).any()
        ):
            bad = (length < self.header) | (length > MAX_BLOCK) | (end > limit)
            bad |= (length & 3 != 0) | (block["type"] == SECTION)
            end[bad] = offset[bad] + self.header
        again = windows(buffer, self.word)[end - 4].view(self.word).astype(np.int64)
        if bad is not None or (again != length).any():
            length[(again != length) if bad is None else (again != length) | bad] = 0
        return length

    def plain(self, buffer: Bytes, start: int, stop: int, limit: int) -> tuple[list[int], int]:
        """The same, one by one."""
        starts: list[int] = []
        data = buffer.data
        words, word = self._words.unpack_from, self._word.unpack_from
        while start < stop:
            kind, length = words(data, start)
            if kind == SECTION or not 12 <= length <= MAX_BLOCK or length & 3:
                break
            end = start + length
            if end > limit or word(data, end - 4)[0] != length:
                break
            starts.append(start)
            start = end
        return starts, start

    def mark(self, buffer: Bytes, start: int) -> Mark:
        """The type of packet block at start: a file has mostly one."""
        kind = int(windows(buffer, self.word)[[start]].view(self.word)[0])
        return Mark(self.word, 0, kind if kind in {PACKET, SIMPLE} else ENHANCED, 0, 4)

    def likely(self, buffer: Bytes, offset: I64, limit: int, mark: Mark) -> Mask:
        """Both lengths agree."""
        del mark
        fits = offset + self.header <= limit
        likely = np.zeros(len(offset), np.bool_)
        if fits.any():
            likely[fits] = self.lengths(buffer, offset[fits], limit) > 0
        return likely


class PcapngReader(Reader):
    """Reads the sections of a pcapng file one behind the other."""

    format = "pcapng"

    def __init__(
        self,
        intake: Intake,
        batch_packets: int,
        state: dict[str, Any] | None,
        order: Mapping[str, Any],
    ) -> None:
        super().__init__(intake, batch_packets, state, order)
        self._order: Literal["<", ">"] | None = None  # no section yet
        self._clocks: list[Clock] = []  # of all interfaces
        self._first = 0  # number of the first interface of this section
        self._refused = False  # whether the section has more interfaces than are kept
        self._time = 0  # of the packet last read
        self._ticks = 0
        if state is None:
            return
        self._order = state["order"]
        self._first = int(state["first"])
        self._refused = bool(state["refused"])
        self._time = int(state["time"])
        self._ticks = int(state.get("ticks", 0))
        for kept in state["interfaces"]:
            name, link, snaplen, resolution, offset_s, lost = kept
            self._add(str(name), int(link), int(snaplen), Clock(resolution, offset_s, lost))
        self._use_order()

    def _format_state(self) -> dict[str, Any]:
        """Section and interfaces."""
        return {
            "order": self._order,
            "first": self._first,
            "refused": self._refused,
            "time": self._time,
            "ticks": self._ticks,
            "interfaces": [
                [told.name, told.link, told.snaplen, clock.resolution, clock.offset_s, clock.lost]
                for told, clock in zip(self.interfaces, self._clocks, strict=True)
            ],
        }

    def last_time(self, tail: Bytes, first: int) -> int | None:
        """Time of the last packet by the last bytes of the file; None if they do not tell.

        Blocks tell their length at the end too, so they can be walked backwards.
        """
        del first
        data, end = tail.tobytes(), len(tail)
        order = self._order or "<"
        word, words = Struct(order + "I"), Struct(order + "5I")
        while end >= 32:
            (length,) = word.unpack_from(data, end - 4)
            if length & 3 or not 12 <= length <= end:
                return None
            end -= length
            kind, again, interface, high, low = words.unpack_from(data, end)
            if again != length or kind == SECTION:
                return None
            if kind == ENHANCED and interface < len(self._clocks):
                ticks = np.array([high << 32 | low], np.uint64)
                return int(self._clocks[interface].times(ticks)[0])
        return None

    # -------------------------------------------------------------------------- structure

    def _use_order(self) -> None:
        order = self._order or "<"
        self._blocks = BlockRule(order)
        word, half = order + "u4", order + "u2"
        names = ("type", "length", "interface", "high", "low", "captured", "wire")
        self._front = np.dtype([(name, word) for name in names])
        self._option = np.dtype([("code", half), ("length", half)])
        self._count = np.dtype(order + "u8")

    def _rule(self) -> BlockRule:
        if self._order is None:
            self._use_order()
        return self._blocks

    def _pass(self) -> int:
        intake = self._intake
        left = intake.end - intake.begin
        head = intake.buffer[intake.begin : intake.begin + min(left, SECTION_HEADER)].tobytes()
        if len(head) < 12:
            return 0
        if head.startswith(MAGIC):
            return self._next_section(head)
        if self._order is None:
            raise Corrupt("no section header")
        kind, length = Struct(self._order + "II").unpack_from(head)
        if length < 12 or length & 3:
            raise Corrupt(f"no block: it would have {length:,} bytes")
        if length <= left and length <= MAX_BLOCK:
            raise Corrupt("a block with two different lengths")
        if length <= MAX_BLOCK:
            return 0
        if kind in {INTERFACE, PACKET, SIMPLE, STATISTICS, ENHANCED}:
            raise Corrupt(f"a block of type {kind} with {length:,} bytes")
        return int(length)

    def _next_section(self, head: bytes) -> int:
        """Begin a section (4.1); its interfaces are numbered on."""
        order = BYTE_ORDER.get(head[8:12])
        if order is None:
            raise Corrupt("a section header without a byte order")
        if len(head) < SECTION_HEADER:
            return 0
        length, _, major = Struct(order + "IIH").unpack_from(head, 4)
        if length < SECTION_HEADER or length & 3:
            raise Corrupt(f"no section header: it would have {length:,} bytes")
        if major != 1:
            raise Corrupt(f"a section of version {major}, which otsec does not know")
        self._change()
        self._order = ">" if order == ">" else "<"
        self._first, self._refused = len(self.interfaces), False
        self._use_order()
        return int(length)

    def _interface(self, block: Bytes, offset: int) -> None:
        """Take up an interface (4.2)."""
        if len(self.interfaces) >= MAX_INTERFACES:
            self._refused = True
            self._note(offset, f"more than {MAX_INTERFACES:,} interfaces; the others are left out")
            return
        if len(block) < INTERFACE_HEADER:
            self._note(offset, f"an interface block of {len(block)} bytes at byte {offset:,}")
        self._add(*self._announced(block))

    def _announced(self, block: Bytes) -> tuple[str, int, int, Clock]:
        """Name, link type, snap length and clock of an interface."""
        if len(block) < INTERFACE_HEADER:
            return "", 0xFFFF, 0, Clock()
        data, order = block.tobytes(), self._order or "<"
        link, _, snaplen = Struct(order + "HHI").unpack_from(data, 8)
        name, clock = "", Clock()
        for code, value in _options(data[16:-4], order):
            if code == 2:
                name = value[:MAX_NAME].decode("utf-8", "replace").rstrip("\0")
            elif code == 9 and len(value) == 1:
                clock.resolution = value[0]
            elif code == 14 and len(value) == 8:
                clock.offset_s = Struct(order + "q").unpack(value)[0]
        return name, link, snaplen, clock

    def _add(self, name: str, link: int, snaplen: int, clock: Clock) -> None:
        self.interfaces.append(Interface(len(self.interfaces), name, link, snaplen))
        self._clocks.append(clock)

    # ---------------------------------------------------------------------------- packets

    def _stamps(self, start: I64, stop: I64) -> tuple[I64, I64]:
        """Only enhanced packet blocks are moved, and none that tells its number.

        A simple one has the time of the one in front, and otsec numbers what it records.
        """
        buffer = self._intake.buffer
        front, fits, kind = self._fronts(buffer, start, stop)
        local = np.where(fits & (kind == ENHANCED), front["interface"].astype(np.int64), NO_PACKET)
        clocks = self._clocks[self._first :]
        if (kind == INTERFACE).any():  # they are taken up later, with their chunk
            new = np.flatnonzero(kind == INTERFACE)[: MAX_INTERFACES - len(self._clocks)]
            spans = zip(start[new].tolist(), stop[new].tolist(), strict=True)
            clocks = clocks + [self._announced(buffer[a:b])[-1] for a, b in spans]
        if (kind == SIMPLE).any() or self._are_numbered(start, stop, local != NO_PACKET):
            local[:] = NO_PACKET
        local[local >= len(clocks)] = NO_PACKET
        ticks = front["high"].astype(np.uint64) << np.uint64(32) | front["low"]
        time = np.zeros(len(start), np.int64)
        for number in np.unique(local[local != NO_PACKET]).tolist():
            rows = local == number
            time[rows] = clocks[number].times(ticks[rows])
        return time, np.where(local == NO_PACKET, NO_PACKET, local + self._first)

    def _are_numbered(self, start: I64, stop: I64, packet: Mask) -> bool:
        """Whether the first packet bears its ordinal, see `told_ordinals`."""
        first = np.flatnonzero(packet)[:1]
        front, _ = gather(self._intake.buffer, start[first], stop[first], self._front)
        begin = start[first] + PACKET_HEADER + (front["captured"].astype(np.int64) + 3 & ~3)
        told, fits = gather(self._intake.buffer, begin, stop[first] - 4, PACKET_ORDINAL)
        return bool((fits & (told["code"] == PACKET_ID)).any())

    def _chunk(self, start: I64, stop: I64, begin: int, end: int) -> Chunk:
        intake = self._intake
        blocks = self._read_blocks(intake.buffer, start, stop)
        packets = self._packets(intake.buffer, blocks)
        drops = self._drops(intake.buffer, blocks, packets)
        ticks = self._noted(intake.buffer, blocks, packets)
        batches = tuple(self._batches(intake.buffer[begin:end], begin, packets))
        return Chunk(batches, intake.base + end, drops, ticks)

    def _fronts(self, buffer: Bytes, start: I64, stop: I64) -> tuple[Header, Mask, Ints]:
        """The first 28 bytes of blocks as those of a packet, whether they have them, their types."""
        front, fits = gather(buffer, start, stop - 4, self._front)
        word = self._blocks.word
        kind = front["type"] if fits.all() else windows(buffer, word)[start].view(word)
        return front, fits, kind.astype(np.uint32)

    def _read_blocks(self, buffer: Bytes, start: I64, stop: I64) -> "Blocks":
        """Blocks with what stands at their front; interfaces among them are taken up."""
        front, fits, kind = self._fronts(buffer, start, stop)
        known: I64 = np.full(len(start), len(self.interfaces) - self._first, np.int64)
        announced = kind == INTERFACE
        if announced.any():
            for row in np.flatnonzero(announced).tolist():
                self._interface(buffer[start[row] : stop[row]], self._intake.base + int(start[row]))
            room = len(self.interfaces) - self._first
            known = np.minimum(known + np.cumsum(announced), room)
        local = front["interface"].astype(np.int64)
        old = kind == PACKET
        if old.any():  # two bytes of the interface, two of the packets lost (appendix A)
            lower, upper = local & 0xFFFF, local >> 16
            local = np.where(old, upper if self._order == ">" else lower, local)
        return Blocks(start, stop, kind, front, fits, local, known)

    def _packets(self, buffer: Bytes, blocks: "Blocks") -> "PacketRows":
        kind, size = blocks.kind, blocks.stop - blocks.start
        simple = kind == SIMPLE
        wanted = kind == ENHANCED
        if not wanted.all():
            wanted |= simple | (kind == PACKET)
        local = blocks.local
        offset = blocks.start + PACKET_HEADER
        captured = blocks.front["captured"].astype(np.int64)
        wire = blocks.front["wire"].astype(np.int64)
        good = blocks.fits & (captured <= size - PACKET_HEADER - 4) & (captured <= MAX_CAPTURED)
        if simple.any():
            local, offset = np.where(simple, 0, local), offset - simple * 16
            wire[simple] = self._word_at(buffer, blocks.start[simple] + 8)
            captured[simple] = np.minimum(wire[simple], size[simple] - 16)
            captured[simple] = np.minimum(captured[simple], self._simple_limit())
            good |= simple & (captured <= MAX_CAPTURED)
        good &= local < blocks.known
        self._note_bad(blocks, wanted & ~good)
        good &= wanted
        row, front = np.arange(len(good)), blocks.front
        if not good.all():
            row = np.flatnonzero(good)
            local, offset, front = local[row], offset[row], front[row]
            captured, wire, simple = captured[row], wire[row], simple[row]
        number = local + self._first
        time = self._times(front, number)
        if simple.any():  # these have no time: that of the packet before
            before = np.maximum.accumulate(np.where(simple, 0, np.arange(1, len(row) + 1)))
            time = np.append(np.int64(self._time), time)[before]
        if len(time):
            self._time = int(time[-1])
        return PacketRows(row, number, offset, captured, np.maximum(wire, captured), time)

    def _word_at(self, buffer: Bytes, offset: I64) -> I64:
        word = self._blocks.word
        return windows(buffer, word)[offset].view(word).astype(np.int64)

    def _simple_limit(self) -> int:
        """Simple packet blocks do not tell how much was captured: the snap length does (4.4)."""
        first = self.interfaces[self._first : self._first + 1]
        return (first[0].snaplen or MAX_CAPTURED) if first else 0

    def _note_bad(self, blocks: "Blocks", bad: Mask) -> None:
        rows = np.flatnonzero(bad)
        if not len(rows):
            return
        row = int(rows[0])
        offset = self._intake.base + int(blocks.start[row])
        known = int(blocks.known[row])
        if blocks.fits[row] and blocks.local[row] >= known:
            if not self._refused:
                text = f"a packet of interface {blocks.local[row]}, of {known} in the section"
                self._note(offset, f"{text}, at byte {offset:,}")
            return
        self._note(offset, f"a packet block that its packet does not fit in, at byte {offset:,}")

    def _times(self, front: Header, number: I64) -> I64:
        """The time stamps of blocks, each by the clock of its interface."""
        ticks = front["high"].astype(np.uint64) << np.uint64(32) | front["low"]
        if not len(number):
            return number
        if (number == number[0]).all():
            return self._clocks[int(number[0])].times(ticks)
        time = np.empty(len(number), np.int64)
        for interface, rows in _by_interface(number):
            time[rows] = self._clocks[interface].times(ticks[rows])
        return time

    def _batches(self, buffer: Bytes, base: int, packets: "PacketRows") -> Iterator[PacketBatch]:
        for interface, rows in _by_interface(packets.number):
            yield PacketBatch(
                interface=interface,
                link=self.interfaces[interface].link,
                buffer=buffer,
                offset=packets.offset[rows] - base,
                captured=packets.captured[rows],
                wire=packets.wire[rows],
                time=packets.time[rows],
            )

    # ------------------------------------------------------------------------------ drops

    def _drops(self, buffer: Bytes, blocks: "Blocks", packets: "PacketRows") -> tuple[Drops, ...]:
        """What statistics blocks (4.6) and packets say was lost, in the order of the file."""
        told = [*self._lost_in_all(buffer, blocks), *self._lost_before(buffer, blocks, packets)]
        drops: list[Drops] = []
        before = packets.counter()
        for row, interface, time, count, absolute in sorted(told):
            clock = self._clocks[interface]
            lost = count if absolute else min(clock.lost + count, MAX_TIME)
            if lost > clock.lost:
                drops.append(Drops(interface, time, lost - clock.lost, before(interface, row)))
            clock.lost = lost
        return tuple(drops)

    def _noted(self, buffer: Bytes, blocks: "Blocks", packets: "PacketRows") -> tuple[Tick, ...]:
        """Ticks and outages that otsec noted in its recording: comments of statistics blocks."""
        row = np.flatnonzero((blocks.kind == STATISTICS) & (blocks.local < blocks.known))
        if not len(row):
            return ()
        note = np.dtype([*self._option.descr, ("word", f"S{len(TICK)}")])
        notes, fits = gather(buffer, blocks.start[row] + 20, blocks.stop[row] - 4, note)
        hit = fits & (notes["code"] == 1) & np.isin(notes["word"], (TICK, OUTAGE))
        ticks: list[Tick] = []
        before = packets.counter()
        for block, word, length in zip(
            row[hit].tolist(),
            notes["word"][hit].tolist(),
            notes["length"][hit].tolist(),
            strict=True,
        ):
            offset = self._intake.base + int(blocks.start[block])
            if self._ticks == MAX_TICKS:
                self._note(offset, f"more than {MAX_TICKS:,} ticks; the others are left out")
                break
            self._ticks += 1
            number = np.array([blocks.local[block] + self._first])
            time = int(self._times(blocks.front[[block]], number)[0])
            begin = int(blocks.start[block]) + 24
            text = buffer[begin : min(begin + length, int(blocks.stop[block]) - 4)].tobytes()
            why = text[len(OUTAGE) :].decode("utf-8", "replace")[:MAX_NAME].strip(": ")
            outage = (why or "outage") if word == OUTAGE else ""
            interface = int(number[0])
            ticks.append(Tick(interface, time, before(interface, block), outage))
        return tuple(ticks)

    def _lost_in_all(self, buffer: Bytes, blocks: "Blocks") -> Iterator["Lost"]:
        """Of statistics blocks: isb_ifdrop counts since the capture began."""
        row = np.flatnonzero((blocks.kind == STATISTICS) & (blocks.stop - blocks.start >= 36))
        row = row[blocks.local[row] < blocks.known[row]]
        if not len(row):
            return
        count, told = self._option_value(buffer, blocks.start[row] + 20, blocks.stop[row] - 4, 5)
        row, count = row[told], count[told]
        number = blocks.local[row] + self._first
        time = self._times(blocks.front[row], number)
        yield from _losses(row, number, time, count, absolute=True)

    def _lost_before(
        self, buffer: Bytes, blocks: "Blocks", packets: "PacketRows"
    ) -> Iterator["Lost"]:
        """Of packets: epb_dropcount, or drops_count of old blocks, since the packet before."""
        begin = packets.offset + (packets.captured + 3 & ~3)
        end = blocks.stop[packets.row] - 4
        kind = blocks.kind[packets.row]
        some = np.flatnonzero((end - begin >= 12) & (kind == ENHANCED))
        if len(some):
            count, told = self._option_value(buffer, begin[some], end[some], 4)
            some, count = some[told], count[told]
            yield from _losses(
                packets.row[some], packets.number[some], packets.time[some], count, absolute=False
            )
        old = np.flatnonzero(kind == PACKET)
        if len(old):
            half = np.dtype((self._order or "<") + "u2")
            count = windows(buffer, half)[blocks.start[packets.row[old]] + 10].view(half)
            told = (count > 0) & (count < 0xFFFF)  # 0xffff: not known
            old, count = old[told], count[told]
            yield from _losses(
                packets.row[old], packets.number[old], packets.time[old], count, absolute=False
            )

    def _option_value(self, buffer: Bytes, begin: I64, end: I64, code: int) -> tuple[U64, Mask]:
        """The eight bytes of one option (3.5) in each span: (value, whether it is there)."""
        value: U64 = np.zeros(len(begin), np.uint64)
        found = np.zeros(len(begin), np.bool_)
        at, left = begin.copy(), np.arange(len(begin))
        for _ in range(MAX_OPTIONS):
            option, fits = gather(buffer, at[left], end[left], self._option)
            left, option = left[fits], option[fits]
            if not len(left):
                break
            hit = left[(option["code"] == code) & (option["length"] == 8)]
            counts, whole = gather(buffer, at[hit] + 4, end[hit], self._count)
            value[hit], found[hit] = counts.view(self._count), whole
            at[left] += 4 + (option["length"].astype(np.int64) + 3 & ~3)
            left = left[(option["code"] != 0) & ~found[left]]
        return value, found


@dataclass(frozen=True, slots=True)
class Blocks:
    """Blocks of a chunk, one row each."""

    start: I64
    stop: I64
    kind: Ints  # type
    front: Header  # the first 28 bytes as those of a packet; zeros where there are fewer
    fits: Mask
    local: I64  # interface within the section
    known: I64  # interfaces that the section had announced by then


@dataclass(frozen=True, slots=True)
class PacketRows:
    """Packets of a chunk, one row each, of all interfaces."""

    row: I64  # of the block
    number: I64  # of the interface
    offset: I64
    captured: I64
    wire: I64
    time: I64

    def counter(self) -> Callable[[int, int], int]:
        """A function that tells how many packets of an interface stand before a block."""
        rows = {number: self.row[which] for number, which in _by_interface(self.number)}
        none = self.row[:0]
        return lambda number, block: int(np.searchsorted(rows.get(number, none), block))


Lost: TypeAlias = tuple[int, int, int, int, bool]  # row, interface, time, count, since the start


def _losses(row: I64, number: I64, time: I64, count: Ints, *, absolute: bool) -> Iterator[Lost]:
    capped = np.minimum(count.astype(np.uint64), np.uint64(MAX_TIME))
    columns = (row.tolist(), number.tolist(), time.tolist(), capped.tolist())
    yield from ((*told, absolute) for told in zip(*columns, strict=True))


def _by_interface(number: I64) -> Iterator[tuple[int, I64 | slice]]:
    """The rows of each interface, in order."""
    if not len(number):
        return
    if (number == number[0]).all():
        yield int(number[0]), slice(None)
        return
    order = np.argsort(number, kind="stable")
    first = np.flatnonzero(np.diff(number[order], prepend=-1))
    for rows in np.split(order, first[1:]):
        yield int(number[rows[0]]), rows


def _options(data: bytes, order: str) -> Iterator[tuple[int, bytes]]:
    """Code and value of each option (3.5) of one block."""
    option = Struct(order + "HH")
    at = 0
    while at + 4 <= len(data):
        code, length = option.unpack_from(data, at)
        at += 4
        if code == 0 or at + length > len(data):
            return
        yield code, data[at : at + length]
        at += length + 3 & ~3


def told_ordinals(batch: PacketBatch) -> I64:
    """The ordinals that packets of a recording in part bear themselves.

    Raises InputError where one bears none: it is no such recording of otsec.
    """
    start = batch.offset + (batch.captured + 3 & ~3)
    end = np.full(len(start), len(batch.buffer))
    told, _ = gather(batch.buffer, start, end, PACKET_ORDINAL)
    if (told["code"] != PACKET_ID).any() or (np.diff(told["ordinal"].astype(np.int64)) <= 0).any():
        raise InputError("a recording whose packets do not tell which they are")
    return told["ordinal"].astype(np.int64)
