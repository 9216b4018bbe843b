"""Attributes of CIP objects in replies: by themselves, in lists, or all of an object.

A list says of each attribute its number and status, but not its size, which its class decides. So
one that is not known is read by what was asked for: the numbers must follow one another in that
order up to the end, and where they can in one way only, that is what was told.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

from otsec.errors import Truncated
from otsec.protocols.api import Elements, Fact, Message, Reader
from otsec.protocols.cip.codes import (
    EDIT_CLASS,
    IDENTITY_CLASS,
    IDENTITY_SIZES,
    INTERFACE_CLASS,
    LINK_CLASS,
    NAME_CLASS,
    NUMBERS,
    is_single,
    is_telling_bytes,
    size_of_each,
)
from otsec.protocols.cip.paths import MOST_HEX, MOST_TEXT, hex_of, text_of
from otsec.protocols.cip.said import OPAQUE, OPAQUE_ATTRIBUTES, Said, outcome_of
from otsec.protocols.words import enip as words

MOST_LISTED = 64  # attributes that are told one by one: no object has as many

_CLASS = re.compile(r"class (0x[0-9a-f]+)")
_ATTRIBUTE = re.compile(r"attribute (\d+)$")


def _class_asked(said: Said) -> tuple[int, int]:
    """(class, attribute) of the request's object, the last of each; -1 where there is none."""
    text = said.request.object if said.request is not None else ""
    classes, attribute = _CLASS.findall(text), _ATTRIBUTE.search(text)
    return int(classes[-1], 16) if classes else -1, int(attribute[1]) if attribute else -1


def all_told(said: Said, word: words.Word) -> Message:
    """All attributes of an object, [CIP1] A-4.1; of some classes they say who it is."""
    klass, _ = _class_asked(said)
    read = _ALL_FACTS.get(klass)
    facts: tuple[Fact, ...] = ()
    if read is not None and said.request is not None and " instance 1" in said.request.object:
        facts = read(said.body)
    note = "" if said.bare else OPAQUE_ATTRIBUTES
    return said.message(word, facts=facts, note=note).leaving(said.body.left())


def read_identity(body: Reader) -> tuple[Fact, ...]:
    """Vendor, type, product code, revision, status, serial and name, [CIP1] 5-2.2."""
    numbers = {number: body.take(size) for number, size in _IDENTITY_ORDER}
    numbers[7] = body.take(body.u8())
    return identity_facts(numbers)


_IDENTITY_ORDER = ((1, 2), (2, 2), (3, 2), (4, 2), (5, 2), (6, 4))


def identity_facts(told: dict[int, bytes]) -> tuple[Fact, ...]:
    """Facts of identity attributes by number, each with its bytes."""
    facts = []
    for number, raw in told.items():
        value = int.from_bytes(raw, "little")
        if number == 1:
            vendor = words.vendors().get(value)
            facts += [Fact("vendor", vendor)] if vendor else []
            facts.append(Fact("vendor_id", str(value)))
        elif number == 2:
            facts.append(Fact("device_type", words.DEVICE_TYPES.get(value, f"{value:#06x}")))
        elif number == 3:
            facts.append(Fact("product_code", str(value)))
        elif number == 4:
            facts.append(Fact("revision", f"{raw[0]}.{raw[1]}"))
        elif number == 5:
            facts.append(Fact("device_status", f"{value:#06x}"))
        elif number == 6:
            facts.append(Fact("serial", f"{value:#010x}"))
        elif number == 7:
            facts.append(Fact("product_name", text_of(raw)))
        elif number == 8:
            facts.append(Fact("device_state", words.STATES.get(value, f"{value:#04x}")))
    return tuple(facts)


def _interface(body: Reader) -> tuple[Fact, ...]:
    """The TCP/IP interface, [CIP2] 5-4.3: status, capability, control, a path, addresses, names."""
    body.take(12)
    body.take(2 * body.u16le())
    facts = _addresses(body)
    name = body.take(body.u16le())
    return (*facts, *([Fact("hostname", text_of(name))] if name else []))


def _addresses(body: Reader) -> tuple[Fact, ...]:
    """Address, mask, gateway and two name servers, most significant byte last; a domain name."""
    names = ("ip_address", "network_mask", "gateway", "name_server", "name_server_2")
    told = [(name, body.u32le()) for name in names]
    domain = body.take(body.u16le())
    if len(domain) % 2 and body.left():
        body.u8()
    facts = [Fact(name, dotted(number)) for name, number in told if number]
    return (*facts, *([Fact("domain", text_of(domain))] if domain else []))


def dotted(number: int) -> str:
    """An IPv4 address."""
    return ".".join(str(number >> shift & 0xFF) for shift in (24, 16, 8, 0))


def _link(body: Reader) -> tuple[Fact, ...]:
    """The Ethernet link, [CIP2] 5-5.3: speed, flags, MAC address."""
    speed, _flags = body.u32le(), body.u32le()
    return (Fact("mac", body.take(6).hex(":")), Fact("link_speed", f"{speed} Mbit/s"))


def _program(body: Reader) -> tuple[Fact, ...]:
    """The class that Logix controllers keep their name and description in, as captures show it."""
    name, description = body.take(body.u16le()), body.take(body.u16le())
    facts = [Fact("name", text_of(name))] if name else []
    return (*facts, *([Fact("description", text_of(description))] if description else []))


_ALL_FACTS: dict[int, Callable[[Reader], tuple[Fact, ...]]] = {
    IDENTITY_CLASS: read_identity,
    NAME_CLASS: _program,
    INTERFACE_CLASS: _interface,
    LINK_CLASS: _link,
}


def list_told(said: Said, word: words.Word) -> Message:
    """Attributes with their states, [CIP1] A-4.3; types are not told, those of identities known.

    One alone, or several of one size, are values; of others the reply shows where each ends.
    """
    klass, attribute = _class_asked(said)
    data = said.body.rest()
    if is_single(data):
        if attribute != int.from_bytes(data[2:4], "little"):
            return said.opaque(word, OPAQUE_ATTRIBUTES, len(data))
        return _attribute_told(said, word, data[6:])
    identity = _identity_list(Reader(data))
    mine = klass == IDENTITY_CLASS and " instance 1 " in (said.request or _NOBODY).object
    if identity is not None and mine:
        return said.message(word, facts=identity_facts(identity))
    asked = _list_asked(said)
    if identity is None and size_of_each(data):
        step = (len(data) - 2) // len(asked) if asked else 1
        numbers = [int.from_bytes(data[at : at + 2], "little") for at in range(2, len(data), step)]
        if said.request is None or numbers != asked:
            return said.opaque(word, OPAQUE_ATTRIBUTES, len(data))
        return said.message(word, elements=Elements(said.request.object, 0, len(asked)))
    told = cut_list(data, asked)
    if told is None:
        return said.opaque(word, OPAQUE_ATTRIBUTES, len(data))
    facts = tuple(fact for one in told for fact in _listed_facts(klass, one))
    left = sum(max(len(one.data) - MOST_HEX, 0) for one in told if not _text_in(one.data))
    notes = [f"{_attribute_name(klass, one.number)}: {_text(one)}" for one in told]
    notes += [OPAQUE_ATTRIBUTES] if left else []
    return said.message(word, facts=facts, note=", ".join(notes)).leaving(left)


@dataclass(frozen=True, slots=True)
class Listed:
    """An attribute in a list."""

    number: int
    status: int
    data: bytes  # none where the status is not 0


def _list_asked(said: Said) -> list[int]:
    """The attributes that a list was asked for; none where that is not known."""
    match = _ATTRIBUTES.search(said.request.object) if said.request is not None else None
    return [int(one) for one in match[1].split(", ")] if match else []


_ATTRIBUTES = re.compile(r" attributes? (\d+(?:, \d+)*)$")


def cut_list(data: bytes, asked: list[int]) -> list[Listed] | None:
    """The attributes of a list, if it can be read in one way only as what was asked for.

    Each ends where the next one's number stands with a status; a status that is not 0 has no data
    behind it. From the end, the ways in which the rest can be read are counted.
    """
    if not asked or int.from_bytes(data[:2], "little") != len(asked):
        return None
    levels: list[dict[int, tuple[int, int]]] = []  # by place: ways, at most 2, and the next place
    after = {len(data): (1, 0)}
    for number in reversed(asked):
        places = _places(data, number)
        if len(places) > MOST_PLACES:
            return None
        found = {}
        for at in places:
            read = data[at + 2 : at + 4] == b"\0\0"
            nexts = [one for one in after if (one > at + 4 if read else one == at + 4)]
            if nexts:
                found[at] = (min(sum(after[one][0] for one in nexts), 2), nexts[0])
        levels.append(found)
        after = found
    if after.get(2, (0, 0))[0] != 1:
        return None
    told, at = [], 2
    for number, level in zip(asked, reversed(levels), strict=True):
        end = level[at][1]
        told.append(
            Listed(number, int.from_bytes(data[at + 2 : at + 4], "little"), data[at + 4 : end])
        )
        at = end
    return told


MOST_PLACES = 8  # at which a number may stand in a list: with more it says nothing


def _places(data: bytes, number: int) -> list[int]:
    """Where an attribute may begin: its number, and a status that there is."""
    wanted = number.to_bytes(2, "little")
    found: list[int] = []
    at = data.find(wanted, 2)
    while 0 <= at <= len(data) - 4 and len(found) <= MOST_PLACES:
        if data[at + 3] == 0 and data[at + 2] in words.GENERAL:
            found.append(at)
        at = data.find(wanted, at + 1)
    return found


def _attribute_name(klass: int, number: int) -> str:
    return words.ATTRIBUTES.get((klass, number), f"attribute {number}")


def _text_in(data: bytes) -> str:
    """The text of an attribute that begins with how long it is; empty where it is none."""
    for front in (2, 1):
        text = data[front:]
        fits = text and int.from_bytes(data[:front], "little") == len(text) <= MOST_TEXT
        if fits and all(0x20 <= byte < 0x7F for byte in text):
            return text_of(text)
    return ""


def _text(one: Listed) -> str:
    """What an attribute was told as: a failure, a text, a number, or bytes."""
    if one.status:
        return outcome_of(one.status, [])
    number = str(int.from_bytes(one.data, "little")) if len(one.data) in NUMBERS else ""
    return number or _text_in(one.data) or hex_of(one.data)


def _listed_facts(klass: int, one: Listed) -> tuple[Fact, ...]:
    """What an attribute in a list says of its device."""
    name = _LISTED.get((klass, one.number))
    if name is None or one.status or not one.data:
        return ()
    said = _text_in(one.data) if klass == NAME_CLASS else _text(one)
    return (Fact(name, said),) if said else ()


# as [DATA] has it, one that has changed tells that the tags are others than before
_LISTED = {
    (NAME_CLASS, 1): "name",
    (NAME_CLASS, 2): "description",
    (EDIT_CLASS, 1): "change_number",
    (EDIT_CLASS, 3): "change_signature",
}


_NOBODY = Message("", "read")


def _identity_list(body: Reader) -> dict[int, bytes] | None:
    """Attributes of an identity, if all of the list can be those, 1 to 3 among them."""
    told: dict[int, bytes] = {}
    try:
        count = body.u16le()
        for _ in range(count if 3 <= count <= 8 else 0):
            number, status = body.u16le(), body.u16le()
            if not 1 <= number <= 8 or status:
                return None
            size = int(IDENTITY_SIZES[number])
            told[number] = body.take(body.u8() if size < 0 else size)
    except Truncated:
        return None
    return told if not body.left() and {1, 2, 3} <= set(told) else None


def number_told(said: Said, word: words.Word) -> Message:
    """One attribute, [CIP1] A-4.14: a text or address says something, of others it is a value."""
    return _attribute_told(said, word, said.body.rest())


def _attribute_told(said: Said, word: words.Word, data: bytes) -> Message:
    klass, attribute = _class_asked(said)
    if is_telling_bytes(data):
        read = _ONE_FACT.get((klass, attribute))
        if read is None:
            return said.opaque(word, OPAQUE_ATTRIBUTES, len(data))
        return said.message(word, facts=read(Reader(data)))
    if said.request is None:
        return said.message(word)
    return said.message(word, elements=attribute_elements(said.request.object, len(data)))


def attribute_elements(text: str, size: int) -> Elements | None:
    """An attribute of so many bytes: a number, or bytes."""
    return Elements(text, 0, 1 if size in NUMBERS else size) if size else None


def set_told(said: Said, word: words.Word) -> Message:
    """[CIP1] A-4.4: for each attribute its status; some makers add more."""
    count = said.body.u16le()
    states = [(said.body.u16le(), said.body.u16le()) for _ in range(count)]
    failed = [f"attribute {one} {outcome_of(status, [])}" for one, status in states if status]
    more = [] if said.bare else [OPAQUE]
    note = ", ".join([*failed[:MOST_LISTED], *more])
    return said.message(word, note=note).leaving(said.body.left())


_ONE_FACT: dict[tuple[int, int], Callable[[Reader], tuple[Fact, ...]]] = {
    (IDENTITY_CLASS, 7): lambda body: (Fact("product_name", text_of(body.take(body.u8()))),),
    (INTERFACE_CLASS, 5): _addresses,
    (INTERFACE_CLASS, 6): lambda body: (Fact("hostname", text_of(body.take(body.u16le()))),),
    (NAME_CLASS, 1): lambda body: (Fact("name", text_of(body.take(body.u16le()))),),
    (NAME_CLASS, 2): lambda body: (Fact("description", text_of(body.take(body.u16le()))),),
}
