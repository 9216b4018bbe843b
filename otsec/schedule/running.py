"""Working off what is due: none is lost, none is made twice, whoever is killed and whenever.

One program at a time holds the lock of the store; the system lets go of it when that program dies,
so a run that is `running` while we hold the lock was cut short. A report is written into a hidden
folder, signed, renamed, and then taken down as done: cut short before the rename it is made anew
(of the same store the same bytes), behind it the folder is taken over as it is.
"""

import os
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from otsec import __version__
from otsec.errors import OtsecError, StorageError
from otsec.nanoseconds import DAY_NS, SECOND_NS
from otsec.schedule import manifest, places, recorded, sshsig
from otsec.schedule.times import covered, latest_dues
from otsec.store import Store
from otsec.store import schedules as kept
from otsec.store.acts import head as head_of_acts
from otsec.store.findings import Finding
from otsec.store.schedules import Delivery, Run, Schedule

MOST_DUE = 10_000  # due times looked back at; a week of one a minute
MOST_TRIES = 3
RETRY_NS = 300 * SECOND_NS  # before the second try; three times as long before the next
LATE_NS = 3600 * SECOND_NS  # what is produced later than this says so


@dataclass(frozen=True, slots=True)
class Task:
    """One run as its producer needs it."""

    schedule: Schedule
    run: Run
    folder: Path  # to write into
    last: Path | None  # the folder of the run before


Produce = Callable[[Task], Mapping[str, Any]]  # writes reports; gives what the manifest tells


@dataclass(slots=True)
class Outcome:
    """What was done."""

    done: list[Run] = field(default_factory=list)
    failed: list[Run] = field(default_factory=list)
    missed: int = 0
    retired: int = 0
    alerts: list[Finding] = field(default_factory=list)  # findings that are new by it
    busy: bool = False  # another program was at it


@contextmanager
def locked(store: Path) -> Iterator[bool]:
    """Whether this is the only program that works off schedules of the store."""
    path = places.lock(store)
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise StorageError(f"{path}: cannot be written: {error.strerror}") from error
    try:
        yield _lock(handle)
    finally:
        os.close(handle)


def _lock(handle: int) -> bool:
    try:
        if sys.platform == "win32":
            import msvcrt  # noqa: PLC0415

            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl  # noqa: PLC0415

            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


# ---------------------------------------------------------------------------------- planning


def plan(store: Store, now: int) -> int:
    """Take down every due time up to now; gives how many were missed."""
    missed = 0
    for schedule in kept.schedules(store):
        fresh = [*_early(store, schedule, now), *_fresh(store, schedule, now)]
        missed += sum(one.state == "missed" for one in fresh)
        if fresh:
            kept.put_runs(store, fresh)
    return missed


def _early(store: Store, schedule: Schedule, now: int) -> list[Run]:
    """Runs that were missed by a clock that stood ahead of now: they wait for their time."""
    mine = kept.runs_of(store, schedule.name)
    return [
        one._replace(state="waiting", recorded=now, error="")
        for one in mine
        if one.state == "missed" and one.recorded > now
    ]


def _fresh(store: Store, schedule: Schedule, now: int) -> list[Run]:
    mine = kept.runs_of(store, schedule.name)
    known = {one.due for one in mine}
    after = max([schedule.since, *(due for due in known if due <= now)])
    zone = ZoneInfo(schedule.zone)
    found = latest_dues(schedule.cron, zone, after, now, MOST_DUE)
    made = [_run(schedule, due, zone, now) for due in found]
    if schedule.catch_up == "all" or not made:
        return made
    *missed, last = made
    if schedule.catch_up == "none" and now - last.due > LATE_NS:
        missed.append(last)
        made = []
    else:
        made = [last]
    why = "otsec was not there when it was due"
    return [one._replace(state="missed", error=why) for one in missed] + made


def _run(schedule: Schedule, due: int, zone: ZoneInfo, now: int) -> Run:
    before = latest_dues(schedule.cron, zone, 0, due - 1, 1) if schedule.span == "since" else []
    period, name = covered(schedule.span, due, before[0] if before else due, zone)
    begin, end = (0, 0) if period is None else period
    return Run(schedule.name, due, "waiting", now, name, begin, end)


# ---------------------------------------------------------------------------------- running


def work(store: Store, produce: Produce, now: Callable[[], int]) -> Outcome:
    """Write all reports that are due, and retire those that are old; the lock is held."""
    outcome = Outcome()
    for run in kept.runs(store):
        if run.state == "running":
            kept.put_runs(store, [run._replace(state="waiting", error="was cut short")])
    outcome.missed = plan(store, now())
    by_name = {one.name: one for one in kept.schedules(store)}
    for run in kept.runs(store):
        if run.state == "waiting" and run.due <= now() and run.next_try <= now():
            schedule = by_name.get(run.schedule)
            if schedule is not None:
                ended = _one(store, schedule, run, produce, now)
                (outcome.done if ended.state == "done" else outcome.failed).append(ended)
    outcome.retired = retire(store, now())
    return outcome


def _one(
    store: Store, schedule: Schedule, run: Run, produce: Produce, now: Callable[[], int]
) -> Run:
    """Make one report, or take down why it could not be made."""
    run = run._replace(state="running", started=now(), tries=run.tries + 1)
    kept.put_runs(store, [run])
    folder = folder_of(schedule, run)
    try:
        signer, _ = sshsig.key(places.private_key(store.path))
        if not _taken_over(store, folder, run, signer):
            _written(store, schedule, run, folder, produce, signer)
        return _done(store, schedule, run, folder, now())
    except Exception as error:  # noqa: BLE001 - one that cannot be made keeps no other from it
        return _failed(store, run, error, now())


def folder_of(schedule: Schedule, run: Run) -> Path:
    """Where the reports of a run lie."""
    due = datetime.fromtimestamp(run.due // SECOND_NS, UTC)
    return Path(schedule.folder) / schedule.name / due.strftime("%Y%m%dT%H%M%SZ")


def _taken_over(store: Store, folder: Path, run: Run, signer: sshsig.Key) -> bool:
    """Whether the folder is there, whole, from a try that was cut short behind the rename."""
    if not folder.exists():
        return False
    number, before = kept.head(store)
    if (folder / manifest.NAME).exists():
        found = manifest.checked(folder, frozenset({signer.public}))
        told = (found.manifest.get("schedule"), found.manifest.get("due"))
        if not found.wrong and told == (run.schedule, _iso(run.due)):
            if (found.chain, found.previous) == (number + 1, before):
                return True
            raise StorageError(f"{folder}: its manifest is of another chain; move it away")
    raise StorageError(f"{folder}: is there already and not of this run; move it away")


def _written(
    store: Store,
    schedule: Schedule,
    run: Run,
    folder: Path,
    produce: Produce,
    signer: sshsig.Key,
) -> None:
    part = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(mode=0o700, parents=True)
    last = [one for one in kept.runs_of(store, run.schedule) if one.state == "done"]
    before = [Path(one.folder) for one in last if one.due < run.due]
    told = produce(Task(schedule, run, part, before[-1] if before else None))
    number, previous = kept.head(store)
    acts = head_of_acts(store)
    about = {
        "schedule": run.schedule,
        "due": _iso(run.due),
        "started": _iso(run.started),
        "late_seconds": max(0, run.started - run.due) // SECOND_NS,
        "period": {"name": run.period, "begin": run.begin, "end": run.end},
        "number": number + 1,
        "previous": previous,
        "audit": {"number": acts.number, "link": acts.link},
        "otsec": __version__,
        **told,
    }
    for path in part.rglob("*"):
        if path.is_file():
            _to_disk(path)
    manifest.written(part, about, signer)
    _to_disk(part)
    part.rename(folder)
    _to_disk(folder.parent)


def _to_disk(path: Path) -> None:
    """Wait until it outlasts a power cut; Windows cannot open folders."""
    if os.name != "posix" and path.is_dir():
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _done(store: Store, schedule: Schedule, run: Run, folder: Path, now: int) -> Run:
    number, _ = kept.head(store)
    digest, _ = manifest.digest(folder / manifest.NAME)
    done = run._replace(
        state="done",
        ended=now,
        error="",
        next_try=0,
        folder=str(folder),
        number=number + 1,
        manifest=digest,
    )
    targets = [one for one in schedule.targets.split(",") if one]
    act = recorded.act(
        "export", now, f"schedule {run.schedule}", schedule.kinds, "", digest,
        f"due {_iso(run.due)}, {run.period or 'all'}, run {number + 1}",
    )  # fmt: skip
    deliver = [Delivery(run.schedule, run.due, one) for one in targets]
    kept.put_runs(store, [done], deliver=deliver, acts=[act])
    return done


def _failed(store: Store, run: Run, error: Exception, now: int) -> Run:
    told = str(error) if isinstance(error, OtsecError) else f"{type(error).__name__}: {error}"
    final = run.tries >= MOST_TRIES
    failed = run._replace(
        state="failed" if final else "waiting",
        ended=now if final else 0,
        next_try=now + RETRY_NS * 3 ** (run.tries - 1),
        error=" ".join(told.split())[:500],
    )
    kept.put_runs(store, [failed])
    return failed


# ---------------------------------------------------------------------------------- keeping


def retire(store: Store, now: int) -> int:
    """Take away the files of runs that are older than their schedule keeps; gives how many.

    Manifests stay, signed, so that the chain can be followed past them.
    """
    count = 0
    for schedule in kept.schedules(store):
        for run in _old(schedule, kept.runs_of(store, schedule.name), now):
            if any(one.state == "waiting" for one in _sending(store, run)):
                continue
            signer, _ = sshsig.key(places.private_key(store.path))
            folder = Path(run.folder)
            if (folder / manifest.NAME).exists():
                manifest.retire(folder, {"time": _iso(now), "schedule": run.schedule}, signer)
            act = recorded.act(
                "retention", now, f"schedule {run.schedule}", schedule.kinds, run.manifest, "",
                f"due {_iso(run.due)}: older than is kept",
            )  # fmt: skip
            kept.put_runs(store, [run._replace(state="retired")], acts=[act])
            count += 1
    return count


def _sending(store: Store, run: Run) -> Sequence[Delivery]:
    return [
        one for one in kept.deliveries(store) if (one.schedule, one.due) == (run.schedule, run.due)
    ]


def _old(schedule: Schedule, runs: Sequence[Run], now: int) -> list[Run]:
    if schedule.hold:
        return []
    done = [one for one in runs if one.state == "done"]
    many = done[: -schedule.keep_count] if schedule.keep_count else []
    aged = [
        one for one in done if schedule.keep_days and now - one.due > schedule.keep_days * DAY_NS
    ]
    return [one for one in done if not one.hold and (one in many or one in aged)]


def _iso(ns: int) -> str:
    return datetime.fromtimestamp(ns // SECOND_NS, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
