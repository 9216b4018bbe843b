"""Values of elements: what cells keep, against a plain loop over the same rows."""

import numpy as np
import pytest

from otsec.aggregates.values import RUN, Cells
from otsec.exchanges.calls import Values
from otsec.protocols.api import BITS, F32_BE, F64_LE, I16_BE, U8, U16_BE, U32_LE, VALUE_TYPES
from otsec.protocols.values import LEAST, MOST, from_cells, to_cells

Told = tuple[list[int], list[int], list[int], list[int]]  # least, greatest, first, last


def plain(data: bytes, start: int, count: int, kind: int, step: int | None) -> list[int]:
    """The cells of one row, value by value."""
    dtype = VALUE_TYPES[kind]
    if dtype is None:
        return [data[start + at // 8] >> at % 8 & 1 for at in range(count)]
    apart = dtype.itemsize if step is None else step
    raw = [np.frombuffer(data, dtype, 1, start + at * apart) for at in range(count)]
    with np.errstate(invalid="ignore"):
        return [int(to_cells(one)[0]) for one in raw]


def expected(rows: list[list[int]], size: int, kind: int) -> Told:
    """What a block of ``size`` cells holds of rows, each of at most as many values."""
    least, most, first, last = [MOST] * size, [LEAST] * size, [0] * size, [0] * size
    for number, row in enumerate(rows):
        for at, value in enumerate(row[:size]):
            if not np.isnan(float(from_cells(np.array([value]), kind)[0])):
                least[at], most[at] = min(least[at], value), max(most[at], value)
            first[at] = value if number == 0 else first[at]
            last[at] = value if number == len(rows) - 1 else last[at]
    return least, most, first, last


@pytest.mark.parametrize("kind", [BITS, U16_BE, U8, I16_BE, U32_LE, F32_BE, F64_LE])
@pytest.mark.parametrize("apart", [None, 11])
def test_cells_hold_what_a_plain_loop_finds(kind: int, apart: int | None) -> None:
    """Least, greatest, first and last of each element, for any size, number of rows and type."""
    if kind == BITS:
        apart = None
    random = np.random.default_rng(kind)
    sizes = [1, 7, 16, 33, 70, 130]
    times = [RUN * 3 + 1, 1, 2, RUN, RUN + 1, 3]
    data = random.integers(0, 256, 20_000, np.uint8)
    block = np.repeat(np.arange(len(sizes)), times)
    count = np.array(sizes)[block]
    count[3] = 0  # a row that has none of what its block has
    count[9:] += random.integers(-1, 4, len(count) - 9)  # more or fewer than the block
    span = count * (apart or 8)
    start = random.integers(0, len(data) - span)
    if kind == BITS:
        start[-1] = len(data) - (int(count[-1]) + 7) // 8  # up to the last byte
    elif apart is None:
        start[-1] = len(data) - int(count[-1]) * VALUE_TYPES[kind].itemsize  # type: ignore[union-attr]
    heads = np.flatnonzero(np.diff(block, prepend=-1))
    first, last = np.zeros((2, len(block)), np.bool_)
    first[heads] = last[np.append(heads[1:], len(block)) - 1] = True

    cells = Cells(10_000)
    for number, size in enumerate(sizes):
        cells.room("holding", 0, size, kind, traced=number != 2)
    ordinal = random.permutation(len(block))
    seen = np.stack([ordinal * 1_000, ordinal], axis=1)
    step = None if apart is None else np.full(len(block), apart)
    rows = np.arange(len(block))
    values = Values(data, rows, start, count, np.full(len(block), kind, np.uint8), step)
    cells.add(values, rows, block, first, last, seen)

    for number, size in enumerate(sizes):
        mine = np.flatnonzero(block == number).tolist()
        told = [
            plain(data.tobytes(), int(start[row]), int(count[row]), kind, apart) for row in mine
        ]
        base = int(cells.blocks["base"][number])
        held = tuple(
            column[base : base + size].tolist()
            for column in (cells.minimum, cells.maximum, cells.first, cells.last)
        )
        assert held == expected(told, size, kind)
        traces = cells.trace(number).tolist()
        assert traces == ([] if number == 2 else shown(told, ordinal[mine].tolist(), held))


def shown(told: list[list[int]], ordinal: list[int], held: Told) -> list[list[list[int]]]:
    """Time and ordinal of the first packet of each least and greatest value; -1 without any."""
    found = []
    for at, ends in enumerate(zip(held[0], held[1], strict=True)):
        rows = [
            [one for one, row in zip(ordinal, told, strict=True) if row[at : at + 1] == [end]]
            for end in ends
        ]
        nothing = ends == (MOST, LEAST)
        found.append([[-1, -1] if nothing else [min(one) * 1_000, min(one)] for one in rows])
    return found


@pytest.mark.parametrize("turn", [1, -1])
def test_the_packet_of_an_extreme_does_not_depend_on_the_order_of_work(turn: int) -> None:
    """Of packets with the same extreme value the first one is kept, whichever is worked on first."""
    data = np.array([5, 9, 5, 9, 7, 1], np.uint8)
    cells = Cells(10)
    block = cells.room("holding", 0, 1, U8, traced=True)
    for row in list(range(6))[::turn]:
        one, no = np.array([0]), np.array([False])
        values = Values(data, one, np.array([row]), one + 1, np.array([U8], np.uint8), None)
        cells.add(values, one, np.array([block]), no, no, np.array([[10 * row, row]]))

    assert cells.trace(block).tolist() == [[[50, 5], [10, 1]]]
