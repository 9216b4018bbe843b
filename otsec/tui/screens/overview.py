"""Overview: what needs a person now, and whether what is shown can be relied on."""

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.widgets import Static

from otsec import __version__
from otsec.cli.output import Column, bytes_text, duration_text
from otsec.health import Report, Severity, judge, overall
from otsec.health.verdict import counted, percent
from otsec.store import Store, overview, paging
from otsec.store import pulse as pulses
from otsec.store.filters import Filter
from otsec.store.overview import Here, Unread
from otsec.store.pulse import Pulse, Remote, blind, pulse
from otsec.store.queries import behaviours, sources
from otsec.summary import gathered
from otsec.tui.cells import safe, time_text
from otsec.tui.rows import Listed
from otsec.tui.screen import BaseScreen, Words
from otsec.tui.table import VirtualTable

RECENT_NS = 600 * 10**9  # before the last packet: who was heard then is still there
MOST = 6  # of each kind of thing that needs a person
WORST = 6  # protocols of which most was not decoded
PARTS = 60  # of the time line
LEAST = 10  # of any
BESIDE = 22  # columns before the line of a level
FEW = 36  # of the lines that stand beside words
BARS = " \u2581\u2582\u2583\u2584\u2585\u2586\u2587\u2588"
GRAVE = {"program": "high", "mode": "high", "firmware": "high", "config": "medium"}
NEEDS = 3  # questions that say what needs a person
WORST_FINDINGS = 12  # open ones that are named
TONES = {"critical": "bold red", "high": "bold red", "medium": "bold yellow"}
LEVELS = ("critical", "high", "medium", "low", "informational", "note")


class Need(NamedTuple):
    """One thing that somebody should look at."""

    level: str
    what: str
    where: str
    screen: str  # that shows more of it
    text: str  # by which that screen is filtered


COLUMNS = (
    Column("level", "level", about="how soon: high, medium, low, or only to be noted"),
    Column("what", "what needs a person", about="what was seen, in plain words"),
    Column("where", "where", about="device or capture point"),
)


class OverviewScreen(BaseScreen):
    """What needs a person now."""

    NAME = "Overview"
    AUTO_FOCUS = "VirtualTable"
    CSS = """
    OverviewScreen #needs { height: 1fr; min-height: 6; }
    OverviewScreen #panels { height: auto; max-height: 60%; scrollbar-gutter: stable; }
    OverviewScreen #panels Horizontal { height: auto; }
    OverviewScreen .panel { width: 1fr; height: auto; padding: 0 1; border-top: solid $panel; border-title-color: $primary; border-title-style: bold; }
    OverviewScreen.narrow #panels Horizontal { layout: vertical; }
    OverviewScreen.narrow .panel { width: 100%; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("tab", "app.focus_next", "Panels", show=False, id="overview.panels"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._parts_of_needs: dict[str, Sequence[Need]] = {}  # by question

    def body(self) -> ComposeResult:
        """What needs a person; below it what that rests on."""
        yield VirtualTable(COLUMNS, tone=_tone, id="needs")
        with VerticalScroll(id="panels"):
            with Horizontal():
                yield _panel("health", "Capture health")
                yield _panel("share", "Decoded")
            with Horizontal():
                yield _panel("findings", "Findings over time")
                yield _panel("remote", "In from another machine, as the capture ends")
            with Horizontal():
                yield _panel("pulse", "Notable events over time")
                yield _panel("dates", "Data and rules")

    def on_resize(self) -> None:
        """Panels beside each other where there is room."""
        super().on_resize()
        self.set_class(self.size.width < 100, "narrow")

    # ---------------------------------------------------------------------------- reading

    def load(self, *, again: bool = False) -> None:
        """Ask for each part by itself: what is quick is not held up."""
        site = self.otsec.config.site
        table = self.query_one(VirtualTable)
        table.zone, table.waiting = self.otsec.zone, "looking"
        table.follow_top = True  # the worst stands first; nothing is decided here
        own = self.otsec.config.rules
        self.ask("dates", lambda store: _dates(store, site, own), self._tell_dates)
        few, many = self._room("findings", FEW, BESIDE), self._room("pulse", PARTS)
        self.ask("findings", lambda store: pulses.findings(store, site, few), self._tell_findings)
        self.ask("remote", lambda store: _remote(store, site), self._tell_remote)
        self.ask("pulse", lambda store: pulse(store, site, many), self._tell_pulse)
        self.ask("share", lambda store: overview.unread(Here.of(store, site), WORST), self._tell_share)  # fmt: skip
        if not again:
            self._parts_of_needs = {}
        self.ask("open", lambda store: list(_of_findings(store, site)), lambda found: self._tell_needs("open", found, again=again))  # fmt: skip
        self.ask("done", lambda store: list(_of_deeds(store, site)), lambda found: self._tell_needs("done", found, again=again))  # fmt: skip
        self.ask("health", lambda store: _health(store, site), lambda found: self._tell_health(found, again=again))  # fmt: skip

    def _room(self, name: str, most: int, beside: int = 0) -> int:
        """How many marks a line of a panel has room for, of so many at most."""
        return max(min(self.query_one(f"#{name}").content_size.width - beside, most), LEAST)

    def _tell_needs(self, part: str, found: Sequence[Need], *, again: bool) -> None:
        """Some of what needs a person; the rest stays as it was, or is still being asked for."""
        parts = self._parts_of_needs
        again = again or bool(parts)
        parts[part] = found
        table = self.query_one(VirtualTable)
        table.waiting = "nothing needs a person" if len(parts) == NEEDS else "looking"
        every = [need for name in sorted(parts, reverse=True) for need in parts[name]]
        every.sort(key=lambda need: LEVELS.index(need.level))
        table.show(Listed(every, lambda need: (need.what, need.where)), again=again)

    def _tell(self, name: str, text: Text) -> None:
        self.query_one(f"#{name}", Static).update(text)

    def _tell_health(
        self, found: "tuple[list[Report], Sequence[tuple[str, int, int]]]", *, again: bool
    ) -> None:
        reports, gaps = found
        self._tell_needs("health", list(_of_health(reports)), again=again)
        text = Text(safe(overall(reports)) + "\n")
        for severity in (Severity.BAD, Severity.WARN):
            for trouble in gathered(reports, severity)[:3]:
                text.append(f"{severity.name:<5}", "bold red" if severity == Severity.BAD else "bold yellow")  # fmt: skip
                text.append(f"{safe(trouble.check)}: {safe(trouble.of_worst[0].figure)}\n")
        for kind, count, length in gaps:
            text.append(f"blind {counted(count, 'time')} ({safe(kind)}), {duration_text(length // 1000)} together\n")  # fmt: skip
        if not gaps:
            text.append("no gaps\n")
        text.rstrip()
        self._tell("health", text)

    def _tell_share(self, found: Unread) -> None:
        read = found.payload - found.undecoded
        text = Text(
            f"{percent(read, found.payload)} of {bytes_text(found.payload)} payload decoded\n"
            if found.payload
            else "no payload above the transport\n"
        )
        for share in found.first:
            whole = max(share.payload, 1)
            bar = round(20 * (whole - share.undecoded) / whole)
            missing = f"{bytes_text(share.undecoded)} not read" if share.undecoded else ""
            others = [
                f"{count} {word}"
                for count, word in ((share.malformed, "malformed"), (share.truncated, "cut"))
                if count
            ]
            told = ", ".join([missing, *others] if missing else others) or f"{bytes_text(share.lost)} lost"  # fmt: skip
            text.append(f"{safe(share.service)[:12]:<13}{'#' * bar:.<20} {told}\n")
        text.rstrip()
        self._tell("share", text)

    def _tell_pulse(self, found: Pulse) -> None:
        most = max(found.counts)
        line = bars(found.counts)
        begin = time_text(found.begin, self.otsec.zone)
        end = time_text(found.begin + found.width * len(found.counts), self.otsec.zone)
        text = Text(f"{line}\n{begin} to {end[11:] if end[:10] == begin[:10] else end}\n")
        text.append(f"{counted(sum(found.counts), 'event')}, at most {most} in {duration_text(found.width // 1000)}")  # fmt: skip
        self._tell("pulse", text)

    def _tell_findings(self, found: dict[str, Pulse]) -> None:
        text = Text()
        for level in (level for level in LEVELS if level in found):
            counts = found[level].counts
            line = bars(counts).rstrip()
            text.append(f"{level:<14}", TONES.get(level, ""))
            text.append(f"{sum(counts):>6}  {line}\n")
        if found:
            one = next(iter(found.values()))
            text.append(f"each mark {duration_text(one.width // 1000)}, by first sight", "dim")
        self._tell("findings", text if found else Text("no findings"))

    def _tell_remote(self, found: Sequence[Remote]) -> None:
        text = Text()
        for one in found[:MOST]:
            how = f"{one.protocol}, by its port" if one.by_port else one.protocol
            when = time_text(one.last_time, self.otsec.zone)[11:]
            text.append(f"{safe(one.client)} on {safe(one.server)}, {how}, {when}\n")
        if len(found) > MOST:
            text.append("and more; key 7 lists all\n", "dim")
        text.rstrip()
        self._tell("remote", text if found else Text("nobody by a protocol that otsec knows"))

    def _tell_dates(self, found: dict[str, Any]) -> None:
        text = Text()
        zone = self.otsec.zone
        if found["packets"]:
            first, last = (time_text(found[name], zone) for name in ("first", "last"))
            text.append(f"first packet {first}\nlast packet  {last}\n")
        text.append(
            f"{counted(found['packets'], 'packet')}, {counted(found['captures'], 'capture')}, "
            f"{counted(found['sources'], 'source')}"
        )
        if found["incomplete"]:
            text.append(f"\n{counted(found['incomplete'], 'capture')} not read to the end")
        text.append(f"\nrules of otsec {__version__}: {found['rules']}")
        if found["own_rules"]:
            text.append(f"\nyour rules: {found['own_rules']}, newest of {found['own_date']}")
        text.append(f"\nmakers of network cards as of {found['makers']}")
        self._tell("dates", text)

    # ---------------------------------------------------------------------------- actions

    @on(VirtualTable.Chosen)
    def _open(self, event: VirtualTable.Chosen) -> None:
        need: Need = event.row
        self.otsec.show(need.screen, need.text)

    def words(self) -> Words:
        """Panels and columns."""
        return [
            ("Columns", [(one.title, one.about) for one in COLUMNS]),
            (
                "Panels",
                [
                    ("Capture health", "whether the mirror port shows what it should; a gap or blind time is a span of which nothing can be told"),
                    ("Decoded", "how much of what was sent otsec could read; # is read, . is not"),
                    ("Notable events", "commands, failures, sessions and first sights over the time of the captures"),
                    ("Findings over time", "by level, when each was first seen; a mark of full height is the most of that level in one part"),
                    ("In from another machine", "who works on what by SSH, RDP, VNC and the like, or a tunnel, and was heard in the last ten minutes of the capture"),
                    ("Data and rules", "from when to when packets were seen, and how many; how old the rules and tables are that they were judged by"),
                ],
            ),
            (
                "Words",
                [
                    ("second writer", "a client that wrote what another client had written before: often an engineering station, sometimes somebody who should not"),
                    ("payload", "bytes above TCP or UDP: what the devices say to each other"),
                ],
            ),
        ]  # fmt: skip


def _panel(name: str, title: str) -> Vertical:
    shown = Static("reading", id=name, markup=False)
    panel = Vertical(shown, classes="panel")
    panel.border_title = title
    return panel


def _tone(need: Need, column: Column) -> str:
    if column.name != "level":
        return ""
    return {"critical": "bad", "high": "bad", "medium": "warn"}.get(need.level, "quiet")


def bars(counts: Sequence[int]) -> str:
    """Counts as bars beside each other, the greatest the highest."""
    most = max(counts, default=0)
    return "".join(BARS[-(-count * 8 // most) if most else 0] for count in counts)


def _remote(store: Store, site: str) -> list[Remote]:
    from otsec.sessions.kinds import BY_PORT, INTERACTIVE, TUNNEL  # noqa: PLC0415 - in the thread

    return pulses.remote(store, site, sorted(INTERACTIVE | TUNNEL), BY_PORT, MOST + 1, RECENT_NS)


def _rules(own: Path | None) -> dict[str, Any]:
    """How many rules there are; of a person's own ones the date of the newest."""
    from otsec.detect import loading  # noqa: PLC0415 - in the thread
    from otsec.detect.documents import files  # noqa: PLC0415

    mine = files(own) if own is not None and own.is_dir() else []
    newest = max((path.stat().st_mtime for path in mine), default=0)
    return {
        "rules": len(files(loading.folders(None)[0])),
        "own_rules": len(mine),
        "own_date": f"{datetime.fromtimestamp(newest, UTC):%Y-%m-%d}",
    }


def _dates(store: Store, site: str, own: Path | None) -> dict[str, Any]:
    from otsec.inventory.vendors import dated  # noqa: PLC0415 - in the thread

    found = sources(store, [Filter("site", site)])
    heard = [one for one in found if one.packets]
    return {
        **_rules(own),
        "makers": dated(),
        "packets": sum(one.packets for one in found),
        "captures": sum(one.captures for one in found),
        "incomplete": sum(one.incomplete for one in found),
        "sources": len(found),
        "first": min((one.first_time for one in heard), default=0),
        "last": max((one.last_time for one in heard), default=0),
    }


def _health(store: Store, site: str) -> tuple[list[Report], Sequence[tuple[str, int, int]]]:
    return judge(store, [Filter("site", site)]), blind(store, site)


def _of_deeds(store: Store, site: str) -> Iterator[Need]:
    """What changes devices, where no rule was asked of it, and second writers."""
    if not paging.judged(store):  # else rules tell of it, and better
        for cls, level in GRAVE.items():
            yield from _of_class(store, site, cls, level)
    for writer in overview.writes(Here.of(store, site), MOST).first:
        if writer.second_writer:
            what = f"{writer.client} wrote {writer.object or writer.operation}, as another client had before"
            yield Need("medium", what, writer.server, *_between(writer.client, writer.server))


def _of_findings(store: Store, site: str) -> Iterator[Need]:
    """The worst of what is open, and how much more there is."""
    open_ = paging.open_findings(store, site)
    if not open_:
        return
    shown = paging.worst_open(store, site, WORST_FINDINGS)
    for keyed in shown:
        one = keyed.row.finding
        where = " to ".join(end for end in (one.client, one.server) if end)
        yield Need(
            one.level, f"{one.title} ({keyed.row.state})", where, "findings", f"id={one.short}"
        )
    if open_ > len(shown):
        more = counted(open_ - len(shown), "more open finding")
        yield Need("note", more, "", "findings", "state:open")


def _of_health(reports: Sequence[Report]) -> Iterator[Need]:
    for severity, level in ((Severity.BAD, "medium"), (Severity.WARN, "low")):
        for trouble in gathered(reports, severity)[:MOST]:
            worst = trouble.of_worst[0]
            yield Need(level, f"capture: {worst.figure}", trouble.sources[0], "sensors", "")


def _of_class(store: Store, site: str, cls: str, level: str) -> Iterator[Need]:
    """Who does with whom what changes a device."""
    met: dict[tuple[str, str, str], Counter[str]] = {}
    for row in behaviours(store, [Filter("site", site), Filter("class", cls)]):
        met.setdefault((row.client, row.server, row.protocol), Counter())[row.operation] += (
            row.count
        )
    often = sorted(met.items(), key=lambda one: -one[1].total())[:MOST]
    for (client, server, protocol), done in often:
        named = ", ".join(operation for operation, _ in done.most_common(3))
        times = counted(done.total(), "time")
        yield Need(
            level,
            f"{cls}: {client} {named} ({protocol}, {times})",
            server,
            *_between(client, server),
        )


def _between(client: str, server: str) -> tuple[str, str]:
    """The screen, and its filter, that show what two do with each other."""
    return "conversations", f"client={client} server={server}"
