"""What all messages of S7comm have in common when they are decoded, and small parts of them."""

import re
from dataclasses import dataclass
from typing import NamedTuple

from otsec.model import OperationClass
from otsec.protocols.api import Elements, Fact, Message, Reader
from otsec.protocols.words import s7comm as words

Word = tuple[str, OperationClass]
UNKNOWN_OBJECT = "unknown"  # of a response whose request was not seen
MISMATCH = "mismatch"  # the response does not fit the request with its reference
ASKED = "asked"  # of what the server asks of the client
CONTINUED = "goes on with a list"
BODY = "opaque: body of the block"


@dataclass(frozen=True, slots=True)
class Said:
    """A message without its header: what functions below decode."""

    word: Word
    answers: bool
    body: Reader
    request: Message | None
    context: str
    outcome: str  # "" in requests
    notes: tuple[str, ...] = ()

    def tell(
        self,
        object_: str | None = None,
        elements: Elements | None = None,
        facts: tuple[Fact, ...] = (),
        *notes: str,
    ) -> Message:
        """The message; with ``object_`` None its object is its request's."""
        outcome = self.outcome
        if object_ is None:
            object_ = self.request.object if self.request is not None else UNKNOWN_OBJECT
        elif self.answers and self.request is not None and self.request.object != object_:
            outcome = MISMATCH
        note = ", ".join(note for note in (*self.notes, *notes) if note)
        name, cls = self.word
        return Message(name, cls, object_, "", outcome, elements, facts, note)


def failure(code: int) -> str:
    """The outcome of a class and code of failure."""
    if code == 0:
        return "ok"
    return f"error {words.ERRORS.get(code, f'{code:#06x}')}"


def returned(code: int) -> str:
    """The outcome of a return code."""
    if code == words.SUCCESS:
        return "ok"
    return words.RETURN_CODES.get(code, f"error {code:#04x}")


def text_of(raw: bytes) -> str:
    """Text as sent, without what it was filled up with; bytes that are no text as numbers."""
    text = raw.rstrip(b"\0 ").decode("latin-1")
    return text if text.isprintable() else raw.hex()


def rest_of(body: Reader) -> str:
    """A note of parameters whose meaning is not known."""
    return f"parameters {body.rest().hex()}" if body.left() else ""


def reserved_in(body: Reader, size: int) -> str:
    """A note of reserved bytes that are not zero."""
    raw = body.take(size)
    return f"reserved {raw.hex()}" if any(raw) else ""


_FILE = re.compile(r"([_$])(0[89A-F])(\d{5})([APB])")


def file_named(raw: bytes) -> tuple[str, str]:
    """(object, note) of a file name: a mark, type and number of a block, and where it is."""
    text = text_of(raw)
    found = _FILE.fullmatch(text)
    if found is None:
        return f"file {text}", ""
    mark, kind, number, system = found.groups()
    where = words.FILESYSTEMS[system] + (" header" if mark == "$" else "")
    return f"{words.BLOCK_TYPES[kind]}{int(number)}", where


class ValueHead(NamedTuple):
    """What stands in front of a value."""

    kind: int
    size: int  # bytes
    bit: bool  # whether it is a single one


def value_head(body: Reader) -> ValueHead:
    """The head of a value that follows, behind its return code."""
    body.u8()
    kind, length = body.u8(), body.u16()
    if kind == words.NULL_DATA:
        return ValueHead(kind, 0, bit=False)
    if kind in (words.BIT_DATA, words.BYTE_DATA, words.INT_DATA):
        bit = kind == words.BIT_DATA and length == 1
        return ValueHead(kind, (length + 7) // 8, bit)
    return ValueHead(kind, length, bit=False)
