"""``otsec report``: pages and files for people who were not there."""

import json
import sys
import time
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, tzinfo
from pathlib import Path
from typing import TYPE_CHECKING, Any

from otsec import whole
from otsec.cli import due, options, verified
from otsec.cli.harmless import harmless
from otsec.cli.output import Column, bytes_text, duration_text, say, style_of, time_text, write
from otsec.errors import InputError, UsageError

if TYPE_CHECKING:
    from otsec.config import Config
    from otsec.controls.inputs import Inputs
    from otsec.reports.formats import Manner
    from otsec.reports.redaction import Redaction
    from otsec.reports.subject import Order, Subject
    from otsec.schedule.running import Task
    from otsec.store import Store

STDOUT = Path("-")
CONTROLLED = frozenset({"evidence", "executive"})  # kinds that tell of control rows
REDACTED = ("ip", "hostname", "user")
ACTIONS = {
    "run": "write reports",
    "kinds": "list the kinds of reports and who reads each",
    "assessment": "write the assessment: one page, the same as `run assessment`",
    "verify": "check a folder of scheduled reports: who signed it, every file, the chain of runs",
}
EPILOG = """\
otsec report run executive --format html,pdf -o reports/
otsec report run findings inventory --period 2026-01 --format json,csv -o reports/
otsec report run segmentation --policy site-policy.yaml -o segmentation.html
otsec report run incident --finding 4b8d41b0 -o -
otsec report run --due                 # what schedules ask for by now; see otsec schedule --help

-o names a file (its ending tells the format), a folder, or - for standard output. Without it the
files are written here. csv is a file a table in a folder, and one archive as a file.
--period: 2026, 2026-Q1, 2026-01, 2026-W05, 2026-01-31, 30d (back from the last packet), or
A..B of these; days are the site's. --last FILE: the JSON of the last report, to compare with.
--redact: pseudonyms for ip, hostname, user, or those of them that are named.
"""
KIND_COLUMNS = (
    Column("name", "kind", about="what `otsec report run` takes"),
    Column("reader", "for", about="who reads it"),
    Column("about", "what", about="what stands in it"),
    Column("needs", "needs", about="what must be named"),
)


def configure(parser: ArgumentParser) -> None:
    """Arguments of the command."""
    for name, action in options.actions(parser, ACTIONS):
        if name == "kinds":
            options.formats(action)
        elif name == "verify":
            verified.configure(action)
        else:
            _run_arguments(action, several=name == "run")


def _run_arguments(parser: ArgumentParser, *, several: bool) -> None:
    if several:
        parser.add_argument(
            "kinds", nargs="*", metavar="KIND", help="which ones; otsec report kinds lists them"
        )
        parser.add_argument(
            "--due", action="store_true", help="those that schedules ask for by now, and no others"
        )
        parser.epilog = EPILOG
    parser.add_argument(
        "--format", metavar="F,F", help="html (default), json, pdf, csv, md, xlsx, docx, oscal"
    )
    parser.add_argument("-o", "--output", type=Path, metavar="PATH", help="file, folder or -")
    parser.add_argument("--period", metavar="P", help="the time it covers (default: all)")
    of_what(parser)
    parser.add_argument(
        "--last", type=Path, metavar="FILE", help="JSON of the last report, to compare with"
    )
    parser.add_argument(
        "--key", type=Path, metavar="FILE",
        help="the secret of the pseudonyms, made where it is missing (default: beside the store)",
    )  # fmt: skip
    options.store(parser)
    options.rules(parser)
    parser.add_argument(
        "--utc", action="store_true", help="times in UTC instead of the site's zone"
    )


def of_what(parser: ArgumentParser) -> None:
    """What a report is about; schedules take the same."""
    parser.add_argument("--framework", default="", metavar="F", help="of an evidence report")
    parser.add_argument(
        "--inputs", type=Path, metavar="FILE",
        help="what the site says for its controls (default: compliance.yaml of the site)",
    )  # fmt: skip
    parser.add_argument("--policy", type=Path, metavar="FILE", help="zones and conduits")
    parser.add_argument(
        "--finding",
        "--incident",
        dest="about",
        default="",
        metavar="ID",
        help="of an incident report",
    )
    parser.add_argument(
        "--tlp", type=_tlp, default="AMBER", metavar="MARK",
        help="traffic light: CLEAR, GREEN, AMBER (default), AMBER+STRICT, RED",
    )  # fmt: skip
    parser.add_argument(
        "--redact", nargs="?", const=",".join(REDACTED), metavar="WHAT",
        help="write pseudonyms for addresses, names and people",
    )  # fmt: skip
    parser.add_argument(
        "--site", metavar="NAME", help="the site (default: that of otsec.yaml, else the only one)"
    )


def _tlp(text: str) -> str:
    from otsec.reports.document import TLPS

    word = text.upper().removeprefix("TLP:")
    if word not in TLPS:
        raise ArgumentTypeError(f"no mark {text!a}; there are: {', '.join(TLPS)}")
    return word


def run(arguments: Namespace) -> int:
    """Write what is asked."""
    if arguments.action == "kinds":
        return _kinds(arguments)
    if arguments.action == "verify":
        return verified.run(arguments)
    from otsec.schedule import recorded
    from otsec.store import open_store

    if getattr(arguments, "due", False):
        return due.run(arguments)
    kinds = getattr(arguments, "kinds", ["assessment"])
    _check(kinds, arguments)
    formats = _formats(arguments)
    config = options.configured(arguments, "db", "rules")
    with open_store(config.store, readonly=True) as store:
        from otsec.reports.subject import Subject

        subject = Subject(store, _order(arguments, config, store))
        hidden = _redaction(arguments, subject)
        shown = UTC if arguments.utc else config.zone()
        hashes = _give(
            arguments,
            _files(subject, kinds, formats, manner(shown), hidden, arguments.output, last=True),
        )
    recorded.exported(config.store, ",".join(kinds), hashes, time.time_ns())
    return 0


def kind_rows() -> list[Namespace]:
    """The kinds of reports, each with what it needs."""
    from otsec.reports.kinds import KINDS, needs

    return [
        Namespace(name=one.name, reader=one.reader, about=one.about, needs=needs(one.name))
        for one in KINDS.values()
    ]


def _kinds(arguments: Namespace) -> int:
    write("reports", KIND_COLUMNS, kind_rows(), style_of(arguments, UTC), sys.stdout)
    return 0


def _check(kinds: Sequence[str], arguments: Namespace) -> None:
    from otsec.reports.kinds import KINDS

    if not kinds:
        raise UsageError("report run: name a KIND (otsec report kinds lists them), or say --due")
    for kind in kinds:
        if kind not in KINDS:
            hint = options.nearest(kind, [*KINDS]) or f"; there are: {', '.join(KINDS)}"
            raise UsageError(f"no KIND {kind!a}{hint}")
    if arguments.key is not None and arguments.redact is None:
        raise UsageError("--key: only --redact needs it")


def _formats(arguments: Namespace) -> list[str]:
    """The formats asked for: by name, else by the ending of the output."""
    from otsec.reports.formats import FORMATS

    if arguments.format is not None:
        names: list[str] = arguments.format.split(",")
        for name in names:
            if name not in FORMATS:
                hint = options.nearest(name, [*FORMATS]) or f"; there are: {', '.join(FORMATS)}"
                raise UsageError(f"--format: no {name!a}{hint}")
        return names
    path = str(arguments.output or "")
    meant = [one for one in FORMATS.values() if path.endswith(one.suffix)]
    if not meant and path.endswith(".zip"):
        return ["csv"]
    return [max(meant, key=lambda one: len(one.suffix)).name] if meant else ["html"]


# ---------------------------------------------------------------------------------- order


def _order(arguments: Namespace, config: "Config", store: "Store") -> "Order":
    from otsec.cli import policy
    from otsec.reports.period import period
    from otsec.reports.subject import Order
    from otsec.store.queries import sources

    site = one_site(store, arguments.site, config.site)
    zone = config.zone()
    newest = max((one.last_time for one in sources(store) if one.site == site), default=0)
    chosen = None if arguments.policy is None else policy.loaded(arguments.policy)
    versions = _versions(config)
    if chosen is not None:
        versions["policy"] = chosen.digest[:16]
    return Order(
        site=site,
        zone=zone,
        period=None if arguments.period is None else period(arguments.period, zone, newest),
        asked=arguments.period or "",
        tlp=arguments.tlp,
        framework=arguments.framework,
        about=arguments.about,
        policy=chosen,
        inputs=_inputs(arguments, config),
        last=None if arguments.last is None else _last(arguments.last),
        versions=versions,
    )


def scheduled(arguments: Namespace, task: "Task") -> dict[str, Any]:
    """Write the reports of a run of a schedule into its folder; what its manifest tells of them."""
    from zoneinfo import ZoneInfo

    from otsec.differences import Period
    from otsec.reports.subject import Subject
    from otsec.store import open_store

    _check(arguments.kinds, arguments)
    formats = _formats(arguments)
    config = options.configured(arguments, "db", "rules")
    zone = ZoneInfo(task.schedule.zone)
    period = Period(task.run.begin, task.run.end) if task.run.end else None
    with open_store(config.store, readonly=True) as store:
        order = replace(
            _order(arguments, config, store), zone=zone, period=period, asked=task.run.period
        )
        subject = Subject(store, order)
        hidden, counts = _redaction(arguments, subject), _counts(subject)
        for number, kind in enumerate(arguments.kinds, 1):
            subject.order = replace(order, last=due.last(task, kind, order.framework))
            last = number == len(arguments.kinds)
            for name, content in _files(
                subject, [kind], formats, manner(zone), hidden, arguments.output, last=last
            ):
                whole.write(arguments.output / name, content)
    return {
        "site": order.site,
        "kinds": arguments.kinds,
        "tlp": order.tlp,
        "versions": dict(order.versions),
        "counts": counts,
    }


def _counts(subject: "Subject") -> dict[str, int]:
    """What a notice may tell without a report: numbers, and no name."""
    levels = [case.finding.level for case in subject.open]
    found = {f"Open findings, {level}": levels.count(level) for level in ("critical", "high")}
    return {"Devices": len(subject.assets), "Open findings": len(levels), **found}


def _inputs(arguments: Namespace, config: "Config") -> "Inputs | None":
    """What the site says for its controls; only reports that tell of these ask."""
    if not CONTROLLED & set(getattr(arguments, "kinds", ())):
        return None
    from otsec.controls import inputs

    return inputs.load(arguments.inputs or inputs.find(config))


def _versions(config: "Config") -> dict[str, str]:
    """Of the tool, the rules and the lists that a report was made with."""
    import hashlib

    from otsec import __version__
    from otsec.detect import attack
    from otsec.detect.loading import folders

    digest = hashlib.sha256()
    for folder in folders(config.rules):
        for path in sorted(folder.rglob("*.y*ml")):
            name = path.relative_to(folder).as_posix()
            digest.update(f"{name} {hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return {
        "otsec": __version__,
        "rules": digest.hexdigest()[:16],
        "ATT&CK for ICS": attack.version(),
    }


def _last(path: Path) -> dict[str, Any]:
    """The last report. Raises InputError where it is none."""
    try:
        found = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read as JSON: {error}") from None
    if not isinstance(found, dict) or not str(found.get("schema", "")).startswith("otsec-report/"):
        raise InputError(f"{path}: is no report of otsec; name its .json")
    return found


def one_site(store: "Store", asked: str | None, configured: str) -> str:
    """The site to report on."""
    from otsec.store.queries import sources

    sites = sorted({one.site for one in sources(store)})
    if not sites:
        raise UsageError("report: the store holds no captures; see otsec analyze")
    if asked is None:
        if configured in sites:
            return configured
        if len(sites) == 1:
            return sites[0]
    elif asked in sites:
        return asked
    wrong = "" if asked is None else f"no site {asked!a}; "
    raise UsageError(f"report: {wrong}say --site, one of: {', '.join(map(ascii, sites))}")


def _redaction(arguments: Namespace, subject: "Subject") -> "Redaction | None":
    if arguments.redact is None:
        return None
    from otsec.evidence.pseudonyms import secret
    from otsec.reports.redaction import redaction

    classes = arguments.redact.split(",")
    for one in classes:
        if one not in REDACTED:
            raise UsageError(f"--redact: no {one!a}; there are: {', '.join(REDACTED)}")
    path = subject.store.path
    file = arguments.key or path.with_name(f"{path.name}.pseudonyms.key")
    key, fresh = secret(file)
    if fresh:
        say(f"{file}: the key of the pseudonyms, new; keep it here, and give it to nobody")
    return redaction(subject, key, classes)


# --------------------------------------------------------------------------------- writing


def manner(zone: tzinfo) -> "Manner":
    """How reports tell numbers and times."""
    from otsec.reports.formats import Manner

    def told(ns: int) -> str:
        text = time_text(ns, zone)
        return f"{text[:10]} {text[11:19]}{text[23:]}".replace("+00:00", "Z")

    return Manner(told, bytes_text, duration_text)


Files = Iterator[tuple[str, bytes]]


def _files(
    subject: "Subject",
    kinds: Sequence[str],
    formats: Sequence[str],
    shown: "Manner",
    hidden: "Redaction | None",
    output: Path | None,
    *,
    last: bool,
) -> Files:
    """The files of all reports, each made when it is asked for.

    ``last``: no more is asked of the subject, so that what it read gives way to what is written.
    """
    from otsec.memory import no_cycles
    from otsec.reports.formats import FORMATS, archive, finished
    from otsec.reports.formats import write as rendered
    from otsec.reports.kinds import made

    apart = output is None or _is_folder(output)
    with no_cycles():
        for number, kind in enumerate(kinds, 1):
            document = made(subject, kind, harmless, hidden)
            if last and number == len(kinds):
                subject.forget()
            report = finished(document)
            for name in formats:
                files = rendered(report, name, shown)
                if name == "csv" and not apart:
                    yield f"{report.document.name}{FORMATS[name].suffix}", archive.zipped(files)
                else:
                    yield from files


def _is_folder(path: Path) -> bool:
    return path.is_dir() or (path.suffix == "" and not path.exists())


def _give(arguments: Namespace, files: Files) -> dict[str, str]:
    """Write files to standard output, one file, or into a folder; gives the SHA-256 of each."""
    import hashlib

    output: Path | None = arguments.output
    hashes: dict[str, str] = {}
    if output == STDOUT:
        for number, (name, content) in enumerate(files):
            if number or not name.endswith((".html", ".json", ".md")):
                raise UsageError(
                    "-o -: standard output takes one report as html, json, md or oscal"
                )
            sys.stdout.buffer.write(content)
            hashes[name] = hashlib.sha256(content).hexdigest()
        return hashes
    told: list[str] = []
    folder = Path() if output is None else output if _is_folder(output) else None
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
    for name, content in files:
        if folder is None and told:
            raise UsageError(f"{output}: is one file; name a folder for several reports or formats")
        path = folder / name if folder is not None else arguments.output
        whole.write(path, content)
        hashes[name] = hashlib.sha256(content).hexdigest()
        told.append(f"otsec: wrote {path}, {bytes_text(len(content))}")
    if not arguments.quiet:
        say("\n".join(told))
    return hashes
