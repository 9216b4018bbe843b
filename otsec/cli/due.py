"""``otsec report run --due``: writes, signs and delivers what schedules ask for by now."""

import json
import time
from argparse import Namespace
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from otsec import processes
from otsec.cli import options
from otsec.cli.output import say
from otsec.errors import Exit

if TYPE_CHECKING:
    from otsec.config import Config
    from otsec.schedule.delivering import Sent
    from otsec.schedule.running import Outcome, Produce, Task

NICENESS = 10  # listening comes first
MOST_BYTES = 256 << 20  # of the last report that is compared with


def run(arguments: Namespace) -> int:
    """Work off what is due, once; exit code 1 if a report could not be made or delivered."""
    config = options.configured(arguments, "db", "rules")
    outcome, sent = worked_off(config, arguments)
    if not arguments.quiet:
        for line in told(outcome, sent):
            say(line)
    return Exit.FINDINGS if outcome.failed or any(one.error for one in sent) else Exit.FINE


def worked_off(config: "Config", arguments: Namespace) -> "tuple[Outcome, list[Sent]]":
    """What was written and sent. Does nothing while another program is at it."""
    from otsec.schedule import alerts, delivering, recorded, running
    from otsec.store import open_store

    with running.locked(config.store) as mine, open_store(config.store, create=False) as store:
        if not mine:
            return running.Outcome(busy=True), []
        processes.step_behind(NICENESS)
        recorded.configuration(store, config, time.time_ns())
        outcome = running.work(store, producer(config, arguments), time.time_ns)
        sent = delivering.work(store, config.delivery, time.time_ns)
        outcome.alerts = alerts.raised(store, config)
        return outcome, sent


def told(outcome: "Outcome", sent: "list[Sent]") -> list[str]:
    """What was done, a line each."""
    if outcome.busy:
        return ["another otsec is working off the schedules of this store"]
    lines = [f"{one.schedule}: wrote {one.folder}" for one in outcome.done]
    for one in outcome.failed:
        again = "given up" if one.state == "failed" else "will be tried again"
        lines.append(f"{one.schedule}: {one.error}; {again}")
    for way in sent:
        result = f"not sent to {way.target}: {way.error}" if way.error else f"sent to {way.target}"
        lines.append(f"{way.schedule}: {result}")
    if outcome.missed:
        lines.append(f"{outcome.missed:,} missed; `otsec schedule runs --state missed` lists them")
    lines += [f"finding {one.short}: {one.title}. {one.seen}" for one in outcome.alerts]
    if outcome.retired:
        lines.append(f"{outcome.retired:,} older than is kept: their manifests stay")
    return lines or ["nothing is due"]


def producer(config: "Config", arguments: Namespace) -> "Produce":
    """Makes the reports of a run, as `otsec report run` would."""
    from otsec.cli import parse, report

    def produce(task: "Task") -> Mapping[str, Any]:
        schedule = task.schedule
        words = ["report", "run", *schedule.kinds.split(","), "--format", schedule.formats]
        words += ["-q", "-o", str(task.folder), "--db", str(config.store)]
        if arguments.config is not None:
            words += ["--config", str(arguments.config)]
        if getattr(arguments, "rules", None) is not None:
            words += ["--rules", str(arguments.rules)]
        return report.scheduled(parse([*words, *json.loads(schedule.options)]), task)

    return produce


def last(task: "Task", kind: str, framework: str) -> dict[str, Any] | None:
    """The report of this kind in the run before; None where there is none to compare with."""
    if task.last is None:
        return None
    path = task.last / f"{kind}-{framework}.json"
    path = path if path.exists() else task.last / f"{kind}.json"
    try:
        if path.stat().st_size > MOST_BYTES:
            return None
        found = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    right = isinstance(found, dict) and str(found.get("schema", "")).startswith("otsec-report/")
    return found if right else None
