"""What is decided of findings, taken down as acts: who, where, when, what held before, why."""

import platform
import time
from collections.abc import Callable, Sequence
from datetime import tzinfo
from typing import TYPE_CHECKING, NamedTuple, cast

from textual.binding import Binding, BindingType

from otsec.cli.listing import deadline
from otsec.cli.triage import REASONED
from otsec.errors import UsageError
from otsec.health.verdict import counted
from otsec.login import login, who
from otsec.tui.cells import time_text
from otsec.tui.edit import START_WITH

if TYPE_CHECKING:
    from otsec.detect.cases import Word
    from otsec.store.acts import FindingAct
    from otsec.tui.screen import BaseScreen


class Decision(NamedTuple):
    """One thing that can be decided."""

    key: str
    kind: str
    title: str
    asked: str  # what the person is asked for; empty: nothing
    about: str


DECISIONS = (
    Decision("a", "ack", "Acknowledge", "", "You are looking at it"),
    Decision("R", "resolve", "Resolve", "what was done", "It is dealt with"),
    Decision("F", "false-positive", "False positive", "why it is none", "It is not what it seems"),
    Decision("A", "accept", "Accept", "why, and by whose leave", "The risk is known and taken, for a time or for good"),
    Decision("E", "expect", "Expected", "why it belongs so", "It is how the plant is meant to work"),
    Decision("O", "reopen", "Reopen", "why", "Take back what was decided"),
    Decision("W", "assign", "Assign", "to whom", "Say who is to look at it"),
    Decision("C", "comment", "Comment", "the remark", "Add a remark"),
)  # fmt: skip
BINDINGS: list[BindingType] = [
    Binding(
        one.key,
        f"decide('{one.kind}')",
        one.title,
        show=one.kind in {"ack", "resolve"},
        id=f"finding.{one.kind}",
        tooltip=one.about,
    )
    for one in DECISIONS
]
BY_KIND = {one.kind: one for one in DECISIONS}
UNTIL = "until when: 2027-01-31, 2027-01-31T18:00, or from now 30d; nothing: for good"
NEEDED = REASONED | {"assign", "comment"}  # nobody could judge them later without


def decide(screen: "BaseScreen", kind: str, ids: Sequence[str]) -> None:
    """Ask what has to be asked, and take the decision down for all findings or none."""
    if screen.otsec.readonly:
        screen.otsec.complain("this otsec only reads; nothing can be decided here")
        return
    if not ids:
        return
    one = BY_KIND[kind]
    title = f"{one.title} {counted(len(ids), 'finding')}"

    def take_down(text: str, until: int = 0) -> None:
        screen.ask(
            "decide",
            lambda _: _take_down(screen, kind, ids, text.strip(), until),
            lambda count: _decided(screen, one, count, until),
        )

    def use(text: str | None) -> None:
        if text is None:
            return
        if kind != "accept":
            take_down(text)
            return

        def end(line: str | None) -> None:
            if line is not None:
                take_down(text, _until(line, screen.otsec.zone))

        screen.app.push_screen(
            LineDialog(f"{title} {UNTIL}", check=_check_end(screen.otsec.zone)), end
        )

    if not one.asked:
        take_down("")
        return
    from otsec.tui.dialogs import LineDialog  # noqa: PLC0415 - only who asks pays

    screen.app.push_screen(LineDialog(f"{title}: {one.asked}", check=_check(kind)), use)


def _until(line: str, zone: tzinfo) -> int:
    """When an acceptance ends, in ns; 0: never. Raises UsageError."""
    return deadline(line.strip(), zone, time.time_ns()) if line.strip() else 0


def _check_end(zone: tzinfo) -> Callable[[str], str]:
    """What is wrong with the end of an acceptance."""

    def check(line: str) -> str:
        try:
            _until(line, zone)
        except UsageError as error:
            return str(error)
        return ""

    return check


def _check(kind: str) -> Callable[[str], str]:
    """What is wrong with what was said."""

    def check(text: str) -> str:
        missing = kind in NEEDED and not text.strip()
        return "say it, for whoever looks at it in a year" if missing else ""

    return check


def word_of(name: str, reason: str) -> "Word":
    """Who decides, when, where and why."""
    from otsec.detect.cases import Word  # noqa: PLC0415 - in the thread

    return Word(who(name or None, START_WITH), login(), platform.node(), time.time_ns(), reason)


def _take_down(screen: "BaseScreen", kind: str, ids: Sequence[str], text: str, until: int) -> int:
    """Write it in one short transaction, over what others decided meanwhile."""
    from otsec.detect.cases import cases_of, decided  # noqa: PLC0415 - in the thread
    from otsec.store import open_store  # noqa: PLC0415
    from otsec.store.acts import record  # noqa: PLC0415

    said = kind in {"assign", "comment"}
    word = word_of(screen.otsec.who, "" if said else text)
    with open_store(screen.otsec.path, create=False) as store:
        acts = [
            decided(case, cast("FindingAct", kind), word, text if said else "", until)
            for case in cases_of(store, ids)
        ]
        record(store, acts)
    return len(acts)


def _decided(screen: "BaseScreen", one: Decision, count: int, until: int) -> None:
    end = f", until {time_text(until, screen.otsec.zone)}" if until else ""
    screen.notify(f"{one.title}: {counted(count, 'finding')}{end}")
    table = getattr(screen, "table", None)
    if table is not None:
        table.marked.clear()
    screen.otsec.look()
    screen.load(again=True)
