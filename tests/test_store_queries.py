"""The queries: who wrote what, what elements held, and one voice per point group."""

import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from store_rows import array, row, store_with, values, write

from otsec.errors import UsageError
from otsec.store import Store, contents, open_store, queries
from otsec.store.filters import Span, span
from otsec.store.overlaps import Company, Write, company
from otsec.store.queries import Filter
from otsec.store.spoken import protocols

HMI, EWS, PLC = "10.10.1.20", "10.10.9.9", "10.10.2.11"


def conversation(source: int, number: int, client: str, server: str = PLC, **cells: Any) -> Any:
    """A Modbus conversation."""
    given = {"service": "tcp/502", "kind": 4, "protocol": "modbus", **cells}
    return row("conversation", source=source, number=number, client=client, server=server, **given)


def behaviour(source: int, number: int, conversation: int, text: str, **cells: Any) -> Any:
    """A behaviour: ``text`` is class, operation and object."""
    cls, operation, what = text.split(" ", 2)
    given = {"protocol": "modbus", "device": "unit 1", "outcome": "ok", **cells}
    return row(
        "behaviour",
        source=source,
        number=number,
        conversation=conversation,
        operation=operation,
        object=what,
        **{"class": cls},
        **given,
    )


def plant(path: Path) -> Store:
    """Two points of one network, and one of another: an HMI and a newcomer write to a PLC."""
    store = open_store(path)
    store.source("plant", "tap", "net", "")
    store.source("plant", "tap2", "net", "eth1")
    store.source("plant", "far", "other", "")
    write(
        store,
        clock=[row("clock", source=n, packets=1000, first_time=5, last_time=99) for n in (1, 2)],
        conversation=[
            conversation(1, 0, HMI, packets_out=50, packets_in=40, first_time=10, last_time=90),
            conversation(1, 1, EWS, packets_out=5, undecoded_out=7, first_time=60, last_time=70),
            conversation(2, 0, EWS, packets_out=9, undecoded_out=3, first_time=61, last_time=71),
            conversation(3, 0, EWS, packets_out=1, place="10"),
        ],
        behaviour=[
            behaviour(
                *(1, 0, 0, "write write_multiple_registers holding 100-103"),
                count=8,
                first_time=10,
                last_time=80,
                last_packet=7,
            ),
            behaviour(1, 1, 0, "read read_holding_registers holding 100-109", count=90),
            behaviour(
                *(1, 2, 1, "write write_single_register holding 103"),
                count=1,
                first_time=60,
                last_time=60,
                last_packet=6,
            ),
            behaviour(
                *(2, 0, 0, "write write_single_register holding 103"),
                count=2,
                first_time=61,
                last_time=62,
                last_packet=9,
            ),
            behaviour(
                *(1, 3, 1, "write write_single_coil coil 5"),
                outcome="exception illegal_function",
                count=3,
                first_time=65,
            ),
            behaviour(3, 0, 0, "write write_single_register holding 103", count=1),
        ],
        value=[
            row(
                *("value",),
                source=1,
                behaviour=0,
                space="holding",
                first_element=100,
                minimum=array(1, 2, 3, 4),
                maximum=array(1, 2, 30, 4),
                count=8,
                first=array(1, 2, 3, 4),
                last=array(1, 2, 9, 4),
                first_time=10,
                last_time=80,
                last_packet=7,
            ),
            row(
                *("value",),
                source=1,
                behaviour=2,
                space="holding",
                first_element=103,
                **{**values(-77), "count": 1, "first_time": 60, "last_time": 60},
            ),
            row(
                *("value",),
                source=2,
                behaviour=0,
                space="holding",
                first_element=103,
                **{**values(-77), "count": 2, "first_time": 61, "last_time": 62},
            ),
            row(
                *("value",),
                source=1,
                behaviour=3,
                space="coil",
                first_element=5,
                **{**values(1), "count": 3},
            ),
        ],
    )
    return store


# -------------------------------------------------------------------------------- writers


def test_writers_say_who_came_second(tmp_path: Path) -> None:
    """The newcomer's write into the HMI's range is marked, as seen by the point that saw most."""
    with plant(tmp_path / "a.db") as store:
        rows = queries.writers(store)

    shown = [
        (w.group, w.point, w.witnesses, w.client, w.object, w.count, w.writers, w.second_writer)
        for w in rows
    ]
    assert shown == [
        ("net", "tap2", ("tap",), EWS, "holding 103", 2, 2, True),
        ("net", "tap", (), EWS, "coil 5", 3, 0, False),
        ("net", "tap", (), HMI, "holding 100-103", 8, 2, False),
        ("other", "far", (), EWS, "holding 103", 1, 1, False),
    ]
    assert [(w.minimum, w.maximum, w.last) for w in rows] == [
        (-77, -77, (-77,)),
        (1, 1, (1,)),
        (1, 30, (1, 2, 9, 4)),
        (None, None, ()),
    ]
    assert (rows[2].last_time, rows[2].last_packet, rows[2].device) == (80, 7, "unit 1")


def test_filters_never_hide_that_somebody_was_second(tmp_path: Path) -> None:
    """Who asks for one client's writes still learns that another wrote the object before."""
    with plant(tmp_path / "a.db") as store:
        rows = queries.writers(store, [Filter("client", EWS), Filter("group", "net")])
        at_tap = queries.writers(store, [Filter("client", EWS), Filter("point", "tap")])

    assert [(w.client, w.object, w.second_writer) for w in rows] == [
        (EWS, "holding 103", True),
        (EWS, "coil 5", False),
    ]
    assert [(w.point, w.witnesses, w.second_writer) for w in at_tap] == [
        ("tap", (), True),
        ("tap", (), False),
    ]


def _company(writes: list[Write]) -> list[Company]:
    """The same, compared two by two and element by element."""
    told = []
    for write_ in writes:
        most, second = 0, False
        for element in range(write_.first, write_.last + 1):
            here = [w for w in writes if w.first <= element <= w.last]
            most = max(most, len({w.client for w in here}))
            earliest = min(here, key=lambda w: (w.first_time, w.client))
            second |= earliest.client != write_.client
        told.append(Company(most, second))
    return told


WRITES = st.lists(
    st.builds(
        lambda client, first, more, time: Write(client, first, first + more, time),
        st.sampled_from("abc"),
        st.integers(0, 12),
        st.integers(0, 6),
        st.integers(0, 4),
    ),
    max_size=9,
)


@given(WRITES)
@settings(max_examples=150)
def test_company_is_what_comparing_two_by_two_gives(writes: list[Write]) -> None:
    """The sweep finds the writers of each element, and the first of them, for any overlaps."""
    assert company(writes) == _company(writes)


def test_company_of_a_scan_is_found_in_time() -> None:
    """Thirty thousand overlapping writes of spoofed clients are not compared two by two."""
    chance = random.Random(3)
    writes = [
        Write(f"10.0.{n >> 8}.{n & 255}", first, first + chance.randrange(60_000), n)
        for n, first in ((n, chance.randrange(5_000)) for n in range(30_000))
    ]
    met = company(writes)

    assert not met[0].second
    assert sum(not one.second for one in met) < 60
    assert max(one.writers for one in met) > 10_000


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("holding 100-109", Span("holding", 100, 109)),
        ("coil 5", Span("coil", 5, 5)),
        ("file 4 record 1-2", Span("file 4 record", 1, 2)),
        ("DB10.DBX0.0-7", None),
        ("", None),
        (" 5", None),
        ("holding \u0663", None),
    ],
)
def test_objects_that_name_elements(text: str, expected: Span | None) -> None:
    """A numbered range at the end of an object's text is understood; nothing else is guessed."""
    assert span(text) == expected


# --------------------------------------------------------------------------------- values


def test_values_of_overlapping_ranges_are_one_row_an_element(tmp_path: Path) -> None:
    """Writes by two clients meet in the element; refused ones do not count; points do not add."""
    with plant(tmp_path / "a.db") as store:
        rows = queries.values(store)
        one = queries.values(store, [Filter("object", "holding 102-103")])

    assert [(v.object, v.point, v.reads, v.writes, v.minimum, v.maximum) for v in rows] == [
        ("holding 100", "tap", 0, 8, 1, 1),
        ("holding 101", "tap", 0, 8, 2, 2),
        ("holding 102", "tap", 0, 8, 3, 30),
        ("holding 103", "tap", 0, 9, -77, 4),
    ]
    last = rows[3]
    assert (last.first, last.last, last.first_time, last.last_time) == (4, 4, 10, 80)
    assert (last.last_packet, last.witnesses, last.server) == (7, ("tap2/eth1",), PLC)
    assert one == rows[2:]


@given(
    st.lists(
        st.tuples(
            st.integers(0, 5),
            st.lists(st.integers(-(1 << 63), (1 << 63) - 1), min_size=1, max_size=4),
            st.integers(1, 9),
            st.tuples(st.integers(0, 3), st.integers(0, 9)),
            st.sampled_from(("read", "write")),
        ),
        max_size=6,
    )
)
@settings(max_examples=40, deadline=None)
def test_values_merge_exactly(told: list[tuple[int, list[int], int, tuple[int, int], str]]) -> None:
    """Counts, extremes, first and last of each element are those of all behaviours together."""
    moments = ("first_time", "first_packet", "last_time", "last_packet")
    rows = [
        {
            **dict.fromkeys(("source", "site", "point_group", "place", "server", "device"), ""),
            **dict.fromkeys(("protocol", "space"), "holding"),
            "value_type": 1,
            **dict(zip(moments, (time, packet) * 2, strict=True)),
            **values(*numbers),
            "cls": cls,
            "count": count,
            "first_element": first,
        }
        for first, numbers, count, (time, packet), cls in told
    ]
    expected: dict[int, list[tuple[tuple[int, int], int, int, str]]] = {}
    for first, numbers, count, moment, cls in told:
        for element, number in enumerate(numbers, first):
            expected.setdefault(element, []).append((moment, number, count, cls))

    scopes = {queries._scope(cells): 0 for cells in rows}
    table = queries._merge(queries._expand(rows, scopes))

    assert table.element.tolist() == sorted(expected)
    for at, element in enumerate(sorted(expected)):
        seen = expected[element]
        numbers = [number for _, number, _, _ in seen]
        assert (table.minimum[at], table.maximum[at]) == (min(numbers), max(numbers))
        assert table.first[at] == min(seen, key=lambda one: one[0])[1]
        assert table.last[at] == max(reversed(seen), key=lambda one: one[0])[1]
        assert table.reads[at] == sum(count for _, _, count, cls in seen if cls == "read")
        assert table.writes[at] == sum(count for _, _, count, cls in seen if cls == "write")


# ------------------------------------------------------------------------------- witnesses


def test_within_a_group_nothing_is_summed(tmp_path: Path) -> None:
    """A conversation seen at two points is one row with the numbers of the busier point."""
    with plant(tmp_path / "a.db") as store:
        rows = queries.conversations(store)
        spoken = protocols(store)

    assert [(c.group, c.point, c.witnesses, c.client, c.packets_out) for c in rows] == [
        ("net", "tap", (), HMI, 50),
        ("net", "tap2", ("tap",), EWS, 9),
        ("other", "far", (), EWS, 1),
    ]
    assert [(p.group, p.protocol, p.conversations, p.packets, p.undecoded) for p in spoken] == [
        ("net", "modbus", 2, 99, 3),
        ("other", "modbus", 1, 1, 0),
    ]
    assert (spoken[0].messages, spoken[0].failures) == (8 + 90 + 2 + 3, 3)
    assert spoken[0].operations == (
        *("read_holding_registers", "write_multiple_registers", "write_single_coil"),
        "write_single_register",
    )


def test_rows_of_one_source_are_never_each_others_witness(tmp_path: Path) -> None:
    """Two rows of the same names in one source are both shown: neither is a second view."""
    rows = [conversation(1, 0, HMI, packets_out=4), conversation(1, 1, HMI, packets_out=2)]
    with store_with(tmp_path / "a.db", conversation=rows) as store:
        assert [(c.packets_out, c.witnesses) for c in queries.conversations(store)] == [
            (4, ()),
            (2, ()),
        ]


# --------------------------------------------------------------------------------- filters

FILTERS: list[tuple[list[Filter], list[str]]] = [
    ([Filter("client", "10.10.0.0/16")], [HMI, EWS, EWS]),
    ([Filter("client", "10.10.1.0/24", negated=True)], [EWS, EWS]),
    ([Filter("host", "10.10.1.*")], [HMI]),
    ([Filter("host", PLC), Filter("point", "FAR")], [EWS]),
    ([Filter("vlan", "10")], [EWS]),
    ([Filter("vlan", "")], [HMI, EWS]),
    ([Filter("proto", "Modbus"), Filter("service", "tcp/50_")], []),
    ([Filter("service", "tcp/502", negated=True)], []),
    ([Filter("text", "9.9")], [EWS, EWS]),
    ([Filter("text", "%")], []),
    ([Filter("since", "72")], [HMI]),
    ([Filter("until", "20")], [HMI, EWS]),
]


@pytest.mark.parametrize(("filters", "clients"), FILTERS)
def test_filters(filters: list[Filter], clients: list[str], tmp_path: Path) -> None:
    """Each kind of filter keeps the rows it says, and negated the others."""
    with plant(tmp_path / "a.db") as store:
        assert [c.client for c in queries.conversations(store, filters)] == clients


@pytest.mark.parametrize(
    ("given", "objects"),
    [
        ("holding 105", ["holding 100-109"]),
        ("HOLDING 99-100", ["holding 100-103", "holding 100-109"]),
        ("coil*", ["coil 5"]),
        ("coil 6", []),
    ],
)
def test_an_object_filter_finds_what_overlaps(
    given: str, objects: list[str], tmp_path: Path
) -> None:
    """A range as filter finds every object that shares an element with it."""
    with plant(tmp_path / "a.db") as store:
        found = queries.behaviours(store, [Filter("object", given)])

    assert sorted(b.object for b in found) == objects


@pytest.mark.parametrize("name", queries.FIELDS)
def test_every_field_of_every_query_can_be_asked(name: str, tmp_path: Path) -> None:
    """Each filter that a query offers is understood by the store, both ways round."""
    elsewhere = {"contents": contents.contents, "protocols": protocols}
    query = elsewhere.get(name) or getattr(queries, name)
    with plant(tmp_path / "a.db") as store:
        for field in queries.FIELDS[name]:
            both = [
                query(store, [Filter(field, "7", negated=negated)]) for negated in (False, True)
            ]
            if name not in {"protocols", "devices"}:
                assert len(both[0]) + len(both[1]) >= len(query(store)), field


@pytest.mark.parametrize(
    ("one", "message"),
    [
        (
            Filter("clinet", "x"),
            r"no field 'clinet' to filter by; did you mean 'client'\? \(there are: site, ",
        ),
        (Filter("client", "10.0.0/99"), "client:10.0.0/99 is not a network; write it as 10"),
        (Filter("since", "monday"), "since:monday is not a number"),
        (Filter("since", "9" * 30), "since:9+ is out of range"),
    ],
)
def test_a_filter_that_makes_no_sense_is_told(one: Filter, message: str, tmp_path: Path) -> None:
    """A wrong field or value is one line with what would be right."""
    with store_with(tmp_path / "a.db") as store, pytest.raises(UsageError, match=message):
        queries.conversations(store, [one])


# ------------------------------------------------------------------------------- the others


def test_devices_say_who_asks_and_who_never_answered(tmp_path: Path) -> None:
    """An address is a device with its MACs and parts; group addresses and stand-ins are none."""
    stations = [
        row("station", source=1, number=n, mac=mac, address=address, frames=frames, first_time=3)
        for n, (mac, address, frames) in enumerate(
            [
                ("00:11:22:00:00:01", HMI, 10),
                ("00:11:22:00:00:99", HMI, 2),
                ("00:11:22:00:00:07", "", 5),
                ("01:80:c2:00:00:0e", "", 1),
            ]
        )
    ]
    talks = [
        conversation(1, 0, HMI, first_time=4),
        conversation(1, 1, HMI, "224.0.0.1", protocol="", service="igmp"),
        conversation(1, 2, "many", "255.255.255.255"),
    ]
    with store_with(tmp_path / "a.db", station=stations, conversation=talks) as store:
        rows = queries.devices(store)
        by_mac = queries.devices(store, [Filter("mac", "*:99")])

    assert [(d.address, d.macs, d.packets, d.asks, d.answers, d.clients) for d in rows] == [
        (HMI, ("00:11:22:00:00:01", "00:11:22:00:00:99"), 12, ("igmp", "modbus"), (), 0),
        (PLC, (), 0, (), ("modbus",), 1),
        ("00:11:22:00:00:07", ("00:11:22:00:00:07",), 5, (), (), 0),
    ]
    assert (rows[0].first_time, rows[1].first_time) == (3, 4)
    assert [d.address for d in by_mac] == [HMI]


def test_facts_of_a_device_are_taken_together(tmp_path: Path) -> None:
    """What a device says of itself to two clients is one fact; a rival value is another."""

    def fact(conversation: int, value: str, count: int, first: int, last: int) -> Any:
        return row(
            *("fact",),
            source=1,
            conversation=conversation,
            attribute="vendor",
            value=value,
            protocol="modbus",
            count=count,
            first_time=first,
            last_time=last,
        )

    facts = [fact(0, "ACME", 3, 50, 60), fact(1, "ACME", 1, 40, 55), fact(1, "Umbrella", 1, 9, 9)]
    talks = [conversation(1, 0, HMI), conversation(1, 1, EWS)]
    with store_with(tmp_path / "a.db", fact=facts, conversation=talks) as store:
        rows = queries.facts(store)

    assert [(f.server, f.value, f.count, f.first_time, f.last_time) for f in rows] == [
        (PLC, "ACME", 4, 40, 60),
        (PLC, "Umbrella", 1, 9, 9),
    ]


def test_events_counters_gaps_and_lookups_come_in_order(tmp_path: Path) -> None:
    """Events by time, with what they belong to; lookups without answer first; the rest by name."""
    with plant(tmp_path / "a.db") as store:
        write(
            store,
            event=[
                row("event", source=1, packet=6, time=60, kind="operation", **refers, count=1)
                for refers in ({"conversation": 1, "behaviour": 2},)
            ]
            + [row("event", source=2, packet=1, time=5, kind="first_sight", count=1)],
            counter=[row("counter", source=1, name=n, count=2) for n in ("b", "a")],
            gap=[row("gap", source=1, number=0, kind="drops", packet=3)],
            lookup=[
                row("lookup", source=1, address="10.0.0.9", asked=2),
                row("lookup", source=1, address="10.0.0.8", asked=9, answered=9),
                row("lookup", source=2, address="10.0.0.9", asked=5),
            ],
        )
        events, gaps = queries.events(store), queries.gaps(store)
        counters, lookups = queries.counters(store), queries.lookups(store)
        sources = queries.sources(store, [Filter("group", "net")])

    assert [(e.time, e.point, e.kind, e.client, e.object) for e in events] == [
        (5, "tap2", "first_sight", "", ""),
        (60, "tap", "operation", EWS, "holding 103"),
    ]
    assert [(c.name, c.count) for c in counters] == [("a", 2), ("b", 2)]
    assert [(g.kind, g.packet) for g in gaps] == [("drops", 3)]
    assert [(a.address, a.point, a.witnesses, a.asked) for a in lookups] == [
        ("10.0.0.9", "tap2", ("tap",), 5),
        ("10.0.0.8", "tap", (), 9),
    ]
    assert [(s.point, s.interface, s.packets, s.first_time, s.gaps) for s in sources] == [
        ("tap", "", 1000, 5, 1),
        ("tap2", "eth1", 1000, 5, 0),
    ]


def test_a_histogram_can_be_read(tmp_path: Path) -> None:
    """The histograms of a behaviour come as pairs, by kind."""
    blob = bytes.fromhex("05 0200000000000000 09 0100000000000000")
    with store_with(tmp_path / "a.db", histogram=[(1, 4, "response_us", blob)]) as store:
        assert queries.histogram(store, 1, 4) == {"response_us": [(5, 2), (9, 1)]}
        assert queries.histogram(store, 1, 5) == {}
