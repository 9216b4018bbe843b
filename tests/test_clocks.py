"""`otsec clocks`: each device's clock against the capture's."""

import json
from datetime import UTC
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from conftest import ROOT
from inventory_stores import SECOND, Tap, new_store, seen, tap

from otsec.cli import main
from otsec.clocks import Clock, capture_off, clocks
from otsec.errors import Exit
from otsec.protocols.api import U32_BE, U64_LE
from otsec.store import Store

T = 1_767_600_000  # 2026-01-05 08:00:00 UTC
NTP = T + 2_208_988_800  # the same in seconds since 1900
SERVER, CLIENT, PLC, EWS = "10.0.0.4", "10.0.0.5", "10.0.0.1", "10.0.0.2"
BERLIN = ZoneInfo("Europe/Berlin")
CIP = "class 0x8b instance 1 attribute 6"


def network(store: Store) -> Tap:
    """A tap that heard four hosts."""
    net = tap(store)
    for number, address in enumerate((SERVER, CLIENT, PLC, EWS)):
        net.heard(f"00:1b:1b:00:00:{number:02x}", address, at=T)
    return net


def reading(
    net: Tap,
    protocol: str,
    operation: str,
    space: str,
    first: tuple[int, ...],
    last: tuple[int, ...] = (),
    *,
    between: tuple[str, str] = (CLIENT, SERVER),
    kind: int = U32_BE,
    at: tuple[int, int] = (T, T),
    low: tuple[int, ...] = (),
    high: tuple[int, ...] = (),
    **other: Any,
) -> None:
    """An operation that carried times, first and last."""
    count = 1 if not last else 2
    net.does(
        *between, protocol, "time", operation=operation, object="", count=count,
        **{**seen(*at), **other},
    )  # fmt: skip
    last = last or first
    names = ("first", "last", "minimum", "maximum")
    extremes = zip(names, (first, last, low or first, high or last), strict=True)
    net._add(
        "value",
        behaviour=len(net.rows["behaviour"]) - 1,
        space=space,
        value_type=kind,
        count=count,
        **{name: np.array(numbers, "<i8").tobytes() for name, numbers in extremes},
        **seen(*at),
    )


def ntp(net: Tap, *times: float, at: tuple[int, int] = (T, T), **other: Any) -> None:
    """A server's answers with the times that it tells."""
    told = [(int(one), round(one % 1 * 2**32)) for one in times]
    reading(net, "ntp", "client", "seconds since 1900, fraction", *told, at=at, **other)


def told(store: Store, net: Tap, zone: Any = UTC) -> list[Clock]:
    """The clocks that a tap heard."""
    net.write()
    return clocks(store, zone)


def of(found: list[Clock], address: str, way: str = "says") -> Clock:
    """The only clock of an address that is known in a way."""
    (clock,) = [one for one in found if (one.address, one.way) == (address, way)]
    return clock


@pytest.mark.parametrize(
    ("ahead", "took_us", "low_ns", "high_ns", "standing"),
    [
        (0.0, 1000, -1_000_000, 0, "agrees"),
        (0.25, 0, 250_000_000, 250_000_000, "agrees"),
        (1.5, 1000, 1_499_000_000, 1_500_000_000, "off"),
        (1.5, 600_000, 900_000_000, 1_500_000_000, "agrees"),  # the answer may be that old
        (-3600.0, 0, -3600 * SECOND, -3600 * SECOND, "off"),
    ],
)
def test_an_answer_gives_an_interval(
    tmp_path: Path, ahead: float, took_us: int, low_ns: int, high_ns: int, standing: str
) -> None:
    """A server's clock is ahead by what it says, less at most the time that the answer took."""
    with new_store(tmp_path) as store:
        net = network(store)
        ntp(net, NTP + ahead, response_max_us=took_us)

        clock = of(told(store, net), SERVER)

    assert (clock.offset_low_ns, clock.offset_high_ns) == (low_ns, high_ns)
    assert clock.standing == standing


def test_the_era_of_ntp_is_that_of_the_capture(tmp_path: Path) -> None:
    """Seconds of NTP begin anew in 2036; the era is that which is nearest to the capture."""
    later = T + 15 * 365 * 86_400  # 2041
    with new_store(tmp_path) as store:
        net = network(store)
        ntp(net, (later + 2_208_988_800) % 2**32, at=(later, later))

        assert of(told(store, net), SERVER).offset_low_ns == 0


def test_a_clock_that_runs_fast_is_told(tmp_path: Path) -> None:
    """A tenth of a second gained in a thousand is 100 parts in a million."""
    with new_store(tmp_path) as store:
        net = network(store)
        ntp(net, NTP, NTP + 1000.1, at=(T, T + 1000))

        clock = of(told(store, net), SERVER)

    assert (clock.drift_ppm, clock.standing) == (100.0, "agrees")


@pytest.mark.parametrize(
    ("last", "low"),
    [
        (NTP + 100 + 30, ()),  # set forward by half a minute
        (NTP + 100, (NTP - 50, 0)),  # was back by 50 seconds in between
    ],
)
def test_a_clock_that_jumped_is_told(tmp_path: Path, last: int, low: tuple[int, ...]) -> None:
    """A clock that went otherwise than the capture's between two answers steps."""
    with new_store(tmp_path) as store:
        net = network(store)
        ntp(net, NTP, last, at=(T, T + 100), low=low)

        assert of(told(store, net), SERVER).standing == "steps"


def test_a_step_that_one_client_saw_is_not_lost(tmp_path: Path) -> None:
    """A clock that jumped for one client steps, though another one heard it later and right."""
    with new_store(tmp_path) as store:
        net = network(store)
        ntp(net, NTP, NTP + 130, at=(T, T + 100))
        ntp(net, NTP + 200, at=(T + 200, T + 200), between=(PLC, SERVER))

        clock = of(told(store, net), SERVER)

    assert (clock.standing, clock.offset_low_ns, clock.count) == ("steps", 0, 3)


def test_who_asks_is_told_with_whom(tmp_path: Path) -> None:
    """A client has no clock that is heard; whom it asks stands there, and the failure if any."""
    with new_store(tmp_path) as store:
        net = network(store)
        ntp(net, NTP)
        net.does(PLC, "10.0.0.99", "ntp", "time", operation="client", outcome="unanswered")

        found = told(store, net)

    assert [(one.address, one.source, one.note) for one in found if one.way == "asks"] == [
        (PLC, ("10.0.0.99",), "unanswered"),
        (CLIENT, (SERVER,), ""),
    ]


@pytest.mark.parametrize(
    ("zone", "operation", "ahead_s", "note"),
    [
        (UTC, "time_synchronization", 0, "local time, taken as of the site's zone"),
        (BERLIN, "time_synchronization", -3600,
         "local time, taken as of the site's zone; it may be of another zone"),
        (BERLIN, "utc_time_synchronization", 0, ""),
    ],
)  # fmt: skip
def test_bacnet_tells_local_or_universal_time(
    tmp_path: Path, zone: Any, operation: str, ahead_s: int, note: str
) -> None:
    """Date and time of BACnet are of the site's zone, unless the service says UTC."""
    date, clock = bytes((126, 1, 5, 1)), bytes((8, 0, 0, 0))  # 2026-01-05, Monday, 08:00:00.00
    numbers = (int.from_bytes(date, "big"), int.from_bytes(clock, "big"))
    with new_store(tmp_path) as store:
        net = network(store)
        reading(net, "bacnet", operation, "date, time", numbers, between=(EWS, PLC))

        found = told(store, net, zone)

    says, is_set = of(found, EWS), of(found, PLC, "is set")
    assert says.offset_low_ns == is_set.offset_low_ns == ahead_s * SECOND
    assert (says.note, is_set.source) == (note, (EWS,))


@pytest.mark.parametrize("numbers", [(0xFFFFFFFF, 0xFFFFFFFF), (0x7E0D0501, 0), (0x7E010501,), ()])
def test_a_date_that_there_is_not_is_no_time(tmp_path: Path, numbers: tuple[int, ...]) -> None:
    """Unspecified and impossible dates give no difference, and no failure."""
    with new_store(tmp_path) as store:
        net = network(store)
        reading(net, "bacnet", "time_synchronization", "date, time", numbers, between=(EWS, PLC))

        assert of(told(store, net), EWS).standing == "unknown"


def test_cip_clock_is_set(tmp_path: Path) -> None:
    """The wall clock of a Logix controller is microseconds since 1970; who sets it is named."""
    with new_store(tmp_path) as store:
        net = network(store)
        reading(
            net,
            "enip",
            "set_attribute_list",
            CIP,
            ((T + 5) * 10**6,),
            between=(EWS, PLC),
            kind=U64_LE,
        )

        clock = of(told(store, net), PLC, "is set")

    assert (clock.source, clock.offset_low_ns, clock.standing) == ((EWS,), 5 * SECOND, "off")


@pytest.mark.parametrize(
    ("protocol", "operation", "note", "ahead_ns", "told_note"),
    [
        ("s7comm", "set_clock", "to 2026-01-05 08:00:02.500, century 20 weekday 2",
         2_500_000_000, "local time, taken as of the site's zone"),
        ("s7comm", "set_clock", "to 2026-13-05 08:00:00.000", None,
         "local time, taken as of the site's zone"),
        ("dnp3", "write", "", None, "otsec does not keep the times of dnp3"),
        ("iec104", "c_cs_na_1", "", None, "otsec does not keep the times of iec104"),
    ],
)  # fmt: skip
def test_who_sets_whom(
    tmp_path: Path, protocol: str, operation: str, note: str, ahead_ns: int | None, told_note: str
) -> None:
    """That a clock is set is told, with the time where the store has it, and else why not."""
    with new_store(tmp_path) as store:
        net = network(store)
        net.does(EWS, PLC, protocol, "time", operation=operation, note=note, **seen(T, T))

        clock = of(told(store, net), PLC, "is set")

    assert (clock.source, clock.offset_low_ns, clock.note) == ((EWS,), ahead_ns, told_note)


def test_a_clock_is_not_set_by_a_refusal(tmp_path: Path) -> None:
    """A time that the device refused says so."""
    with new_store(tmp_path) as store:
        net = network(store)
        net.does(
            EWS, PLC, "s7comm", "time", operation="set_clock", outcome="denied",
            note="to 2026-01-05 08:00:00.000", **seen(T, T),
        )  # fmt: skip

        assert of(told(store, net), PLC, "is set").note == "refused: denied"


def test_an_outstation_that_needs_the_time_is_told(tmp_path: Path) -> None:
    """The indication of DNP3 that the time is needed stands at the station that says so."""
    with new_store(tmp_path) as store:
        net = network(store)
        net.says(PLC, "dnp3", device="station 4", indications="device_restart, need_time", at=T)

        clock = of(told(store, net), PLC)

    assert (clock.device, clock.standing) == ("station 4", "needs time")


def test_the_capture_is_wrong_where_devices_agree(tmp_path: Path) -> None:
    """Two clocks that agree with one another and not with the capture speak against it."""
    with new_store(tmp_path) as store:
        net = network(store)
        ntp(net, NTP + 600)
        ntp(net, NTP + 600.25, between=(CLIENT, EWS))
        found = told(store, net)

    off = capture_off(found)
    assert off is not None
    assert (off[0], set(off[1])) == (600_125_000_000, {SERVER, EWS})


@pytest.mark.parametrize("other", [NTP, NTP + 300])
def test_the_capture_is_not_blamed_for_one_clock(tmp_path: Path, other: int) -> None:
    """A clock that agrees with the capture, or with no other, leaves it in peace."""
    with new_store(tmp_path) as store:
        net = network(store)
        ntp(net, NTP + 600)
        ntp(net, other, between=(CLIENT, EWS))

        assert capture_off(told(store, net)) is None


def test_clocks_of_real_answers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """NTP answers of a capture give the difference, through decoder, engine and store."""
    db = tmp_path / "ntp.db"
    capture = ROOT / "pcaps" / "ntp" / "clocks.pcap"
    assert main(["analyze", "-q", "--db", str(db), str(capture)]) == Exit.FINE
    capsys.readouterr()
    assert main(["clocks", "--db", str(db), "--json", "way=says"]) == Exit.FINE
    rows = json.loads(capsys.readouterr().out)["rows"]

    assert [
        (one["address"], one["source"], one["stratum"], one["standing"], one["offset_low_us"])
        for one in rows
    ] == [
        ("192.168.50.1", ["192.168.50.4"], "2", "agrees", -1_000_000),
        ("192.168.50.4", ["GPS"], "1", "off", -1_999_801),
    ]


@pytest.mark.parametrize(
    ("capture", "expected"),
    [
        # read: 08:00:55 at 08:00:05.006; set: 08:01:00 at 08:00:16
        ("fins/engineer", [("is set", 44_000_000, 44_999_999, "node 10"),
                           ("says", 49_994_000, 50_993_999, "node 10")]),
        # read: 08:00:00 at 08:00:34.03; set by the package pcom: 08:02:00 at 08:00:35
        ("pcom/polled", [("is set", 85_000_000, 85_999_999, ""),
                         ("says", -34_030_000, -33_030_001, "")]),
        # set: 08:00:02.5 at 08:00:19
        ("ads/engineer", [("is set", -16_500_000, -16_499_001, "5.16.0.5.1.1")]),
    ],
)  # fmt: skip
def test_calendars_of_controllers(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    capture: str,
    expected: list[tuple[str, int, int, str]],
) -> None:
    """Times that FINS, PCOM and ADS carry give the difference, through engine and store."""
    db = tmp_path / "clocks.db"
    main(["analyze", "-q", "--db", str(db), str(ROOT / "pcaps" / f"{capture}.pcap")])
    capsys.readouterr()
    assert main(["clocks", "--db", str(db), "--json"]) == Exit.FINE
    rows = json.loads(capsys.readouterr().out)["rows"]

    assert [
        (one["way"], one["offset_low_us"], one["offset_high_us"], one["device"]) for one in rows
    ] == expected
    assert {one["standing"] for one in rows} == {"off"}


@pytest.mark.parametrize(
    ("words", "count"),
    [((), 3), (("standing=off",), 1), (("from=GPS",), 1), (("host=192.168.50.0/24",), 3),
     (("!way=asks",), 2), (("time_server",), 3), (("-U", "2020-01-01"), 0)],
)  # fmt: skip
def test_clocks_are_filtered(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], count: int
) -> None:
    """Filters, and words anywhere, choose among the clocks."""
    db = tmp_path / "ntp.db"
    main(["analyze", "-q", "--db", str(db), str(ROOT / "pcaps" / "ntp" / "clocks.pcap")])
    capsys.readouterr()
    main(["clocks", "--db", str(db), "--json", "!name=192.168.50.21", *words])

    assert len(json.loads(capsys.readouterr().out)["rows"]) == count
