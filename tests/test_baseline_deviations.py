"""What a baseline does not hold becomes one finding each, with what was expected."""

from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest
from baseline_stores import DAY, HMI, LAPTOP, PLC, WORD, Plant, polled
from store_rows import array, row

from otsec.baseline.deviations import deviations, judge
from otsec.baseline.explaining import explained, things_of
from otsec.baseline.learning import approve, baseline, learn
from otsec.baseline.outages import Kind, Outage
from otsec.baseline.ranges import SAID, Known, looks, outside
from otsec.store import TABLES
from otsec.store.findings import Finding, findings, packets

Change = Callable[[Plant], None]
LEARNED, END = 5 * DAY, 6 * DAY


def judged(folder: Path, change: Change, *, end: int = END) -> tuple[Plant, list[Finding]]:
    """A plant that learned for five days, and what is found a day later."""
    first = polled(folder, days=5)
    for number in (22, 23):
        first.hears(f"10.0.0.{number}", 0, LEARNED)
        first.does(HMI, f"10.0.0.{number}", "read", 0, LEARNED)
    first.tap.says(PLC, "modbus", at=0, until=LEARNED, count=99, serial="A 1")
    first.ends(LEARNED)
    learn(first.store, 1)
    for name in ("station", "conversation", "behaviour", "value"):  # all goes on as it was
        first.tap.rows[name] = [_until(name, cells, end) for cells in first.tap.rows[name]]
    change(first)
    first.ends(end)
    return first, judge(first.store, [])


def _until(table: str, cells: tuple[object, ...], end: int) -> tuple[object, ...]:
    at = {name: n for n, name in enumerate(TABLES[table].names)}
    told = list(cells)
    if told[at["last_packet"]] == LEARNED:
        told[at["last_packet"]], told[at["last_time"]] = end, end * 10**9
    return tuple(told)


def nothing(_plant: Plant) -> None:
    """All goes on."""


def new_device(plant: Plant) -> None:
    """A laptop reads."""
    plant.hears(LAPTOP, LEARNED + 60, LEARNED + 900)
    plant.does(LAPTOP, PLC, "read", LEARNED + 60, LEARNED + 900)


def new_conversation(plant: Plant) -> None:
    """A controller asks another."""
    plant.does("10.0.0.22", PLC, "read", LEARNED + 60, LEARNED + 900)


def new_writer(plant: Plant) -> None:
    """A laptop writes."""
    plant.does(LAPTOP, PLC, "write", LEARNED + 60, LEARNED + 90, value=9, object="holding 100")


def new_operation(plant: Plant) -> None:
    """The station does what it never did."""
    plant.does(HMI, PLC, "config", LEARNED + 5, LEARNED + 6, operation="set_ports", object="")


def read_inside(plant: Plant) -> None:
    """The station reads a part of what it always reads."""
    plant.does(HMI, PLC, "read", LEARNED + 5, LEARNED + 6, object="holding 102-104")


def read_outside(plant: Plant) -> None:
    """The station reads elsewhere."""
    plant.does(HMI, PLC, "read", LEARNED + 5, LEARNED + 6, object="holding 105-115")


def write_outside(plant: Plant) -> None:
    """The station writes what it only read."""
    plant.does(HMI, PLC, "write", LEARNED + 5, LEARNED + 6, value=50, object="holding 105")


def value_outside(plant: Plant) -> None:
    """The station writes a value that was never written."""
    plant.does(HMI, PLC, "write", LEARNED + 5, LEARNED + 6, value=500, object="holding 100")


def other_serial(plant: Plant) -> None:
    """The controller says that it is another."""
    plant.tap.says(PLC, "modbus", at=LEARNED + 60, until=END, count=9, serial="B 2")


def answered_alone(plant: Plant) -> None:
    """An answer is seen to which nobody was seen to ask, as behind a gap."""
    plant.does(HMI, PLC, "config", LEARNED + 5, LEARNED + 6, operation="other", outcome="unasked")


def many(plant: Plant) -> None:
    """One controller asks twenty others."""
    for number in range(100, 120):
        plant.tap.talks("10.0.0.22", f"10.0.0.{number}", "", "tcp/102", **_seen(LEARNED + 60))


def _seen(at: int) -> dict[str, int]:
    from inventory_stores import seen

    return seen(at, at + 1)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (nothing, []),
        (new_device, [("new-device", "medium", "", LAPTOP)]),
        (new_conversation, [("new-conversation", "medium", "10.0.0.22", PLC)]),
        (new_writer, [("new-writer", "high", LAPTOP, PLC)]),
        (new_operation, [("new-operation", "medium", HMI, PLC)]),
        (read_inside, [("new-object", "low", HMI, PLC)]),
        (read_outside, [("new-object", "medium", HMI, PLC)]),
        (write_outside, [("new-object", "high", HMI, PLC)]),
        (value_outside, [("value-outside", "high", HMI, PLC)]),
        (other_serial, [("identity-changed", "high", "", PLC)]),
        (answered_alone, []),
        (many, [("new-conversation", "medium", "10.0.0.22", "several")]),
    ],
    ids=lambda given: given.__name__ if callable(given) else "",
)
def test_each_deviation_is_one_finding(
    tmp_path: Path, change: Change, expected: list[tuple[str, ...]]
) -> None:
    """What is new is told once, at its level, with who did it to whom; else nothing is."""
    plant, found = judged(tmp_path, change)

    assert [(one.name, one.level, one.client, one.server) for one in found] == expected
    assert findings(plant.store) == sorted(found, key=lambda one: one.id)
    for one in found:
        assert one.seen
        assert one.expected
        assert "{" not in one.seen + one.expected + one.next
        assert LEARNED < one.first_packet <= one.last_packet or one.name == "value-outside"


def rewritten(times: list[int]) -> Change:
    """The station writes at these times, to what it always wrote; one of the values is high."""

    def change(plant: Plant) -> None:
        at = {name: n for n, name in enumerate(TABLES["value"].names)}
        (cells,) = plant.tap.rows["value"]
        told = list(cells)
        told[at["maximum"]] = array(500)
        plant.tap.rows["value"] = [tuple(told)]
        plant.tap.rows["event"] = [
            row("event", source=plant.tap.number, packet=time, time=time * 10**9, conversation=0,
                behaviour=told[at["behaviour"]], kind="operation", count=1)
            for time in times
        ]  # fmt: skip

    return change


def test_a_value_was_written_behind_its_learning(tmp_path: Path) -> None:
    """Of writes one by one those behind the learned ones are told, and that it was one of them."""
    late = [LEARNED + 60, LEARNED + 3600, END]
    plant, (one,) = judged(tmp_path, rewritten([10, LEARNED - 60, *late]))

    assert (one.name, one.first_packet, one.last_packet) == ("value-outside", late[0], END)
    assert (one.times, one.doubt) == (3, "Which of 3 writes it was is not kept")
    assert [packet.packet for packet, _ in packets(plant.store, one.id)] == late


def test_the_only_write_is_the_one(tmp_path: Path) -> None:
    """Where nothing else was written since it is told to the packet, without doubt."""
    plant, (one,) = judged(tmp_path, rewritten([10, LEARNED - 60, END]))

    assert (one.first_packet, one.last_packet, one.times, one.doubt) == (END, END, 1, "")
    assert [packet.packet for packet, _ in packets(plant.store, one.id)] == [END]


@pytest.mark.parametrize(
    ("last", "shown"), [(50, [LEARNED + 90]), (480, [LEARNED + 90, END])], ids=["once", "again"]
)
def test_the_packet_of_a_wrong_value_is_told(tmp_path: Path, last: int, shown: list[int]) -> None:
    """Where the packet of the greatest value is kept, it and the last write outside are told."""

    def change(plant: Plant) -> None:
        at = {name: n for n, name in enumerate(TABLES["value"].names)}
        told = list(plant.tap.rows["value"][0])
        told[at["maximum"]], told[at["last"]] = array(500), array(last)
        told[at["minimum_seen"]] = array(10 * 10**9, 10)
        told[at["maximum_seen"]] = array((LEARNED + 90) * 10**9, LEARNED + 90)
        plant.tap.rows["value"] = [tuple(told)]

    plant, (one,) = judged(tmp_path, change)

    assert (one.name, one.times) == ("value-outside", len(shown))
    assert (one.first_packet, one.last_packet) == (shown[0], shown[-1])
    assert one.first_time == (LEARNED + 90) * 10**9
    assert [packet.packet for packet, _ in packets(plant.store, one.id)] == shown
    assert one.seen == "10.0.0.11 wrote 500 to holding 100 at 10.0.0.21."


def test_texts_say_what_was_expected(tmp_path: Path) -> None:
    """A finding says what was seen, what is known and how often, and how to approve it."""
    _, (one,) = judged(tmp_path, value_outside)

    assert one.seen == "10.0.0.11 wrote 500 to holding 100 at 10.0.0.21."
    assert one.expected == "holding 100 from 50 to 50 (432000 times since 1970-01-01)."
    assert "otsec baseline approve " in one.next


def test_a_device_that_is_always_on_is_missed(tmp_path: Path) -> None:
    """Silence of a polled device is told when it is three times as long as ever, and not before."""

    def gone(at: int) -> Change:
        def change(plant: Plant) -> None:
            plant.tap.rows["station"] = [
                _cut(cells, at) if "10.0.0.23" in cells else cells
                for cells in plant.tap.rows["station"]
            ]

        return change

    (tmp_path / "long").mkdir()
    _, found = judged(tmp_path / "long", gone(END - 700))
    assert [(one.name, one.server) for one in found] == [("silent-device", "10.0.0.23")]
    (tmp_path / "short").mkdir()
    assert judged(tmp_path / "short", gone(END - 500))[1] == []


@pytest.mark.parametrize(
    ("kind", "place", "end_s", "expected"),
    [
        ("tap-outage", "", END - 300, []),
        ("vlan-lost", "", END - 300, []),
        ("vlan-lost", "", 0, []),  # it goes on
        ("vlan-lost", "7", END - 300, ["silent-device"]),  # another VLAN than the device's
        ("power-lost", "", END - 300, ["silent-device"]),  # it hid nobody
    ],
)
def test_what_an_outage_hid_is_no_silence(
    tmp_path: Path, kind: Kind, place: str, end_s: int, expected: list[str]
) -> None:
    """For as long as the tap or its VLAN was out nobody could hear a device that is always on."""

    def gone(plant: Plant) -> None:
        plant.tap.rows["station"] = [
            _cut(cells, END - 700) if "10.0.0.23" in cells else cells
            for cells in plant.tap.rows["station"]
        ]

    plant, (told,) = judged(tmp_path, gone)
    begin, end = (END - 690) * 10**9, end_s * 10**9
    out = Outage(kind, told.site, told.group, "", told.source, place, begin, end, 0, 0, (), 1.0, ())

    found = deviations(baseline(plant.store), [], [out])

    assert [one.found[0].name for one in found] == expected


def _cut(cells: tuple[object, ...], last: int) -> tuple[object, ...]:
    names = TABLES["station"].names
    told = dict(zip(names, cells, strict=True))
    told.update(last_time=last * 10**9, last_packet=last)
    return tuple(told[name] for name in names)


def test_while_learning_nothing_is_told(tmp_path: Path) -> None:
    """Without an end of learning there is no finding of the baseline."""
    plant = polled(tmp_path, days=1)
    new_device(plant)
    plant.ends(1 * DAY)
    learn(plant.store, 1)

    assert judge(plant.store, []) == []


@pytest.mark.parametrize("change", [new_conversation, new_writer, value_outside, read_outside])
def test_approving_a_finding_ends_it(tmp_path: Path, change: Change) -> None:
    """What is approved by the id of its finding is not told again, nor what came with it."""
    plant, (one,) = judged(tmp_path, change)
    base = baseline(plant.store)
    approve(plant.store, base, things_of(plant.store, base, one.id), WORD, 0, end=False)
    left = judge(plant.store, [])

    assert [other.name for other in left] == (
        ["value-outside"] if change is new_writer else []  # a range is approved by itself
    )


def test_an_approval_that_ended_holds_no_longer(tmp_path: Path) -> None:
    """What was approved until a time is told again when it is seen behind it."""
    plant, (one,) = judged(tmp_path, new_conversation)
    base = baseline(plant.store)
    things = things_of(plant.store, base, one.id)
    for until, told in ((END * 10**9, 0), ((LEARNED + 70) * 10**9, 1)):
        approve(plant.store, base, things, WORD, until, end=False)
        assert len(judge(plant.store, [])) == told


def test_ids_stay_when_more_is_seen(tmp_path: Path) -> None:
    """The same deviation has the same id a day later."""
    (tmp_path / "other").mkdir()
    _, (before,) = judged(tmp_path, new_conversation)
    _, (after,) = judged(tmp_path / "other", new_conversation, end=END + DAY)

    assert before.id == after.id


def test_explaining(tmp_path: Path) -> None:
    """Each thing between two hosts is normal by a line, told by a finding, or neither with a reason."""
    plant, (one,) = judged(tmp_path, value_outside)
    base = baseline(plant.store)
    found = {each.what: each for each in explained(plant.store, base, [HMI, PLC])}
    by_id = explained(plant.store, base, [one.id[:6]])

    assert {each.verdict for each in found.values()} == {"normal"}
    assert all(each.why.startswith("learned, ") and each.packets for each in found.values())
    assert [(each.kind, each.verdict, each.finding) for each in by_id] == [
        ("value", "told", one.id)
    ]


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(0, 100, False), (-10, 110, False), (-11, 0, True), (0, 111, True), (5, 5, False)],
)
def test_a_margin_of_a_tenth(low: int, high: int, expected: bool) -> None:
    """A value counts as within up to a tenth of the width beside the range."""
    assert outside(low, high, Known(0, 100, SAID)) is expected
    assert outside(low, high, Known(0, 100, 200)) is expected
    assert outside(7, 7, Known(7, 7, SAID)) is False
    assert outside(8, 8, Known(7, 7, SAID)) is True


@pytest.mark.parametrize(("seen", "margin"), [(1, 500), (2, 500), (5, 65.5), (20, 5.4), (100, 2.0)])
def test_few_looks_promise_little(seen: int, margin: float) -> None:
    """The fewer writes were seen the further off a value may be, to half of its size at most."""
    assert Known(980, 1_000, seen).margin == pytest.approx(margin, rel=0.01)


def test_the_promise_of_the_margin_holds() -> None:
    """Of values drawn evenly about one in a thousand lies beyond the range and its margin."""
    random, beyond, all_ = Random(7), 0, 0
    for _ in range(4_000):
        drawn = [random.uniform(1_000, 1_010) for _ in range(9)]
        value = random.uniform(1_000, 1_010)
        beyond += outside(value, value, Known(min(drawn), max(drawn), len(drawn)))
        all_ += 1

    assert beyond / all_ <= 0.003


def test_a_program_that_repeats_a_value_looks_once_an_hour() -> None:
    """Writing the same every second for three hours is four looks, not ten thousand."""
    assert looks(10_800, 0, 3 * 3_600 * 10**9) == 4
    assert looks(2, 0, 3 * 3_600 * 10**9) == 2


@pytest.mark.parametrize(("reason", "found"), [("unknown", []), ("syn", ["new-conversation"])])
def test_who_speaks_first_is_no_news(tmp_path: Path, reason: str, found: list[str]) -> None:
    """Where only the first packet tells the client, the same the other way round is known."""
    cells = TABLES["conversation"].names.index("client_reason")

    def turned(plant: Plant) -> None:
        plant.does("10.0.0.22", HMI, "read", LEARNED + 60, LEARNED + 900)
        rows = plant.tap.rows["conversation"]
        last = list(rows[-1])
        last[cells] = reason
        rows[-1] = tuple(last)

    _, made = judged(tmp_path, turned)

    assert [one.name for one in made if "10.0.0.22" in {one.client, one.server}] == found
