"""ATT&CK for ICS: the techniques that rules name, by which rules are checked and findings explained.

The table `tables/attack-ics.tsv` is made by `python -m otsec.detect.attack FILE VERSION` from the
technique list of MITRE (attack-stix-data, ics-attack.json, as tab-separated values).
"""

import csv
import io
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path

STAGES = (  # tactics in the order in which an attack goes through them, attack.mitre.org/tactics/ics
    "initial-access",
    "execution",
    "persistence",
    "privilege-escalation",
    "evasion",
    "discovery",
    "lateral-movement",
    "collection",
    "command-and-control",
    "inhibit-response-function",
    "impair-process-control",
    "impact",
)
VISIBLE = {"y": "directly", "partial": "partly", "n": "not"}  # on a mirror port
_NAME = "attack-ics.tsv"
_HEAD = """\
# MITRE ATT&CK for ICS {version}, https://attack.mitre.org/matrices/ics/
# (c) The MITRE Corporation. This work is reproduced and distributed with the permission of
# The MITRE Corporation. The last column is this project's own: visible on a mirror port.
"""


@dataclass(frozen=True, slots=True)
class Technique:
    """One technique of ATT&CK for ICS."""

    id: str  # T0858
    name: str
    tactics: tuple[str, ...]
    visible: str  # on a mirror port: directly, partly, not

    @property
    def stage(self) -> int:
        """Where it stands in the chain; the earliest of its tactics."""
        return min(map(STAGES.index, self.tactics), default=len(STAGES))


@cache
def techniques() -> Mapping[str, Technique]:
    """All techniques by id."""
    text = resources.files("otsec.detect.tables").joinpath(_NAME).read_text("utf-8")
    rows = csv.reader(_lines(text), delimiter="\t")
    return {
        id_: Technique(id_, name, tuple(tactics.split(",")), visible)
        for id_, name, tactics, visible in rows
    }


def version() -> str:
    """The version of ATT&CK for ICS that the table holds."""
    text = resources.files("otsec.detect.tables").joinpath(_NAME).read_text("utf-8")
    return text.partition("\n")[0].partition("for ICS ")[2].partition(",")[0]


def _lines(text: str) -> list[str]:
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def table(text: str, release: str) -> str:
    """The table of a list with the columns id, name, tactic and passive."""
    rows = csv.DictReader(_lines(text), delimiter="\t", quoting=csv.QUOTE_NONE)
    out = io.StringIO(_HEAD.format(version=release))
    out.seek(0, io.SEEK_END)
    writer = csv.writer(out, delimiter="\t", lineterminator="\n")
    for row in rows:
        tactics = [tactic for tactic in row["tactic"].split(",") if tactic in STAGES]
        writer.writerow([row["id"], row["name"], ",".join(tactics), VISIBLE[row["passive"]]])
    return out.getvalue()


def main() -> None:
    """Write the table anew."""
    source, release = sys.argv[1:]
    made = table(Path(source).read_text("utf-8"), release)
    Path(__file__).parent.joinpath("tables", _NAME).write_text(made, "utf-8")


if __name__ == "__main__":
    main()
