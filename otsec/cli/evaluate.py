"""``otsec evaluate``: what is found of labelled episodes, how soon, and how often nothing was there."""

import json
import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from otsec.cli import listing, options
from otsec.cli.output import Column, duration_text, say, style_of, time_text, write
from otsec.errors import UsageError
from otsec.nanoseconds import HOUR_NS, SECOND_NS, WEEK_NS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import tzinfo

    from otsec.changes.records import Record
    from otsec.config import Config
    from otsec.detect.model import Rule
    from otsec.evaluation.replay import Alert
    from otsec.evaluation.scoring import Score, Share
    from otsec.store import Store

DAY_US = 86_400_000_000
STEP = "1h"
METHODS = ("rules", "lists", "values", "identity", "silence", "timing", "order", "outages")
LEAST_STEP_NS = 10 * SECOND_NS

COLUMNS = (
    Column("begin", "from", "time", "when it began", value=lambda one: one.episode.begin),
    Column("episode", "episode", about="as the labels call it", value=lambda one: one.episode.name),
    Column("by", "by", about="unknown or known while learning", value=lambda one: one.who),
    Column("verdict", "result", about="found, missed; of what is benign: named, not named, false alert"),
    Column("delay", "delay", "duration", "from its beginning to the first packet of an alert", value=lambda one: one.delay_us),
    Column("technique", "ATT&CK", about="the technique, if an alert names it", value=lambda one: one.episode.technique if one.technique else ""),
    Column("told", "told as", "list", "the findings that tell of it", value=lambda one: one.told),
)  # fmt: skip
ALERTS = (
    Column("time", "when", "time", "of the first packet that shows it"),
    Column("level", "level", value=lambda one: one.finding.level),
    Column("title", "finding", value=lambda one: one.finding.title),
    Column("client", "by", value=lambda one: one.finding.client),
    Column("server", "to", value=lambda one: one.finding.server),
    Column("seen", "seen", value=lambda one: one.finding.seen),
)
BY_METHOD = (
    Column("name", "method"),
    Column("alerts", "alerts", "number"),
    Column("attacks", "attacks found", "number"),
    Column("alone", "by it alone", "number"),
    Column("false", "false alerts", "number"),
)
NARROW = ("technique", "by")

EPILOG = """\
The captures (of one point, in order of time) are read into a scratch store. Until --learn-until all
is learned; then learning ends everywhere, complete or not, and after each step of capture time the
store is judged. An alert is a finding of level medium or above that comes up, or comes up again
after eight quiet hours; what came again and again while learning counts as accepted. An attack is
found by an alert about one of its hosts from a second before it to a minute behind it, or within
the hour that an alert is about; every alert outside of every attack is false. The bounds are of 95 % confidence: Wilson for shares, the exact
one of Poisson for false alerts a day.

--changes takes the table that `otsec change import` takes. It is entered when learning ends, so
that names stand for who was there by then; what it announces is expected, and calls nobody.

The labels are a table with tabs and these columns: episode, from, to (ISO 8601), kind (attack or
benign), name (kinds of findings that would tell it rightly, with | between; empty for what is
benign: nothing should be told; expected: all of it was announced; unlinked: a change that nobody
announced), technique (T0836), hosts (addresses with commas, the one who acts
first). See docs/evaluation.md.

methods: """ + ", ".join(METHODS)  # fmt: skip


def configure(parser: ArgumentParser) -> None:
    """Arguments of the command."""
    parser.add_argument(
        "captures", nargs="+", metavar="CAPTURE", help="pcap or pcapng, or a folder"
    )
    parser.add_argument(
        "--labels", type=Path, required=True, metavar="FILE", help="what happened in them"
    )
    parser.add_argument(
        "--changes", type=Path, metavar="FILE", help="what was announced, as for change import"
    )
    parser.add_argument(
        "--learn-until",
        metavar="TIME",
        help="learn what is before (default: 7 days behind the first packet, to the hour)",
    )
    parser.add_argument(
        "--step", default=STEP, metavar="SPAN", help=f"judge each: 10m, 1h, 1d (default {STEP})"
    )
    parser.add_argument(
        "--methods", metavar="A,B,...", help="switch on only these, see below (default: all)"
    )
    options.rules(parser)
    options.formats(parser)
    parser.epilog = EPILOG


def run(arguments: Namespace) -> int:
    """Replay and score."""
    import tempfile

    from otsec.cli.progress import Progress
    from otsec.evaluation.labels import read
    from otsec.evaluation.replay import replay
    from otsec.evaluation.scoring import score
    from otsec.store import open_store

    config = options.configured(arguments, "rules")
    zone = config.zone()
    episodes = read(arguments.labels, zone)
    paths = [Path(name) for name in arguments.captures]
    wanted = _methods(arguments.methods)
    rules = _rules(config) if wanted is None or "rules" in wanted else []
    until, step = _until(arguments.learn_until, paths, zone), _step(arguments.step)
    announce = _announcing(arguments.changes, config, until)
    with (
        tempfile.TemporaryDirectory(prefix="otsec-") as folder,
        open_store(Path(folder) / "scratch.db") as store,
        Progress(None, quiet=bool(arguments.quiet)) as progress,
    ):
        heard = replay(store, config, paths, rules, until, step, progress.update, announce)
    _write(arguments, score(heard, episodes, wanted), zone)
    return 0


def _rules(config: "Config") -> "Sequence[Rule]":
    from otsec.detect.loading import folders, load

    loaded = load(folders(config.rules))
    for problem in loaded.problems:
        say(f"otsec: {problem} (left out; see otsec rules check)")
    return loaded.rules


def _methods(text: str | None) -> frozenset[str] | None:
    if text is None:
        return None
    found = frozenset(one.strip() for one in text.split(",") if one.strip())
    for one in sorted(found):
        if one not in METHODS:
            hint = options.nearest(one, list(METHODS))
            raise UsageError(f"--methods: no method {one!a}{hint or '; see --help'}")
    return found


def _announcing(
    path: Path | None, config: "Config", time: int
) -> "Callable[[Store], list[Record]]":
    """Enters the records of a table into a store. Raises what is wrong with the table itself."""
    from otsec.cli.change import rows_of, take_in
    from otsec.detect.cases import Word

    if path is None:
        return lambda _: []
    rows = rows_of(path)
    word = Word("otsec evaluate", "", "", time, f"announced in {path.name}")
    return lambda store: take_in(store, path, rows, config, word)


def _until(text: str | None, paths: "Sequence[Path]", zone: "tzinfo") -> int:
    from otsec.capture import times
    from otsec.pipeline import plan_sources

    def spans() -> "list[tuple[int | None, int | None]]":
        return [
            times(path) for source in plan_sources(list(paths), None) for path in source.captures
        ]

    if text is None:
        first = min((begin for begin, _ in spans() if begin is not None), default=0)
        return (first + WEEK_NS) // HOUR_NS * HOUR_NS  # steps are whole hours then, as figures are
    return listing.moment(
        text, zone, lambda: max((end for _, end in spans() if end is not None), default=0)
    )


def _step(text: str) -> int:
    from datetime import UTC

    step = -listing.moment(text, UTC, lambda: 0) if text[:1].isdigit() and "-" not in text else 0
    if step < LEAST_STEP_NS:
        raise UsageError(f"--step: expected 10m, 1h or 1d, at least 10s, found {text!a}")
    return step


# ------------------------------------------------------------------------------ what is told


def _write(arguments: Namespace, told: "Score", zone: "tzinfo") -> None:
    style = style_of(arguments, zone)
    if style.format == "json":
        sys.stdout.write(json.dumps(_plain(told, style.zone), indent=2) + "\n")
        return
    if style.format != "table":
        write("evaluate", COLUMNS, told.results, style, sys.stdout)
        return
    from otsec.cli.page import Page

    page = Page(style, sys.stdout)
    page.head("Episodes")
    page.table(COLUMNS, told.results, len(told.results), spare=NARROW)
    page.head("False alerts")
    if told.false:
        page.table(ALERTS, told.false, len(told.false), spare=("seen",))
    else:
        page.text("none")
    page.head("By method")
    page.table(BY_METHOD, told.methods, len(told.methods))
    page.head("Sum")
    for line in _sum(told):
        page.item(line)


def _sum(told: "Score") -> "list[str]":
    lines = [
        f"attacks by who was unknown, found: {_share(told.attacks(known=False))}",
        f"attacks by who was known, found: {_share(told.attacks(known=True))}",
        f"attacks whose technique an alert names: {_share(told.techniques)}",
        f"benign episodes told rightly: {_share(told.benign)}",
        (
            f"false alerts: {len(told.false)} in {duration_text(round(told.days * DAY_US))}, "
            f"{told.false_a_day:.2f} a day, with 95 % confidence at most {told.at_most:.2f}"
        ),
    ]
    if told.expected:
        lines.append(f"findings that were announced, and called nobody: {told.expected}")
    delays = sorted(
        one.delay_us for one in told.results if one.episode.attack and one.delay_us is not None
    )
    if delays:
        lines.append(f"delay of the middle attack: {duration_text(delays[len(delays) // 2])}")
    lines.append(
        f"learning was ended for {told.left_open} of {told.devices} scopes before it was complete"
    )
    return lines


def _share(one: "Share") -> str:
    if not one.all:
        return "there are none"
    low, high = one.interval
    return f"{one.of} of {one.all} ({100 * low:.0f} to {100 * high:.0f} %)"


def _plain(told: "Score", zone: "tzinfo") -> "dict[str, Any]":
    """The score as JSON."""

    def share(one: "Share") -> "dict[str, Any]":
        low, high = one.interval
        return {"of": one.of, "all": one.all, "low": round(low, 4), "high": round(high, 4)}

    def alert(one: "Alert") -> "dict[str, Any]":
        finding = one.finding
        return {
            "time": time_text(one.time, zone), "told": time_text(one.told, zone),
            "id": finding.id, "name": finding.name, "level": finding.level,
            "client": finding.client, "server": finding.server, "seen": finding.seen,
            "change": one.change,
        }  # fmt: skip

    return {
        "kind": "evaluate",
        "unknown": share(told.attacks(known=False)),
        "known": share(told.attacks(known=True)),
        "techniques": share(told.techniques),
        "benign": share(told.benign),
        "false_alerts": len(told.false),
        "expected": told.expected,
        "days": round(told.days, 3),
        "false_a_day": round(told.false_a_day, 4),
        "false_a_day_at_most": round(told.at_most, 4),
        "scopes": told.devices,
        "scopes_left_open": told.left_open,
        "methods": [
            {"name": one.name, "alerts": one.alerts, "attacks": one.attacks, "alone": one.alone,
             "false": one.false}
            for one in told.methods
        ],
        "episodes": [
            {
                "episode": one.episode.name, "begin": time_text(one.episode.begin, zone),
                "end": time_text(one.episode.end, zone), "attack": one.episode.attack,
                "known": one.known, "verdict": one.verdict, "named": one.named,
                "technique": one.technique, "delay_us": one.delay_us,
                "alerts": [alert(each) for each in one.alerts],
                "others": [alert(each) for each in one.others],
            }
            for one in told.results
        ],
        "false": [alert(one) for one in told.false],
    }  # fmt: skip
