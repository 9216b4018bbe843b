"""What is decided of findings, taken down as acts: who, where, when, what held before, why."""

import platform
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple, cast

from textual.binding import Binding, BindingType

from otsec.cli.triage import REASONED
from otsec.health.verdict import counted
from otsec.login import login, who
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
    Decision("A", "accept", "Accept", "why, by whose leave, and until when", "The risk is known and taken"),
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
NEEDED = REASONED | {"assign", "comment"}  # nobody could judge them later without


def decide(screen: "BaseScreen", kind: str, ids: Sequence[str]) -> None:
    """Ask what has to be asked, and take the decision down for all findings or none."""
    if screen.otsec.readonly:
        screen.otsec.complain("this otsec only reads; nothing can be decided here")
        return
    if not ids:
        return
    one = BY_KIND[kind]

    def use(text: str | None) -> None:
        if text is not None:
            screen.ask(
                "decide",
                lambda _: _take_down(screen, kind, ids, text.strip()),
                lambda count: _decided(screen, one, count),
            )

    if not one.asked:
        use("")
        return
    from otsec.tui.dialogs import LineDialog  # noqa: PLC0415 - only who asks pays

    title = f"{one.title} {counted(len(ids), 'finding')}: {one.asked}"
    screen.app.push_screen(LineDialog(title, check=_check(kind)), use)


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


def _take_down(screen: "BaseScreen", kind: str, ids: Sequence[str], text: str) -> int:
    """Write it in one short transaction, over what others decided meanwhile."""
    from otsec.detect.cases import cases_of, decided  # noqa: PLC0415 - in the thread
    from otsec.store import open_store  # noqa: PLC0415
    from otsec.store.acts import record  # noqa: PLC0415

    said = kind in {"assign", "comment"}
    word = word_of(screen.otsec.who, "" if said else text)
    with open_store(screen.otsec.path, create=False) as store:
        acts = [
            decided(case, cast("FindingAct", kind), word, text if said else "")
            for case in cases_of(store, ids)
        ]
        record(store, acts)
    return len(acts)


def _decided(screen: "BaseScreen", one: Decision, count: int) -> None:
    screen.notify(f"{one.title}: {counted(count, 'finding')}")
    table = getattr(screen, "table", None)
    if table is not None:
        table.marked.clear()
    screen.otsec.look()
    screen.load(again=True)
