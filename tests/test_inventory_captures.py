"""What must come out of real captures, each with the packet that shows it."""

from collections.abc import Callable
from pathlib import Path

import pytest

from otsec.cli import main
from otsec.errors import Exit
from otsec.inventory.assembly import Inventory, inventory
from otsec.inventory.model import Asset
from otsec.store import open_store

Taken = Callable[..., Inventory]


@pytest.fixture
def taken(captures: Path, tmp_path: Path) -> Taken:
    """The inventory of shared captures, each analysed as a point of the group named."""

    def run(name: str, *points: str) -> Inventory:
        db = tmp_path / "captures.db"
        for point in points or ("tap",):
            words = ["analyze", str(captures / name), "--db", str(db), "--point", point, "-q"]
            assert main(words) in {Exit.FINE, Exit.INPUT}
        with open_store(db, readonly=True) as store:
            return inventory(store)

    return run


def of(found: Inventory, address: str) -> Asset:
    """The only asset with an address."""
    (asset,) = [one for one in found.assets if address in (*one.ips, *one.macs)]
    return asset


def told(asset: Asset, *attributes: str) -> list[tuple[str, int]]:
    """Best values with the packet that shows each first."""
    found = [asset.best(attribute) for attribute in attributes]
    return [(one.value, one.first.packet) for one in found if one is not None]


def test_s7_controller(taken: Taken) -> None:
    """Order number, module, name and serial number, of client and server on one address."""
    (asset,) = taken("s7comm/icsnpp-s7comm__s7ident.pcap").assets

    assert told(asset, "order_number", "product_name", "name", "serial") == [
        ("6ES7 315-2EH14-0AB0", 10),
        ("CPU 315-2 PN/DP", 12),
        ("SNAP7-SERVER", 12),
        ("S C-C2UR28922012", 12),
    ]
    assert (asset.ips, asset.value("vendor"), asset.level) == (("172.17.0.2",), "Siemens", 1)
    assert (asset.role.role, asset.role.confidence >= 0.8) == ("plc", True)


def test_cip_adapter(taken: Taken) -> None:
    """The adapter at 10.1.1.164 with its serial number; the card that carries it is a router's."""
    found = taken("enip-cip/icsnpp-enip__enip_cip_example.pcap")
    asset = of(found, "10.1.1.164")

    assert told(asset, "product_name", "serial") == [("1756-ENBT/A", 371), ("0x00524d8e", 371)]
    vendors = [one.value for one in asset.known if one.attribute == "vendor"]
    assert vendors == ["Rockwell Automation/Allen-Bradley"]
    router = of(found, "00:19:07:24:3c:ca")
    assert (router.role.role, router.value("vendor")) == ("router", "Cisco Systems, Inc")
    assert "passed a router: of 10.1.1.164 with 52 hops left" in router.role.evidence[0]


def test_station_that_moves(taken: Taken) -> None:
    """A station whose address is set anew is one asset, and the change is history."""
    asset = of(taken("profinet/iti__ChangeIPUsingDCP.pcap"), "192.168.0.10")

    assert asset.name == "X208-BORD"
    assert asset.ips == ("192.168.0.6", "192.168.0.10")
    assert [(one.before, one.after, one.seen.packet) for one in asset.changes] == [
        ("192.168.0.6", "192.168.0.10", 3)
    ]


WESTERMO = "labelled-switched-network/westermo-2023-right-tap-reduced.pcap"


def test_switched_network(taken: Taken) -> None:
    """Nothing industrial; an address that answers for four others is no device with four."""
    found = taken(WESTERMO)

    spoken = {word for asset in found.assets for word in (*asset.answers, *asset.asks)}
    assert not spoken & {"enip", "modbus", "s7comm"}
    proxy = of(found, "00:07:7c:29:de:61")
    (router,) = [guess for guess in proxy.guesses if guess.role == "router"]
    assert "as a proxy does" in router.evidence[0]
    assert proxy.ips == ()
    behind = [f"198.18.134.{n}" for n in (4, 41, 45, 48)]
    assert len({of(found, ip).id for ip in behind}) == 4


def test_switches_tell_their_system(taken: Taken) -> None:
    """Both switches are known with their WeOS version, and with the cards of their ports."""
    found = taken(WESTERMO)

    switches = [of(found, f"00:07:7c:29:de:{byte}") for byte in ("40", "60")]
    assert [one.role.role for one in switches] == ["switch", "switch"]
    assert [one.name for one in switches] == ["filler", "right"]
    assert ["00:07:7c:29:de:46" in switches[0].macs, "00:07:7c:29:de:63" in switches[1].macs] == [
        True,
        True,
    ]
    assert ["WeOS v4.29.0" in one.value("description") for one in switches] == [True, True]


def test_two_points_of_one_group(taken: Taken) -> None:
    """A capture recorded twice within a group is one inventory with the counts of one."""
    name = "enip-cip/icsnpp-enip__enip_cip_example.pcap"
    once = taken(name)
    twice = taken(name, "tap", "other tap")

    def counts(found: Inventory) -> list[object]:
        return [
            (one.id, one.packets, [talk.packets_out for talk in one.talks]) for one in found.assets
        ]

    assert counts(once) == counts(twice)


def test_plants_that_differ_in_serial_numbers(captures: Path, tmp_path: Path) -> None:
    """Captures that differ only in serial numbers are four devices, the same one in two groups one."""
    serial = b"S C-C2UR2892201"
    capture = (captures / "s7comm" / "icsnpp-s7comm__s7ident.pcap").read_bytes()
    assert serial in capture
    (tmp_path / "otsec.yaml").write_text(
        "points:\n" + "".join(f"  line{n}: {{group: hall{n}}}\n" for n in range(5)), "utf-8"
    )
    for n in range(5):
        text = capture.replace(serial, serial[:-1] + b"%d" % min(n, 3))  # the last two are the same
        (tmp_path / f"{n}.pcap").write_bytes(text)
        words = [
            "analyze",
            tmp_path / f"{n}.pcap",
            "--db",
            tmp_path / "a.db",
            "--point",
            f"line{n}",
        ]
        assert main([*map(str, words), "-q", "--config", str(tmp_path / "otsec.yaml")]) == Exit.FINE

    with open_store(tmp_path / "a.db", readonly=True) as store:
        found = inventory(store)

    assert [asset.groups for asset in found.assets] == [
        ("hall0",),
        ("hall1",),
        ("hall2",),
        ("hall3", "hall4"),
    ]
    assert len({asset.value("serial") for asset in found.assets}) == 4


def test_who_is_told_of_a_restart_has_not_restarted_anything(taken: Taken) -> None:
    """A control station to which an outstation says that it has restarted is no engineer's."""
    found = taken("iec104/iti__JavaRMI_and_IEC_Misc.pcap")

    assert [of(found, ip).role.role for ip in ("192.168.1.44", "192.168.1.113")] == ["hmi", "hmi"]


def test_a_switch_sold_as_one_of_a_family_of_controllers(taken: Taken) -> None:
    """A SCALANCE X 200 that describes itself as SIMATIC S7 MULTIPORT is a switch."""
    role = of(taken("profinet/iti__Profinet_Failed.pcap"), "00:1b:1b:34:34:ce").role

    assert (role.role, role.confidence >= 0.8) == ("switch", True)


def test_a_card_that_carries_both_sides(taken: Taken) -> None:
    """A client and its server stay two devices where one card carries the packets of both."""
    found = taken("opcua/icsnpp-opcua-binary__opcua_with-gap.pcap")

    assert of(found, "192.168.11.33").ips == ("192.168.11.33",)
    assert of(found, "192.168.11.34").answers == ("opcua",)


@pytest.mark.parametrize(
    ("name", "taker"),
    [
        ("icsnpp-synchrophasor__c37118_1100_unclean.pcap", "192.168.0.20"),
        ("icsnpp-synchrophasor__c37_pmu_unclean.pcap", "192.168.0.32"),
    ],
)
def test_who_takes_an_address_by_arp(taken: Taken, name: str, taker: str) -> None:
    """A measuring unit keeps its address and card while somebody else shows it by ARP."""
    found = taken(f"c37118/{name}")

    assert of(found, "192.168.0.18").macs == ("00:25:65:00:2b:c2",)
    assert of(found, taker).ips == (taker,)
