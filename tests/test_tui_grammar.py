"""The filter line of the terminal UI."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otsec.store.filters import Filter
from otsec.store.paging import FINDING_FIELDS
from otsec.store.selects import FIELDS
from otsec.tui.grammar import parse
from otsec.tui.screens.assets import FIELDS as OF_ASSETS

TALKS = FIELDS["conversations"]


@pytest.mark.parametrize(
    ("line", "filters"),
    [
        ("", []),
        ("pump", [Filter("text", "pump")]),
        ("proto:mod", [Filter("proto", "mod*")]),
        ("proto=modbus", [Filter("proto", "modbus")]),
        ("proto!=modbus", [Filter("proto", "modbus", negated=True)]),
        ("!proto:modbus", [Filter("proto", "modbus*", negated=True)]),
        ("src:10.0.0.0/8", [Filter("client", "10.0.0.0/8")]),
        ("dst:10.0.0.1", [Filter("server", "10.0.0.1")]),
        ("host:10.0", [Filter("host", "10.0*")]),
        ("host:00:1b:1b:23:20:21", [Filter("host", "00:1b:1b:23:20:21")]),
        ('"a b" c', [Filter("text", "a b"), Filter("text", "c")]),
        ("!noise", [Filter("text", "noise", negated=True)]),
        ('service:tcp/502 "x:y"', [Filter("service", "tcp/502"), Filter("text", "x:y")]),
        ("PROTO:S7*", [Filter("proto", "S7*")]),
    ],
)
def test_a_line_means_filters(line: str, filters: list[Filter]) -> None:
    """Keys, signs, quotes, negations and abbreviations of keys mean the filters of listings."""
    found = parse(line, TALKS)

    assert list(found.filters) == filters
    assert found.mistake == ""


def test_orders_are_for_levels() -> None:
    """What has an order is asked for by it; a word has none."""
    (one,) = parse("level>=high", FINDING_FIELDS).filters
    (two,) = parse("level<2", OF_ASSETS).filters

    assert one == Filter("level", "high", sign=">=")
    assert two == Filter("level", "2", sign="<")
    assert "has no order" in parse("proto>=modbus", TALKS).mistake


def test_a_value_that_no_row_can_have() -> None:
    """A word begun is taken while one of the few that rows have begins so; else the nearest is told."""
    told = [parse(line, FIELDS["behaviours"]).mistake for line in ("class:wr", "class:wrte")]

    assert told == ["", "class:wrte* matches nothing; did you mean write?"]


@pytest.mark.parametrize(
    ("line", "mistake"),
    [
        ("prot:modbus", "did you mean proto?"),
        ("foo:1", "no filter 'foo'"),
        ("!", "nothing behind !"),
        ("host:10.0.0.0/99", "is not a network"),
        ("since:", "wants a time"),
    ],
)
def test_a_mistake_is_told_and_the_rest_is_kept(line: str, mistake: str) -> None:
    """A term that means nothing is told in words; the others still filter."""
    found = parse(f"pump {line}", TALKS)

    assert mistake in found.mistake
    assert found.filters[0] == Filter("text", "pump")
    assert [span.part for span in found.spans][-1] == "mistake"


def test_times_are_asked_of_the_clock() -> None:
    """`since` and `until` are turned into ns, the end of a date for `until`."""
    asked: list[tuple[str, bool]] = []

    def moment(text: str, at_end: bool) -> int:
        asked.append((text, at_end))
        return 5

    found = parse("since:2h until:2026-01-05", TALKS, moment)

    assert found.filters == (Filter("since", "5"), Filter("until", "5"))
    assert asked == [("2h", False), ("2026-01-05", True)]


@given(st.text(max_size=60))
def test_no_line_breaks_it(line: str) -> None:
    """Whatever is typed, parts lie within the line, in order, and do not overlap."""
    spans = parse(line, TALKS, lambda *_: 0).spans

    assert all(0 <= one.begin <= one.end <= len(line) for one in spans)
    assert all(a.end <= b.begin for a, b in itertools.pairwise(spans))
