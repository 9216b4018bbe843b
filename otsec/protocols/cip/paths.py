"""Encoded paths, [CIP1] C-1: which device, and what there."""

from dataclasses import dataclass

from otsec.errors import Malformed, Truncated
from otsec.protocols.api import Fact, Reader
from otsec.protocols.cip.codes import CLASSLESS, SYMBOL_CLASS, SYMBOLIC
from otsec.protocols.texts import sent
from otsec.protocols.words import enip as words

# ---------------------------------------------------------------------------------- paths

PORT_EXTENDED = 0x10  # the link address has a length of its own
_LOGICAL_NAMES = ("class", "instance", "member", "connection point", "attribute")
_KEY, _KEY_SERIAL = 4, 5  # formats of electronic keys
_KEY_FACTS = ("vendor_id", "device_type", "product_code")


@dataclass(frozen=True, slots=True)
class Path:
    """An encoded path, [CIP1] C-1, as text and in parts."""

    route: str = ""  # ports and links up to the device, `slot 1`
    text: str = ""  # what it leads to there, `class 0x01 (identity) instance 1`
    klass: int = CLASSLESS  # the last class named, SYMBOLIC for a tag
    instance: int = -1
    attribute: int = -1
    facts: tuple[Fact, ...] = ()  # of an electronic key


def read_path(data: bytes) -> Path:
    """Decode a padded path; raises Malformed where it is none."""
    reader, trail = Reader(data), _Trail()
    try:
        while reader.left():
            _segment(reader, reader.u8(), trail)
    except Truncated as error:
        raise Malformed(f"path {data.hex()}: {error}") from error
    return Path(
        "/".join(trail.route), trail.text(), trail.klass, trail.instance, trail.attribute,
        tuple(trail.facts),
    )  # fmt: skip


class _Trail:
    """What a path has said so far."""

    def __init__(self) -> None:
        self.route: list[str] = []
        self.tag = ""
        self.words: list[str] = []
        self.facts: list[Fact] = []
        self.klass, self.instance, self.attribute = CLASSLESS, -1, -1

    def text(self) -> str:
        """Tag, then numbers."""
        return " ".join([*([self.tag] if self.tag else []), *self.words])


def _segment(reader: Reader, first: int, trail: _Trail) -> None:
    if first < 0x20:
        trail.route.append(_port(reader, first))
    elif first < 0x40:
        _logical(reader, first, trail)
    elif first < 0x60:
        size = 2 * reader.u8() if first & 0x10 else 1  # words, or one byte
        trail.words.append(f"network segment {first & 0x1F:#04x} {reader.take(size).hex()}")
    elif first < 0x80:
        _symbol(reader, first & 0x1F, trail)
    elif first == 0x80:
        trail.words.append(f"configured with {len(reader.take(2 * reader.u8()))} bytes")
    elif first == 0x91:
        size = reader.u8()
        _name(reader.take(size), trail)
        take_padding(reader, size % 2)
    else:
        raise Malformed(f"path segment {first:#04x}")


def take_padding(reader: Reader, size: int) -> None:
    """Bytes that fill up a word, which must be 0."""
    if any(reader.take(size)):
        raise Malformed("padding of a path is not 0")


def _port(reader: Reader, first: int) -> str:
    """[CIP1] C-1.4.1: a port and an address on its link; port 1 is the backplane."""
    port, size = first & 0x0F, 1
    if first & PORT_EXTENDED:
        size = reader.u8()
    if port == 0x0F:
        port = reader.u16le()
    if port == 0:
        raise Malformed("port 0")
    link = reader.take(size)
    if not first & PORT_EXTENDED:
        return f"slot {link[0]}" if port == 1 else f"port {port} {link[0]}"
    take_padding(reader, size % 2)
    return f"port {port} {text_of(link)}"


def _logical(reader: Reader, first: int, trail: _Trail) -> None:
    """[CIP1] C-1.4.2."""
    kind, form = first >> 2 & 7, first & 3
    if kind == 5 and form == 0:
        trail.facts += _electronic_key(reader)
        return
    if kind == 7:
        kind, trail_word = 7, f"extended {reader.u8():#04x}"
    else:
        trail_word = "service" if kind == 6 else ""
    if form == 3 or kind == 5:
        raise Malformed(f"path segment {first:#04x}")
    if form and kind != 7:
        take_padding(reader, 1)
    number = (reader.u8, reader.u16le, reader.u32le)[form]()
    if kind >= 6:
        if kind == 7 and not form:
            take_padding(reader, 1)
        trail.words.append(f"{trail_word} {number}")
    elif kind == 2 and (trail.tag or trail.klass == SYMBOL_CLASS):
        _index(number, trail)
    elif kind == 0:
        trail.klass, trail.instance = number, -1
        trail.words.append(_class_text(number))
    else:
        if kind == 1:
            trail.instance = number
        elif kind == 4:
            trail.attribute = number
        trail.words.append(f"{_LOGICAL_NAMES[kind]} {number}")


def _class_text(number: int) -> str:
    name = words.CLASSES.get(number)
    return f"class {number:#04x}" + (f" ({name})" if name else "")


def _index(number: int, trail: _Trail) -> None:
    """An index of an array; one more in the same brackets for more dimensions."""
    if not trail.tag:  # of a symbol known by its instance
        trail.words.append(f"[{number}]")
    elif trail.tag.endswith("]"):
        trail.tag = f"{trail.tag[:-1]},{number}]"
    else:
        trail.tag += f"[{number}]"


def _name(raw: bytes, trail: _Trail) -> None:
    if not raw:
        raise Malformed("a symbol without a name")
    trail.tag = f"{trail.tag}.{text_of(raw)}" if trail.tag else text_of(raw)
    trail.klass, trail.instance = SYMBOLIC, -1


def _symbol(reader: Reader, size: int, trail: _Trail) -> None:
    """[CIP1] C-1.4.4: a short name; size 0, which is for wide or numeric ones, is not in use."""
    if size == 0:
        raise Malformed("extended symbol")
    _name(reader.take(size), trail)
    take_padding(reader, 1 - size % 2)


def _electronic_key(reader: Reader) -> list[Fact]:
    """[CIP1] C-1.4.2.5.2: what the device must be to be connected to; 0 is any."""
    form = reader.u8()
    if form not in (_KEY, _KEY_SERIAL):
        raise Malformed(f"electronic key format {form}")
    numbers = [reader.u16le() for _ in range(3)]
    major, minor = reader.u8(), reader.u8()
    told = [
        Fact(f"expected_{name}", str(number))
        for name, number in zip(_KEY_FACTS, numbers, strict=True)
        if number
    ]
    if major & 0x7F or minor:
        compatible = " or compatible" if major & 0x80 else ""
        told.append(Fact("expected_revision", f"{major & 0x7F}.{minor}{compatible}"))
    elif major:
        told.append(Fact("expected_revision", "any compatible"))
    if form == _KEY_SERIAL:
        told.append(Fact("expected_serial", f"{reader.u32le():#010x}"))
    return told


MOST_TEXT = 255  # bytes of a text that are told: names are shorter, whatever their field allows
MOST_HEX = 64  # bytes that are told one by one


def text_of(raw: bytes) -> str:
    """Text as sent, cut."""
    return sent(raw[:MOST_TEXT])


def hex_of(raw: bytes) -> str:
    """Bytes as they are; of many the first ones."""
    more = f" and {len(raw) - MOST_HEX} bytes" if len(raw) > MOST_HEX else ""
    return raw[:MOST_HEX].hex() + more
