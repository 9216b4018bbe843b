"""First and last sight, kept exactly whatever the order in which they are told."""

from typing import Any

import numpy as np

from otsec.columns import I64
from otsec.model import Packets

NOT_SEEN = -1  # ordinal in ``first`` of a row that nothing was told of yet


def unseen(size: int | tuple[int, ...], dtype: np.dtype[Any]) -> Any:
    """Rows of a table of which nothing was told yet."""
    rows = np.zeros(size, dtype)
    rows["first"] = NOT_SEEN
    return rows


def sights(packets: Packets, rows: I64, ordinal: int) -> I64:
    """Time and ordinal of some rows; shape (rows, 2). ``ordinal``: of row 0 of the batch."""
    return np.stack([packets.time[rows], ordinal + packets.row[rows]], axis=1)


def stretch(into: Any, number: I64, first: I64, last: I64) -> None:
    """Let rows of a table begin with the earliest of ``first`` and end with the latest of ``last``.

    Both are (time, ordinal) for each of the rows ``number``, which may come more than once.
    """
    order = np.argsort(-first[:, 1], kind="stable")  # the last one written stays
    target, seen = number[order], first[order]
    now = into["first"][target, 1]
    better = (now < 0) | (seen[:, 1] < now)
    into["first"][target[better]] = seen[better]
    order = np.argsort(last[:, 1], kind="stable")
    target, seen = number[order], last[order]
    better = seen[:, 1] >= into["last"][target, 1]
    into["last"][target[better]] = seen[better]
