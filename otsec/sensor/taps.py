"""Ways to listen: which of them, and what an interface must be for it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from otsec.capture.live import bpf, interface
from otsec.capture.live.contract import Tap
from otsec.capture.live.ring import Ring
from otsec.errors import InputError
from otsec.packet_socket import RING_BYTES
from otsec.sensor.opener import Opener, refusal

By: TypeAlias = Literal["ring", "libpcap", "scapy"]
LEAST_RING, MOST_RING = 1 << 20, 4 << 30  # bytes


@dataclass(frozen=True, slots=True)
class Ways:
    """How the user wants to listen."""

    by: By = "ring"
    expression: str = ""  # a filter as in tcpdump
    buffer_bytes: int = RING_BYTES

    def opener(self, names: list[str], helper: Opener | None) -> Callable[[str], Tap]:
        """A function that opens an interface; names and filter are checked before, with rights.

        Raises InputError for an interface that is not there, UsageError for a wrong filter.
        """
        links = {name: known_interface(name).link for name in names}
        ring_bytes = min(max(self.buffer_bytes, LEAST_RING), MOST_RING)
        if helper is None:
            return self._fallback(ring_bytes)
        programs = {name: bpf.compiled(self.expression, name) for name in names}

        def open_ring(name: str) -> Tap:
            try:
                ring, incoming = helper.open(name, programs[name], ring_bytes)
            except OSError as error:
                if known := refusal(error, name):
                    raise known from error
                raise
            return Ring(ring, name, links[name], incoming=incoming, ring_bytes=ring_bytes)

        return open_ring

    def _fallback(self, buffer_bytes: int) -> Callable[[str], Tap]:
        from otsec.capture.live.fallback import ScapyTap, by_libpcap  # noqa: PLC0415 - rarely used

        make: Callable[[str, str, int], Tap] = by_libpcap if self.by == "libpcap" else ScapyTap
        return lambda name: make(name, self.expression, buffer_bytes)


def known_interface(name: str) -> interface.Interface:
    """An interface that is there, raising InputError where it is not."""
    told = interface.look(name)
    if told is None:
        listed = ", ".join(interface.names()) or "none"
        raise InputError(f"-i: there is no interface {name!a}; there are {listed}")
    return told
