"""Outages: each cause is told by its own name, and quiet plants tell of none."""

import json
from collections.abc import Iterable
from dataclasses import replace

import pytest
from engine_runs import HOUR, SECOND, START, Bench, analyse, as_pcap
from outage_plants import (
    EVERY,
    FAR,
    HISTORIAN,
    MINUTE,
    PANEL,
    PLCS,
    PUMPS,
    announced,
    found,
    polls,
    stored,
)

from otsec.baseline import outage_kinds
from otsec.baseline.deviations import judge
from otsec.baseline.outages import Device, Outage, outages
from otsec.cli import main
from otsec.store import open_store
from otsec.store.findings import findings

BEGIN = START + 3 * HOUR
END = BEGIN + 10 * MINUTE
SELDOM = 5 * MINUTE


def restarted(names: Iterable[str], by: str = "") -> list[tuple[int, bytes]]:
    """They announce themselves some seconds apart."""
    return [announced(END + n * 20 * SECOND, one, by) for n, one in enumerate(names)]


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """A folder to run captures in."""
    return Bench(tmp_path_factory.mktemp("outages"))


def told(some: list[Outage]) -> list[tuple[str, set[str]]]:
    """Kind and addresses of each."""
    return [(one.kind, {device.address for device in one.devices}) for one in some]


def test_a_quiet_plant_has_none(bench: Bench) -> None:
    """Polls that go on tell of nothing."""
    assert found(bench, polls(5, lambda *_: True)) == []


def test_tap(bench: Bench) -> None:
    """All silent at once, and back at once: nothing was heard."""
    (one,) = found(bench, polls(5, lambda at, *_: not BEGIN <= at < END))

    assert (one.kind, one.place, len(one.devices)) == ("tap-outage", "", 13)
    assert BEGIN - EVERY <= one.begin < BEGIN
    assert END <= one.end < END + EVERY
    assert one.confidence > 0.9


def test_vlan(bench: Bench) -> None:
    """All of a VLAN silent while another is heard, and nobody asks for them."""
    (one,) = found(
        bench, polls(5, lambda at, source, _: not (BEGIN <= at < END and source in {FAR, *PUMPS}))
    )

    assert told([one]) == [("vlan-lost", {FAR, *PUMPS})]
    assert one.place == "20"


def test_power(bench: Bench) -> None:
    """Some devices silent while they are asked, which announce themselves when they are back."""
    dark = set(PLCS[:3])
    frames = [
        *polls(5, lambda at, source, _: not (BEGIN <= at < END and source in dark)),
        *(announced(END - 5 * SECOND + n * 3 * SECOND, one) for n, one in enumerate(sorted(dark))),
    ]
    (one,) = found(bench, frames)

    assert told([one]) == [("power-lost", dark)]
    assert one.feed == "proposed"
    assert any("went on asking" in reason for reason in one.reasons)


def test_switch(bench: Bench) -> None:
    """The same without any announcement: they had power."""
    gone = set(PLCS[:3])
    some = found(bench, polls(5, lambda at, source, _: not (BEGIN <= at < END and source in gone)))

    assert told(some) == [("switch-lost", gone)]


def test_vlan_of_which_all_are_heard_seldom(bench: Bench) -> None:
    """Who is asked each ten minutes is missed after a few of them, with less certainty."""
    begin, end = START + 27 * HOUR, START + 29 * HOUR
    (one,) = found(
        bench,
        polls(
            31,
            lambda at, source, _: not (begin <= at < end and source in {FAR, *PUMPS}),
            10 * MINUTE,
        ),
    )

    assert told([one]) == [("vlan-lost", {FAR, *PUMPS})]
    assert one.confidence == pytest.approx(0.8)
    assert "when is known to" in one.reasons[-1]


def test_power_dip_between_two_polls(bench: Bench) -> None:
    """Several that announce themselves at once were restarted, although nobody missed them."""
    (one,) = found(bench, [*polls(5, lambda *_: True, SELDOM), *restarted(PLCS[:4])])

    assert told([one]) == [("power-lost", set(PLCS[:4]))]
    assert (one.unseen, one.confidence) == (True, 0.6)
    assert (one.begin, one.end) == (END, END + MINUTE)
    assert "were restarted from" in outage_kinds.finding(one)[0].seen


@pytest.mark.parametrize(
    "more",
    [
        restarted(PLCS[:2]),  # by chance
        restarted(PLCS[:4], by=PANEL),  # a router takes over for another
        [
            (at - n * 20 * MINUTE, frame) for n in range(6) for at, frame in restarted(PLCS[:4])
        ],  # as they always do
        restarted([f"10.0.0.{n}" for n in range(81, 85)]),  # who comes and goes
    ],
    ids=("two", "one router", "often", "visitors"),
)
def test_announcements_that_tell_of_no_restart(bench: Bench, more: list[tuple[int, bytes]]) -> None:
    """Few, those of one host, those that are made again and again, and those of visitors."""
    assert found(bench, [*polls(5, lambda *_: True, SELDOM), *more]) == []


@pytest.mark.parametrize(("often", "sure"), [(1, 0.7), (2, 0.8)])
def test_restart_of_which_some_silences_were_seen(bench: Bench, often: int, sure: float) -> None:
    """Devices that are asked often enough tell when it began; nothing is told twice."""

    def seen(at: int, source: str, target: str) -> bool:
        fast = not {source, target}.isdisjoint(PLCS[:often])
        gone = source in PLCS[:often] and BEGIN <= at < END + MINUTE  # it is asked later
        return not gone and (fast or (at - START) % SELDOM < EVERY)

    (one,) = found(bench, [*polls(5, seen), *restarted(PLCS[:4])])

    assert told([one]) == [("power-lost", set(PLCS[:4]))]
    assert BEGIN - EVERY <= one.begin < BEGIN
    assert (one.unseen, one.confidence) == (False, sure)
    assert all(device.announced for device in one.devices)


def test_one_device_and_again_and_again(bench: Bench) -> None:
    """One device is told by itself; three times, it is its supply or its cable."""
    spans = [(BEGIN + n * HOUR, END + n * HOUR) for n in range(3)]

    def seen(at: int, source: str, _: str, times: int) -> bool:
        return source != PLCS[0] or not any(one <= at < other for one, other in spans[:times])

    (once,) = found(bench, polls(7, lambda *row: seen(*row, times=1)))
    (often,) = found(bench, polls(7, lambda *row: seen(*row, times=3)))

    assert told([once]) == [("device-silent", {PLCS[0]})]
    assert (often.kind, often.times) == ("device-restarts", 3)
    assert (often.begin, often.end) == (once.begin, once.end + 2 * HOUR)


def test_peer_that_stops_asking(bench: Bench) -> None:
    """Both are heard, and yet they do not talk."""
    pair = {HISTORIAN, PLCS[1]}
    (one,) = found(bench, polls(5, lambda at, *ends: not (BEGIN <= at < END and set(ends) == pair)))

    assert one.kind == "peer-silent"
    assert [device.address for device in one.devices] == [HISTORIAN, PLCS[1]]


def test_peer_that_hardly_ever_sent(bench: Bench) -> None:
    """Who sent too little to have a rule is still known to be there, and not to have answered."""
    answers = (START, BEGIN - 25 * MINUTE)

    def seen(at: int, source: str, target: str) -> bool:
        if source != PLCS[1]:
            return {source, target} != {HISTORIAN, PLCS[1]} or not BEGIN <= at < END
        if target == PANEL:
            return BEGIN <= at < BEGIN + 4 * MINUTE
        return any(begin <= at < begin + 5 * MINUTE for begin in answers)

    (one,) = found(bench, polls(5, seen))

    assert one.kind == "peer-silent"
    assert [device.address for device in one.devices] == [HISTORIAN, PLCS[1]]


def test_what_goes_on_is_open(bench: Bench) -> None:
    """A device that is not back has no end yet."""
    (one,) = found(bench, polls(4, lambda at, source, _: at < BEGIN or source != PLCS[2]))

    assert (one.kind, one.end, one.open) == ("device-silent", 0, True)


def test_clock(bench: Bench) -> None:
    """A clock that was set is told once, and no device is silent for it."""
    frames = [
        (at - 400 * SECOND if at >= BEGIN else at, content)
        for at, content in sorted(polls(5, lambda *_: True))
    ]
    path = stored(bench, ())  # its order must not be put right
    path.unlink()
    capture = path.with_name("stepped.pcap")
    capture.write_bytes(as_pcap(frames))
    analyse([capture], path)
    with open_store(path, readonly=True) as store:
        (one,) = outages(store)

    assert one.kind == "clock-step"
    assert one.end - one.begin == pytest.approx(400 * SECOND, abs=EVERY)


def test_who_is_silent_as_a_rule_is_no_outage(bench: Bench) -> None:
    """Shifts, breaks and odd polls are the way a device is."""

    def seen(at: int, source: str, target: str) -> bool:
        minute = (at - START) // MINUTE
        return PLCS[3] not in {source, target} or minute % 12 < 3  # a burst, then a break

    assert found(bench, polls(6, seen)) == []


def test_short_silences_are_none(bench: Bench) -> None:
    """A poll that is missed is none."""
    short = BEGIN + EVERY // 2

    assert found(bench, polls(5, lambda at, s, _: s != PLCS[0] or not BEGIN <= at < short)) == []


def test_findings_and_listing(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    """An outage is a finding of level low that keeps its id, and a row of `otsec outages`."""
    path = stored(bench, polls(5, lambda at, *_: not BEGIN <= at < END))
    with open_store(path) as store:
        judge(store, ())
        before = findings(store)
        judge(store, ())
        assert findings(store) == before
    (one,) = before
    assert (one.name, one.category, one.level) == ("tap-outage", "outage", "low")
    assert "from 2026-01-05T10:59" in one.seen

    assert main(["outages", "--db", str(path), "--json", "kind:tap-outage"]) == 0
    rows = json.loads(capsys.readouterr().out)["rows"]
    assert [row["kind"] for row in rows] == ["tap-outage"]
    assert PANEL in rows[0]["addresses"]
    assert main(["outages", "--db", str(path), "-q", "host:10.9.9.9"]) == 0


def test_every_kind_has_its_words() -> None:
    """Each kind of outage can be told, with one device, several, or none."""
    one = Outage("tap-outage", "plant", "net", "tap", 1, "", 5, 9, 1, 2, (), 0.5, ("why",))
    device = Device("10.0.0.1", "plc", "a1", 5, 9, announced=False)
    for kind in outage_kinds.SORTS:
        least = 2 if kind == "peer-silent" else 0
        for count in range(least, 9):
            made = replace(one, kind=kind, devices=(device,) * count)
            finding, packets = outage_kinds.finding(made)
            assert "{" not in finding.seen + finding.next
            assert packets[0].packet == 1
