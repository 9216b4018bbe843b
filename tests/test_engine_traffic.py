"""Whatever TCP does to the bytes of known streams, the exchanges found are those that were sent."""

from collections import Counter
from dataclasses import dataclass
from itertools import pairwise

import pytest
from engine_runs import (
    CLIENT,
    HOUR,
    SECOND,
    SERVER,
    Bench,
    Said,
    Tcp,
    Wire,
    cells,
    difference,
    request,
    response,
    said,
    total,
)
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

quick = settings(
    max_examples=40,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """A folder to run captures in."""
    return Bench(tmp_path_factory.mktemp("traffic"))


Read = tuple[int, int, int]  # unit, address, number of registers
BYTES = st.integers(1, 255)  # no zeros: bytes in the middle of a unit never look like a header
READS = st.lists(
    st.tuples(st.integers(1, 3), st.sampled_from([0x0101, 0x0203, 0x7FFF]), st.integers(2, 5)),
    min_size=1,
    max_size=4,
)


@dataclass(frozen=True)
class Cuts:
    """How one side's bytes of one round come to the wire."""

    at: tuple[int, ...]  # where segments end, in thousandths of the bytes
    order: tuple[int, ...]  # which segment is moved to the front, one after the other
    again: tuple[tuple[int, int], ...]  # ranges sent once more behind, in thousandths
    lost: int = -1  # which segment never comes

    def segments(self, size: int) -> list[tuple[int, int]]:
        """The segments (begin, end), in the order in which they come."""
        inner = {at * size // 1000 for at in self.at} - {0, size}
        parts = list(pairwise([0, *sorted(inner), size]))
        if self.lost >= 0:
            parts.pop(self.lost % len(parts))
        for place in self.order:
            if parts:
                parts.insert(0, parts.pop(place % len(parts)))
        more = [(low * size // 1000, high * size // 1000) for low, high in map(sorted, self.again)]
        return parts + [(low, high) for low, high in more if low < high]


THOUSANDTHS = st.integers(0, 1000)
CUTS = st.builds(
    Cuts,
    st.lists(THOUSANDTHS, max_size=6).map(tuple),
    st.lists(st.integers(0, 9), max_size=3).map(tuple),
    st.lists(st.tuples(THOUSANDTHS, THOUSANDTHS), max_size=2).map(tuple),
)
BETWEEN = ("", "keep-alive", "probe", "silence", "clock ahead", "clock back", "reopen", "close")


@dataclass(frozen=True)
class Round:
    """Some requests, then their responses."""

    before: str  # of BETWEEN
    reads: list[Read]
    ask: Cuts
    tell: Cuts


ROUND = st.builds(Round, st.sampled_from(BETWEEN), READS, CUTS, CUTS)
ROUNDS = st.lists(ROUND, min_size=1, max_size=5)
FIRST = st.tuples(st.sampled_from([5, 2**32 - 1, 2**32 - 40]), st.sampled_from([9, 2**32 - 60]))


class Talk:
    """Plays rounds on a wire, and knows what was sent."""

    def __init__(self, first: tuple[int, int], *, handshake: bool) -> None:
        self.wire = Wire()
        self.tcp = Tcp(self.wire, first=first)
        self.transaction = 0x0100
        self.sent: Said = Counter()
        self.missing = [0, 0]  # bytes that never came, by side
        self.unique = [0, 0]  # bytes that came, by side, repeats left out
        self.last: dict[tuple[str, str], list[int]] = {}
        if handshake:
            self.tcp.open()
        self.begin()

    def begin(self) -> None:
        """One whole unit in each direction, so that the protocol shows."""
        plain = Cuts((), (), ())
        self.play(Round("", [(1, 0x0101, 2)], plain, plain))

    def play(self, one: Round) -> None:
        """Let something happen, then ask and answer."""
        self.happen(one.before)
        asks, tells = b"", b""
        for unit, address, number in one.reads:
            self.transaction += 1 + (self.transaction & 0xFF == 0xFF)  # no byte is zero
            values = [
                (self.transaction * 0x101 + 0x0101 * at) % 0x7F00 | 0x0101 for at in range(number)
            ]
            asks += request(self.transaction, unit, address, number)
            tells += response(self.transaction, unit, values)
            name = f"unit {unit}", f"holding {address}-{address + number - 1}"
            self.sent[name[0], "read_holding_registers", name[1], "ok"] += 1
            self.last[name] = values
        self.flow(CLIENT, asks, one.ask)
        self.flow(SERVER, tells, one.tell)

    def flow(self, side: int, data: bytes, cuts: Cuts) -> None:
        """Bring the bytes of one side to the wire, then let the other side acknowledge them."""
        base, seen = self.tcp.sent[side], set()
        for begin, end in cuts.segments(len(data)):
            self.tcp.packet(side, data[begin:end], "PA", at=base + begin)
            seen |= set(range(begin, end))
        self.unique[side] += len(seen)
        self.missing[side] += len(data) - len(seen)
        self.tcp.sent[side] += len(data)
        self.tcp.packet(1 - side)

    def happen(self, what: str) -> None:
        """Something between two rounds."""
        tcp, wire = self.tcp, self.wire
        if what == "keep-alive":  # RFC 9293 3.8.4: without or with one byte of garbage
            tcp.packet(CLIENT, b"", at=tcp.sent[CLIENT] - 1)
            tcp.packet(SERVER)
        elif what == "probe":
            tcp.packet(SERVER, b"\0", at=tcp.sent[SERVER] - 1)
            tcp.packet(CLIENT)
        elif what == "silence":
            wire.time += 2 * HOUR
            self.begin()
        elif what == "clock ahead":
            wire.time += 80 * HOUR
        elif what == "clock back":
            wire.time -= 300 * SECOND
        elif what in {"reopen", "close"}:
            if what == "close":
                tcp.close()
            self.tcp = Tcp(wire, first=(tcp.seq(0) ^ 0x4000_0000, tcp.seq(1) ^ 0x2000_0000))
            self.tcp.open()
            self.begin()


def variants(bench: Bench, content: bytes, batch: int) -> list[str]:
    """The dump, after checking that it is the same for other ways to get it."""
    found = bench.dump(content)
    ways = {
        "batches": {"batch": batch},
        "plain": {"all_plain": True},
        "plain in batches": {"all_plain": True, "batch": batch + 1, "hash_bits": 8},
        "no cache, checkpoints": {"cache_off": True, "batch": batch + 3, "checkpoint_s": 0.0},
    }
    for name, options in ways.items():
        assert not difference(found, bench.dump(content, **options)), name
    return found


@quick
@given(rounds=ROUNDS, first=FIRST, handshake=st.booleans(), batch=st.integers(1, 12))
def test_nothing_is_missed_without_loss(
    bench: Bench, rounds: list[Round], first: tuple[int, int], batch: int, *, handshake: bool
) -> None:
    """However streams are cut, shuffled and repeated, exactly what was sent is found, all of it."""
    talk = Talk(first, handshake=handshake)
    for one in rounds:
        talk.play(one)
    found = variants(bench, talk.wire.bytes(), batch)
    assert said(found) == talk.sent
    assert [total(found, f"payload_{way}") for way in ("out", "in")] == talk.unique
    assert [total(found, f"lost_{way}") for way in ("out", "in")] == [0, 0]
    assert [total(found, f"undecoded_{way}") for way in ("out", "in")] == [0, 0]
    assert total(found, "malformed") == total(found, "truncated") == 0
    for row in cells(found, "value"):
        name = row["behaviour"][6], row["behaviour"][9]
        assert row["last"] == talk.last[name], name


@quick
@given(
    rounds=ROUNDS,
    first=FIRST,
    handshake=st.booleans(),
    batch=st.integers(1, 12),
    lost=st.lists(st.integers(0, 5), min_size=1),
)
def test_nothing_is_invented_with_loss(
    bench: Bench,
    rounds: list[Round],
    first: tuple[int, int],
    batch: int,
    lost: list[int],
    *,
    handshake: bool,
) -> None:
    """Where segments never come, what is found was sent, and the bytes that lack are counted."""
    talk = Talk(first, handshake=handshake)
    for at, one in enumerate(rounds):
        ask, tell = (
            Cuts(cuts.at, cuts.order, cuts.again, which)
            for cuts, which in (
                (one.ask, lost[at % len(lost)]),
                (one.tell, lost[at // 2 % len(lost)]),
            )
        )
        # a probe may repeat a byte that was lost: then it is no repeat
        before = "keep-alive" if one.before == "probe" else one.before
        talk.play(Round(before, one.reads, ask, tell))
    found = variants(bench, talk.wire.bytes(), batch)
    for (device, operation, what, outcome), number in said(found).items():
        if outcome == "unasked" and what == "unknown":
            continue  # a response whose request was lost: the operation is told, no object
        most = talk.sent[device, operation, what, "ok"]
        assert outcome in {"ok", "open", "unanswered", "unknown"}, outcome
        assert number <= most, (device, operation, what, outcome)
    for side, way in enumerate(("out", "in")):
        assert total(found, f"payload_{way}") == talk.unique[side]
        slack = 2 * total(found, "connections")  # SYN and FIN are acknowledged, but are no bytes
        counted = total(found, f"lost_{way}")
        assert counted <= talk.missing[side], way
        # without a handshake nobody knows what the first acknowledgement confirms
        if handshake and all(one.before != "silence" for one in rounds):
            assert counted >= talk.missing[side] - slack, way
