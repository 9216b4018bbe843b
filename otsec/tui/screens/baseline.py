"""The baseline: how complete it is, what is risky in it, what is not in it; and approving."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from rich.text import Text
from textual import on
from textual.binding import Binding, BindingType

from otsec.cli.baseline_rows import AUDIT, DIFF, STATUS
from otsec.cli.output import Column
from otsec.health.verdict import counted
from otsec.store import Store, open_store
from otsec.tui.cells import safe, time_text
from otsec.tui.dialogs import LineDialog
from otsec.tui.table import VirtualTable
from otsec.tui.triage import word_of
from otsec.tui.views import View, ViewsScreen, keys_of

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


def _key(row: Any) -> Any:
    """What tells a row of the audit from the others."""
    return row.risk, row.what, row.client, row.server, row.packet


VIEWS = (
    View("status", "e", "Completeness", "how complete each device is", STATUS, "nothing was heard",
         lambda row: row.scope),
    View("audit", "a", "Audit", "what is risky and about to become normal", AUDIT, "nothing is risky", _key),
    View("diff", "d", "Diff", "what the store shows and the baseline does not hold", DIFF,
         "the baseline holds all that the store shows", lambda row: (row.change, row.line.id)),
)  # fmt: skip


class BaselineScreen(ViewsScreen):
    """What is normal, and what is about to be."""

    NAME = "Baseline"
    VIEWS = VIEWS
    WAITING = "reading the baseline"
    BINDINGS: ClassVar[list[BindingType]] = [
        *keys_of("baseline", VIEWS, "Details"),
        Binding("A", "say('approve')", "Approve", id="baseline.approve", tooltip="It is normal, and why"),
        Binding("F", "say('forget')", "Forget", id="baseline.forget", tooltip="It is not, and is not learned again"),
    ]  # fmt: skip
    MEANINGS: ClassVar[Sequence[tuple[str, str]]] = (
        ("baseline", "the list of what is normal: learned by evidence, or said by a named person"),
        ("learning", "new things are still to be expected, so nothing that is new alarms"),
        ("complete", "what is new from now on is told as a finding"),
        ("approve", "of a device: all that may be learned, and learning ends; else this one thing"),
        ("forget", "it is not normal, and is not learned again"),
        ("needs a person", "program, mode and firmware become normal only by somebody's name"),
    )

    def rows(self, store: Store, name: str) -> Sequence[Any]:
        """The rows of a list, in a thread."""
        return _rows(store, name, self.otsec.config.alert_budget)

    def tone(self, row: Any, column: Column) -> str:
        """What is new, risky or still being learned."""
        return TONES.get(str(column.of(row)), "") if column.name in TONED else ""

    @on(VirtualTable.Moved)
    def listed(self) -> None:
        """Say what is to say of the selected row."""
        row = self.table.selected
        text = Text() if row is None else ABOUT[self.view.name](row, self)
        text.rstrip()
        self.tell_page(text)

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
