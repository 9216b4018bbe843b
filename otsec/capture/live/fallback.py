"""Listening where the kernel has no ring for us: by libpcap (extra `capture`), else by scapy.

Both keep their rights for as long as they run, and give packets one by one, so they are slower and
say so. scapy is GPL-2.0-only and no dependency; it is used where somebody has installed it.
"""

import select
from contextlib import suppress
from importlib import import_module
from typing import Any

import numpy as np

from otsec.capture.contract import Chunk, Drops
from otsec.capture.live.bpf import ANY_MASK, both, names_vlan
from otsec.capture.live.contract import InterfaceGone, Tally, Tap
from otsec.errors import RightsError, UsageError
from otsec.model import BATCH_PACKETS, PacketBatch

SNAP_BYTES = 262_144
AT_ONCE = 4096  # packets taken before looking elsewhere

Heard = tuple[int, int, bytes]  # time in ns, length on the wire, bytes


def batch_of(heard: list[Heard], link: int) -> PacketBatch:
    """The batch of packets that came one by one; of one at least."""
    captured = np.array([len(data) for _, _, data in heard], np.int64)
    return PacketBatch(
        0,
        link,
        np.frombuffer(b"".join(data for _, _, data in heard), np.uint8),
        np.cumsum(captured) - captured,
        captured,
        np.maximum(np.array([wire for _, wire, _ in heard], np.int64), captured),
        np.array([time for time, _, _ in heard], np.int64),
    )


class PcapTap:
    """libpcap through cypcap."""

    limit = "by libpcap: counts what it drops, stamps to the microsecond, keeps its rights"

    def __init__(self, name: str, expression: str, buffer_bytes: int) -> None:
        cypcap = import_module("cypcap")  # optional
        self.name = name
        self.tally = Tally()
        self._told = 0  # dropped, as last told
        self._heard: list[Heard] = []
        self._last = 0
        pcap = cypcap.create(name)
        try:
            pcap.set_pre_config(
                snaplen=SNAP_BYTES, promisc=True, timeout=0.1, buffer_size=buffer_bytes
            )
            pcap.activate()
            with suppress(cypcap.Error):  # not everywhere; then what is sent from here is heard too
                pcap.setdirection(cypcap.Direction.IN)
            if expression:
                pcap.setfilter(_program(cypcap, pcap, expression))
            pcap.setnonblock(True)  # noqa: FBT003 - cypcap's own call
        except cypcap.Error as error:
            pcap.close()
            raise _refused(name, str(error)) from error
        self._pcap, self._error = pcap, cypcap.Error
        self.link = int(pcap.datalink())

    def fileno(self) -> int:
        """What libpcap waits on."""
        return int(self._pcap.get_selectable_fd())

    def full(self) -> float:
        """Nobody knows."""
        return 0.0

    def read(self) -> Chunk | None:
        """What came; a silent link gives nothing, and does not hold us up."""
        self._heard = []
        try:
            while len(self._heard) < BATCH_PACKETS:
                before = len(self._heard)
                self._pcap.dispatch(AT_ONCE, self._take)
                if len(self._heard) == before:
                    break
        except self._error as error:
            if not self._heard:
                raise InterfaceGone(self.name) from error
        if not self._heard:
            return None
        self.tally.received += len(self._heard)
        self.tally.bytes += sum(wire for _, wire, _ in self._heard)
        self._last = self._heard[-1][0]
        batch = batch_of(self._heard, self.link)
        return Chunk((batch,), 0, tuple(self.lost(self._last, len(self._heard))))

    def _take(self, head: Any, data: bytes) -> None:
        self._heard.append((round(head.ts * 1_000_000) * 1000, head.len, bytes(data)))

    def lost(self, time: int, row: int = 0) -> list[Drops]:
        """What libpcap counts as dropped, since it was last asked."""
        try:
            told = self._pcap.stats()
        except self._error:
            return []
        total = int(told.drop) + int(told.ifdrop)
        new, self._told = total - self._told, total
        self.tally.dropped += new
        return [Drops(0, time, new, row)] if new > 0 else []

    def halt(self) -> None:
        """Refuse what comes from now on."""
        with suppress(self._error):
            self._pcap.setfilter("less 1", netmask=ANY_MASK)

    def close(self) -> None:
        """Give it back."""
        self._pcap.close()


class ScapyTap:
    """scapy's listening socket, undecoded."""

    limit = "by scapy: up to about 20,000 packets a second, lost packets are not counted, keeps its rights"

    def __init__(self, name: str, expression: str, buffer_bytes: int) -> None:
        try:
            conf = import_module("scapy.config").conf  # optional
            refusal = import_module("scapy.error").Scapy_Exception
            import_module("scapy.layers.l2")  # sockets know no link without their layers
        except ImportError as error:
            raise UsageError(f"{name}: neither libpcap nor scapy can be used: {error}") from error
        conf.bufsize = max(buffer_bytes, 4 << 20)
        self.name, self.link = name, 1
        self.tally = Tally()
        try:
            self._socket = conf.L2listen(
                iface=name, filter=both(expression) if expression else None, promisc=True
            )
        except (OSError, refusal) as error:
            raise _refused(name, str(error)) from error
        self._halted = False

    def fileno(self) -> int:
        """The socket."""
        return int(self._socket.fileno())

    def full(self) -> float:
        """Nobody knows."""
        return 0.0

    def read(self) -> Chunk | None:
        """What came."""
        heard: list[Heard] = []
        while len(heard) < BATCH_PACKETS and not self._halted:
            if not select.select([self.fileno()], [], [], 0)[0]:
                break
            try:
                _, data, stamp = self._socket.recv_raw(SNAP_BYTES)
            except OSError as error:
                if heard:
                    break
                raise InterfaceGone(self.name) from error
            if data:
                heard.append((round(float(stamp) * 1_000_000) * 1000, len(data), bytes(data)))
        self.tally.received += len(heard)
        self.tally.bytes += sum(wire for _, wire, _ in heard)
        return Chunk((batch_of(heard, self.link),), 0, ()) if heard else None

    def lost(self, time: int) -> list[Drops]:
        """Nobody counts."""
        del time
        return []

    def halt(self) -> None:
        """Take nothing any more."""
        self._halted = True

    def close(self) -> None:
        """Give it back."""
        self._socket.close()


def _program(cypcap: Any, pcap: Any, expression: str) -> Any:
    """The filter, compiled as `bpf.compiled` does."""
    if names_vlan(expression):
        return pcap.compile(expression, netmask=ANY_MASK)
    with cypcap.open_dead(cypcap.DatalinkType(pcap.datalink()), SNAP_BYTES) as dead:
        return dead.compile(both(expression), netmask=ANY_MASK)


def by_libpcap(name: str, expression: str, buffer_bytes: int) -> Tap:
    """By libpcap where cypcap is installed, else scapy."""
    try:
        return PcapTap(name, expression, buffer_bytes)
    except ImportError:
        return ScapyTap(name, expression, buffer_bytes)


def _refused(name: str, reason: str) -> Exception:
    words = " ".join(reason.split())
    if "ermi" in words or "EPERM" in words:  # permission, permitted
        return RightsError(f"{name}: not allowed to listen: {words}")
    if "No such device" in words or "not up" in words:
        return OSError(words)
    return UsageError(f"{name}: cannot listen: {words}")
