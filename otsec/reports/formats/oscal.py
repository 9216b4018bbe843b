"""A report as OSCAL assessment results (NIST, 1.1.2), for tools that keep controls.

What a control was found to be is an observation with the status as a property. A finding of OSCAL
knows but satisfied and not satisfied; so only what is contradicted becomes one (not satisfied), and
nothing here is ever called satisfied. Other reports bring their findings as observations alone.
Ids are derived from the report's own, so that the same report gives the same file.
"""

import json
from collections.abc import Iterator
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from otsec.reports.document import Cell, Document, Table
from otsec.reports.formats import Files, Finished, Manner
from otsec.reports.formats.canonical import time_text

OSCAL = "1.1.2"
NAMESPACE = "https://otsec.example/ns/oscal"  # of properties; a name, not a place
PLAN = "No assessment plan was given; the report's own method section says how it was made."
WITH_ROWS = ("controls", "findings")  # tables that become observations


def write(report: Finished, _manner: Manner) -> Files:
    """The results."""
    text = json.dumps({"assessment-results": _results(report)}, indent=1, ensure_ascii=True)
    yield f"{report.document.name}.oscal.json", text.encode("ascii") + b"\n"


def _id(report: Finished, what: str) -> str:
    return str(uuid5(NAMESPACE_URL, f"otsec:report:{report.id}:{what}"))


def _results(report: Finished) -> dict[str, Any]:
    document = report.document
    end = time_text(document.end)
    seen = [_observation(report, *one) for one in _rows(document)]
    controls = [one for one in _rows(document) if one[0].name == "controls"]
    against = [_finding(report, *one) for one in controls if one[2].get("status") == "contradicted"]
    result: dict[str, Any] = {
        "uuid": _id(report, "result"),
        "title": f"{document.title}: {document.site}",
        "description": "What passive listening shows; absence of evidence is told as absence.",
        "start": time_text(document.begin),
        "end": end,
        "reviewed-controls": {"control-selections": [_selection(controls)]},
    }
    if seen:
        result["observations"] = seen
    if against:
        result["findings"] = against
    return {
        "uuid": _id(report, "results"),
        "metadata": {
            "title": f"{document.title}: {document.site}",
            "last-modified": end,  # of what was captured: the file has no other time
            "version": report.id,
            "oscal-version": OSCAL,
            "props": [_prop("tlp", f"TLP:{document.tlp}"), _prop("kind", document.kind)],
        },
        "import-ap": {"href": f"#{_id(report, 'plan')}", "remarks": PLAN},
        "results": [result],
        "back-matter": {
            "resources": [{"uuid": _id(report, "plan"), "title": "Plan", "description": PLAN}]
        },
    }


Row = tuple[Table, int, dict[str, Cell]]


def _rows(document: Document) -> Iterator[Row]:
    for table in document.tables():
        if table.name in WITH_ROWS:
            names = [column.name for column in table.columns]
            for number, row in enumerate(table.rows):
                yield table, number, dict(zip(names, row, strict=True))


def _selection(controls: list[Row]) -> dict[str, Any]:
    ids = dict.fromkeys(_token(row.get("control")) for *_, row in controls)
    return (
        {"include-controls": [{"control-id": one} for one in ids]} if ids else {"include-all": {}}
    )


def _observation(
    report: Finished, table: Table, number: int, row: dict[str, Cell]
) -> dict[str, Any]:
    name = f"{table.name} {number}"
    told: dict[str, Any] = {
        "uuid": _id(report, name),
        "title": _text(row.get("title")) or name,
        "description": _text(row.get("seen")) or _text(row.get("why")) or "Nothing more is told.",
        "props": [
            _prop(label, value)
            for label in ("control", "status", "level", "state", "id")
            if (value := _text(row.get(label)))
        ],
        "methods": ["EXAMINE"],
        "collected": time_text(_last(report, row)),
    }
    if not told["props"]:
        del told["props"]
    return told


def _last(report: Finished, row: dict[str, Cell]) -> int:
    last = row.get("last")
    return last if isinstance(last, int) else report.document.end


def _finding(report: Finished, table: Table, number: int, row: dict[str, Cell]) -> dict[str, Any]:
    return {
        "uuid": _id(report, f"finding {table.name} {number}"),
        "title": _text(row.get("title")) or _text(row.get("control")),
        "description": _text(row.get("seen")) or "Contradicted by packets; see the observation.",
        "target": {
            "type": "objective-id",
            "target-id": _token(row.get("control")),
            "status": {"state": "not-satisfied", "reason": "fail"},
        },
        "related-observations": [{"observation-uuid": _id(report, f"{table.name} {number}")}],
    }


def _prop(name: str, value: str) -> dict[str, str]:
    return {"name": name, "ns": NAMESPACE, "value": value}


def _text(cell: Cell) -> str:
    return ", ".join(cell) if isinstance(cell, tuple) else "" if cell is None else str(cell)


def _token(cell: Cell) -> str:
    """A name as OSCAL takes it: letters, digits, `.`, `-` and `_`, a letter first."""
    text = "".join(
        one if one.isascii() and (one.isalnum() or one in "-_.") else "-" for one in _text(cell)
    )
    return text if text[:1].isalpha() or text[:1] == "_" else f"c-{text}"
