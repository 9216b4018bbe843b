"""Runs the captures that test a rule through the whole pipeline, into a scratch store."""

import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from otsec.config import Config
from otsec.detect.judging import found_in
from otsec.detect.model import Rule, Trial
from otsec.pipeline import Options, Run, plan_sources
from otsec.store import Store, open_store
from otsec.store.findings import Finding

SHARED = "shared:"  # captures that do not come with otsec, below a folder that the user names


@dataclass(frozen=True, slots=True)
class Result:
    """What a capture showed of a rule."""

    rule: Rule
    kind: str  # fires, near_miss, quiet
    trial: Trial
    found: int
    problem: str  # empty: as it should be
    skipped: str = ""  # why it could not be run


class Captures:
    """Finds captures by the names that rules use."""

    def __init__(self, own: Path, shared: Path | None) -> None:
        """``own``: the folder of the captures that come with the rules; ``shared``: of others."""
        self.own, self.shared = own, shared

    def path(self, name: str) -> Path | None:
        """Where a capture lies; None where it is not here."""
        if name.startswith(SHARED):
            found = self.shared / name.removeprefix(SHARED) if self.shared else None
        else:
            found = self.own / name
        return found if found is not None and found.exists() else None


def try_rules(rules: Sequence[Rule], captures: Captures) -> Iterator[Result]:
    """Each test of each rule; a capture is read once for all rules that use it."""
    wanted: dict[str, list[tuple[Rule, str, Trial]]] = {}
    for rule in rules:
        for kind in ("fires", "near_miss", "quiet"):
            for trial in getattr(rule, kind):
                wanted.setdefault(trial.capture, []).append((rule, kind, trial))
    for name, trials in sorted(wanted.items()):
        path = captures.path(name)
        if path is None:
            for rule, kind, trial in trials:
                yield Result(rule, kind, trial, 0, "", f"{name} is not here")
            continue
        asked = list({rule.id: rule for rule, _, _ in trials}.values())
        found = found_by(path, asked)
        for rule, kind, trial in trials:
            yield _result(rule, kind, trial, found.get(rule.id, []))


def found_by(path: Path, rules: Sequence[Rule]) -> Mapping[str, list[Finding]]:
    """What rules find in a capture, by the rule's id."""
    found: dict[str, list[Finding]] = {}
    with (
        tempfile.TemporaryDirectory(prefix="otsec-") as folder,
        open_store(Path(folder) / "scratch.db") as store,
    ):
        read(store, [path])
        for finding, _ in found_in(store, rules):
            found.setdefault(finding.rule, []).append(finding)
    return found


def read(store: Store, paths: Iterable[Path]) -> None:
    """Read captures into a store as `otsec analyze` does."""
    run = Run(store, Config(store=store.path), Options(), lambda *_: None, lambda: False)
    for _ in run.read(plan_sources(list(paths), None), named=False):
        pass


def _result(rule: Rule, kind: str, trial: Trial, found: Sequence[Finding]) -> Result:
    problem = ""
    if len(found) != trial.findings:
        problem = f"{len(found)} findings, expected {trial.findings}"
    for name, value in trial.where.items():
        told = [str(getattr(one, name, None)) for one in found]
        if any(one != value for one in told):
            problem = problem or f"{name} is {', '.join(told)}, expected {value}"
    return Result(rule, kind, trial, len(found), problem)
