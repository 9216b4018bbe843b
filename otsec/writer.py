"""The totals of sources and the store in a process of their own, while this one reads on.

Shares are sent as they come, checkpoints between them; the process takes all in order. What goes
wrong there is raised here, at the next call that has to wait.
"""

import multiprocessing
import signal
import traceback
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import chain
from multiprocessing.connection import Connection
from multiprocessing.shared_memory import SharedMemory
from pathlib import Path
from typing import Any

from otsec import slots
from otsec.aggregates.counters import Row
from otsec.aggregates.totals import TABLES, Plan, Share, Totals
from otsec.errors import StorageError
from otsec.exchanges.cache import Content
from otsec.memory import keep_memory
from otsec.processes import end_with_parent
from otsec.protocols.api import Elements, Fact, Message
from otsec.state import Unlike, pack, unpack
from otsec.store import CaptureProgress, State, Store, open_store

slots.sent_whole(Content, Message, Elements, Fact)
# Not forked: SQLite does not allow that a process goes on with what another has opened.
CONTEXT = multiprocessing.get_context("spawn")
SLOTS = 8  # shares that are on their way, or being counted
END_S = 60.0  # so long is waited for the process to end by itself

Rows = Mapping[str, Iterable[Row]]


class Writer:
    """The process that writes a store."""

    def __init__(self, store: Path, plan: Plan) -> None:
        self.path = store
        self.slots = slots.made(1, SLOTS)
        self.free = [*range(len(self.slots))]
        self.pipe, there = CONTEXT.Pipe()
        names = [slot.name for slot in self.slots]
        self.process = CONTEXT.Process(target=_serve, args=(there, names, store, plan), daemon=True)
        self.process.start()
        there.close()

    def end(self) -> None:
        """End the process; what was not settled may be lost."""
        with suppress(OSError):
            self.pipe.send(("end",))
        self.process.join(END_S)
        self.process.kill()
        self.pipe.close()
        for slot in self.slots:
            slots.close(slot)

    def totals(self, source: int, turn: int) -> "Sent":
        """Where the shares of a source go, new; ``turn``: see `Store.take_up`."""
        self._send("open", source, turn)
        return Sent(self, source)

    def take(self, source: int, share: Share) -> None:
        """Have a share counted; waits while too many are on their way."""
        if not self.free:
            self._hear("free")
        number = self.free.pop()
        share = replace(share, found=[(name, found.packed()) for name, found in share.found])
        self._send("take", source, number, slots.write(share, self.slots[number]))

    def begin(self, source: int, *, anew: bool) -> None:
        """Take up the totals of a source where the store has them; ``anew``: from rows alone.

        Raises Unlike where another version of otsec gave the state.
        """
        self._send("begin", source, anew)
        if problem := self._hear("begun"):
            raise Unlike(problem)

    def checkpoint(
        self,
        rows: Rows,
        captures: Sequence[CaptureProgress],
        state: Iterable[State],
        sources: Sequence[int],
    ) -> None:
        """Write a checkpoint, see `Store.checkpoint`, with what the totals add to it.

        It is written once `settle` has come back.
        """
        told = {table: list(some) for table, some in rows.items()}
        self._send("checkpoint", told, list(captures), list(state), list(sources))

    def let_go(self, sources: Iterable[int]) -> None:
        """Forget the totals of sources that are done."""
        self._send("let_go", list(sources))

    def settle(self) -> None:
        """Wait until all that was sent is done."""
        self._send("settle")
        self._hear("settled")

    def _send(self, *message: Any) -> None:
        try:
            self.pipe.send(message)
        except OSError:
            self._hear("")  # why it has ended
            raise

    def _hear(self, wanted: str) -> Any:
        """Wait for an answer of a kind, and take those that come before it."""
        kind = None
        while kind != wanted:
            try:
                kind, told = self.pipe.recv()
            except (EOFError, OSError) as error:
                raise StorageError(
                    f"{self.path}: the process that writes it was ended from outside; what is "
                    "written stays: run the same command again"
                ) from error
            if kind == "failed":
                raise told
            if kind == "free":
                self.free.append(told)
        return told


class Sent:
    """The totals of a source, which are in the other process: see `Sums`."""

    tables: tuple[str, ...] = ()

    def __init__(self, writer: Writer, source: int) -> None:
        self.writer, self.source = writer, source

    def take(self, share: Share) -> None:
        """Send it."""
        self.writer.take(self.source, share)

    def take_rows(self, _: int) -> dict[str, Iterable[Row]]:
        """None: they are written where they are made."""
        return {}

    def dump(self) -> dict[str, Any]:
        """Nothing: it is written where it is."""
        return {}

    def restore(self, _: dict[str, list[Row]]) -> None:
        """Done by `load` or `begin_anew`."""

    def load(self, _: dict[str, Any]) -> None:
        """Go on from what the store has."""
        self.writer.begin(self.source, anew=False)

    def begin_anew(self) -> None:
        """Go on from the rows of the store alone."""
        self.writer.begin(self.source, anew=True)


# ------------------------------------------------------------------------------- the process


class _Desk:
    """What the process does, one method a message."""

    def __init__(self, store: Store, plan: Plan) -> None:
        self.store, self.plan = store, plan
        self.sources: dict[int, Totals] = {}

    def open(self, source: int, turn: int) -> None:
        self.store.take_up(source, turn)
        self.sources[source] = Totals(self.plan)

    def begin(self, source: int, anew: bool) -> str:  # noqa: FBT001 - from a message
        """What is wrong with the state, if anything is."""
        totals = self.sources[source]
        totals.restore({table: self.store.rows(table, source) for table in TABLES})
        if anew:
            totals.begin_anew()
            return ""
        state = self.store.state(source)
        try:
            totals.load({name: unpack(data) for name, data in state.items()})
        except (LookupError, TypeError, ValueError, AttributeError, Unlike) as problem:
            return f"{type(problem).__name__}: {problem}"
        return ""

    def take(self, source: int, share: Share) -> None:
        self.sources[source].take(share)

    def checkpoint(
        self,
        told: dict[str, list[Row]],
        captures: list[CaptureProgress],
        state: list[State],
        sources: list[int],
    ) -> None:
        rows: dict[str, list[Iterable[Row]]] = {table: [some] for table, some in told.items()}
        for source in sources:
            for table, some in self.sources[source].take_rows(source).items():
                rows.setdefault(table, []).insert(0, some)
        whole = {table: chain.from_iterable(parts) for table, parts in rows.items()}
        own = (
            (source, module, pack(data))
            for source in sources
            for module, data in self.sources[source].dump().items()
        )
        self.store.checkpoint(whole, captures, chain(state, own), sources)

    def let_go(self, sources: list[int]) -> None:
        for source in sources:
            self.sources.pop(source, None)


def _serve(pipe: Connection, names: list[str], store: Path, plan: Plan) -> None:
    end_with_parent(signal.SIGKILL)  # nobody writes behind the back of the next run
    keep_memory()
    for one in (signal.SIGINT, signal.SIGTERM):  # for the process that reads
        signal.signal(one, signal.SIG_IGN)
    memory = slots.attached(names)
    try:
        with open_store(store, create=False) as opened:
            desk = _Desk(opened, plan)
            while (message := pipe.recv())[0] != "end":
                _do(desk, pipe, memory, *message)
    except EOFError:  # the process that reads is gone
        pass
    except Exception as problem:  # noqa: BLE001 - raised where it is of use
        problem.add_note("".join(traceback.format_exception(problem)))
        with suppress(OSError, EOFError):
            pipe.send(("failed", problem))
            while pipe.recv()[0] != "end":  # what has been sent already
                pass


def _do(desk: _Desk, pipe: Connection, memory: list[SharedMemory], what: str, *told: Any) -> None:
    if what == "take":
        source, number, message = told
        desk.take(source, slots.read(message, memory[number]))
        pipe.send(("free", number))
    elif what == "settle":
        pipe.send(("settled", None))
    elif what == "begin":
        pipe.send(("begun", desk.begin(*told)))
    else:
        getattr(desk, what)(*told)
