"""``otsec report verify``: whether scheduled reports are what was signed, and by whom."""

import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from otsec.cli import options
from otsec.cli.output import Column, say, style_of, write
from otsec.errors import Exit, InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from otsec.schedule.manifest import Checked, Wrong

COLUMNS = (
    Column("folder", "folder", about="of the run"),
    Column("file", "file", about="what does not hold"),
    Column("what", "what is wrong", about="how it differs from what was signed"),
)
EPILOG = """\
otsec report verify reports/monthly/2026-11-01T060000Z --signer site.pub
otsec report verify reports/               # all runs below it, and the chain from run to run

The same without otsec, in the folder of a run:
  echo "otsec $(cat site.pub)" > signers
  ssh-keygen -Y verify -f signers -I otsec -n otsec-report -s manifest.json.sig < manifest.json

--signer: STORE.sign.key.pub of the site, got by another way than the reports. Exit code 1 if a
file was changed, is missing or was added, if the signer is not trusted, or a run is missing.
"""


def configure(parser: ArgumentParser) -> None:
    """Arguments of the action."""
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="of a run, or one above runs")
    parser.add_argument(
        "--signer", type=Path, metavar="FILE",
        help="public key, or allowed signers (default: the .pub file beside the store)",
    )  # fmt: skip
    options.store(parser)
    options.formats(parser)
    parser.epilog = EPILOG


def run(arguments: Namespace) -> int:
    """Check every run below a folder, and the chain."""
    from otsec.schedule import manifest, sshsig
    from otsec.schedule.places import public_key

    config = options.configured(arguments, "db")
    file = arguments.signer or public_key(config.store)
    if arguments.signer is None and not file.exists():
        raise InputError(f"{file}: no key to check by; name the site's .pub file with --signer")
    signers = sshsig.trusted(file)
    found = [manifest.checked(one, signers) for one in manifest.folders(arguments.folder)]
    wrong = [one for each in found for one in each.wrong] + manifest.unlinked(found)
    style = style_of(arguments, config.zone())
    if wrong or style.format != "table":
        write("report verify", COLUMNS, wrong, style, sys.stdout)
    if not arguments.quiet:
        say(_told(found, wrong))
    return Exit.FINDINGS if wrong else Exit.FINE


def _told(found: "Sequence[Checked]", wrong: "Sequence[Wrong]") -> str:
    """How much was checked, and who signed it."""
    from otsec.schedule.sshsig import fingerprint

    runs = f"{len(found):,} run{'' if len(found) == 1 else 's'}"
    files = f"{sum(one.files for one in found):,} files"
    retired = sum(one.retired for one in found)
    kept = f", of {retired:,} only the manifest is kept" if retired else ""
    who = ", ".join(sorted({fingerprint(one.signer) for one in found if one.signer})) or "nobody"
    bad = "1 thing does not hold" if len(wrong) == 1 else f"{len(wrong):,} things do not hold"
    says = bad if wrong else "all is as it was signed"
    return f"{runs}, {files}{kept}: {says}; signed by {who}"
