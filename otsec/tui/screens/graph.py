"""Who talks to whom, drawn by Purdue level: a band a level, and between bands what crosses them."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.widgets import Static

from otsec.cli.harmless import cut, width
from otsec.store import Store
from otsec.tui.cells import MARK, safe
from otsec.tui.screen import BaseScreen, Words

if TYPE_CHECKING:
    from otsec.inventory.assembly import Inventory
    from otsec.inventory.model import Node
    from otsec.store.sightings import Talk

NAMES = {
    5.0: "enterprise",
    4.0: "site business",
    3.5: "zone between office and plant",
    3.0: "site operations",
    2.0: "supervision",
    1.0: "control",
    0.0: "process",
}
UNKNOWN = -1.0  # where the level is not known
MOST = 60  # assets drawn of a level
CROSSING = 8  # protocols named of what crosses
LONGEST = 24  # letters of a name
RULE = "\u2500"
JUMP = 1.0  # levels that traffic may cross in one step


class Flow(NamedTuple):
    """What is said between two levels."""

    client: float
    server: float
    protocols: tuple[tuple[str, int], ...]  # with how many pairs of assets, the most first
    pairs: int


class Graph(NamedTuple):
    """Assets by level, the highest first, and what is said between levels."""

    bands: tuple[tuple[float, tuple[str, ...]], ...]
    flows: tuple[Flow, ...]


def drawn(found: "Inventory") -> Graph:
    """The graph of an inventory."""
    bands: dict[float, list[str]] = {}
    for asset in found.assets:
        bands.setdefault(UNKNOWN if asset.level is None else asset.level, []).append(asset.name)
    pairs: dict[tuple[float, float], Counter[str]] = {}
    met: dict[tuple[float, float], set[tuple[str, str]]] = {}
    for asset in found.assets:
        for talk in asset.talks:
            ends = [
                found.by_node.get(_node(talk, address)) for address in (talk.client, talk.server)
            ]
            if None in ends or ends[0] == ends[1]:
                continue
            client, server = (found.assets[end] for end in ends if end is not None)
            if client.id != asset.id:
                continue  # told once, by who asks
            between = (_level(client.level), _level(server.level))
            pairs.setdefault(between, Counter())[talk.protocol or talk.service] += 1
            met.setdefault(between, set()).add((client.id, server.id))
    flows = [
        Flow(*between, tuple(words.most_common(CROSSING)), len(met[between]))
        for between, words in pairs.items()
    ]
    return Graph(
        tuple((level, tuple(names)) for level, names in sorted(bands.items(), reverse=True)),
        tuple(sorted(flows, key=lambda flow: (-max(flow[:2]), -flow.pairs))),
    )


def _node(talk: "Talk", address: str) -> "Node":
    from otsec.inventory.model import Node  # noqa: PLC0415 - in the thread

    return Node(talk.site, talk.group, talk.place, address)


def _level(level: float | None) -> float:
    return UNKNOWN if level is None else level


def title(level: float) -> str:
    """``Level 2, supervision``."""
    if level == UNKNOWN:
        return "Level unknown"
    return f"Level {level:g}, {NAMES.get(level, 'of its own')}"


def picture(graph: Graph, columns: int) -> Text:
    """The graph in so many columns of text."""
    text = Text(no_wrap=True)
    inside = columns - 4
    levels = [level for level, _ in graph.bands]
    for number, (level, names) in enumerate(graph.bands):
        head = f" {title(level)}: {len(names)} "
        rule = RULE * max(inside - width(head), 0)
        text.append(f"\u250c{RULE}{head}{rule}{RULE}\u2510\n", "bold")
        for line in _lines(names, inside):
            text.append(f"\u2502 {line}{' ' * (inside - width(line))} \u2502\n")
        own = [flow for flow in graph.flows if flow.client == flow.server == level]
        for flow in own:
            line = cut(f"among themselves: {_said(flow)}", inside, MARK)
            text.append(f"\u2502 {line}{' ' * (inside - width(line))} \u2502\n", "dim")
        text.append(f"\u2514{RULE * (inside + 2)}\u2518\n", "bold")
        if number + 1 < len(levels):
            _crossing(text, graph, level, levels[number + 1], columns)
    _far(text, graph, levels, columns)
    return text


def _crossing(text: Text, graph: Graph, above: float, below: float, columns: int) -> None:
    """What crosses between two bands that stand below each other."""
    told = 0
    for flow in graph.flows:
        if {flow.client, flow.server} == {above, below}:
            arrow = "\u25bc" if flow.client == above else "\u25b2"
            line = cut(f"{arrow} {title(flow.client)} asks: {_said(flow)}", columns - 6, MARK)
            text.append(f"   \u2502 {line}\n")
            told += 1
    if not told:
        text.append("\n")


def _far(text: Text, graph: Graph, levels: Sequence[float], columns: int) -> None:
    """What leaps over a level: what zones and conduits are there to forbid."""
    place: Mapping[float, int] = {level: number for number, level in enumerate(levels)}
    far = [flow for flow in graph.flows if abs(place[flow.client] - place[flow.server]) > 1]
    if not far:
        return
    text.append("\nAcross levels\n", "bold underline")
    for flow in far:
        leap = UNKNOWN not in flow[:2] and abs(flow.client - flow.server) > JUMP
        mark = "! " if leap else "  "
        ends = [title(end).split(",")[0] for end in (flow.client, flow.server)]
        line = cut(f"{mark}{ends[0]} \u25ba {ends[1]}: {_said(flow)}", columns - 2, MARK)
        text.append(f" {line}\n", "bold yellow" if leap else "")


def _said(flow: Flow) -> str:
    named = ", ".join(f"{safe(word, 40)} {count}" for word, count in flow.protocols)
    return f"{named} ({flow.pairs} pair{'' if flow.pairs == 1 else 's'})"


def _lines(names: Sequence[str], columns: int) -> list[str]:
    """Names in as few lines as hold them."""
    shown = [f"[{cut(safe(name, 80), LONGEST, MARK)}]" for name in names[:MOST]]
    if len(names) > MOST:
        shown.append(f"and {len(names) - MOST} more")
    lines = [""]
    for name in shown:
        line = f"{lines[-1]} {name}" if lines[-1] else name
        if width(line) <= columns:
            lines[-1] = line
        else:
            lines.append(cut(name, columns, MARK))
    return lines


class GraphScreen(BaseScreen):
    """Who talks to whom by level."""

    NAME = "Graph"
    AUTO_FOCUS = "VerticalScroll"
    CSS = "GraphScreen Static { height: auto; width: auto; }"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,backspace,v", "back", "Back", id="back", tooltip="Back to the table"),
        Binding("j", "roll(1)", "Down", show=False, id="graph.down"),
        Binding("k", "roll(-1)", "Up", show=False, id="graph.up"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._graph: Graph | None = None

    def body(self) -> ComposeResult:
        """The picture."""
        with VerticalScroll():
            yield Static("drawing", id="picture", markup=False)

    def load(self, *, again: bool = False) -> None:  # noqa: ARG002 - drawn anew either way
        """Ask who is there and draw."""

        def question(store: Store) -> Graph:
            return drawn(self.otsec.inventory(store))

        self.ask("graph", question, self._draw)

    def _draw(self, graph: Graph) -> None:
        self._graph = graph
        shown = picture(graph, max(self.size.width - 3, 40)) if graph.bands else Text("no assets")
        self.query_one("#picture", Static).update(shown)

    def on_resize(self) -> None:
        """Draw it as wide as the screen."""
        super().on_resize()
        if self._graph is not None:
            self._draw(self._graph)

    def action_back(self) -> None:
        """Back to the table."""
        self.dismiss()

    def action_roll(self, lines: int) -> None:
        """Scroll."""
        self.query_one(VerticalScroll).scroll_relative(y=lines, animate=False)

    def words(self) -> Words:
        """Signs of the picture."""
        return [
            (
                "Picture",
                [
                    ("box", "a Purdue level with its assets; the highest stands above"),
                    ("\u25bc \u25b2", "who asks: the level above asks the one below, or the other way round"),
                    ("modbus 3", "three conversations by this protocol; pairs are pairs of assets"),
                    ("Across levels", "what leaps over a level; ! where it leaps over one that should stand between"),
                ],
            )
        ]  # fmt: skip
