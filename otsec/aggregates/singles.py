"""Single connections, of protocols in which somebody works: when each began and ended.

So many a conversation and hour have a row of their own, in the order in which their protocol was
recognised; further ones of the hour share a row.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

from otsec.aggregates.counters import Row, drawn
from otsec.aggregates.span import stretch, unseen
from otsec.columns import I64, Mask
from otsec.nanoseconds import HOUR_NS
from otsec.state import records
from otsec.streams.connections import COUNTS, NO_ROW, RESET, SYN_SEEN, Connections

SUMS = ("packets", "bytes", "payload", "resent")  # of COUNTS
FINS = 0x03  # of `closed`: either side said that it ends
ROW = np.dtype(
    [
        ("number", "<i8"),
        ("conversation", "<i8"),
        ("port", "<i8"),  # of the client
        ("connections", "<i8"),
        ("opened", "?"),  # a SYN was seen
        ("closed", "u1"),  # as in the table of connections
        ("counts", "<i8", (2, len(SUMS))),  # client's, server's
        ("first", "<i8", (2,)),
        ("last", "<i8", (2,)),
    ]
)


class Singles:
    """Ordered: the single connections of one source."""

    def __init__(self, per_hour: int, connections: Connections, chosen: Mask) -> None:
        """``chosen``: whether the connections of each protocol, by number, have rows."""
        self.per_hour, self.connections, self.chosen = per_hour, connections, chosen
        self.count = 0  # rows so far
        # by conversation: the hour of the last one, how many in it, and the row that further ones
        # of the hour share, NO_ROW if there are none
        self.hours: dict[int, list[int]] = {}
        self.ended: list[Any] = []  # since the last checkpoint
        self.shared = np.empty(0, ROW)  # what those that ended left to rows that may yet grow

    def claimed(self, slots: I64, seen: I64) -> None:
        """Protocols of connections were found in a batch; ``seen``: (time, ordinal) of each."""
        table = self.connections.table
        mine = np.flatnonzero(self.chosen[np.maximum(table["protocol"][slots], 0)])
        order = mine[np.argsort(seen[mine, 1], kind="stable")]
        conversation = table["conversation"][slots[order]].tolist()
        hour = (seen[order, 0] // HOUR_NS).tolist()
        table["single"][slots[order]] = list(map(self._number, conversation, hour))

    def _number(self, conversation: int, hour: int) -> int:
        """The row of a connection."""
        known = self.hours.get(conversation)
        if known is None or known[0] != hour:
            known = self.hours[conversation] = [hour, 0, NO_ROW]
        known[1] += 1
        if known[1] <= self.per_hour:
            return self._next()
        if known[2] == NO_ROW:
            known[2] = self._next()
        return known[2]

    def _next(self) -> int:
        self.count += 1
        return self.count - 1

    def fold(self, slots: I64) -> None:
        """Connections that ended."""
        mine = slots[self.connections.table["single"][slots] != NO_ROW]
        if len(mine):
            self.ended.append(self._rows(mine))

    def _rows(self, slots: I64) -> Any:
        """A row for each of some connections."""
        table = self.connections.table[slots]
        ports = np.stack([table["key"][:, 0] >> np.uint64(16), table["key"][:, 0]])
        low, high = (ports & np.uint64(0xFFFF)).astype(np.int64)
        client = table["client"]
        rows = np.zeros(len(slots), ROW)
        rows["port"] = np.where(client < 0, np.maximum(low, high), np.where(client, high, low))
        rows["connections"] = 1
        rows["opened"] = table["reason"] == SYN_SEEN
        rows["counts"] = table["counts"][:, :, [COUNTS.index(name) for name in SUMS]]
        rows["counts"][client == 1] = rows["counts"][client == 1, ::-1]
        rows["number"] = table["single"]
        for name in ("conversation", "closed", "first", "last"):
            rows[name] = table[name]
        return rows

    # ------------------------------------------------------------------ store

    def take_rows(self, source: int, mark: int) -> Iterator[Row]:
        """Rows of the table `connection` that changed; ``mark``: first packet since the last."""
        table = self.connections.table[: self.connections.used]
        live = self._rows(np.flatnonzero(table["alive"] & (table["single"] != NO_ROW)))
        ended = np.concatenate([np.empty(0, ROW), *self.ended])
        whole = _together(np.concatenate([self.shared, ended, live]))
        changed = (whole["last"][:, 1] >= mark) | np.isin(whole["number"], ended["number"])
        growing = [known[2] for known in self.hours.values()]
        past = np.concatenate([self.shared, ended])
        shares = np.isin(past["number"], [*growing, *live["number"].tolist()])
        self.shared, self.ended = _together(past[shares]), []
        return drawn(lambda some: _told(source, whole[some]), np.flatnonzero(changed))

    def dump(self) -> dict[str, Any]:
        """Plain data to go on from, behind a checkpoint."""
        return {
            "count": self.count,
            "hours": [[conversation, *known] for conversation, known in self.hours.items()],
            "shared": self.shared,
        }

    def load(self, state: dict[str, Any]) -> None:
        """Go on from what `dump` gave."""
        self.count = state["count"]
        self.hours = {conversation: known for conversation, *known in state["hours"]}
        self.shared = records(state["shared"], ROW)


def _together(rows: Any) -> Any:
    """Rows of one number as one; in order of number."""
    number, first, which = np.unique(rows["number"], return_index=True, return_inverse=True)
    if len(number) == len(rows):
        return rows[first]
    whole = unseen(len(number), ROW)
    whole["number"], whole["conversation"] = number, rows["conversation"][first]
    for name in ("connections", "counts"):
        np.add.at(whole[name], which, rows[name])
    whole["opened"] = True
    np.logical_and.at(whole["opened"], which, rows["opened"])
    single = whole["connections"] == 1
    for name in ("port", "closed"):
        whole[name][single] = rows[name][first][single]
    stretch(whole, which, rows["first"], rows["last"])
    return whole


def _told(source: int, rows: Any) -> list[Row]:
    """Rows of the table `connection`."""
    packets, sizes, payload, resent = (rows["counts"][:, :, at] for at in range(len(SUMS)))
    front = [rows[name] for name in ("number", "conversation", "port", "connections", "opened")]
    behind = (packets, sizes, payload - resent, rows["first"], rows["last"])
    ended = np.where(rows["closed"] & RESET, "reset", "")
    ended = np.where(rows["closed"] & FINS, "closed", ended)
    return [
        (source, *one, how, *two)
        for one, how, two in zip(
            np.stack(front, axis=1).tolist(),
            ended.tolist(),
            np.concatenate(behind, axis=1).tolist(),
            strict=True,
        )
    ]
