"""The baseline as text: one canonical line per learned thing, to be kept with git.

A line is the kind and ``name=value`` for all that is not empty; a value stands bare where it is
made of plain letters, else as a JSON string. Times are UTC. Lines are sorted.
"""

import json
import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from otsec.baseline.model import KINDS, Key
from otsec.errors import UsageError
from otsec.nanoseconds import HOUR_NS, SECOND_NS
from otsec.store.baseline import Ended, Line

HEAD = "# otsec baseline 1"
MOST_LINES = 1_000_000
MOST_TOLD = 20  # mistakes
LONGEST = 4_096  # letters of a line; the store keeps no longer names
LATEST_S = (1 << 63) // SECOND_NS  # what a store can hold
BARE = re.compile(r"[A-Za-z0-9_.:/+*@,;-]+")
_STRING = r'"(?:[^"\\]|\\.)*"'
_TOKEN = re.compile(rf'([a-z_]+)=({_STRING}|\[(?:{_STRING}|[^\]"])*\]|[^\s"\[]\S*)(?:\s+|$)')
LISTS = frozenset({"detail", "packets"})
OF_KEY = (  # name in the text, field of the line
    *(("site", "site"), ("group", "group"), ("vlan", "place"), ("client", "client")),
    *(("server", "server"), ("service", "service"), ("protocol", "protocol")),
    *(("device", "device"), ("operation", "operation"), ("class", "cls"), ("object", "object")),
)
WORDS = {"operation": "attribute", "object": "value"}  # of an identity
HOWS = ("learned", "approved", "imported")
NUMBER = (int, float)
DETAILS: dict[str, tuple[Any, ...]] = {  # what the list in `detail` holds
    "value": (NUMBER, NUMBER, NUMBER),  # least, greatest, first
    "volume": (int, int),
    "presence": (str, int, str),
    "cycle": (int, NUMBER, int, int),  # median, spread, limit, missed in a million of a bad hour
    "response": (int, NUMBER, int, int, int),  # median, spread, least, limit, missing in a million
    "load": (int, int, int),  # most, median, hours
    "week": (int,) * 336,  # most of each hour of the week (UTC, from Monday on), weeks of each
    "changes": (int, int, int),  # most and median an hour, hours
    "hours": (int,) * 24,  # by the hour of the day, UTC
    "order": (NUMBER, NUMBER, NUMBER, str),  # share in a cycle, bits, their spread, the cycle
    "step": (str, str, str),  # the messages
    "operation": (str,),  # outcomes, any number of them
}
BEFORE: dict[str, tuple[Any, ...]] = {"cycle": (int, NUMBER)}  # as older versions wrote it
SCALES = frozenset({"cycle", "response"})  # by their median and spread hours are measured
SCOPE = "ended"  # the kind of a line that tells where learning has ended


def written(lines: Iterable[Line], ends: Iterable[Ended] = ()) -> Iterator[str]:
    """The lines of a baseline, sorted, without line ends; what was forgotten is left out."""
    yield HEAD
    yield from sorted(
        [*map(end_line, ends), *(line(one) for one in lines if one.how != "forgotten")]
    )


def name(key: Key | Line) -> str:
    """What makes a thing the same, as its line begins."""
    return " ".join([key.kind, *_pairs(_cells(key))])


def line(one: Line) -> str:
    """One line."""
    told: list[tuple[str, str]] = []
    if one.detail:
        told.append(("detail", one.detail))
    told += [
        ("count", str(one.times)),
        ("first", time_text(one.first_time)),
        ("last", time_text(one.last_time)),
        *((("point", one.point),) if one.point else ()),
        *((("packets", one.packets),) if one.packets not in {"", "[]"} else ()),
        ("how", one.how),
        *((("by", one.who),) if one.who else ()),
        *((("reason", one.reason),) if one.reason else ()),
        ("since", time_text(one.since)),
        *((("until", time_text(one.until)),) if one.until else ()),
    ]
    return " ".join([name(one), *_pairs(told)])


def end_line(one: Ended) -> str:
    """The line of a scope of which learning has ended."""
    told = [("site", one.site), ("group", one.group), ("vlan", one.place), ("server", one.address)]
    told = [pair for pair in told if pair[1]]
    told += [
        *(("at", time_text(one.ended)), ("how", one.how), ("singles", str(one.singles))),
        ("watched", f"{one.watched_ns // SECOND_NS}s"),
    ]
    return " ".join([SCOPE, *_pairs(told)])


def _cells(key: Key | Line) -> list[tuple[str, str]]:
    words = WORDS if key.kind == "identity" else {}
    cells = [(words.get(word, word), str(getattr(key, field))) for word, field in OF_KEY]
    return [cell for cell in cells if cell[1]]


def _pairs(cells: Iterable[tuple[str, str]]) -> list[str]:
    return [f"{word}={_value(word, text)}" for word, text in cells]


def _value(word: str, text: str) -> str:
    if word in LISTS:  # JSON already; written in one way
        return _dumped(json.loads(text))
    return text if BARE.fullmatch(text) else _dumped(text)


def _dumped(value: object) -> str:
    return json.dumps(value, separators=(",", ":")).replace("\x7f", "\\u007f")


def time_text(ns: int) -> str:
    """A time as it stands in lines: UTC, to the nanosecond where it is so fine."""
    seconds, rest = divmod(ns, SECOND_NS)
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
    fraction = f".{rest:09d}".rstrip("0").rstrip(".")
    return f"{moment:%Y-%m-%dT%H:%M:%S}{fraction}Z"


def hour_text(hour: int) -> str:
    """A whole hour since 1970 as findings tell it: UTC, `2026-01-05 08:00`."""
    return time_text(int(hour) * HOUR_NS)[:16].replace("T", " ")


# --------------------------------------------------------------------------------- reading


def read(text: str, source: str) -> tuple[list[Line], list[Ended]]:
    """The lines of a text. Raises UsageError naming every wrong line."""
    lines: dict[str, Line] = {}
    ends: list[Ended] = []
    wrong: list[str] = []
    for number, raw in enumerate(text.splitlines(), 1):
        told = raw.strip()
        if not told or told.startswith("#"):
            if number == 1 and told.startswith("# otsec baseline") and told != HEAD:
                raise UsageError(f"{source}:1: {told!a} is of another version; expected {HEAD!a}")
            continue
        try:
            if told.split(" ", 1)[0] == SCOPE:
                ends.append(_end(told))
            else:
                one = _line(told)
                if lines.setdefault(one.id, one) is not one:
                    wrong.append(f"{source}:{number}: the same as an earlier line: {name(one)}")
        except UsageError as error:
            wrong.append(f"{source}:{number}: {error}")
        if number > MOST_LINES:
            raise UsageError(f"{source}: has more than {MOST_LINES} lines")
    if wrong:
        more = [f"... and {len(wrong) - MOST_TOLD} more"] if len(wrong) > MOST_TOLD else []
        raise UsageError("\n".join([*wrong[:MOST_TOLD], *more]))
    return list(lines.values()), ends


def _words(text: str) -> tuple[str, dict[str, str]]:
    if len(text) > LONGEST:
        raise UsageError(f"{len(text)} letters; expected at most {LONGEST}")
    kind, _, rest = text.partition(" ")
    cells: dict[str, str] = {}
    at = 0
    rest = rest.strip()
    while at < len(rest):
        found = _TOKEN.match(rest, at)
        if found is None:
            raise UsageError(f"expected name=value, found {rest[at : at + 30]!a}")
        word, value = found.groups()
        if word in cells:
            raise UsageError(f"{word} stands twice")
        cells[word] = _told(word, value)
        at = found.end()
    return kind, cells


def _told(word: str, value: str) -> str:
    if not value.startswith('"'):
        return value
    try:
        return str(json.loads(value))
    except ValueError:
        raise UsageError(f"{word}: {value[:40]!a} is no JSON string") from None


def _line(text: str) -> Line:
    kind, cells = _words(text)
    if kind not in KINDS:
        raise UsageError(f"{kind[:40]!a} is no kind; there are: {', '.join(KINDS)}")
    words = WORDS if kind == "identity" else {}
    fields: dict[str, Any] = {field: cells.pop(words.get(word, word), "") for word, field in OF_KEY}
    if not fields["site"]:
        raise UsageError("expected site=...")
    key = Key(kind, **fields)
    how: Any = cells.pop("how", "imported")
    if how not in HOWS:
        raise UsageError(f"how={how[:40]!a}: expected one of {', '.join(HOWS)}")
    detail = cells.pop("detail", "")
    _check_detail(kind, detail)
    packets = cells.pop("packets", "[]")
    if not re.fullmatch(r"\[(\d{1,18}(, ?\d{1,18})*)?\]", packets, re.ASCII):
        raise UsageError(f"packets={packets[:40]!a}: expected a list of numbers")
    made = Line(
        *(key.id, *key, json.dumps(json.loads(detail)) if detail else ""),
        _number(cells.pop("count", "0"), "count"),
        _time(cells.pop("first", ""), "first"),
        _time(cells.pop("last", ""), "last"),
        cells.pop("point", ""),
        json.dumps(json.loads(packets)),
        how,
        cells.pop("by", ""),
        cells.pop("reason", ""),
        _time(cells.pop("since", ""), "since"),
        _time(cells.pop("until", ""), "until"),
    )
    if cells:
        raise UsageError(f"no {next(iter(cells))!a} in a line of kind {kind}")
    return made


def _check_detail(kind: str, detail: str) -> None:
    """What is computed with must be what it is said to be."""
    if kind not in DETAILS:
        if detail:
            raise UsageError(f"no detail in a line of kind {kind}")
        return
    try:
        told = json.loads(detail)
    except ValueError:
        told = None
    if not isinstance(told, list) or not _fits(kind, told):
        raise UsageError(f"detail={detail[:40]!a}: not what a line of kind {kind} holds")


def _fits(kind: str, told: list[Any]) -> bool:
    types = DETAILS[kind]
    if kind == "operation":
        types *= len(told)
    elif len(told) == len(BEFORE.get(kind, types)):
        types = BEFORE.get(kind, types)
    return (
        len(told) == len(types)
        and all(
            isinstance(one, wanted) and type(one) is not bool
            for one, wanted in zip(told, types, strict=True)
        )
        and (kind not in SCALES or all(one > 0 for one in told[:2]))
    )


def _end(text: str) -> Ended:
    _, cells = _words(text)
    made = Ended(
        cells.pop("site", ""),
        cells.pop("group", ""),
        cells.pop("vlan", ""),
        cells.pop("server", ""),
        _time(cells.pop("at", ""), "at"),
        cells.pop("how", "imported"),
        _number(cells.pop("singles", "0"), "singles"),
        _number(cells.pop("watched", "0s").removesuffix("s"), "watched") * SECOND_NS,
    )
    if cells:
        raise UsageError(f"no {next(iter(cells))!a} in a line of kind {SCOPE}")
    if not made.site:
        raise UsageError("expected site=...")
    return made


def _number(text: str, word: str) -> int:
    if not re.fullmatch(r"\d{1,18}", text, re.ASCII):
        raise UsageError(f"{word}={text[:40]!a}: expected a whole number")
    return int(text)


def _time(text: str, word: str) -> int:
    """A time in ns; nothing: 0."""
    if not text:
        return 0
    found = re.fullmatch(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?Z", text, re.ASCII)
    try:
        moment = datetime.fromisoformat(f"{found[1]}+00:00") if found else None
    except ValueError:
        moment = None
    if moment is None or found is None:
        raise UsageError(f"{word}={text[:40]!a}: expected a time such as 2026-01-31T08:00:00Z")
    seconds = (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(seconds=1)
    if not 0 <= seconds < LATEST_S:
        raise UsageError(f"{word}={text[:40]!a}: expected a time from 1970 to 2262")
    return seconds * SECOND_NS + int((found[2] or "0").ljust(9, "0"))
