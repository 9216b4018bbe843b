"""The columnar half in other processes, results in the order of the batches.

A batch and its columns travel in shared memory, a slot each, and are not copied again; only the
few bytes that describe them go through a pipe.
"""

import multiprocessing
import signal
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar

from otsec import slots
from otsec.engine import Columnar, Settings, columnar
from otsec.memory import keep_memory
from otsec.model import PacketBatch
from otsec.processes import end_with_parent
from otsec.protocols import PROTOCOLS
from otsec.streams.claim import Registry

if TYPE_CHECKING:
    from multiprocessing.shared_memory import SharedMemory

OF_EACH = 4  # slots: two for batches, two for what is made of them

T = TypeVar("T")


def _serve(pipe: Connection, names: list[str], settings: Settings) -> None:
    end_with_parent(signal.SIGKILL)  # forked, it holds the other end of its pipe: that never closes
    keep_memory()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that holds the state
    registry = Registry(PROTOCOLS)
    memory = slots.attached(names)
    inbox, outbox = memory[::2], memory[1::2]
    while True:
        try:
            task = pipe.recv()
        except (EOFError, KeyboardInterrupt):
            break
        if task is None:
            break
        number, message = task
        batch = slots.read(message, inbox[number])
        result = columnar(batch, registry, settings)
        pipe.send((number, slots.write(result, outbox[number])))
        del batch, result


class Workers:
    """A pool of processes for `columnar`; as a context manager it ends them."""

    def __init__(self, count: int, settings: Settings) -> None:
        context = multiprocessing.get_context()
        self.members: list[tuple[Any, Connection, list[SharedMemory]]] = []
        self._turn = 0
        made = slots.made(OF_EACH * count, OF_EACH * count)
        for at in range(0, len(made), OF_EACH):
            own = made[at : at + OF_EACH]
            here, there = context.Pipe()
            names = [slot.name for slot in own]
            process = context.Process(target=_serve, args=(there, names, settings), daemon=True)
            process.start()
            there.close()
            self.members.append((process, here, own))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *problem: object) -> None:
        for _, pipe, _ in self.members:
            with suppress(OSError):
                pipe.send(None)
        for process, pipe, own in self.members:
            process.join(1)
            process.terminate()
            pipe.close()
            for slot in own:
                slots.close(slot)

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
        _, pipe, own = self.members[member]
        message = slots.write(_cropped(batch), own[2 * number])
        if len(message) > slots.SLOT:  # whole in the pipe, where an answer may be on its way
            raise MemoryError("a batch is larger than any buffer of a reader")
        pipe.send((number, message))
        given: PacketBatch = slots.read(message, own[2 * number])
        return given

    def end(self, task: "Task[T]") -> tuple[T, PacketBatch | None, Columnar | None]:
        """The label, the batch and its columns, valid until as many more as there is room began."""
        if task.batch is None:
            return task.label, None, None
        _, pipe, own = self.members[task.member]
        _, answer = pipe.recv()
        return task.label, task.batch, slots.read(answer, own[2 * task.number + 1])


@dataclass(slots=True)
class Task(Generic[T]):
    """A batch that a process is working on."""

    label: T
    member: int
    number: int  # of the pair of slots
    batch: PacketBatch | None


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
