"""Reports: the kinds that can be written now, schedules, and what came of them."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.widgets import Static

from otsec.cli.output import Column, duration_text
from otsec.cli.report import KIND_COLUMNS
from otsec.cli.schedule import LIST, RUNS
from otsec.errors import InputError
from otsec.store import Store
from otsec.tui.cells import safe
from otsec.tui.dialogs import LineDialog
from otsec.tui.rows import Listed
from otsec.tui.screen import BaseScreen, Words
from otsec.tui.table import VirtualTable

LONGEST = 2_000  # letters of a paragraph
LARGEST = 32 << 20  # bytes of a report that is shown
ROWS_SHOWN, WIDEST = 12, 60  # of a table: rows, and letters of a cell
LONGEST_S = 600.0  # of writing one
FORMATS = "html,json,md"
TONES = {"failed": "bad", "missed": "bad", "waiting": "warn", "running": "warn", "done": "good"}


class View(NamedTuple):
    """One of the lists of the screen."""

    name: str
    key: str
    title: str
    about: str
    columns: Sequence[Column]
    empty: str


VIEWS = (
    View("kinds", "e", "Kinds", "what can be written now, by W", KIND_COLUMNS, ""),
    View("schedules", "c", "Schedules", "what is written by itself, last and next", LIST,
         "no schedules; otsec schedule add"),
    View("runs", "o", "Runs", "what came of schedules; Enter reads one", RUNS, "nothing was due yet"),
)  # fmt: skip


class ReportsScreen(BaseScreen):
    """Pages for people who are not here."""

    NAME = "Reports"
    CSS = """
    ReportsScreen #told { height: 1; padding: 0 1; }
    ReportsScreen VirtualTable { height: 1fr; min-height: 5; display: none; }
    ReportsScreen VirtualTable.shown { display: block; }
    ReportsScreen VerticalScroll { height: 50%; border-top: solid $panel; padding: 0 1; }
    ReportsScreen #page { height: auto; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        *(
            Binding(one.key, f"view('{one.name}')", one.title, id=f"reports.{one.name}", tooltip=one.about)
            for one in VIEWS
        ),
        Binding("W", "write", "Write", id="reports.write", tooltip="Write a report of the kind now"),
        Binding("tab", "app.focus_next", "Page", show=False, id="reports.focus", tooltip="Between rows and page"),
    ]  # fmt: skip

    def __init__(self) -> None:
        super().__init__()
        self.view = VIEWS[0]

    @property
    def table(self) -> VirtualTable:
        """The rows that are shown."""
        return self.query_one(f"#{self.view.name}", VirtualTable)

    def body(self) -> ComposeResult:
        """What is shown, its rows, and a report as text."""
        yield Static(id="told", markup=False)
        for one in VIEWS:
            yield VirtualTable(
                [column for column in one.columns if not column.detail], tone=_tone, id=one.name
            )
        with VerticalScroll():
            yield Static(id="page", markup=False)

    def action_view(self, name: str) -> None:
        """Show another list."""
        self.view = next(one for one in VIEWS if one.name == name)
        self._show("")
        self.load()

    def load(self, *, again: bool = False) -> None:
        """Ask for the rows of the list."""
        view, table = self.view, self.table
        for one in self.query(VirtualTable):
            one.set_class(one is table, "shown")
        table.zone, table.waiting = self.otsec.zone, "reading"
        table.focus()
        others = ", ".join(f"{one.key} {one.title.lower()}" for one in VIEWS if one != view)
        text = Text(f"{view.title}: ", "bold")
        text.append(f"{view.about}; {others}", "not bold dim")
        self.query_one("#told", Static).update(text)

        def use(rows: Sequence[Any]) -> None:
            table.waiting = view.empty
            table.show(Listed(rows, lambda row: _key(view.name, row)), again=again)

        self.ask("reports", ROWS[view.name], use)

    def _show(self, told: str) -> None:
        self.query_one("#page", Static).update(Text(told))
        self.query_one(VerticalScroll).scroll_home(animate=False)

    # -------------------------------------------------------------------------- reading

    @on(VirtualTable.Chosen)
    def _open(self, event: VirtualTable.Chosen) -> None:
        """A run is read; what is not one can be written."""
        if self.view.name == "runs":
            folder, state = event.row.folder, event.row.state
            if not folder:
                self._show(f"nothing was written: {state} {safe(event.row.error, LONGEST)}")
                return
            self.ask("page", lambda _: _folder(Path(folder)), self._show)
        elif self.view.name == "kinds":
            self.action_write()

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
        self._show(f"writing {kind} ...")
        path = self.otsec.path

        def failed(told: str) -> None:
            self._show(told)
            self.otsec.complain(told)

        self.ask("page", lambda _: _written(path, kind, words), self._show, failed)

    def exported(self) -> "tuple[str, Sequence[Column], Callable[[Store], Sequence[Any]]]":
        """The rows of the list."""
        return self.view.title.lower(), self.view.columns, ROWS[self.view.name]

    def words(self) -> Words:
        """Columns and words."""
        return [
            *(
                (f"Columns of {one.title}", [(c.title, c.about) for c in one.columns if not c.detail])
                for one in VIEWS
            ),
            (
                "Words",
                [
                    ("due", "the moment for which a schedule asks for a report; each is written once"),
                    ("missed", "nobody worked it off in time, and the schedule does not make it good"),
                    ("covers", "the time that the report is about"),
                    ("Write", "the report goes into `reports` beside the store, as HTML, JSON and Markdown"),
                ],
            ),
        ]  # fmt: skip


def _tone(row: Any, column: Column) -> str:
    return TONES.get(str(column.of(row)), "") if column.name == "state" else ""


def _key(view: str, row: Any) -> Any:
    """What tells a row from the others."""
    if view == "runs":
        return row.schedule, row.due
    return row.name if view == "kinds" else row.schedule.name


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
    command = [sys.executable, "-m", "otsec", "report", "run", kind, "--db", str(store), *words]
    command += ["--format", FORMATS, "-o", str(folder), "-q"]
    try:
        done = subprocess.run(  # noqa: S603 - otsec itself, no shell
            command, capture_output=True, text=True, timeout=LONGEST_S, check=False
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
