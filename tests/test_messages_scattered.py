"""Fragments of DNP3 over UDP are put together, also where their segments changed places."""

from dataclasses import dataclass
from pathlib import Path
from random import Random

import pytest
from engine_runs import Bench, cells, difference, said, total
from test_dialogues import CENTRE, HOSTS, START, STATION, Tape
from test_dialogues import Said as Segment

ASK = bytes.fromhex("01 1e02 06")
MS = 1_000  # times of a tape are in microseconds
WAYS = (
    *({"batch": size} for size in (1, 3, 7)),
    {"batch": 5, "cache_off": True},
    {"batch": 4, "all_plain": True},
    {"batch": 6, "workers": 2},
)


@dataclass(frozen=True, slots=True)
class Sent:
    """A segment, and when it comes."""

    time: int
    segment: Segment


def fragment(number: int, turn: int, values: int) -> list[Segment]:
    """A response with so many analog inputs, its segments numbered from ``number`` on."""
    head = bytes.fromhex("81 0000 1e02 01 0000") + (values - 1).to_bytes(2, "little")
    body = head + b"".join(bytes([1]) + bytes([turn, at % 256]) for at in range(values))
    parts = [body[:248], *(body[at : at + 249] for at in range(248, len(body), 249))]
    last = len(parts) - 1
    return [
        Segment(
            STATION,
            0xC0 | turn % 16,
            part,
            (0x40 if at == 0 else 0) | (0x80 if at == last else 0) | (number + at) % 64,
        )
        for at, part in enumerate(parts)
    ]


def captured(folder: Path, sent: list[Sent]) -> bytes:
    """The segments as a capture, in the order given."""
    tape = Tape()
    for one in sent:
        turn = -1 if one.segment.by_server else 1
        tape.datagram(START + one.time, *HOSTS[::turn], (50_000, 20_000)[::turn], one.segment.frame)
    path = folder / "sent.pcap"
    tape.write(path)
    return path.read_bytes()


def asked(turn: int) -> Segment:
    """A request."""
    return Segment(CENTRE, 0xC0 | turn % 16, ASK, 0xC0 | turn % 64)


def talk(values: list[int]) -> list[Sent]:
    """Requests a second apart, and their answers of so many values, a segment each 0.2 ms."""
    sent, number = [], 60
    for turn, size in enumerate(values):
        sent.append(Sent(turn * 1_000 * MS, asked(turn)))
        segments = fragment(number, turn, size)
        number += len(segments)
        sent += [
            Sent(turn * 1_000 * MS + 20 * MS + at * MS // 5, one) for at, one in enumerate(segments)
        ]
    return sent


@pytest.mark.parametrize("seed", range(4))
def test_segments_change_places(tmp_path: Path, seed: int) -> None:
    """Within a few milliseconds the order does not matter, and nothing else changes."""
    random, bench = Random(seed), Bench(tmp_path)
    sent = talk([random.choice((1, 90, 300, 600, 660)) for _ in range(8)])
    straight = bench.dump(captured(tmp_path, sent))
    sent.sort(key=lambda one: one.time + random.randrange(5 * MS))
    content = captured(tmp_path, sent)
    dump = bench.dump(content)

    assert said(dump) == said(straight)
    assert {outcome for *_, outcome in said(dump)} == {"ok"}
    assert total(dump, "truncated") == 0
    for options in WAYS:
        assert not difference(dump, bench.dump(content, **options)), options
    assert not difference(dump, bench.grown(content, 7))


LONG = fragment(7, 1, 200)  # three segments
NEXT = fragment(10, 2, 150)  # two of the next answer
CASES: dict[str, tuple[list[tuple[int, Segment]], int, int]] = {
    # segments by their ms; answers that are told, and what is lost
    "in order": ([(20, LONG[0]), (21, LONG[1]), (22, LONG[2])], 1, 0),
    "in order, slowly": ([(20, LONG[0]), (400, LONG[1]), (900, LONG[2])], 1, 0),
    "the last one first": ([(20, LONG[2]), (21, LONG[1]), (22, LONG[0])], 1, 0),
    "the first one 100 ms late": ([(20, LONG[1]), (21, LONG[2]), (120, LONG[0])], 1, 0),
    "the first one too late": (
        [(20, LONG[1]), (21, LONG[2]), (122, LONG[0]), (300, NEXT[0]), (301, NEXT[1])], 1, 2,
    ),
    "one twice": ([(20, LONG[0]), (21, LONG[1]), (22, LONG[1]), (23, LONG[2])], 1, 0),
    "one lost, the next answer whole": (
        [(20, LONG[0]), (21, LONG[2]), (22, NEXT[0]), (23, NEXT[1])], 1, 0,
    ),
    "one lost, the next answer later": (
        [(20, LONG[0]), (21, LONG[2]), (522, NEXT[0]), (523, NEXT[1])], 1, 1,
    ),
    "two answers among each other": (
        [(20, NEXT[0]), (21, LONG[2]), (22, NEXT[1]), (23, LONG[0]), (24, LONG[1])], 2, 0,
    ),
}  # fmt: skip


@pytest.mark.parametrize(("segments", "told", "lost"), CASES.values(), ids=CASES)
def test_who_comes_late(
    tmp_path: Path, segments: list[tuple[int, Segment]], told: int, lost: int
) -> None:
    """A segment waits 100 ms for those in front of it, and no answer for another one."""
    sent = [Sent(0, asked(1)), Sent(MS, asked(2))]
    sent += [Sent(time * MS, one) for time, one in segments]
    bench, content = Bench(tmp_path), captured(tmp_path, sent)
    dump = bench.dump(content)

    answers = [
        row for row in cells(dump, "behaviour") if row["object"].startswith("analog_input 0-")
    ]
    assert sum(row["count"] for row in answers) == told
    assert total(dump, "truncated") == lost
    for options in WAYS:
        assert not difference(dump, bench.dump(content, **options)), options
    assert not difference(dump, bench.grown(content, 1))
