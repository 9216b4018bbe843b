"""The summary's sums in SQL say what the listings say, row by row, for one source and for many."""

import sqlite3
import time
from collections import Counter
from pathlib import Path

import pytest
from conftest import ROOT
from engine_runs import analyse
from store_rows import row, store_with

from otsec.health.services import INDUSTRIAL
from otsec.store import Store, checks, open_store, overview, queries, spoken
from otsec.store.overview import Here
from otsec.store.queries import Filter
from otsec.store.selects import device_sql
from otsec.store.spoken import protocols

MODBUS = ROOT / "pcaps" / "modbus"
SERVICES = tuple(INDUSTRIAL)
MOST = 1000


@pytest.fixture(scope="module", params=["one", "many"])
def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of one source, or of all captures of Modbus, whose sources are one group."""
    path = tmp_path_factory.mktemp("overview") / "x.db"
    found = sorted(MODBUS.glob("*.pcap"))
    analyse([MODBUS / "gateway_units.pcap"] if request.param == "one" else found, path, point=None)
    return path


@pytest.fixture
def store(site: Path) -> Store:
    """The store of the site."""
    return open_store(site, readonly=True)


def test_conversations(store: Store) -> None:
    """All conversations are counted, and told as the listing tells them, with their witnesses."""
    with store:
        listed = queries.conversations(store, [Filter("site", "site")])
        found = overview.busiest(Here.of(store, "site"), SERVICES, MOST)

    assert found.total == len(listed)
    assert Counter(found.first) == Counter(listed)
    assert [bool(one.protocol) for one in found.first] == sorted(
        (bool(one.protocol) for one in listed), reverse=True
    )


def test_writers(store: Store) -> None:
    """The same writers as in the listing, with whom each shares an object, second ones first."""
    with store:
        listed = queries.writers(store, [Filter("site", "site")])
        found = overview.writes(Here.of(store, "site"), MOST)

    assert (found.total, found.second) == (len(listed), sum(one.second_writer for one in listed))
    assert found.first == listed


def test_few_writers_are_the_second_ones(tmp_path: Path) -> None:
    """Of a long list second writers are kept, though others write more often."""
    analyse([MODBUS / "write_from_new_host.pcap"], tmp_path / "x.db")
    with open_store(tmp_path / "x.db", readonly=True) as store:
        found = overview.writes(Here.of(store, "site"), 2)

    assert found.total > 2
    assert [one.second_writer for one in found.first] == [True, False]


def test_doings(store: Store) -> None:
    """What is read, written and failed between two adds up to what the listing has of them."""
    with store:
        listed = queries.behaviours(store, [Filter("site", "site")])
        here = Here.of(store, "site")
        found = overview.doings(here, MOST)
        objects = overview.objects(here, found.first, MOST)
        reasons = overview.failures(here, found.first, MOST)
    told = {(one.place, one.client, one.server, one.protocol): one for one in found.first}

    assert found.total == len(told)
    assert told.keys() == {(one.place, one.client, one.server, one.protocol) for one in listed}
    for at, (key, one) in enumerate(told.items()):
        mine = [b for b in listed if (b.place, b.client, b.server, b.protocol) == key]
        failed = [b for b in mine if b.outcome not in overview.GOOD_OUTCOMES]
        assert one.reads == sum(b.count for b in mine if b.cls == "read")
        assert one.writes == sum(b.count for b in mine if b.cls in queries.WRITING)
        assert one.reads + one.writes + one.others == sum(b.count for b in mine)
        assert one.failed == sum(b.count for b in failed)
        assert one.devices == len({b.device for b in mine if b.device})
        deeds = {
            f"{b.operation} {b.object}".strip() if b.cls in overview.GRAVE else b.object
            for b in mine
        }
        assert set(objects[at]) == deeds - {""}
        assert one.objects == len(objects[at])
        assert set(reasons[at]) == {b.outcome for b in failed}


def test_devices(store: Store) -> None:
    """Every device that sent is told once, with its packets, partners, protocols and MACs."""
    with store:
        listed = queries.devices(store, [Filter("site", "site")])
        here = Here.of(store, "site")
        found = overview.hosts(here, SERVICES, MOST)
        natures = overview.natures(here, found.first, SERVICES, MOST)
    by_ip = {one.address: one for one in listed if one.address not in one.macs}
    heard = {address: one for address, one in by_ip.items() if one.packets}

    assert (found.heard, found.addressed) == (len(heard), len(by_ip) - len(heard))
    for host, nature in zip(found.first, natures, strict=True):
        one = heard.pop(host.address)
        assert (host.packets, nature.macs) == (one.packets, one.macs)
        assert set(nature.answers.words) == set(one.answers)
        assert set(nature.asks.words) == set(one.asks)
        assert (nature.answers.others, nature.asks.others) == (one.clients, one.servers)
    assert not heard


def test_unread(store: Store) -> None:
    """Payload and what of it was not decoded are those of the protocols' listing."""
    with store:
        listed = protocols(store, [Filter("site", "site")])
        found = overview.unread(Here.of(store, "site"), MOST)

    assert found.payload == sum(one.payload for one in listed)
    assert found.undecoded == sum(one.undecoded for one in listed)
    assert sum(one.undecoded for one in found.first) == found.undecoded


def test_empty_site(store: Store) -> None:
    """Of a site that the store does not know there is nothing, and nothing fails."""
    with store:
        here = Here.of(store, "elsewhere")
        assert overview.busiest(here, SERVICES, 8).first == []
        assert overview.doings(here, 8) == (0, [])
        assert overview.writes(here, 8) == (0, 0, [])
        assert overview.unread(here, 8) == (0, 0, 0, ())
        assert overview.hosts(here, SERVICES, 8) == (0, 0, 0, [])
        assert overview.problems(here, 8) == (0, [])


def test_addresses_of_devices() -> None:
    """SQL and Python agree on which addresses can be of one device."""
    addresses = [
        *("10.0.0.1", "1.2.3.4", "0.0.0.0", "255.255.255.255", "223.1.1.1", "224.0.0.1"),  # noqa: S104
        *("239.255.255.250", "240.0.0.1", "2.240.1.1", "192.168.1.255", "22.4.1.1", "", "many"),
        *("::", "::1", "fe80::1", "ff02::1", "fd00::1", "2001:db8::22:33", "1::1", "127.0.0.1"),
        *("00:11:22:33:44:55", "01:00:5e:00:00:01", "ff:ff:ff:ff:ff:ff", "1b:00:00:00:00:01"),
    ]
    places = ", ".join(["(?)"] * len(addresses))
    connection = sqlite3.connect(":memory:")
    rows = connection.execute(
        f"SELECT column1, {device_sql('column1')} FROM (VALUES {places})",  # noqa: S608 - marks
        addresses,
    ).fetchall()
    connection.close()

    assert [(address, bool(told)) for address, told in rows] == [
        (address, queries.is_device(address)) for address in addresses
    ]


def test_arp_is_decoded(tmp_path: Path) -> None:
    """The payload of ARP is read into look-ups, so no listing counts it as undecoded."""
    with store_with(
        tmp_path / "x.db",
        conversation=[
            row("conversation", source=1, number=number, kind=2, client="00:00:00:00:00:01",
                server="ff:ff:ff:ff:ff:ff", service=service, payload_out=46, undecoded_out=46)
            for number, service in enumerate(("0x0806", "0x88b8"))
        ],
    ) as store:  # fmt: skip
        (spoken,) = protocols(store)
        talks = queries.conversations(store)
        unread = overview.unread(Here.of(store, "plant"), 8)

    assert (spoken.payload, spoken.undecoded) == (92, 46)
    assert {one.service: one.undecoded_out for one in talks} == {"0x0806": 0, "0x88b8": 46}
    assert (unread.payload, unread.undecoded, unread.short) == (92, 46, 1)


def test_torn_by_tags(tmp_path: Path) -> None:
    """One way with a tag and back without is torn; both ways in each of two VLANs is not."""
    way = {"kind": 4, "service": "tcp/502", "client": "10.0.0.1", "server": "10.0.0.2"}
    with store_with(
        tmp_path / "x.db",
        conversation=[
            row("conversation", source=1, number=0, place="20", packets_out=3, payload_out=9, **way),
            row("conversation", source=1, number=1, packets_in=3, payload_in=9, **way),
            *(
                row("conversation", source=1, number=number, place=place, packets_out=1,
                    packets_in=1, **{**way, "client": "10.0.0.3"})
                for number, place in ((2, ""), (3, "20"))
            ),
        ],
    ) as store:  # fmt: skip
        assert checks.torn(store, 1) == (1, 2, "10.0.0.1", "10.0.0.2", "tcp/502")


def test_floods_take_time_in_proportion(tmp_path: Path) -> None:
    """Four times the forged MACs, addresses and look-ups take no sixteen times the time."""
    took = []
    for count in (2_000, 8_000):
        ends = [f"{n >> 8:02x}:{n & 255:02x}" for n in range(count)]
        with store_with(
            tmp_path / f"{count}.db",
            station=[
                *(row("station", source=1, number=n, mac=f"00:00:00:00:{end}", frames=1)
                  for n, end in enumerate(ends)),
                *(row("station", source=1, number=count + n, mac=f"00:00:00:01:{end}", frames=1,
                      address=f"10.0.{n >> 8}.{n & 255}") for n, end in enumerate(ends)),
            ],
            lookup=[
                row("lookup", source=1, address=f"10.9.{n >> 8}.{n & 255}", asked=1)
                for n in range(count)
            ],
        ) as store:  # fmt: skip
            begin = time.process_time()
            assert checks.silent(store, 1, 3).heard == 0
            found = overview.hosts(Here.of(store, "plant"), SERVICES, 8)
            took.append(time.process_time() - begin)
        assert (found.heard, found.by_mac) == (count, count)

    assert took[1] < 10 * took[0]


def test_sums_of_the_database_are_those_of_the_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Protocols are the same whether the database sums their rows or each row is looked at."""
    path = tmp_path / "plant.db"
    analyse([ROOT / "pcaps" / "plant" / "ten_minutes.pcap"], path, point=None)
    asked: list[list[Filter]] = [[], [Filter("proto", "mod*")], [Filter("host", "10.20.1.0/26")]]
    with open_store(path, readonly=True) as store:
        summed = [protocols(store, filters) for filters in asked]
        monkeypatch.setattr(spoken, "_alone", lambda _: False)
        assert summed == [protocols(store, filters) for filters in asked]
    assert len(summed[0]) > len(summed[2]) > len(summed[1])
