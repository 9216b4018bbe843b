"""``otsec asset``: all that is known of one device, and what people say of it."""

import io
import json
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from otsec.cli import assets, findings, listing, options, timeline
from otsec.cli.output import Column, Style, say, style_of, time_text, write
from otsec.cli.page import Page
from otsec.errors import UsageError

if TYPE_CHECKING:
    from otsec.inventory.assembly import Inventory
    from otsec.inventory.model import Asset
    from otsec.inventory.people import Word
    from otsec.store.acts import Act

SHOWN = 12  # rows of a table on the page; --json has all
SHOWN_OF = {"facts": 60, "attributes": 14}  # where it is more

EPILOG = """\
otsec asset NAME                         all that is known of it; NAME: its name, id, IP or MAC
otsec asset NAME --timeline [FILTER ...] what changed its state, the newest last
otsec asset set NAME KEY=VALUE ...       say what no packet tells; KEY= takes it back
otsec asset merge NAME OTHER             both are one device
otsec asset split NAME ADDRESS           this address is a device of its own
otsec asset import FILE.csv              take what a register says, as `otsec assets --csv` wrote it
otsec asset show NAME                    of one that is called set, merge, split or import

Whatever people say is kept for ever with who said it, when, what held before, and why.

keys of set, and columns of a register that import takes:
{keys}

filters of --timeline: KEY:VALUE or KEY=VALUE; !KEY:VALUE for all others; TEXT anywhere. Keys:
{filters}

Operations that change a device are kept one by one. Writes are counted: of one object the first and
the last are told, with how many lie between them.
"""

KEYS = {  # as inventory.people takes them; help must not import it
    "name": "what people call it",
    "role": "plc, hmi, ews, ... or unknown",
    "level": "Purdue level: 0, 1, 2, 3, 3.5, 4, 5",
    "criticality": "low, medium, high or critical",
    "presence": "always on, shift, on demand, mobile or transient",
    "owner": "who answers for it",
    "location": "where it stands",
    "cabinet": "the cabinet in which it is",
    "feed": "the power feed that supplies it",
    "asset_number": "its number in the register",
    "tags": "words for groups of the policy, with commas between",
    "vendor": "the maker",
    "model": "product or order number",
    "serial": "the serial number",
    "revision": "the firmware",
    "hostname": "the name in the network",
    "os": "the operating system",
    "services": "services that it offers, where none was seen",
    "logging": "where it logs to",
    "user_accounts": "whose accounts it has",
    "note": "anything else",
    "impact": "of NERC CIP-002: high, medium, low or none",
    "bes_class": "of NERC's glossary: bca, eacms, pacs, pca, tca or none",
    "esp": "the electronic security perimeter that it is in",
    "sl_t": "target security level of IEC 62443: 0 to 4",
    "end_of_life": "the last day on which its maker supports it",
    "backup": "how it is backed up, and how often",
    "baseline_image": "the image or project that it should run",
    "distributor": "who delivered it",
    "os_version": "the version of the operating system",
    "virtual": "physical or virtual",
    "antivirus": "what protects it from malware",
    "manufactured": "the day on which it was made",
    "hypervisor": "on what it runs, if it is virtual",
    "hypervisor_location": "where on it",
    "time_zone": "the zone of its clock",
    "monitoring": "what else watches it",
    "communication": "by what it is reached: Ethernet, radio, cellular",
}

FACTS = (
    Column("attribute", "attribute", about="what is told"),
    Column("value", "value", about="as it was sent"),
    Column("device", "of", about="the device behind the address; empty: the asset itself"),
    Column("said_by", "said by", about="a protocol, a person, the prefix of the MAC address"),
    Column("confidence", "sure", "number", "0 to 1"),
    Column("standing", "standing", about="best, also, rival or replaced"),
    Column("times", "times", "number", "how often it was said"),
    Column("first_time", "first", "time", "when first", value=lambda one: one.first.time),
    Column("last_time", "last", "time", "when last", value=lambda one: one.last.time),
    Column(
        "packet",
        "packet",
        "number",
        "that shows it last, ordinal in its source",
        value=lambda one: one.last.packet if one.last.source else None,
    ),
    Column(
        "source", "point", about="the packet's capture point", value=lambda one: one.last.source
    ),
    Column("witnesses", "witnesses", "list", "other points that saw it", detail=True),
    Column("reason", "reason", about="a person's", detail=True),
)
MODULES = (
    Column("device", "behind", about="unit or place in the rack"),
    Column("kind", "kind", about="module or unit"),
    Column("protocols", "protocols", "list", "in which it is reached"),
    Column(
        "facts",
        "facts",
        "list",
        value=lambda one: tuple(f"{known.attribute} {known.value}" for known in one.known),
    ),
)
PEERS = (
    Column("name", "peer", about="its name, or address"),
    Column("address", "address"),
    Column("way", "way", about="asks: the asset asks it; answers: it is asked"),
    Column("protocol", "protocol", about="or the service"),
    Column("packets", "packets", "number"),
    Column("last_time", "last seen", "time"),
)
WRITERS = (
    Column("client", "writer"),
    Column("device", "device"),
    Column("object", "object"),
    Column("operation", "operation"),
    Column("second_writer", "second", "flag"),
    Column("count", "count", "number"),
    Column("last_time", "last", "time"),
    Column("last_packet", "packet", "number"),
)
LOADED = (
    Column("direction", "direction"),
    Column("kind", "kind"),
    Column("name", "name"),
    Column("device", "device"),
    Column("size", "bytes", "number"),
    Column("sha256", "sha256"),
    Column("reason", "incomplete"),
    Column("changed", "changed", "flag"),
    Column("count", "count", "number"),
    Column("client", "by"),
    Column("last_time", "last", "time"),
    Column("last_packet", "packet", "number"),
)
TIMELINE = (
    Column("time", "time", "time"),
    Column("what", "what"),
    Column("who", "who"),
    Column("packet", "packet", "number"),
    Column("source", "point"),
)
CISA = (
    Column("name", "attribute"),
    Column("value", "value", value=lambda one: one.value or "unknown"),
    Column("said_by", "said by"),
    Column("confidence", "sure", "number"),
)
GUESSES = (
    Column("role", "role"),
    Column("confidence", "sure", "number"),
    Column("evidence", "because", "list"),
)
FINDINGS = tuple(
    column
    for column in findings.COLUMNS
    if column.name
    in {"short", "level", "state", "title", "client", "server", "service", "outcomes", "count"}
)
ADDRESSES = (
    Column("text", "address"),
    Column("place", "vlan", value=lambda one: one.node.place),
    Column("group", "group", value=lambda one: one.node.group),
    Column("frames", "packets", "number"),
    Column("routed", "behind router"),
    Column("told_by", "told by"),
    Column("first_time", "first", "time", value=lambda one: one.first.time),
    Column("last_time", "last", "time", value=lambda one: one.last.time),
)
JOINS = (
    Column("one", "one", value=lambda join: join.one.address),
    Column("other", "other", value=lambda join: join.other.address),
    Column("reason", "because"),
)


def configure(parser: ArgumentParser) -> None:
    """Arguments of the command."""
    parser.add_argument("words", nargs="+", metavar="WORD", help="what to do, see below")
    options.store(parser)
    parser.add_argument("--by", metavar="WHO", help="who says it (default: the login name)")
    parser.add_argument("--reason", metavar="TEXT", default="", help="why")
    options.formats(parser)
    timeline.configure(parser)
    parser.epilog = EPILOG.format(
        keys="\n".join(f"  {k:<20} {v}" for k, v in KEYS.items()),
        filters="\n".join(f"  {key:<14} {listing.FILTERS[key]}" for key in timeline.KEYS),
    )


def run(arguments: Namespace) -> int:
    """Show, or take down what a person says."""
    first, *rest = arguments.words
    if first in ACTIONS and arguments.timeline is None:
        return _say(arguments, ACTIONS[first], rest)
    if first == "show":
        arguments.words = rest
    if arguments.timeline is not None and arguments.words:
        name, *filters = arguments.words
        return timeline.run(arguments, name, [*filters, *arguments.timeline])
    if len(arguments.words) != 1:
        raise UsageError("asset: name one asset, or say set, merge, split or import before it")
    return show(arguments, arguments.words[0])


# -------------------------------------------------------------------------------- showing


def show(arguments: Namespace, name: str) -> int:
    """Print one asset."""
    from otsec.detect.cases import cases
    from otsec.detect.naming import about
    from otsec.inventory import detail
    from otsec.inventory.assembly import inventory
    from otsec.inventory.selection import find
    from otsec.store import open_store

    config = options.configured(arguments, "db")
    style = style_of(arguments, config.zone())
    with open_store(config.store, readonly=True) as store:
        found = inventory(store)
        asset = find(found, name)
        parts = {
            "findings": (FINDINGS, about(asset, found, cases(store))),
            "addresses": (ADDRESSES, asset.addresses),
            "roles": (GUESSES, asset.guesses),
            "facts": (FACTS, asset.known),
            "modules": (MODULES, asset.modules),
            "peers": (PEERS, detail.peers(found, asset)),
            "writers": (WRITERS, detail.writers(store, asset)),
            "contents": (LOADED, detail.loaded(store, asset)),
            "timeline": (TIMELINE, detail.timeline(store, asset)),
            "attributes": (CISA, asset.attributes),
            "joins": (JOINS, asset.joins),
        }
    if style.format == "json":
        _json(asset, parts, style)
    elif style.format == "table":
        _page(asset, parts, style, options.same_store(config))
    else:
        write("facts", FACTS, asset.known, style, sys.stdout)
    return 0


Parts = Mapping[str, tuple[Sequence[Column], Sequence[Any]]]


def _json(asset: "Asset", parts: Parts, style: Style) -> None:
    def rows(kind: str, columns: Sequence[Column], told: Iterable[Any]) -> Any:
        buffer = io.StringIO()
        write(kind, columns, told, style, buffer)
        return json.loads(buffer.getvalue())

    whole = rows("asset", assets.COLUMNS, [asset])
    whole["asset"] = whole.pop("rows")[0]
    whole.update((kind, rows(kind, *part)["rows"]) for kind, part in parts.items())
    whole["notes"] = list(asset.notes)
    sys.stdout.write(json.dumps(whole, indent=1).replace("\x7f", "\\u007f") + "\n")


def _page(asset: "Asset", parts: Parts, style: Style, ending: str) -> None:
    page = Page(style, sys.stdout, ending)
    page.head(asset.name)
    role = asset.role
    level = "" if asset.level is None else f", level {asset.level:g}"
    page.text(f"{role.role} (sure {role.confidence:g}){level}; id {asset.id}; {asset.reach}")
    for evidence in role.evidence:
        page.item(evidence)
    seen = [time_text(at, style.zone) for at in (asset.first_time, asset.last_time)]
    page.text(f"seen from {seen[0]} to {seen[1]}, {asset.packets} packets sent")
    for join in asset.joins:
        page.item(f"one device: {join.one.address} and {join.other.address}, for {join.reason}")
    for note in asset.notes:
        page.item(note)
    for title, kind in SECTIONS.items():
        columns, rows = parts[kind]
        if rows:
            page.head(title.format(asset=asset))
            shown = [column for column in columns if not column.detail]
            most = SHOWN_OF.get(kind, SHOWN)
            first = rows[-most:] if kind == "timeline" else rows[:most]
            page.table(
                shown, first, len(rows), f"otsec asset {asset.id} --json", NARROW.get(kind, ())
            )


NARROW = {"findings": findings.NARROW}  # left out, in this order, on a narrow terminal
SECTIONS = {
    "What is wrong": "findings",
    "Addresses": "addresses",
    "What is known": "facts",
    "Behind its addresses": "modules",
    "Whom it talks to": "peers",
    "Who wrote to it": "writers",
    "What was loaded into it or read from it": "contents",
    "What happened": "timeline",
    "CISA's high-priority attributes: {asset.filled} of 14 known": "attributes",
}


# --------------------------------------------------------------------------------- saying


def _say(arguments: Namespace, action: "Action", words: Sequence[str]) -> int:
    """Write what a person says, all of it or nothing."""
    from otsec.inventory.assembly import inventory
    from otsec.store import open_store
    from otsec.store.acts import record

    config = options.configured(arguments, "db")
    word = _word(arguments)
    with open_store(config.store, create=False) as store:
        acts = action(inventory(store), words, word)
        if acts:
            record(store, acts)
    if not arguments.quiet:
        _confirm(acts, word)
    return 0


def _word(arguments: Namespace) -> "Word":
    import time

    from otsec.inventory.people import LONGEST, Word
    from otsec.login import who

    name = who(arguments.by)
    if max(len(name), len(arguments.reason)) > LONGEST:
        raise UsageError(f"--by and --reason take at most {LONGEST} letters")
    return Word(name, time.time_ns(), arguments.reason.strip())


def _confirm(acts: "Sequence[Act]", word: "Word") -> None:
    if not acts:
        say("nothing new")
    for act in acts[:SHOWN]:
        told = f"{act.attribute}: {act.before or 'unknown'} -> {act.after or 'taken back'}"
        say(f"{act.kind} by {word.who}" if act.kind in {"merge", "split"} else told)
    if len(acts) > SHOWN:
        say(f"... and {len(acts) - SHOWN} more")


def _set(found: "Inventory", words: Sequence[str], word: "Word") -> "list[Act]":
    from otsec.inventory.people import said_values
    from otsec.inventory.selection import find

    name, *pairs = words or [""]
    values = dict(_pair(pair) for pair in pairs)
    if not values:
        raise UsageError("asset set: expected NAME KEY=VALUE ...")
    return said_values(find(found, name), values, word)


def _pair(text: str) -> tuple[str, str]:
    key, sign, value = text.partition("=")
    if not sign:
        raise UsageError(f"asset set: {text!a} is not KEY=VALUE")
    if key not in KEYS:
        hint = options.nearest(key, list(KEYS)) or f"; there are: {', '.join(KEYS)}"
        raise UsageError(f"asset set: {key!a} cannot be set{hint}")
    return key, value


def _merge(found: "Inventory", words: Sequence[str], word: "Word") -> "list[Act]":
    from otsec.inventory.people import said_merge
    from otsec.inventory.selection import find

    if len(words) != 2:
        raise UsageError("asset merge: expected two assets")
    return [said_merge(find(found, words[0]), find(found, words[1]), word)]


def _split(found: "Inventory", words: Sequence[str], word: "Word") -> "list[Act]":
    from otsec.inventory.people import said_split
    from otsec.inventory.selection import find

    if len(words) != 2:
        raise UsageError("asset split: expected an asset and one of its addresses")
    return [said_split(find(found, words[0]), words[1], word)]


def _import(found: "Inventory", words: Sequence[str], word: "Word") -> "list[Act]":
    from otsec.cli import register

    if len(words) != 1:
        raise UsageError("asset import: expected one file")
    return register.read(found, Path(words[0]), word)


Action = Callable[["Inventory", Sequence[str], "Word"], "list[Act]"]
ACTIONS: "dict[str, Action]" = {"set": _set, "merge": _merge, "split": _split, "import": _import}
