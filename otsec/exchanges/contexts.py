"""What some units say of how later ones are to be read.

Units that set a context are decoded one by one, in order; which context each other unit stands in
is then looked up in columns. A context that was not seen, because the capture began later, is
number 0: who decodes what stands in it must say so, not guess.
"""

from dataclasses import replace
from typing import Any

import numpy as np

from otsec.columns import I64, group
from otsec.errors import WireError
from otsec.exchanges.calls import Calls
from otsec.protocols.api import MEMORY, Contexts, Reader, Side

Name = tuple[bytes, int]  # scope, and the name of the context within it


class Known:
    """Ordered: the contexts of one protocol at one source."""

    def __init__(self, contexts: Contexts, cap: int) -> None:
        self.contexts, self.cap = contexts, cap
        self.meanings = [""]  # by number; numbers are part of keys, so none is used again
        self.numbers = {"": 0}
        self.now: dict[Name, int] = {}
        self.memory: dict[bytes, dict[str, Any]] = {}
        self.refused = 0  # contexts for which there was no room, since it was last told

    def apply(self, parts: list[Calls], table: Any) -> list[Calls]:
        """The same units, each with the number of its context; ``table``: of the connections."""
        log = self._learn(parts, table)
        return [self._look_up(part, table, log) for part in parts]

    def _learn(self, parts: list[Calls], table: Any) -> dict[Name, list[tuple[int, int]]]:
        """Decode the units that set contexts; gives (position, number before and behind it)."""
        setting = [
            (int(part.position[row]), number, row)
            for number, part in enumerate(parts)
            for row in np.flatnonzero(self.contexts.sets(part.units()) & (part.slot >= 0)).tolist()
        ]
        log: dict[Name, list[tuple[int, int]]] = {}
        for position, number, row in sorted(setting):
            part = parts[number]
            scope = self._scope(table, int(part.slot[row]))
            for name, meaning in self._said(part, row, scope):
                key = scope, name
                log.setdefault(key, [(-1, self.now.get(key, 0))])
                log[key].append((position, self._set(key, meaning)))
        return log

    def _said(self, part: Calls, row: int, scope: bytes) -> list[tuple[int, str]]:
        data = part.buffer[part.start[row] : part.end[row]].tobytes()
        memory = self.memory.setdefault(scope, {})
        try:
            said = self.contexts.learn(
                Reader(data, framing=int(part.framing[row])), Side(int(part.side[row])), memory
            )
        except WireError:
            said = []
        _shorten(memory, MEMORY)
        if not memory:
            del self.memory[scope]
        _shorten(self.memory, self.cap)
        return said

    def _set(self, key: Name, meaning: str) -> int:
        self.now.pop(key, None)
        number = self.numbers.get(meaning)
        if number is None:
            if len(self.meanings) >= self.cap:
                self.refused += 1
                return 0
            number = self.numbers[meaning] = len(self.meanings)
            self.meanings.append(meaning)
        if number:
            self.now[key] = number
            self.refused += _shorten(self.now, self.cap)
        return number

    def _look_up(self, part: Calls, table: Any, log: dict[Name, list[tuple[int, int]]]) -> Calls:
        name = self.contexts.names(part.units())
        rows = np.flatnonzero((name != 0) & (part.slot >= 0))
        if not len(rows) or not (log or self.now):
            return part
        context = part.context.copy()
        groups = group([part.slot[rows].astype(np.uint64), name[rows]], 0)
        for begin, count in zip(groups.start.tolist(), groups.count.tolist(), strict=True):
            mine = rows[groups.order[begin : begin + count]]
            key = self._scope(table, int(part.slot[mine[0]])), int(name[mine[0]])
            changes = log.get(key)
            if changes is None:
                context[mine] = self.now.get(key, 0)
            else:
                context[mine] = _as_of(changes, part.position[mine])
        return replace(part, context=context)

    def _scope(self, table: Any, slot: int) -> bytes:
        """Who shares contexts with a connection, by its place and addresses or its own number."""
        if self.contexts.scope == "connection":
            return int(table["serial"][slot]).to_bytes(8, "little")
        return bytes(table["key"][slot][1:].tobytes())

    def dump(self) -> dict[str, Any]:
        """Plain data to go on from."""
        return {
            "meanings": self.meanings,
            "now": [[scope.hex(), name, number] for (scope, name), number in self.now.items()],
            "memory": [[scope.hex(), memory] for scope, memory in self.memory.items()],
        }

    def load(self, state: dict[str, Any]) -> None:
        """Go on from what `dump` gave."""
        self.meanings = list(state["meanings"])
        self.numbers = {meaning: number for number, meaning in enumerate(self.meanings)}
        self.now = {(bytes.fromhex(scope), name): at for scope, name, at in state["now"]}
        self.memory = {bytes.fromhex(scope): memory for scope, memory in state["memory"]}


def _as_of(changes: list[tuple[int, int]], position: I64) -> I64:
    """The number that held at each position: set by a unit before it."""
    when, number = (np.array(column, np.int64) for column in zip(*changes, strict=True))
    return np.asarray(number[np.searchsorted(when, position, side="left") - 1])


def _shorten(table: dict[Any, Any], most: int) -> int:
    """Let the oldest entries go until so many are left; gives how many went."""
    gone = max(len(table) - most, 0)
    for key in list(table)[:gone]:
        del table[key]
    return gone
