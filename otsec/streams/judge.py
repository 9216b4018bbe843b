"""Frames that are not whole are counted; too many malformed ones disprove a claim."""

from collections.abc import Callable

import numpy as np

from otsec.streams.connections import WITHDRAWN, Connections
from otsec.streams.cut import Status
from otsec.streams.found import Found

BAD_RUN = 8  # malformed frames in a row that disprove a claim


def judge(
    parts: list[Found],
    connections: Connections,
    forget: Callable[[int, int], None],
    note_broken: Callable[[Found], None],
) -> list[Found]:
    """Count what is not whole, withdraw claims that are disproved, keep the whole frames.

    ``forget(slot, row)`` is told of connections whose claim was withdrawn, and with which row;
    ``note_broken`` of frames that are not whole.
    """
    parts = _withdraw(parts, connections, forget)
    for part in parts:
        whole = part.status == Status.WHOLE
        size = np.where(whole, part.end - part.start, 0)
        connections.count(part.slot, part.side, "decoded", size)
        if not whole.all():
            for name, status in (("malformed", Status.MALFORMED), ("truncated", Status.TRUNCATED)):
                rows = np.flatnonzero(part.status == status)
                connections.count(part.slot[rows], part.side[rows], name, np.ones(len(rows), int))
            note_broken(part.take(~whole))
    return [part.take(part.status == Status.WHOLE) for part in parts]


def _withdraw(
    parts: list[Found], connections: Connections, forget: Callable[[int, int], None]
) -> list[Found]:
    bad_run = connections.table["bad_run"]
    suspects: set[int] = set()
    for part in parts:
        suspects.update(np.unique(part.slot[part.status == Status.MALFORMED]).tolist())
        suspects.update(np.unique(part.slot[bad_run[part.slot] > 0]).tolist())
    for slot in sorted(suspects):
        last = _disproved_at(slot, parts, connections)
        if last >= 0:
            forget(slot, last)
            parts = [part.take((part.slot != slot) | (part.row <= last)) for part in parts]
    return parts


def _disproved_at(slot: int, parts: list[Found], connections: Connections) -> int:
    """The row at which the claim of a connection is withdrawn; -1 if it holds."""
    columns = []
    for part in parts:
        mine = np.flatnonzero(part.slot == slot)
        columns.append((part.row[mine], part.start[mine], part.status[mine]))
    row, start, status = (np.concatenate(column) for column in zip(*columns, strict=True))
    run = int(connections.table["bad_run"][slot])
    for position in np.lexsort((start, row)).tolist():
        if status[position] == Status.WHOLE:
            run = 0
        elif status[position] == Status.MALFORMED:
            run += 1
        if run >= BAD_RUN:
            connections.table["protocol"][slot] = WITHDRAWN
            return int(row[position])
    connections.table["bad_run"][slot] = run
    return -1
