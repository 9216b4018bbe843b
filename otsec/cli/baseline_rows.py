"""What the listings of ``otsec baseline`` show, and what they can be filtered by."""

import json
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, NamedTuple, get_args

from otsec.cli.output import Column

if TYPE_CHECKING:
    from collections.abc import Sequence

    from otsec.cli.listing import Closed
    from otsec.store.baseline import Line
    from otsec.store.queries import Filter

FILTERS = {
    "id": "the thing's id, or its beginning",
    "kind": "device, conversation, operation, object, writer, value, identity, presence, volume,"
    " cycle, response, load, week, changes, hours, order, step",
    "client": "address or network of who asks",
    "server": "address or network of who answers, or whom it is about",
    "host": "address or network of either",
    "service": "tcp/502",
    "proto": "the protocol",
    "device": "the device behind the address",
    "op": "the operation",
    "class": "read, write, control, program, ...",
    "object": "the object",
    "how": "learned, approved, imported, forgotten; `new`: not in the baseline",
    "by": "who said so",
    "vlan": "the VLAN",
    "group": "the point group",
    "site": "the site's name",
}
OF_STATUS = {
    "name": "the asset's name",
    "host": "its address",
    "state": "learning, complete, approved, imported",
    "presence": "always on, shift, on demand, mobile, transient, unknown",
    "vlan": "the VLAN",
    "group": "the point group",
    "site": "the site's name",
}
OF_AUDIT = {
    "risk": "what is risky",
    "level": "high or medium",
    "client": "address or network of who does it",
    "server": "address or network to whom",
    "host": "address or network of either",
    "state": "about to be learned, learned, needs a person, not learned",
    "group": "the point group",
    "site": "the site's name",
}


def _rate(name: str) -> Callable[[Any], float | None]:
    def value(one: Any) -> float | None:
        told = getattr(one, name)
        return None if told is None else float(f"{told:.3g}")

    return value


STATUS = (
    Column("name", "name", about="the asset; first which devices there are at all"),
    Column("address", "address", value=lambda one: one.scope.address),
    Column("state", "state", about="learning, complete, or approved or imported by a person"),
    Column("complete", "seen again", about="share of its things seen on more than one occasion",
           value=lambda one: f"{one.complete:.0%}"),
    Column("things", "things", "number", "what may be learned of it"),
    Column("singles", "once", "number", "of these, seen on one occasion only"),
    Column("watched_us", "watched", "duration", "how long, gaps left out",
           value=lambda one: one.watched_ns // 1000),
    Column("expected", "new a day", "number", "new things to be expected (Good and Turing)",
           value=_rate("expected")),
    Column("at_most", "at most", "number", "the same with 95 % confidence", value=_rate("at_most")),
    Column("presence", "presence", about="when it is there"),
    Column("barred", "kept out", "number", "things that are seen and not learned"),
    Column("open", "what keeps it open", "list", "what must happen before learning ends"),
    Column("ended", "ended", "time", "when learning ended", detail=True,
           value=lambda one: one.ended or None),
    Column("place", "vlan", about="the VLAN", detail=True, value=lambda one: one.scope.place),
    Column("group", "group", about="point group", detail=True, value=lambda one: one.scope.group),
    Column("site", "site", about="the site", detail=True, value=lambda one: one.scope.site),
)  # fmt: skip
AUDIT = (
    Column("level", "level", about="how bad it would be"),
    Column("risk", "risk", about="what is risky"),
    Column("what", "what", about="who does what"),
    Column("state", "state", about="about to be learned, learned, needs a person, not learned"),
    Column("times", "times", "number", "how often; of several things, how many"),
    Column("last_time", "last", "time", "when last"),
    Column("ids", "ids", "list", "of the things, for approve and forget",
           value=lambda one: one.ids[:3] if len(one.ids) < 4 else (*one.ids[:3], "...")),
    Column("client", "client", detail=True, about="who does it"),
    Column("server", "server", detail=True, about="to whom"),
    Column("all_ids", "all ids", "list", "all of them", detail=True, value=lambda one: one.ids),
    Column("first_time", "first", "time", "when first", detail=True),
    Column("point", "point", detail=True, about="capture point"),
    Column("packet", "packet", "number", "the first one, ordinal in its source", detail=True),
    Column("group", "group", detail=True, about="point group"),
    Column("site", "site", detail=True, about="the site"),
)  # fmt: skip


class Row(NamedTuple):
    """One thing that is, was or could be normal."""

    line: "Line"
    change: str  # `new`, `gone`, `other`; empty: not compared
    how: str


def _of(name: str, title: str = "", kind: Any = "text", about: str = "", *, detail: bool = False,
        field: str = "") -> Column:  # fmt: skip
    return Column(
        name, title or name, kind, about, detail, lambda row: getattr(row.line, field or name)
    )


def _cycle(middle: int, _: float, limit: int = 0, missed: int = 0) -> str:
    """How often, how late at most, and how much is missed; lines of older versions lack the last."""
    from otsec.baseline.words import lasting

    late = f", {lasting(limit)} at most, {missed / 1e4:.3g} % missed in bad hours" if limit else ""
    return f"every {lasting(middle)}{late}"


def _response(middle: int, _: float, __: int, limit: int, missing: int) -> str:
    from otsec.baseline.words import lasting

    return f"after {lasting(middle)}, {lasting(limit)} at most, {missing} ppm missing"


def _hours(counts: list[int]) -> str:
    return "changes at " + ", ".join(str(hour) for hour, count in enumerate(counts) if count)


def _week(most: list[int], weeks: list[int]) -> str:
    """The busiest hour of the week, and in how many weeks it was seen; hours are those of UTC."""
    from otsec.baseline.weeks import DAYS

    if not any(weeks):
        return f"{max(most)} bytes at whatever hour"
    at = most.index(max(most))
    day, hour = divmod(at, 24)
    seen = f"{weeks[at]} {'week' if weeks[at] == 1 else 'weeks'}"
    return f"most on {DAYS[day]}s at {hour} o'clock UTC ({most[at]} bytes, {seen})"


TIMED: dict[str, Callable[[Any], str]] = {
    "cycle": lambda told: _cycle(*told),
    "response": lambda told: _response(*told),
    "load": lambda told: f"{told[0]} bytes in the busiest of {told[2]} hours, {told[1]} as a rule",
    "week": lambda told: _week(told[: len(told) // 2], told[len(told) // 2 :]),
    "changes": lambda told: f"{told[0]} in the busiest of {told[2]} hours, {told[1]} as a rule",
    "hours": _hours,
    "order": lambda told: f"cycle: {told[3]}" if told[3] else f"{told[1]} bits a message",
    "step": lambda _: "",  # it is the object
}


def _detail(row: Row) -> str:
    """What a line holds besides what it is, for people."""
    if not row.line.detail:
        return ""
    told = json.loads(row.line.detail)
    if row.line.kind == "value":
        return f"{told[0]:g}" if told[0] == told[1] else f"{told[0]:g} to {told[1]:g}"
    if row.line.kind in TIMED:
        return TIMED[row.line.kind](told)
    if row.line.kind == "volume":
        return f"{told[0]} bytes a day out, {told[1]} in"
    return ", ".join(told) if row.line.kind == "operation" else f"{told[0]}: {told[2]}"


LIST = (
    _of("id", about="by which approve, forget and explain find it"),
    _of("kind"),
    _of("client", about="who asks, writes or publishes"),
    _of("server", about="who answers, or whom it is about"),
    _of("device", about="the device behind the address"),
    _of("operation", about="the operation; of an identity the attribute"),
    _of("object", about="the object; of an identity the value"),
    Column("detail", "detail", about="range, outcomes, presence, volume", value=_detail),
    _of("times", "times", "number", "how often, when it was last learned"),
    _of("last_time", "last", "time", "when last"),
    Column("how", "how", about="learned, approved, imported, forgotten; new: not in the baseline"),
    _of("who", "by", about="who said so"),
    Column("until", "until", "time", "until when it holds", value=lambda row: row.line.until or None,
           detail=True),
    _of("reason", about="why", detail=True),
    _of("service", about="tcp/502", detail=True),
    _of("protocol", about="the protocol", detail=True),
    _of("class", about="class of the operation", detail=True, field="cls"),
    _of("first_time", "first", "time", "when first", detail=True),
    _of("since", "since", "time", "since when it holds", detail=True),
    _of("point", about="capture point that saw most", detail=True),
    Column("packets", "packets", "list", "that show it", detail=True,
           value=lambda row: tuple(json.loads(row.line.packets))),
    _of("place", "vlan", about="the VLAN", detail=True),
    _of("group", about="point group", detail=True),
    _of("site", about="the site", detail=True),
)  # fmt: skip
DIFF = (
    Column("change", "change", about="new: not in the baseline; gone: not in the other; other: the "
           "range or the end differs"),
    *LIST,
)  # fmt: skip
SPARE = ("device", "who", "object", "detail", "operation", "client", "presence", "barred", "open")


# --------------------------------------------------------------------------------- filters

Keys = dict[str, Callable[[Any], Iterable[str]]]
STATUS_KEYS: Keys = {
    "name": lambda one: (one.name,),
    "host": lambda one: (one.scope.address,),
    "state": lambda one: (one.state,),
    "presence": lambda one: (one.presence,),
    "vlan": lambda one: (one.scope.place,),
    "group": lambda one: (one.scope.group,),
    "site": lambda one: (one.scope.site,),
}


def _attribute(name: str) -> Callable[[Any], Iterable[str]]:
    return lambda one: (getattr(one, name),)


def _cell(name: str) -> Callable[[Any], Iterable[str]]:
    return lambda row: (getattr(row.line, name),)


AUDIT_KEYS: Keys = {
    name: _attribute(name)
    for name in ("risk", "level", "client", "server", "state", "group", "site")
}
AUDIT_KEYS["host"] = lambda one: (one.client, one.server)
LINE_KEYS: Keys = {
    name: _cell(field)
    for name, field in (
        *(("id", "id"), ("kind", "kind"), ("client", "client"), ("server", "server")),
        *(("service", "service"), ("proto", "protocol"), ("device", "device")),
        *(("op", "operation"), ("class", "cls"), ("object", "object"), ("by", "who")),
        *(("vlan", "place"), ("group", "group"), ("site", "site")),
    )
}
LINE_KEYS["host"] = lambda row: (row.line.client, row.line.server)
LINE_KEYS["how"] = lambda row: (row.how, row.change)
OF_ROWS = ("new", "gone", "other")  # how rows are that stand in no baseline as they are


def closed() -> "Closed":
    """What lines can be asked for, where that is a closed list."""
    from otsec.baseline.model import KINDS
    from otsec.store.baseline import How

    return {"kind": KINDS, "how": (*get_args(How), *OF_ROWS)}


def passing(
    found: Iterable[Any],
    filters: "Sequence[Filter]",
    keys: Keys,
    span: Callable[[Any], tuple[int, int]],
) -> list[Any]:
    """The rows that pass all filters; ``keys``: what each looks at; ``span``: times in ns."""
    from otsec.inventory.selection import passes

    def texts(one: Any) -> Iterable[str]:
        for told in keys.values():
            yield from told(one)
        yield getattr(one, "what", "")

    return [one for one in found if all(passes(one, f, keys, texts, span(one)) for f in filters)]


def chosen(rows: Iterable[Row], filters: "Sequence[Filter]") -> list[Row]:
    """The lines that pass all filters."""
    return passing(rows, filters, LINE_KEYS, lambda row: (row.line.first_time, row.line.last_time))
