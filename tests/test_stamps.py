"""Times that units carry: read as calendars and tshark read them, against the capture's clock."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import ROOT
from engine_runs import Bench, cells
from hypothesis import given
from hypothesis import strategies as st
from wire_captures import tshark

from otsec.config import Caps
from otsec.protocols.instants import cp56, decimal, instant

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SECOND = 10**9


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """A folder to run captures in."""
    return Bench(tmp_path_factory.mktemp("stamps"))


def column(*numbers: int) -> "np.ndarray[Any, np.dtype[np.int64]]":
    """Numbers as a column."""
    return np.array(numbers, np.int64)


@given(
    *(st.integers(low, high) for low, high in ((1960, 2110), (-1, 14), (-1, 33), (-5, 90_000_000)))
)
def test_dates_are_those_of_the_calendar(year: int, month: int, day: int, ms: int) -> None:
    """A date is told if there is one, as the calendar has it."""
    (told,), (fits,) = instant(column(year), column(month), column(day), column(ms))
    try:
        moment = datetime(year, month, day, tzinfo=UTC) + timedelta(milliseconds=ms)
    except ValueError:
        moment = None
    known = moment is not None and 1970 <= year < 2100 and 0 <= ms < 86_400_000
    assert fits == known
    assert (
        moment is None or not known or told == (moment - EPOCH) // timedelta(microseconds=1) * 1000
    )


@given(st.binary(min_size=7, max_size=7))
def test_any_seven_bytes(data: bytes) -> None:
    """Seven bytes are a time as the standard lays it out, or none: invalid, or no date."""
    ms, minute, hour, day, month, year = (
        int.from_bytes(data[:2], "little"), data[2] & 0x3F, data[3] & 0x1F, data[4] & 0x1F,
        data[5] & 0xF, data[6] & 0x7F,
    )  # fmt: skip
    (told,), (fits,) = cp56(np.array([int.from_bytes(data, "little")], np.uint64))
    try:
        moment = datetime(
            year + (1900 if year >= 70 else 2000), month, day, hour, minute, ms // 1000,
            ms % 1000 * 1000, tzinfo=UTC,
        )  # fmt: skip
    except ValueError:
        assert not fits
        return
    assert fits == (data[2] < 0x80 and moment.year < 2100)
    assert not fits or told == (moment - EPOCH) // timedelta(microseconds=1) * 1000


def test_decimal_digits() -> None:
    """Two digits are a number, other bytes below zero."""
    word = np.array([0x0A_A0_99_42_07], np.uint64)
    assert [int(decimal(word, at)[0]) for at in range(5)] == [7, 42, 99, -1, -1]


def told(dump: list[str], protocol: str, way: str) -> list[tuple[int, int, int]]:
    """Count, least and greatest difference of the clocks of a protocol."""
    return sorted(
        (row["count"], row["least_ahead"], row["most_ahead"])
        for row in cells(dump, "stamp")
        if (row["protocol"], row["way"]) == (protocol, way)
    )


def moment(text: str) -> int:
    """A time as tshark writes it, ns."""
    date, _, rest = text.removesuffix(" UTC").partition(".")
    whole = datetime.strptime(" ".join(date.split()), "%b %d, %Y %H:%M:%S").replace(tzinfo=UTC)
    return int(whole.timestamp()) * SECOND + int(rest.ljust(9, "0"))


def ahead(path: Path, wanted: str, field: str) -> list[int]:
    """How far the last time of each frame is ahead of it, as tshark reads both."""
    rows = tshark(path, "-Y", wanted, "-e", "frame.time_epoch", "-e", field)
    found = []
    for time, text in rows:
        seconds, _, rest = time.partition(".")
        stamp = "".join(text.partition(" UTC,")[::2][-1:]) if text.count("UTC") == 1 else text
        last = stamp.split(" UTC,")[-1] if stamp else text
        found.append(moment(last) - int(seconds) * SECOND - int(rest.ljust(9, "0")))
    return found


def test_times_of_iec104_are_those_of_tshark(bench: Bench) -> None:
    """Of each spontaneous event with a time the difference is that of tshark's time and frame."""
    path = ROOT / "pcaps" / "iec104" / "substation.pcap"
    wanted = "iec60870_asdu.causetx == 3 and iec60870_asdu.cp56time"
    theirs = ahead(path, wanted, "iec60870_asdu.cp56time")
    rows = told(bench.dump(path.read_bytes()), "iec104", "marks")
    assert sum(count for count, _, _ in rows) == len(theirs) > 50
    assert (min(row[1] for row in rows), max(row[2] for row in rows)) == (min(theirs), max(theirs))


def test_times_of_dnp3_are_those_of_tshark(bench: Bench) -> None:
    """Of each time that is written the difference is that of tshark's time and frame."""
    path = ROOT / "pcaps" / "dnp3" / "substation.pcap"
    wanted = "dnp3.al.func == 2 and dnp3.al.timestamp"
    theirs = ahead(path, wanted, "dnp3.al.timestamp")
    rows = told(bench.dump(path.read_bytes()), "dnp3", "sets")
    assert sum(count for count, _, _ in rows) == len(theirs) >= 3
    assert sorted(row[1] for row in rows) == sorted(theirs)


def test_times_of_ptp_are_those_of_the_generator(bench: Bench) -> None:
    """Masters tell TAI by Follow_Up, one its own scale by Sync, one is half a second late."""
    path = ROOT / "pcaps" / "ptp" / "clocks.pcap"
    rows = told(bench.dump(path.read_bytes()), "ptp", "says")
    us = 1000
    assert rows == [
        (1, -10 * us, -10 * us),
        (3, 37 * SECOND - SECOND // 2, 37 * SECOND - SECOND // 2),
        (8, 37 * SECOND - 85 * us, 37 * SECOND - 85 * us),
    ]


@pytest.mark.parametrize("name", ["iec104/substation", "dnp3/substation", "ptp/clocks"])
def test_the_same_in_any_batches(bench: Bench, name: str) -> None:
    """Batches, paths and checkpoints do not show, also where the cap is reached."""
    content = (ROOT / "pcaps" / f"{name}.pcap").read_bytes()
    for caps in (Caps(), Caps(facts=1)):
        whole = bench.dump(content, caps=caps)
        for options in ({"batch": 7}, {"all_plain": True}, {"batch": 20, "checkpoint_s": 0.0}):
            assert bench.dump(content, caps=caps, **options) == whole, options
    assert len(cells(whole, "stamp")) == 1
    assert any(row["name"] == "cap:stamps" for row in cells(whole, "counter"))
