"""Expressions over metrics, in three values."""

import random
from itertools import product

import pytest

from otsec.controls.expressions import Expression, Truth, Values, parse

UNKNOWN = None


@pytest.mark.parametrize(
    ("text", "values", "truth"),
    [
        ("a.x > 0", {"a.x": 1.0}, True),
        ("a.x > 0", {"a.x": 0.0}, False),
        ("a.x > 0", {"a.x": UNKNOWN}, None),
        ("a.x", {"a.x": 2.0}, True),
        ("not a.x", {"a.x": 0.0}, True),
        ("not a.x", {"a.x": UNKNOWN}, None),
        ("a.x < a.y", {"a.x": 1.0, "a.y": 2.0}, True),
        ("a.x >= a.y", {"a.x": 1.0, "a.y": UNKNOWN}, None),
        ("a.x == 0 or a.y == 0", {"a.x": 0.0, "a.y": UNKNOWN}, True),
        ("a.x == 0 or a.y == 0", {"a.x": 1.0, "a.y": UNKNOWN}, None),
        ("a.x == 0 and a.y == 0", {"a.x": 1.0, "a.y": UNKNOWN}, False),
        ("a.x == 0 and a.y == 0", {"a.x": 0.0, "a.y": UNKNOWN}, None),
        ("a.x > 0 or a.y > 0 and a.z > 0", {"a.x": 1.0, "a.y": 0.0, "a.z": 0.0}, True),
        ("not a.x and a.y <= 2.5", {"a.x": 0.0, "a.y": 2.5}, True),
        ("a.x != 3", {"a.x": 3.0}, False),
    ],
)
def test_truth(text: str, values: Values, truth: Truth) -> None:
    """A term that reads the unknown is unknown, and what is known decides where it can."""
    assert parse(text).truth(values) is truth


def test_kleene() -> None:
    """And, or and not follow Kleene's tables for all nine pairs of values."""
    number = {True: 1.0, False: 0.0, None: None}
    for one, other in product((True, False, None), repeat=2):
        values = {"a.x": number[one], "a.y": number[other]}
        both = False if False in {one, other} else None if None in {one, other} else True
        either = True if True in {one, other} else None if None in {one, other} else False
        assert parse("a.x and a.y").truth(values) is both
        assert parse("a.x or a.y").truth(values) is either
        assert parse("not a.x").truth(values) is (None if one is None else not one)


def test_more_knowledge_never_turns() -> None:
    """What is true or false stays so, whatever an unknown metric turns out to be."""
    draw = random.Random(9)
    names = ("a.x", "a.y", "a.z")
    for _ in range(2_000):
        terms = [
            draw.choice(["", "not "])
            + draw.choice(names)
            + draw.choice(["", " == 0", " > 0", " == 1", " < 2"])
            for _ in range(draw.randint(1, 5))
        ]
        text = terms[0] + "".join(f" {draw.choice(['and', 'or'])} {term}" for term in terms[1:])
        values = {name: float(draw.randint(0, 2)) for name in names}
        found = parse(text)

        known = found.truth({**values, draw.choice(names): None})

        assert known in {None, found.truth(values)}
        assert parse(str(found)) == found


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "expected a metric or a number, found nothing"),
        ("a.x >", "expected a metric or a number, found nothing"),
        ("a.x > > 1", "expected a metric or a number, found `>`"),
        ("a.x and", "expected a metric or a number, found nothing"),
        ("a.x b.y", "expected and, or, or the end, found `b.y`"),
        ("(a.x)", "`(a.x)` is no metric, number or comparison"),
        ("plain > 1", "`plain` is no metric"),
        ("a.x > 1; import os", "`; import os` is no metric, number or comparison"),
        ("not", "expected a metric or a number, found nothing"),
    ],
)
def test_errors(text: str, told: str) -> None:
    """What is no expression is told with what was found instead."""
    with pytest.raises(ValueError) as error:  # noqa: PT011 - the whole text is compared
        parse(text)
    assert str(error.value) == told


def test_names_and_parts() -> None:
    """An expression names what it reads once, and the smallest parts that hold or do not."""
    found: Expression = parse("a.x > 0 or a.y > 0 and a.x < 9 or not a.z")
    values = {"a.x": 1.0, "a.y": 0.0, "a.z": None}

    assert found.names == ("a.x", "a.y", "a.z")
    assert [str(part) for part in found.holding(values)] == ["a.x > 0"]
    assert [str(part) for part in parse("a.x == 1 and a.y == 1 and a.z").failing(values)] == ["a.y == 1", "a.z"]  # fmt: skip
