"""Makes `oui.tsv`: who was given which prefix of MAC addresses.

    python -m otsec.inventory.tables.oui OUI_TXT

OUI_TXT is the IEEE's list as it stands in the wheel of netaddr (`netaddr/eui/oui.txt`):

    pip download --no-deps netaddr && unzip -p netaddr-*.whl netaddr/eui/oui.txt > oui.txt
"""

import re
import sys
from pathlib import Path

SOURCE = "oui.txt of netaddr 1.3.0 (IEEE Registration Authority, MA-L)"
DATE = "2024-05-20"  # of the file in the wheel
LINE = re.compile(r"^([0-9A-F]{6})\s+\(base 16\)\s+(\S.*)$", re.MULTILINE)
# No makers: prefixes whose holder is not published, and those that the IEEE gives out in smaller
# blocks to many makers, whom the first three bytes do not tell apart.
NOBODY = frozenset({"Private", "IEEE Registration Authority"})


def table(text: str) -> str:
    """The lines of the table: prefix and name, sorted by prefix, so that it can be bisected."""
    names = {prefix.lower(): _name(name) for prefix, name in LINE.findall(text)}
    head = (
        "# Prefixes of MAC addresses (OUI) and to whom they were given, sorted.\n"
        f"# source: {SOURCE}\n# date: {DATE}\n# generator: otsec/inventory/tables/oui.py\n"
    )
    return head + "".join(
        f"{prefix}\t{name}\n" for prefix, name in sorted(names.items()) if name not in NOBODY
    )


def _name(text: str) -> str:
    return " ".join(text.split()).rstrip(",")  # some were entered with a comma and nothing behind


def main(words: list[str]) -> int:
    """Write the table beside this script."""
    text = Path(words[0]).read_text("utf-8")
    Path(__file__).with_suffix(".tsv").write_text(table(text), "utf-8", newline="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
