"""The one buffer through which a capture is read, with the bytes before it for fingerprints."""

from time import monotonic

import numpy as np

from otsec.capture.compressed import Content
from otsec.columns import Bytes

CAPACITY = 16 << 20  # bytes; about 131,000 packets of 112 bytes
FINGERPRINT = 64 << 10  # bytes kept before the place reached, to know a capture again
PATIENCE_S = 1.0  # a pipe is not waited for longer than this once something has come


class Intake:
    """A window on the content: ``buffer[begin:end]`` is read and not yet used.

    ``base`` is the offset of ``buffer[0]`` in the content. At least FINGERPRINT bytes before
    ``begin`` stay in the buffer, or all there are.
    """

    def __init__(self, content: Content, capacity: int = CAPACITY) -> None:
        self.content = content
        self.buffer: Bytes = np.empty(capacity, np.uint8)
        self.base = 0
        self.begin = 0
        self.end = 0
        self._view = self.buffer.data

    @property
    def offset(self) -> int:
        """The offset of ``begin`` in the content."""
        return self.base + self.begin

    def room(self) -> int:
        """Bytes that can be read without moving what is not used yet."""
        return len(self.buffer) - self.end

    def fill(self, limit: int | None = None) -> int:
        """Read until the buffer is full, or limit more bytes; how many came."""
        self._shift()
        stop = self.end + (self.room() if limit is None else min(self.room(), limit))
        before, deadline = self.end, monotonic() + PATIENCE_S
        while self.end < stop:
            count = self.content.read_into(self._view[self.end : stop])
            if not count:
                break
            self.end += count
            if self.content.total is None and monotonic() > deadline:
                break
        return self.end - before

    def skip(self, count: int) -> bool:
        """Go over bytes without a look; False if the content ends before."""
        while count > self.end - self.begin:
            count -= self.end - self.begin
            self.begin = self.end
            if not self.fill():
                return False
        self.begin += count
        return True

    def start_at(self, offset: int) -> bool:
        """Go to an offset of fresh content; False if the content ends before."""
        early = offset - FINGERPRINT
        if early > 0 and self.content.seek(early):
            self.base = early
            return self.skip(FINGERPRINT)
        return self.skip(offset)

    def before(self, offset: int, count: int) -> Bytes:
        """The last bytes before an offset that is still in the buffer."""
        stop = offset - self.base
        return self.buffer[max(0, stop - count) : stop]

    def _shift(self) -> None:
        """Move what is not used yet, and the fingerprint before it, to the front."""
        first = self.begin - FINGERPRINT
        if first <= 0:
            return
        self._view[: self.end - first] = bytes(self._view[first : self.end])
        self.base += first
        self.begin -= first
        self.end -= first
