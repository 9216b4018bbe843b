"""``otsec schedule``: which reports are written when, what came of it, and who works it off."""

import json
import os
import sys
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from otsec import processes
from otsec.cli import listing, options, report
from otsec.cli.output import Column, say, style_of, write
from otsec.errors import ConfigError, UsageError

if TYPE_CHECKING:
    from otsec.config import Config
    from otsec.store import Store
    from otsec.store.schedules import Run, Schedule

ACTIONS = {
    "list": "list the schedules, when each ran last and runs next",
    "add": "add a schedule, or replace the one of that name",
    "remove": "take a schedule away; its reports stay",
    "next": "tell the next due times",
    "runs": "list the runs: written, waiting, failed, missed, and where each lies",
    "retry": "let runs that failed or were missed be made after all",
    "hold": "keep the reports of a schedule, whatever its retention says",
    "release": "take a hold back",
    "cron": "print the line for crontab that works off what is due",
    "serve": "work off what is due until stopped, where neither systemd nor cron does",
}
EPILOGS = {
    "add": """\
otsec schedule add weekly "every monday 07:00" executive findings --format html,pdf
otsec schedule add audit monthly evidence --framework nerc-cip --to auditor --keep-days 1095
otsec schedule add shift "0 6,14,22 * * *" changes --covers since --zone Europe/Berlin

WHEN: daily 06:00, every weekday 06:00, every monday 07:00, weekly, monthly, monthly 15 06:00,
monthly last, quarterly, yearly, hourly, or five fields of cron; in the zone of the site.
A report covers the whole day, week, month, quarter or year before its due time, however late it
is written; with cron it covers the time since the due time before (--covers).
--to names targets in `delivery` of otsec.yaml. Nothing is due before somebody works it off:
otsec-report.timer for systemd, `otsec schedule cron`, or `otsec schedule serve`.
""",
    "serve": """\
Every minute it runs `otsec report run --due` in a process of its own, with low priority and a
time limit; SIGTERM and Ctrl-C end it behind the report that is being written.
""",
}
SAYING = frozenset({"add", "remove", "retry", "hold", "release"})
CATCH_UP = ("last", "all", "none")
DAYS_KEPT = 1096  # three years, as NERC asks of evidence
EVERY_S = 60
LIMIT_S = 3600  # one pass of `serve`
COUNT = 3


class Row:
    """A schedule with its last and next run."""

    def __init__(self, schedule: "Schedule", runs: "Sequence[Run]", following: int) -> None:
        done = [one for one in runs if one.state in {"done", "retired"}]
        self.schedule = schedule
        self.last = done[-1].due if done else None
        self.next = following
        self.waiting = sum(one.state in {"waiting", "running"} for one in runs)
        self.failed = sum(one.state == "failed" for one in runs)
        self.missed = sum(one.state == "missed" for one in runs)


def _of(name: str) -> Callable[[Any], Any]:
    return lambda row: getattr(row.schedule, name)


def _kept(row: Row) -> str:
    one = row.schedule
    if one.hold:
        return "hold"
    parts = [f"{one.keep_count} runs"] * bool(one.keep_count)
    return ", ".join([*parts, *[f"{one.keep_days} days"] * bool(one.keep_days)]) or "all"


LIST = (
    Column("name", "name", about="of the schedule", value=_of("name")),
    Column("words", "when", about="in the words of who added it", value=_of("words")),
    Column("kinds", "reports", about="kinds", value=_of("kinds")),
    Column("last", "last", "time", "due time of the last one written"),
    Column("next", "next", "time", "when it is due next"),
    Column("waiting", "waiting", "number", "due and not written yet"),
    Column("failed", "failed", "number", "given up after three tries"),
    Column("missed", "missed", "number", "due while nobody worked it off"),
    Column("kept", "kept", about="how long", value=_kept),
    Column("targets", "to", about="targets in otsec.yaml", value=_of("targets")),
    Column("formats", "formats", about="of each report", detail=True, value=_of("formats")),
    Column("cron", "cron", about="when, as cron", detail=True, value=_of("cron")),
    Column("zone", "zone", about="time zone", detail=True, value=_of("zone")),
    Column("span", "covers", about="the period", detail=True, value=_of("span")),
    Column("catch_up", "catch-up", about="of missed runs", detail=True, value=_of("catch_up")),
    Column("folder", "folder", about="of its runs", detail=True, value=_of("folder")),
    Column("options", "options", about="further words", detail=True, value=_of("options")),
)
NEXT = (
    Column("schedule", "name", about="of the schedule"),
    Column("due", "due", "time", "when"),
    Column("period", "covers", about="the period of the report"),
)


def _late(run: "Run") -> int | None:
    return max(0, run.started - run.due) // 1000 if run.started else None


RUNS = (
    Column("schedule", "schedule", about="by name"),
    Column("due", "due", "time", "when it was due"),
    Column("state", "state", about="waiting, running, done, failed, missed, retired"),
    Column("period", "covers", about="the period"),
    Column("late", "late", "duration", "how long behind the due time it began", value=_late),
    Column("tries", "tries", "number", "how often it was tried"),
    Column("error", "why not", about="why the last try failed"),
    Column("folder", "folder", about="where it lies"),
    Column("number", "run", "number", "its number in the chain", detail=True),
    Column("manifest", "manifest", about="SHA-256", detail=True),
    Column(
        "started",
        "started",
        "time",
        "when the last try began",
        detail=True,
        value=lambda run: run.started or None,
    ),
    Column(
        "ended",
        "ended",
        "time",
        "when it came to an end",
        detail=True,
        value=lambda run: run.ended or None,
    ),
)


# ------------------------------------------------------------------------------- arguments


def configure(parser: ArgumentParser) -> None:
    """Arguments of the command."""
    for name, action in options.actions(parser, ACTIONS):
        action.epilog = EPILOGS.get(name, "")
        options.store(action)
        if name in SAYING:
            action.add_argument("name", metavar="NAME", help="of the schedule")
            action.add_argument("--by", metavar="WHO", help="who says so (default: the login name)")
            action.add_argument("--reason", metavar="TEXT", default="", help="why")
        if name in {"list", "next", "runs"}:
            action.add_argument("names", nargs="*", metavar="NAME", help="only these")
            options.formats(action)
        if name == "add":
            _add_arguments(action)
        if name == "next":
            action.add_argument("-n", type=int, default=COUNT, metavar="N", help="how many of each")
        if name == "runs":
            action.add_argument(
                "--state", metavar="STATE", help="waiting, running, done, failed, missed, retired"
            )
        if name == "retry":
            action.add_argument("--due", metavar="TIME", help="only the one that was due then")


def _add_arguments(action: ArgumentParser) -> None:
    action.add_argument("when", metavar="WHEN", help="in words or as cron, see below")
    action.add_argument("kinds", nargs="+", metavar="KIND", help="otsec report kinds lists them")
    action.add_argument("--format", default="html", metavar="F,F", help="beside json (html)")
    action.add_argument("--zone", metavar="ZONE", help="time zone (default: the site's)")
    action.add_argument("--covers", metavar="SPAN", help="hour, day, week, month, ..., since, all")
    action.add_argument(
        "--catch-up", choices=CATCH_UP, default="last", help="which missed runs are made good"
    )
    action.add_argument("--keep-count", type=int, default=0, metavar="N", help="keep so many runs")
    action.add_argument(
        "--keep-days", type=int, default=DAYS_KEPT, metavar="N",
        help=f"keep a run so long; 0: for ever (default: {DAYS_KEPT})",
    )  # fmt: skip
    action.add_argument("--folder", type=Path, metavar="FOLDER", help="(default: reports/)")
    action.add_argument("--to", default="", metavar="T,T", help="targets, by name in otsec.yaml")
    report.of_what(action)


# ------------------------------------------------------------------------------- listings


def run(arguments: Namespace) -> int:
    """Do what is asked."""
    return DOING[arguments.action](arguments)


def rows(store: "Store", names: Sequence[str] = ()) -> list[Row]:
    """The schedules of these names, all without any. Raises UsageError for one that is not there."""
    from otsec.store.schedules import runs_of

    found = [(one, runs_of(store, one.name)) for one in _named(store, names)]
    return [Row(one, met, _following(one, 1, met)[0]) for one, met in found]


def _list(arguments: Namespace) -> int:
    from otsec.store import open_store

    config = options.configured(arguments, "db")
    with open_store(config.store, readonly=True) as store:
        found = rows(store, arguments.names)
    write(
        "schedules", _shown(LIST, arguments), found, style_of(arguments, config.zone()), sys.stdout
    )
    if not found and not arguments.format and not arguments.quiet:
        say("no schedules; see `otsec schedule add --help`")
    return 0


def _next(arguments: Namespace) -> int:
    from zoneinfo import ZoneInfo

    from otsec.schedule.times import covered, latest_dues
    from otsec.store import open_store
    from otsec.store.schedules import runs_of

    if not 1 <= arguments.n <= 1000:
        raise UsageError("-n: write a number from 1 to 1000")
    config = options.configured(arguments, "db")
    rows = []
    with open_store(config.store, readonly=True) as store:
        for one in _named(store, arguments.names):
            zone = ZoneInfo(one.zone)
            following = _following(one, arguments.n, runs_of(store, one.name))
            before = latest_dues(one.cron, zone, 0, following[0] - 1, 1)
            for due in following:
                _, period = covered(one.span, due, before[-1] if before else due, zone)
                rows.append(Namespace(schedule=one.name, due=due, period=period or "all"))
                before = [due]
    rows.sort(key=lambda row: (row.due, row.schedule))
    write("schedule next", NEXT, rows, style_of(arguments, config.zone()), sys.stdout)
    return 0


def _runs(arguments: Namespace) -> int:
    from otsec.store import open_store
    from otsec.store.schedules import runs

    config = options.configured(arguments, "db")
    with open_store(config.store, readonly=True) as store:
        found = [
            one
            for one in runs(store)
            if (not arguments.names or one.schedule in arguments.names)
            and arguments.state in {None, one.state}
        ]
    write(
        "schedule runs",
        _shown(RUNS, arguments),
        found,
        style_of(arguments, config.zone()),
        sys.stdout,
    )
    return 0


def _shown(columns: Sequence[Column], arguments: Namespace) -> list[Column]:
    """Those for people; machines get all."""
    return [one for one in columns if arguments.format or not one.detail]


def _following(schedule: "Schedule", count: int, met: "Sequence[Run]" = ()) -> list[int]:
    """The due times to come, without those that were met while the clock stood ahead."""
    from zoneinfo import ZoneInfo

    from otsec.schedule.times import next_dues

    now = time.time_ns()
    done = {run.due for run in met if run.due > now and run.state in {"done", "retired"}}
    dues = next_dues(schedule.cron, ZoneInfo(schedule.zone), now, count + len(done))
    return [due for due in dues if due not in done][:count]


def _named(store: "Store", names: Sequence[str]) -> "list[Schedule]":
    from otsec.store.schedules import schedules

    found = schedules(store)
    for name in names:
        _one([one.name for one in found], name)
    return [one for one in found if not names or one.name in names]


def _one(known: list[str], name: str) -> None:
    if name not in known:
        there = f"there are: {', '.join(known)}" if known else "there are none"
        raise UsageError(f"no schedule {name!a}{options.nearest(name, known) or f'; {there}'}")


# ------------------------------------------------------------------------------- changing


def _add(arguments: Namespace) -> int:
    from otsec.cli.triage import word_of
    from otsec.schedule import recorded
    from otsec.store import open_store
    from otsec.store.schedules import put_schedule, schedules

    config = options.configured(arguments, "db")
    word = word_of(arguments)
    schedule = _schedule(arguments, config, word.time)
    with open_store(config.store, create=False) as store:
        before = {one.name: one for one in schedules(store)}.get(schedule.name)
        told = "" if before is None else json.dumps(before._asdict(), sort_keys=True)
        act = recorded.act(
            "schedule", word.time, word.who, schedule.name, told,
            json.dumps(schedule._asdict(), sort_keys=True), word.reason,
        )  # fmt: skip
        if before is not None:
            schedule = schedule._replace(since=before.since, hold=before.hold)
        put_schedule(store, schedule, act)
    if not arguments.quiet:
        from zoneinfo import ZoneInfo

        from otsec.cli.output import time_text

        zone = ZoneInfo(schedule.zone)
        due = ", ".join(time_text(one, zone)[:16] for one in _following(schedule, COUNT))
        say(f"{schedule.name}: next {due} ({schedule.zone}), covers {schedule.span}")
    return 0


def _schedule(arguments: Namespace, config: "Config", now: int) -> "Schedule":
    """The schedule that the arguments mean, each checked as it will be used."""
    import re

    from otsec.config import checked_zone
    from otsec.reports.formats import FORMATS
    from otsec.reports.kinds import KINDS, NAMED, needs
    from otsec.schedule import places
    from otsec.schedule.times import SPANS, cron_of
    from otsec.store.schedules import Schedule

    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", arguments.name):
        raise UsageError(f"schedule {arguments.name!a}: name it with letters, digits, . _ and -")
    cron, span = cron_of(arguments.when)
    formats = ["json", *[one for one in arguments.format.split(",") if one != "json"]]
    for kind in arguments.kinds:
        _known("KIND", kind, list(KINDS))
        if kind in NAMED and not (getattr(arguments, NAMED[kind]) or _configured(kind, config)):
            raise UsageError(f"report {kind}: say {needs(kind)}")
    for one in formats:
        _known("--format", one, list(FORMATS))
    span = arguments.covers or span
    _known("--covers", span, list(SPANS))
    targets = [one for one in arguments.to.split(",") if one]
    for one in targets:
        _known("--to: target of otsec.yaml", one, list(config.delivery))
    if arguments.keep_count < 0 or arguments.keep_days < 0:
        raise UsageError("--keep-count and --keep-days: 0 or more")
    try:
        zone = checked_zone(arguments.zone or config.time_zone)
    except ConfigError as error:
        raise UsageError(f"--zone: {error}") from None
    folder = arguments.folder or places.reports(config.store)
    return Schedule(
        name=arguments.name,
        words=" ".join(arguments.when.split()),
        cron=cron,
        zone=zone,
        kinds=",".join(dict.fromkeys(arguments.kinds)),
        formats=",".join(dict.fromkeys(formats)),
        span=span,
        options=json.dumps(_options(arguments)),
        folder=str(folder.absolute()),
        targets=",".join(targets),
        catch_up=arguments.catch_up,
        keep_count=arguments.keep_count,
        keep_days=arguments.keep_days,
        hold=0,
        since=now,
    )


def _configured(kind: str, config: "Config") -> bool:
    """Whether the configuration names what a kind cannot be made without."""
    return kind == "segmentation" and config.policy is not None


def _known(what: str, word: str, known: list[str]) -> None:
    if word not in known:
        there = f"there are: {', '.join(known)}" if known else "there are none"
        raise UsageError(f"no {what} {word!a}{options.nearest(word, known) or f'; {there}'}")


def _options(arguments: Namespace) -> list[str]:
    """What the report is about, as words of `otsec report run`."""
    words = []
    for name, option in (
        ("framework", "--framework"),
        ("inputs", "--inputs"),
        ("policy", "--policy"),
        ("about", "--finding"),
        ("tlp", "--tlp"),
        ("redact", "--redact"),
        ("site", "--site"),
    ):
        if value := getattr(arguments, name):
            words += [option, str(value.absolute() if isinstance(value, Path) else value)]
    return words


def _remove(arguments: Namespace) -> int:
    from otsec.store.schedules import remove_schedule

    def remove(store: "Store", schedule: "Schedule", act: Any) -> str:
        remove_schedule(store, schedule.name, act)
        return "removed; its reports stay"

    return _changed(arguments, "remove", remove)


def _hold(arguments: Namespace) -> int:
    from otsec.store.schedules import put_schedule

    held = arguments.action == "hold"

    def hold(store: "Store", schedule: "Schedule", act: Any) -> str:
        put_schedule(store, schedule._replace(hold=int(held)), act)
        return "nothing of it is deleted" if held else "kept as its schedule says"

    return _changed(arguments, arguments.action, hold)


def _retry(arguments: Namespace) -> int:
    from zoneinfo import ZoneInfo

    from otsec.store.schedules import put_runs, runs_of

    def retry(store: "Store", schedule: "Schedule", act: Any) -> str:
        due = (
            listing.moment(arguments.due, ZoneInfo(schedule.zone), time.time_ns)
            if arguments.due
            else None
        )
        again = [
            one._replace(state="waiting", tries=0, next_try=0, error="")
            for one in runs_of(store, schedule.name)
            if one.state in {"failed", "missed"} and due in {None, one.due}
        ]
        put_runs(store, again, acts=[act] if again else [])
        return f"{len(again)} will be made; `otsec report run --due` does it"

    return _changed(arguments, "retry", retry)


def _changed(
    arguments: Namespace, what: str, change: "Callable[[Store, Schedule, Any], str]"
) -> int:
    from otsec.cli.triage import word_of
    from otsec.schedule import alerts, recorded
    from otsec.store import open_store

    config = options.configured(arguments, "db")
    word = word_of(arguments)
    with open_store(config.store, create=False) as store:
        (schedule,) = _named(store, [arguments.name])
        act = recorded.act("schedule", word.time, word.who, schedule.name, "", what, word.reason)
        told = change(store, schedule, act)
        alerts.raised(store, config)
    if not arguments.quiet:
        say(f"{schedule.name}: {told}")
    return 0


# ------------------------------------------------------------------------------- working off


def _command(config: "Config") -> list[str]:
    words = processes.words(processes.OTSEC, "report", "run", "--due", "-q")
    words += ["--db", str(config.store.absolute())]
    if config.path is not None:
        words += ["--config", str(config.path.absolute())]
    return words


def _cron(arguments: Namespace) -> int:
    """The line; `%` means a new line there."""
    import shlex

    config = options.configured(arguments, "db")
    command = shlex.join(_command(config)).replace("%", r"\%")
    print(f"*/15 * * * * {command}")  # noqa: T201 - what was asked for
    return 0


def _serve(arguments: Namespace) -> int:
    import subprocess

    from otsec.cli.signals import listening

    config = options.configured(arguments, "db")
    command = _command(config)
    with listening() as stop:
        while not stop.stop_requested():
            begun = time.monotonic()
            try:
                subprocess.run(  # noqa: S603 - otsec itself
                    command, check=False, timeout=LIMIT_S, start_new_session=os.name == "posix"
                )
            except subprocess.TimeoutExpired:
                say(f"otsec: what was due took longer than {LIMIT_S} s; it is tried again")
            while not stop.stop_requested() and time.monotonic() - begun < EVERY_S:
                time.sleep(0.2)
    return 0


DOING: dict[str, Callable[[Namespace], int]] = {
    "list": _list,
    "add": _add,
    "remove": _remove,
    "next": _next,
    "runs": _runs,
    "retry": _retry,
    "hold": _hold,
    "release": _hold,
    "cron": _cron,
    "serve": _serve,
}
