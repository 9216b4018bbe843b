"""The columnar half in other processes, results in the order of the batches.

A batch and its columns travel in shared memory, a slot each, and are not copied again; only the
few bytes that describe them go through a pipe.
"""

import multiprocessing
import pickle
import signal
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.shared_memory import SharedMemory
from typing import Any, Generic, Self, TypeVar

from otsec.engine import Columnar, Settings, columnar
from otsec.memory import keep_memory
from otsec.model import PacketBatch
from otsec.protocols import PROTOCOLS
from otsec.streams.claim import Registry

SLOT = 40 << 20  # bytes: a full read buffer (16 MiB) and the columns of its packets
ALIGN = 64

T = TypeVar("T")


def _memory(slot: SharedMemory) -> "memoryview[int]":
    if slot.buf is None:
        raise ValueError("the slot is closed")
    return slot.buf


def _write(thing: object, slot: SharedMemory) -> bytes | None:
    """Pickle with all arrays in the slot; None if they do not fit."""
    buffers: list[pickle.PickleBuffer] = []
    head = pickle.dumps(thing, protocol=5, buffer_callback=buffers.append)
    spans, at = [], 0
    for buffer in buffers:
        raw = buffer.raw()
        if at + raw.nbytes > SLOT:
            return None
        _memory(slot)[at : at + raw.nbytes] = raw
        spans.append((at, raw.nbytes))
        at += -(-raw.nbytes // ALIGN) * ALIGN
    return pickle.dumps((head, spans))


def _read(message: bytes, slot: SharedMemory) -> Any:
    """What `_write` was given, its arrays lying in the slot. Own processes only."""
    head, spans = pickle.loads(message)  # noqa: S301 - written by a process of ours
    memory = _memory(slot)
    return pickle.loads(head, buffers=[memory[at : at + size] for at, size in spans])  # noqa: S301


def _serve(pipe: Connection, names: list[str], settings: Settings) -> None:
    keep_memory()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that holds the state
    registry = Registry(PROTOCOLS)
    inbox, outbox = ([SharedMemory(name) for name in names[k::2]] for k in (0, 1))
    while True:
        try:
            task = pipe.recv()
        except (EOFError, KeyboardInterrupt):
            break
        if task is None:
            break
        number, message = task
        batch = _read(message, inbox[number])
        result = columnar(batch, registry, settings)
        answer = _write(result, outbox[number])
        pipe.send((number, answer if answer is not None else pickle.dumps(result)))
        del batch, result


class Workers:
    """A pool of processes for `columnar`; as a context manager it ends them."""

    def __init__(self, count: int, settings: Settings) -> None:
        context = multiprocessing.get_context()
        self.members: list[tuple[Any, Connection, list[SharedMemory]]] = []
        self._turn = 0
        for _ in range(count):
            slots = [SharedMemory(create=True, size=SLOT) for _ in range(4)]
            here, there = context.Pipe()
            names = [slot.name for slot in slots]
            process = context.Process(target=_serve, args=(there, names, settings), daemon=True)
            process.start()
            there.close()
            self.members.append((process, here, slots))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *problem: object) -> None:
        for _, pipe, _ in self.members:
            with suppress(OSError):
                pipe.send(None)
        for process, pipe, slots in self.members:
            process.join(1)
            process.terminate()
            pipe.close()
            for slot in slots:
                _close(slot)

    def map(
        self, batches: Iterator[tuple[T, PacketBatch | None]]
    ) -> Iterator[tuple[T, PacketBatch | None, Columnar | None]]:
        """Each batch with its label and its columns, in order; valid until the next is drawn."""
        waiting: deque[Task[T]] = deque()
        for label, batch in batches:
            waiting.append(self.begin(label, batch))
            if len(waiting) == self.room:
                yield self.end(waiting.popleft())
        while waiting:
            yield self.end(waiting.popleft())

    @property
    def room(self) -> int:
        """How many batches may be on their way."""
        return 2 * len(self.members)

    def begin(self, label: T, batch: PacketBatch | None) -> "Task[T]":
        """Send a batch on its way; `end` takes the tasks in the same order."""
        if batch is None:
            return Task(label, -1, 0, None)
        member, number = self._turn % len(self.members), self._turn // len(self.members) % 2
        self._turn += 1
        return Task(label, member, number, self._give(batch, member, number))

    def _give(self, batch: PacketBatch, member: int, number: int) -> PacketBatch:
        """Send a batch to a process; gives it back as it lies in shared memory."""
        _, pipe, slots = self.members[member]
        message = _write(_cropped(batch), slots[2 * number])
        if message is None:
            raise MemoryError("a batch is larger than any buffer of a reader")
        pipe.send((number, message))
        given: PacketBatch = _read(message, slots[2 * number])
        return given

    def end(self, task: "Task[T]") -> tuple[T, PacketBatch | None, Columnar | None]:
        """The label, the batch and its columns, valid until as many more as there is room began."""
        if task.batch is None:
            return task.label, None, None
        _, pipe, slots = self.members[task.member]
        _, answer = pipe.recv()
        return task.label, task.batch, _read(answer, slots[2 * task.number + 1])


@dataclass(slots=True)
class Task(Generic[T]):
    """A batch that a process is working on."""

    label: T
    member: int
    number: int  # of the pair of slots
    batch: PacketBatch | None


def _close(slot: SharedMemory) -> None:
    slot.unlink()
    try:
        slot.close()
    except BufferError:  # an array still looks at it; the memory goes with the process
        slot._mmap = None  # type: ignore[attr-defined]  # noqa: SLF001 - or its __del__ complains


def _cropped(batch: PacketBatch) -> PacketBatch:
    """The batch over only the part of the buffer that it uses."""
    begin = int(batch.offset.min())
    end = int((batch.offset + batch.captured).max())
    return PacketBatch(
        batch.interface,
        batch.link,
        batch.buffer[begin:end],
        batch.offset - begin,
        batch.captured,
        batch.wire,
        batch.time,
    )
