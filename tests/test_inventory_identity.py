"""Which addresses are one device, and what people say of it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from inventory_stores import WORD, new_store, of, reasons, say, sets, taken, tap

from otsec.errors import UsageError
from otsec.inventory.assembly import inventory
from otsec.inventory.identity import parts_of
from otsec.inventory.people import said_merge, said_split, said_values
from otsec.inventory.selection import find
from otsec.store import Store

M = [f"00:1b:1b:00:00:{n:02x}" for n in range(16)]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """An empty store."""
    with new_store(tmp_path) as made:
        yield made


# --------------------------------------------------------------------------------- on link


def test_a_card_and_its_address_are_one(store: Store) -> None:
    """A MAC address and the IP address that it carried are one asset, and the reason is told."""
    net = tap(store)
    net.heard(M[1], "10.0.0.1", frames=7)
    net.heard(M[2], "10.0.0.2")
    net.heard(M[2])

    found = taken(net)

    assert sets(found) == [("10.0.0.1", M[1]), ("10.0.0.2", M[2])]
    assert reasons(found.assets[:1]) == [f"{M[1]} carried 7 packets of 10.0.0.1"]
    assert [asset.packets for asset in found.assets] == [7, 20]


@pytest.mark.parametrize(
    ("ips", "reason"),
    [
        (["10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4"], "carries 4 IPv4 addresses"),
        (["10.0.0.1", "172.16.0.1"], "carries addresses of 2 subnets"),
        ([f"2001:db8::{n:x}" for n in range(1, 19)], "carries 18 IPv6 addresses"),
    ],
)
def test_who_carries_others_is_a_router(store: Store, ips: list[str], reason: str) -> None:
    """A MAC address that looks like a router is shown as one, and no address is merged into it."""
    net = tap(store)
    net.heard(M[1], *ips)

    found = taken(net)

    assert len(found.assets) == len(ips) + 1
    router = of(found, M[1])
    assert router.role.role == "router"
    assert reason in router.role.evidence[0]
    behind = of(found, ips[0])
    assert (behind.macs, behind.reach) == ((), "routed")
    assert behind.notes == (f"{ips[0]} is only seen behind {M[1]}",)


@pytest.mark.parametrize("ttl", [63, 126, 29, 250])
def test_who_is_hops_away_has_another_card(store: Store, ttl: int) -> None:
    """The card that carries a single address from behind a router is not the device's."""
    net = tap(store)
    net.heard(M[1], "10.2.0.5", ttl=ttl)
    net.heard(M[2], "10.0.0.2", ttl=64)

    found = taken(net)

    assert of(found, "10.2.0.5").macs == ()
    assert of(found, "10.2.0.5").value("vendor") == ""
    router = of(found, M[1])
    assert router.role.role == "router"
    assert f"passed a router: of 10.2.0.5 with {ttl} hops left" in router.role.evidence[0]
    assert of(found, "10.0.0.2").macs == (M[2],)


@pytest.mark.parametrize("ttl", [0, 1, 4, 30, 32, 60, 64, 100, 128, 255])
def test_who_is_near_has_its_card(store: Store, ttl: int) -> None:
    """What stacks begin with, and what is not to leave the link, is told of the card itself."""
    net = tap(store)
    net.heard(M[1], "10.0.0.5", ttl=ttl)

    assert of(taken(net), "10.0.0.5").macs == (M[1],)


def test_arp_is_surer_than_hops(store: Store) -> None:
    """A card that shows an address by ARP has it, however few hops its packets have left."""
    net = tap(store)
    net.heard(M[1], "10.0.0.5", ttl=63)
    net.says("10.0.0.5", "arp", mac=M[1])

    assert of(taken(net), "10.0.0.5").macs == (M[1],)


@pytest.mark.parametrize("carried", [{}, {"ttl": 63, "frames": 4718}])
def test_who_takes_an_address_by_arp_does_not_get_it(store: Store, carried: dict[str, int]) -> None:
    """An address stays with the card that sends from near, whoever shows it by ARP besides."""
    net = tap(store)
    net.heard(M[1], "10.0.0.18", frames=4, ttl=64)
    net.heard(M[2], "10.0.0.20", ttl=64)
    if carried:
        net.heard(M[2], "10.0.0.18", **carried)
    net.says("10.0.0.18", "arp", mac=M[2], count=50)
    net.says("10.0.0.20", "arp", mac=M[2])

    assert sets(taken(net)) == [("10.0.0.18", M[1]), ("10.0.0.20", M[2])]


def test_addresses_that_arp_shows_are_the_host_s_own(store: Store) -> None:
    """Addresses of two subnets belong to one card if ARP shows both on the link."""
    net = tap(store)
    net.heard(M[1], "10.0.0.1", "172.16.0.1")
    net.shows("10.0.0.1", "172.16.0.1")

    assert sets(taken(net)) == [("10.0.0.1", "172.16.0.1", M[1])]


def test_one_host_may_have_addresses_of_two_subnets(store: Store) -> None:
    """A card has addresses of two subnets whose packets lost no hop; not if two stacks sent them."""
    net = tap(store)
    net.heard(M[1], "192.168.3.250", "192.168.0.250", ttl=64)
    net.heard(M[2], "192.168.11.34", ttl=64)
    net.heard(M[2], "192.168.224.102", ttl=128)

    found = taken(net)

    assert of(found, M[1]).ips == ("192.168.0.250", "192.168.3.250")
    assert of(found, M[1]).role.role == "unknown"
    assert (of(found, M[2]).ips, of(found, M[2]).role.role) == ((), "router")


def test_no_host_asks_itself_by_wire(store: Store) -> None:
    """Two addresses of one card that talk to each other are two devices behind a proxy."""
    net = tap(store)
    net.heard(M[1], "10.0.0.1", "10.0.0.2")
    net.talks("10.0.0.1", "10.0.0.2", "opcua")

    found = taken(net)

    assert sets(found) == [("10.0.0.1",), ("10.0.0.2",), (M[1],)]
    assert of(found, M[1]).role.evidence == (
        f"{M[1]} carries both sides of what is said between 10.0.0.1 and 10.0.0.2, as a proxy does",
    )


def test_an_address_that_went_on_to_another_card_makes_no_proxy(store: Store) -> None:
    """Who talks to an address that was his before, and is another card's now, has a card still."""
    net = tap(store)
    net.heard(M[1], "10.0.0.1", frames=50)
    net.heard(M[1], "10.0.0.2", frames=9)
    net.heard(M[2], "10.0.0.2", frames=90)
    net.talks("10.0.0.1", "10.0.0.2", "opcua")

    assert of(taken(net), "10.0.0.1").macs == (M[1],)


def test_a_card_that_carries_another_s_address(store: Store) -> None:
    """An address belongs to the card that carried it most; the other one forwards."""
    net = tap(store)
    net.heard(M[1], "10.0.0.1", frames=900)
    net.heard(M[2], "10.0.0.1", frames=3)
    net.heard(M[2], "10.0.0.2", frames=50)

    found = taken(net)

    assert sets(found) == [("10.0.0.1", M[1]), ("10.0.0.2", M[2])]
    assert of(found, M[2]).role.evidence == (
        f"{M[2]} carries 10.0.0.1 besides, which other MAC addresses have, as a router does",
    )


def test_who_answers_arp_for_others_is_a_proxy(store: Store) -> None:
    """A card that shows itself by ARP as many addresses is shown as such, not merged with them."""
    net = tap(store)
    net.heard(M[1])
    for n in range(1, 6):
        net.says(f"10.0.0.{n}", "arp", mac=M[1])

    found = taken(net)

    assert len(found.assets) == 6
    (evidence,) = of(found, M[1]).role.evidence
    assert evidence.startswith(f"{M[1]} shows itself by ARP as 5 addresses (10.0.0.1, ")
    assert evidence.endswith("as a proxy does")


def test_who_gets_another_address_each_day_is_one_device(store: Store) -> None:
    """However many addresses a card was given by DHCP, it is one device and no router."""
    net = tap(store)
    ips = [f"10.0.0.{number}" for number in range(101, 113)]
    for day, ip in enumerate(ips):
        net.heard(M[1], ip, at=day * 86_400)
        net.says(M[1], "dhcp", at=day * 86_400, ip_address=ip)
        net.says(ip, "arp", at=day * 86_400, mac=M[1])

    found = taken(net)

    assert len(found.assets) == 1
    assert (found.assets[0].ips, found.assets[0].role.role) == (tuple(ips), "unknown")


def test_a_virtual_router_has_no_address(store: Store) -> None:
    """The MAC address that routers pass on among themselves is no card of a host."""
    net = tap(store)
    net.heard("00:00:5e:00:01:07", "10.0.0.1")

    assert sets(taken(net)) == [("10.0.0.1",), ("00:00:5e:00:01:07",)]


def test_arp_alone_binds(store: Store) -> None:
    """A device that only speaks ARP is known with both of its addresses."""
    net = tap(store)
    net.heard(M[1])
    net.says("10.0.0.1", "arp", mac=M[1])

    found = taken(net)

    assert sets(found) == [("10.0.0.1", M[1])]
    assert reasons(found.assets) == [f"{M[1]} shows itself by ARP as 10.0.0.1"]


def test_group_addresses_are_nobody(store: Store) -> None:
    """Who has no address yet is known by its MAC address; group addresses are no assets."""
    net = tap(store)
    net.heard(M[1], "0.0.0.0")  # noqa: S104 - who asks for an address has none
    net.heard("01:80:c2:00:00:00", "224.0.0.1")

    assert sets(taken(net)) == [(M[1],)]


# ------------------------------------------------------------------------- between places


def test_a_routed_address_belongs_where_it_is_on_link(store: Store) -> None:
    """An address seen behind a router is the asset that has it on link in the group."""
    net = tap(store)
    net.heard(M[1], "10.0.0.1", place="10")
    net.heard(M[9], "10.0.0.1", "10.1.0.1", "10.2.0.1", "10.3.0.1", place="20")

    found = taken(net)

    asset = of(found, M[1])
    assert [(one.text, one.node.place) for one in asset.addresses] == [
        ("10.0.0.1", "10"),
        (M[1], "10"),
        ("10.0.0.1", "20"),
    ]
    assert f"seen behind {M[9]}" in asset.joins[-1].reason


def test_not_if_two_have_it_on_link(store: Store) -> None:
    """The same address on link in two VLANs is two assets, and what is routed is neither."""
    net = tap(store)
    net.heard(M[1], "10.0.0.1", place="10")
    net.heard(M[2], "10.0.0.1", place="11")
    net.heard(M[9], "10.0.0.1", "10.1.0.1", "10.2.0.1", "10.3.0.1", place="20")

    found = taken(net)

    assert [one for one in sets(found) if "10.0.0.1" in one] == [
        ("10.0.0.1", M[1]),
        ("10.0.0.1", M[2]),
        ("10.0.0.1",),
    ]
    assert len({asset.name for asset in found.assets}) == len(found.assets)


def test_groups_are_apart_until_a_fact_joins_them(store: Store) -> None:
    """The same addresses in two groups are two assets; the same serial number makes them one."""
    taps = [tap(store, group) for group in ("east", "west")]
    for one in taps:
        one.heard(M[1], "10.0.0.1")
        one.heard(M[2], "10.0.0.2")
        one.says("10.0.0.2", "enip", vendor_id="1", serial="0x00524d8e")

    found = taken(*taps)

    assert [asset.groups for asset in found.assets] == [("east",), ("east", "west"), ("west",)]
    assert "the same serial number 0x00524d8e of enip 1" in reasons(found.assets)


@pytest.mark.parametrize("serials", [("0x00524d8e", "0x00524d8f"), ("0x00000000", "0x00000000")])
def test_no_serial_number_joins(store: Store, serials: tuple[str, str]) -> None:
    """Different serial numbers, and such as no device has, join nothing."""
    taps = [tap(store, group) for group in ("east", "west")]
    for one, serial in zip(taps, serials, strict=True):
        one.heard(M[1], "10.0.0.1")
        one.says("10.0.0.1", "enip", vendor_id="1", serial=serial)

    assert len(taken(*taps).assets) == 2


def test_copies_of_one_image_stay_apart(store: Store) -> None:
    """A serial number that many cards of one group bear identifies none of them."""
    net = tap(store)
    for n in range(1, 7):
        net.heard(M[n], f"10.0.0.{n}")
        net.says(f"10.0.0.{n}", "s7comm", serial="S C-C2UR28922012")

    assert len(taken(net).assets) == 6


def test_two_adapters_of_one_rack(store: Store) -> None:
    """Two addresses that lead to one controller in its slot are one rack; units join nothing."""
    net = tap(store)
    for n in (1, 2):
        net.heard(M[n], f"10.0.0.{n}")
        net.says(f"10.0.0.{n}", "enip", device="slot 0", vendor_id="1", serial="0x00b0c0d0")
        net.heard(M[n + 2], f"10.0.0.{n + 2}")
        net.says(f"10.0.0.{n + 2}", "modbus", device="unit 3", serial="X4711")

    found = taken(net)

    assert len(found.assets) == 3
    assert [module.device for module in of(found, "10.0.0.1").modules] == ["slot 0"]


def test_a_client_gives_its_own_serial_number(store: Store) -> None:
    """Who opens a connection with the serial number of a device is that device."""
    net = tap(store)
    net.heard(M[1], "10.0.0.1")
    net.heard(M[2], "10.0.0.2")
    net.says("10.0.0.1", "enip", vendor_id="1", serial="0x00524d8e")
    net.says("10.0.0.2", "enip", originator_vendor_id="1", originator_serial="0x00524d8e")

    assert len(taken(net).assets) == 1


def test_station_name_and_order_number(store: Store) -> None:
    """They join between places; two in one place are two devices, one of them misnamed."""
    net = tap(store)
    for n, place in ((1, "10"), (2, "20")):
        net.heard(M[n], place=place)
        net.says(M[n], "profinet", place=place, name="x208-bord", order_number="6GK5 208")
    for n in (3, 4):
        net.heard(M[n])
        net.says(M[n], "profinet", name="twin", order_number="6GK5 208")

    assert sets(taken(net)) == [(M[3],), (M[4],), (M[1], M[2])]


def test_what_a_device_says_of_its_addresses(store: Store) -> None:
    """A station that tells its IP address has it, and a new one makes it no other asset."""
    net = tap(store)
    net.heard(M[1])
    net.says(M[1], "profinet", name="x208-bord", ip_address="192.168.0.6", at=1, until=2)
    net.says(M[1], "profinet", ip_address="192.168.0.10", at=5, until=6)

    (asset,) = taken(net).assets

    assert asset.ips == ("192.168.0.6", "192.168.0.10")
    assert [(one.before, one.after, one.seen.packet) for one in asset.changes] == [
        ("192.168.0.6", "192.168.0.10", 5)
    ]
    assert asset.name == "x208-bord"


def test_who_tells_many_addresses_has_none(store: Store) -> None:
    """A management system that names many addresses is not merged with them."""
    net = tap(store)
    net.heard(M[0])
    for n in range(1, 6):
        net.heard(M[n], f"10.0.0.{n}")
        net.says(M[0], "lldp", ip_address=f"10.0.0.{n}")

    assert len(taken(net).assets) == 6


def test_nobody_takes_another_s_address_by_saying_so(store: Store) -> None:
    """A card of another maker that claims an address is not merged with it; the claim is told."""
    net = tap(store)
    net.heard(M[1], "10.0.0.1")
    net.heard("00:0c:29:00:00:01")
    net.says("00:0c:29:00:00:01", "lldp", ip_address="10.0.0.1")

    found = taken(net)

    assert sets(found) == [("10.0.0.1", M[1]), ("00:0c:29:00:00:01",)]
    assert of(found, "00:0c:29:00:00:01").notes == (
        (
            "00:0c:29:00:00:01 and 10.0.0.1 are kept apart although "
            "lldp tells of 00:0c:29:00:00:01: ip_address 10.0.0.1"
        ),
    )


def test_a_lease_gives_nothing_away(store: Store) -> None:
    """An address that DHCP gave out and that another card uses now stays with that card."""
    net = tap(store)
    net.heard(M[1])
    net.heard(M[2], "10.0.0.5")
    net.says(M[1], "dhcp", ip_address="10.0.0.5")

    assert sets(taken(net)) == [("10.0.0.5", M[2]), (M[1],)]


# ------------------------------------------------------------------------- whole captures


def _plant(store: Store, group: str, serial: int) -> None:
    """A small plant, as it would be recorded by one tap."""
    net = tap(store, group)
    for n in range(1, 5):
        net.heard(M[n], f"10.0.0.{n}")
        net.says(
            f"10.0.0.{n}",
            "s7comm",
            name=f"press {n}",
            order_number="6ES7 315-2EH14-0AB0",
            serial=f"S C-{serial + n}",
        )
    net.talks("10.0.0.4", "10.0.0.1", "s7comm", "tcp/102")
    net.write()


def test_plants_that_differ_in_serial_numbers(store: Store) -> None:
    """Four recordings that differ only in serial numbers give four inventories."""
    for n in range(4):
        _plant(store, f"line {n}", 1000 * n)

    found = inventory(store)

    assert len(found.assets) == 16
    assert {len(asset.groups) for asset in found.assets} == {1}


def test_one_plant_as_two_groups_counts_in_both(store: Store) -> None:
    """The same recording as two groups gives the same devices, each seen in both."""
    for group in ("east", "west"):
        _plant(store, group, 0)

    found = inventory(store)

    assert [asset.groups for asset in found.assets] == [("east", "west")] * 4


def test_two_points_of_a_group_double_nothing(store: Store) -> None:
    """What two points of a group saw is one device with the counts of the point that saw most."""
    east, west = tap(store, "net", "east"), tap(store, "net", "west")
    for net, frames in ((east, 100), (west, 70)):
        net.heard(M[1], "10.0.0.1", frames=frames)
        net.heard(M[2], "10.0.0.2", frames=frames)
        net.talks("10.0.0.2", "10.0.0.1", "modbus", "tcp/502", packets_out=frames)
        net.says("10.0.0.1", "modbus", vendor="ACME", count=frames)

    found = taken(east, west)

    asset = of(found, "10.0.0.1")
    vendor = asset.best("vendor")
    assert vendor is not None
    assert (asset.packets, len(asset.talks), asset.talks[0].packets_out) == (100, 1, 100)
    assert (vendor.times, vendor.last.source, vendor.witnesses) == (100, "east", ("west",))


def test_the_id_survives_new_captures(store: Store) -> None:
    """An id finds its asset also when the device shows a smaller address later."""
    first = tap(store, point="first")
    first.heard(M[1])
    before = taken(first).assets[0].id
    second = tap(store, point="second")
    second.heard(M[1], "10.0.0.1")

    found = taken(second)

    assert find(found, before).addresses[0].text == "10.0.0.1"


# ---------------------------------------------------------------------------------- people


def test_people_merge_and_split(store: Store) -> None:
    """A merge joins what nothing else joins, a split parts it again, and the last word holds."""
    net = tap(store)
    net.heard(M[1], "10.0.0.1")
    net.heard(M[2], "10.0.0.2")
    found = taken(net)
    one, two = found.assets

    found = say(store, said_merge(one, two, WORD))
    assert sets(found) == [("10.0.0.1", "10.0.0.2", M[1], M[2])]
    assert "merge by ann: walked the hall" in reasons(found.assets)

    found = say(store, said_split(found.assets[0], "10.0.0.2", WORD))
    assert sets(found) == [("10.0.0.1", M[1]), ("10.0.0.2", M[2])]

    found = say(store, said_merge(*found.assets, WORD))
    assert len(found.assets) == 1


def test_a_split_wins_over_what_packets_say(store: Store) -> None:
    """What a person split stays apart when more is captured, and the reason to join is told."""
    net = tap(store)
    net.heard(M[1], "10.0.0.1", "10.0.0.2")
    found = say(store, said_split(taken(net).assets[0], "10.0.0.2", WORD))
    assert sets(found) == [("10.0.0.1", M[1]), ("10.0.0.2",)]

    later = tap(store, point="later")
    later.heard(M[1], "10.0.0.1", "10.0.0.2", frames=5000)
    found = taken(later)

    assert sets(found) == [("10.0.0.1", M[1]), ("10.0.0.2",)]
    assert any("are kept apart although" in note for asset in found.assets for note in asset.notes)


def test_what_people_set_follows_the_device(store: Store) -> None:
    """What was said of an asset holds for the asset that has its address now."""
    net = tap(store)
    net.heard(M[1])
    found = say(store, *said_values(taken(net).assets[0], {"owner": "Eve", "role": "hmi"}, WORD))
    assert (found.assets[0].role.role, found.assets[0].role.confidence) == ("hmi", 1.0)

    later = tap(store, point="later")
    later.heard(M[1], "10.0.0.1")
    (asset,) = taken(later).assets

    assert asset.value("owner") == "Eve"
    assert [(act.who, act.before, act.after) for act in asset.acts] == [
        ("ann", "", "Eve"),
        ("ann", "unknown", "hmi"),
    ]


def test_a_word_is_taken_back(store: Store) -> None:
    """An empty value takes a person's word back, and what packets say holds again."""
    net = tap(store)
    net.heard(M[1], "10.0.0.1")
    net.says("10.0.0.1", "modbus", vendor="ACME")
    found = say(store, *said_values(taken(net).assets[0], {"vendor": "Other"}, WORD))
    assert found.assets[0].value("vendor") == "Other"

    found = say(store, *said_values(found.assets[0], {"vendor": ""}, WORD))

    assert found.assets[0].value("vendor") == "ACME"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("10.0.0.9", "no asset '10.0.0.9'"),
        ("press", "is the name or address of 2 assets; say one id"),
    ],
)
def test_names_that_name_no_one_asset(store: Store, name: str, message: str) -> None:
    """A name that nobody or that several have is refused with what to say instead."""
    net = tap(store)
    for n in (1, 2):
        net.heard(M[n], f"10.0.0.{n}")
        net.says(f"10.0.0.{n}", "s7comm", name="press")
    found = taken(net)

    with pytest.raises(UsageError, match=message):
        find(found, name)
    assert {asset.name for asset in found.assets} == {"press (10.0.0.1)", "press (10.0.0.2)"}


# -------------------------------------------------------------------------------- anything

ADDRESS = st.sampled_from([*(f"10.0.{n}.{m}" for n in (0, 1) for m in (1, 2, 3)), "fe80::1", ""])
TEXT = st.sampled_from([*M[:4], "10.0.0.1", "10.0.1.2", "S 1234", "=1+1", "\x1b[2J", "  "])
STATION = st.tuples(st.sampled_from(M[:4]), ADDRESS, st.sampled_from(["", "10"]))
FACT = st.tuples(
    st.sampled_from([*M[:4], "10.0.0.1", "10.0.1.1", "fe80::1"]),
    st.sampled_from(["arp", "dhcp", "enip", "lldp", "s7comm"]),
    st.sampled_from(
        ["ip_address", "mac", "name", "order_number", "role_hint", "serial", "vendor_id"]
    ),
    TEXT,
    st.sampled_from(["", "slot 1", "unit 3", "unknown"]),
)


@settings(max_examples=40, deadline=None)
@given(stations=st.lists(STATION, max_size=12), facts=st.lists(FACT, max_size=20))
def test_every_address_is_in_one_asset(
    tmp_path_factory: pytest.TempPathFactory,
    stations: list[tuple[str, str, str]],
    facts: list[tuple[str, str, str, str, str]],
) -> None:
    """Whatever packets say, each address is in exactly one asset, and names are distinct."""
    with new_store(tmp_path_factory.mktemp("any")) as store:
        net = tap(store)
        for mac, ip, place in dict.fromkeys(stations):
            net.heard(mac, *([ip] if ip else []), place=place)
        for about, protocol, attribute, value, device in dict.fromkeys(facts):
            net.says(about, protocol, device=device, **{attribute: value})
        found = taken(net)

    nodes = [one.node for asset in found.assets for one in asset.addresses]
    assert sorted(nodes) == sorted(found.by_node)
    assert len({asset.name for asset in found.assets}) == len(found.assets)
    assert {mac for mac, _, _ in stations} <= {node.address for node in nodes}
    for asset in found.assets:
        assert len(asset.joins) == len(asset.addresses) - 1


ACT = st.tuples(st.booleans(), st.integers(1, 4), st.integers(1, 4))


@settings(max_examples=20, deadline=None)
@given(said=st.lists(ACT, min_size=1, max_size=8))
def test_the_last_word_of_people_holds(
    tmp_path_factory: pytest.TempPathFactory, said: list[tuple[bool, int, int]]
) -> None:
    """Whatever was merged and split before, what is said last is so, and the rest stays together."""
    with new_store(tmp_path_factory.mktemp("any")) as store:
        net = tap(store)
        for n in range(1, 5):
            net.heard(M[n], f"10.0.0.{n}")
        found = taken(net)
        for merges, one, other in said:
            asset, second = of(found, f"10.0.0.{one}"), of(found, f"10.0.0.{other}")
            if merges and asset.id != second.id:
                found = say(store, said_merge(asset, second, WORD))
                assert of(found, f"10.0.0.{one}").id == of(found, f"10.0.0.{other}").id
            elif not merges and len(asset.addresses) > 1:
                act = said_split(asset, f"10.0.0.{one}", WORD)
                found = say(store, act)
                rest, gone = parts_of(act.after)
                assert {found.by_node[node] for node in rest} == {found.by_node[rest[0]]}
                assert {found.by_node[node] for node in gone} == {found.by_node[gone[0]]}
                assert found.by_node[rest[0]] != found.by_node[gone[0]]
    assert len(found.by_node) == 8
