"""The uncompressed content of a file or pipe: plain, gzip (RFC 1952) or zstd (RFC 8878).

Everything is unpacked in pieces of bounded size, whatever the compressed data claims, so that
a decompression bomb costs time and no memory.
"""

import sys
import zlib
from abc import ABC, abstractmethod
from collections.abc import Iterator
from io import BufferedIOBase, RawIOBase
from pathlib import Path
from stat import S_ISDIR, S_ISREG
from typing import cast

from otsec.errors import InputError, RightsError

PIECE = 64 << 10  # bytes of compressed data taken at once
MAX_OUTPUT = 1 << 20  # bytes unpacked at once
MAX_WINDOW = 1 << 27  # bytes of history a zstd frame may ask for: the limit of the zstd tool

GZIP = bytes.fromhex("1f8b08")
ZSTD = bytes.fromhex("28b52ffd")
SKIPPABLE = bytes.fromhex("2a4d18")  # bytes 1 to 3 of a frame to skip; byte 0 is 0x50 to 0x5f


class Content(ABC):
    """Bytes in order. ``total`` and ``consumed`` count the file as it is on disk."""

    size: int | None = None  # of the content, if known
    total: int | None = None
    damage: str | None = None  # why the content ended early
    truncated = False  # it ended where the compressed file did: more may come

    @property
    @abstractmethod
    def consumed(self) -> int:
        """Bytes of the file taken so far."""

    @abstractmethod
    def read_into(self, view: memoryview) -> int:
        """Fill some of the view: how many bytes, 0 at the end."""

    def seek(self, offset: int) -> bool:  # noqa: ARG002 - for who can
        """Go to an offset of the content; False if that cannot be done."""
        return False

    @abstractmethod
    def close(self) -> None:
        """Give the file back."""


class Plain(Content):
    """A file or pipe as it is. ``head`` was read from it already."""

    def __init__(self, file: RawIOBase | BufferedIOBase, size: int | None) -> None:
        self.size = self.total = size
        self._file = file
        self._position = 0
        self._head = b""

    @property
    def consumed(self) -> int:
        """Bytes taken so far."""
        return self._position

    def peek(self, count: int) -> bytes:
        """The first bytes, which stay to be read."""
        while len(self._head) < count:
            more = self._file.read(count - len(self._head))
            if not more:
                break
            self._head += more
        return self._head

    def read_into(self, view: memoryview) -> int:
        """Fill some of the view; an error of the disk is damage, not a crash."""
        if self._head:
            count = min(len(view), len(self._head))
            view[:count], self._head = self._head[:count], self._head[count:]
        else:
            try:
                count = _read_once(self._file, view)
            except OSError as error:
                self.damage = f"cannot be read beyond byte {self._position:,}: {error.strerror}"
                return 0
        self._position += count
        return count

    def read(self, count: int) -> bytes:
        """At most count bytes; none at the end."""
        piece = bytearray(count)
        return bytes(piece[: self.read_into(memoryview(piece))])

    def seek(self, offset: int) -> bool:
        """Only files of known size can."""
        if self.size is None:
            return False
        self._file.seek(offset)
        self._head = b""
        self._position = offset
        return True

    def close(self) -> None:
        """Close the file; standard input is not ours to close."""
        if self._file is not getattr(sys.stdin, "buffer", None):
            self._file.close()


def _read_once(file: RawIOBase | BufferedIOBase, view: memoryview) -> int:
    """One read; a buffered pipe would wait for the whole view."""
    once = getattr(file, "readinto1", None) or file.readinto
    return once(view) or 0


class Packed(Content):
    """Unpacks another content, piece by piece."""

    name: str

    def __init__(self, source: Plain) -> None:
        self.total = source.total
        self._source = source
        self._ready = memoryview(b"")
        self._pieces = self._unpack()

    @property
    def consumed(self) -> int:
        """Bytes of the compressed file taken so far."""
        return self._source.consumed

    def read_into(self, view: memoryview) -> int:
        """Fill some of the view."""
        while not self._ready:
            piece = next(self._pieces, None)
            if piece is None:
                return 0
            self._ready = memoryview(piece)
        count = min(len(view), len(self._ready))
        view[:count] = self._ready[:count]
        self._ready = self._ready[count:]
        return count

    def close(self) -> None:
        """Give the file back."""
        self._source.close()

    @abstractmethod
    def _unpack(self) -> Iterator[bytes]:
        """Pieces of bounded size; sets ``damage`` before it ends early."""

    @abstractmethod
    def _left_over(self) -> int:
        """Bytes of the file taken and not used."""

    def _at(self) -> str:
        return f"byte {self._source.consumed - self._left_over():,} of the compressed file"

    def _cut(self) -> None:
        self.truncated = self._source.damage is None
        at = f"byte {self._source.consumed:,} of the compressed file"
        self.damage = self._source.damage or f"the {self.name} data ends early, at {at}"

    def _corrupt(self) -> None:
        self.damage = f"the {self.name} data is corrupt at {self._at()}"

    def _garbage(self) -> None:
        self.damage = f"other data follows the {self.name} data at {self._at()}"


class Gzip(Packed):
    """Members of gzip one behind the other; zeros behind the last are padding."""

    name = "gzip"

    def __init__(self, source: Plain) -> None:
        super().__init__(source)
        self._input = b""  # compressed data not used yet

    def _left_over(self) -> int:
        return len(self._input)

    def _more(self) -> bool:
        piece = self._source.read(PIECE)
        self._input += piece
        return bool(piece)

    def _unpack(self) -> Iterator[bytes]:
        while self._next_member():
            yield from self._member()
            if self.damage:
                return

    def _next_member(self) -> bool:
        while True:
            if self.consumed > len(self._input):  # not the first
                self._input = self._input.lstrip(b"\0")
            if len(self._input) >= len(GZIP) or not self._more():
                break
        if self._input.startswith(GZIP):
            return True
        if self._input and GZIP.startswith(self._input):
            self._cut()
        elif self._input:
            self._garbage()
        return False

    def _member(self) -> Iterator[bytes]:
        engine = zlib.decompressobj(zlib.MAX_WBITS | 16)
        ended = False
        while not engine.eof:
            ended = not self._input and not self._more()
            spare = engine.copy()
            try:
                piece = engine.decompress(self._input, MAX_OUTPUT)
            except zlib.error:
                yield from self._last_bytes(spare)
                self._corrupt()
                return
            self._input = engine.unconsumed_tail
            if ended and not piece:
                self._cut()
                return
            yield piece
        self._input = engine.unused_data

    def _last_bytes(self, engine: "zlib._Decompress") -> Iterator[bytes]:
        """What comes before the error in the piece of data that has it: byte by byte."""
        while self._input:
            try:
                piece = engine.decompress(self._input[:1], MAX_OUTPUT)
                yield piece
                while engine.unconsumed_tail and piece:
                    piece = engine.decompress(engine.unconsumed_tail, MAX_OUTPUT)
                    yield piece
            except zlib.error:
                return
            self._input = self._input[1:]


class _EndsEarlyError(Exception):
    """The zstd data ends inside a frame."""


class Zstd(Packed):
    """Frames of zstd one behind the other, fed block by block: each gives at most 128 KiB."""

    name = "zstd"

    def __init__(self, source: Plain) -> None:
        super().__init__(source)
        self._left = memoryview(b"")  # compressed data not used yet

    def _left_over(self) -> int:
        return len(self._left)

    def _unpack(self) -> Iterator[bytes]:
        from zstandard import ZstdError  # noqa: PLC0415 - only who has zstd pays for it

        try:
            while self._left or self._more():
                magic = self._take(4)
                if magic == ZSTD:
                    yield from self._frame()
                elif magic[1:] == SKIPPABLE and magic[0] >> 4 == 5:
                    self._skip(int.from_bytes(self._take(4), "little"))
                else:
                    self._left = memoryview(magic + bytes(self._left))
                    self._garbage()
                    return
        except _EndsEarlyError:
            self._cut()
        except (ZstdError, MemoryError):
            self._corrupt()

    def _frame(self) -> Iterator[bytes]:
        """One frame (RFC 8878, 3.1.1)."""
        from zstandard import ZstdDecompressor  # noqa: PLC0415

        engine = ZstdDecompressor(max_window_size=MAX_WINDOW).decompressobj()
        descriptor = self._take(1)
        flags = descriptor[0]
        single = flags >> 5 & 1
        fields = 1 - single + (0, 1, 2, 4)[flags & 3] + (single, 2, 4, 8)[flags >> 6]
        yield engine.decompress(ZSTD + descriptor + self._take(fields))
        last = False
        while not last:
            header = self._take(3)
            word = int.from_bytes(header, "little")
            last, kind, size = bool(word & 1), word >> 1 & 3, word >> 3
            yield engine.decompress(header + self._take(1 if kind == 1 else size))
        if flags >> 2 & 1:
            yield engine.decompress(self._take(4))

    def _take(self, count: int) -> bytes:
        while len(self._left) < count:
            self._refill()
        piece, self._left = self._left[:count], self._left[count:]
        return bytes(piece)

    def _skip(self, count: int) -> None:
        while count > len(self._left):
            count -= len(self._left)
            self._left = self._left[:0]
            self._refill()
        self._left = self._left[count:]

    def _refill(self) -> None:
        if not self._more():
            raise _EndsEarlyError

    def _more(self) -> bool:
        piece = self._source.read(PIECE)
        self._left = memoryview(bytes(self._left) + piece)
        return bool(piece)


def open_content(path: Path | None) -> Content:
    """The content of a file, or of standard input; what it is packed in shows in its bytes."""
    plain = _standard_input() if path is None else _file(path)
    try:
        head = plain.peek(4)
    except OSError as error:
        plain.close()
        raise InputError(f"{path or 'standard input'}: cannot be read: {error.strerror}") from error
    if head.startswith(GZIP):
        return Gzip(plain)
    if head == ZSTD or (head[1:] == SKIPPABLE and head[0] >> 4 == 5):
        return Zstd(plain)
    return plain


def _standard_input() -> Plain:
    if sys.stdin is None or sys.stdin.isatty():
        raise InputError("standard input: is a terminal; pipe a capture into it or name a file")
    return Plain(cast("BufferedIOBase", sys.stdin.buffer), None)


def _file(path: Path) -> Plain:
    try:
        status = path.stat()
        if S_ISDIR(status.st_mode):
            raise InputError(f"{path}: is a directory; name the captures in it")
        file = path.open("rb", buffering=0)
    except PermissionError as error:
        raise RightsError(
            f"{path}: no permission to read it; change its rights, or run otsec as its owner"
        ) from error
    except FileNotFoundError as error:
        raise InputError(f"{path}: does not exist; check the name") from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{path}: cannot be opened: {reason}") from error
    return Plain(file, status.st_size if S_ISREG(status.st_mode) else None)
