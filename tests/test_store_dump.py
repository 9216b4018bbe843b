"""The canonical dump: equal for equal traffic, whatever order and numbers the work had."""

import random
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from store_rows import array, row, store_with, values, write

from otsec.store import CaptureProgress, Store, open_store
from otsec.store.dump import dump
from otsec.store.histograms import pack


def _known(store: Store, order: random.Random, captures: str) -> None:
    """The same traffic of two points, written in some order under some numbers."""
    points = ["tap", "tap/2"]
    order.shuffle(points)
    for point in points:
        source = store.source("plant", point, "net", "")
        store.add_capture(source, captures, 24, captures)
        numbers = order.sample(range(100), 3)
        acts = order.sample(range(100), 3)
        rows: dict[str, list[Any]] = {
            "clock": [row("clock", source=source, packets=9)],
            "conversation": [
                row("conversation", source=source, number=n, client=f"10.0.0.{at}", server="s")
                for at, n in enumerate(numbers)
            ],
            "behaviour": [
                row(
                    "behaviour", source=source, number=n, conversation=numbers[at], packets="[1, 2]"
                )
                for at, n in enumerate(acts)
            ],
            "value": [row("value", source=source, behaviour=n, **values(1, -1)) for n in acts[1:]],
            "histogram": [(source, n, "response_us", pack([(3, 1), (9, 2)])) for n in acts],
            "event": [
                row("event", source=source, packet=1, conversation=numbers[2], behaviour=acts[2]),
                row("event", source=source, packet=1, kind="first_sight"),
            ],
            "fact": [row("fact", source=source, conversation=numbers[1], value="ACME")],
            "counter": [
                row("counter", source=source, name="engine:slow", count=order.randrange(9)),
                row("counter", source=source, name="duplicate_frames", count=3),
            ],
            "gap": [row("gap", source=source, number=order.randrange(9), kind="drops")],
            "station": [
                row("station", source=source, number=n, address=str(at))
                for at, n in enumerate(numbers)
            ],
            "lookup": [row("lookup", source=source, address="10.0.0.9")],
        }
        for part in order.sample(sorted(rows), len(rows)):
            order.shuffle(rows[part])
            write(store, **{part: rows[part]})
        store.checkpoint({}, [], [(source, "engine", order.randbytes(8))], [source])


@given(st.integers(0, 1 << 32))
@settings(max_examples=15, deadline=None)
def test_order_and_numbers_do_not_show(tmp_path_factory: Any, seed: int) -> None:
    """Sources, conversations and behaviours may be met in any order: the dump is the same."""
    folder = tmp_path_factory.mktemp("dump")
    told = []
    for name, order in (("a", random.Random(seed)), ("b", random.Random(seed + 1))):
        with open_store(folder / name) as store:
            _known(store, order, captures=name)
            told.append(list(dump(store)))

    assert told[0] == told[1]
    assert len(told[0]) == 2 * (1 + 1 + 3 * 4 + 2 + 2 + 1 + 1 + 1 + 1)


def test_what_packets_changed_shows(tmp_path: Path) -> None:
    """Any derived cell that differs makes a dump that differs."""
    with open_store(tmp_path / "a.db") as store:
        _known(store, random.Random(1), "a")
        before = list(dump(store))
        for change in (
            "UPDATE conversation SET packets_in = 7 WHERE client = '10.0.0.1' AND source = 1",
            "UPDATE value SET last = CAST(first || first AS BLOB) WHERE source = 2",
            "DELETE FROM event WHERE kind = 'first_sight' AND source = 1",
            "UPDATE histogram SET buckets = x'030200000000000000' WHERE source = 1",
        ):
            store.db.conn.execute(change)
            after = list(dump(store))
            assert after != before
            before = after


def test_lines_are_as_documented(tmp_path: Path) -> None:
    """A dump names rows by what they are, quotes text, and leaves out what is not of packets."""
    tables: dict[str, list[Any]] = {
        "conversation": [row("conversation", source=1, number=4, kind=4, client="a", server="b")],
        "behaviour": [
            row(
                *("behaviour",),
                source=1,
                number=9,
                conversation=4,
                object='x" \n\N{SNOWMAN}=',
                packets="[1, 20]",
            )
        ],
        "histogram": [(1, 9, "interval_us", pack([(0, 1), (255, 1 << 40)]))],
        "value": [row("value", source=1, behaviour=9, space="coil", minimum=array(-1, 5))],
        "counter": [row("counter", source=1, name="engine:hits", count=3)],
        "event": [row("event", source=1, packet=3, kind="session")],
    }
    with store_with(tmp_path / "a.db", **tables) as store:
        store.source("plant", "nothing", "net", "")
        capture = store.add_capture(1, "/somewhere.pcap", 24, "aa")
        store.checkpoint({}, [CaptureProgress(capture, "", 5, 5, False, "", {})], [], [])  # noqa: FBT003
        lines = list(dump(store))

    key = '["", 4, "a", "b", ""'
    act = key + r', "", "", "", "", "x\" \n\u2603=", ""]'
    assert [line for line in lines if not line.startswith(("conversation", "behaviour"))] == [
        'source "plant/tap/" group="net"',
        'clock "plant/tap/" packets=1000 first_time=0 last_time=0 epoch=0 virtual_ns=0',
        f'histogram "plant/tap/" behaviour={act} kind="interval_us" buckets=[0:1,255:1099511627776]',
        (
            f'value "plant/tap/" behaviour={act} space="coil" first_element=0 value_type=0 '
            "minimum=[-1,5] maximum=[] first=[] last=[] count=0 first_time=0 first_packet=0 "
            "last_time=0 last_packet=0 minimum_seen=[] maximum_seen=[]"
        ),
        (
            'event "plant/tap/" packet=3 part=0 time=0 conversation=- behaviour=- kind="session" '
            "count=0 connection=-"
        ),
    ]
    assert lines[2].startswith('conversation "plant/tap/" place="" kind=4 client="a" server="b" ')
    assert f'behaviour "plant/tap/" conversation={key}] protocol=""' in lines[3]
    assert " packets=[1,20] " in lines[3]
    assert all(line.isascii() and line.isprintable() for line in lines)


def test_names_with_slashes_are_not_mixed_up(tmp_path: Path) -> None:
    """Two sources whose names would read alike stay apart."""
    with open_store(tmp_path / "a.db") as store:
        for point, interface in (("a/b", ""), ("a", "b/")):
            source = store.source("s", point, "g", interface)
            write(store, clock=[row("clock", source=source, packets=1)])
        lines = [line for line in dump(store) if line.startswith("source")]

    assert lines == [r'source "s/a/b\\/" group="g"', r'source "s/a\\/b/" group="g"']


def test_a_dump_is_of_one_moment(tmp_path: Path) -> None:
    """What is written while a dump is drawn does not get into it."""
    with store_with(tmp_path / "a.db") as store, open_store(tmp_path / "a.db") as other:
        before = list(dump(store))
        drawn = dump(store)
        first = next(drawn)
        other.source("plant", "tap", "net", "")
        write(other, counter=[row("counter", source=1, name="later")])

        assert [first, *drawn] == before
        assert len(list(dump(store))) == len(before) + 1
