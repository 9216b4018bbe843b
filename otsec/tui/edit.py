"""What people say of assets, taken down as an act: who, when, what held before, what holds since."""

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from otsec.cli.asset import KEYS
from otsec.errors import UsageError
from otsec.login import who
from otsec.tui.cells import safe

if TYPE_CHECKING:
    from otsec.inventory.model import Asset
    from otsec.tui.screen import BaseScreen

START_WITH = "start otsec with --by NAME"  # where nobody is logged in
FIRST = (
    "name",
    "role",
    "level",
    "criticality",
    "owner",
    "location",
    "tags",
    "asset_number",
    "note",
)


class EditDialog(ModalScreen[dict[str, str] | None]):
    """What only people know of one asset, or of several at once."""

    DEFAULT_CSS = """
    EditDialog { align: center middle; background: $background 40%; }
    EditDialog > VerticalScroll { width: 94%; max-width: 100; height: auto; max-height: 94%; background: $surface; border: round $primary; padding: 0 1; }
    EditDialog Horizontal { height: 1; }
    EditDialog .label { width: 14; }
    EditDialog Input { border: none; height: 1; width: 1fr; padding: 0 1; background: $panel; }
    EditDialog Input:focus { background: $boost; text-style: bold; }
    EditDialog Static { height: auto; }
    """
    AUTO_FOCUS = "Input"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss(None)", "Never mind", id="edit.leave"),
        Binding("up", "app.focus_previous", "Field above", show=False, id="edit.up"),
        Binding("down", "app.focus_next", "Field below", show=False, id="edit.down"),
        Binding("f2", "give", "Keep", id="edit.keep"),
    ]

    def __init__(self, title: str, held: dict[str, str]) -> None:
        super().__init__()
        self._title, self._held = title, held

    def compose(self) -> ComposeResult:
        """A line a field."""
        with VerticalScroll():
            yield Static(Text(f"{safe(self._title)}: what only people know"))
            yield Static(
                Text("Enter keeps, Esc leaves; an emptied field takes back what was said", "dim")
            )
            for key, value in self._held.items():
                with Horizontal():
                    yield Static(key, classes="label", markup=False)
                    yield Input(
                        safe(value, 500),
                        placeholder=KEYS[key],
                        id=key,
                        select_on_focus=False,
                        compact=True,
                    )
            with Horizontal():
                yield Static("reason", classes="label", markup=False)
                yield Input(placeholder="why you say so", id="reason", compact=True)
            yield Static(id="wrong", markup=False)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Keep what was changed."""
        event.stop()
        self.action_give()

    def action_give(self) -> None:
        """Give what was changed, if it can be kept."""
        from otsec.inventory.people import checked  # noqa: PLC0415 - not before it is needed

        given = {}
        for key, value in self._held.items():
            now = self.query_one(f"#{key}", Input).value
            if now != safe(value, 500):
                try:
                    given[key] = checked(key, now)
                except UsageError as error:
                    self.query_one("#wrong", Static).update(Text(safe(error), "bold red"))
                    self.query_one(f"#{key}", Input).focus()
                    return
        given["reason"] = self.query_one("#reason", Input).value.strip()
        self.dismiss(given if len(given) > 1 else None)


def edit(screen: "BaseScreen", assets: "Sequence[Asset]") -> None:
    """Ask what people know of assets, and take it down."""
    if screen.otsec.readonly:
        screen.otsec.complain("this otsec only reads; nothing can be changed here")
        return
    from otsec.inventory.people import shown  # noqa: PLC0415 - not before it is needed

    one = assets[0]
    several = len(assets) > 1
    keys = [key for key in FIRST if not (several and key == "name")]
    held = {key: "" if several else shown(one, key) for key in keys}
    title = f"{len(assets)} assets" if several else one.name
    ids = [asset.id for asset in assets]

    def use(given: dict[str, str] | None) -> None:
        if given is not None:
            reason = given.pop("reason")
            screen.ask(
                "say",
                lambda _: _say(screen, ids, given, reason),
                lambda count: _said(screen, count),
            )

    screen.app.push_screen(EditDialog(title, held), use)


def _say(screen: "BaseScreen", ids: Sequence[str], values: dict[str, str], reason: str) -> int:
    """Write it in one short transaction; what another said meanwhile stands in `before`."""
    from otsec.inventory.assembly import inventory  # noqa: PLC0415 - in the thread
    from otsec.inventory.people import Word, now_said, said_values  # noqa: PLC0415
    from otsec.inventory.selection import find  # noqa: PLC0415
    from otsec.inventory.shelf import Shelf  # noqa: PLC0415
    from otsec.store import open_store  # noqa: PLC0415
    from otsec.store.acts import acts as every  # noqa: PLC0415
    from otsec.store.acts import record  # noqa: PLC0415

    word = Word(who(screen.otsec.who or None, START_WITH), time.time_ns(), reason)
    with open_store(screen.otsec.path, create=False) as store:
        shelf = screen.otsec.known
        if isinstance(shelf, Shelf):  # what people said since it was made is added
            people = every(store)
            assets = [now_said(find(shelf, name), people) for name in ids]
        else:
            found = inventory(store)
            assets = [find(found, name) for name in ids]
        acts = [act for asset in assets for act in said_values(asset, values, word)]
        if acts:
            record(store, acts)
    return len(acts)


def _said(screen: "BaseScreen", count: int) -> None:
    screen.notify(
        f"{count} {'change' if count == 1 else 'changes'} kept" if count else "nothing new"
    )
    screen.otsec.look()
    screen.load(again=True)
