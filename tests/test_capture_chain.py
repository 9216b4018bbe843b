"""The record index: equal to a plain walk for any bytes, whatever is guessed."""

from collections.abc import Callable
from struct import pack, unpack_from

import numpy as np
import pytest
from capture_bytes import START, enhanced, interface, pcap_header, pcap_record, section
from hypothesis import given, settings
from hypothesis import strategies as st

from otsec.capture import chain as module
from otsec.capture.chain import Rule, chain
from otsec.capture.pcap import FileHeader, PcapRule
from otsec.capture.pcapng import BlockRule

PCAP = PcapRule(FileHeader.read(pcap_header()))
BLOCKS = BlockRule("<")


def plain_pcap(content: bytes) -> tuple[list[int], int]:
    """An index by a bare loop, by the format's description alone."""
    starts, at = [], 0
    while at + 16 <= len(content):
        seconds, fraction, captured, wire = unpack_from("<IIII", content, at)
        length = 16 + captured
        if captured > 262_144 or at + length > len(content):
            break
        if not captured and not wire:
            if not seconds and not fraction:
                break
            if content[at : at + 6] == bytes.fromhex("d4c3b2a1 0200"):
                link = content[at + 20 : at + 22]
                if len(content) < at + 24 or link != b"\1\0":
                    break
                length = 24
            elif content[at : at + 4].hex() in {"a1b2c3d4", "a1b23c4d", "4d3cb2a1"} and (
                content[at + 4 : at + 6] == (b"\2\0" if content[at] == 0x4D else b"\0\2")
            ):
                break
        starts.append(at)
        at += length
    return starts, at


def plain_blocks(content: bytes) -> tuple[list[int], int]:
    """The same for blocks."""
    starts, at = [], 0
    while at + 12 <= len(content):
        kind, length = unpack_from("<II", content, at)
        if kind == 0x0A0D0D0A or length < 12 or length % 4 or length > 512 << 10:
            break
        if at + length > len(content) or unpack_from("<I", content, at + length - 4) != (length,):
            break
        starts.append(at)
        at += length
    return starts, at


@pytest.fixture(autouse=True, params=["as it is", "everything in columns", "many segments"])
def _tuning(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Small inputs take the columnar way too, also with segments shorter than records."""
    if request.param == "as it is":
        return
    monkeypatch.setattr(module, "FIRST", 64)
    monkeypatch.setattr(module, "MIN_RECORDS", 4)
    monkeypatch.setattr(module, "MIN_STEPS", 1)
    monkeypatch.setattr(module, "STEP_BYTES", 5_000 if request.param[0] == "e" else 10_000_000)


def assert_chain(
    content: bytes, rule: Rule, plain: Callable[[bytes], tuple[list[int], int]]
) -> int:
    """Compare with the plain walk; how many records there are."""
    starts, leave = plain(content)
    # A byte before and bytes behind show whether anything outside is read.
    padded = np.frombuffer(b"\x10" + content + b"\x10" * 40, np.uint8)
    found = chain(padded, 1, 1 + len(content), rule)

    assert (found.start - 1).tolist() == starts
    assert found.exit - 1 == leave
    return len(starts)


headers = st.builds(
    lambda seconds, captured, wire: pack("<IIII", seconds, 7, captured, wire),
    st.sampled_from([0, START, START + 5, 0xA1B2C3D4]),
    st.sampled_from([0, 1, 20, 60, 262_144, 262_145, 0xFFFFFFFF]),
    st.sampled_from([0, 60, 1500]),
)
pieces = st.one_of(
    headers,
    st.binary(max_size=40),
    st.sampled_from([pcap_header(), pcap_header(">"), pcap_header(link=7), bytes(16), bytes(50)]),
)
records = st.builds(
    lambda time, payload: pcap_record(START * 10**9 + time, b"".join(payload), wire=1500),
    st.integers(0, 10**12),
    st.lists(pieces, max_size=6),
)
blocks = st.one_of(
    st.builds(
        lambda data, options: enhanced(0, 1, b"".join(data), options=options),
        st.lists(st.one_of(st.binary(max_size=30), st.just(enhanced(0, 1, b"x"))), max_size=3),
        st.sampled_from([b"", bytes(4), enhanced(0, 5, b"fake")]),
    ),
    st.just(interface()),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(records, max_size=60), st.lists(pieces, max_size=4), st.integers(1, 40))
def test_pcap_equals_the_plain_walk(whole: list[bytes], rest: list[bytes], times: int) -> None:
    """Payloads full of record headers, zeros and file headers change nothing."""
    assert_chain(b"".join(whole) * times + b"".join(rest), PCAP, plain_pcap)


@settings(max_examples=150, deadline=None)
@given(st.lists(blocks, max_size=40), st.binary(max_size=60), st.integers(1, 40))
def test_blocks_equal_the_plain_walk(whole: list[bytes], rest: bytes, times: int) -> None:
    """Blocks within packets and options change nothing."""
    assert_chain(b"".join(whole) * times + rest, BLOCKS, plain_blocks)


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=3000))
def test_any_bytes(content: bytes) -> None:
    """Bytes that are no capture are walked as far as a plain loop walks them."""
    assert_chain(content, PCAP, plain_pcap)
    assert_chain(content, BLOCKS, plain_blocks)


@pytest.mark.parametrize("count", [50, 20_000])
def test_packets_that_are_captures(count: int) -> None:
    """Each packet carries a capture of likely records, at all alignments."""
    rows = np.random.default_rng(5)
    inner = b"".join(pcap_record(START * 10**9 + row, bytes(row)) for row in range(0, 40, 7))
    content = b"".join(
        pcap_record(START * 10**9 + row * 10**6, inner[: int(size)])
        for row, size in enumerate(rows.integers(0, len(inner), count))
    )

    assert assert_chain(content, PCAP, plain_pcap) == count


def test_packets_longer_than_segments() -> None:
    """One packet of 200 KiB after thousands of short ones, and short ones again."""
    short = b"".join(pcap_record(START * 10**9, b"abcd" * 5) for _ in range(3000))
    content = short + pcap_record(START * 10**9, short * 2) + short

    assert assert_chain(content, PCAP, plain_pcap) == 6001


def test_clock_jumps_and_zero_time() -> None:
    """Guesses fail where the clock jumps, the index does not."""
    seconds = [START, START + 10**9, 1, 0x4D3CB2A1, START]
    content = b"".join(pcap_record(second * 10**9, b"abcd" * 5) * 4000 for second in seconds)

    assert assert_chain(content, PCAP, plain_pcap) == 20_000


def test_corrupt_in_the_middle() -> None:
    """Walkers behind the damage find records; they are not used."""
    record = pcap_record(START * 10**9, b"abcd" * 5)
    content = record * 5000 + b"\xff" * 7 + record * 5000

    assert assert_chain(content, PCAP, plain_pcap) < 5002


def test_blocks_up_to_a_section() -> None:
    """A section header ends the chain in either byte order."""
    block = enhanced(0, 1, b"abcd")

    assert assert_chain(block * 3000 + section() + block * 9, BLOCKS, plain_blocks) == 3000
    assert assert_chain(block * 3000 + section(">"), BLOCKS, plain_blocks) == 3000
