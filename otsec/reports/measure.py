"""How quick reports are on a store, and how much memory they take: `otsec bench --reports`.

Each figure comes from a process of its own, as each report of a user does: memory that one kind
took would else stay with the process and count for all that follow.
"""

import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from time import process_time
from typing import Any, Final, NamedTuple

from otsec.detect.cases import cases
from otsec.errors import UsageError
from otsec.memory import no_cycles, peak_bytes
from otsec.policy import templates
from otsec.policy.reading import read
from otsec.reports.formats import Manner, finished, write
from otsec.reports.kinds import KINDS, made
from otsec.reports.subject import Order, Subject
from otsec.store import open_store

TOGETHER, PDF = ("json", "html", "csv"), ("pdf",)
WANTED_S = {TOGETHER: 10.0, PDF: 30.0}
WANTED_MB = 500.0
POLICY = "water-plant"  # where none is given: the segmentation report wants one
FRAMEWORK = "iec-62443-3-3"
FORK: Final = "fork"  # a process begins with what this one has loaded, and as small as this one is


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


class Took(NamedTuple):
    """What making some reports took."""

    seconds: float  # of CPU
    peak: int  # bytes
    written: int  # bytes


def measure(path: Path, order: Order, ways: Ways, *, pdf: bool) -> list[Measured]:
    """All figures: of each kind by itself, and of all of them in one run."""
    if FORK not in multiprocessing.get_all_start_methods():
        raise UsageError("bench --reports: this system does not fork processes")
    about = _apart(lambda: _worst(path, order.site))
    policy = order.policy or read(templates.text(POLICY)).policy
    whole = replace(order, policy=policy, about=about, framework=FRAMEWORK)
    kinds = [kind for kind in KINDS if kind != "incident" or about]
    found: list[Measured] = []
    for kind in kinds:
        for formats in (TOGETHER, *((PDF,) if pdf else ())):
            found += _figures(path, whole, [kind], formats, ways)
    return [*found, *_figures(path, whole, kinds, TOGETHER, ways)]


def _worst(path: Path, site: str) -> str:
    """The gravest finding of a site; empty: there is none."""
    with open_store(path, readonly=True) as store:
        return next((one.finding.id for one in cases(store) if one.finding.site == site), "")


def _figures(
    path: Path, order: Order, kinds: Sequence[str], formats: tuple[str, ...], ways: Ways
) -> Iterator[Measured]:
    """CPU and memory of a run; the bar is for each kind by itself."""
    name = f"{kinds[0] if len(kinds) == 1 else 'all kinds in one run'} as {', '.join(formats)}"
    ways.tell(name)
    took: Took = _apart(lambda: _run(path, order, kinds, formats, ways))
    alone = len(kinds) == 1
    seconds, most = (WANTED_S[formats], WANTED_MB) if alone else (None, None)
    yield Measured(f"{name} ({took.written / 1e6:.1f} MB), CPU", took.seconds, "s", seconds)
    yield Measured(f"{name}, memory", took.peak / 1e6, "MB", most if formats == TOGETHER else None)


def _run(
    path: Path, order: Order, kinds: Sequence[str], formats: Sequence[str], ways: Ways
) -> Took:
    """Make reports, as `otsec report run` does."""
    written = 0
    with open_store(path, readonly=True) as store, no_cycles():
        subject = Subject(store, order)
        for kind in kinds:
            document = made(subject, kind, ways.clean)
            if kind == kinds[-1]:
                subject.forget()
            report = finished(document)
            for name in formats:
                written += sum(len(content) for _, content in write(report, name, ways.manner))
    return Took(process_time(), peak_bytes(), written)


def _apart(work: Callable[[], Any]) -> Any:
    """What a function gives in a process of its own. Raises RuntimeError where it gives nothing."""
    context = multiprocessing.get_context(FORK)
    mine, theirs = context.Pipe(duplex=False)
    process = context.Process(target=lambda: theirs.send(work()))
    process.start()
    theirs.close()
    try:
        return mine.recv()
    except EOFError:
        raise RuntimeError("a process that measured has ended without a figure") from None
    finally:
        process.join()
