"""Pieces of one body, as plain Python: tags, numbers, texts, names of objects and properties.

Source: [135] ANSI/ASHRAE 135-2020, 20.2.
"""

from otsec.errors import Malformed
from otsec.protocols.api import Reader
from otsec.protocols.bac.tags import CLOSE, CONTEXT, OPEN, PRIMITIVE, Tag, tag_at
from otsec.protocols.words import bacnet as words


def peek(body: Reader) -> Tag | None:
    """The next tag; None at the end."""
    return tag_at(body.data, body.offset) if body.left() else None


def next_tag(body: Reader) -> tuple[Tag, bytes]:
    """The next tag and its content."""
    tag = tag_at(body.data, body.offset)
    body.at(tag.end)
    return tag, body.data[tag.content : tag.end]


def context(body: Reader, number: int) -> bytes:
    """The content of a context tag that must be there."""
    tag, content = next_tag(body)
    if tag.kind != CONTEXT or tag.number != number:
        raise Malformed(f"tag {tag.number} where context {number} is expected")
    return content


def optional(body: Reader, number: int) -> bytes | None:
    """The content of a context tag that may be there."""
    tag = peek(body)
    if tag is None or tag.kind != CONTEXT or tag.number != number:
        return None
    return next_tag(body)[1]


def application(body: Reader, number: int) -> bytes:
    """The content of an application tag that must be there."""
    tag, content = next_tag(body)
    if tag.kind != PRIMITIVE or tag.number != number:
        raise Malformed(f"tag {tag.number} where application {number} is expected")
    return content


def expect(body: Reader, kind: int, number: int) -> None:
    """An opening or closing tag that must be there."""
    tag, _ = next_tag(body)
    if tag.kind != kind or tag.number != number:
        raise Malformed(f"tag {tag.number} where a bracket {number} is expected")


def skip(body: Reader, number: int) -> None:
    """All between an opening tag and its closing one."""
    expect(body, OPEN, number)
    depth = 1
    while depth:
        tag, _ = next_tag(body)
        depth += (tag.kind == OPEN) - (tag.kind == CLOSE)
        if not depth and tag.number != number:
            raise Malformed(f"tag {number} closed by {tag.number}")


def unsigned(content: bytes) -> int:
    """An unsigned number, [135] 20.2.4."""
    if not 1 <= len(content) <= 8:
        raise Malformed(f"a number of {len(content)} bytes")
    return int.from_bytes(content, "big")


def text_of(content: bytes) -> str:
    """A character string, [135] 20.2.9, as sent."""
    if not content:
        raise Malformed("a text without its character set")
    name = {0: "utf-8", 3: "utf-32-be", 4: "utf-16-be", 5: "latin-1"}.get(content[0])
    try:
        return content[1:].decode(name or "utf-8")
    except UnicodeDecodeError:
        return content[1:].decode("latin-1")


def object_name(content: bytes) -> str:
    """`analog_input 3`, [135] 20.2.14."""
    if len(content) != 4:
        raise Malformed(f"an object identifier of {len(content)} bytes")
    number = int.from_bytes(content, "big")
    return f"{words.object_type(number >> 22)} {number & INSTANCE}"


INSTANCE = 0x3F_FFFF


def property_name(content: bytes, index: bytes | None) -> str:
    """`present_value`, `priority_array[8]`."""
    text = words.property_name(unsigned(content))
    return text if index is None else f"{text}[{unsigned(index)}]"


def ended(body: Reader) -> None:
    """Malformed where there is more."""
    if body.left():
        raise Malformed(f"{body.left()} bytes left")
