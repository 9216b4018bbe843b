"""What everything that listens on an interface gives."""

from dataclasses import dataclass
from typing import Protocol

from otsec.capture.contract import Chunk, Drops


@dataclass(slots=True)
class Tally:
    """What a tap has counted since it was opened; all of it only grows."""

    received: int = 0  # packets handed over
    bytes: int = 0  # of these, on the wire
    dropped: int = 0  # packets that came while there was no room for them
    freezes: int = 0  # how often the ring was full


class InterfaceGone(Exception):  # noqa: N818 - a fact, not an error of ours
    """The interface went down or away; what was heard before it has been handed over."""


class Tap(Protocol):
    """One open interface.

    ``limit``: what this way of listening cannot do, in words for the user; "" for the ring.
    """

    name: str
    link: int  # LINKTYPE_ number
    limit: str
    tally: Tally

    def fileno(self) -> int:
        """What becomes readable when packets came."""

    def full(self) -> float:
        """How much of the buffer waits to be read, 0 to 1; 0 where nobody knows."""

    def read(self) -> Chunk | None:
        """What came, up to a batch, valid until the next call; None where nothing did.

        Raises InterfaceGone when there is nothing more and there will not be.
        """

    def lost(self, time: int) -> list[Drops]:
        """What was lost and not told by any chunk yet, as told at this time."""

    def halt(self) -> None:
        """Take no more packets; what came until now can still be read."""

    def close(self) -> None:
        """Give the interface back."""
