"""``otsec audit``: what people said, decided and announced, reports, settings, tests; its chain."""

import json
import sys
from argparse import ArgumentParser, Namespace
from datetime import UTC
from typing import TYPE_CHECKING

from otsec.cli import options
from otsec.cli.output import Column, say, style_of, time_text, write
from otsec.errors import Exit, UsageError

if TYPE_CHECKING:
    from otsec.config import Config
    from otsec.store.acts import Act
    from otsec.store.chain import Head

VERIFY = ["verify"]
EPILOG = """\
otsec audit verify                    # follow the chain: is each act as it was recorded
otsec audit verify --head 214:9c1f..  # and does it still hold what it held when this was noted

Each act is linked by a hash to the one before. A row that was changed, deleted or slipped in past
otsec is named, and the exit code is 1. Whoever can write the store could link all of it anew:
keep the head that is told elsewhere. Every scheduled report holds it, signed.
"""


WHAT = {
    "baseline": "baseline",
    "inventory": "inventory",
    "policy": "policy",
    "attest": "control",
    "config": "settings",
    "export": "report",
    "schedule": "schedule",
    "retention": "report",
}


def _subject(act: "Act") -> str:
    """What it is about: the finding, an address of the asset, the rules, or a thing of the baseline."""
    if not act.asset:
        return act.finding or act.attribute
    return str(json.loads(act.asset)[-1])


def _what(act: "Act") -> str:
    if (what := WHAT.get(act.kind) or WHAT.get(act.kind.partition("-")[0])) is not None:
        return what
    if act.finding:
        return f"until {act.attribute}" if act.attribute else "finding"
    if act.kind.startswith("change-"):
        return "record"
    return "rules" if not act.asset else act.attribute or "asset"


def _held(act: "Act", text: str) -> str:
    """What held; of a record where, when and what, in words."""
    if not act.kind.startswith("change-") or not text:
        return text
    said = json.loads(text)
    ends = [time_text(said[name], UTC) for name in ("begin", "end") if name in said]
    where = said.get("zone") or ", ".join(said.get("assets", ())) or said.get("site", "")
    told = [where, " to ".join(ends), ", ".join(said.get("allowed", ()))]
    return "; ".join(one for one in told if one)


COLUMNS = (
    Column("number", "no.", "number", "in the order in which it was said"),
    Column("time", "when", "time", "by the clock of the machine"),
    Column("who", "who", about="who said it"),
    Column("login", "login", about="the login name"),
    Column("host", "on", about="the machine"),
    Column("kind", "what", about="the decision"),
    Column("subject", "of", about="the finding, or an address of the asset", value=_subject),
    Column("attribute", "attribute", about="what of it", value=_what),
    Column("before", "before", about="what held before", value=lambda act: _held(act, act.before)),
    Column("after", "after", about="what holds since", value=lambda act: _held(act, act.after)),
    Column("reason", "why", about="in the person's words"),
)


def configure(parser: ArgumentParser) -> None:
    """Arguments of the command."""
    parser.add_argument(
        "words", nargs="*", metavar="TEXT",
        help="only acts that hold all of these; `verify` alone: follow the chain of hashes",
    )  # fmt: skip
    parser.add_argument(
        "--head", action="append", default=[], metavar="N:LINK",
        help="of verify: a head that was noted, which the chain must still hold",
    )  # fmt: skip
    options.store(parser)
    parser.add_argument("--limit", type=int, metavar="N", help="only the last N")
    options.formats(parser)
    parser.epilog = EPILOG


def run(arguments: Namespace) -> int:
    """Print the acts, the oldest first."""
    from otsec.store import open_store
    from otsec.store.acts import every_act

    config = options.configured(arguments, "db")
    if arguments.words == VERIFY:
        return _verify(arguments, config)
    if arguments.head:
        raise UsageError("--head: only `otsec audit verify` takes it")
    with open_store(config.store, readonly=True) as store:
        found = [act for act in every_act(store) if _matches(act, arguments.words)]
    if arguments.limit is not None:
        found = found[-arguments.limit :] if arguments.limit > 0 else []
    style = style_of(arguments, config.zone())
    write("audit", COLUMNS, found, style, sys.stdout)
    if not found and style.format == "table" and not arguments.quiet:
        say(f"nobody has said or decided anything in {config.store}")
    return 0


BROKEN = (
    Column("number", "no.", "number", "the act"),
    Column("what", "what is wrong", about="how it differs from what was recorded"),
)


def _verify(arguments: Namespace, config: "Config") -> int:
    """Follow the chain, name each row that does not hold, tell the head."""
    from otsec.store import open_store
    from otsec.store.acts import verified

    noted = [_head(text) for text in arguments.head]
    with open_store(config.store, readonly=True) as store:
        found = verified(store, noted)
    style = style_of(arguments, config.zone())
    if found.broken or style.format != "table":
        write("audit verify", BROKEN, found.broken, style, sys.stdout)
    if not arguments.quiet:
        head = f"; head {found.head.number}:{found.head.link}" if found.head.number else ""
        acts = f"{found.acts:,} act{'' if found.acts == 1 else 's'}"
        good = "each is as it was recorded" if found.acts else "nothing is recorded yet"
        bad = f"{len(found.broken)} broken" if found.broken else ""
        say(f"{acts}: {bad or good}{head}")
    return Exit.FINDINGS if found.broken else Exit.FINE


def _head(text: str) -> "Head":
    from otsec.store.chain import Head

    number, _, link = text.partition(":")
    if not number.isdecimal() or len(number) > 18 or len(link) != 64:
        raise UsageError(f"--head {text!a}: write NUMBER:LINK, as `otsec audit verify` tells it")
    return Head(int(number), link.lower())


def _matches(act: "Act", words: list[str]) -> bool:
    told = " ".join([act.who, act.login, act.host, act.kind, _subject(act), _what(act), act.before, act.after, act.reason])  # fmt: skip
    return all(word.casefold() in told.casefold() for word in words)
