"""What Modbus units say: golden messages, and what must never be one."""

from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from modbus_units import BY_NAME, TABLE, Unit

from otsec.errors import Malformed, Truncated, WireError
from otsec.protocols import modbus
from otsec.protocols.api import Fact, Message, Reader, Side
from otsec.protocols.framing.modbus_rtu import CHECK, is_frame

FLIPS = (0x01, 0x80, 0x5A)


def said(data: bytes, unit: Unit) -> Message:
    """Decode bytes on the side of a unit of the table, with its request."""
    request = BY_NAME[unit.request] if unit.request else None
    asked = modbus.decode(Reader(request.data), Side.REQUEST, None) if request else None
    return modbus.decode(Reader(data), unit.side, asked)


@pytest.mark.parametrize("unit", TABLE, ids=lambda unit: unit.name)
def test_message(unit: Unit) -> None:
    """Each unit of the table says exactly what the table says."""
    assert said(unit.data, unit) == unit.message


@pytest.mark.parametrize("unit", TABLE, ids=lambda unit: unit.name)
def test_every_byte_counts(unit: Unit) -> None:
    """A flipped byte changes the message or makes it malformed, unless it is marked as free."""
    for offset in range(len(unit.data)):
        for flip in FLIPS:
            changed = bytearray(unit.data)
            changed[offset] ^= flip
            try:
                message = said(bytes(changed), unit)
            except WireError:
                continue
            free = offset in unit.free | unit.unsaid
            assert (message == unit.message) is free, f"byte {offset} flipped by {flip:#x}"


@pytest.mark.parametrize("unit", TABLE, ids=lambda unit: unit.name)
def test_prefixes_are_truncated(unit: Unit) -> None:
    """No proper prefix of a unit is a message."""
    for size in range(len(unit.data)):
        with pytest.raises(Truncated):
            said(unit.data[:size], unit)


def rtu(body: bytes) -> bytes:
    """A frame with its check sum."""
    return body + CHECK.of(body).to_bytes(2, "little")


IN_RTU = [unit for unit in TABLE if is_frame(rtu(unit.data[6:]))]  # others have no known length


@pytest.mark.parametrize("unit", IN_RTU, ids=lambda unit: unit.name)
def test_rtu_says_the_same(unit: Unit) -> None:
    """The same function and data in an RTU frame are the same message; no prefix of it is one."""
    frame = rtu(unit.data[6:])
    assert said(frame, unit) == replace(unit.message, device=f"unit {unit.data[6]}")
    for size in range(len(frame)):
        with pytest.raises(WireError):
            said(frame[:size], unit)


def test_rtu_covers_the_functions() -> None:
    """All functions of the standard but the encapsulated interfaces have a length in RTU."""
    assert {unit.data[7] & 0x7F for unit in IN_RTU} >= {*modbus.FUNCTIONS, 8, 43}


def test_check_sum() -> None:
    """The check sum is that of the example in [SERIAL] 6.2.2: 02 07 gives 41 12."""
    assert rtu(bytes.fromhex("0207")) == bytes.fromhex("02074112")


REFUSED = {  # hex of the unit: the words of the error
    "0001 0001 0006 11 03 006b 0003": "protocol id 1, length 6, and no RTU check sum",
    "0001 0000 0105 11 03 006b 0003": "protocol id 0, length 261, and no RTU check sum",
    "0001 0000 0001 11 03": "protocol id 0, length 1, and no RTU check sum",
    "0001 0000 0006 11 03 006b 0003 00": "1 bytes behind the unit",
    "0001 0000 0007 11 03 006b 0003 00": "function 0x03: 1 bytes behind its content",
    "0001 0000 0006 11 03 006b 0000": "0 elements from 107",
    "0001 0000 0006 11 03 006b 007e": "126 elements from 107",
    "0001 0000 0006 11 03 ffff 0002": "2 elements from 65535",
    "0001 0000 0006 11 01 0000 07d1": "2001 elements from 0",
    "0001 0000 0006 11 05 0001 0001": "coil value 0x0001",
    "0001 0000 0008 11 0f 0000 0009 01 ff": "byte count 1, expected 2 bytes",
    "0001 0000 0009 11 10 0000 0002 02 ffff": "byte count 2, expected 4 bytes",
    "0001 0000 0002 11 00": "function 0x00",
    "0001 0000 0003 11 83 02": "function 0x83",
    "0001 0000 0009 11 14 06 06 0004 0001 00": "function 0x14: 2 bytes at 5, 1 left",
    "0001 0000 000a 11 14 07 05 0004 0001 0002": "reference type 5, 2 registers from record 1",
    "0001 0000 0005 11 2b 0e 05 00": "read device id code 5",
    "0001 0000 0004 11 5a 00 fe": "a UMAS response from a client",
}


@pytest.mark.parametrize("text", REFUSED)
def test_contradictions_are_malformed(text: str) -> None:
    """A request that contradicts the standard is refused with the reason."""
    with pytest.raises(Malformed, match=f"^{REFUSED[text]}$"):
        modbus.decode(Reader(bytes.fromhex(text)), Side.REQUEST, None)


def test_unknown_side() -> None:
    """A unit of an unknown side is a request if it can be one, else a response."""
    unknown = Side.UNKNOWN
    read = modbus.decode(Reader(BY_NAME["holding"].data), unknown, None)
    told = modbus.decode(Reader(BY_NAME["holding told"].data), unknown, read)
    assert (read, told) == (BY_NAME["holding"].message, BY_NAME["holding told"].message)


def test_server_id_without_status() -> None:
    """A server id in which no run status can be found is told as such."""
    data = bytes.fromhex("0001 0000 0006 11 11 03 414243")
    message = modbus.decode(Reader(data), Side.RESPONSE, None)
    assert message.facts == (Fact("server_id", "ABC"),)
    assert message.note == "no run status found"


@given(st.binary(max_size=280), st.sampled_from(list(Side)))
@settings(max_examples=300)
def test_random_bytes(data: bytes, side: Side) -> None:
    """Random bytes make no error but those of the wire."""
    with suppress(WireError):
        modbus.decode(Reader(data), side, None)


@given(st.data())
@settings(max_examples=400)
def test_random_bodies(data: st.DataObject) -> None:
    """Random bodies of every function make no error but Malformed, and no bytes are left over."""
    function = data.draw(st.integers(0, 255))
    body = bytes([function]) + data.draw(st.binary(max_size=250))
    unit = b"\0\1\0\0" + (len(body) + 1).to_bytes(2, "big") + b"\x11" + body
    for side in Side:
        with suppress(Malformed):
            modbus.decode(Reader(unit), side, BY_NAME["holding"].message)


def test_operations_seen(record_testsuite_property: Callable[[str, object], None]) -> None:
    """Every operation that the protocol lists is in the table, with where its bytes come from."""
    origins = {unit.message.operation: unit.origin for unit in reversed(TABLE)}
    names = [operation.name for operation in modbus.PROTOCOL.operations]
    seen = Counter(
        "real capture" if ".pcap" in origins[name] else origins[name].split(" 6")[0]
        for name in names
        if name in origins
    )
    record_testsuite_property("modbus operations", dict(seen))
    assert sorted(name for name in names if name not in origins) == []
    assert seen == {
        "[APP]": 34,
        "real capture": 13,
        "public research": 16,
        "Zeek's analyser": 10,
        "pymodbus": 2,
    }
    assert len(set(names)) == len(names)


def test_classes_of_the_table() -> None:
    """Operations of the table have the class that the protocol lists."""
    classes = {operation.name: operation.cls for operation in modbus.PROTOCOL.operations}
    for unit in TABLE:
        if unit.message.operation in classes:
            assert unit.message.cls == classes[unit.message.operation]


def test_identity_is_listed() -> None:
    """Every attribute of a fact is one that the protocol lists, or an object by its number."""
    told = {fact.attribute for unit in TABLE for fact in unit.message.facts}
    assert {name for name in told if not name.startswith("object_")} <= set(
        modbus.PROTOCOL.identity
    )
