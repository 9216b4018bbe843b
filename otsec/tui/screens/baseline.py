"""The baseline: how complete it is, what is risky in it, what is not in it; and approving."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.widgets import Static

from otsec.cli.baseline_rows import AUDIT, DIFF, STATUS
from otsec.cli.output import Column
from otsec.health.verdict import counted
from otsec.store import Store, open_store
from otsec.tui.cells import safe, time_text
from otsec.tui.dialogs import LineDialog
from otsec.tui.rows import Listed
from otsec.tui.screen import BaseScreen, Words
from otsec.tui.table import VirtualTable
from otsec.tui.triage import word_of

if TYPE_CHECKING:
    from otsec.baseline.learning import Baseline
    from otsec.baseline.model import Thing
    from otsec.store.baseline import Line

LONGEST = 600  # letters of a paragraph
MOST = 100  # things named below a row
TONES = {
    "high": "bad",
    "critical": "bad",
    "medium": "warn",
    "learning": "warn",
    "complete": "good",
    "new": "warn",
    "gone": "quiet",
}
TONED = frozenset({"level", "state", "change"})


class View(NamedTuple):
    """One of the lists of the screen."""

    name: str
    key: str
    title: str
    about: str
    columns: Sequence[Column]
    empty: str


VIEWS = (
    View("status", "c", "Completeness", "how complete each device is", STATUS, "nothing was heard"),
    View("audit", "u", "Audit", "what is risky and about to become normal", AUDIT, "nothing is risky"),
    View("diff", "d", "Diff", "what the store shows and the baseline does not hold", DIFF,
         "the baseline holds all that the store shows"),
)  # fmt: skip


def _key(view: str, row: Any) -> Any:
    """What tells a row from the others."""
    if view == "status":
        return row.scope
    if view == "audit":
        return row.risk, row.what, row.client, row.server, row.packet
    return row.change, row.line.id


class BaselineScreen(BaseScreen):
    """What is normal, and what is about to be."""

    NAME = "Baseline"
    CSS = """
    BaselineScreen #told { height: 1; padding: 0 1; }
    BaselineScreen VirtualTable { height: 1fr; min-height: 5; display: none; }
    BaselineScreen VirtualTable.shown { display: block; }
    BaselineScreen VerticalScroll { height: 35%; border-top: solid $panel; padding: 0 1; }
    BaselineScreen #about { height: auto; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        *(
            Binding(one.key, f"view('{one.name}')", one.title, id=f"baseline.{one.name}", tooltip=one.about)
            for one in VIEWS
        ),
        Binding("A", "say('approve')", "Approve", id="baseline.approve", tooltip="It is normal, and why"),
        Binding("F", "say('forget')", "Forget", id="baseline.forget", tooltip="It is not, and is not learned again"),
        Binding("tab", "app.focus_next", "Details", show=False, id="baseline.focus", tooltip="Between rows and details"),
    ]  # fmt: skip

    def __init__(self) -> None:
        super().__init__()
        self.view = VIEWS[0]

    @property
    def table(self) -> VirtualTable:
        """The rows that are shown."""
        return self.query_one(f"#{self.view.name}", VirtualTable)

    def body(self) -> ComposeResult:
        """What is shown, its rows, and what is to say of the selected one."""
        yield Static(id="told", markup=False)
        for one in VIEWS:
            yield VirtualTable(
                [column for column in one.columns if not column.detail], tone=_tone, id=one.name
            )
        with VerticalScroll():
            yield Static(id="about", markup=False)

    def action_view(self, name: str) -> None:
        """Show another list."""
        self.view = next(one for one in VIEWS if one.name == name)
        self.load()

    def load(self, *, again: bool = False) -> None:
        """Ask for the rows of the list."""
        view, table = self.view, self.table
        for one in self.query(VirtualTable):
            one.set_class(one is table, "shown")
        table.zone, table.waiting = self.otsec.zone, "reading the baseline"
        table.focus()
        self.query_one("#about", Static).update("")
        self._tell(None)
        budget = self.otsec.config.alert_budget

        def use(rows: Sequence[Any]) -> None:
            table.waiting = view.empty
            table.show(Listed(rows, lambda row: _key(view.name, row)), again=again)
            self._tell(len(rows))
            self._tell_about()

        self.ask("baseline", lambda store: _rows(store, view.name, budget), use)

    def _tell(self, count: int | None) -> None:
        many = "" if count is None else f" ({count})"
        others = ", ".join(f"{one.key} {one.title.lower()}" for one in VIEWS if one != self.view)
        text = Text(f"{self.view.title}{many}: ", "bold")
        text.append(f"{self.view.about}; {others}", "not bold dim")
        self.query_one("#told", Static).update(text)

    @on(VirtualTable.Moved)
    def _tell_about(self) -> None:
        row = self.table.selected
        if row is not None:
            text = ABOUT[self.view.name](row, self)
            text.rstrip()
            self.query_one("#about", Static).update(text)

    # ------------------------------------------------------------------------- deciding

    def action_say(self, verb: str) -> None:
        """Approve or forget what is selected, by the person who sits here."""
        if self.otsec.readonly:
            self.otsec.complain("this otsec only reads; nothing can be decided here")
            return
        row, view = self.table.selected, self.view.name
        if row is None:
            return
        if view == "status" and verb == "forget":
            self.notify("a device is forgotten thing by thing: d or u, then F")
            return
        what = _named(view, row)

        def use(reason: str | None) -> None:
            if reason is not None:
                self.ask(
                    "decide",
                    lambda _: _take_down(self, view, row, verb, reason.strip()),
                    lambda count: self._decided(verb, count),
                )

        title = f"{verb.capitalize()} {safe(what)}: why"
        self.app.push_screen(LineDialog(title, check=_check), use)

    def _decided(self, verb: str, count: int) -> None:
        done = "approved" if verb == "approve" else "forgotten"
        self.notify(f"{counted(count, 'thing')} {done}")
        self.otsec.look()
        self.load(again=True)

    def exported(self) -> "tuple[str, Sequence[Column], Callable[[Store], Sequence[Any]]]":
        """The rows of the list."""
        name, budget = self.view.name, self.otsec.config.alert_budget
        return f"baseline {name}", self.view.columns, lambda store: _rows(store, name, budget)

    def words(self) -> Words:
        """Columns and words."""
        return [
            *(
                (f"Columns of {one.title}", [(c.title, c.about) for c in one.columns if not c.detail])
                for one in VIEWS
            ),
            (
                "Words",
                [
                    ("baseline", "the list of what is normal: learned by evidence, or said by a named person"),
                    ("learning", "new things are still to be expected, so nothing that is new alarms"),
                    ("complete", "what is new from now on is told as a finding"),
                    ("approve", "of a device: all that may be learned, and learning ends; else this one thing"),
                    ("forget", "it is not normal, and is not learned again"),
                    ("needs a person", "program, mode and firmware become normal only by somebody's name"),
                ],
            ),
        ]  # fmt: skip


def _tone(row: Any, column: Column) -> str:
    return TONES.get(str(column.of(row)), "") if column.name in TONED else ""


def _check(text: str) -> str:
    return "" if text.strip() else "say why, for whoever looks at it in a year"


def _named(view: str, row: Any) -> str:
    """What is decided of, in words."""
    if view == "status":
        name = row.name or row.scope.address
        return f"all that may be learned of {name or 'who there is'}, and end learning"
    if view == "audit":
        return str(row.what)
    from otsec.baseline.words import described  # noqa: PLC0415 - only who decides pays

    return described(row.line)


# ------------------------------------------------------------------------------- in threads


def _rows(store: Store, view: str, budget: int) -> Sequence[Any]:
    """The rows of a list."""
    from otsec.baseline.learning import baseline  # noqa: PLC0415 - in the thread
    from otsec.cli.baseline import _against_store, _ordered  # noqa: PLC0415

    if view == "status":
        from otsec.baseline.standing import standings  # noqa: PLC0415

        return standings(baseline(store), budget)
    if view == "audit":
        from otsec.baseline.audit import audit  # noqa: PLC0415

        return audit(store, baseline(store))
    return _ordered(_against_store(store))


def _take_down(screen: BaselineScreen, view: str, row: Any, verb: str, reason: str) -> int:
    """Write it; gives how many things it is about."""
    from otsec.baseline.learning import approve, baseline, forget  # noqa: PLC0415 - in the thread

    word = word_of(screen.otsec.who, reason)
    with open_store(screen.otsec.path, create=False) as store:
        base = baseline(store)
        chosen = _chosen(base, view, row)
        if verb == "approve":
            return len(approve(store, base, chosen, word, 0, end=view == "status"))
        return len(forget(store, base, chosen, word))


def _chosen(base: "Baseline", view: str, row: Any) -> "list[Thing | Line]":
    """The things that a row is about, as the store shows them now; else their lines."""
    if view == "status":
        return [one for one in base.learnable() if one.scope == row.scope and not one.key.guarded]
    ids = set(row.ids) if view == "audit" else {row.line.id}
    things: list[Thing | Line] = [one for one in base.shown.things if one.id in ids]
    met = {one.id for one in things}
    return [*things, *(one for one in base.lines if one.id in ids - met)]


# ---------------------------------------------------------------------------------- details


def _about_status(row: Any, screen: BaselineScreen) -> Text:
    text = Text()
    text.append(f"{safe(row.name or row.scope.address or 'Which devices there are')}\n", "bold")
    text.append(f"{row.repeated} of {row.things} things were seen on more than one occasion")
    text.append(f"; {row.barred} are not learned\n" if row.barred else "\n")
    if row.ended:
        text.append(f"learning ended at {time_text(row.ended, screen.otsec.zone)}\n")
    for reason in row.open:
        text.append(f"- {safe(reason, LONGEST)}\n", "dim")
    return text


def _about_audit(row: Any, screen: BaselineScreen) -> Text:
    text = Text()
    text.append(f"{safe(row.risk)}: {safe(row.what, LONGEST)}\n", "bold")
    first, last = (time_text(at, screen.otsec.zone) for at in (row.first_time, row.last_time))
    text.append(f"{row.state}; {row.times} times, from {first} to {last}\n")
    shown = " ".join(row.ids[:MOST])
    text.append(f"things: {safe(shown, LONGEST)}\n", "dim")
    return text


def _about_diff(row: Any, screen: BaselineScreen) -> Text:
    line = row.line
    text = Text()
    text.append(f"{row.change}: {safe(_named('diff', row), LONGEST)}\n", "bold")
    first, last = (time_text(at, screen.otsec.zone) for at in (line.first_time, line.last_time))
    text.append(f"{line.id}, seen {line.times} times, from {first} to {last}\n")
    if line.who:
        text.append(f"{line.how} by {safe(line.who)}: {safe(line.reason, LONGEST)}\n", "dim")
    return text


ABOUT: dict[str, Callable[[Any, BaselineScreen], Text]] = {
    "status": _about_status,
    "audit": _about_audit,
    "diff": _about_diff,
}
