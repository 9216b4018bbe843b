"""The matrix and the Purdue diagram as SVG and Mermaid: one file, no script, no outside reference.

All text in them may come from a person's file or from the network, and is escaped.
"""

from collections.abc import Iterable, Sequence
from math import atan2, degrees
from typing import NamedTuple
from xml.sax.saxutils import escape

from otsec.policy.matrix import Cell, Matrix, levels
from otsec.policy.model import Policy, Zone

# Colours that also differ in brightness; each state has its sign besides.
FILLS = {
    "violated": "#c6362c",
    "undecoded": "#e0a030",
    "allowed": "#3d8a4f",
    "unused": "#d5dbe3",
    "": "#f7f8fa",
}
SIGNS = {"violated": "!", "undecoded": "?", "allowed": "ok", "unused": "-", "": ""}
INK, PALE, LINE = "#1b2430", "#5c6773", "#c3cad3"
FONT = "font-family='system-ui, sans-serif'"
CELL, HEAD, CHAR = 64, 40, 7.2  # pixels: of a cell, of a line of heads, of a letter
BOX, HIGH, GAP, BAND, LEFT = 170, 56, 26, 104, 190  # of the diagram
TIP, STEPS = 8, 200  # pixels from an arrow to the box, points that are tried on a line
AROUND = (0, 60, -120, 120, -180, 180, -240, 240, -300, 300, 360)  # pixels past boxes in between
FAINT = "#8a94a0"
STAGGER = (0.0, 0.35, 0.7)  # of a box, so that lines past a level do not lie on one another
LONGEST = 28  # letters of a name that are drawn


def _text(x: float, y: float, text: str, more: str = "") -> str:
    shown = "".join(letter if letter.isprintable() else "?" for letter in text)
    return f"<text x='{x:.0f}' y='{y:.0f}' {FONT} {more}>{escape(shown)}</text>"


def _short(name: str) -> str:
    return name if len(name) <= LONGEST else name[: LONGEST - 1] + "\u2026"


def _page(width: float, height: float, title: str, parts: Iterable[str]) -> str:
    inner = "\n".join(parts)
    return (
        f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {width:.0f} {height:.0f}' "
        f"width='{width:.0f}' height='{height:.0f}' role='img'>\n<title>{escape(title)}</title>\n"
        f"<rect width='100%' height='100%' fill='white'/>\n{inner}\n</svg>\n"
    )


# ---------------------------------------------------------------------------------- matrix


def matrix_svg(policy: Policy, made: Matrix) -> str:
    """The matrix: rows begin, columns answer."""
    left = 24 + CHAR * max((min(len(name), LONGEST) for name in made.names), default=4)
    top = 56 + left * 0.75
    width = left + CELL * len(made.names) + 40
    height = top + CELL * len(made.names) + 70
    return _page(
        max(width, 460),
        height,
        f"Zones of {policy.site}: who may talk to whom, and who does",
        _matrix_parts(policy, made, left, top, height),
    )


def _matrix_parts(
    policy: Policy, made: Matrix, left: float, top: float, height: float
) -> Iterable[str]:
    yield _text(16, 28, f"Zones of {policy.site}", f"font-size='18' font-weight='600' fill='{INK}'")
    yield _text(16, 46, "rows begin, columns answer; flows", f"font-size='12' fill='{PALE}'")
    for n, name in enumerate(made.names):
        x, y = left + n * CELL + CELL / 2, top + n * CELL + CELL / 2
        turned = f"transform='rotate(-45 {x:.0f} {top - 10:.0f})' font-size='12' fill='{INK}'"
        yield _text(x, top - 10, _short(name), turned)
        yield _text(
            left - 10, y + 4, _short(name), f"text-anchor='end' font-size='12' fill='{INK}'"
        )
        for m, other in enumerate(made.names):
            one = made.cells.get((name, other))
            yield from _cell(one, left + m * CELL, top + n * CELL)
    x = 16.0
    for state, fill in FILLS.items():
        if state:
            yield f"<rect x='{x:.0f}' y='{height - 34:.0f}' width='14' height='14' fill='{fill}'/>"
            yield _text(
                x + 20, height - 22, f"{SIGNS[state]} {state}", f"font-size='12' fill='{INK}'"
            )
            x += 110


def _cell(one: Cell | None, x: float, y: float) -> Iterable[str]:
    state = one.state if one is not None else ""
    yield (
        f"<rect x='{x + 1:.0f}' y='{y + 1:.0f}' width='{CELL - 2}' height='{CELL - 2}' rx='4' "
        f"fill='{FILLS[state]}'>{_hint(one)}</rect>"
    )
    if one is None or not state:
        return
    ink = "white" if state in {"violated", "allowed"} else INK
    count = {"violated": one.violated, "undecoded": one.undecoded, "allowed": one.allowed}.get(
        state, len(one.unused)
    )
    middle = f"text-anchor='middle' fill='{ink}'"
    yield _text(x + CELL / 2, y + 30, f"{count}", f"{middle} font-size='17' font-weight='600'")
    yield _text(x + CELL / 2, y + 47, SIGNS[state], f"{middle} font-size='12'")


def _hint(one: Cell | None) -> str:
    if one is None:
        return ""
    flows = f"{one.allowed} allowed, {one.violated} violated, {one.undecoded} undecoded"
    told = [f"{one.source} to {one.target}: {flows}"]
    told += [f"violated: {', '.join(sorted(one.violating))}"] if one.violating else []
    told += [f"used: {', '.join(sorted(one.used))}"] if one.used else []
    told += [f"unused: {', '.join(sorted(one.unused))}"] if one.unused else []
    return f"<title>{escape('; '.join(told))}</title>"


# ---------------------------------------------------------------------------------- Purdue


def purdue_svg(policy: Policy, made: Matrix) -> str:
    """Zones by level, and what goes between them."""
    rows = levels(policy)
    widest = max((len(zones) for _, zones in rows), default=1)
    width = LEFT + (widest + STAGGER[2]) * (BOX + GAP) + 40
    height = 70 + BAND * len(rows) + 40
    return _page(
        width,
        height,
        f"Zones of {policy.site} by Purdue level",
        [
            *_bands(policy, rows, width),
            *_links(rows, made),
            *_boxes(rows, made),
            *_arrows(rows, made),
            *_key(height),
        ],
    )


def _place(rows: Sequence[tuple[str, list[Zone]]]) -> dict[str, tuple[float, float]]:
    """The middle of each zone's box."""
    widest = max((len(zones) for _, zones in rows), default=1)
    return {
        zone.name: (
            LEFT + (n + (widest - len(zones)) / 2 + STAGGER[row % 3]) * (BOX + GAP) + BOX / 2,
            70 + row * BAND + BAND / 2,
        )
        for row, (_, zones) in enumerate(rows)
        for n, zone in enumerate(zones)
    }


def _bands(policy: Policy, rows: Sequence[tuple[str, list[Zone]]], width: float) -> Iterable[str]:
    yield _text(16, 34, f"Zones of {policy.site}", f"font-size='18' font-weight='600' fill='{INK}'")
    for row, (title, _) in enumerate(rows):
        y = 70 + row * BAND
        fill = "#f1f4f8" if row % 2 == 0 else "#ffffff"
        yield f"<rect x='8' y='{y}' width='{width - 16:.0f}' height='{BAND}' fill='{fill}'/>"
        yield _text(20, y + BAND / 2 + 4, title, f"font-size='13' fill='{PALE}'")


class _Link(NamedTuple):
    """A bent line between the middles of two boxes."""

    cell: Cell
    points: tuple[tuple[float, float], ...]  # begin, pull and end, as of a quadratic Bezier curve

    def at(self, t: float) -> tuple[float, float]:
        """A point of it, from 0 to 1."""
        (a, b), (c, d), (e, f) = self.points
        one, two, three = (1 - t) ** 2, 2 * t * (1 - t), t * t
        return one * a + two * c + three * e, one * b + two * d + three * f

    def hidden(self, boxes: Iterable[tuple[float, float]]) -> bool:
        """Whether one of some boxes lies over it, or it leaves the drawing."""
        way = [self.at(step / 40) for step in range(41)]
        over = any(
            abs(x - p) < BOX / 2 + TIP and abs(y - q) < HIGH / 2 + TIP
            for x, y in way for p, q in boxes
        )  # fmt: skip
        return over or min(x for x, _ in way) < LEFT - GAP

    @property
    def colour(self) -> str:
        """By its state."""
        return FAINT if self.cell.state == "unused" else FILLS[self.cell.state]


def _drawn(rows: Sequence[tuple[str, list[Zone]]], made: Matrix) -> Iterable[_Link]:
    at = _place(rows)
    for number, ((source, target), one) in enumerate(sorted(made.cells.items())):
        if source == target or not one.state or source not in at or target not in at:
            continue
        (x, y), (z, w) = at[source], at[target]
        others = [at[name] for name in at if name not in {source, target}]
        first = 24 + 16 * (number % 5)  # so that lines of one way do not lie on each other
        links = [_bent(one, (x, y), (z, w), first + more) for more in AROUND]
        yield next((link for link in links if not link.hidden(others)), links[0])


def _bent(cell: Cell, begin: tuple[float, float], end: tuple[float, float], bend: float) -> _Link:
    (x, y), (z, w) = begin, end
    middle = ((x + z) / 2 + bend, (y + w) / 2 + (bend if y == w else 0))
    return _Link(cell, (begin, middle, end))


def _links(rows: Sequence[tuple[str, list[Zone]]], made: Matrix) -> Iterable[str]:
    for link in _drawn(rows, made):
        state = link.cell.state
        (x, y), (p, q), (z, w) = link.points
        wide = 3 if state == "violated" else 2
        yield (
            f"<path d='M{x:.0f} {y:.0f} Q{p:.0f} {q:.0f} {z:.0f} {w:.0f}' fill='none' "
            f"stroke='{link.colour}' stroke-width='{wide}'{_dashes(state)} opacity='0.85'>"
            f"{_hint(link.cell)}</path>"
        )


def _dashes(state: str) -> str:
    return " stroke-dasharray='3 5'" if state == "unused" else ""


def _arrows(rows: Sequence[tuple[str, list[Zone]]], made: Matrix) -> Iterable[str]:
    """An arrow where each line meets the box of who answers, above all boxes."""
    for link in _drawn(rows, made):
        z, w = link.points[2]
        steps = (step / STEPS for step in range(STEPS, 0, -1))
        outside = (
            t
            for t in steps
            if abs(link.at(t)[0] - z) > BOX / 2 + TIP or abs(link.at(t)[1] - w) > HIGH / 2 + TIP
        )
        t = next(outside, 0.5)
        (x, y), (p, q) = link.at(t), link.at(min(t + 1 / STEPS, 1.0))
        yield (
            f"<path d='M-6 -6 L8 0 L-6 6 Z' fill='{link.colour}' "
            f"transform='translate({x:.0f} {y:.0f}) rotate({degrees(atan2(q - y, p - x)):.0f})'/>"
        )


def _boxes(rows: Sequence[tuple[str, list[Zone]]], made: Matrix) -> Iterable[str]:
    at = _place(rows)
    for _, zones in rows:
        for zone in zones:
            x, y = at[zone.name]
            own = made.cells.get((zone.name, zone.name))
            bad = own is not None and own.violated
            frame = FILLS["violated"] if bad else "#f0b400" if zone.kind == "safety" else LINE
            yield (
                f"<rect x='{x - BOX / 2:.0f}' y='{y - HIGH / 2:.0f}' width='{BOX}' height='{HIGH}' rx='8' "
                f"fill='white' stroke='{frame}' stroke-width='2'>{_hint(own)}</rect>"
            )
            middle = "text-anchor='middle'"
            yield _text(
                x, y - 5, zone.name, f"{middle} font-size='14' font-weight='600' fill='{INK}'"
            )
            seen = made.members.get(zone.name, 0)
            kind = "" if zone.kind == "process" else f"{zone.kind}, "
            yield _text(x, y + 14, f"{kind}{seen} seen", f"{middle} font-size='12' fill='{PALE}'")


def _key(height: float) -> Iterable[str]:
    x = 20.0
    for state in ("violated", "undecoded", "allowed", "unused"):
        colour = FAINT if state == "unused" else FILLS[state]
        y = height - 18
        yield f"<path d='M{x:.0f} {y:.0f} h24' stroke='{colour}' stroke-width='3'{_dashes(state)}/>"
        yield _text(x + 32, y + 4, state, f"font-size='12' fill='{INK}'")
        x += 120


def purdue_mermaid(policy: Policy, made: Matrix) -> str:
    """The same as a Mermaid flowchart, for pages that draw it."""
    lines = ["flowchart TB"]
    number = {zone.name: f"z{n}" for n, zone in enumerate(policy.zones)}
    for row, (title, zones) in enumerate(levels(policy)):
        lines.append(f'  subgraph l{row}["{_quoted(title)}"]')
        lines += [f'    {number[zone.name]}["{_quoted(zone.name)}"]' for zone in zones]
        lines.append("  end")
    styles: dict[str, list[int]] = {}
    drawn = 0
    for (source, target), one in sorted(made.cells.items()):
        if source == target or not one.state or not {source, target} <= {*number}:
            continue
        arrow = "-.->" if one.state == "unused" else "-->"
        lines.append(f'  {number[source]} {arrow}|"{_label(one)}"| {number[target]}')
        styles.setdefault(one.state, []).append(drawn)
        drawn += 1
    for state, which in styles.items():
        colour = FAINT if state == "unused" else FILLS[state]
        lines.append(f"  linkStyle {','.join(map(str, which))} stroke:{colour}")
    return "\n".join(lines) + "\n"


def _label(one: Cell) -> str:
    if one.violated:
        return f"{one.violated} violated"
    return f"{one.undecoded} undecoded" if one.undecoded else (
        f"{one.allowed} allowed" if one.allowed else "unused"
    )  # fmt: skip


def _quoted(text: str) -> str:
    """Text of a Mermaid label: entities for all that Mermaid or HTML would read."""
    return "".join(
        letter if letter.isalnum() or letter in " .-_" else f"#{ord(letter)};" for letter in text
    )
