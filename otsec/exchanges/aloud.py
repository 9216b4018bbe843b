"""What was asked of everybody at once, and who answers it, each in a conversation of his own.

A broadcast has no one response, so it stands alone. Whoever answers it speaks to the asker's address
and port with the tag of what was asked: that is no answer to no question. Each may answer once.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from otsec.columns import I64, U64
from otsec.exchanges.work import DUPLICATE, UNASKED, Found, Work
from otsec.protocols.api import Side

TIMEOUT_NS = 60 * 10**9  # as of what was asked of one
MOST = 1024  # questions, and who answered each: the oldest questions go, further answers count
LOWER, HIGHER = (1, 4), (2, 5)  # words of a connection's key that are the address of each end


@dataclass(slots=True)
class Question:
    """One that was asked of everybody."""

    steady: int
    epoch: int
    answered: set[int] = field(default_factory=set)  # serials of connections


class Aloud:
    """Ordered: the questions of one protocol at one source that may still be answered."""

    def __init__(self) -> None:
        self.questions: dict[str, Question] = {}

    def mark(self, work: Work) -> I64:
        """Let requests to everybody stand alone; gives their rows."""
        aloud = work.aloud & (work.side == Side.REQUEST)
        if not aloud.any():
            return np.empty(0, np.int64)
        if work.alone is not None:
            aloud &= ~work.alone
        rows = np.flatnonzero(aloud)
        work.alone = aloud if work.alone is None else work.alone | aloud
        return rows

    def settle(self, work: Work, asked: I64, found: Found, table: Any) -> None:
        """Take answers to what was asked of everybody for what they are, in order."""
        if not len(asked) and not self.questions:
            return
        lonely = np.flatnonzero(np.isin(found.outcome, (UNASKED, DUPLICATE)) & (found.request < 0))
        rows = np.concatenate([asked, found.response[lonely]])
        at = np.concatenate([np.full(len(asked), -1), lonely])
        order = np.argsort(work.position[rows], kind="stable")
        rows, at = rows[order], at[order]
        names = _names(table, work.slot[rows], work.tag[rows])
        steady, epoch = work.steady[rows].tolist(), work.epoch[rows].tolist()
        serial = work.serial[rows].tolist()
        for number, place in enumerate(at.tolist()):
            if place < 0:
                self._ask(names[number], Question(steady[number], epoch[number]))
            elif self._answers(names[number], steady[number], epoch[number], serial[number]):
                found.outcome[place] = 0

    def _ask(self, name: str, question: Question) -> None:
        self.questions.pop(name, None)
        self.questions[name] = question
        if len(self.questions) > MOST:
            del self.questions[next(iter(self.questions))]

    def _answers(self, name: str, steady: int, epoch: int, serial: int) -> bool:
        question = self.questions.get(name)
        if question is None or question.epoch != epoch or steady - question.steady >= TIMEOUT_NS:
            return False
        if serial in question.answered:
            return False
        if len(question.answered) < MOST:
            question.answered.add(serial)
        return True

    def dump(self) -> list[list[Any]]:
        """Plain data to go on from."""
        return [
            [name, one.steady, one.epoch, sorted(one.answered)]
            for name, one in self.questions.items()
        ]

    def load(self, state: list[list[Any]]) -> None:
        """Go on from what `dump` gave."""
        self.questions = {
            name: Question(steady, epoch, set(answered)) for name, steady, epoch, answered in state
        }


def _names(table: Any, slot: I64, tag: U64) -> list[str]:
    """Who asked, and his tag: address, port and place of the clients of some connections."""
    key = table["key"][slot]
    higher = table["client"][slot] == 1
    low, high = (
        np.where(higher, key[:, two], key[:, one]) for one, two in zip(LOWER, HIGHER, strict=True)
    )
    port = np.where(higher, key[:, 0], key[:, 0] >> np.uint64(16)) & np.uint64(0xFFFF)
    names = np.stack([key[:, 3], low, high, port, tag], axis=1)
    return [name.tobytes().hex() for name in names]
