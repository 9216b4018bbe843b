"""What changed since the last report: key figures and keyed rows, by its canonical JSON."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from otsec.health.verdict import counted
from otsec.reports.document import Block, Document, Key, Keys, Paragraph, Points

CHANGES = "changes"  # name of the section
NAMED = 3  # rows that are named of each change
NO_LAST = "This is the first report of its kind that is known here; there is none to compare with."


def compared(document: Document, last: Mapping[str, Any] | None) -> Document:
    """The report with what differs from the last one, and what its figures were."""
    if last is None:
        return _with(document, (Paragraph(NO_LAST),), {})
    before = {str(one["name"]): _number(one["value"]) for one in _of(last, "figures")}
    told = [replace(one, last=before.get(one.name)) for one in document.key_figures()]
    lines = [*_figures(told), *_rows(last, document)]
    span = last.get("period", {})
    head = f"Compared with report {last.get('id')}, which ends at {span.get('end') or 'no time'}."
    if not lines:
        said: tuple[Block, ...] = (Paragraph(f"{head} Nothing that it lists has changed."),)
    else:
        said = (Paragraph(head), Points("", tuple(lines)))
    return _with(document, said, before)


def _with(
    document: Document, said: tuple[Block, ...], before: Mapping[str, float | None]
) -> Document:
    sections = []
    for section in document.sections:
        blocks = tuple(
            Keys(tuple(replace(one, last=before.get(one.name)) for one in block.keys))
            if isinstance(block, Keys)
            else block
            for block in section.blocks
        )
        if section.name == CHANGES:
            blocks = (*said, *blocks)
        sections.append(replace(section, blocks=blocks))
    return replace(document, sections=tuple(sections))


def _number(value: object) -> float | None:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _of(last: Mapping[str, Any], block: str) -> Iterator[Mapping[str, Any]]:
    """The key figures, or the tables, of a report in JSON."""
    for section in last.get("sections", ()):
        for one in section.get("blocks", ()):
            if block == "figures" and one.get("block") == "figures":
                yield from one["figures"]
            elif block == "tables":
                yield from (one[name] for name in ("data", "table") if name in one)
                if one.get("block") == "table":
                    yield one


def _figures(keys: Sequence[Key]) -> Iterator[str]:
    changed = [
        f"{one.name} {one.last:g} \u2192 {one.value:g}"
        for one in keys
        if one.kind == "number"
        and one.last is not None
        and one.value is not None
        and one.last != one.value
    ]
    if changed:
        yield f"Figures: {', '.join(changed)}."


def _rows(last: Mapping[str, Any], document: Document) -> Iterator[str]:
    """New and gone rows of each table that both reports have."""
    before = {str(one["name"]): one for one in _of(last, "tables")}
    for table in document.tables():
        old = before.get(table.name)
        if not table.key or old is None or list(table.key) != old.get("key"):
            continue
        then = _keyed([one["name"] for one in old["columns"]], table.key, old["rows"])
        now = _keyed([one.name for one in table.columns], table.key, table.rows)
        fresh = [key for key in now if key not in then]
        gone = [key for key in then if key not in now]
        if fresh or gone:
            yield f"{table.title or table.name}: {_told(fresh, 'new')}, {_told(gone, 'gone')}."


def _keyed(
    names: Sequence[str], key: Sequence[str], rows: Sequence[Sequence[Any]]
) -> dict[tuple[str, ...], None]:
    at = [names.index(name) for name in key if name in names]
    return dict.fromkeys(tuple(str(row[n]) for n in at) for row in rows)


def _told(keys: Sequence[tuple[str, ...]], word: str) -> str:
    if not keys:
        return f"none {word}"
    named = "; ".join(" / ".join(part for part in key if part) for key in keys[:NAMED])
    more = ", ..." if len(keys) > NAMED else ""
    return f"{counted(len(keys), word, word)} ({named}{more})"
