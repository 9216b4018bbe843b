"""A policy judges what a store holds: who may do what to whom, when, and what cannot be told."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from inventory_stores import Tap, new_store, tap
from policy_texts import changed, more

from otsec.inventory.assembly import inventory
from otsec.inventory.people import Word, said_values
from otsec.policy import windows
from otsec.policy.checking import Against, checked
from otsec.policy.model import Policy
from otsec.policy.placing import People
from otsec.policy.reading import read
from otsec.policy.reasons import reason, smallest
from otsec.policy.verdicts import Flow, flows, judged
from otsec.store.acts import record

SECOND = 10**9
DAY = 86_400
HMI, PLC, OFFICE = "10.20.30.7", "10.20.10.5", "10.1.0.9"
BERLIN = ZoneInfo("Europe/Berlin")


def policy_of(text: str) -> Policy:
    """A policy in which nothing is wrong."""
    found = checked(read(text), Against(0))
    assert found.policy is not None, found.problems
    return found.policy


def judge(seen: Tap, text: str, roles: Sequence[tuple[str, str]] = ((HMI, "hmi"),)) -> list[Flow]:
    """What a policy says of what a tap saw; people say the roles."""
    seen.write()
    store = seen.store
    found = inventory(store)
    for address, role in roles:
        (asset,) = [one for one in found.assets if address in (*one.ips, *one.macs)]
        record(store, said_values(asset, {"role": role}, Word("ann", 0, "")))
    return flows(judged(store, policy_of(text), People(inventory(store))))


def one(told: Sequence[Flow]) -> tuple[str, str, str]:
    """Verdict, rule and cause of the only flow."""
    (flow,) = told
    return flow.verdict, flow.rule, flow.option.cause


def does(seen: Tap, client: str, server: str, protocol: str, cls: str, **other: Any) -> None:
    """Something that is done; both have been heard."""
    for number, address in enumerate((client, server)):
        if address.count(".") == 3:
            seen.heard(f"00:11:22:33:{len(seen.rows.get('station', [])):02x}:{number:02x}", address)
    seen.does(client, server, protocol, cls, **other)


@pytest.fixture
def seen(tmp_path: Path) -> Tap:
    """A tap that saw nothing yet."""
    return tap(new_store(tmp_path))


def local(*when: int) -> int:
    """A time of the site in seconds."""
    return round(datetime(*when, tzinfo=BERLIN).timestamp())  # type: ignore[misc]


def span(first: int, last: int) -> dict[str, int]:
    """Columns of a span in seconds."""
    return {"first_time": first * SECOND, "last_time": last * SECOND}


# ---------------------------------------------------------------------------------- verdicts


@pytest.mark.parametrize(
    ("client", "server", "cls", "expected"),
    [
        (HMI, PLC, "read", ("allow", "hmi-plc", "rule")),
        (HMI, PLC, "session", ("allow", "hmi-plc", "rule")),
        (HMI, PLC, "report", ("allow", "hmi-plc", "rule")),
        (HMI, PLC, "write", ("deny", "inter_zone", "cross_zone")),
        (PLC, HMI, "read", ("deny", "inter_zone", "cross_zone")),
        (OFFICE, PLC, "read", ("deny", "inter_zone", "it_ot")),
        (PLC, "10.20.10.6", "write", ("allow", "inter_zone", "default")),
        ("192.168.7.7", PLC, "read", ("unknown_endpoint", "unplaced", "unplaced")),
        (PLC, "8.8.8.8", "read", ("unknown_endpoint", "unplaced", "internet")),
    ],
)
def test_by_ends_and_class(
    seen: Tap, client: str, server: str, cls: str, expected: tuple[str, str, str]
) -> None:
    """Direction, zones, role and class decide; sessions and reports come with reading."""
    does(seen, client, server, "modbus", cls)
    roles = [(HMI, "hmi")] if HMI in {client, server} else []
    assert one(judge(seen, changed(), roles)) == expected


def test_role_that_is_not_sure_places_nobody(seen: Tap) -> None:
    """Without a sure role who reads is not in the group, and the reason names the zones."""
    does(seen, HMI, PLC, "modbus", "read")
    (flow,) = judge(seen, changed(), roles=[])
    assert (flow.verdict, flow.option.cause) == ("deny", "cross_zone")
    assert reason(flow) == f"{HMI} reads from {PLC} by modbus from scada to field"
    assert smallest(flow) == (
        f'{{id: NAME, from: {{ips: "{HMI}"}}, to: {{ips: "{PLC}"}}, '
        "allow: [{protocol: modbus, ops: [read]}], owner: NAME, reason: WHY}"
    )


def test_the_conduit_that_is_proposed_allows_it(seen: Tap) -> None:
    """What a verdict proposes as conduit allows what it denied, and loads."""
    does(seen, HMI, PLC, "modbus", "write")
    (flow,) = judge(seen, changed())
    conduit = smallest(flow).replace("id: NAME", "id: fresh")
    text = changed(("conduits:\n", f"conduits:\n  - {conduit}\n"))
    assert one(flows(judged(seen.store, policy_of(text), People(inventory(seen.store))))) == (
        *("allow", "fresh", "rule"),
    )


def test_never_stands_above_all(seen: Tap) -> None:
    """A `never` denies what a conduit allows, but for those it leaves out."""
    does(seen, HMI, PLC, "modbus", "read")
    does(seen, HMI, PLC, "modbus", "diagnose")
    rules = (
        "  - {id: diag, from: scada, to: field, allow: [{protocol: modbus, ops: [diagnose, browse]}], "
        "owner: a, reason: b}\n"
        "never:\n  - {id: no-diag, from: any, to: field, ops: [diagnose, write]%s}\n"
    )
    told = {f.cls: (f.verdict, f.rule) for f in judge(seen, more(rules % ", unless_from: office"))}
    assert told == {"read": ("allow", "hmi-plc"), "diagnose": ("deny", "no-diag")}
    text = policy_of(more(rules % ", unless_from: hmi"))
    found = flows(judged(seen.store, text, People(inventory(seen.store))))
    assert {flow.cls: flow.rule for flow in found} == {"read": "hmi-plc", "diagnose": "diag"}


def test_unread_is_not_allowed(seen: Tap) -> None:
    """Traffic on the port of a conduit whose protocol was not recognised is told apart."""
    seen.heard("00:11:22:33:44:01", HMI)
    seen.heard("00:11:22:33:44:02", PLC)
    seen.talks(HMI, PLC, "", "tcp/502")
    (flow,) = judge(seen, changed())
    assert (flow.verdict, flow.rule, flow.cls) == ("undecoded", "hmi-plc", "")
    assert reason(flow) == 'conduit "hmi-plc" may allow it, but no protocol was recognised'


def test_other_protocol_on_the_port_is_not_the_service(seen: Tap) -> None:
    """A conduit of a service takes its port, but not another protocol that the bytes prove."""
    text = changed(("[{protocol: modbus, ops: [read]}]", "[{service: rdp}, {service: tcp/4000}]"))
    for address, mac in ((HMI, "01"), (PLC, "02")):
        seen.heard(f"00:11:22:33:44:{mac}", address)
    seen.talks(HMI, PLC, "", "tcp/3389")
    seen.talks(HMI, PLC, "ssh", "tcp/3389", place="7")
    seen.talks(HMI, PLC, "ssh", "tcp/4000")
    told = {(flow.service, flow.protocol): flow.verdict for flow in judge(seen, text)}
    assert told == {
        ("tcp/3389", ""): "allow",
        ("tcp/3389", "ssh"): "deny",
        ("tcp/4000", "ssh"): "allow",
    }


def test_unread_where_a_never_forbids_some(seen: Tap) -> None:
    """Where a `never` forbids some operations, what could not be read is not called allowed."""
    seen.heard("00:11:22:33:44:01", PLC)
    seen.heard("00:11:22:33:44:02", "10.20.10.6")
    seen.talks(PLC, "10.20.10.6", "", "tcp/4000")
    never = "never:\n  - {id: n, from: any, to: field, ops: [write]}\n"
    assert one(judge(seen, more(never), roles=[])) == ("undecoded", "inter_zone", "default")


def test_link_upkeep_is_not_judged(seen: Tap) -> None:
    """ARP and LLDP cross no boundary, so a policy that denies everything leaves them."""
    seen.heard("00:11:22:33:44:01")
    seen.talks("00:11:22:33:44:01", "ff:ff:ff:ff:ff:ff", "arp", "0x0806")
    text = changed(("intra_zone: allow", "intra_zone: deny"))
    assert one(judge(seen, text, roles=[])) == ("allow", "link", "link")


# ------------------------------------------------------------------------------------ places


def test_deepest_prefix_and_named_assets_place(seen: Tap) -> None:
    """The longest prefix places an address, and an asset that a zone names stands above it."""
    text = changed(
        (
            "  office:",
            "  pumps: {level: 1, nets: [10.20.10.64/26], assets: [10.20.10.9]}\n  office:",
        )
    )
    for number, server in enumerate(("10.20.10.5", "10.20.10.70", "10.20.10.9")):
        does(seen, HMI, server, "modbus", "read", object=f"holding {number}")
    told = {
        flow.server.address: flow.server.zone.name for flow in judge(seen, text) if flow.server.zone
    }
    assert told == {"10.20.10.5": "field", "10.20.10.70": "pumps", "10.20.10.9": "pumps"}


GOOSE = changed(
    ("field: {level: 1, nets: [10.20.10.0/24]}", "field: {level: 1, vlans: [100]}"),
    ("intra_zone: allow", "intra_zone: deny"),
    (
        "from: hmi, to: field, allow: [{protocol: modbus, ops: [read]}]",
        (
            'from: field, to: {multicast: "01:0c:cd:01:00:00/32"}, '
            'allow: [{protocol: goose, appid: ["0x0001-0x0003"]}]'
        ),
    ),
)  # fmt: skip


@pytest.mark.parametrize(
    ("group", "appid", "vlan", "verdict"),
    [
        ("01:0c:cd:01:00:01", "0x0001", "100", "allow"),
        ("01:0c:cd:01:00:01", "0x0004", "100", "deny"),
        ("01:0c:cd:04:00:01", "0x0001", "100", "deny"),
        ("01:0c:cd:01:00:01", "0x0001", "200", "unknown_endpoint"),
        ("01:0c:cd:01:00:01", "", "100", "undecoded"),
    ],
)
def test_goose_by_group_and_appid(
    seen: Tap, group: str, appid: str, vlan: str, verdict: str
) -> None:
    """GOOSE is judged by the MAC addresses of its group, APPID and VLAN."""
    ied = "00:30:a7:00:20:41"
    seen.heard(ied, place=vlan)
    talk = seen.talks(ied, group, "goose", "0x88b8", vlan)
    seen._add(
        "behaviour", number=0, conversation=talk, protocol="goose", operation="publish", count=9,
        object="IED1/LLN0$GO$gcb value 1", outcome="ok", **{"class": "report"}, **span(0, 9),
    )  # fmt: skip
    if appid:
        seen._add(
            "fact", conversation=talk, attribute="appid", value=f"IED1/LLN0$GO$gcb {appid}",
            protocol="goose", about="client", count=1,
        )  # fmt: skip
    assert one(judge(seen, GOOSE, roles=[]))[0] == verdict


@pytest.mark.parametrize(
    ("protocol", "entry", "device", "thing", "verdict"),
    [
        ("modbus", 'objects: ["holding 100-109"]', "", "holding 100-105", "allow"),
        ("modbus", 'objects: ["holding 100-109"]', "", "holding 105-110", "deny"),
        ("modbus", 'objects: ["holding 100-109"]', "", "(many)", "undecoded"),
        ("modbus", "units: [3]", "unit 3", "holding 1", "allow"),
        ("modbus", "units: [3]", "unit 4", "holding 1", "deny"),
        ("modbus", "units: [255]", "", "holding 1", "allow"),
        ("opcua", 'nodes: ["ns=4;s=Order.*"]', "", "ns=4;s=Order.No", "allow"),
        ("opcua", 'nodes: ["ns=4;s=Order.*"]', "", "ns=4;s=Recipe.No", "deny"),
        ("opcua", 'nodes: ["ns=4;s=Order.*"]', "", "unknown", "undecoded"),
        ("iec104", "common_address: [12]", "ca 12", "ioa 7", "allow"),
        ("iec104", "common_address: [12]", "ca 13", "ioa 7", "deny"),
        ("mqtt", 'topics: ["uagv/v2/#"]', "", "uagv/v2/acme/7/order", "allow"),
        ("mqtt", 'topics: ["uagv/+/order"]', "", "uagv/7/state", "deny"),
        ("mqtt", 'topics: ["uagv/v2/#"]', "", "#", "deny"),
        ("s7comm", 'devices: ["rack 0 *"]', "rack 0 slot 2", "DB1.DBB0", "allow"),
    ],
)
def test_details(
    seen: Tap, protocol: str, entry: str, device: str, thing: str, verdict: str
) -> None:
    """Objects, units, nodes, topics and addresses narrow an entry; the unknown is told apart."""
    text = changed(("protocol: modbus, ops: [read]", f"protocol: {protocol}, {entry}"))
    does(
        seen,
        HMI,
        PLC,
        protocol,
        "report" if protocol == "mqtt" else "read",
        device=device,
        object=thing,
    )
    assert one(judge(seen, text))[0] == verdict


# -------------------------------------------------------------------------------------- time


NIGHT = changed(("owner: ops", "when: night, owner: ops"))  # tue and thu, 22:00 to 02:00


@pytest.mark.parametrize(
    ("when", "expected"),
    [
        ((2026, 12, 1, 23, 0), True),  # a Tuesday
        ((2026, 12, 2, 1, 59), True),  # of the window that began on Tuesday
        ((2026, 12, 2, 2, 0), False),
        ((2026, 12, 2, 23, 0), False),
        ((2026, 12, 1, 1, 0), False),  # of a Monday's
        ((2026, 6, 30, 22, 0), True),  # summer time
        ((2026, 6, 30, 21, 59), False),
    ],
)
def test_window(seen: Tap, when: tuple[int, ...], expected: bool) -> None:
    """A window counts at capture time by the clocks of the site, over midnight and in summer."""
    at = local(*when)
    does(seen, HMI, PLC, "modbus", "read", count=1, **span(at, at))
    told = one(judge(seen, NIGHT))
    assert told == (("allow", "hmi-plc", "rule") if expected else ("deny", "hmi-plc", "window"))


def test_worst_moment_counts(seen: Tap) -> None:
    """One moment outside the window denies, also one of a single event between first and last."""
    first, last = local(2026, 12, 1, 23, 0), local(2026, 12, 3, 23, 0)  # Tuesday to Thursday
    noon = local(2026, 12, 2, 12, 0)
    does(seen, HMI, PLC, "modbus", "read", count=3, **span(first, last))
    seen.event(0, noon)
    (flow,) = judge(seen, NIGHT)
    assert (flow.verdict, flow.at, flow.doubt) == ("deny", noon * SECOND, False)


@pytest.mark.parametrize(("hours", "doubt"), [(1, False), (48, True)])
def test_doubt_between_known_moments(seen: Tap, hours: int, doubt: bool) -> None:
    """Moments that are not kept are doubted, unless the window lasted all the time."""
    first = local(2026, 12, 1, 22, 30)
    does(seen, HMI, PLC, "modbus", "read", count=9, **span(first, first + hours * 3_600))
    (flow,) = judge(seen, NIGHT)
    assert (flow.verdict, flow.doubt) == ("allow", doubt)


EXCEPTION = (
    "exceptions:\n  - {id: x, from: office, to: field, allow: [{protocol: modbus}], "
    "starts: 2026-11-20, expires: 2026-12-04, owner: a, reason: b, approved_by: c}\n"
)


@pytest.mark.parametrize(
    ("when", "expected"),
    [
        ((2026, 11, 19, 23, 59), ("deny", "x", "not_begun")),
        ((2026, 11, 20, 0, 0), ("allow", "x", "rule")),
        ((2026, 12, 4, 23, 59), ("allow", "x", "rule")),
        ((2026, 12, 5, 0, 0), ("deny", "x", "expired")),
    ],
)
def test_exception(seen: Tap, when: tuple[int, ...], expected: tuple[str, str, str]) -> None:
    """An exception holds from its first day to the end of its last, and its use after is told."""
    at = local(*when)
    does(seen, OFFICE, PLC, "modbus", "write", count=1, **span(at, at))
    assert one(judge(seen, more(EXCEPTION), roles=[])) == expected


def test_session_that_lasts_too_long(seen: Tap) -> None:
    """One connection that lasts longer than the conduit allows is denied by it."""
    text = changed(("owner: ops", "max_session: 4h, owner: ops"))
    for hours, address in ((3, "10.20.10.5"), (5, "10.20.10.6")):
        for mac, ip in (("01", HMI), (f"0{hours}", address)):
            seen.heard(f"00:11:22:33:44:{mac}", ip)
        seen.talks(HMI, address, "modbus", connections=1, **span(0, hours * 3_600))
        seen.does(HMI, address, "modbus", "read", **span(0, hours * 3_600))
    told = {flow.server.address: (flow.verdict, flow.option.cause) for flow in judge(seen, text)}
    assert told == {"10.20.10.5": ("allow", "rule"), "10.20.10.6": ("deny", "session")}


def test_windows_over_columns() -> None:
    """Whether times are in a window is the same for a column as for each time alone."""
    window = policy_of(NIGHT).windows[0]
    begin = local(2026, 10, 20, 0, 0)  # over the end of summer time
    times = np.arange(begin, begin + 14 * DAY, 1_700, dtype=np.int64) * SECOND
    column = windows.inside(window, times, BERLIN)
    for time, inside in zip(times.tolist(), column.tolist(), strict=True):
        moment = datetime.fromtimestamp(time // SECOND, BERLIN)
        day = moment.weekday() if moment.hour >= 22 else (moment.weekday() - 1) % 7
        assert inside is ((moment.hour >= 22 or moment.hour < 2) and day in {1, 3})


# ------------------------------------------------------------------------------- several


def test_points_of_a_group_are_told_once(tmp_path: Path) -> None:
    """What two points of a group saw is told once, with the other as witness."""
    store = new_store(tmp_path)
    for point, count in (("east", 5), ("west", 9)):
        seen = tap(store, "net", point)
        does(seen, HMI, PLC, "modbus", "write", count=count)
        seen.write()
    (flow,) = flows(judged(store, policy_of(changed()), People(inventory(store))))
    assert (flow.point, flow.witnesses, flow.count) == ("west", ("east",), 9)


def test_another_policy_judges_anew(seen: Tap) -> None:
    """The same store under another policy gives other verdicts; under the same one the same."""
    does(seen, HMI, PLC, "modbus", "write")
    before = judge(seen, changed())
    people = People(inventory(seen.store))
    other = policy_of(changed(("ops: [read]", "ops: [write]")))
    assert one(flows(judged(seen.store, other, people)))[0] == "allow"
    again = flows(judged(seen.store, policy_of(changed()), people))
    assert [one([flow]) for flow in again] == [one([flow]) for flow in before]
