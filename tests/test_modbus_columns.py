"""Modbus in columns: keys, tags, values, sides and claims agree with what `decode` says."""

import random
from collections import defaultdict
from dataclasses import replace

import numpy as np
import pytest
from modbus_units import BY_NAME, TABLE, Unit

from otsec.errors import Malformed, WireError
from otsec.protocols import modbus
from otsec.protocols.api import BITS, U16_BE, VALUE_TYPES, Message, Reader, Side, Split, Units
from otsec.protocols.framing import modbus_rtu


def units_of(
    data: list[bytes], side: Side | list[Side] = Side.UNKNOWN, framing: int = modbus.MBAP_FRAMING
) -> Units:
    """Units one behind the other in one buffer."""
    length = np.array([len(one) for one in data], np.int64)
    end = np.cumsum(length)
    sides = side if isinstance(side, list) else [side] * len(data)
    return Units(
        np.frombuffer(b"".join(data), np.uint8),
        end - length,
        end,
        np.array(sides, np.uint8),
        np.full(len(data), framing, np.uint8),
        np.zeros(len(data), np.uint8),
    )


def keys(units: Units, split: Split) -> list[tuple[bytes, ...]]:
    """The key of each unit."""
    words = [word.tolist() for word in split.key_words]
    spans = zip(split.key_start.tolist(), split.key_length.tolist(), strict=True)
    return [
        (units.buffer[start : start + length].tobytes(), *(word[row] for word in words))
        for row, (start, length) in enumerate(spans)
    ]


def decoded(data: bytes, side: Side, request: Message | None = None) -> Message | None:
    """The message, None where it is malformed."""
    try:
        return modbus.decode(Reader(data), side, request)
    except Malformed:
        return None


@pytest.mark.parametrize("unit", TABLE, ids=lambda unit: unit.name)
def test_key_is_what_matters(unit: Unit) -> None:
    """A byte is in the key, or the unit is malformed with it changed, unless it is marked free."""
    changed = []
    for offset in range(6, len(unit.data)):  # the framing has checked what is before
        other = bytearray(unit.data)
        other[offset] ^= 0x5A
        changed.append(bytes(other))
    units = units_of([unit.data, *changed], unit.side)
    split = modbus.split(units)
    own, *others = keys(units, split)
    assert not split.malformed[0]
    for offset, (key, malformed) in enumerate(zip(others, split.malformed[1:], strict=True), 6):
        if not malformed:
            assert (key == own) is (offset in unit.free), f"byte {offset}"


@pytest.mark.parametrize("unit", TABLE, ids=lambda unit: unit.name)
def test_tag_and_values(unit: Unit) -> None:
    """The tag is the transaction id, the values are those of the table."""
    units = units_of([unit.data], unit.side)
    split = modbus.split(units)
    assert split.tag.tolist() == [int.from_bytes(unit.data[:2], "big")]
    assert split.value_count.tolist() == [unit.value_count]
    if unit.value_count:
        start, kind = int(split.value_start[0]), VALUE_TYPES[split.value_type[0]]
        size = (unit.value_count + 7) // 8 if kind is None else unit.value_count * kind.itemsize
        values = unit.data[start : start + size].hex()
        assert values == unit.values[: 2 * size]
        assert split.value_type[0] in (BITS, U16_BE)


def test_alone_or_among_others() -> None:
    """What is said of a unit does not depend on its neighbours."""
    data, sides = [unit.data for unit in TABLE], [unit.side for unit in TABLE]
    together = modbus.split(units_of(data, sides))
    for row, (one, side) in enumerate(zip(data, sides, strict=True)):
        alone = modbus.split(units_of([one], side))
        assert alone.key_words[0][0] == together.key_words[0][row]
        assert alone.value_count[0] == together.value_count[row]
        assert alone.key_length[0] == together.key_length[row]


def mutants(count: int, seed: int) -> list[bytes]:
    """Units like those of the table, changed in a few bytes or in length, with a right header."""
    rng = random.Random(seed)
    made = []
    for _ in range(count):
        body = bytearray(rng.choice(TABLE).data[6:])
        for _ in range(rng.choice((0, 1, 1, 2, 3))):
            match rng.randrange(5):
                case 0:
                    body[rng.randrange(1, len(body))] = rng.choice((0, 1, 6, 14, 0xFF))
                case 1:
                    body[rng.randrange(1, len(body))] = rng.randrange(256)
                case 2 if len(body) > 3:
                    del body[rng.randrange(2, len(body))]
                case 3:
                    body.insert(rng.randrange(2, len(body) + 1), rng.randrange(256))
                case _:
                    body += rng.randbytes(rng.choice((1, 2, 7, 60)))
        transaction = rng.choice((0x0103, 0x0106, 0x010F, 0x1116, 0x0117, rng.randrange(65_536)))
        body = body[:254]
        made.append(
            transaction.to_bytes(2, "big") + b"\0\0" + len(body).to_bytes(2, "big") + bytes(body)
        )
    return made


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("side", list(Side))
def test_columns_agree_with_decode(side: Side, seed: int) -> None:
    """Columns call malformed what decode refuses, and units of one key are one message."""
    data = mutants(4_000, seed * 3 + side)
    units = units_of(data, side)
    split = modbus.split(units)
    messages = [decoded(one, side) for one in data]
    assert split.malformed.tolist() == [message is None for message in messages]
    by_key = defaultdict(set)
    for key, message in zip(keys(units, split), messages, strict=True):
        if message is not None:
            by_key[key].add(message)
    assert [said for said in by_key.values() if len(said) > 1] == []
    assert 100 < len(by_key) < len(data)
    inside = (split.value_count == 0) | (split.value_start >= units.start)
    size = np.where(split.value_type == BITS, (split.value_count + 7) // 8, 2 * split.value_count)
    assert (inside & (split.value_start * (size > 0) + size <= units.end)).all()


@pytest.mark.parametrize("request_name", ["holding", "coils", "one record", "query data"])
def test_responses_of_one_key_are_one_message(request_name: str) -> None:
    """Responses with the same key say the same to the same request."""
    request = BY_NAME[request_name].message
    data = mutants(3_000, 99)
    units = units_of(data, Side.RESPONSE)
    split = modbus.split(units)
    by_key = defaultdict(set)
    for key, one, malformed in zip(keys(units, split), data, split.malformed, strict=True):
        message = decoded(one, Side.RESPONSE, request)
        assert (message is None) == malformed
        if message is not None:
            by_key[key].add(message)
    assert [said for said in by_key.values() if len(said) > 1] == []


def test_sides() -> None:
    """Content tells the side, unless both have the same form."""
    echoes = {5, 6, 8, 0x15, 0x16, 0x47, 9, 10, 13, 14, 18, 19, 40, 125, 126, 127}
    units = units_of([unit.data for unit in TABLE])
    for unit, side in zip(TABLE, modbus.sides(units).tolist(), strict=True):
        other_interface = unit.data[7] == 0x2B and unit.data[8] != 0x0E
        expected = Side.UNKNOWN if unit.data[7] in echoes or other_interface else unit.side
        assert (unit.name, side) == (unit.name, expected)


def test_sides_are_not_guessed() -> None:
    """A response that could as well be a request has no side: three bytes of coils like 0x03cd."""
    both = bytes.fromhex("0001 0000 0006 11 01 03 cd 00 10")
    response = bytes.fromhex("0001 0000 0006 11 01 03 cd ff 10")
    assert modbus.sides(units_of([both, response])).tolist() == [Side.UNKNOWN, Side.RESPONSE]


def test_claims_what_is_public() -> None:
    """Every unit of a public function, alone, is claimed; unknown codes are not."""
    units = units_of([unit.data for unit in TABLE])
    claimed = {
        unit.name: bool(mine) for unit, mine in zip(TABLE, modbus.claims(units), strict=True)
    }
    refused = {name for name, mine in claimed.items() if not mine}
    public = {*modbus.FUNCTIONS, 8, 0x2B, 0x5A}
    expected = {unit.name for unit in TABLE if unit.data[7] & 0x7F not in public} | {
        "unknown diagnosis", "canopen", "canopen told", "another interface", "unknown 43",
        "umas unknown", "exception unknown",
    }  # fmt: skip
    assert refused == expected


FOREIGN = {
    "HTTP": b"GET / HTTP/1.1\r\nHost: 10.10.10.70\r\n\r\n",
    "HTTP answer": b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    "TLS": bytes.fromhex("160301002f0100002b0303") + b"\x5f" * 40,
    "RDP": bytes.fromhex("030000130ee000000000000100080003000000"),
    "SSH": b"SSH-2.0-OpenSSH_9.2\r\n",
    "SMB": bytes.fromhex("00000054ff534d4272000000") + bytes(72),
    "zeros": bytes(64),
    "DNP3": bytes.fromhex("056405c001000004e921"),
    "S7": bytes.fromhex("0300001611e00000000100c0010ac1020100c2020102"),
    "IEC 104": bytes.fromhex("680443000000"),
    "OPC UA": b"HELF\x20\0\0\0" + bytes(24),
    "ROC Plus": bytes.fromhex("0102030406003a2f"),
    "ROC Plus answer": bytes.fromhex("01020304e000704f"),
    "DNS": bytes.fromhex("001d1234010000010000000000000377777706676f6f676c6503636f6d0000010001"),
}


@pytest.mark.parametrize("name", FOREIGN)
@pytest.mark.parametrize("framing", [modbus.MBAP_FRAMING, modbus.RTU_FRAMING])
def test_claims_nothing_else(name: str, framing: int) -> None:
    """What other protocols send is never claimed."""
    assert modbus.claims(units_of([FOREIGN[name]], framing=framing)).tolist() == [False]


def test_claims_no_random_bytes() -> None:
    """Random units with a right header are hardly ever claimed, random bytes never."""
    rng = random.Random(7)
    loose = [rng.randbytes(rng.randrange(8, 80)) for _ in range(20_000)]
    assert not modbus.claims(units_of(loose)).any()
    assert modbus.claims(units_of(loose, framing=modbus.RTU_FRAMING)).sum() == 0


def test_rtu_columns() -> None:
    """In RTU frames key and values are the same, the tag is 0, and MBAP has keys of its own."""
    chosen = [unit for unit in TABLE if modbus_rtu.is_frame(frame_of(unit))]
    data = [frame_of(unit) for unit in chosen]
    units = units_of(data, [unit.side for unit in chosen], modbus.RTU_FRAMING)
    split = modbus.split(units)
    plain = units_of([unit.data for unit in chosen], [unit.side for unit in chosen])
    over_tcp = modbus.split(plain)
    assert not split.malformed.any()
    assert not split.tag.any()
    assert split.value_count.tolist() == over_tcp.value_count.tolist()
    moved = split.value_start - units.start
    assert (moved == over_tcp.value_start - plain.start - 6)[split.value_count > 0].all()
    assert not set(keys(units, split)) & set(keys(plain, over_tcp))
    claimed = modbus.claims(units)
    assert [unit.name for unit, mine in zip(chosen, claimed, strict=True) if not mine] == [
        "the address itself", "unknown diagnosis", "exception unknown",
    ]  # fmt: skip


def frame_of(unit: Unit) -> bytes:
    """The unit as an RTU frame."""
    body = unit.data[6:]
    return body + modbus_rtu.CHECK.of(body).to_bytes(2, "little")


def test_units_that_read_as_rtu() -> None:
    """An MBAP unit that is a whole RTU frame too is malformed in columns: decode cannot tell."""
    head = bytes.fromhex("1103 0000 0002")  # transaction 0x1103; as RTU: read 2 registers from 0
    twin = head + modbus_rtu.CHECK.of(head).to_bytes(2, "little")
    units = units_of([twin], Side.REQUEST)
    assert modbus.decode(Reader(twin), Side.REQUEST, None).operation == "read_holding_registers"
    assert modbus.split(units).malformed.tolist() == [True]
    assert modbus.split(replace(units, framing=np.ones(1, np.uint8))).malformed.tolist() == [False]


def test_all_twins_are_found() -> None:
    """No unit of either framing is read by decode in the other framing than columns know."""
    rng = random.Random(5)
    found = 0
    for _ in range(3_000):
        function = rng.choice((1, 2, 3, 4, 5, 6, 8, 11, 15, 16, 22, 23))
        size = rng.choice((2, 3, 4, 5, 6, 9, 11, 13))
        body = bytearray(rng.randbytes(size))
        if function in (15, 16) and size > 3:
            body[0] = size - 3
        elif function == 23 and size > 8:
            body[4] = size - 7
        front = bytes([0x11, function, 0, 0, 0, size]) + bytes(body[:-2])
        data = front + modbus_rtu.CHECK.of(front).to_bytes(2, "little")
        split = modbus.split(units_of([data], Side.REQUEST))
        if modbus_rtu.is_frame(data):
            found += 1
            assert split.malformed.tolist() == [True]
    assert found > 100


def test_nothing_is_read_outside() -> None:
    """Every prefix of the table's bytes, cut anywhere, passes all columns without an error."""
    data = b"".join(unit.data for unit in TABLE)
    for size in range(8, 400, 3):
        buffer = np.frombuffer(data[:size], np.uint8)
        start = np.arange(size - 7, dtype=np.int64)
        for length in (8, 9, 12, 40):
            end = np.minimum(start + length, size)
            for framing in (0, 1):
                zeros = np.zeros(len(start), np.uint8)
                units = Units(buffer, start, end, zeros + 2, zeros + framing, zeros)
                modbus.claims(units)
                modbus.sides(units)
                modbus.split(units)


def test_no_units() -> None:
    """Empty columns give empty columns."""
    units = units_of([])
    assert len(modbus.split(units).malformed) == 0
    assert len(modbus.sides(units)) == len(modbus.claims(units)) == 0


def test_errors_are_of_the_wire() -> None:
    """Malformed is what the engine catches."""
    assert issubclass(Malformed, WireError)
