"""Headers of packets, read in columns."""

import re
from collections import Counter
from dataclasses import fields, replace

import numpy as np
import pytest
from dissect_frames import FRAMES, batch_of, buffer_of, frame, row_text
from hypothesis import given, settings
from hypothesis import strategies as st

from otsec.dissect import LINKS, arp, dissect, dissect_datagrams
from otsec.dissect.link import LINK_READERS
from otsec.model import IPV4_MAPPED, PacketBatch, Packets, Problem

LINK_NUMBERS = [*LINKS, 227]


def texts(batch: PacketBatch) -> list[str]:
    """Every row of a batch; each must stay within its own packet."""
    packets = dissect(batch)
    assert (packets.row == np.arange(len(batch))).all()
    assert (packets.time == batch.time).all()
    assert (packets.wire == batch.wire).all()
    assert (batch.offset <= packets.payload).all()
    assert (packets.payload <= packets.payload_end).all()
    assert (packets.payload_end <= batch.offset + batch.captured).all()
    assert (packets.payload_end - packets.payload <= packets.payload_wire).all()
    return [row_text(packets, row, int(start)) for row, start in enumerate(batch.offset)]


def with_other_guards(batch: PacketBatch) -> PacketBatch:
    """The same packets, with other bytes around them."""
    buffer = np.zeros(len(batch.buffer), np.uint8)
    for start, size in zip(batch.offset.tolist(), batch.captured.tolist(), strict=True):
        buffer[start : start + size] = batch.buffer[start : start + size]
    return replace(batch, buffer=buffer)


@pytest.mark.parametrize("name", FRAMES)
def test_frame(name: str) -> None:
    """Each way to wrap a packet gives exactly the row that stands beside it."""
    link, _, expected = FRAMES[name]
    assert texts(batch_of([frame(name)], link)) == [expected]


@pytest.mark.parametrize("link", LINK_NUMBERS)
def test_rows_do_not_depend_on_their_neighbours(link: int) -> None:
    """A packet says the same alone and among all others of its link."""
    names = [name for name in FRAMES if FRAMES[name][0] == link] * 2
    batch = batch_of([frame(name) for name in names], link)
    assert texts(batch) == [FRAMES[name][2] for name in names]


@pytest.mark.parametrize("name", FRAMES)
def test_every_prefix(name: str) -> None:
    """A frame captured in part is CUT or says what it says whole; nothing behind it is read."""
    link, _, expected = FRAMES[name]
    whole = frame(name)
    prefixes = [whole[:size] for size in range(len(whole) + 1)]
    batch = batch_of(prefixes, link, wires=[len(whole)] * len(prefixes))
    found = texts(batch)
    assert found == texts(with_other_guards(batch))
    assert found[-1] == expected
    problems = dissect(batch).problem.tolist()
    whole_problem = problems[-1]
    for text, problem in zip(found, problems, strict=True):
        if problem == whole_problem:
            assert name.startswith("prp") or same_but_end(text, expected)
        else:
            assert problem == Problem.CUT


def same_but_end(one: str, other: str) -> bool:
    """Whether rows differ at most in where the captured payload ends."""
    pattern = re.compile(r"-\d+ of")
    return pattern.sub(" of", one) == pattern.sub(" of", other)


@pytest.mark.parametrize("name", [name for name in FRAMES if FRAMES[name][0] != 227])
def test_every_short_frame(name: str) -> None:
    """A frame that ends early on the wire is never CUT, for nothing was cut off."""
    link, _, _ = FRAMES[name]
    batch = batch_of([frame(name)[:size] for size in range(len(frame(name)))], link)
    assert texts(batch) == texts(with_other_guards(batch))
    assert Problem.CUT not in dissect(batch).problem.tolist()


def test_counts_of_wrappings() -> None:
    """Packets that came in tunnels, rings and sessions are counted by how they came."""
    counts: Counter[str] = Counter({"gre": 1})
    dissect(batch_of([frame(name) for name in FRAMES if FRAMES[name][0] == 1]), counts)
    assert counts == {
        "hsr": 2,
        "prp": 2,
        "pppoe": 2,
        "gre": 1 + 6,
        "vxlan": 2,
        "erspan": 6,
        "ip_in_ip": 2 + 4,
    }


def test_wire_less_than_captured() -> None:
    """A record that claims fewer bytes on the wire than it has is read as far as its bytes go."""
    name = "udp, padded"
    assert dissect(batch_of([frame(name)], wires=[0])).payload_wire.tolist() == [5]


def test_snap_again_and_again_ends() -> None:
    """SNAP in VLAN in SNAP without end is given up after four."""
    again = "aaaa 03 000000 8100 0001 05dc "
    batch = batch_of([bytes.fromhex("020000000002 020000000001 05dc " + again * 100)])
    packets = dissect(batch)
    assert packets.problem.tolist() == [Problem.TOO_DEEP]


def test_empty_batch() -> None:
    """A batch without packets gives a table without rows."""
    for link in LINK_NUMBERS:
        packets = dissect(batch_of([], link))
        assert [len(getattr(packets, field.name)) for field in fields(packets)] == [0] * len(
            fields(packets)
        )


def test_links_are_read() -> None:
    """Every link type that is named is read."""
    assert set(LINKS) == set(LINK_READERS)


def test_buffer_is_not_changed() -> None:
    """Dissecting is a pure function: the batch is the same before and after."""
    batch = batch_of([frame(name) for name in FRAMES if FRAMES[name][0] == 1])
    columns = ("buffer", "offset", "captured", "wire", "time")
    before = {name: getattr(batch, name).copy() for name in columns}
    for name in columns:
        getattr(batch, name).flags.writeable = False
    dissect(batch)
    for name in columns:
        assert (getattr(batch, name) == before[name]).all()


# --------------------------------------------------------------------------- hostile bytes

MUTATIONS = st.tuples(
    st.sampled_from(sorted(FRAMES)),
    st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), max_size=6),
    st.floats(0, 1),
)


def mutated(name: str, changes: list[tuple[float, int]], keep: float) -> bytes:
    """A frame with some bytes changed, and perhaps its end cut off."""
    data = bytearray(frame(name))
    for place, value in changes:
        data[int(place * len(data))] = value
    return bytes(data[: max(1, int(len(data) * (1.0 if keep > 0.5 else 2 * keep)))])


@given(st.lists(MUTATIONS, min_size=1, max_size=20), st.sampled_from(LINK_NUMBERS))
@settings(max_examples=200, deadline=None)
def test_mutated_frames(
    mutations: list[tuple[str, list[tuple[float, int]], float]], link: int
) -> None:
    """Whatever is flipped in a frame, rows stay within packets and do not touch each other."""
    frames = [mutated(*mutation) for mutation in mutations]
    batch = batch_of(frames, link)
    found = texts(batch)
    assert found == texts(with_other_guards(batch))
    assert found == [texts(batch_of([one], link))[0] for one in frames]


@given(st.lists(st.binary(max_size=80), min_size=1, max_size=20), st.sampled_from(LINK_NUMBERS))
@settings(max_examples=100, deadline=None)
def test_random_bytes(frames: list[bytes], link: int) -> None:
    """Any bytes give rows that stay within their packets."""
    batch = batch_of(frames, link)
    assert texts(batch) == texts(with_other_guards(batch))


# -------------------------------------------------------------------------------- datagrams


def like_of(names: list[str]) -> tuple[PacketBatch, Packets]:
    """Frames to take the lower layers from."""
    batch = batch_of([frame(name) for name in names], times=[7, 8][: len(names)])
    return batch, dissect(batch)


def test_datagrams_take_their_link_from_rows() -> None:
    """A joined datagram has time, place, MACs and size of its row, and all else of its own."""
    _, like = like_of(["vlan", "vxlan"])
    datagrams = [frame("raw ip"), frame("raw ipv6")]
    buffer = buffer_of([b"\xff" * 9, *datagrams])
    start, end = np.array([9, 42]), np.array([42, 95])
    packets = dissect_datagrams(buffer, start, end, like)
    assert [row_text(packets, row, int(at)) for row, at in enumerate(start)] == [
        (
            "IPV4 0x11 10.0.0.1 1000 > 10.0.0.2 2000, ttl 64, mac 020000000001 > 020000000002,"
            " place 10, ip 0, payload 28-33 of 5"
        ),
        (
            "IPV6 0x11 fd00::1 1000 > fd00::2 2000, ttl 64, mac 02000000000a > 02000000000b,"
            " place vni 5000 7, ip 0, payload 48-53 of 5"
        ),
    ]
    assert packets.row.tolist() == [0, 1]
    assert packets.time.tolist() == [7, 8]
    assert packets.wire.tolist() == like.wire.tolist()


# -------------------------------------------------------------------------------------- ARP


def test_arp() -> None:
    """ARP over Ethernet gives operation and addresses; what is cut or of another kind does not."""
    request = frame("arp")
    other = request[:14] + bytes.fromhex("0006") + request[16:]
    batch = batch_of([frame("goose"), request, request[:41], other])
    found = arp(batch.buffer, dissect(batch))
    assert found.row.tolist() == [1]
    assert found.operation.tolist() == [1]
    assert found.sender_mac.tolist() == [0x020000000001]
    assert found.sender_ip.tolist() == [IPV4_MAPPED | 0x0A000001]
    assert found.target_ip.tolist() == [IPV4_MAPPED | 0x0A000002]
