"""A plant of a month for tests of controls: once as it should be, once with something of all wrong."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from inventory_stores import SECOND, Tap, seen, tap
from store_rows import new, row, write

from otsec.controls import inputs
from otsec.controls.metrics.attributes import ATTRIBUTES
from otsec.controls.site import Site
from otsec.policy.reading import read
from otsec.store import Store, findings
from otsec.store.acts import Act, record
from otsec.store.findings import Finding, Packet
from otsec.store.schedules import Run, Schedule, put_runs, put_schedule
from otsec.store.sensor import Heartbeat, beat

DAY, HOUR = 86_400, 3_600
DAYS = 40  # of the good month: longer than the 28 days that rows ask for
HMI, PLC, SAFETY, HISTORIAN, JUMP, EWS = (
    *("10.0.2.11", "10.0.1.21", "10.0.4.31", "10.0.3.41", "10.0.6.51", "10.0.2.12"),
)
CLOCK, BACKUP, WIFI, TESTER, MANAGER, LAPTOP = (
    *("10.0.3.42", "10.0.3.43", "10.0.5.61", "10.0.7.71", "10.0.8.81", "10.0.9.91"),
)
OFFICE, VENDOR, PUBLIC, STRANGER = "10.1.0.5", "172.30.4.5", "8.8.8.8", "192.168.77.7"

POLICY = """\
otsec_policy: 1
site: {id: plant, timezone: UTC}
defaults: {inter_zone: deny, intra_zone: allow, unplaced: alert}
zones:
  field: {level: 1, nets: [10.0.1.0/24]}
  scada: {level: 2, nets: [10.0.2.0/24]}
  ops: {level: 3, nets: [10.0.3.0/24]}
  safety: {level: 1, nets: [10.0.4.0/24], kind: safety}
  wifi: {level: 1, nets: [10.0.5.0/24], kind: wireless}
  dmz: {level: 3.5, nets: [10.0.6.0/24]}
  bench: {level: 1, nets: [10.0.7.0/24], tags: [test]}
  admin: {level: 3, nets: [10.0.8.0/24], tags: [management]}
  visitors: {level: 2, nets: [10.0.9.0/24], kind: transient}
  office: {level: 4, nets: [10.1.0.0/16], kind: enterprise}
  vendor: {level: 5, nets: [172.30.4.0/28], kind: remote}
windows:
  early: {from_date: 1970-01-01, to_date: 1970-01-05}
conduits:
  - {id: c-poll, from: scada, to: field, allow: [{protocol: modbus, ops: [read, write]}], owner: ops, reason: control}
  - {id: c-hist, from: ops, to: field, allow: [{protocol: modbus, ops: [read]}], owner: ops, reason: trends}
  - {id: c-save, from: [field, scada], to: ops, allow: [{protocol: smb}, {protocol: ntp}, {service: ssh}], owner: ops, reason: backups and time}
  - {id: c-jump, from: dmz, to: scada, allow: [{service: rdp}], max_session: 4h, owner: ops, reason: support}
  - {id: c-loads, from: scada, to: safety, allow: [{protocol: modbus, ops: [program]}], when: early, owner: ops, reason: loads}
exceptions:
  - {id: x-old, from: office, to: ops, allow: [{protocol: tls}], starts: 1970-01-01, expires: 1970-01-03, owner: ops, approved_by: ann, reason: move}
"""
INPUTS = """\
otsec_compliance: 1
triage: {critical: 4h, high: 1d, medium: 7d, low: 30d}
retention: {required_days: 30, disk_gb: 100}
remote: {jump_zone: dmz, max_session: 4h, max_concurrent: 1}
time: {sources: [10.0.3.42], limit: 1s}
certificates: {authorities: [Plant CA]}
backup: {servers: [10.0.3.43], interval: 14d, roles: [plc, hmi]}
end_of_life: [{vendor: Acme, model: "P1*", until: 1969-12-31}]
remediation: [{asset: 10.0.1.21, cve: CVE-1970-0001, until: 2999-01-01, state: mitigated}]
"""
WORSE = INPUTS.replace("required_days: 30", "required_days: 365").replace(
    "until: 2999-01-01, state: mitigated", "until: 1970-01-02, exploited: true"
)
WORST = WORSE.replace(
    "remediation: [",
    "remediation: [{asset: 10.0.2.11, cve: CVE-1970-0002, until: 1970-01-02, exploited: true}, ",
)


def site(folder: Path, text: str = INPUTS, policy: str = POLICY) -> Site:
    """The site as it says of itself."""
    path = folder / f"compliance-{hashlib.sha256(text.encode()).hexdigest()[:8]}.yaml"
    path.write_text(text, "utf-8")
    found = read(policy, "policy.yaml")
    assert found.policy is not None, found.problems
    return Site(
        "plant", policy=found.policy, policy_path=Path("policy.yaml"), inputs=inputs.load(path)
    )


class Month:
    """A store of some days, with a live sensor; rows are given before it is written."""

    def __init__(self, folder: Path, name: str, days: int) -> None:
        self.store: Store = new(folder / f"{name}.db")
        self.tap: Tap = tap(self.store)
        self.days, self.end = days, days * DAY
        self.wrong: list[tuple[Finding, Sequence[Packet]]] = []
        self.said: list[Act] = []

    # ------------------------------------------------------------------------------ traffic

    def hears(self, *addresses: str) -> None:
        """Devices that send from beginning to end."""
        for address in addresses:
            third, fourth = (int(part) for part in address.split(".")[2:])
            mac = f"00:0e:8c:00:{third:02x}:{fourth:02x}"
            self.tap.heard(mac, address)
            cells = self.tap.rows["station"]
            cells[-1] = row("station", source=self.tap.number, number=len(cells) - 1, mac=mac,
                            address=address, frames=100, **seen(0, self.end))  # fmt: skip

    def talks(self, client: str, server: str, protocol: str, service: str, **other: Any) -> int:
        """A conversation from beginning to end."""
        cells = {
            "connections": 1,
            "payload_out": 100,
            "payload_in": 100,
            **seen(0, self.end),
            **other,
        }
        return self.tap.talks(client, server, protocol, service, **cells)

    def does(
        self, client: str, server: str, protocol: str, cls: str, operation: str, **other: Any
    ) -> None:
        """Something that was done."""
        service = other.pop("service", "tcp/502")
        first, last = other.pop("span", (0, self.end))
        self.talks(client, server, protocol, service)
        self.tap.talked["", client, server, "tcp/1", protocol] = self.tap.talked[
            "", client, server, service, protocol
        ]
        self.tap.does(
            client, server, protocol, cls, operation=operation, **seen(first, last), **other
        )

    def says(self, address: str, protocol: str, **facts: str) -> None:
        """Facts that hold from beginning to end."""
        self.tap.says(address, protocol, at=0, until=self.end, **facts)

    def gap(self, begin: int, end: int, kind: str = "outage") -> None:
        """A span in which nothing was captured."""
        self.tap._add("gap", number=len(self.tap.rows.get("gap", [])), kind=kind, packet=begin,
                      begin_time=begin * SECOND, end_time=end * SECOND, detail="stopped")  # fmt: skip

    # ------------------------------------------------------------------------------- people

    def act(
        self,
        kind: str,
        at: int,
        attribute: str = "",
        after: str = "",
        address: str = "",
        **other: Any,
    ) -> None:
        """What a person said at a second of the month."""
        node = json.dumps(["plant", "net", "", address]) if address else ""
        before = "[]" if kind == "merge" else ""
        self.said.append(
            Act(0, at * SECOND, "Ann", kind, node, attribute, before, after, "because", **other)
        )  # type: ignore[arg-type]

    def finds(
        self,
        name: str,
        client: str,
        server: str,
        level: str = "medium",
        *,
        packets: bool = True,
        at: int = DAY,
        **other: Any,
    ) -> str:
        """A finding of a rule; its id."""
        identity = f"{len(self.wrong):08x}"
        lists = ("witnesses", "operations", "objects", "outcomes", "techniques", "falsepositives")
        times = dict.fromkeys(("first_time", "last_time"), at * SECOND)
        cells: dict[str, Any] = {
            **dict.fromkeys(Finding._fields, ""), **dict.fromkeys(lists, ()), **times,
            **dict.fromkeys(("first_packet", "last_packet"), at), **dict.fromkeys(("rule", "name"), name),
            "id": identity, "site": "plant", "group": "net", "level": level, "client": client,
            "server": server, "title": name.replace("-", " ").capitalize(), "times": 1, "source": 1,
            "seen": f"{name} was seen.", **other,
        }  # fmt: skip
        shown = [Packet(1, identity, at, at * SECOND, name)] if packets else []
        self.wrong.append((Finding(**cells), shown))
        return identity

    # ----------------------------------------------------------------------------- the end

    def write(
        self,
        *,
        heartbeats: bool = True,
        growing: int = 10**6,
        dropped: int = 0,
        offset_us: int = 500,
    ) -> "Month":
        """Put all into the store."""
        write(
            self.store,
            clock=[
                row("clock", source=self.tap.number, packets=10**6, last_time=self.end * SECOND)
            ],
            **self.tap.rows,
        )
        findings.replace(self.store, self.wrong)
        record(self.store, self.said)
        if heartbeats:
            beat(self.store, [
                Heartbeat(1, at * SECOND, HOUR * 1000, "listening", 1000, 10**5, dropped, 1, 1, 0, 10, 0, 100, growing * (at // DAY), "", "synchronised", offset_us)
                for at in range(HOUR, self.end, HOUR * 6)
            ])  # fmt: skip
        return self


def good(folder: Path) -> Month:
    """Everything as it should be."""
    month = Month(folder, "good", DAYS)
    month.hears(
        HMI, PLC, SAFETY, HISTORIAN, JUMP, EWS, CLOCK, BACKUP, WIFI, TESTER, MANAGER, LAPTOP
    )
    month.hears(OFFICE, VENDOR)
    month.does(HMI, PLC, "modbus", "read", "read_holding_registers")
    month.does(HISTORIAN, PLC, "modbus", "read", "read_holding_registers")
    for one in (HMI, PLC):
        month.talks(one, BACKUP, "smb", "tcp/445")
        month.does(one, CLOCK, "ntp", "time", "client", service="udp/123")
    month.talks(JUMP, EWS, "rdp", "tcp/3389", **seen(DAY, DAY + HOUR))
    clock = month.tap.rows["behaviour"][-1]
    assert clock
    for address in (HMI, PLC, SAFETY, HISTORIAN, JUMP, EWS, CLOCK, BACKUP, WIFI, TESTER, MANAGER, LAPTOP, OFFICE, VENDOR):  # fmt: skip
        said = {
            "owner": "Bea",
            "criticality": "low",
            "vendor": "Good",
            "model": "G9",
            "revision": "2.0",
            **ASSET,
        }
        for attribute, value in said.items():
            month.act("set", DAY, attribute, value, address)
        month.act("set", DAY, "serial", f"S{address}", address)
        month.act("inventory-approve", 38 * DAY, "", "approved", address)
    for address, role in ((HMI, "hmi"), (PLC, "plc"), (SAFETY, "safety_plc"), (EWS, "ews")):
        month.act("set", DAY, "role", role, address)
    month.act("inventory-approve", 38 * DAY, "inventory", "14 assets")
    month.act("policy-approve", 38 * DAY, "policy.yaml", read(POLICY, "policy.yaml").policy.digest)  # type: ignore[union-attr]
    month.act("baseline-approve", 30 * DAY)
    month.act("selftest", 35 * DAY, "all rules", "120 rules: 120 fired")
    late = month.finds("new-operation", HMI, PLC, "low", at=39 * DAY)
    month.act("expect", 39 * DAY + HOUR, finding=late)
    month.write()
    _baseline(month, [(HMI, PLC, "tcp/502"), (HISTORIAN, PLC, "tcp/502"), (JUMP, EWS, "tcp/3389"),
                      *((one, BACKUP, "tcp/445") for one in (HMI, PLC)), *((one, CLOCK, "udp/123") for one in (HMI, PLC))])  # fmt: skip
    _reports(month, Run("weekly", 7 * DAY * SECOND, "done", 0, manifest="ab" * 32))
    return month


def _reports(month: "Month", *made: Run) -> None:
    """A schedule, and what came of it."""
    schedule = Schedule(
        *("weekly", "weekly", "0 6 * * 1", "UTC", "health", "json", "week", "[]", "reports", ""),
        *("last", 0, 0, 0, 0),
    )
    said = Act(0, 0, "Ann", "schedule", "", "weekly", "", "weekly", "")
    put_schedule(month.store, schedule, said)
    put_runs(month.store, made)


ASSET = {  # what people say of every asset of the good month
    "asset_number": "A1", "hostname": "h", "location": "hall", "logging": "none", "os": "RTOS 1.2",
    "services": "none", "user_accounts": "none", "backup": "weekly", "baseline_image": "img",
    "distributor": "d", "virtual": "physical", "antivirus": "none", "manufactured": "1969-01-01",
    "hypervisor": "none", "hypervisor_location": "none", "time_zone": "UTC", "note": "n",
}  # fmt: skip


def _baseline(month: Month, known: Sequence[tuple[str, str, str]]) -> None:
    """A baseline of conversations that ended by evidence."""
    from otsec.store import baseline as kept
    from otsec.store.baseline import Ended, Line

    lines = [
        Line(f"{n:010x}", "conversation", "plant", "net", "", client, server, service, "", "", "", "", "", "", 1, 0, DAY * SECOND, "tap of net", "[]", "approved", "Ann", "because", 0, 0)
        for n, (client, server, service) in enumerate(known)
    ]  # fmt: skip
    kept.keep(
        month.store,
        lines,
        [Ended("plant", "net", "", PLC, DAY * SECOND, "evidence", 0, DAY * SECOND)],
        [],
    )


def bad(folder: Path) -> Month:
    """Something of all wrong, in ten days."""
    month = Month(folder, "bad", 10)
    month.hears(HMI, PLC, SAFETY, HISTORIAN, JUMP, EWS, OFFICE, STRANGER, LAPTOP, WIFI, TESTER)
    month.gap(2 * DAY, 4 * DAY)
    month.talks(HMI, PLC, "modbus", "tcp/502", undecoded_in=50, malformed=3, lost_in=50)
    month.does(HMI, PLC, "modbus", "write", "write_single_register")
    month.does(STRANGER, PLC, "modbus", "write", "write_single_register")
    month.does(EWS, SAFETY, "modbus", "program", "program_download", span=(8 * DAY, 9 * DAY))
    month.does(EWS, PLC, "modbus", "firmware", "firmware_download")
    month.does(WIFI, SAFETY, "modbus", "write", "write_single_register")
    month.does(TESTER, PLC, "modbus", "write", "write_single_register")
    month.does(LAPTOP, PLC, "modbus", "write", "write_single_register")
    month.does(OFFICE, PLC, "modbus", "read", "read_holding_registers")
    month.does(OFFICE, HISTORIAN, "tls", "session", "hello", service="tcp/443")
    month.does(EWS, "10.0.3.99", "ntp", "time", "client", service="udp/123")
    month.talks(PLC, PUBLIC, "", "tcp/443")
    month.talks(PLC, PUBLIC, "", "tcp/25")
    month.talks(LAPTOP, PLC, "snmp", "udp/161")
    month.talks(LAPTOP, PLC, "telnet", "tcp/23")
    month.talks(HMI, PLC, "tls", "tcp/4840", payload_in=500)
    for n, client in enumerate((VENDOR, OFFICE)):
        month.talks(client, EWS, "rdp", "tcp/3389", **seen(DAY + n, DAY + 8 * HOUR))
    month.says(PLC, "telnet", credentials="clear", vendor="Acme", serial="4711")
    month.says(PLC, "modbus", model="P100")
    month.says(HMI, "ftp", credentials="default", os="Windows XP", serial="4711", vendor="Acme")
    month.says(EWS, "opcua", user_identity="anonymous")
    month.says(
        PLC,
        "tls",
        tls_version="TLS 1.0",
        certificate_until="1969-01-01",
        certificate_issuer="CN=nobody",
    )
    month.tap.says(PLC, "modbus", at=0, until=DAY, revision="1.0")
    month.tap.says(PLC, "modbus", at=2 * DAY, until=3 * DAY, revision="2.0")
    for name in RULES:
        month.finds(name, HMI, PLC, "high")
    month.finds("new-operation", STRANGER, PLC, packets=False)
    month.act("inventory-approve", DAY, "", "approved", HMI)
    month.act("inventory-approve", DAY, "", "approved", "10.0.1.250")
    month.act("inventory-approve", DAY, "inventory", "2 assets")
    month.act("set", DAY, "role", "switch", STRANGER)
    month.act("set", DAY, "role", "plc", PLC)
    month.act("policy-approve", DAY, "policy.yaml", read(POLICY, "policy.yaml").policy.digest)  # type: ignore[union-attr]
    month.act("baseline-approve", DAY)
    two = [["plant", "net", "", PLC], ["plant", "net", "", "10.0.2.77"]]
    month.hears("10.0.2.77")
    month.act("merge", DAY, "", json.dumps([two]), PLC)
    for protocol in ("snmp", "lldp"):
        month.says(HISTORIAN, protocol, **{name: f"{name} by {protocol}" for name in RIVALS})
    month.tap.heard("", "10.0.1.78")  # of a link without MAC addresses
    month.tap.heard("00:0e:8c:00:00:99")
    month.says(JUMP, "snmp", description="SCALANCE X208 switch", product_name="6ES7 315-2AG10")
    month.finds("siprotec-denial", HMI, PLC, at=9 * DAY)
    month.write(growing=5 * 10**9, dropped=100, offset_us=250_000)
    _baseline(month, [(HMI, PLC, "tcp/502")])
    _reports(
        month,
        Run("weekly", 2 * DAY * SECOND, "done", 0),
        Run("weekly", 9 * DAY * SECOND, "missed", 0),
    )
    with month.store._transaction():
        month.store.db.conn.execute("DROP TRIGGER act_kept")
    other = month.store.source("plant", "silent", "net", "")
    write(month.store, clock=[row("clock", source=other, packets=50, last_time=10 * DAY * SECOND)])
    return month


RIVALS = tuple(  # facts that two protocols tell otherwise
    fact for one in ATTRIBUTES.values() for fact in one.facts[:1]
)
RULES = (
    *("login-brute-force", "address-fought-for", "goose-replayed", "stuxnet", "siprotec-denial"),
    *("silent-device", "two-dhcp-servers"),
)


def gaps(folder: Path) -> Month:
    """The good month's plant, of which the sensor slept for most of the time."""
    month = Month(folder, "gaps", DAYS)
    month.hears(HMI, PLC)
    month.does(HMI, PLC, "modbus", "read", "read_holding_registers")
    for week in range(5):
        month.gap((7 * week + 1) * DAY, (7 * week + 6) * DAY)
    return month.write(dropped=100)


def empty(folder: Path) -> Store:
    """A store into which nothing was read."""
    return new(folder / "empty.db")
