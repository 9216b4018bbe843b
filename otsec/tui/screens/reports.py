"""Reports: the kinds that can be written now, schedules, and what came of them."""

import json
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from textual.binding import Binding, BindingType

from otsec import processes
from otsec.cli.output import Column, duration_text
from otsec.cli.report import KIND_COLUMNS
from otsec.cli.schedule import LIST, RUNS
from otsec.errors import InputError
from otsec.store import Store
from otsec.tui.cells import safe
from otsec.tui.dialogs import LineDialog
from otsec.tui.views import View, ViewsScreen, keys_of

LONGEST = 2_000  # letters of a paragraph
LARGEST = 32 << 20  # bytes of a report that is shown
ROWS_SHOWN, WIDEST = 12, 60  # of a table: rows, and letters of a cell
LONGEST_S = 600.0  # of writing one
FORMATS = "html,json,md"
TONES = {"failed": "bad", "missed": "bad", "waiting": "warn", "running": "warn", "done": "good"}


VIEWS = (
    View("kinds", "e", "Kinds", "what can be written now, by W", KIND_COLUMNS, "", lambda row: row.name),
    View("schedules", "t", "Schedules", "what is written by itself, last and next", LIST,
         "no schedules; otsec schedule add", lambda row: row.schedule.name),
    View("runs", "o", "Runs", "what came of schedules; Enter reads one", RUNS, "nothing was due yet",
         lambda row: (row.schedule, row.due)),
)  # fmt: skip


class ReportsScreen(ViewsScreen):
    """Pages for people who are not here."""

    NAME = "Reports"
    CSS = "ReportsScreen VerticalScroll { height: 50%; }"
    VIEWS = VIEWS
    BINDINGS: ClassVar[list[BindingType]] = [
        *keys_of("reports", VIEWS, "Page"),
        Binding("W", "write", "Write", id="reports.write", tooltip="Write a report of the kind now"),
    ]  # fmt: skip
    MEANINGS: ClassVar[Sequence[tuple[str, str]]] = (
        ("due", "the moment for which a schedule asks for a report; each is written once"),
        ("missed", "nobody worked it off in time, and the schedule does not make it good"),
        ("covers", "the time that the report is about"),
        ("Write", "the report goes into `reports` beside the store, as HTML, JSON and Markdown"),
    )

    def rows(self, store: Store, name: str) -> Sequence[Any]:
        """The rows of a list, in a thread."""
        return ROWS[name](store)

    def tone(self, row: Any, column: Column) -> str:
        """How a run went."""
        return TONES.get(str(column.of(row)), "") if column.name == "state" else ""

    # -------------------------------------------------------------------------- reading

    def opened(self, row: Any) -> None:
        """A run is read; what is not one can be written."""
        if self.view.name == "runs":
            folder, state = row.folder, row.state
            if not folder:
                self.tell_page(f"nothing was written: {state} {safe(row.error, LONGEST)}")
                return
            self.ask("page", lambda _: _folder(Path(folder)), self.tell_page)
        elif self.view.name == "kinds":
            self.action_write()
        else:
            super().opened(row)

    # -------------------------------------------------------------------------- writing

    def action_write(self) -> None:
        """Write a report of the selected kind into the folder of reports."""
        if self.otsec.readonly:
            self.otsec.complain("this otsec only reads; `otsec report run` writes reports")
            return
        kind = self.table.selected
        if self.view.name != "kinds" or kind is None:
            self.notify("choose a kind first: e")
            return
        if not kind.needs:
            self._write(kind.name, ())
            return
        option, _, what = kind.needs.partition(" ")

        def use(word: str | None) -> None:
            if word is not None:
                self._write(kind.name, (option, word.strip()))

        self.app.push_screen(
            LineDialog(f"{kind.name}: {what.lower()}", check=lambda text: "" if text.strip() else "it needs one"),
            use,
        )  # fmt: skip

    def _write(self, kind: str, words: Sequence[str]) -> None:
        self.tell_page(f"writing {kind} ...")
        path = self.otsec.path

        def failed(told: str) -> None:
            self.tell_page(told)
            self.otsec.complain(told)

        self.ask("page", lambda _: _written(path, kind, words), self.tell_page, failed)


# ------------------------------------------------------------------------------- in threads


def _kinds(_: Store) -> Sequence[Any]:
    from otsec.cli.report import kind_rows  # noqa: PLC0415 - in the thread

    return kind_rows()


def _schedules(store: Store) -> Sequence[Any]:
    from otsec.cli.schedule import rows  # noqa: PLC0415 - in the thread

    return rows(store)


def _runs(store: Store) -> Sequence[Any]:
    from otsec.store.schedules import runs  # noqa: PLC0415 - in the thread

    return sorted(runs(store), key=lambda one: -one.due)


ROWS: Mapping[str, Callable[[Store], Sequence[Any]]] = {
    "kinds": _kinds,
    "schedules": _schedules,
    "runs": _runs,
}


def _written(store: Path, kind: str, words: Sequence[str]) -> str:
    """Write a report in a process of its own; gives it as text. Raises InputError."""
    folder = store.absolute().parent / "reports"
    command = processes.words(processes.OTSEC, "report", "run", kind, "--db", str(store), *words)
    command += ["--format", FORMATS, "-o", str(folder), "-q"]
    try:
        done = subprocess.run(  # noqa: S603 - otsec itself, no shell
            command,
            capture_output=True,
            text=True,
            timeout=LONGEST_S,
            check=False,
            env=processes.surroundings(),
        )
    except subprocess.TimeoutExpired:
        raise InputError(f"{kind}: not written within {LONGEST_S / 60:.0f} minutes") from None
    if done.returncode:
        raise InputError(done.stderr.strip()[-LONGEST:] or f"{kind}: not written")
    found = sorted(folder.glob(f"{kind}*.json"), key=lambda path: path.stat().st_mtime)
    if not found:
        raise InputError(f"{folder}: no report of the kind {kind} is there")
    return f"written to {folder} as {FORMATS}\n\n{_page(found[-1])}"


def _folder(folder: Path) -> str:
    """The reports of a run as text. Raises InputError."""
    if not folder.is_dir():
        raise InputError(f"{folder}: is no longer there")
    pages = [path for path in sorted(folder.glob("*.json")) if not path.name.startswith("manifest")]
    names = ", ".join(safe(path.name) for path in sorted(folder.iterdir()))
    return f"{folder}: {names}\n\n" + "\n\n".join(map(_page, pages))


def _page(path: Path) -> str:
    """A report's JSON as text. Raises InputError."""
    if path.stat().st_size > LARGEST:
        raise InputError(f"{path}: too large to be shown here")
    try:
        report = json.loads(path.read_text("utf-8"))
        return "\n".join(_lines(report))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path}: no report of otsec ({error})") from None


def _lines(report: Mapping[str, Any]) -> Iterator[str]:
    period = report["period"]
    yield f"{safe(report['title'])}, {safe(report['site'])}, {report['tlp']}"
    yield f"{period['begin']} to {period['end']}"
    for section in report["sections"]:
        yield ""
        yield f"— {safe(section['title'])}"
        for block in section["blocks"]:
            yield from _block(block)


def _block(block: Mapping[str, Any]) -> Iterator[str]:
    what = block["block"]
    if what == "paragraph":
        yield safe(block["text"], LONGEST)
    elif what == "figures":
        for one in block["figures"]:
            yield f"{_value(one['value'], one['kind']):>12}  {safe(one['name'])}: {safe(one['about'])}"
    elif what == "table":
        yield from _table(block)


def _table(table: Mapping[str, Any]) -> Iterator[str]:
    """The first rows, a line each; all of them stand in the other formats."""
    kinds = [column["kind"] for column in table["columns"]]
    yield "  " + " | ".join(safe(column["title"]) for column in table["columns"])
    for row in table["rows"][:ROWS_SHOWN]:
        yield "  " + " | ".join(map(_value, row, kinds))
    if (more := len(table["rows"]) - ROWS_SHOWN) > 0:
        yield f"  and {more:,} more"


def _value(value: Any, kind: str) -> str:
    if kind == "duration" and isinstance(value, int):
        return duration_text(value)
    return safe(", ".join(map(str, value)) if isinstance(value, list) else str(value), WIDEST)
