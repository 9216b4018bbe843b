"""How quick reports are on a store, and how much memory they take: `otsec bench --reports`."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from time import process_time
from typing import NamedTuple

from otsec.detect.cases import cases
from otsec.memory import no_cycles, peak_bytes
from otsec.policy import templates
from otsec.policy.reading import read
from otsec.reports.formats import Manner, finished, write
from otsec.reports.kinds import KINDS, made
from otsec.reports.subject import Order, Subject
from otsec.store import Store

TOGETHER = ("json", "html", "csv")
TOGETHER_S, TOGETHER_MB, PDF_S = 10.0, 500.0, 30.0
POLICY = "water-plant"  # where none is given: the segmentation report wants one
FRAMEWORK = "iec-62443-3-3"


class Measured(NamedTuple):
    """One figure: its name, value and unit, and what it should be at most."""

    name: str
    value: float
    unit: str
    wanted: float | None = None


class Ways(NamedTuple):
    """How texts are made harmless, and numbers told."""

    clean: Callable[[str], str]
    manner: Manner
    tell: Callable[[str], None]


def measure(store: Store, order: Order, ways: Ways, *, pdf: bool) -> list[Measured]:
    """All figures; each kind is made as in a run of its own, and then all of them in one."""
    whole = _whole(store, order)
    found: list[Measured] = []
    with no_cycles():
        for kind in _kinds(whole):
            for formats, wanted in ((TOGETHER, TOGETHER_S), *(((("pdf",), PDF_S),) if pdf else ())):
                ways.tell(f"{kind} as {', '.join(formats)}")
                found.append(_kind(Subject(store, whole), kind, formats, ways, wanted))
        found.append(Measured("most memory there was", peak_bytes() / 1e6, "MB", TOGETHER_MB))
        shared = Subject(store, whole)  # what `otsec report run` does with several kinds
        ways.tell(f"all kinds as {', '.join(TOGETHER)}, in one run")
        one_run = [_kind(shared, kind, TOGETHER, ways, None) for kind in _kinds(whole)]
    found.append(Measured("all kinds in one run, CPU", sum(one.value for one in one_run), "s"))
    return [*found, Measured("most memory then", peak_bytes() / 1e6, "MB")]


def _kinds(order: Order) -> Iterator[str]:
    return (kind for kind in KINDS if kind != "incident" or order.about)


def _whole(store: Store, order: Order) -> Order:
    """The order with what some kinds must be told."""
    worst = next((one.finding.id for one in cases(store) if one.finding.site == order.site), "")
    policy = order.policy or read(templates.text(POLICY)).policy
    return replace(order, policy=policy, about=worst, framework=FRAMEWORK)


def _kind(
    subject: Subject, kind: str, formats: Sequence[str], ways: Ways, wanted: float | None
) -> Measured:
    begin = process_time()
    report = finished(made(subject, kind, ways.clean))
    size = sum(len(content) for name in formats for _, content in write(report, name, ways.manner))
    spent = process_time() - begin
    told = ", ".join(formats)
    return Measured(f"{kind} as {told} ({size / 1e6:.1f} MB), CPU", spent, "s", wanted)
