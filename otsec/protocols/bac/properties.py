"""Properties read and written, one by one or listed; what they say of the device.

Source: [135] ANSI/ASHRAE 135-2020, 13.1, 15.5 to 15.10.
"""

from bisect import bisect_right
from dataclasses import replace
from functools import lru_cache

from otsec.errors import Malformed
from otsec.model import OperationClass
from otsec.protocols.api import Elements, Fact, Message, Reader
from otsec.protocols.bac.codes import ASK, COMPLEX, COV, READ_MANY, TELL, TOLD_COV, code_of
from otsec.protocols.bac.lists import COV_OBJECT
from otsec.protocols.bac.pdu import Pdu, named
from otsec.protocols.bac.plain import (
    INSTANCE,
    application,
    context,
    ended,
    expect,
    next_tag,
    object_name,
    optional,
    property_name,
    text_of,
    unsigned,
)
from otsec.protocols.bac.tags import CLOSE, CONTEXT, OPEN, PRIMITIVE, TAG, Tag, tag_at
from otsec.protocols.words import bacnet as words


def read_asked(pdu: Pdu) -> Message:
    """[135] 15.5: what is wanted of an object."""
    object_, name = context(pdu.body, 0), context(pdu.body, 1)
    text = f"{object_name(object_)} {property_name(name, optional(pdu.body, 2))}"
    ended(pdu.body)
    return pdu.says(_reading(pdu, object_, name), text)


def _reading(pdu: Pdu, object_: bytes, name: bytes) -> tuple[str, OperationClass]:
    """To read what a device is, is to browse."""
    operation, cls = named(ASK, pdu.service)
    kind, number = int.from_bytes(object_, "big") >> 22, unsigned(name)
    known = words.IDENTITY.get(kind, {})
    browse = number in known or (kind == words.DEVICE and number in _LOOKS)
    return operation, "browse" if browse else cls


_LOOKS = (words.OBJECT_LIST, words.ALL, words.OPTIONAL, words.REQUIRED)


def read_answered(pdu: Pdu) -> Message:
    """[135] 15.5: what a property is."""
    object_, name = context(pdu.body, 0), context(pdu.body, 1)
    text = f"{object_name(object_)} {property_name(name, optional(pdu.body, 2))}"
    expect(pdu.body, OPEN, 3)
    return _told(pdu, object_, name, text, 3)


def _told(pdu: Pdu, object_: bytes, name: bytes, text: str, bracket: int) -> Message:
    """What is said of a property: a fact of the device, or a value of which the type is known."""
    cls = _reading(pdu, object_, name)[1]
    kind, number = int.from_bytes(object_, "big") >> 22, unsigned(name)
    attribute = words.IDENTITY.get(kind, {}).get(number)
    if attribute is not None:
        facts = _facts(pdu, attribute, bracket)
        return pdu.answers(text, cls=cls, facts=facts)
    elements, note = _elements(pdu.body, text)
    return pdu.answers(text, cls=cls, elements=elements, note=note)


def _facts(pdu: Pdu, attribute: str, bracket: int) -> tuple[Fact, ...]:
    facts = []
    while True:
        tag, content = next_tag(pdu.body)
        if tag.kind == CLOSE and tag.number == bracket:
            break
        value = _fact_value(tag, content, attribute)
        if value:
            facts.append(Fact(attribute, value, pdu.about))
            numbered = attribute == "vendor_id" and tag.number == _UNSIGNED
            vendor = words.vendors().get(int(value)) if numbered else None
            facts += [Fact("vendor", vendor, pdu.about)] if vendor else []
    if pdu.item is None:
        ended(pdu.body)
    return tuple(facts)


_UNSIGNED = 2  # number of the tag


def _fact_value(tag: Tag, content: bytes, attribute: str) -> str:
    if tag.kind != PRIMITIVE:
        return ""
    if tag.number == _UNSIGNED:
        return str(unsigned(content))
    if tag.number == 7:
        return text_of(content)
    if tag.number == 12 and len(content) == 4:
        return str(int.from_bytes(content, "big") & INSTANCE)
    if tag.number == 6 and content:
        return ".".join(map(str, content)) if attribute == "ip_address" else content.hex(":")
    return ""


def _elements(body: Reader, text: str) -> tuple[Elements | None, str]:
    """The values that are cut of what stands here, or why there are none; only its type is known."""
    first = body.u8()
    if TAG.kind[first] != PRIMITIVE:
        return None, "" if TAG.kind[first] == CLOSE else "value of several parts"
    count = int(TAG.value_count[first])
    if first == 0x55 and body.u8() != 8:
        count = 0
    if not count:
        return None, _UNCUT.get(first >> 4, f"value of {first & 7} bytes")
    if first >> 4 == 8:
        bits = 8 * count - body.u8()
        return Elements(f"{text} ({bits} bits)", 0, count), ""
    kind, _, rest = text.partition(" ")
    number, _, name = rest.partition(" ")
    return Elements(f"{kind} {name}", int(number), count), ""


_UNCUT = {0: "null", 6: "octets", 7: "text", 8: "bits"}  # by tag number


def write_asked(pdu: Pdu) -> Message:
    """[135] 15.9."""
    object_, name = context(pdu.body, 0), context(pdu.body, 1)
    text = f"{object_name(object_)} {property_name(name, optional(pdu.body, 2))}"
    expect(pdu.body, OPEN, 3)
    return _written(pdu, text, 3)


def _written(pdu: Pdu, text: str, bracket: int, facts: tuple[Fact, ...] = ()) -> Message:
    """A value to be written, or reported, with its priority; null gives the priority back.

    A priority stands behind the closing tag, which as the last byte would be too great for one.
    """
    data = pdu.body.data
    null = data[pdu.body.offset : pdu.body.offset + 1] == b"\0"
    elements, note = _elements(pdu.body, text)
    behind = bytes([bracket << 4 | 0xF, 0x49 if bracket == 3 else 0x39])
    if data[-3:-1] == behind and 1 <= data[-1] <= LOWEST_PRIORITY:
        text = f"{text} priority {data[-1]}"
    operation = named(pdu.kind, pdu.service)
    if null:
        return pdu.says(operation, f"{text} null", facts=facts)
    return pdu.says(operation, text, elements=elements, facts=facts, note=note)


LOWEST_PRIORITY = 16  # [135] 19.2


def item(pdu: Pdu, begin: int, end: int) -> Message:
    """One of the properties that a unit lists; its object stands in front."""
    data, front = pdu.body.data, pdu.body.offset
    facts: tuple[Fact, ...] = ()
    if code_of(pdu.kind, pdu.service) in _NOTIFICATIONS:
        pdu, object_, facts = _notified(pdu)
    else:
        object_ = _object_of(data, front, begin)
    body = Reader(data[:end], begin)
    pdu = replace(pdu, body=body)
    tag, name = next_tag(body)
    index = optional(body, tag.number + 1)
    text = f"{object_name(object_)} {property_name(name, index)}"
    if not body.left():
        return pdu.says(_reading(pdu, object_, name), text)
    opening, _ = next_tag(body)
    if opening.number == _FAILED:
        return pdu.answers(text, outcome=error(body), cls=_reading(pdu, object_, name)[1])
    if pdu.kind == COMPLEX:
        return _told(pdu, object_, name, text, opening.number)
    return _written(pdu, text, opening.number, facts)


_NOTIFICATIONS = (code_of(ASK, COV), code_of(TELL, TOLD_COV))
_FAILED = 5  # context tag of an error in place of a value


def _object_of(data: bytes, begin: int, at: int) -> bytes:
    """The object to which a property belongs that is listed at an offset."""
    offsets, contents = _objects(data, begin)
    which = bisect_right(offsets, at) - 1
    if which < 0:
        raise Malformed(f"no object in front of {at}")
    return contents[which]


@lru_cache(maxsize=4)
def _objects(data: bytes, begin: int) -> tuple[list[int], list[bytes]]:
    """Where objects stand in a list: asked for again for each property of the same unit."""
    offsets, contents, depth, at = [], [], 0, begin
    while at < len(data):
        tag = tag_at(data, at)
        if not depth and tag.kind == CONTEXT:
            offsets.append(at)
            contents.append(data[tag.content : tag.end])
        depth += (tag.kind == OPEN) - (tag.kind == CLOSE)
        at = tag.end
    return offsets, contents


def error(body: Reader) -> str:
    """`error property unknown_property`, [135] 21, Error."""
    kind, code = unsigned(application(body, 9)), unsigned(application(body, 9))
    return f"error {words.error_class(kind)} {words.error_code(code)}"


def list_asked(pdu: Pdu) -> Message:
    """A list as a whole: of its properties if it asks for many by one name, else of none."""
    operation, cls = named(pdu.kind, pdu.service)
    texts, browse = _all_asked(pdu) if pdu.service == READ_MANY else ([], False)
    return pdu.says((operation, "browse" if browse else cls), ", ".join(texts))


def list_answered(pdu: Pdu) -> Message:
    """A list as a whole; what was wanted is in the request."""
    return pdu.answers()


def reported(pdu: Pdu) -> Message:
    """A notification that lists nothing."""
    pdu, object_, facts = _notified(pdu)
    return pdu.says(named(pdu.kind, pdu.service), object_name(object_), facts=facts)


def _notified(pdu: Pdu) -> tuple[Pdu, bytes, tuple[Fact, ...]]:
    """In front of the list of a notification: the object, and facts of its device."""
    process, device = unsigned(context(pdu.body, 0)), context(pdu.body, 1)
    note = f"process {process} by {object_name(device)}"
    object_ = context(pdu.body, COV_OBJECT)
    return replace(pdu, notes=(*pdu.notes, note)), object_, speaker(pdu, device)


def speaker(pdu: Pdu, device: bytes) -> tuple[Fact, ...]:
    """The number of the device that says that it is it."""
    number = int.from_bytes(device, "big")
    if number >> 22 != words.DEVICE:
        return ()
    return (Fact("device_id", str(number & INSTANCE), pdu.about),)


def _all_asked(pdu: Pdu) -> tuple[list[str], bool]:
    """Every property of a request for many by one name; nothing of other requests."""
    texts, many, device, body = [], False, False, pdu.body
    if body.left() > MOST_ASKED:
        return [], False
    while body.left():
        object_ = context(body, 0)
        device |= int.from_bytes(object_, "big") >> 22 == words.DEVICE
        expect(body, OPEN, 1)
        while (name := optional(body, 0)) is not None:
            many |= unsigned(name) in _LOOKS[1:]
            texts.append(f"{object_name(object_)} {property_name(name, optional(body, 1))}")
        expect(body, CLOSE, 1)
    return (texts, device) if many else ([], False)


MOST_ASKED = 256  # bytes of a list that is put into words
