"""The one canonical JSON of a report; every other format is a rendering of it.

Keys stand in a fixed order, times are ISO 8601 UTC as fine as they are known, every row of a table
is a line. The id is the beginning of the SHA-256 of the same text without it.
"""

import hashlib
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from io import SEEK_END, BytesIO

from otsec.reports.document import (
    AT_ONCE,
    Block,
    Card,
    Cell,
    Chart,
    Document,
    Keys,
    Paragraph,
    Points,
    Table,
    changed,
)
from otsec.reports.formats import Files, Finished, Manner

SCHEMA = "otsec-report/1"  # grows when a key changes its meaning or goes away
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
ID_DIGITS = 16
_ENCODE = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode


def write(report: Finished, _manner: Manner) -> Files:
    """The JSON."""
    yield f"{report.document.name}.json", report.json


def whole(document: Document) -> tuple[bytes, str]:
    """The JSON, and the id, which stands at its beginning and hashes all behind that line.

    Written in one place: a second copy of a report of many rows would be as large as the store.
    """
    out = BytesIO(_head("0" * ID_DIGITS))
    begin = out.seek(0, SEEK_END)
    for text in _body(document):
        out.write(text.encode("ascii"))
    with out.getbuffer() as content:
        told = hashlib.sha256(content[begin:]).hexdigest()[:ID_DIGITS]
        content[:begin] = _head(told)
    return out.getvalue(), told


def _head(told: str) -> bytes:
    return f'{{"schema":"{SCHEMA}","id":"{told}",\n'.encode("ascii")


@lru_cache(maxsize=65_536)  # rows of a store share their seconds
def _second(seconds: int) -> str:
    return f"{EPOCH + timedelta(seconds=seconds):%Y-%m-%dT%H:%M:%S}"


def time_text(ns: int) -> str:
    """ISO 8601 UTC, as fine as the value is."""
    seconds, rest = divmod(ns, 10**9)
    if not rest:
        return f"{_second(seconds)}Z"
    if rest % 1_000:
        return f"{_second(seconds)}.{rest:09d}Z"
    if rest % 1_000_000:
        return f"{_second(seconds)}.{rest // 1_000:06d}Z"
    return f"{_second(seconds)}.{rest // 1_000_000:03d}Z"


def time_cell(cell: Cell) -> Cell:
    """The same of a cell of a table."""
    return time_text(cell) if isinstance(cell, int) else cell


def _dumped(value: object) -> str:
    """JSON in ASCII; DEL, which JSON lets through, is escaped too."""
    return _ENCODE(value).replace("\x7f", "\\u007f")


def _body(document: Document) -> Iterator[str]:
    for name, value in (
        ("kind", document.kind),
        ("title", document.title),
        ("site", document.site),
        ("framework", document.framework),
        ("period", {
            "asked": document.period,
            "begin": time_text(document.begin) if document.end else None,
            "end": time_text(document.end) if document.end else None,
            "zone": document.zone,
        }),
        ("tlp", f"TLP:{document.tlp}"),
        ("redacted", list(document.redacted)),
        ("versions", dict(document.versions)),
    ):  # fmt: skip
        yield f"{_dumped(name)}:{_dumped(value)},\n"
    yield '"sections":['
    for number, section in enumerate(document.sections):
        comma = "," if number else ""
        yield f'{comma}\n{{"name":{_dumped(section.name)},"title":{_dumped(section.title)},"blocks":['
        for place, block in enumerate(section.blocks):
            yield ",\n" if place else "\n"
            yield from _block(block)
        yield "]}"
    yield "\n]}\n"


def _block(block: Block) -> Iterator[str]:
    if isinstance(block, Paragraph):
        yield _dumped({"block": "paragraph", "text": block.text})
    elif isinstance(block, Points):
        yield _dumped({"block": "points", "title": block.title, "items": block.items})
    elif isinstance(block, Keys):
        yield _dumped({"block": "figures", "figures": [
            {"name": one.name, "value": one.value, "last": one.last, "about": one.about,
             "kind": one.kind, "grave": one.grave}
            for one in block.keys
        ]})  # fmt: skip
    elif isinstance(block, Table):
        yield '{"block":"table",'
        yield from _table(block)
        yield "}"
    elif isinstance(block, Chart):
        drawing = type(block.picture).__name__.lower()
        head = {"block": "chart", "title": block.title, "drawing": drawing, "alt": block.alt}
        yield _dumped(head)[:-1] + ',"data":{'
        yield from _table(block.data)
        yield "}}"
    else:
        yield from _card(block)


def _card(card: Card) -> Iterator[str]:
    texts = [{"label": label, "text": text} for label, text in card.texts]
    head = {"block": "card", "tone": card.tone, "title": card.title, "texts": texts}
    if card.table is None:
        yield _dumped(head)
        return
    yield _dumped(head)[:-1] + ',"table":{'
    yield from _table(card.table)
    yield "}}"


def _table(table: Table) -> Iterator[str]:
    described = [{"name": one.name, "title": one.title, "kind": one.kind} for one in table.columns]
    yield (
        f'"name":{_dumped(table.name)},"title":{_dumped(table.title)},'
        f'"key":{_dumped(table.key)},"columns":{_dumped(described)},"rows":['
    )
    told = {n: time_cell for n, column in enumerate(table.columns) if column.kind == "time"}
    for begin in range(0, len(table.rows), AT_ONCE):
        some = changed(table.rows[begin : begin + AT_ONCE], told)
        text = ",\n".join(map(_ENCODE, some)).replace("\x7f", "\\u007f")
        yield f",\n{text}" if begin else f"\n{text}"
    yield "]"
