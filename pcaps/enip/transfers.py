"""Files of CIP that a commissioning engineer reads from devices and loads into them.

Source: [CIP1] 5-42 (file object), as OpENer and CIPster build these messages.
"""

import random
import struct
from collections.abc import Callable, Iterator

import messages as cip

EDS, FIRMWARE = 0xC8, 0x64  # numbers of files
SHEET = b"$ EDS of a remote rack\r\n[File]\r\n  Revision = 1.1;\r\n" * 90
IMAGE = random.Random(4).randbytes(16_000)
IMAGE_2 = IMAGE[:-1] + b"\x99"
FIRST, MIDDLE, LAST, ABORT, ONLY = range(5)
Exchange = tuple[bytes, bytes]


def check_sum(data: bytes) -> bytes:
    """Two's complement of the sum of all bytes."""
    return struct.pack("<H", -sum(data) & 0xFFFF)


def pieces(data: bytes, size: int) -> Iterator[tuple[int, int, bytes]]:
    """Number, kind and bytes of each packet; behind the last stands the check sum."""
    parts = [data[at : at + size] for at in range(0, len(data), size)]
    for number, part in enumerate(parts):
        last = number == len(parts) - 1
        kind = ONLY if len(parts) == 1 else LAST if last else FIRST if not number else MIDDLE
        yield number % 256, kind, part + (check_sum(data) if last else b"")


def upload(number: int, data: bytes, size: int) -> Iterator[Exchange]:
    """A file is read."""
    where = cip.path(0x37, number)
    begun = cip.reply(0x4B, struct.pack("<IB", len(data), size))
    yield cip.ask(0x4B, where, bytes([size])), begun
    for at, kind, part in pieces(data, size):
        yield cip.ask(0x4F, where, bytes([at])), cip.reply(0x4F, bytes([at, kind]) + part)


def download(
    number: int, name: str, data: bytes, size: int, *, upto: int | None = None, status: int = 0
) -> Iterator[Exchange]:
    """A file is loaded; ``upto``: given up behind so many packets; ``status``: of the last one."""
    where = cip.path(0x37, number)
    text = b"\x01eng\xda" + struct.pack("<HB", 4, len(name)) + name.encode()
    head = struct.pack("<IHBB", len(data), 1, 2, 1) + text
    yield cip.ask(0x4C, where, head), cip.reply(0x4C, struct.pack("<IHB", 0, 0, size))
    for count, (at, kind, part) in enumerate(pieces(data, size)):
        if count == upto:
            yield cip.ask(0x50, where, bytes([at, ABORT])), cip.reply(0x50, bytes([at]))
            return
        failed = status if kind in (LAST, ONLY) else 0
        answer = cip.reply(0x50, b"" if failed else bytes([at]), failed)
        yield cip.ask(0x50, where, bytes([at, kind]) + part), answer


def refused(number: int) -> Iterator[Exchange]:
    """A file that is not there."""
    yield cip.ask(0x4B, cip.path(0x37, number), b"\xc8"), cip.reply(0x4B, b"", 0x16)


SCENES: tuple[tuple[Callable[[], Iterator[Exchange]], str], ...] = (
    (lambda: upload(EDS, SHEET, 200), "routed"),
    (lambda: upload(EDS, SHEET, 255), "plain"),  # the same again
    (lambda: download(FIRMWARE, "1734.nvs", IMAGE, 60), "plain"),  # numbers begin anew at 256
    (lambda: download(FIRMWARE, "1734.nvs", IMAGE, 250), "plain"),
    (lambda: download(FIRMWARE, "1734.nvs", IMAGE_2, 250), "connected"),
    (lambda: download(FIRMWARE, "given up.nvs", IMAGE, 250, upto=3), "plain"),
    (lambda: download(FIRMWARE, "wrong sum.nvs", IMAGE, 250, status=0x09), "plain"),
    (lambda: refused(0x70), "plain"),
    (lambda: upload(0x71, b"serial = 00D4E5F6\r\n", 200), "plain"),  # first and last at once
)
