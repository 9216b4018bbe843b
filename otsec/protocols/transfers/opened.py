"""Files that are opened, read and written in pieces that have places, and closed.

What is remembered of one stands under the number of the message that opened it; by its own number
it is known when that was answered.
"""

from typing import Any

from otsec.protocols.api import Begin, End, Piece, Step

Memory = dict[str, Any]
DATA = 0x1 | 0x2 | 0x4 | 0x20 | 0xF200_0000  # rights: to read, write, append, execute; all, generic
FOLDER = 1  # option: it is a folder
WAS_THERE = 1  # what came of opening: the file was there, and keeps what it holds
MOST_NAME = 256
NAME, SIZE, HELD, WRITTEN, BEGUN = range(5)  # of what is remembered of a file
READS, WRITES = 1, 2


def asked_to_open(
    memory: Memory, number: str, share: str, name: str, access: int, options: int
) -> None:
    """Somebody wants to work with a file's contents; others want to look at its attributes."""
    if access & DATA and not options & FOLDER and name:
        whole = "\\".join(part for part in (share, name.lstrip("\\")) if part)
        memory[f"file {number}"] = [whole[:MOST_NAME], -1, -1, 0, 0]


def opened(memory: Memory, number: str, file: str, action: int, size: int) -> None:
    """The file was opened, and is as long as that."""
    one = memory.pop(f"file {number}", None)
    if one is not None:
        one[SIZE], one[HELD] = size, size if action == WAS_THERE else 0
        memory[f"file {number}"] = one
        memory[f"number {file}"] = number


def _known(memory: Memory, file: str) -> tuple[str, list[Any]] | None:
    """The number under which a file was opened, and what is remembered; now the newest."""
    number = file[1:] if file.startswith("@") else memory.pop(f"number {file}", None)
    one = memory.pop(f"file {number}", None)
    if number is None or one is None:
        return None
    memory[f"file {number}"] = one
    if not file.startswith("@"):
        memory[f"number {file}"] = number
    return number, one


def read_(memory: Memory, file: str, place: int, data: bytes) -> list[Step]:
    """Some bytes of a file were read."""
    known = _known(memory, file)
    if known is None or not data:
        return []
    number, one = known
    steps: list[Step] = []
    if not one[BEGUN] & READS:
        one[BEGUN] |= READS
        steps.append(
            Begin(
                f"out {number}", one[NAME], "file", "from_server",
                size=max(one[SIZE], one[WRITTEN]), tells_last=False, placed="last",
            )
        )  # fmt: skip
    return [*steps, Piece(f"out {number}", data, place)]


def written(memory: Memory, file: str, place: int, data: bytes) -> list[Step]:
    """Some bytes of a file are written; at -1: behind its end."""
    known = _known(memory, file)
    if known is None or not data:
        return []
    number, one = known
    steps: list[Step] = []
    if not one[BEGUN] & WRITES:
        one[BEGUN] |= WRITES
        begin = Begin(
            f"in {number}", one[NAME], "file", "to_server", tells_last=False, placed="last"
        )
        steps.append(begin)
    one[WRITTEN] = max(one[WRITTEN], place + len(data))
    return [*steps, Piece(f"in {number}", data, place)]


def closed(memory: Memory, file: str) -> list[Step]:
    """The file is closed: what was begun has ended."""
    known = _known(memory, file)
    if known is None:
        return []
    number, one = known
    del memory[f"file {number}"]
    memory.pop(f"number {file}", None)
    steps: list[Step] = []
    if one[BEGUN] & READS:
        steps.append(End(f"out {number}"))
    if one[BEGUN] & WRITES:
        part = "only a part was written" if one[HELD] > one[WRITTEN] else ""
        steps.append(End(f"in {number}", part))
    return steps
