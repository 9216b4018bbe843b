"""pcap files: draft-ietf-opsawg-pcap, with the 24-byte record headers of A. Kuznetzov's variant."""

from collections.abc import Mapping
from dataclasses import dataclass
from struct import Struct
from typing import Any, Literal

import numpy as np

from otsec.capture.chain import Mark, Rule
from otsec.capture.contract import MAX_CAPTURED, Chunk, Corrupt, Interface, Reader
from otsec.capture.in_time import NO_PACKET
from otsec.capture.intake import Intake
from otsec.columns import I64, Bytes, Header, Mask, windows
from otsec.model import PacketBatch

FILE_HEADER = 24  # bytes, section 4
MAX_TRIES = 64  # places tried as the start of a chain that runs to the end of the file


@dataclass(frozen=True, slots=True)
class Variant:
    """What the magic number tells."""

    order: Literal["<", ">"]
    fraction_ns: int  # nanoseconds of one unit of the time stamp's fraction
    header: int  # bytes of a record header


VARIANTS = {
    bytes.fromhex("d4c3b2a1"): Variant("<", 1_000, 16),
    bytes.fromhex("a1b2c3d4"): Variant(">", 1_000, 16),
    bytes.fromhex("4d3cb2a1"): Variant("<", 1, 16),
    bytes.fromhex("a1b23c4d"): Variant(">", 1, 16),
    bytes.fromhex("34cdb2a1"): Variant("<", 1_000, 24),  # Linux kernel patch of 1999
    bytes.fromhex("a1b2cd34"): Variant(">", 1_000, 24),
}
MAGIC_OF = {variant: magic for magic, variant in VARIANTS.items()}


@dataclass(frozen=True, slots=True)
class FileHeader:
    """What a file header says that matters."""

    variant: Variant
    snaplen: int
    link: int

    @classmethod
    def read(cls, head: bytes) -> "FileHeader | None":
        """The header in these 24 bytes, None if they are none."""
        variant = VARIANTS.get(head[:4])
        if variant is None or len(head) < FILE_HEADER:
            return None
        snaplen, network = Struct(variant.order + "II").unpack_from(head, 16)
        return cls(variant, snaplen, network & 0xFFFF)  # above it: length of the frame check


class PcapRule(Rule):
    """Lengths of records; a file header like the first in the midst of them is one of 24 bytes.

    Such a header stands there after ``cat a.pcap b.pcap``. As a record it would have no bytes
    captured and none on the wire. A record header of nothing but zeros is what a lost write
    leaves behind, so the chain ends there.
    """

    def __init__(self, header: FileHeader) -> None:
        self._variant = variant = header.variant
        self._link = header.link
        self.big = variant.order == ">"
        self.header = variant.header
        word = variant.order + "u4"
        self._word = np.dtype(word)
        fields = [(name, word) for name in ("seconds", "fraction", "captured", "wire")]
        self.record = np.dtype(fields + [("rest", "V8")] * (variant.header == 24))
        self._fraction = 1_000_000_000 // variant.fraction_ns
        self._words = Struct(variant.order + "II")

    def file_headers(self, record: Header) -> tuple[Mask, Mask]:
        """Which records are file headers instead: like the first, or of another variant."""
        nothing = (record["captured"] == 0) & (record["wire"] == 0)
        own, other = np.zeros_like(nothing), np.zeros_like(nothing)
        major = record["fraction"] >> 16 if self.big else record["fraction"] & 0xFFFF
        for magic, variant in VARIANTS.items():
            word = int.from_bytes(magic, "big" if self.big else "little")
            two = 2 if variant.order == self._variant.order else 0x0200
            mask = own if variant == self._variant else other
            mask |= nothing & (record["seconds"] == word) & (major == two)
        return own, other

    def lengths(self, buffer: Bytes, offset: I64, limit: int) -> I64:
        """Header and captured bytes. Runs once for every few hundred records: mind its speed."""
        word = windows(buffer[8:], self._word)[offset].view(self._word)
        length: I64 = word.astype(np.int64)
        length += self.header
        unusual = word - np.uint32(1) >= MAX_CAPTURED  # too long, or 0, which wraps
        if np.count_nonzero(unusual | (offset + length > limit)):
            length[(word > MAX_CAPTURED) | (offset + length > limit)] = 0
            rows = np.flatnonzero(word == 0)
            record = windows(buffer, self.record)[offset[rows]].view(self.record)
            rows, record = rows[record["wire"] == 0], record[record["wire"] == 0]
            length[rows] = self._of_nothing(buffer, offset[rows], record, limit)
        return length

    def _of_nothing(self, buffer: Bytes, offset: I64, record: Header, limit: int) -> I64:
        """Length of what has no bytes captured and none on the wire; 0 is no record."""
        own, other = self.file_headers(record)
        fits = own & (offset + FILE_HEADER <= limit)
        word = windows(buffer, self._word)[np.where(fits, offset + 20, 0)]
        link = word.view(self._word) & 0xFFFF
        length = np.full(len(offset), self.header, np.int64)
        length[own] = np.where(fits & (link == self._link), FILE_HEADER, 0)[own]
        length[other | ((record["seconds"] == 0) & (record["fraction"] == 0))] = 0
        return length

    def plain(self, buffer: Bytes, start: int, stop: int, limit: int) -> tuple[list[int], int]:
        """The same, one by one."""
        starts: list[int] = []
        data, size = buffer.data, self.header
        unpack = self._words.unpack_from
        while start < stop:
            captured, wire = unpack(data, start + 8)
            length = captured + size
            if captured > MAX_CAPTURED or start + length > limit:
                break
            if not captured and not wire:
                length = self._one_of_nothing(buffer, start, limit)
                if not length:
                    break
            starts.append(start)
            start += length
        return starts, start

    def _one_of_nothing(self, buffer: Bytes, start: int, limit: int) -> int:
        if is_file_header(buffer, start):
            other = FileHeader.read(buffer[start : min(start + FILE_HEADER, limit)].tobytes())
            joins = other and (other.variant, other.link) == (self._variant, self._link)
            return FILE_HEADER if joins else 0
        return self.header if buffer[start : start + 8].any() else 0

    def mark(self, buffer: Bytes, start: int) -> Mark:
        """The first byte of the seconds: the same for 194 days."""
        at = 0 if self.big else 3
        return Mark(np.dtype("u1"), at, int(buffer[start + at]), 1, 1)

    def likely(self, buffer: Bytes, offset: I64, limit: int, mark: Mark) -> Mask:
        """Two headers one behind the other make sense."""
        likely = offset + self.header <= limit
        record = windows(buffer, self.record)[np.where(likely, offset, 0)].view(self.record)
        captured = record["captured"].astype(np.int64)
        likely &= (captured <= MAX_CAPTURED) & (record["wire"] >= captured)
        likely &= record["fraction"] < self._fraction
        follower = offset + self.header + captured
        likely &= follower + self.header <= limit
        record = windows(buffer, self.record)[np.where(likely, follower, 0)].view(self.record)
        likely &= (record["captured"] <= MAX_CAPTURED) & (record["fraction"] < self._fraction)
        first = buffer[np.where(likely, follower + mark.at, 0)] - np.uint8(mark.low)
        return np.asarray(likely & (first <= mark.span))


def is_file_header(buffer: Bytes, start: int) -> bool:
    """Whether magic number and version 2 of a file header stand there, no zone, no accuracy."""
    head = buffer[start : start + 16].tobytes()
    variant = VARIANTS.get(head[:4])
    if variant is None or any(head[8:]):
        return False
    version: tuple[int, int] = Struct(variant.order + "HH").unpack_from(head, 4)
    return version[0] == 2


class PcapReader(Reader):
    """Reads a pcap, and those that `cat` put behind it, if they have the same link type."""

    format = "pcap"

    def __init__(
        self,
        intake: Intake,
        batch_packets: int,
        state: dict[str, Any] | None,
        order: Mapping[str, Any],
    ) -> None:
        super().__init__(intake, batch_packets, state, order)
        if state is not None:
            variant = VARIANTS[bytes.fromhex(state["magic"])]
            self._use(FileHeader(variant, int(state["snaplen"]), int(state["link"])))
            return
        header = FileHeader.read(intake.buffer[: min(intake.end, FILE_HEADER)].tobytes())
        if header is None:  # cut inside the file header: nothing to read yet
            self._use(FileHeader(VARIANTS[intake.buffer[:4].tobytes()], 0, 0))
            self.interfaces.clear()
            self._headed = False
            return
        self._use(header)
        intake.begin = FILE_HEADER
        self._end = self._used = intake.offset

    def _format_state(self) -> dict[str, Any]:
        """Magic number, snap length and link type."""
        header = self._header
        return {
            "magic": MAGIC_OF[header.variant].hex(),
            "snaplen": header.snaplen,
            "link": header.link,
        }

    def last_time(self, tail: Bytes, first: int) -> int | None:
        """Time of the last packet by the last bytes of the file; None if they do not tell.

        ``first`` is the time of the first packet. A record is looked for in the tail from which
        the chain runs to the very end.
        """
        rule, limit = self._records, len(tail)
        year = first // 1_000_000_000 >> 24 & 0xFF
        mark = Mark(np.dtype("u1"), 0 if rule.big else 3, year, 1, 1)
        seconds = tail[mark.at : limit - rule.header + mark.at]
        place = np.flatnonzero(seconds - np.uint8(mark.low) <= mark.span)
        for start in place[rule.likely(tail, place, limit, mark)][:MAX_TRIES].tolist():
            starts, leave = rule.plain(tail, start, limit - rule.header + 1, limit)
            if starts and leave == limit:
                record = windows(tail, rule.record)[starts[-1:]].view(rule.record)
                return int(self._times(record)[0])
        return None

    def _use(self, header: FileHeader) -> None:
        self._headed = True
        self._header = header
        self._records = PcapRule(header)
        if not self.interfaces:
            self.interfaces.append(Interface(0, "", header.link, header.snaplen))

    def _rule(self) -> PcapRule:
        return self._records

    def _pass(self) -> int:
        intake, size = self._intake, self._header.variant.header
        if not self._headed:
            return 0
        at, left = intake.begin, intake.end - intake.begin
        head = intake.buffer[at : at + size].tobytes()
        if left < size:
            return 0
        record = np.frombuffer(head, self._records.record)[0]
        if is_file_header(intake.buffer, at):
            return self._next_file(intake.buffer[at : at + min(left, FILE_HEADER)].tobytes())
        if not any(head[:16]):
            raise Corrupt("zeros instead of a record")
        captured = int(record["captured"])
        if captured > MAX_CAPTURED:
            raise Corrupt(f"no record: it would have {captured:,} bytes")
        return 0

    def _next_file(self, head: bytes) -> int:
        """Go on with the file that was appended."""
        header = FileHeader.read(head)
        if header is None:
            return 0
        if header.link != self._header.link:
            raise Corrupt(
                f"another capture, with link type {header.link} instead of {self._header.link}, "
                "is appended; split the file"
            )
        self._change()
        self._use(header)
        return FILE_HEADER

    def _stamps(self, start: I64, stop: I64) -> tuple[I64, I64]:
        del stop
        rule = self._records
        record = windows(self._intake.buffer, rule.record)[start].view(rule.record)
        interface = np.zeros(len(start), np.int64)
        if not record["captured"].all():
            interface[rule.file_headers(record)[0]] = NO_PACKET
        return self._times(record), interface

    def _chunk(self, start: I64, stop: I64, begin: int, end: int) -> Chunk:
        del stop
        intake, rule = self._intake, self._records
        record = windows(intake.buffer, rule.record)[start].view(rule.record)
        captured = record["captured"].astype(np.int64)
        if not captured.all():
            packets = ~rule.file_headers(record)[0]
            start, record, captured = start[packets], record[packets], captured[packets]
        batch = PacketBatch(
            interface=0,
            link=self._header.link,
            buffer=intake.buffer[begin:end],
            offset=start + (rule.header - begin),
            captured=captured,
            wire=np.maximum(record["wire"], captured),
            time=self._times(record),
        )
        return Chunk((batch,) if len(batch) else (), intake.base + end, ())

    def _times(self, record: Header) -> I64:
        time: I64 = record["seconds"].astype(np.int64)
        time *= 1_000_000_000
        time += record["fraction"].astype(np.int64) * self._header.variant.fraction_ns
        return time
