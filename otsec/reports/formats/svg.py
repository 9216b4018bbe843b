"""Drawings as inline SVG: bars, days, strips, matrices and lanes, each with a title, none with script.

A state is never told by colour alone: it is named in the key and in the hint of each part, counts
stand beside bars, and the data is a table behind the drawing.
"""

from collections.abc import Callable, Iterable, Sequence
from html import escape
from typing import Any

from otsec.reports.document import Bars, Chart, Days, Grid, Lanes, Strip, Table, Tone
from otsec.reports.drawing import Line, drawing
from otsec.reports.formats import Manner

FILLS: dict[Tone, str] = {  # in order of brightness too, so that they part in print without colour
    "critical": "#7d1128",
    "high": "#b3261e",
    "medium": "#c77700",
    "low": "#3d7fb8",
    "informational": "#a9b4c0",
    "good": "#2e6f40",
    "warn": "#c77700",
    "bad": "#b3261e",
    "unknown": "#8a94a0",
    "plain": "#3d6f9e",
}
STATES: dict[str, tuple[Tone, str]] = {  # of strips and matrices: fill and sign
    "heard": ("plain", ""),
    "blind": ("bad", ""),
    "violated": ("bad", "!"),
    "undecoded": ("warn", "?"),
    "allowed": ("good", "ok"),
    "unused": ("informational", "-"),
}
INK, PALE, RULE = "#1c2430", "#5b6675", "#d9dee5"
WIDTH = 1120
NAME = 250  # of the names at the left of bars and strips
ROW = 26
MOST_BARS, MOST_NAMES, MOST_STANDING = 24, 30, 124
LINES = {"change": "#b3261e", "write": "#d07a00", "read": "#3d7fb8", "other": "#9aa4b0"}
WEIGHTS = {
    "change": "programs, modes, files",
    "write": "writes and commands",
    "read": "reads",
    "other": "anything else, or not read",
}


def svg(chart: Chart, manner: Manner) -> str:
    """The drawing of a chart."""
    draw = DRAW[type(chart.picture)]
    height, parts = draw(chart.picture, chart.data, manner)
    inner = "\n".join(parts)
    return (
        f'<svg viewBox="0 0 {WIDTH} {height:.0f}" role="img" aria-label="{escape(chart.alt)}" '
        f'font-family="inherit">\n<title>{escape(chart.title)}</title>\n{inner}\n</svg>\n'
    )


Drawn = tuple[float, Iterable[str]]


def _text(x: float, y: float, text: object, more: str = "", size: float = 13) -> str:
    shown = escape(str(text))
    fill = "" if "fill=" in more else f' fill="{INK}"'
    return f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}"{fill} {more}>{shown}</text>'


def _rect(x: float, y: float, width: float, height: float, fill: str, hint: str = "") -> str:
    title = f"<title>{escape(hint)}</title>" if hint else ""
    return (
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{max(width, 0.6):.1f}" height="{height:.1f}" '
        f'fill="{fill}">{title}</rect>'
    )


def _cut(text: str, most: int = MOST_NAMES) -> str:
    return text if len(text) <= most else text[: most - 1] + "\u2026"


def _key(names: Sequence[tuple[str, str]], y: float) -> Iterable[str]:
    """What each fill means."""
    x = float(NAME)
    for name, fill in names:
        yield _rect(x, y, 13, 13, fill)
        yield _text(x + 19, y + 11, name, size=12.5)
        x += 42 + 7.2 * len(name)


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else 0.0


def _told(value: float, kind: str) -> str:
    if kind == "share":
        return f"{100 * value:.0f} %"
    return f"{value:,.0f}".replace(",", " ")


# ----------------------------------------------------------------------------------- bars


def _bars(picture: Any, data: Table, _manner: Manner) -> Drawn:
    """A bar a row, its parts one behind the other, and their sum beside it."""
    rows = data.rows[:MOST_BARS]
    kind = data.columns[1].kind
    sums = [sum(map(_number, row[1:])) for row in rows]
    whole = picture.whole or max(sums, default=0) or 1
    room = WIDTH - NAME - 70
    several = len(data.columns) > 2
    parts: list[str] = []
    y = 4.0
    for row, total in zip(rows, sums, strict=True):
        parts.append(_text(NAME - 12, y + 17, _cut(str(row[0])), 'text-anchor="end"'))
        x = float(NAME)
        for column, value, tone in zip(data.columns[1:], row[1:], picture.tones, strict=True):
            size = _number(value) / whole * room
            if size > 0:
                told = _told(_number(value), kind)
                parts.append(_rect(x, y + 3, size, ROW - 7, FILLS[tone], f"{column.title}: {told}"))
                if several and size > 9 * len(told):
                    ink = f'text-anchor="middle" fill="{_ink(tone)}"'
                    parts.append(_text(x + size / 2, y + 17, told, ink, 12))
                x += size
        parts.append(_text(x + 8, y + 17, _told(total, kind), f'fill="{PALE}"'))
        y += ROW
    if several:
        names = [(c.title, FILLS[t]) for c, t in zip(data.columns[1:], picture.tones, strict=True)]
        parts += _key(names, y + 8)
        y += 30
    return y + 4, parts


def _ink(tone: Tone) -> str:
    return INK if tone in {"informational", "unknown", "medium", "warn"} else "#fff"


def _days(picture: Any, data: Table, _manner: Manner) -> Drawn:
    """A standing bar a row."""
    rows = data.rows[-MOST_STANDING:]
    most = max((sum(map(_number, row[1:])) for row in rows), default=0) or 1
    left, base, tall = 60.0, 190.0, 170.0
    step = (WIDTH - left - 10) / max(len(rows), 12)
    parts = [
        f'<path d="M{left} {base}H{WIDTH - 10}" stroke="{PALE}" fill="none"/>',
        _text(left - 8, base - tall + 5, _told(most, "number"), f'text-anchor="end" fill="{PALE}"'),
        _text(left - 8, base + 4, "0", f'text-anchor="end" fill="{PALE}"'),
        f'<path d="M{left} {base - tall}H{WIDTH - 10}" stroke="{RULE}" fill="none"/>',
    ]
    every = max(round(90 / step), 1)  # pixels that a day's name needs
    for number, row in enumerate(rows):
        x, y = left + number * step, base
        for column, value, tone in zip(data.columns[1:], row[1:], picture.tones, strict=True):
            size = _number(value) / most * tall
            if size > 0:
                y -= size
                hint = f"{row[0]}, {column.title}: {_told(_number(value), 'number')}"
                parts.append(_rect(x + step * 0.1, y, step * 0.8, size, FILLS[tone], hint))
        if number % every == 0:
            parts.append(_text(x + step * 0.1, base + 18, row[0], f'fill="{PALE}"', 12))
    names = [(c.title, FILLS[t]) for c, t in zip(data.columns[1:], picture.tones, strict=True)]
    parts += _key(names, base + 34)
    return base + 56, parts


# --------------------------------------------------------------------------------- strips


def _strip(picture: Any, data: Table, manner: Manner) -> Drawn:
    """A row for each name, with its spans."""
    names = list(dict.fromkeys(str(row[0]) for row in data.rows))
    kept = names[:MOST_BARS]
    at = {name: 4.0 + number * ROW for number, name in enumerate(kept)}
    span = max(picture.end - picture.begin, 1)
    room = WIDTH - NAME - 10
    parts = [
        _text(NAME - 12, y + 17, _cut(name), 'text-anchor="end"') for name, y in at.items()
    ] + [_rect(NAME, y + 3, room, ROW - 7, "#eef1f4", "nothing was heard") for y in at.values()]
    order = {"heard": 0, "blind": 1}  # gaps lie over what was heard
    for name, state, begin, end, *_ in sorted(data.rows, key=lambda row: order[str(row[1])]):
        if name in at:
            x = NAME + (_number(begin) - picture.begin) / span * room
            size = max((_number(end) - _number(begin)) / span * room, 1.2)
            hint = (
                f"{state}: {manner.time(int(_number(begin)))} to {manner.time(int(_number(end)))}"
            )
            y = at[str(name)]
            parts.append(_rect(x, y + 3, min(size, NAME + room - x), ROW - 7, _fill(state), hint))
    y = 4.0 + len(kept) * ROW
    parts.append(_text(NAME, y + 14, manner.time(picture.begin), f'fill="{PALE}"', 12))
    ends = f'text-anchor="end" fill="{PALE}"'
    parts.append(_text(NAME + room, y + 14, manner.time(picture.end), ends, 12))
    parts += _key(
        [("heard", _fill("heard")), ("blind", _fill("blind")), ("silent", "#eef1f4")], y + 24
    )
    return y + 46, parts


def _fill(state: object) -> str:
    return FILLS[STATES[str(state)][0]]


# ------------------------------------------------------------------------------- matrices

MOST_ZONES = 24


def _grid(picture: Any, data: Table, _manner: Manner) -> Drawn:
    """Rows begin, columns answer."""
    names = picture.names[:MOST_ZONES]
    size = min((WIDTH - NAME - 40) / max(len(names), 1), 78)
    top = 22.0 + 7.0 * max((min(len(name), 16) for name in names), default=0) * 0.7
    cells = {(row[0], row[1]): row for row in data.rows}
    parts: list[str] = []
    for n, name in enumerate(names):
        x, y = NAME + n * size + size / 2, top + n * 42
        turn = f'transform="rotate(-38 {x:.0f} {top - 8:.0f})"'
        parts.append(_text(x, top - 8, _cut(name, 16), turn, 12.5))
        parts.append(_text(NAME - 12, y + 25, _cut(name), 'text-anchor="end"'))
        for m, other in enumerate(names):
            row = cells.get((name, other))
            state = str(row[2]) if row else ""
            fill = _fill(state) if state else "#f2f4f7"
            hint = f"{name} to {other}: {row[3] if row else 'nothing'}"
            parts.append(_rect(NAME + m * size + 1, y + 1, size - 2, 40, fill, hint))
            if row and state:
                ink = _ink(STATES[state][0])
                middle = f'text-anchor="middle" fill="{ink}"'
                told = f"{row[4]} {STATES[state][1]}".strip()
                parts.append(_text(NAME + m * size + size / 2, y + 26, told, middle, 14))
    y = top + len(names) * 42 + 10
    marks = [(f"{state} {sign}", FILLS[tone]) for state, (tone, sign) in list(STATES.items())[2:]]
    parts += _key(marks, y)
    return y + 22, parts


# ---------------------------------------------------------------------------------- lanes


def _lanes(picture: Any, _data: Table, _manner: Manner) -> Drawn:
    """Boxes by level, and lines by how grave they are."""
    made = drawing(picture.nodes, picture.flows, picture.lanes)
    parts: list[str] = []
    for lane in made.lanes:
        parts.append(
            f'<rect x="0" y="{lane.y:.1f}" width="{WIDTH}" height="{lane.height:.1f}" rx="8" '
            f'fill="#f5f7f9" stroke="#e3e8ee"/>'
        )
        bold = f'font-weight="600" fill="{PALE}"'
        parts.append(_text(14, lane.y + lane.height / 2 + 5, lane.name, bold))
    parts += [
        f'<path d="{line.path}" fill="none" stroke="{LINES[line.weight]}" stroke-opacity=".7" '
        f'stroke-width="{line.width}"><title>{escape(_way(line))}</title></path>'
        for line in made.lines
    ]
    for box in made.boxes:
        dashes = ' stroke-dasharray="4 3"' if box.more else ""
        middle = 'text-anchor="middle"'
        frame = f'stroke="{PALE}"{dashes}'
        parts += [
            f"<g><title>{escape(box.title)}</title>",
            f'<rect x="{box.x:.1f}" y="{box.y:.1f}" width="150" height="38" rx="6" fill="#fff" {frame}/>',
            _text(box.x + 75, box.y + 17, box.name, f'{middle} font-weight="600"', 12.5),
            _text(box.x + 75, box.y + 31, box.about, f'{middle} fill="{PALE}"', 10.5) + "</g>",
        ]
    told = [(text, LINES[weight]) for weight, text in WEIGHTS.items()]
    parts += _key(told, made.height + 6)
    if made.left_out:
        rest = f"{made.left_out} of the least grave and least busy lines are not drawn"
        parts.append(_text(14, made.height + 40, rest, f'fill="{PALE}"', 12.5))
    return made.height + (50 if made.left_out else 26), parts


def _way(line: Line) -> str:
    return f"{line.source} \u2192 {line.target}: {line.title}"


DRAW: dict[type, Callable[[Any, Table, Manner], Drawn]] = {
    Bars: _bars,
    Days: _days,
    Strip: _strip,
    Grid: _grid,
    Lanes: _lanes,
}
