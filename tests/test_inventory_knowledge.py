"""What is known of assets, what they are, and what is missing."""

from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from inventory_stores import new_store, of, taken, tap

from otsec.inventory.completeness import HIGH
from otsec.inventory.detail import peers, timeline, writers
from otsec.inventory.families import HINTS, NAMES, PRODUCTS
from otsec.inventory.roles import ROLES
from otsec.inventory.selection import chosen
from otsec.inventory.vendors import vendor_of_mac
from otsec.inventory.wanted import REVEALS, WORDS, wanted
from otsec.store import Store
from otsec.store.filters import Filter

M = [f"00:1b:1b:00:00:{n:02x}" for n in range(16)]  # 00:1b:1b is Siemens AG


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """An empty store."""
    with new_store(tmp_path) as made:
        yield made


# --------------------------------------------------------------------------------- vendors


def test_every_prefix_is_found() -> None:
    """The bisected table gives what its file holds, for every prefix and none beside them."""
    text = (files("otsec.inventory") / "tables" / "oui.tsv").read_text("utf-8")
    head = [line for line in text.splitlines() if line.startswith("#")]
    lines = [line.split("\t") for line in text.splitlines() if not line.startswith("#")]

    assert [line.split(":")[0] for line in head[1:]] == ["# source", "# date", "# generator"]
    assert [prefix for prefix, _ in lines] == sorted(prefix for prefix, _ in lines)
    some = [lines[0], lines[1], lines[-2], lines[-1], *lines[::37]]
    for prefix, name in some:
        mac = ":".join((prefix[:2], prefix[2:4], prefix[4:], "00:00:01"))
        assert vendor_of_mac(mac) == ("" if int(prefix[:2], 16) & 2 else name)
    known = {prefix for prefix, _ in lines}
    free = next(f"{n:06x}" for n in range(0x000000, 0xFFFFFF, 4) if f"{n:06x}" not in known)
    assert vendor_of_mac(f"{free[:2]}:{free[2:4]}:{free[4:]}:00:00:01") == ""


@pytest.mark.parametrize(
    ("mac", "vendor"),
    [
        ("00:0e:8c:11:22:33", "Siemens AG"),
        ("00:00:00:00:00:01", "XEROX CORPORATION"),
        ("ff:ff:ff:ff:ff:ff", ""),
        ("02:0e:8c:11:22:33", ""),  # given by nobody: the local bit is set
        ("00:1b:1b:11:22:33", "Siemens AG"),  # the list has a comma behind it
        ("00:01:01:11:22:33", ""),  # "Private": its holder is not published
        ("00:50:c2:4f:94:64", ""),  # given out in smaller blocks, to many makers
    ],
)
def test_vendor_of_mac(mac: str, vendor: str) -> None:
    """The maker of a card by its prefix; none for addresses that nobody gave out."""
    assert vendor_of_mac(mac).casefold() == vendor.casefold()


# ----------------------------------------------------------------------------------- facts


def test_rivals_are_kept(store: Store) -> None:
    """Of rival values the most believed is best, and the others stay with who says them."""
    net = tap(store)
    net.heard(M[1], "10.0.0.1")
    net.says("10.0.0.1", "enip", vendor="Rockwell", vendor_id="1", count=1)
    net.says("10.0.0.1", "dhcp", vendor="Cisco", count=50)

    asset = taken(net).assets[0]
    told = [
        (one.value, one.said_by, one.standing) for one in asset.known if one.attribute == "vendor"
    ]

    assert asset.value("vendor") == "Rockwell"
    assert told == [
        ("Rockwell", "enip", "best"),
        ("Rockwell Automation/Allen-Bradley", "enip", "rival"),
        ("Cisco", "dhcp", "rival"),
        ("Siemens AG", "mac prefix", "rival"),
    ]


def test_what_is_expected_is_less_than_what_is_told(store: Store) -> None:
    """What a client expects of a module counts less than what the module says."""
    net = tap(store)
    net.heard(M[1], "10.0.0.1")
    net.says("10.0.0.1", "enip", device="slot 2", expected_revision="20.1", at=5)
    net.says("10.0.0.1", "enip", device="slot 2", revision="21.11", at=1)

    (module,) = taken(net).assets[0].modules

    assert [(one.attribute, one.value) for one in module.known] == [("revision", "21.11")]


def test_history(store: Store) -> None:
    """A value that ends before the next one begins was replaced, and that is told with its time."""
    net = tap(store)
    net.heard(M[1], "10.0.0.1")
    net.says("10.0.0.1", "s7comm", revision="V3.2.6", at=1, until=3)
    net.says("10.0.0.1", "s7comm", revision="V3.3.0", at=7, until=9)
    net.says("10.0.0.1", "s7comm", cpu_mode="RUN", at=1, until=9)
    net.says("10.0.0.1", "s7comm", cpu_mode="STOP", at=4, until=5)

    asset = taken(net).assets[0]

    assert asset.value("revision") == "V3.3.0"
    assert {one.value: one.standing for one in asset.known if one.attribute == "revision"} == {
        "V3.3.0": "best",
        "V3.2.6": "replaced",
    }
    assert [(one.attribute, one.before, one.after) for one in asset.changes] == [
        ("revision", "V3.2.6", "V3.3.0")
    ]
    assert [one.standing for one in asset.known if one.attribute == "cpu_mode"] == ["best", "rival"]


def test_one_device_behind_an_address_is_the_asset(store: Store) -> None:
    """What the only device behind an address says is said of the asset; of several it is not."""
    net = tap(store)
    net.heard(M[1], "10.0.0.1")
    net.heard(M[2], "10.0.0.2")
    net.says("10.0.0.1", "modbus", device="unit 1", vendor="ACME")
    for unit in (1, 2, 3):
        net.says("10.0.0.2", "modbus", device=f"unit {unit}", vendor=f"Maker {unit}")

    found = taken(net)

    assert of(found, "10.0.0.1").value("vendor") == "ACME"
    gateway = of(found, "10.0.0.2")
    assert gateway.value("vendor") == "Siemens AG"
    assert [(one.device, one.kind) for one in gateway.modules] == [
        ("unit 1", "unit"),
        ("unit 2", "unit"),
        ("unit 3", "unit"),
    ]
    assert gateway.role.role == "gateway"


def test_units_that_never_answer_are_not_there(store: Store) -> None:
    """A unit that was asked in vain is no device behind the address."""
    net = tap(store)
    net.heard(M[1], "10.0.0.1")
    net.does("10.0.0.2", "10.0.0.1", "modbus", "read", device="unit 1")
    for outcome in ("unanswered", "exception gateway_target_device_failed_to_respond"):
        net.does("10.0.0.2", "10.0.0.1", "modbus", "read", device="unit 9", outcome=outcome)

    assert [one.device for one in of(taken(net), "10.0.0.1").modules] == ["unit 1"]


def test_a_server_of_which_only_clients_were_heard(store: Store) -> None:
    """A mirror of one direction still shows the server, and that it was only told of."""
    net = tap(store)
    net.heard(M[1], "10.0.0.2")
    net.talks("10.0.0.2", "10.0.0.1", "modbus", "tcp/502", packets_in=0, payload_in=0)
    net.talks("10.0.0.2", "10.0.0.3", "", "tcp/502", packets_in=0, payload_in=0)

    found = taken(net)

    assert [(one.ips, one.reach) for one in found.assets] == [
        (("10.0.0.1",), "told"),
        (("10.0.0.2",), "on link"),
    ]


# ----------------------------------------------------------------------------------- roles


@pytest.mark.parametrize(
    ("says", "role", "sure"),
    [
        ({"order_number": "6ES7 315-2EH14-0AB0"}, "plc", True),
        ({"order_number": "6ES7 331-7KF02-0AB0"}, "io", True),
        ({"order_number": "6ES7 317-2FK14-0AB0"}, "safety_plc", True),
        ({"order_number": "6ES7 317-6FF04-0AB0"}, "safety_plc", True),
        ({"product_name": "1756-L61/B LOGIX5561"}, "plc", True),
        ({"product_name": "1756-ENBT/A"}, "plc", False),
        ({"product_name": "PowerFlex 525"}, "drive", True),
        ({"product_name": "PanelView Plus 7"}, "hmi", True),
        ({"description": "Lynx WeOS v4.29.0"}, "switch", True),
        ({"description": "Siemens, SIMATIC S7"}, "plc", True),
        (
            {"description": "Siemens AG SIMATIC S7 MULTIPORT SCALANCE X 200 FAM"},  # of a real one
            "switch",
            True,
        ),
        ({"model_name": "MGate MB3180"}, "gateway", True),
        ({"device_type": "AC Drive"}, "drive", True),
        ({"role_hint": "IO controller"}, "plc", True),
        ({"application": "SiLab OPC UA Server-Client"}, "unknown", False),  # of a real client
        ({"hostname": "HMI1"}, "hmi", False),
        ({"description": "we make things"}, "unknown", False),
        ({"role": "plc"}, "unknown", False),  # only a person may say it so
    ],
)
def test_roles_by_what_is_said(store: Store, says: dict[str, str], role: str, sure: bool) -> None:
    """Products and words stand for roles; names alone are never sure."""
    net = tap(store)
    net.heard(M[1])
    net.says(M[1], "profinet", **says)

    found = taken(net).assets[0].role

    assert (found.role, found.confidence >= 0.8) == (role, sure)
    assert bool(found.evidence) is (role != "unknown")


def _asks(net: Any, servers: int, *classes: str, protocol: str = "modbus") -> None:
    for n in range(2, 2 + servers):
        net.heard(M[n], f"10.0.0.{n}")
        for cls in classes:
            net.does("10.0.0.1", f"10.0.0.{n}", protocol, cls)


@pytest.mark.parametrize(
    ("servers", "classes", "role"),
    [
        (1, ["read", "write"], "hmi"),
        (6, ["read", "write"], "scada_server"),
        (6, ["read"], "historian"),
        (2, ["read", "program", "mode"], "ews"),
        (1, ["browse"], "unknown"),
    ],
)
def test_roles_by_what_is_done(store: Store, servers: int, classes: list[str], role: str) -> None:
    """Who asks few is a panel, who asks many a server, who loads programs an engineer's station."""
    net = tap(store)
    net.heard(M[1], "10.0.0.1")
    _asks(net, servers, *classes)

    found = taken(net)

    assert of(found, "10.0.0.1").role.role == role
    assert of(found, "10.0.0.2").role.role == "plc"


def test_who_reads_in_several_languages_and_writes_nothing_is_a_historian(store: Store) -> None:
    """Also where it asks few, and tells a controller that it is a panel, as drivers do."""
    net = tap(store)
    net.heard(M[1], "10.0.0.1")
    for number, protocol in enumerate(("modbus", "s7comm", "opcua"), 2):
        net.heard(M[number], f"10.0.0.{number}")
        net.does("10.0.0.1", f"10.0.0.{number}", protocol, "read")

    assert of(taken(net), "10.0.0.1").role.role == "historian"


@pytest.mark.parametrize("answers", [("10.0.0.9", "tds", "tcp/1433"), ("10.0.0.9", "", "tcp/5432")])
def test_who_reads_controllers_and_keeps_a_database(
    store: Store, answers: tuple[str, str, str]
) -> None:
    """It is a historian surely enough for the policy, if it writes nothing and is asked for data."""
    net = tap(store)
    net.heard(M[1], "10.0.0.1")
    for number, protocol in enumerate(("modbus", "s7comm"), 2):
        net.heard(M[number], f"10.0.0.{number}")
        net.does("10.0.0.1", f"10.0.0.{number}", protocol, "read")
    client, protocol, service = answers
    net.talks(client, "10.0.0.1", protocol, service)

    role = of(taken(net), "10.0.0.1").role

    assert (role.role, role.confidence) == ("historian", 0.8)
    assert any("reads controllers, answers" in one for one in role.evidence)


@pytest.mark.parametrize(("protocol", "role"), [("dhcp", "router"), ("profinet", "time_server")])
def test_whom_dhcp_tells_to_go_through(store: Store, protocol: str, role: str) -> None:
    """The gateway that DHCP tells of is a router, also where it answers NTP.

    Not surely, for anybody can tell so; what a device is set to by itself is often a controller.
    """
    net = tap(store)
    net.heard(M[1], "10.0.0.1")
    net.says("10.0.0.1", "ntp", role_hint="time_server")
    for number in (2, 3):
        net.heard(M[number], f"10.0.0.{number}")
        net.says(M[number], protocol, gateway="10.0.0.1")

    found = of(taken(net), "10.0.0.1").role

    assert (found.role, found.confidence < 0.8) == (role, True)
    if protocol == "dhcp":
        assert found.evidence == ("is the gateway of 2 devices by dhcp",)


def test_a_controller_that_asks_others_stays_one(store: Store) -> None:
    """Who answers and asks is a controller, not a panel."""
    net = tap(store)
    net.heard(M[1], "10.0.0.1")
    _asks(net, 2, "read", "write")
    net.does("10.0.0.3", "10.0.0.1", "s7comm", "read")

    assert of(taken(net), "10.0.0.1").role.role == "plc"


def test_signs_of_one_kind_add_nothing(store: Store) -> None:
    """The same product told in two attributes makes a role no surer than told in one."""
    net = tap(store)
    for n in (1, 2):
        net.heard(M[n])
        net.says(M[n], "profinet", product_name="CPU 315-2 PN/DP")
    net.says(M[2], "profinet", module_name="CPU 315-2 PN/DP")

    one, two = taken(net).assets

    assert one.role.confidence == two.role.confidence
    assert len(two.role.evidence) == 2


def test_roles_are_of_the_closed_list() -> None:
    """The tables name only roles that there are, with a confidence between 0 and 1."""
    rules = [*PRODUCTS, *NAMES, *(rule for words in HINTS.values() for rule in words)]

    assert {role for _, role, _ in rules} <= ROLES.keys()
    assert all(0 < sure < 1 for _, _, sure in rules)


# ------------------------------------------------------------------------------ CISA, wanted


def test_fourteen_attributes(store: Store) -> None:
    """An asset has all fourteen attributes, those that something shows with who shows it."""
    net = tap(store)
    net.heard(M[1], "10.0.0.1")
    net.says("10.0.0.1", "enip", vendor="Rockwell", product_name="1756-L61", hostname="press")
    net.does("10.0.0.2", "10.0.0.1", "enip", "read")
    net.talks("10.0.0.1", "10.0.0.7", "", "udp/514", payload_in=0)

    asset = of(taken(net), "10.0.0.1")

    assert len(HIGH) == 14
    assert {one.name: one.value for one in asset.attributes if one.value} == {
        "Active/supported communication protocols": "enip",
        "Asset role/type": "plc",
        "Hostname": "press",
        "IP address": "10.0.0.1",
        "Logging": "syslog to 10.0.0.7",
        "MAC address": M[1],
        "Manufacturer": "Rockwell",
        "Model": "1756-L61",
        "Ports/services": "tcp/1",
    }
    assert asset.filled == 9


def test_wanted_names_the_action(store: Store) -> None:
    """What is unknown of a controller is told with what would reveal it, before what matters less."""
    net = tap(store)
    for n in (1, 2):
        net.heard(M[n], f"10.0.0.{n}")
        net.does("10.0.0.9", f"10.0.0.{n}", "s7comm", "read")
    net.heard(M[9], "10.0.0.9")

    found = wanted(taken(net).assets)

    first = next(one for one in found if "S7" in one.action)
    assert first.assets == ("10.0.0.1", "10.0.0.2")
    assert first.reveals[:2] == ("Model", "Firmware version")
    assert first.facts == len(first.reveals) * 2
    assert [one.importance for one in found] == sorted(
        (one.importance for one in found), reverse=True
    )


def test_nothing_is_wanted_twice(store: Store) -> None:
    """Each unknown fact has one action; what is known has none."""
    net = tap(store)
    net.heard(M[1], "10.0.0.1")
    net.does("10.0.0.2", "10.0.0.1", "s7comm", "read")
    before = wanted(taken(net).assets)
    later = tap(store, point="later")
    later.says("10.0.0.1", "s7comm", order_number="6ES7 315-2EH14-0AB0", revision="V3.2.6")
    asset = of(taken(later), "10.0.0.1")

    after = wanted([asset])

    told = [name for one in after for name in one.reveals]
    assert sorted(told) == sorted(set(told))
    assert not {"Model", "Firmware version"} & set(told)
    assert {"Model", "Firmware version"} <= {name for one in before for name in one.reveals}


def test_every_wish_can_be_met() -> None:
    """Actions show only attributes that are wanted, and each of these has an action."""
    shown = {name for reveal in REVEALS for name in reveal.shows}

    assert shown == WORDS.keys()


# --------------------------------------------------------------------- one asset, and filters


def test_detail_of_an_asset(store: Store) -> None:
    """Peers with their names, writers, and a timeline of sights, changes and programs."""
    net = tap(store)
    net.heard(M[1], "10.0.0.1")
    net.heard(M[2], "10.0.0.2")
    net.says("10.0.0.2", "s7comm", name="hmi west")
    net.says("10.0.0.1", "s7comm", revision="1", at=1)
    net.says("10.0.0.1", "s7comm", revision="2", at=9)
    net.does("10.0.0.2", "10.0.0.1", "s7comm", "write")
    net.does("10.0.0.2", "10.0.0.1", "s7comm", "program")
    net.event(1, at=20)
    found = taken(net)
    asset = of(found, "10.0.0.1")

    (peer,) = peers(found, asset)
    assert (peer.name, peer.way, peer.protocol, peer.packets) == (
        "hmi west",
        "answers",
        "s7comm",
        10,
    )
    assert [(row.client, row.object) for row in writers(store, asset)] == [
        ("10.0.0.2", "holding 1")
    ]
    assert [one.what for one in timeline(store, asset)] == [
        "00:1b:1b:00:00:01 first heard",
        "10.0.0.1 first heard",
        "revision changed from 1 to 2 (s7comm)",
        "s7comm program holding 1",
    ]


@pytest.mark.parametrize(
    ("field", "value", "kept"),
    [
        ("role", "PLC", ["10.0.0.1"]),
        ("host", "10.0.0.0/31", ["10.0.0.1"]),
        ("host", "10.0.0.2", ["10.0.0.2"]),
        ("vendor", "sie*", ["10.0.0.1", "10.0.0.2"]),
        ("proto", "s7comm", ["10.0.0.1"]),
        ("level", "1", ["10.0.0.1"]),
        ("text", "6es7", ["10.0.0.1"]),
        ("vlan", "", ["10.0.0.1", "10.0.0.2"]),
        ("model", "[x]?", []),
        ("since", "61000000000", ["10.0.0.2"]),
        ("until", "50", ["10.0.0.1"]),
    ],
)
def test_filters(store: Store, field: str, value: str, kept: list[str]) -> None:
    """Assets are chosen by what they are, have and say; a turned filter keeps the others."""
    net = tap(store)
    net.heard(M[1], "10.0.0.1")
    net.heard(M[2], "10.0.0.2", at=5)
    net.says("10.0.0.1", "s7comm", order_number="6ES7 315-2EH14-0AB0")
    net.talks("10.0.0.7", "10.0.0.1", "s7comm", "tcp/102")
    assets = taken(net).assets

    assert [one.ips[0] for one in chosen(assets, [Filter(field, value)])] == kept
    if field not in {"since", "until"}:
        others = chosen(assets, [Filter(field, value, negated=True)])
        assert len(others) == len(assets) - len(kept)
