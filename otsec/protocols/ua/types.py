"""The types of OPC UA in plain Python, [6] 5.2."""

import base64
import struct
import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from otsec.errors import Malformed
from otsec.protocols.api import Reader
from otsec.protocols.texts import sent
from otsec.protocols.ua.codes import BUILD_INFO, LONG_TEXT, MOST_NESTED, SERVER_STATUS
from otsec.protocols.ua.values import ARRAY, DIMENSIONS, MOST_STATUS, STRING, STRUCTURE, TAIL, TOLD
from otsec.protocols.words.opcua import SEVERITIES, STATUS, STRUCTURE_IDS, STRUCTURES

Body = dict[str, Any]  # the fields of a structure by name


class Array(list[Any]):
    """Elements that were read, and how many there are: of a long list the end is not read."""

    said = 0


def length_of(reader: Reader) -> int:
    """The length in front of texts and arrays; that of a null is -1, told as 0."""
    length = int.from_bytes(reader.take(4), "little", signed=True)
    if length < -1:
        raise Malformed(f"length {length}")
    return max(length, 0)


def byte_string(reader: Reader) -> bytes:
    """ByteString, [6] 5.2.2.7."""
    return reader.take(length_of(reader))


def string(reader: Reader) -> str:
    """String, [6] 5.2.2.4."""
    return sent(byte_string(reader))


def _guid(reader: Reader) -> str:
    return str(uuid.UUID(bytes_le=reader.take(16)))


def _named(namespace: int, text: str) -> str:
    return f"ns={namespace};{text}" if namespace else text


def node_id(reader: Reader, flags: int = 0) -> str:
    """NodeId as text, [6] 5.2.2.9 and 5.3.1.10."""
    encoding = reader.u8() & ~flags
    if encoding == 0:
        return f"i={reader.u8()}"
    if encoding == 1:
        namespace = reader.u8()
        return _named(namespace, f"i={reader.u16le()}")
    if encoding > 5:
        raise Malformed(f"NodeId encoding {encoding}")
    namespace = reader.u16le()
    if encoding == 2:
        return _named(namespace, f"i={reader.u32le()}")
    if encoding == 3:
        return _named(namespace, f"s={string(reader)}")
    if encoding == 4:
        return _named(namespace, f"g={_guid(reader)}")
    return _named(namespace, f"b={base64.b64encode(byte_string(reader)).decode()}")


def _expanded(reader: Reader) -> str:
    """ExpandedNodeId, [6] 5.2.2.10."""
    flags = reader.data[reader.offset] if reader.left() else 0
    text = node_id(reader, flags=0xC0)
    if flags & 0x80:
        text = f"nsu={string(reader)};{text}"
    if flags & 0x40:
        text = f"svr={reader.u32le()};{text}"
    return text


def qualified_name(reader: Reader) -> str:
    """QualifiedName, [6] 5.2.2.13."""
    namespace = reader.u16le()
    name = string(reader)
    return f"{namespace}:{name}" if namespace else name


def _localized(reader: Reader) -> str:
    mask = reader.u8()
    if mask > 3:
        raise Malformed(f"LocalizedText mask {mask:#04x}")
    if mask & 1:
        byte_string(reader)  # the locale
    return string(reader) if mask & 2 else ""


def diagnostic(reader: Reader, depth: int = 0) -> None:
    """DiagnosticInfo, [6] 5.2.2.12: passed over."""
    mask = reader.u8()
    if mask > 0x7F or depth > MOST_NESTED:
        raise Malformed(f"DiagnosticInfo mask {mask:#04x}, depth {depth}")
    reader.take(4 * (mask & 0x0F).bit_count())
    if mask & 0x10:
        byte_string(reader)
    if mask & 0x20:
        reader.u32le()
    if mask & 0x40:
        diagnostic(reader, depth + 1)


def extension(reader: Reader, depth: int = 0) -> Body:
    """ExtensionObject, [6] 5.2.2.15: its fields if its encoding is known."""
    encoding, form = node_id(reader), reader.u8()
    if form > 2:
        raise Malformed(f"body of kind {form}")
    found: Body = {"encoding": encoding}
    if form == 0:
        return found
    body = reader.part(length_of(reader))
    name = STRUCTURE_IDS.get(encoding)
    if form == 1 and name is not None:
        fill(body, name, found, depth + 1)
        if body.left():
            raise Malformed(f"{body.left()} bytes behind {name}")
    return found


@dataclass(frozen=True, slots=True)
class Value:
    """A DataValue as far as it is told."""

    kind: int = 0
    count: int = -1  # elements of an array; -1 where it is none
    content: Any = None
    status: int = 0


def _variant(reader: Reader, depth: int = 0) -> Value:
    """Variant, [6] 5.2.2.16."""
    if depth > MOST_NESTED:
        raise Malformed("values nested too deep")
    encoding = reader.u8()
    kind = encoding & 0x3F
    if kind > 25 or (not kind and encoding) or encoding & 0xC0 == DIMENSIONS:
        raise Malformed(f"variant of type {encoding:#04x}")
    if not kind:
        return Value()
    read = BUILT_IN[kind]
    if not encoding & ARRAY:
        return Value(kind, -1, read(reader, depth + 1))
    content = array_of(reader, lambda: read(reader, depth + 1))
    if encoding & DIMENSIONS:
        reader.take(4 * length_of(reader))
    return Value(kind, content.said, content)


def _data_value(reader: Reader, depth: int = 0) -> Value:
    """DataValue, [6] 5.2.2.17."""
    mask = reader.u8()
    if mask > 0x3F:
        raise Malformed(f"DataValue mask {mask:#04x}")
    value = _variant(reader, depth) if mask & 1 else Value()
    status = reader.u32le() if mask & 2 else 0
    reader.take(int(TAIL[mask & ~2]))
    return replace(value, status=status)


def array_of(reader: Reader, read: Callable[[], Any], into: Array | None = None) -> Array:
    """An array, [6] 5.2.5, appended to one that keeps what came before an end."""
    found = Array() if into is None else into
    found.said = length_of(reader)
    if found.said > LONGEST_ARRAY:
        raise Malformed(f"{found.said} elements")
    for _ in range(found.said):
        found.append(read())
    return found


LONGEST_ARRAY = 1 << 18  # no message has more bytes


def _flag(reader: Reader) -> bool:
    return reader.u8() != 0


def _number(code: str) -> Callable[[Reader], Any]:
    form = struct.Struct("<" + code)
    return lambda reader: form.unpack(reader.take(form.size))[0]


_PLAIN: dict[str, Callable[[Reader], Any]] = {
    "bool": _flag,
    **{
        name: _number(code)
        for name, code in (
            ("i8", "b"), ("u8", "B"), ("i16", "h"), ("u16", "H"), ("i32", "i"), ("u32", "I"),
            ("i64", "q"), ("u64", "Q"), ("f32", "f"), ("f64", "d"), ("time", "q"), ("status", "I"),
        )
    },
    "str": string, "bytes": byte_string, "guid": _guid, "node": node_id, "xnode": _expanded,
    "qname": qualified_name, "ltext": _localized,
}  # fmt: skip
_NESTING: dict[str, Callable[[Reader, int], Any]] = {
    "ext": extension, "data": _data_value, "variant": _variant, "diag": diagnostic,
}  # fmt: skip


def _by_type(name: str) -> Callable[[Reader, int], Any]:
    nesting = _NESTING.get(name)
    if nesting is not None:
        return nesting
    plain = _PLAIN[name]
    return lambda reader, _depth: plain(reader)


BUILT_IN = dict(enumerate(map(_by_type, (
    "bool", "i8", "u8", "i16", "u16", "i32", "u32", "i64", "u64", "f32", "f64", "str", "time",
    "guid", "bytes", "str", "node", "xnode", "status", "qname", "ltext", "ext", "data", "variant",
    "diag",
)), 1))  # fmt: skip


def fill(reader: Reader, name: str, found: Body, depth: int = 0) -> None:
    """Read the fields of a structure into ``found``, which keeps what came before an end."""
    for label, type_ in STRUCTURES[name]:
        kind = type_.removesuffix("[]")
        if kind == type_:
            found[label] = _field(reader, kind, depth)
        else:
            found[label] = elements = Array()
            array_of(reader, lambda kind=kind: _field(reader, kind, depth), elements)  # type: ignore[misc]


def _field(reader: Reader, kind: str, depth: int) -> Any:
    plain = _PLAIN.get(kind)
    if plain is not None:
        return plain(reader)
    nesting = _NESTING.get(kind)
    if nesting is not None:
        return nesting(reader, depth)
    found: Body = {}
    fill(reader, kind, found, depth)
    return found


def item_value(item: Reader) -> Value:
    """What the key has of a DataValue: type, count and status; short text, who a server is."""
    begin = item.offset
    mask = item.u8()
    variant = item.u8() if mask & 1 else 0
    kind, array = variant & 0x3F, bool(variant & ARRAY)
    content = item.offset
    tail = int(TAIL[mask])
    size = len(item.data) - tail - content
    status = item.at(content + size).u32le() if mask & 2 else 0
    count = max(_i32_at(item, content), 0) if array else -1
    item.at(content)
    told: Any = None
    if TOLD[kind] and size <= LONG_TEXT and (not array or kind == STRING):
        told = BUILT_IN[kind](item, 0) if not array else array_of(item, lambda: string(item))
    elif kind == STRUCTURE and not array and item.data[content : content + 2] == b"\1\0":
        told = _told_structure(item, size) if begin in (0, 4) else None
    return Value(kind, count, told, status)


def _i32_at(item: Reader, at: int) -> int:
    return int.from_bytes(item.at(at).take(4), "little", signed=True)


def _told_structure(item: Reader, size: int) -> Body | None:
    """The status of a server behind its times, or what it was built as."""
    item.take(2)
    number, form = item.u16le(), item.u8()
    item.take(4)
    skipped = 16 if number == SERVER_STATUS else 0
    if form != 1 or number not in (SERVER_STATUS, BUILD_INFO):
        return None
    if not 0 < size - 9 - skipped <= MOST_STATUS:
        return None
    item.take(skipped)
    found: Body = {"encoding": f"i={number}"}
    if number == SERVER_STATUS:
        found["state"] = item.u32le()
    built = found["build_info"] = {}
    fill(item, "BuildInfo", built)
    return found


def status_word(status: int) -> str:
    """[4] 7.39: "ok" for all that is good; else the word for it."""
    if status >> 30 == 0:
        return "ok"
    word = STATUS.get(status >> 16) or f"{SEVERITIES[status >> 30]} {status & 0xFFFF0000:#010x}"
    return f"{word} ({status & 0xFFFF:#06x})" if status & 0xFFFF else word
