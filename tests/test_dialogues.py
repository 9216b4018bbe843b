"""Numbers of DNP3: foreign units stand out, and nothing that stations or a mirror do by themselves."""

import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

import pytest
from engine_runs import Bench, cells, difference, records

OWN = Path(__file__).parents[1] / "pcaps"
sys.path.insert(0, str(OWN / "modbus"))

from tape import START, Connection, Host, Tape  # noqa: E402 - the generators' own

from otsec.protocols.framing.dnp3 import CHECK  # noqa: E402

HOSTS = (Host("centre", "00:60:e9:00:00:01", "10.0.0.1"), Host("rtu", "00:60:e9:00:00:02", "10.0.0.2"))  # fmt: skip
MASTER, RTU = 1, 10
CENTRE, STATION = False, True  # whether it is the server who speaks
ASK, ANSWER = bytes.fromhex("01 3c02 06"), "81 0000 1e02 00 0000 01 {:02x}27"
WAYS = ({"batch": 3}, {"batch": 17}, {"all_plain": True}, {"hash_bits": 8}, {"workers": 2})


@dataclass(frozen=True, slots=True)
class Said:
    """One fragment in one segment: by whom, its application control octet, and what follows it."""

    by_server: bool
    control: int
    data: bytes
    transport: int = 0xC0  # FIR, FIN and number

    @property
    def frame(self) -> bytes:
        """Its bytes, [1815] 9.2.4."""
        target, source = (MASTER, RTU) if self.by_server else (RTU, MASTER)
        body = bytes([self.transport]) + (bytes([self.control]) if self.transport & 0x40 else b"")
        body += self.data
        head = bytes([5, 0x64, 5 + len(body), 0x44 if self.by_server else 0xC4])
        head += target.to_bytes(2, "little") + source.to_bytes(2, "little")
        parts = [head, *(body[at : at + 16] for at in range(0, len(body), 16))]
        return b"".join(part + CHECK.of(part).to_bytes(2, "little") for part in parts)


def ask(number: int, data: bytes = ASK) -> Said:
    """A request."""
    return Said(CENTRE, 0xC0 | number % 16, data)


def answer(number: int, value: int = 0, marks: int = 0xC0) -> Said:
    """A response; ``marks``: FIR, FIN and CON."""
    return Said(STATION, marks | number % 16, bytes.fromhex(ANSWER.format(value)))


def exchanges(numbers: Sequence[int]) -> list[Said]:
    """A request and its answer for each number."""
    return [one for number in numbers for one in (ask(number), answer(number, number))]


def captured(folder: Path, said: Sequence[Said], lost: Sequence[int] = (), *, udp: bool) -> bytes:
    """The units as a capture, 200 ms apart, without some of them."""
    tape = Tape()
    link = Connection(tape, *HOSTS, 50_000, 20_000)
    if not udp:
        link.open(START - 1_000_000)
    for at, one in enumerate(said):
        time = START + at * 200_000
        if udp:
            turn = -1 if one.by_server else 1
            tape.datagram(time, *HOSTS[::turn], (50_000, 20_000)[::turn], one.frame)
        else:
            (link.answer if one.by_server else link.ask)(time, one.frame)
        if at in lost:
            tape.records.pop()
    path = folder / "said.pcap"
    tape.write(path)
    return path.read_bytes()


def verdicts(dump: list[str]) -> dict[tuple[str, str], int]:
    """How often each verdict was given of each side."""
    return {(row["speaker"], row["verdict"]): row["count"] for row in cells(dump, "sequence")}


BEFORE = exchanges(range(3, 12))  # enough to be held to it
OTHER = bytes.fromhex("05 0c01 17 01 03 8101 64000000 00000000 00")
REPORT = bytes.fromhex("82 0000 0201 17 01 02 81")


def reports(numbers: Sequence[int], data: bytes = REPORT, *, confirmed: bool = True) -> list[Said]:
    """Unsolicited responses and their confirmations."""
    found = []
    for number in numbers:
        found.append(Said(STATION, 0xF0 | number % 16, data))
        found += [Said(CENTRE, 0xD0 | number % 16, b"\0")] if confirmed else []
    return found


LONG = bytes.fromhex("81 0000 1e02 00 0000 01")
CASES: dict[str, tuple[list[Said], dict[tuple[str, str], int]]] = {
    "all goes on, also around": ([*BEFORE, *exchanges(range(12, 40))], {}),
    "a jump": ([*BEFORE, *exchanges([3])], {("client", "jumps"): 1}),
    "a jump and back": ([*BEFORE, *exchanges([3, 12, 13])], {("client", "jumps"): 1}),
    "another request by the same number": (
        [*BEFORE, ask(11, OTHER), answer(11)], {("client", "reuses"): 1},
    ),
    "the same once more": ([*BEFORE, ask(11), answer(11, 11)], {("client", "repeats"): 1}),
    "unanswered, then another one": ([*BEFORE, ask(12), ask(12, OTHER), ask(2)], {}),
    "a late answer": ([*BEFORE, ask(12), ask(13), answer(12), ask(5)], {}),
    "two answers": (
        [*BEFORE, ask(12), answer(12, 1), answer(12, 2)], {("server", "answers_again"): 1},
    ),
    "the same answer twice": ([*BEFORE, ask(12), answer(12, 1), answer(12, 1)], {}),
    "an answer in parts, the next number behind them": (
        [*BEFORE, ask(12), answer(12, 1, 0xA0), answer(13, 2, 0x60), *exchanges([14])], {},
    ),
    "an answer in parts, the next number behind the request": (
        [*BEFORE, ask(12), answer(12, 1, 0xA0), answer(13, 2, 0x60), *exchanges([13])], {},
    ),
    "one that never counts": (
        [*exchanges([4] * 5), ask(4, OTHER), answer(4), *exchanges([9])], {("client", "repeats"): 4},
    ),
    "reports go on": (reports(range(14, 20)), {}),
    "a report of another": (
        reports(range(6)) + reports([12]), {("server", "jumps"): 1},
    ),
    "a report sent once more": (
        reports(range(6))[:-1] + reports([5]), {("server", "repeats"): 1},
    ),
    "an outstation restarts": (reports(range(6)) + reports([11], b"\x82\x80" + REPORT[2:]), {}),
    "reports that nobody confirms": (
        reports(range(6), confirmed=False) + reports([12], confirmed=False), {},
    ),
    "segments in turn": (
        [*BEFORE, ask(12), Said(STATION, 0xCC, LONG, 0x7F), Said(STATION, 0, b"\0\1", 0x80)], {},
    ),
    "a segment sent once more": (
        [*BEFORE, ask(12), *[Said(STATION, 0xCC, LONG, 0x45)] * 2, Said(STATION, 0, b"\0\1", 0x86)], {},
    ),
    "a segment that does not follow": (
        [*BEFORE, ask(12), Said(STATION, 0xCC, LONG, 0x45), Said(STATION, 0, b"\0\1", 0x88)],
        {("server", "segments"): 1},
    ),
}  # fmt: skip


@pytest.mark.parametrize(("said", "expected"), CASES.values(), ids=CASES)
def test_what_is_told(
    tmp_path: Path, said: list[Said], expected: dict[tuple[str, str], int]
) -> None:
    """Each case is told as it is, for any size of batches and in every way of reading."""
    content = captured(tmp_path, said, udp=False)
    bench = Bench(tmp_path)
    dump = bench.dump(content)
    assert verdicts(dump) == expected
    for options in WAYS:
        assert not difference(dump, bench.dump(content, **options)), options
    assert not difference(dump, bench.grown(content, 5))


@pytest.mark.parametrize("case", ["a jump", "a segment that does not follow"])
def test_over_udp_loss_and_jumps_look_alike(tmp_path: Path, case: str) -> None:
    """Nothing tells a lost datagram from a jump, so neither is told."""
    content = captured(tmp_path, CASES[case][0], udp=True)
    assert verdicts(Bench(tmp_path).dump(content)) == {}


def honest(random: Random) -> list[Said]:
    """Requests, retries, late and missing answers, answers in parts, reports."""
    said: list[Said] = []
    number, told = 0, 7
    for turn in range(150):
        way = random.choice("aaaaarlpnu")
        if way == "u":
            said += reports([told], bytes([*REPORT[:-1], turn]))
            told += 1
            continue
        said.append(ask(number))
        if way == "r":
            said.append(ask(number))
        if way == "p":
            said += [answer(number, turn, 0xA0), answer(number + 1, turn, 0x60)]
            number += random.choice((0, 1))
        elif way == "l":
            said += [ask(number + 1), answer(number, turn), answer(number + 1, turn)]
            number += 1
        elif way != "n":
            said.append(answer(number, turn))
        number += 1
    return said


@pytest.mark.parametrize("udp", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_what_the_capture_lost_is_nobodys_fault(tmp_path: Path, seed: int, *, udp: bool) -> None:
    """Stations that count as they should are told of nothing, whatever packets the capture lacks."""
    random = Random(seed)
    said = honest(random)
    bench = Bench(tmp_path)
    some = [at for at in range(len(said)) if random.random() < 0.2]
    sides = ([at for at, one in enumerate(said) if one.by_server is side] for side in (False, True))
    middle = range(60, 120)
    for lost in ([], some, middle, *sides):
        dump = bench.dump(captured(tmp_path, said, lost, udp=udp))
        assert {verdict for _, verdict in verdicts(dump)} <= {"repeats"}, lost


def test_a_bad_check_sum_is_a_loss(tmp_path: Path) -> None:
    """Behind a frame that nobody could read numbers may be anything."""
    content = captured(tmp_path, [*BEFORE, *exchanges([12, 13])], udp=False)
    parts = records(content)
    broken = next(at for at, part in enumerate(parts) if ask(12).frame in part)
    parts[broken] = parts[broken][:-1] + bytes([parts[broken][-1] ^ 1])
    said = [*BEFORE, *exchanges([12, 15])]
    jumped = records(captured(tmp_path, said, udp=False))
    told = verdicts(Bench(tmp_path).dump(content[:24] + b"".join(jumped)))
    assert told == {("client", "jumps"): 1}
    jumped[broken] = jumped[broken][:-1] + bytes([jumped[broken][-1] ^ 1])
    assert verdicts(Bench(tmp_path).dump(content[:24] + b"".join(jumped))) == {}


def test_real_traffic_goes_on(captures: Path, tmp_path: Path) -> None:
    """In no real capture is anything told but what was sent once more."""
    told: Counter[str] = Counter()
    bench = Bench(tmp_path)
    for path in sorted((captures / "dnp3").glob("*.pcap")):
        told.update({verdict for _, verdict in verdicts(bench.dump(path.read_bytes()))})
    assert set(told) == {"repeats"}


def test_a_control_is_not_done_by_what_a_read_brings(tmp_path: Path) -> None:
    """Where a control goes by the number of a read under way, the values of the read are no echo."""
    echo = Said(STATION, 0xC0 | 12, bytes.fromhex("81 0000") + OTHER[1:])
    for told, outcome in ((answer(12, 1), "mismatch"), (echo, "ok")):
        said = [*BEFORE, ask(12), ask(12, OTHER), told]
        dump = Bench(tmp_path).dump(captured(tmp_path, said, udp=False))
        found = {
            row["object"]: row["outcome"]
            for row in cells(dump, "behaviour")
            if row["class"] == "control"
        }
        assert found["control_relay_output_block 3 trip pulse_on"] == outcome
