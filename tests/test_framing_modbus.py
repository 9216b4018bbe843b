"""Where Modbus units begin and end: MBAP headers, and RTU frames by their check sums."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from modbus_units import TABLE
from wire_captures import cut

from otsec.columns import gather
from otsec.protocols.api import NOT_MINE, Framing
from otsec.protocols.framing import modbus_rtu
from otsec.protocols.framing.mbap import MBAP
from otsec.protocols.framing.modbus_rtu import CHECK, RTU


def lengths(framing: Framing, data: list[bytes], at_hand: list[int] | None = None) -> list[int]:
    """The length that a framing gives to each of these bytes, of which so many are at hand."""
    size = np.array([len(one) for one in data], np.int64)
    buffer = np.frombuffer(b"".join(data) + bytes(16), np.uint8)
    start = np.cumsum(size) - size
    end = start + (size if at_hand is None else np.array(at_hand, np.int64))
    header, fits = gather(buffer, start, end, framing.header)
    assert fits.all()
    return framing.lengths(buffer, start, end, header).tolist()


MBAP_HEADERS = {
    "0001 0000 0006 ff 03": 12,
    "0001 0000 0002 ff 11": 8,
    "ffff 0000 00fe 00 03": 260,
    "0001 0000 0104 01 03": 266,  # some stacks count the header as well
    "0001 0000 0105 01 03": NOT_MINE,
    "0001 0000 0400 00 5a": 1030,  # UMAS between a controller and its tool
    "0001 0000 0801 00 5a": NOT_MINE,
    "0001 0000 0001 ff 03": NOT_MINE,
    "0001 0000 0000 ff 03": NOT_MINE,
    "0001 0001 0006 ff 03": NOT_MINE,
    "0001 0100 0006 ff 03": NOT_MINE,
    "4745 5420 2f20 48 54": NOT_MINE,
}


def test_mbap() -> None:
    """Protocol id and length decide."""
    data = [bytes.fromhex(text) for text in MBAP_HEADERS]
    assert lengths(MBAP, data) == list(MBAP_HEADERS.values())
    assert [lengths(MBAP, [one])[0] for one in data] == list(MBAP_HEADERS.values())


def frame(text: str) -> bytes:
    """An RTU frame with its check sum."""
    body = bytes.fromhex(text)
    return body + CHECK.of(body).to_bytes(2, "little")


FRAMES = [frame(unit.data[6:].hex()) for unit in TABLE]
KNOWN = [one for one in FRAMES if modbus_rtu.is_frame(one)]


def test_rtu() -> None:
    """Frames of the standard's functions have their length, whatever stands behind them."""
    assert len(KNOWN) > 60
    assert lengths(RTU, KNOWN) == [len(one) for one in KNOWN]
    behind = [one + b"\x11\x03\x00" for one in KNOWN]
    assert lengths(RTU, behind) == [len(one) for one in KNOWN]


def test_rtu_with_a_wrong_check_sum() -> None:
    """A frame of which one bit is wrong is no frame of that length."""
    wrong = [one[:-1] + bytes([one[-1] ^ 0x10]) for one in KNOWN]
    found = lengths(RTU, wrong)
    for one, length in zip(wrong, found, strict=True):
        assert length == NOT_MINE or length > len(one), one.hex()


def test_rtu_in_pieces() -> None:
    """With only its beginning at hand a frame asks for more; it is never taken for shorter."""
    for one in KNOWN:
        for size in range(4, len(one)):
            (length,) = lengths(RTU, [one], [size])
            assert length > size, f"{one.hex()} cut to {size}"


def test_rtu_response_that_begins_like_a_request() -> None:
    """Where both lengths have a right check sum, the frame is the response."""
    twin = frame("0703 0c00 0003")  # reads as a request; as a response it has 12 bytes of values
    response = frame((twin + bytes(7)).hex())
    assert lengths(RTU, [response]) == [len(response)] == [17]
    assert lengths(RTU, [twin]) == [8]
    assert lengths(RTU, [twin + frame("0703 0000 0001")]) == [8]


def test_rtu_stream() -> None:
    """Requests and responses one behind the other are cut apart."""
    buffer = np.frombuffer(b"".join(KNOWN), np.uint8)
    walker, start, end = cut(RTU, buffer, np.array([0]), np.array([len(buffer)]))
    assert (end - start).tolist() == [len(one) for one in KNOWN]
    assert not walker.any()


@given(st.lists(st.binary(min_size=4, max_size=300), min_size=1, max_size=30))
@settings(max_examples=100)
def test_rtu_columns_agree_with_plain_code(data: list[bytes]) -> None:
    """Random bytes: both find the same frames, and a length is possible or none."""
    data = [*data, *(frame(one[:40].hex()) for one in data)]
    size = np.array([len(one) for one in data], np.int64)
    buffer = np.frombuffer(b"".join(data), np.uint8)
    start = np.cumsum(size) - size
    whole = modbus_rtu.whole_frames(buffer, start, start + size)
    assert whole.tolist() == [modbus_rtu.is_frame(one) for one in data]
    for one, length in zip(data, lengths(RTU, data), strict=True):
        assert length == NOT_MINE or 4 <= length <= modbus_rtu.LONGEST
        if NOT_MINE < length <= len(one):
            assert CHECK.of(one[:length]) == 0


@given(st.lists(st.binary(min_size=1, max_size=256), min_size=1, max_size=20))
@settings(max_examples=100)
def test_check_sums(data: list[bytes]) -> None:
    """The check sum over many spans is that of each, byte by byte."""
    size = np.array([len(one) for one in data], np.int64)
    buffer = np.frombuffer(b"".join(data), np.uint8)
    found = CHECK.of_spans(buffer, np.cumsum(size) - size, size)
    assert found.tolist() == [CHECK.of(one) for one in data]


@pytest.mark.parametrize("framing", [MBAP, RTU], ids=lambda framing: framing.name)
def test_headers_are_the_least_unit(framing: Framing) -> None:
    """No framing gives a length below its header, nor above its longest."""
    rng = np.random.default_rng(3)
    buffer = rng.integers(0, 7, 60_000).astype(np.uint8)  # small numbers, so that much fits
    start = np.arange(0, 59_000, dtype=np.int64)
    end = np.minimum(start + 300, 60_000)
    header, _ = gather(buffer, start, end, framing.header)
    found = framing.lengths(buffer, start, end, header)
    found = found[found != NOT_MINE]
    assert len(found) > 0
    assert found.min() >= framing.header.itemsize
    assert found.max() <= framing.longest
