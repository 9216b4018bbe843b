"""Policies for tests: one that is right, and changes that make it wrong."""

BASE = """\
otsec_policy: 1
site: {id: works, timezone: Europe/Berlin}
defaults: {inter_zone: deny, intra_zone: allow, unplaced: alert}
zones:
  field: {level: 1, nets: [10.20.10.0/24]}
  scada: {level: 2, nets: [10.20.30.0/24]}
  office: {level: 4, nets: [10.1.0.0/16], kind: enterprise}
groups:
  hmi: {zone: scada, role: hmi}
windows:
  night: {days: [tue, thu], start: "22:00", end: "02:00"}
conduits:
  - {id: hmi-plc, from: hmi, to: field, allow: [{protocol: modbus, ops: [read]}], owner: ops, reason: polls}
"""


def changed(*replacements: tuple[str, str]) -> str:
    """The right policy with pieces of text replaced, each of which must be there once."""
    text = BASE
    for old, new in replacements:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    return text


def more(text: str) -> str:
    """The right policy with lines behind it."""
    return BASE + text
