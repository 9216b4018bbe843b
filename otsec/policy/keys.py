"""Every key of a policy: what it takes and what it means.

`reading` knows which keys there are from here, and so do the JSON Schema and the documentation.
"""

from collections.abc import Mapping
from typing import NamedTuple

from otsec.inventory.roles import ROLES
from otsec.policy.model import CLASSES, VERDICTS, ZONE_KINDS
from otsec.policy.windows import DAYS


class Key(NamedTuple):
    """One key."""

    takes: str  # a name of `schema.TAKES`, or of a block
    about: str
    needed: bool = False


INTER = ("deny", "allow")
INTRA = ("allow", "deny", "learn")
UNPLACED = ("alert", "deny", "allow")
STATUSES = ("accepted", "proposed")
WORDS: Mapping[str, tuple[str, ...]] = {  # closed lists
    "inter": INTER,
    "intra": INTRA,
    "unplaced": UNPLACED,
    "zone_kind": ZONE_KINDS,
    "role": tuple(ROLES),
    "day": tuple(DAYS),
    "verdict": VERDICTS,
    "class": CLASSES,
    "status": STATUSES,
}

POLICY = {
    "otsec_policy": Key("version", "Version of this format: 1.", needed=True),
    "site": Key("site", "Of which site it is.", needed=True),
    "defaults": Key("defaults", "What holds where no rule does."),
    "zones": Key("zones", "Zones by name.", needed=True),
    "groups": Key("groups", "Groups by name: some of those of a zone."),
    "windows": Key("windows", "Times by name."),
    "conduits": Key("conduits", "What may cross, and between whom."),
    "never": Key("nevers", "What may not be, whatever else is allowed."),
    "exceptions": Key("exceptions", "What is allowed for a time."),
    "tests": Key("tests", "What the policy must say of examples; run by `policy check`."),
}
SITE = {
    "id": Key("name", "The site's name.", needed=True),
    "timezone": Key("text", "Time zone of windows and dates, such as Europe/London.", needed=True),
    "owner": Key("text", "Who answers for the policy."),
    "reason": Key("text", "Any remark."),
}
DEFAULTS = {
    "inter_zone": Key("inter", "Between zones: `deny` (also if not written) or `allow`."),
    "intra_zone": Key(
        "intra",
        "Within a zone: `allow` (also if not written), `deny`, or `learn`: what is in the approved "
        "baseline is allowed, the rest denied.",
    ),
    "unplaced": Key(
        "unplaced",
        "Where an end is in no zone: `alert` (also if not written) tells it as unknown_endpoint; "
        "`deny`; `allow`.",
    ),
}
ZONE = {
    "level": Key("level", "Purdue level: 0, 1, 2, 3, 3.5, 4, 5, or null for none."),
    "nets": Key("nets", "Networks; the longest prefix of all zones places an address."),
    "vlans": Key("vlans", "VLANs, for what has no address in any zone's networks."),
    "assets": Key("texts", "Assets by name or id that are in it wherever their addresses are."),
    "kind": Key(
        "zone_kind",
        "What kind of zone: `process`, `safety` (its own findings), `wireless`, `transient` "
        "(laptops), `dmz`, `enterprise` and `remote` (both IT), `external` (another plant, a control centre).",
    ),
    "sl_t": Key("sl", "Target security level of IEC 62443-3-2, 0 to 4; told, not judged."),
    "tags": Key("texts", "Words for selectors: whoever is in the zone has them."),
    "owner": Key("text", "Who answers for the zone."),
    "reason": Key("text", "Any remark."),
}
SELECTOR = {
    "zone": Key("names", "In one of these zones."),
    "role": Key("roles", "Has one of these roles, known with a confidence of 0.8 or more."),
    "tags": Key("texts", "Has one of these tags (by a person's word, or of its zone)."),
    "assets": Key("texts", "Is one of these assets, by name or id."),
    "asset": Key("texts", "The same as `assets`."),
    "ips": Key("nets", "Has one of these IP addresses (or is in one of these networks)."),
    "macs": Key("macs", "Has one of these MAC addresses, `00:1b:1b:00:00:00/24` for a range."),
    "vlans": Key("vlans", "Is seen in one of these VLANs."),
    "multicast": Key(
        "multicast",
        "As `to`: frames sent to one of these groups, `01:0c:cd:01:00:00/32`, `239.0.0.0/8`, or the "
        "broadcast address of a zone's network, or of any with 16 addresses or more.",
    ),
    "internet": Key("flag", "true: addresses of the internet that are in no zone."),
}
GROUP = {
    key: Key(value.takes, value.about) for key, value in SELECTOR.items() if key != "multicast"
}
WINDOW = {
    "days": Key("days", "mon, tue, wed, thu, fri, sat, sun; all if not written."),
    "start": Key("clock", 'Begins at, in quotes: "22:00"; "00:00" if not written.'),
    "end": Key(
        "clock",
        'Ends at, in quotes: "02:00" (not above start: on the next day); "24:00" if not written.',
    ),
    "from_date": Key("date", "First day, 2026-12-05."),
    "to_date": Key("date", "Last day."),
    "reason": Key("text", "Any remark."),
}
ALLOW = {
    "protocol": Key("protocol", "A protocol that the bytes prove: modbus, s7comm, goose, ..."),
    "service": Key("service", "What is reached: a name (rdp, ssh, https) or a number (tcp/4000)."),
    "ops": Key(
        "ops",
        "Classes of operations, or operations of the protocol; `any` or nothing written: all.",
    ),
    "objects": Key("texts", "Of any protocol: objects, `holding 100-109`, `DB10.*`."),
    "devices": Key("texts", "Of any protocol: devices behind the address, `unit 3`, `slot 0`."),
    "nodes": Key("texts", "OPC UA: nodes, * stands for anything: `ns=4;s=Order.*`."),
    "topics": Key("texts", "MQTT: topic filters with + and #."),
    "common_address": Key("numbers", "IEC 104: common addresses of ASDUs."),
    "appid": Key("numbers", 'GOOSE: APPIDs; a range is one text, "0x0001-0x0040".'),
    "units": Key("numbers", "Modbus: unit identifiers."),
}
_COMMON = {
    "id": Key("name", "Short name; verdicts name it.", needed=True),
    "from": Key("ends", "Who begins: `any`, zones, groups, or selectors.", needed=True),
    "to": Key("ends", "Who answers: the same.", needed=True),
}
_TOLD = {
    "owner": Key("text", "Who answers for it.", needed=True),
    "reason": Key("text", "What it is for.", needed=True),
    "ticket": Key("text", "The change by which it came."),
}
CONDUIT = {
    **_COMMON,
    "allow": Key("allows", "What may be done.", needed=True),
    "when": Key("name", "A window: outside it, the conduit does not hold."),
    "max_session": Key("duration", "Longest session: 30m, 4h, 1d."),
    "needs_change": Key("flag", "true: each use needs a change; verdicts are marked with it."),
    "status": Key("status", "`accepted` (also if not written), or `proposed`: holds, and is told."),
    **_TOLD,
    "approved_by": Key("text", "Who approved it."),
}
NEVER = {
    **_COMMON,
    "ops": Key("ops", "Classes or names of operations; all if not written."),
    "services": Key("services", "Only what is reached there: rdp, tcp/4000; all if not written."),
    "unless_from": Key("ends", "Who may nevertheless, if a conduit allows it."),
    "unless_window": Key("name", "A window in which it may be, if a conduit allows it."),
    "owner": Key("text", "Who answers for it."),
    "reason": Key("text", "Why."),
}
EXCEPTION = {
    **_COMMON,
    "allow": Key("allows", "What may be done.", needed=True),
    "when": Key("name", "A window: outside it, the exception does not hold."),
    "starts": Key("date", "First day."),
    "expires": Key("date", "Last day; at most a year behind the first.", needed=True),
    "max_session": Key("duration", "Longest session."),
    "needs_change": Key("flag", "As of conduits."),
    **_TOLD,
    "approved_by": Key("text", "Who approved it.", needed=True),
}
TEST = {
    "from": Key("subject", "An address, or what is known of who begins.", needed=True),
    "to": Key("subject", "The same of who answers.", needed=True),
    "protocol": Key("protocol", "The protocol; nothing: not recognised."),
    "service": Key("service", "By name or number; if not written, where the protocol usually is."),
    "op": Key("op", "A class, or an operation of the protocol; nothing: it could not be read."),
    "object": Key("text", "What it is done to."),
    "device": Key("text", "The device behind the address."),
    "appid": Key("numbers", "The APPID of a GOOSE message."),
    "at": Key("moment", 'When, in quotes: "2026-12-01 23:00"; else the time of the check.'),
    "expect": Key("verdict", "allow, deny, unknown_endpoint or undecoded.", needed=True),
    "rule": Key("name", "The id of the rule that must decide."),
}
SUBJECT = {
    "ip": Key("text", "Its IP address."),
    "mac": Key("text", "Its MAC address, where it has no IP address."),
    "role": Key("role", "Its role."),
    "tags": Key("texts", "Its tags."),
    "asset": Key("text", "Its name."),
    "vlan": Key("text", "The VLAN in which it is seen."),
}
BLOCKS: Mapping[str, tuple[str, Mapping[str, Key]]] = {  # title of each in the documentation
    "policy": ("The file", POLICY),
    "site": ("`site`", SITE),
    "defaults": ("`defaults`", DEFAULTS),
    "zone": ("A zone", ZONE),
    "group": ("A group", GROUP),
    "selector": ("A selector in `from`, `to`, `unless_from`", SELECTOR),
    "window": ("A window", WINDOW),
    "conduit": ("A conduit", CONDUIT),
    "allow": ("An entry of `allow`", ALLOW),
    "never": ("A `never`", NEVER),
    "exception": ("An exception", EXCEPTION),
    "test": ("A test", TEST),
    "subject": ("An end of a test", SUBJECT),
}
