"""Files of SMB 1.

Source: [CIFS] MS-CIFS 2.2.4, [SMB] MS-SMB 2.2.4; offsets count from the header's first byte.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from otsec.protocols.api import Reader, Step
from otsec.protocols.transfers.opened import Memory, asked_to_open, closed, opened, read_, written

CLOSE, READ, WRITE, TREE, CREATE = 0x04, 0x2E, 0x2F, 0x75, 0xA2
OPENS, WORKS = (TREE, CREATE), (CLOSE, READ, WRITE)
ANSWERS, UNICODE = 0x80, 0x8000  # flags
WORDS = 32  # where the count of words stands
DISK = 0  # kind of what was opened


class Said(NamedTuple):
    """What the header says, the words, and where the bytes begin."""

    status: int
    tree: int
    number: str
    unicode: bool
    words: bytes
    octets: int
    end: int


def read(data: bytes, memory: Memory) -> list[Step]:
    """One message; of a chain the first command."""
    head = Reader(data, 4)
    command, status, flags, flags2 = head.u8(), head.u32le(), head.u8(), head.u16le()
    head.at(24)
    tree, process, _, multiplex = (head.u16le() for _ in range(4))
    words = head.take(2 * head.u8())
    size = head.u16le()
    said = Said(
        status, tree, f"{process} {multiplex}", bool(flags2 & UNICODE), words, head.offset,
        head.offset + size,
    )  # fmt: skip
    step = (_ASKED, _ANSWERED)[bool(flags & ANSWERS)].get(command)
    return [] if step is None else step(Reader(data), said, memory)


def _text(reader: Reader, at: int, said: Said) -> str:
    """A text from there to its zero or the end; in UTF-16 at an even place."""
    raw = reader.data[at : said.end]
    if not said.unicode:
        return raw.partition(b"\0")[0].decode("latin-1")
    raw = raw[at % 2 :]
    return raw[: len(raw) // 2 * 2].decode("utf-16-le", "replace").partition("\0")[0]


def _share(reader: Reader, said: Said, memory: Memory) -> list[Step]:
    """[CIFS] 2.2.4.55.1: behind the password stands the path."""
    password = Reader(said.words, 6).u16le()
    path = _text(reader, said.octets + password, said)
    memory[f"asked {said.number}"] = path.rpartition("\\")[2][:64]
    return []


def _shared(_reader: Reader, said: Said, memory: Memory) -> list[Step]:
    name = memory.pop(f"asked {said.number}", "")
    if not said.status:
        memory[f"tree {said.tree}"] = name
    return []


def _create(reader: Reader, said: Said, memory: Memory) -> list[Step]:
    """[CIFS] 2.2.4.64.1."""
    words = Reader(said.words, 15)
    access = words.u32le()
    options = words.at(39).u32le()
    share = memory.get(f"tree {said.tree}", "")
    asked_to_open(memory, said.number, share, _text(reader, said.octets, said), access, options)
    return []


def _created(_reader: Reader, said: Said, memory: Memory) -> list[Step]:
    """[CIFS] 2.2.4.64.2."""
    if said.status:
        memory.pop(f"file {said.number}", None)
        return []
    words = Reader(said.words, 5)
    file, action = words.u16le(), words.u32le()
    words.at(55)
    size, kind = words.u64le(), words.u16le()
    if kind != DISK:
        memory.pop(f"file {said.number}", None)
        return []
    opened(memory, said.number, str(file), action, size)
    return []


def _read(_reader: Reader, said: Said, memory: Memory) -> list[Step]:
    """[CIFS] 2.2.4.42.1."""
    words = Reader(said.words, 4)
    file, low = words.u16le(), words.u32le()
    high = words.at(20).u32le() if len(said.words) > 20 else 0
    memory[f"read {said.number}"] = [str(file), high << 32 | low]
    return []


def _got(reader: Reader, said: Said, memory: Memory) -> list[Step]:
    """[SMB] 2.2.4.2.2."""
    asked = memory.pop(f"read {said.number}", None)
    if asked is None or said.status:
        return []
    words = Reader(said.words, 10)
    low, at, high = words.u16le(), words.u16le(), words.u16le()
    return read_(memory, str(asked[0]), int(asked[1]), reader.at(at).take(high << 16 | low))


def _write(reader: Reader, said: Said, memory: Memory) -> list[Step]:
    """[SMB] 2.2.4.3.1."""
    words = Reader(said.words, 4)
    file, low = words.u16le(), words.u32le()
    words.at(18)
    more, size, at = words.u16le(), words.u16le(), words.u16le()
    high = words.u32le() if words.left() else 0
    data = reader.at(at).take(more << 16 | size)
    return written(memory, str(file), high << 32 | low, data)


def _close(_reader: Reader, said: Said, memory: Memory) -> list[Step]:
    """[CIFS] 2.2.4.5.1."""
    return closed(memory, str(Reader(said.words).u16le()))


Take = Callable[[Reader, Said, Memory], list[Step]]
_ASKED: Mapping[int, Take] = {
    TREE: _share, CREATE: _create, CLOSE: _close, READ: _read, WRITE: _write,
}  # fmt: skip
_ANSWERED: Mapping[int, Take] = {TREE: _shared, CREATE: _created, READ: _got}
