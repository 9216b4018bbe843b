"""The operations of the protocols of plants are those of tshark's tables, shown by golden messages.

`operations/<protocol>.tsv` lists them: table, code, tshark's name, our operation; `-` and a reason
where it is none of ours; a reason behind an operation says why it has no golden message.
`operations/coverage.tsv` counts how many have a golden message, and of
what origin; ``python tests/test_operations.py`` writes it anew.
"""

from collections import Counter
from pathlib import Path
from typing import NamedTuple

import pytest
from conftest import TsharkValues
from test_protocols_golden import ORIGINS, load

from otsec.protocols import PROTOCOLS
from otsec.protocols.api import Protocol

FOLDER = Path(__file__).parent / "operations"
COVERAGE = FOLDER / "coverage.tsv"
LISTS = {path.stem for path in FOLDER.glob("*.tsv")} - {COVERAGE.stem}
INDUSTRIAL = [protocol for protocol in PROTOCOLS if protocol.name in LISTS]
SHARE = 0.8  # of the operations, that have a golden message
COMMON = "cip.sc"  # services that stand in the tables of all classes as well
every = pytest.mark.parametrize("protocol", INDUSTRIAL, ids=lambda protocol: protocol.name)


class Listed(NamedTuple):
    """One line of a list."""

    table: str
    code: str  # of user data of S7comm behind its group, which tshark does not tell
    name: str
    operation: str  # "" where it is none
    reason: str  # why it is none, or why it has no golden message


def listed(protocol: Protocol) -> list[Listed]:
    """The list of a protocol."""
    lines = (FOLDER / f"{protocol.name}.tsv").read_text().splitlines()
    rows = [line.split("\t") for line in lines if not line.startswith("#")]
    return [
        Listed(*row[:3], row[3].removeprefix("-"), row[4] if len(row) > 4 else "") for row in rows
    ]


def shown(protocol: Protocol) -> dict[str, Counter[str]]:
    """The golden messages of each operation, by origin."""
    found: dict[str, Counter[str]] = {}
    for golden in load(protocol):
        for message in golden.messages:
            found.setdefault(message.operation, Counter())[golden.origin] += 1
    return found


def coverage() -> str:
    """How many operations of tshark's tables have a golden message, and of what origin."""
    origins = ("real", "peer", "standard", "set")
    lines = [
        "# Operations in tshark's tables, how many of them have a golden message, and golden",
        "# messages of these by origin (see test_protocols_golden.py); what has none.",
        "\t".join(["protocol", "operations", "shown", *origins, "without"]),
    ]
    for protocol in INDUSTRIAL:
        names = dict.fromkeys(one.operation for one in listed(protocol) if one.operation)
        found = shown(protocol)
        by_origin = sum((found[name] for name in names if name in found), Counter[str]())
        without = ", ".join(name for name in names if name not in found) or "-"
        shares = [str(by_origin[origin]) for origin in origins]
        some = [str(len(names)), str(sum(name in found for name in names))]
        lines.append("\t".join([protocol.name, *some, *shares, without]))
    return "\n".join([*lines, ""])


def test_lists_are_of_protocols() -> None:
    """Each list is of a protocol that is read in full depth."""
    full = {protocol.name for protocol in PROTOCOLS if protocol.depth == "full"}
    assert len(LISTS) >= 9
    assert full >= LISTS


@every
def test_they_are_operations_here(protocol: Protocol) -> None:
    """What tshark names is an operation of the protocol, or has a reason why it is none."""
    names = set(protocol.operation_names)
    for one in listed(protocol):
        assert one.operation in names or (not one.operation and one.reason), one


@every
def test_most_have_a_golden_message(protocol: Protocol) -> None:
    """At least four of five operations have one, of an origin that is told; the rest a reason."""
    names = {one.operation for one in listed(protocol) if one.operation}
    found = shown(protocol)
    without = sorted(names - set(found))
    told = {one.operation for one in listed(protocol) if one.operation and one.reason}
    assert told == set(without)
    assert len(names) - len(without) >= SHARE * len(names), without
    assert {origin for name in names & set(found) for origin in found[name]} <= ORIGINS


def test_coverage_is_told() -> None:
    """The table of what has golden messages is that of the messages there are."""
    assert COVERAGE.read_text() == coverage(), "run python tests/test_operations.py"


def named(rows: list[tuple[str, ...]]) -> set[tuple[str, str]]:
    """Code and name of all values of one of tshark's tables; ranges as they are written here."""
    found = set()
    for row in rows:
        match row:
            case ["V", code, name]:
                number = code if code.startswith("'") else str(int(code, 0))
                found.add((number, name.strip()))
            case ["R", low, high, name]:
                number = str(int(low, 0)) if low == high else f"{low}-{high}"
                found.add((number, name.strip()))
    return found


@every
def test_lists_are_those_of_tshark(protocol: Protocol, tshark_values: TsharkValues) -> None:
    """A list holds all that a table of tshark names, and nothing else."""
    ours: dict[str, set[tuple[str, str]]] = {}
    for one in listed(protocol):
        ours.setdefault(one.table, set()).add((one.code.rpartition(".")[2], one.name))
    for table, kept in ours.items():
        theirs = named(tshark_values[table])
        if table.startswith("cip") and table != COMMON:
            theirs = theirs - named(tshark_values[COMMON])
        if table == "opcua.servicenodeid.numeric":
            theirs = {(code, name) for code, name in theirs if name.endswith("Request")}
        assert kept == theirs, table


if __name__ == "__main__":
    COVERAGE.write_text(coverage())
