"""Things on their way to another process of ours: arrays in shared memory, the rest in few bytes."""

import copyreg
import pickle
import shutil
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, fields
from functools import partial
from multiprocessing.shared_memory import SharedMemory
from operator import attrgetter
from pathlib import Path
from typing import Any

from otsec.errors import UsageError

SLOT = 40 << 20  # bytes: a full read buffer (16 MiB) and the columns of its packets
ALIGN = 64
FOLDER = Path("/dev/shm")  # noqa: S108 - where Linux keeps shared memory; containers have little


@dataclass(frozen=True, slots=True)
class _Spans:
    """Where the parts of something lie in a slot: what was pickled, then the arrays."""

    spans: list[tuple[int, int]]  # offset and bytes


def sent_whole(*classes: type) -> None:
    """Have frozen dataclasses pickled by one call: many of them are sent.

    By themselves those with slots are taken apart, and put together, field by field in Python.
    """
    for one in classes:
        cells = attrgetter(*(field.name for field in fields(one)))
        copyreg.pickle(one, partial(_taken_apart, one, cells))


def _taken_apart(
    made_of: type, cells: Callable[[object], tuple[object, ...]], thing: object
) -> tuple[type, tuple[object, ...]]:
    return made_of, cells(thing)


def made(least: int, most: int) -> list[SharedMemory]:
    """Slots, as many as there is room for.

    Raises UsageError where there is too little: a process that fills more than there is, is killed.
    """
    free = shutil.disk_usage(FOLDER).free if FOLDER.is_dir() else most * SLOT
    if free < least * SLOT:
        raise UsageError(
            f"--workers: {FOLDER} has room for {free >> 20} MiB, and {least * SLOT >> 20} are "
            "wanted; give it more (of a container: --shm-size 1g), or take one worker"
        )
    spare = free // SLOT // 2  # what others were given, and did not fill yet, seems free
    return [SharedMemory(create=True, size=SLOT) for _ in range(max(least, min(spare, most)))]


def attached(names: Sequence[str]) -> list[SharedMemory]:
    """The slots of these names, once, in the process that they were made for.

    From there on they have none: the memory goes with the two processes, however these end, and
    where both are killed Python has nothing left to clean up, and to tell of.
    """
    slots = [SharedMemory(name) for name in names]
    for slot in slots:
        slot.unlink()
    return slots


def write(thing: object, slot: SharedMemory) -> bytes:
    """Pickle into the slot, arrays as they are; into the answer where it does not fit."""
    buffers: list[pickle.PickleBuffer] = []
    head = pickle.dumps(thing, protocol=5, buffer_callback=buffers.append)
    raws = [memoryview(head), *(buffer.raw() for buffer in buffers)]
    if sum(raw.nbytes + ALIGN for raw in raws) > SLOT:
        return pickle.dumps(thing, protocol=5)
    spans, at = [], 0
    for raw in raws:
        _memory(slot)[at : at + raw.nbytes] = raw
        spans.append((at, raw.nbytes))
        at += -(-raw.nbytes // ALIGN) * ALIGN
    return pickle.dumps(_Spans(spans))


def read(message: bytes, slot: SharedMemory) -> Any:
    """What `write` was given, its arrays lying in the slot. Own processes only."""
    told = pickle.loads(message)  # noqa: S301 - written by a process of ours
    if not isinstance(told, _Spans):
        return told
    memory = _memory(slot)
    head, *arrays = (memory[at : at + size] for at, size in told.spans)
    return pickle.loads(head, buffers=arrays)  # noqa: S301


def close(slot: SharedMemory) -> None:
    """Give the memory back, in the process that made it."""
    with suppress(FileNotFoundError):  # the other process has taken its name
        slot.unlink()
    try:
        slot.close()
    except BufferError:  # an array still looks at it; the memory goes with the process
        slot._mmap = None  # type: ignore[attr-defined]  # noqa: SLF001 - or its __del__ complains


def _memory(slot: SharedMemory) -> "memoryview[int]":
    if slot.buf is None:
        raise ValueError("the slot is closed")
    return slot.buf
