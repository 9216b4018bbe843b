"""The kernel's own ring of received packets, read as columns.

Source: Linux, Documentation/networking/packet_mmap.rst and include/uapi/linux/if_packet.h
(TPACKET_V3). The kernel fills blocks of memory that this process sees too; a block is handed over
when it is full or RETIRE_MS old. The ring is the only queue: what the process has not come to
stays there, and the kernel counts what finds no room.
"""

import mmap
import socket
import struct
import threading
from contextlib import suppress

import numpy as np

from otsec import packet_socket
from otsec.capture.contract import Chunk, Drops
from otsec.capture.live.contract import InterfaceGone, Tally
from otsec.columns import I64, Bytes, Header, windows
from otsec.model import BATCH_PACKETS, PacketBatch
from otsec.packet_socket import BLOCK_BYTES, PACKET_STATISTICS, RING_BYTES, SOL_PACKET

USER, LOSING = 1, 4  # TP_STATUS of a block
VLAN_VALID, VLAN_TPID_VALID = 0x10, 0x40  # TP_STATUS of a packet
OUTGOING = 4  # sll_pkttype
DOT1Q = 0x8100
TAG = 4  # bytes of a VLAN tag

PACKET = np.dtype(  # struct tpacket3_hdr, and the type of struct sockaddr_ll behind it
    {
        "names": ["sec", "nsec", "captured", "wire", "status", "mac", "tci", "tpid", "kind"],
        "formats": ["=u4", "=u4", "=u4", "=u4", "=u4", "=u2", "=u4", "=u2", "=u1"],
        "offsets": [4, 8, 12, 16, 20, 24, 32, 36, 58],
        "itemsize": 64,
    }
)


class Ring:
    """Reads an open ring."""

    limit = ""

    def __init__(
        self,
        opened: socket.socket,
        name: str,
        link: int,
        *,
        incoming: bool = True,
        ring_bytes: int = RING_BYTES,
    ) -> None:
        self.name, self.link = name, link
        self.tally = Tally()
        self._socket, self._incoming = opened, incoming
        self._blocks = max(ring_bytes // BLOCK_BYTES, 2)
        self._map = mmap.mmap(opened.fileno(), self._blocks * BLOCK_BYTES)
        self._bytes: Bytes = np.frombuffer(self._map, np.uint8)
        self._words = self._bytes.view(np.uint32)
        self._next = 0  # the block to come
        room = min(self._blocks, -(-(16 << 20) // BLOCK_BYTES)) * BLOCK_BYTES
        self._buffer: Bytes = np.empty(room, np.uint8)
        self._lock = threading.Lock()

    def fileno(self) -> int:
        """The socket."""
        return self._socket.fileno()

    def full(self) -> float:
        """The share of blocks that wait."""
        status = self._words[2 :: BLOCK_BYTES // 4]
        return float((status & USER).sum()) / self._blocks

    def read(self) -> Chunk | None:
        """Blocks that are ready, copied out and given back at once."""
        starts: list[I64] = []
        drops: list[Drops] = []
        used = count = 0
        while count < BATCH_PACKETS:
            at = self._next * BLOCK_BYTES // 4
            with self._lock:  # its barrier keeps the reads below behind this one
                status = int(self._words[at + 2])
            if not status & USER:
                break
            packets, first, size = self._words[at + 3 : at + 6].tolist()
            if used + size > len(self._buffer):
                break
            begin = self._next * BLOCK_BYTES
            self._buffer[used : used + size] = self._bytes[begin : begin + size]
            if status & LOSING:
                time = _first_time(self._buffer, used)
                drops += self._lost(time, count)
            starts.append(_starts(self._buffer, used + first, packets))
            count += packets
            used += size + 15 & ~15
            with self._lock:
                self._words[at + 2] = 0
            self._next = (self._next + 1) % self._blocks
        if not count and not drops:
            self._check()
            return None
        return self._chunk(starts, used, drops)

    def lost(self, time: int) -> list[Drops]:
        """What was lost and is not told by any block yet, as in a silence behind it."""
        return self._lost(time, 0)

    def halt(self) -> None:
        """Refuse what comes from now on; what is there is handed over within RETIRE_MS."""
        with suppress(OSError):
            packet_socket.attach(self._socket, packet_socket.NOTHING)

    def close(self) -> None:
        """Give the memory back."""
        self._words = self._bytes = np.empty(0, np.uint8)  # type: ignore[assignment]
        with suppress(BufferError):
            self._map.close()
        self._socket.close()

    # -------------------------------------------------------------------------- packets

    def _chunk(self, starts: list[I64], used: int, drops: list[Drops]) -> Chunk:
        start = np.concatenate(starts) if starts else np.empty(0, np.int64)
        front = windows(self._buffer, PACKET)[start].view(PACKET)
        if not self._incoming:
            start, front = self._received(start, front, drops)
        offset = start + front["mac"]
        captured = front["captured"].astype(np.int64)
        wire = front["wire"].astype(np.int64)
        time = front["sec"].astype(np.int64) * 1_000_000_000 + front["nsec"]
        tagged = np.flatnonzero((front["status"] & VLAN_VALID != 0) & (captured >= 12))
        if len(tagged):
            known = front["status"][tagged] & VLAN_TPID_VALID != 0
            tpid = np.where(known, front["tpid"][tagged], DOT1Q)
            restore_tags(self._buffer, offset[tagged], tpid, front["tci"][tagged])
            offset[tagged] -= TAG
            captured[tagged] += TAG
            wire[tagged] += TAG
        self.tally.received += len(start)
        self.tally.bytes += int(wire.sum())
        batch = PacketBatch(0, self.link, self._buffer[:used], offset, captured, wire, time)
        return Chunk((batch,) if len(start) else (), 0, tuple(drops))

    def _received(self, start: I64, front: Header, drops: list[Drops]) -> tuple[I64, Header]:
        """Without what this machine itself sends."""
        mine = np.asarray(front["kind"] == OUTGOING)
        before = np.cumsum(mine)
        for number, drop in enumerate(drops):
            gone = int(before[drop.row - 1]) if drop.row else 0
            drops[number] = Drops(0, drop.time, drop.count, drop.row - gone)
        return start[~mine], front[~mine]

    def _lost(self, time: int, row: int) -> list[Drops]:
        """What the kernel counted as lost since it was last asked; asking sets it back."""
        try:
            told = self._socket.getsockopt(SOL_PACKET, PACKET_STATISTICS, 12)
        except OSError:
            return []
        _, dropped, freezes = struct.unpack("3I", told)
        self.tally.dropped += dropped
        self.tally.freezes += freezes
        return [Drops(0, time, dropped, row)] if dropped else []

    def _check(self) -> None:
        """Whether the interface still is there, asked where nothing more is to be read."""
        if self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            raise InterfaceGone(self.name)


def _first_time(buffer: Bytes, at: int) -> int:
    """Time of the first packet of a block (struct tpacket_hdr_v1)."""
    second, nanosecond = buffer[at + 32 : at + 40].view(np.uint32).tolist()
    return int(second) * 1_000_000_000 + int(nanosecond)


def _starts(buffer: Bytes, at: int, packets: int) -> I64:
    """Where the packets of a block begin; each tells how far it is to the next."""
    words = buffer.view(np.uint32).data
    at >>= 2
    starts = []
    for _ in range(packets):
        starts.append(at)
        at += words[at] >> 2
    return np.array(starts, np.int64) << 2


def restore_tags(buffer: Bytes, offset: I64, tpid: I64, tci: I64) -> None:
    """Put VLAN tags back where the kernel took them off, before the ethertype.

    The addresses move four bytes to the front, where the kernel has left room.
    """
    twelve = np.arange(12)
    buffer[(offset - TAG)[:, None] + twelve] = buffer[offset[:, None] + twelve]
    for at, byte in enumerate((tpid >> 8, tpid & 0xFF, tci >> 8 & 0xFF, tci & 0xFF)):
        buffer[offset + 8 + at] = byte
