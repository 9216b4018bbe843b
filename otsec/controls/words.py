"""What a row comes to, in words: what was seen as seen, and absence as absence, never as safety."""

from collections.abc import Iterator, Mapping, Sequence

from otsec.controls.expressions import Expression, Term, Values
from otsec.controls.frameworks import catalogue
from otsec.controls.model import Control, Figure, Number, Status, why_unknown

SHARES = {  # figures of coverage, as a sentence about absence tells them
    "cov.days": "{} days of capture",
    "cov.zones_seen_pct": "{} % of the zones seen",
}
MEASURES = ("_pct", "_h", "_d", "_min", "_ms", "_days", ".loaded", ".exists", "_ok")  # no counts
ATTRIBUTE = {
    "_pct": "share of assets of which it is known, per cent",
    "_conflicts": "assets of which two sources disagree on it",
}


def about(name: str) -> str:
    """What a metric is."""
    told = catalogue().metrics.get(name)
    if told is not None:
        return told
    return next(text for end, text in ATTRIBUTE.items() if name.endswith(end))


def says(
    control: Control,
    status: Status,
    values: Values,
    read: Mapping[str, Figure],
    lacking: Sequence[str],
) -> str:
    """What a row comes to; ``lacking``: what does not suffice, in words."""
    logic = control.logic
    if logic.contradicted.truth(values):
        told = "; ".join(_seen(part, values) for part in logic.contradicted.holding(values))
        return told if status == "contradicted" else f"seen, without a verdict: {told}"
    reasons = [f"{name} is {why}" for name, one in read.items() if (why := why_unknown(one))]
    if status == "insufficient":
        return "; ".join([*lacking, *reasons])
    if status == "context":
        facts = [
            f"{name} is {number(one.value)}"
            for name, one in read.items()
            if isinstance(one, Number)
        ]
        return "; ".join([*facts, *reasons])
    failing = [found(part, values) for part in logic.supported.failing(values)]
    if failing and not logic.supported.truth(values):
        return f"{_over(values)}: {'; '.join(failing)}"
    most = "" if status == "supported" else "; no more than partial can be shown"
    return f"{_over(values)}: {'; '.join(_held(logic.supported, values))}{most}"


def _over(values: Values) -> str:
    """What all of it was seen in."""
    told = (text.format(number(values[name])) for name, text in SHARES.items() if name in values)
    return f"in {' with '.join(told)}"


def _held(supported: Expression, values: Values) -> Iterator[str]:
    """What speaks for a row: what was not seen, and figures that are as they should be."""
    for name in supported.names:
        value = values[name]
        if name not in SHARES:
            counts = value == 0 and not name.endswith(MEASURES)
            yield f"none seen: {about(name)}" if counts else f"{name} is {number(value)}"


def _seen(part: Expression, values: Values) -> str:
    """What contradicts, with what it is."""
    names = part.names
    return f"{found(part, values)}: {about(names[0])}" if names else found(part, values)


def found(part: Expression, values: Values) -> str:
    """A part of an expression with what was measured: `cov.days is 0.5 (< 28)`."""
    if part.word == "not":
        return f"{part.parts[0]} is no"
    term: Term = part.term
    held = part.truth(values)
    if not term.sign:
        return f"{term.left} is {'yes' if held else 'no'}"
    left, right = (
        number(values[side]) if isinstance(side, str) else f"{side:g}"
        for side in (term.left, term.right)
    )
    named = f"{right} ({term.right})" if isinstance(term.right, str) else right
    told = f"{term.sign} {named}" if held else f"not {term.sign} {named}"
    return f"{term.left} is {left} ({told})"


def number(value: float | None) -> str:
    """A figure as a sentence has it."""
    if value is None:
        return "not known"
    return f"{value:.0f}" if value == int(value) else f"{value:.3g}"
