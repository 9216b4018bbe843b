"""What all screens share: the lines at the top, questions to the store in threads, help."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from time import perf_counter
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.screen import Screen

from otsec.errors import OtsecError, UsageError
from otsec.memory import give_back
from otsec.store import Store, open_store, paging
from otsec.tui.keyline import KeyLine
from otsec.tui.topline import TopLine

if TYPE_CHECKING:
    from otsec.cli.output import Column
    from otsec.tui.app import OtsecApp

T = TypeVar("T")
FIRST = "first"  # what is about to be asked for the first time
LONG_S = 0.5  # a question that took longer held many rows
Words = list[tuple[str, list[tuple[str, str]]]]  # by heading, each word with what it means


class Answered(Message):
    """A thread has found something out."""

    def __init__(self, use: Callable[[], None], name: str, turn: int) -> None:
        super().__init__()
        self.use, self.name, self.turn = use, name, turn


class BaseScreen(Screen[Any]):
    """A screen over the store."""

    NAME: ClassVar[str] = ""  # as it stands at the top
    DEFAULT_CSS = "BaseScreen { layout: vertical; }"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            "question_mark,f1", "app.explain", "Help", id="help", tooltip="Explain this screen"
        ),
        Binding("r", "load", "Read again", show=False, id="reload", tooltip="Ask the store again"),
        Binding(
            "x",
            "app.export",
            "Export",
            show=False,
            id="export",
            tooltip="Write what is shown to a file",
        ),
    ]

    _given: tuple[Any, ...]  # what it was made with
    _named: dict[str, Any]

    def __new__(cls, *given: Any, **named: Any) -> Self:
        """Keep what it is made with, to be made again."""
        made = super().__new__(cls)
        made._given, made._named = given, named
        return made

    def again(self) -> "BaseScreen":
        """Another screen of the same thing: a screen that was left is gone."""
        return type(self)(*self._given, **self._named)

    def __init__(self) -> None:
        super().__init__()
        # it is styled as it is mounted; else Textual takes it for stale, and parses all styles twice
        self._css_update_count = getattr(self.app, "_css_update_count", -1)
        self._turns: dict[str, int] = {}
        self._asked: dict[str, Store] = {}
        self._stops: dict[str, Callable[[], None]] = {}  # of what children do for a question
        self.busy: set[str] = set()
        self.seen = -1  # revision of the store that is shown
        self.took_s = 0.0
        self.read_at = 0.0

    @property
    def otsec(self) -> "OtsecApp":
        """The application."""
        return self.app  # type: ignore[return-value]

    # ------------------------------------------------------------------------------ parts

    def compose(self) -> ComposeResult:
        """The top, the screen's own, the keys."""
        yield TopLine()
        yield from self.body()
        yield KeyLine()

    def body(self) -> ComposeResult:
        """What the screen is there for."""
        yield from ()

    def on_mount(self) -> None:
        """Read for the first time, as soon as the screen stands: what is asked competes with it."""
        self.tell()
        self.busy.add(FIRST)
        self.call_after_refresh(self._begin)

    def _begin(self) -> None:
        self.busy.discard(FIRST)
        if self.seen < 0:  # else somebody has asked meanwhile
            self.load()

    def on_screen_resume(self) -> None:
        """Back on this screen: read what came since."""
        self.tell()
        if self.seen != self.otsec.revision and not self.otsec.paused and self.seen >= 0:
            self.load(again=True)

    def on_resize(self) -> None:
        """Names at the top may be short now."""
        self.tell()

    def tell(self) -> None:
        """Renew the lines at the top."""
        for line in self.query(TopLine):
            line.tell(self.otsec.tabs, self.otsec.here, self.otsec.state)

    def load(self, *, again: bool = False) -> None:
        """Ask the store for what is shown; ``again``: only because something was written."""

    def action_load(self) -> None:
        """Read again, also while paused."""
        self.otsec.look()
        self.load(again=True)

    def words(self) -> Words:
        """Every word on the screen, explained."""
        return []

    def exported(self) -> "tuple[str, Sequence[Column], Callable[[Store], Sequence[Any]]]":
        """What an export writes: the kind of the rows, their columns, and how to read them all.

        Raises UsageError where there are no rows.
        """
        raise UsageError("no rows are shown here that could be written to a file")

    def shown_by_all(self) -> list[str]:
        """The packets that show what is shown, as `otsec show` takes them."""
        raise UsageError("these rows are written as .csv, .json or .jsonl; p shows packets of one")

    # -------------------------------------------------------------------------- questions

    def ask(
        self,
        name: str,
        question: Callable[[Store], T],
        use: Callable[[T], None],
        failed: Callable[[str], None] | None = None,
    ) -> None:
        """Ask in a thread; only the answer to the last question of a name is used."""
        self.ask_on(name, lambda store: iter((question(store),)), use, failed)

    def ask_on(
        self,
        name: str,
        question: Callable[[Store], Iterator[T]],
        use: Callable[[T], None],
        failed: Callable[[str], None] | None = None,
    ) -> None:
        """Ask what gives several answers, each better than the one before."""
        turn = self._turns[name] = self._turns.get(name, 0) + 1
        self.take_back(name)
        self.busy.add(name)
        self.seen = self.otsec.revision
        path = self.otsec.path

        def answer(call: Callable[[], None]) -> None:
            self.post_message(Answered(call, name, turn))

        def work() -> None:
            begin = perf_counter()
            try:
                with open_store(path, readonly=True) as store:
                    self._asked[name] = store
                    if self._turns[name] == turn:
                        for found in question(store):
                            answer(lambda found=found: use(found))  # type: ignore[misc]
            except OtsecError as error:
                told = str(error)
                answer(lambda: (failed or self.otsec.complain)(told))
            finally:
                took = perf_counter() - begin
                if took > LONG_S:
                    give_back()
                answer(lambda: self._done(name, took))

        self.run_worker(work, thread=True, group=name, exit_on_error=True)

    @contextmanager
    def stoppable(self, name: str, stop: Callable[[], None]) -> Iterator[None]:
        """While something is done in a question's thread, `stop` ends it with the question."""
        self._stops[name] = stop
        try:
            yield
        finally:
            if self._stops.get(name) == stop:
                del self._stops[name]

    def stop(self) -> bool:
        """End all questions that are still being asked; gives whether there were any."""
        asked = self.busy - {FIRST}
        for name in asked:
            self._turns[name] = self._turns.get(name, 0) + 1  # nobody waits for its answer
            self.take_back(name)
        self.busy -= asked
        return bool(asked)

    def take_back(self, name: str) -> None:
        """End a question that is still being asked."""
        if (stop := self._stops.get(name)) is not None:
            stop()
        if (store := self._asked.pop(name, None)) is not None:
            with suppress(Exception):  # it was just closed
                paging.interrupt(store)

    def _done(self, name: str, took: float) -> None:
        self.busy.discard(name)
        self.took_s = took
        self._asked.pop(name, None)
        self.loaded(name)

    def loaded(self, name: str) -> None:
        """A question was answered to its end."""

    def on_answered(self, message: Answered) -> None:
        """Use an answer, unless another question was asked since."""
        if self._turns.get(message.name) == message.turn:
            message.use()

    def on_unmount(self) -> None:
        """Nobody waits any more."""
        for name in list(self._asked):
            self.take_back(name)
