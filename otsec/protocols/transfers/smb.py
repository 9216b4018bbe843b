"""Files of SMB 1 to 3: opened, read and written in any order, closed.

Sources: [SMB2] MS-SMB2 2.2; [CIFS] MS-CIFS 2.2. What is encrypted (SMB 3) does not show.

A file is what of it was read or written between its opening and its closing. Who reads less than
the file holds, or writes into the middle of one, transfers a part of it, which has no hash.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from otsec.columns import Mask, gather
from otsec.protocols.api import Reader, Side, Step, Transfers, Units
from otsec.protocols.transfers import smb1
from otsec.protocols.transfers.opened import Memory, asked_to_open, closed, opened, read_, written

FRONT, SIZE = 4, 64  # bytes of the packet's header, and of the message's
HEAD = np.dtype(
    {
        "names": ["magic", "command", "next", "old"],
        "formats": ["<u4", "<u2", "<u4", "u1"],
        "offsets": [FRONT, FRONT + 12, FRONT + 20, FRONT + 4],
        "itemsize": FRONT + 24,
    }
)
SMB1, SMB2 = (int.from_bytes(word, "little") for word in (b"\xffSMB", b"\xfeSMB"))
TREE, CREATE, CLOSE, READ, WRITE = 3, 5, 6, 8, 9  # [SMB2] 2.2.1
ANSWERS, RELATED = 1, 4  # flags
PENDING = 0x103  # status: the answer comes later
DISK = 1  # kind of share
PREVIOUS = b"\xff" * 16  # instead of the number of a file: that of the command in front
CHAIN = 64  # commands of one packet that are looked at


def begins(units: Units) -> Mask:
    """What opens shares and files, and packets of several commands."""
    head, fits = gather(units.buffer, units.start, units.end, HEAD)
    new = (head["magic"] == SMB2) & (np.isin(head["command"], (TREE, CREATE)) | (head["next"] > 0))
    old = (head["magic"] == SMB1) & np.isin(_command(units), smb1.OPENS)
    return np.asarray(fits & (new | old), np.bool_)


def goes_on(units: Units) -> Mask:
    """What reads, writes and closes files."""
    head, fits = gather(units.buffer, units.start, units.end, HEAD)
    new = (head["magic"] == SMB2) & np.isin(head["command"], (CLOSE, READ, WRITE))
    old = (head["magic"] == SMB1) & np.isin(_command(units), smb1.WORKS)
    return np.asarray(fits & (new | old), np.bool_)


def _command(units: Units) -> Any:
    command, _ = gather(units.buffer, units.start + FRONT + 4, units.end, np.dtype("u1"))
    return command


def read(reader: Reader, _side: Side, memory: Memory, _ports: tuple[int, int]) -> list[Step]:
    """One packet: a message, or several behind one another."""
    data = reader.data[FRONT:]
    if data[:1] == b"\xff":
        return smb1.read(data, memory)
    steps: list[Step] = []
    last = ""  # the file that the command in front opened
    for _ in range(CHAIN):
        head = Reader(data, 12)
        command = head.u16le()
        head.u16le()
        flags, behind, number = head.u32le(), head.u32le(), head.u64le()
        head.u32le()
        tree = head.u32le()
        message = data[:behind] if behind else data
        step = (_ASKED, _ANSWERED)[flags & ANSWERS].get(command)
        if command == CREATE and not flags & ANSWERS:
            last = str(number)
        if step is not None:
            status = Reader(data, 8).u32le()
            steps += step(Reader(message, SIZE), Said(number, tree, status, last), memory)
        if not behind:
            break
        data = data[behind:]
    return steps


class Said:
    """What the header of a message says."""

    __slots__ = ("last", "number", "status", "tree")

    def __init__(self, number: int, tree: int, status: int, last: str) -> None:
        self.number, self.tree, self.status, self.last = number, tree, status, last


def _share(reader: Reader, said: Said, memory: Memory) -> list[Step]:
    """[SMB2] 2.2.9."""
    reader.take(4)
    at, size = reader.u16le(), reader.u16le()
    path = reader.at(at).take(size).decode("utf-16-le", "replace")
    memory[f"asked {said.number}"] = path.rpartition("\\")[2][:64]
    return []


def _shared(reader: Reader, said: Said, memory: Memory) -> list[Step]:
    """[SMB2] 2.2.10."""
    name = memory.pop(f"asked {said.number}", "")
    reader.u16le()
    if not said.status and reader.u8() == DISK:
        memory[f"tree {said.tree}"] = name
    return []


def _create(reader: Reader, said: Said, memory: Memory) -> list[Step]:
    """[SMB2] 2.2.13."""
    access, options = Reader(reader.data, SIZE + 24).u32le(), Reader(reader.data, SIZE + 40).u32le()
    ends = Reader(reader.data, SIZE + 44)
    at, size = ends.u16le(), ends.u16le()
    name = reader.at(at).take(size).decode("utf-16-le", "replace") if size else ""
    share = memory.pop(tree := f"tree {said.tree}", None)
    if share is None:
        return []
    memory[tree] = share  # behind all others: what was not used for longest goes first
    asked_to_open(memory, str(said.number), share, name, access, options)
    return []


def _created(reader: Reader, said: Said, memory: Memory) -> list[Step]:
    """[SMB2] 2.2.14."""
    if said.status == PENDING:
        return []
    if said.status:
        memory.pop(f"file {said.number}", None)
        return []
    action, size = Reader(reader.data, SIZE + 4).u32le(), Reader(reader.data, SIZE + 48).u64le()
    opened(memory, str(said.number), reader.at(SIZE + 64).take(16).hex(), action, size)
    return []


def _file(reader: Reader, said: Said) -> str:
    number = reader.take(16)
    return f"@{said.last}" if number == PREVIOUS else number.hex()


def _read(reader: Reader, said: Said, memory: Memory) -> list[Step]:
    """[SMB2] 2.2.19."""
    reader.take(8)
    place = reader.u64le()
    memory[f"read {said.number}"] = [_file(reader, said), place]
    return []


def _got(reader: Reader, said: Said, memory: Memory) -> list[Step]:
    """[SMB2] 2.2.20."""
    if said.status == PENDING:
        return []
    asked = memory.pop(f"read {said.number}", None)
    if asked is None or said.status:
        return []
    reader.u16le()
    at = reader.u16le() & 0xFF
    size = reader.u32le()
    return read_(memory, str(asked[0]), int(asked[1]), reader.at(at).take(size))


def _write(reader: Reader, said: Said, memory: Memory) -> list[Step]:
    """[SMB2] 2.2.21."""
    reader.u16le()
    at, size, place = reader.u16le(), reader.u32le(), reader.u64le()
    file = _file(reader, said)
    return written(memory, file, place, reader.at(at).take(size))


def _close(reader: Reader, said: Said, memory: Memory) -> list[Step]:
    """[SMB2] 2.2.15."""
    reader.take(8)
    return closed(memory, _file(reader, said))


Take = Callable[[Reader, Said, Memory], list[Step]]
_ASKED: Mapping[int, Take] = {
    TREE: _share, CREATE: _create, CLOSE: _close, READ: _read, WRITE: _write,
}  # fmt: skip
_ANSWERED: Mapping[int, Take] = {TREE: _shared, CREATE: _created, READ: _got}

TRANSFERS = Transfers("connection", begins, goes_on, read)
