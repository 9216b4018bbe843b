"""gzip and zstd: the same packets as plain, damage named, memory bounded."""

import gzip
import tracemalloc
import zlib
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest
import zstandard
from capture_bytes import expected, numbered, pcap, read_bytes

from otsec.capture import Damage, open_capture
from otsec.errors import InputError

SOME = Random(7)
PACKETS = [(time, SOME.randbytes(50)) for time, _ in numbered(4000)]
CONTENT = pcap(PACKETS)


def zstd(content: bytes, **options: bool) -> bytes:
    """One frame."""
    return zstandard.ZstdCompressor(write_checksum=True, **options).compress(content)


def half(pack: Callable[[bytes], bytes], content: bytes) -> bytes:
    """Content in two members or frames, cut anywhere."""
    return pack(content[:12345]) + pack(content[12345:])


SKIPPED = bytes.fromhex("5a2a4d18 03000000 aabbcc")

PACKED = {
    "gzip": gzip.compress(CONTENT),
    "gzip members": half(gzip.compress, CONTENT),
    "gzip with an empty member": gzip.compress(CONTENT) + gzip.compress(b""),
    "gzip padded": gzip.compress(CONTENT) + bytes(70_000),
    "gzip stored": gzip.compress(CONTENT, 0),
    "zstd": zstd(CONTENT),
    "zstd frames": half(zstd, CONTENT),
    "zstd without size": zstd(CONTENT, write_content_size=False),
    "zstd skippable first": SKIPPED + zstd(CONTENT),
    "zstd skippable": zstd(CONTENT[:777]) + SKIPPED * 9 + zstd(CONTENT[777:]) + SKIPPED,
}


@pytest.mark.parametrize("packed", PACKED)
def test_same_as_plain(tmp_path: Path, packed: str) -> None:
    """The content decides, not the ending, and not how it is packed."""
    read = read_bytes(tmp_path, PACKED[packed], "x.txt")

    assert read.packets == expected(PACKETS)
    assert (read.reader.damage, read.reader.complete) == (None, True)
    assert read.reader.size is None
    assert read.reader.total == len(PACKED[packed])
    assert read.reader.consumed == len(PACKED[packed])


@pytest.mark.parametrize(
    ("pack", "part"),
    [(gzip.compress, part) for part in (0.1, 0.5, 0.9999)] + [(zstd, 0.65), (zstd, 0.9999)],
)
def test_cut(tmp_path: Path, pack: Callable[[bytes], bytes], part: float) -> None:
    """What can be unpacked is used; more may come."""
    packed = pack(CONTENT)
    size = int(len(packed) * part)
    unpacked = _unpacked(packed[:size])

    read = read_bytes(tmp_path, packed[:size])

    whole = max((len(unpacked) - 24) // 66, 0)
    assert read.packets == expected(PACKETS[:whole])
    assert read.reader.damage == Damage(
        24 + whole * 66 if len(unpacked) >= 24 else 0,
        f"the {'gzip' if packed[0] == 0x1F else 'zstd'} data ends early, "
        f"at byte {size:,} of the compressed file",
    )
    assert not read.reader.complete


def _unpacked(data: bytes) -> bytes:
    if data[0] == 0x1F:
        return zlib.decompressobj(31).decompress(data)
    return zstandard.ZstdDecompressor().decompressobj().decompress(data)


def test_corrupt_gzip(tmp_path: Path) -> None:
    """A wrong check sum is told, and costs no packet."""
    packed = bytearray(gzip.compress(CONTENT))
    packed[-8] ^= 1

    read = read_bytes(tmp_path, bytes(packed))

    assert read.packets == expected(PACKETS)
    assert read.reader.damage.text.startswith("the gzip data is corrupt at byte ")
    assert read.reader.complete


def test_corrupt_gzip_in_the_middle(tmp_path: Path) -> None:
    """All that comes before the place where unpacking fails is used."""
    packed = gzip.compress(CONTENT[:100_000], 0)[:-8] + b"\xff" * 9

    read = read_bytes(tmp_path, packed)

    assert read.packets == expected(PACKETS[: (100_000 - 24) // 66])
    assert read.reader.damage.text.startswith("the gzip data is corrupt at byte 100,0")


def test_corrupt_zstd(tmp_path: Path) -> None:
    """A frame that fails its check sum is told."""
    packed = bytearray(zstd(CONTENT))
    packed[-1] ^= 1

    read = read_bytes(tmp_path, bytes(packed))

    assert read.packets == expected(PACKETS)
    assert read.reader.damage.text.startswith("the zstd data is corrupt at byte ")


@pytest.mark.parametrize(("pack", "name"), [(gzip.compress, "gzip"), (zstd, "zstd")])
def test_garbage_behind(tmp_path: Path, pack: Callable[[bytes], bytes], name: str) -> None:
    """Other data behind the compressed data is told."""
    packed = pack(CONTENT)

    read = read_bytes(tmp_path, packed + b"garbage")

    assert read.packets == expected(PACKETS)
    assert read.reader.damage == Damage(
        len(CONTENT),
        f"other data follows the {name} data at byte {len(packed):,} of the compressed file",
    )
    assert read.reader.complete


@pytest.mark.parametrize("pack", [gzip.compress, zstd])
def test_any_flipped_byte(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    """A flipped byte is never a crash."""
    content = pcap(numbered(20))
    packed = pack(content)

    for at in range(4, len(packed)):
        flipped = bytearray(packed)
        flipped[at] ^= 0x41
        path = tmp_path / "x"
        path.write_bytes(flipped)
        try:
            reader = open_capture(path, capacity=1 << 20)
        except InputError:
            continue
        for _ in reader.chunks():
            pass
        reader.close()


@pytest.mark.parametrize("level", ["gzip", "zstd"])
def test_bomb(tmp_path: Path, level: str) -> None:
    """A small file that unpacks to 200 MB costs time, not memory."""
    bomb = pcap([]) + pcap([(0, bytes(262_000))])[24:] * 800
    packed = gzip.compress(bomb, 9) if level == "gzip" else zstd(bomb)
    path = tmp_path / "bomb"
    path.write_bytes(packed)
    del bomb
    tracemalloc.start()
    try:
        reader = open_capture(path)
        count = sum(len(batch) for chunk in reader.chunks() for batch in chunk.batches)
        reader.close()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert len(packed) < 300_000
    assert count == 800
    assert peak < 40 << 20
