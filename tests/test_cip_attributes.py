"""Lists of CIP attributes: cut by what was asked for, or told as values where all have one size."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from otsec.protocols.api import Side
from otsec.protocols.cip.attributes import Listed, cut_list
from otsec.protocols.cip.codes import MOST_ALIKE, size_of_each
from otsec.protocols.cip.cut import cut_messages, read_messages
from otsec.protocols.enip import PROTOCOL
from otsec.protocols.reading import read

SESSION = bytes.fromhex("4523010000000000") + b"otsec\0\0\0" + bytes(4)


def packed(*attributes: tuple[int, int, bytes]) -> bytes:
    """A list of attributes: number, status, data."""
    parts = [
        number.to_bytes(2, "little") + status.to_bytes(2, "little") + data
        for number, status, data in attributes
    ]
    return len(parts).to_bytes(2, "little") + b"".join(parts)


def sent(message: bytes) -> bytes:
    """A CIP message in a SendRRData."""
    body = bytes(6) + b"\2\0" + bytes(4) + b"\xb2\0" + len(message).to_bytes(2, "little") + message
    return b"\x6f\0" + len(body).to_bytes(2, "little") + SESSION + body


def asked(klass: int, *numbers: int) -> bytes:
    """A request for attributes of the first instance of a class."""
    listed = b"".join(number.to_bytes(2, "little") for number in (len(numbers), *numbers))
    return sent(bytes([0x03, 0x02, 0x20, klass, 0x24, 0x01]) + listed)


LISTS = {
    # status other than 0: nothing stands behind it
    "a failure": (packed((1, 0x14, b""), (2, 0, b"\7")), [1, 2], [(1, 0x14, ""), (2, 0, "07")]),
    "a size of its own each": (
        packed((1, 0, b"\5\0"), (3, 0, b"\1\2\3\4"), (9, 0, b"\1")), [1, 3, 9],
        [(1, 0, "0500"), (3, 0, "01020304"), (9, 0, "01")],
    ),
    "no order": (packed((9, 0, b"\1\0\0"), (1, 0, b"\2")), [9, 1], [(9, 0, "010000"), (1, 0, "02")]),
    "others than were asked for": (packed((1, 0, b"\1"), (2, 0, b"\2")), [1, 3], None),
    "fewer than were asked for": (packed((1, 0, b"\1"), (2, 0, b"\2")), [1, 2, 3], None),
    "not known what was asked for": (packed((1, 0, b"\1"), (2, 0, b"\2")), [], None),
    "a value that looks like the next": (
        packed((1, 0, b"\7\2\0\0\0\7"), (2, 0, b"\2\0\0\0\2")), [1, 2], None,
    ),
    "a status that is none": (packed((1, 0x99, b""), (2, 0, b"\2")), [1, 2], None),
    "cut off": (packed((1, 0, b"\1\1"), (2, 0, b"\2"))[:-1], [1, 2], None),
}  # fmt: skip


@pytest.mark.parametrize("name", LISTS)
def test_lists(name: str) -> None:
    """A list is cut where what was asked for can stand in one way only, else not at all."""
    data, numbers, expected = LISTS[name]
    told = cut_list(data, numbers)
    if expected is None:
        assert told is None
    else:
        assert told == [Listed(one, state, bytes.fromhex(raw)) for one, state, raw in expected]


attributes = st.lists(
    st.tuples(
        st.integers(1, 6), st.sampled_from([0, 0, 0, 0x14]), st.binary(min_size=1, max_size=6)
    ),
    min_size=1,
    max_size=6,
).map(lambda some: [(number, state, b"" if state else data) for number, state, data in some])


@given(attributes)
def test_what_is_cut_is_what_was_sent(sent_: list[tuple[int, int, bytes]]) -> None:
    """Whatever the values look like, a list is read as its sender made it, or is not read."""
    told = cut_list(packed(*sent_), [number for number, _, _ in sent_])
    assert told is None or [(one.number, one.status, one.data) for one in told] == sent_


def test_a_hostile_list_costs_little() -> None:
    """Numbers that may stand nearly anywhere are given up, for ways grow with their product."""
    assert cut_list(packed(*[(1, 0, b"\1\0\0\0" * 64)] * 64), [1] * 64) is None


def test_alike_are_values() -> None:
    """Attributes of one size are values of the list, and what changes of them is no new message."""
    request = asked(0x70, 18, 19, 24)
    messages = []
    for last in (7, 8):
        told = packed(*[(one, 0, bytes([one, 0, 0, last])) for one in (18, 19, 24)])
        reading = read(PROTOCOL, sent(b"\x83\0\0\0" + told), Side.RESPONSE, request)
        assert reading is not None
        assert reading.values == (tuple(one + (last << 24) for one in (18, 19, 24)),)
        messages += reading.messages
    assert messages[0] == messages[1]
    assert messages[0].elements is not None
    assert messages[0].elements.space == "class 0x70 (task) instance 1 attributes 18, 19, 24"
    assert not messages[0].left


def test_alike_but_of_others() -> None:
    """Attributes of one size that were not asked for are not told as those that were."""
    told = packed((18, 0, b"\1\0"), (20, 0, b"\2\0"))
    reading = read(PROTOCOL, sent(b"\x83\0\0\0" + told), Side.RESPONSE, asked(0x70, 18, 19))
    assert reading is not None
    assert reading.messages[0].elements is None
    assert reading.messages[0].left == len(told)


def test_more_than_is_shown_is_left() -> None:
    """Of bytes that are no text the first are shown, and the rest is counted as not told."""
    told = packed((18, 0, bytes(range(100))), (19, 0, b"\2"))
    reading = read(PROTOCOL, sent(b"\x83\0\0\0" + told), Side.RESPONSE, asked(0x70, 18, 19))
    assert reading is not None
    (message,) = reading.messages
    assert message.left == 36
    assert "attribute 19: 2" in message.note


bodies = st.builds(
    lambda size, some: packed(*[(number, state, data[:size]) for number, state, data in some]),
    st.integers(1, 8),
    st.lists(
        st.tuples(
            st.integers(0, 9), st.sampled_from([0, 0, 0, 1]), st.binary(min_size=8, max_size=8)
        ),
        max_size=MOST_ALIKE + 1,
    ),
)


@given(st.lists(bodies | st.binary(max_size=40), min_size=1, max_size=5))
def test_columns_see_the_same_sizes(some: list[bytes]) -> None:
    """What columns take for attributes of one size is what the plain reader takes for it."""
    units = [b"\x83\0\0\0" + body for body in some]
    end = np.cumsum([len(unit) for unit in units])
    start = end - np.array([len(unit) for unit in units])
    buffer = np.frombuffer(b"".join(units), np.uint8)
    cut = cut_messages(read_messages(buffer, start, end))
    for at, body in enumerate(some):
        size, step = size_of_each(body), int(cut.step[at])
        assert step == 0 or step == size + 4
        if step:
            assert cut.value_count[at] == int.from_bytes(body[:2], "little")
            assert cut.value_start[at] == start[at] + 4 + 6
