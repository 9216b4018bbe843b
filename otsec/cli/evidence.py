"""``otsec evidence``: the packets behind findings, events, behaviours, facts, as a capture."""

import json
import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from otsec.cli import options
from otsec.cli.output import Column, bytes_text, say, style_of, write
from otsec.cli.page import Page
from otsec.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from otsec.evidence.captures import Library
    from otsec.evidence.gather import Gathered, Rule
    from otsec.evidence.references import Reference
    from otsec.store import Store

IDS = """\
an ID is one of:
  FINDING             the short id of a finding
  behaviour:12        the column `number` of `otsec behaviours`; `behaviour 12` is the same
  conversation:3      first and last packet of it; the column `number` of `otsec conversations`
  event:1234          what happened in that packet
  fact:ADDRESS/ATTRIBUTE[=VALUE]   the packets that say so: fact:10.0.0.1/hostname
  POINT:1234          a packet, by its ordinal at that capture point; POINT:10-20 several
with several capture points, say which one: behaviour:POINT:12
"""
EPILOG = (
    IDS
    + """
taken are the packets named; the request or response they belong to, with all its pieces; the TCP
handshake and the first packets with content behind it; packets between that change how later ones
are read; and --around packets of the same connection before and behind each one named. Each packet
has a comment that says why it is there. FILE.manifest.json, beside it, has the SHA-256 of
the file, of each capture, and of each frame.
"""
)

PACKETS = (
    Column("number", "no.", "number", "frame number in the file written"),
    Column("time", "time", "time", "by the capture's clock", value=lambda row: row.time_ns),
    Column("source", "point", about="capture point"),
    Column("packet", "packet", "number", "ordinal in its source"),
    Column("capture", "capture", about="the file it is from"),
    Column("frame", "frame", "number", "number in that file, from 1"),
    Column("captured", "length", "bytes", "bytes captured"),
    Column("sha256", "SHA-256", about="of the frame as written", detail=True),
    Column("why", "why", "list", "why it is there"),
)

SPARE = ("captured", "capture", "frame", "time")  # columns that a narrow terminal goes without


def configure(parser: ArgumentParser) -> None:
    """Arguments of the command."""
    parser.add_argument("id", nargs="+", metavar="ID", help="what to show the packets of")
    parser.add_argument(
        "-w", "--write", type=Path, required=True, metavar="FILE", help="the pcapng to write"
    )
    parser.add_argument("-f", "--force", action="store_true", help="replace FILE if it is there")
    common(parser)
    parser.add_argument(
        "--pseudonymise",
        action="store_true",
        help="replace addresses, names and users, the same everywhere; checksums are made right",
    )
    parser.add_argument(
        "--key",
        type=Path,
        metavar="FILE",
        help="the secret of the pseudonyms, made where it is missing (default: beside the store)",
    )
    options.formats(parser)
    parser.epilog = EPILOG


def common(parser: ArgumentParser) -> None:
    """What finding packets takes."""
    options.store(parser)
    parser.add_argument(
        "--captures", type=Path, metavar="DIR", help="look there for captures that were moved"
    )
    parser.add_argument(
        "--around", type=int, metavar="N", help="packets before and behind each one (default: 4)"
    )
    parser.add_argument(
        "--back",
        type=int,
        metavar="N",
        help="packets before it among which its connection's beginning is looked for "
        "(default: 2000000)",
    )


def run(arguments: Namespace) -> int:
    """Gather the packets and write them."""
    from otsec.evidence import package
    from otsec.store import open_store

    if arguments.key is not None and not arguments.pseudonymise:
        raise UsageError("--key: only --pseudonymise needs it")
    config = options.configured(arguments, "db")
    style = style_of(arguments, config.zone())
    out = arguments.write
    for path in (out, package.manifest_path(out)):
        if path.exists() and not arguments.force:
            raise UsageError(f"{path}: is there already; name another file, or add --force")
    with open_store(config.store, readonly=True) as store:
        library, wanted, gathered = found(arguments, store)
        mask: Any = None
        if arguments.pseudonymise:
            mask = _mask(arguments, store, gathered)
        written = package.write(out, library, arguments.id, wanted, gathered, mask)
    listed = json.loads(written.manifest.read_text("utf-8"))["packets"]
    rows = [Namespace(**one) for one in listed]
    if style.format == "table":
        shown = [column for column in PACKETS if not column.detail]
        Page(style, sys.stdout).table(shown, rows, len(rows), spare=SPARE)
    else:
        write("evidence", PACKETS, rows, style, sys.stdout)
    if not arguments.quiet:
        for note in written.notes:
            say(f"note: {note}")
        say(
            f"{written.path}: {written.packets} packets, {written.named} of them named, "
            f"{bytes_text(written.bytes)}, SHA-256 {written.sha256}"
        )
        say(f"{written.manifest}: hashes of the captures and of each frame")
    return 0


def found(
    arguments: Namespace, store: "Store"
) -> "tuple[Library, list[Reference], list[Gathered]]":
    """What the ids name, and the packets that belong to it."""
    from otsec.evidence.captures import Library
    from otsec.evidence.gather import gather
    from otsec.evidence.references import resolve

    folder = arguments.captures
    if folder is not None and not folder.is_dir():
        raise UsageError(f"--captures {folder}: is no folder")
    library = Library(store, folder)
    wanted = resolve(store, arguments.id)
    if not wanted:
        names = ", ".join(arguments.id)
        raise UsageError(f"{names}: no packet shows it; told by the hour, or about otsec itself")
    return library, wanted, gather(library, wanted, _rule(arguments))


def _rule(arguments: Namespace) -> "Rule":
    from otsec.evidence.gather import Rule

    given = {}
    for name, most in (("around", 1_000), ("back", 1 << 40)):
        value = getattr(arguments, name)
        if value is not None:
            if not 0 <= value <= most:
                raise UsageError(f"--{name} {value}: expected a number from 0 to {most}")
            given[name] = value
    return Rule(**given)


def _mask(arguments: Namespace, store: "Store", gathered: "Sequence[Gathered]") -> Any:
    from otsec.evidence import pseudonyms
    from otsec.evidence.masking import Masked

    path = arguments.key or store.path.with_name(f"{store.path.name}.pseudonyms.key")
    key, fresh = pseudonyms.secret(path)
    if fresh and not arguments.quiet:
        say(f"{path}: the key of the pseudonyms, new; keep it here, and give it to nobody")
    return Masked(pseudonyms.Pseudonyms.of(key, store, gathered))
