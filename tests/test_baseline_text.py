"""The baseline as text: canonical, complete, and read back with every mistake named."""

from pathlib import Path
from typing import Any

import pytest
from baseline_stores import DAY, WORD, polled
from hypothesis import given
from hypothesis import strategies as st

from otsec.baseline.learning import baseline, bring, learn
from otsec.baseline.model import Key
from otsec.baseline.text import HEAD, line, read, written
from otsec.errors import UsageError
from otsec.store import open_store
from otsec.store.acts import every_act
from otsec.store.baseline import Line, ended, lines

TIMES = st.integers(0, 2**62)
TEXT = st.text(st.characters(codec="utf-8"), max_size=40)


SAID = [("learned", "", ""), ("approved", "A B", 'on "site"\n= x'), ("imported", "=", "")]


@given(
    st.sampled_from(["conversation", "object", "identity", "writer"]),
    st.lists(TEXT, min_size=11, max_size=11),
    st.lists(TIMES, min_size=4, max_size=4),
    st.lists(st.integers(0, 10**17), max_size=4),
    st.sampled_from(SAID),
)
def test_whatever_devices_are_called(
    kind: Any, names: list[str], times: list[int], packets: list[int], said: tuple[Any, ...]
) -> None:
    """A line holds any name on one line of ASCII, and gives back what was written."""
    site, *others = names
    key = Key(kind, site or "x", *others)
    one = Line(key.id, *key, "", times[0], *times[:2], "tap", str(packets), *said, *times[2:])
    if times[0] >= 10**18:
        one = one._replace(times=7)
    text = line(one)

    assert text.isascii()
    assert text.isprintable()
    assert read(text, "x") == ([one], [])


def test_text_is_canonical(tmp_path: Path) -> None:
    """Written, read into an empty store and written again, the text differs in who says so alone."""
    plant = polled(tmp_path).ends(5 * DAY)
    learn(plant.store, 1)
    told = list(written(lines(plant.store), ended(plant.store)))
    with open_store(tmp_path / "other.db") as store:
        found, ends = read("\n".join(told), "text")
        bring(store, baseline(store), found, ends, WORD, replace=False)
        again = list(written(lines(store), ended(store)))
        acts = every_act(store)

    assert told[0] == HEAD
    assert told[1:] == sorted(told[1:])
    said = ' how=imported by=Ann reason="ticket 4711" '
    expected = [
        one.replace(" how=learned ", said).replace(" how=evidence ", " how=imported ")
        for one in told
    ]
    assert again == expected
    assert len(acts) == len(told) - 1
    assert told[-1] == (
        "writer site=plant group=net client=10.0.0.11 server=10.0.0.21 protocol=modbus class=write "
        "count=432000 first=1970-01-01T00:00:00Z last=1970-01-06T00:00:00Z "
        'point="tap of net" packets=[0,432000] how=learned since=1970-01-06T00:00:00Z'
    )


def test_replacing_forgets_the_rest(tmp_path: Path) -> None:
    """What a text does not have is forgotten if asked for, else it stays."""
    plant = polled(tmp_path).ends(5 * DAY)
    learn(plant.store, 1)
    mine = [one for one in lines(plant.store) if one.kind == "device"]
    bring(plant.store, baseline(plant.store), mine, [], WORD, replace=False)
    assert {one.how for one in lines(plant.store)} == {"learned"}
    bring(plant.store, baseline(plant.store), mine, [], WORD, replace=True)

    assert {one.how for one in lines(plant.store) if one.kind != "device"} == {"forgotten"}
    assert list(written(lines(plant.store)))[1:] == sorted(map(line, mine))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("devise site=x", "t:1: 'devise' is no kind; there are: device, conversation"),
        ("device", "t:1: expected site=..."),
        ("device site", "t:1: expected name=value, found 'site'"),
        ('device site="x', "t:1: expected name=value"),
        ("device site=x site=y", "t:1: site stands twice"),
        ("device site=x color=red", "t:1: no 'color' in a line of kind device"),
        ("device site=x how=guessed", "t:1: how='guessed': expected one of learned, approved"),
        ("device site=x count=many", "t:1: count='many': expected a whole number"),
        ("device site=x first=monday", "t:1: first='monday': expected a time such as 2026"),
        ("device site=x first=9999-01-01T00:00:00Z", "expected a time from 1970 to 2262"),
        ("device site=x detail=[1]", "t:1: no detail in a line of kind device"),
        ("value site=x detail=[1,2]", "not what a line of kind value holds"),
        ('value site=x detail=[1,"2",3]', "not what a line of kind value holds"),
        ("cycle site=x detail=[60,0.1,90]", "not what a line of kind cycle holds"),
        ("cycle site=x detail=[0,0.1]", "not what a line of kind cycle holds"),
        ("response site=x detail=[9,NaN,1,1,0]", "not what a line of kind response holds"),
        ("value site=x", "not what a line of kind value holds"),
        ("device site=x packets=[-1]", "expected a list of numbers"),
        ("\n\ndevice site=x\ndevice site=x", "t:4: the same as an earlier line: device site=x"),
        ("# otsec baseline 2\n", "t:1: '# otsec baseline 2' is of another version"),
        ("ended group=x", "t:1: expected site=..."),
        ("ended site=x watched=long", "t:1: watched='long': expected a whole number"),
    ],
)
def test_mistakes_are_named(text: str, expected: str) -> None:
    """A wrong line is told with its number, what was expected and what was found."""
    with pytest.raises(UsageError) as caught:
        read(text, "t")
    assert expected in str(caught.value)


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused(text: str) -> None:
    """No text, however odd, makes anything but lines or a message."""
    for one in (text, f"value site=x {text}", f"presence site=x detail={text}"):
        try:
            read(one, "t")
        except UsageError:
            continue
