"""The findings that the baseline makes: what each is called, how bad it is, what it says.

Two of them have had a rule of the same id that waits for them (`rules/later`).
"""

from collections.abc import Mapping
from dataclasses import dataclass

from otsec.detect.model import Level
from otsec.detect.telling import FURTHER


@dataclass(frozen=True, slots=True)
class Kind:
    """One sort of deviation; words in braces are filled in."""

    id: str
    name: str
    level: Level  # where the thing itself does not say more
    title: str
    techniques: tuple[str, ...]
    seen: str
    expected: str
    why: str
    next: str
    falsepositives: tuple[str, ...]


APPROVE = "If it is meant to be so: otsec baseline approve {ids} --by ... --reason ..."
NEW_DEVICE = Kind(
    "2a6b8a8e-3a3c-5bb0-a4f5-0a0f8a7d4b11",
    "new-device",
    "medium",
    "New device",
    ("T0848",),
    "{server} is in the network for the first time{does}.",
    "The {known} devices that were there in {watched} of learning.",
    "Whoever brings a device into the network can reach what stands there.",
    f"Ask who connected {{server}}, and where. {APPROVE}",
    ("A device that was replaced or lent.", "A service technician's laptop."),
)
NEW_CONVERSATION = Kind(
    "5d7f9d52-31b2-5c2e-9b8e-0f2f4bd7b3c2",
    "new-conversation",
    "medium",
    "New conversation",
    ("T0886",),
    "{client} talks to {server} by {services} for the first time.",
    "{peers}",
    "Machines talk to the same few others for years; a new way is a change, or somebody looking.",
    f"Find out what {{client}} wants of {{server}}. {APPROVE}",
    ("A function of the plant that is seldom used.", "A server that was moved."),
)
NEW_PEER = Kind(
    "a8807b64-01ed-5abb-908a-134ca6c25695",
    "new-external-peer",
    "medium",
    "New address of the internet",
    ("T0869",),
    "{client} talks to {server}, an address of the internet, by {services} for the first time.",
    "{peers}",
    "Malware fetches its orders so, and data leave so.",
    f"Find out what {{server}} is and who needs it. {APPROVE}",
    ("An update.", "A cloud service that changed its addresses."),
)
NEW_WRITER = Kind(
    "e7c071f3-ce28-53d2-8678-64e283e2dacd",
    "new-writer",
    "high",
    "Changed by a client that never did so",
    ("T0848", "T0855"),
    "{client} changed {at} ({operations}: {objects}){values}, and never did so before.",
    "{writers}",
    "Whoever is new among those who change a machine may be none of yours.",
    f"Ask the shift who was at {{client}}. {APPROVE}",
    ("An engineering station that was replaced or re-addressed.",),
)
NEW_OPERATION = Kind(
    "0c1f83f0-77c4-5a5c-8f57-5d2b1d6f3d7a",
    "new-operation",
    "low",
    "New operation",
    ("T0861",),
    "{client} did {operations} at {at}, and never did so before.",
    "{operations_known}",
    "A known client that does something else has another job, or another master.",
    f"Ask who works at {{client}}. {APPROVE}",
    ("A page of the HMI that is seldom opened.", "Maintenance."),
)
NEW_OBJECT = Kind(
    "f0a6b9cb-6c2c-5f0e-8f2b-2a8c4b0f3c6d",
    "new-object",
    "medium",
    "New object",
    ("T0861",),
    "{client} did {operations} at {at} on {objects}, {covered}.",
    "{objects_known}",
    "Who looks for what a machine holds, or changes what was never changed, does it so.",
    f"Ask who works at {{client}}, and compare with the project. {APPROVE}",
    ("A page of the HMI that is seldom opened.", "The project was changed."),
)
VALUE = Kind(
    "b7a4c7d6-8f9b-5f41-9d0a-6f3f4a2f5e10",
    "value-outside",
    "high",
    "Written value outside of its range",
    ("T0836",),
    "{client} wrote {values} at {at}.",
    "{ranges}",
    "A setpoint that was never in use can drive the process where nobody has been.",
    f"Ask the shift whether the process was meant to run so. {APPROVE}",
    ("A recipe that was not run while learning.",),
)
IDENTITY = Kind(
    "d31f5b83-19d8-5d84-9e0e-7c6d2d7b8e21",
    "identity-changed",
    "high",
    "Device says that it is another",
    ("T0857",),
    "{at} says: {identity}.",
    "{identity_known}",
    "Another serial number is another device; another firmware or program is a change of what it does.",
    f"Look for the change record, and at the device. {APPROVE}",
    ("A device that was replaced.", "A firmware that was updated."),
)
OTHER_STATE = Kind(
    "7b9e0c54-6a1d-5e2f-9c47-35d2a8f1b6c3",
    "other-state",
    "medium",
    "Known operation in another state of the plant",
    ("T0855",),
    "{client} did {operations} at {at}{on} while the plant was in the state {state}.",
    "It was done in {states}, and never in {state} while that was learned.",
    "The right command at the wrong time is what an attacker sends who knows the plant.",
    f"Ask the shift what was going on. {APPROVE}",
    ("The state was another than the calendar says.", "Work that is seldom done in this state."),
)
SILENT = Kind(
    "61d2f7a0-0f0b-5c6a-8a0a-3f1d9c5b7e42",
    "silent-device",
    "medium",
    "Device that is always on is silent",
    ("T0814",),
    "{server} was last heard at {last} and is silent since ({silent}).",
    "It is always on: {presence}.",
    "A device that is gone neither controls nor protects, and nobody sees what it measures.",
    "Look whether it has power and link; its neighbours at the same switch first. "
    "If it was taken away: otsec asset set {server} presence=transient",
    ("A device that was switched off.", "A mirror port that no longer shows its VLAN."),
)
SHIFT = Kind(
    "4f7c2d90-8a1e-5b36-b0d4-6e93c1a7f285",
    "shift",
    "medium",  # at least; as bad as the worst of what it stands for
    "Much is other at once",
    (),
    "Within an hour from {since} on much is other at {where}: {what}. Gravest: {worst}",
    "The {known} that are known there, as they were while learning.",
    "So much at once has one cause: a project that was loaded, a network that was rebuilt, another "
    "mirror port, or somebody who takes over.",
    f"Find out what was done at that time; look at the gravest of it first. {APPROVE}",
    ("Work on the plant that was not announced.", "A VLAN that is newly mirrored."),
)
ALL = (
    *(NEW_DEVICE, NEW_CONVERSATION, NEW_PEER, NEW_WRITER, NEW_OPERATION, NEW_OBJECT, VALUE),
    *(IDENTITY, SILENT, OTHER_STATE),
)
LEVEL_OF_CLASS: Mapping[str, Level] = {  # of an operation that its client never did
    **dict.fromkeys(("program", "mode", "firmware"), "high"),
    **dict.fromkeys(("write", "control", "config", "file", "time"), "medium"),
}
OBJECTS: Mapping[str, Level] = {
    "change outside": "high",
    "change inside": "low",
    "read outside": "medium",
    "read inside": "low",
}


def level(kind: Kind, cls: str, about: str) -> Level:
    """How bad it is; ``about``: what else its finding is grouped by."""
    if kind in {NEW_OPERATION, OTHER_STATE}:
        return LEVEL_OF_CLASS.get(cls, "low")
    if kind is NEW_OBJECT:
        return OBJECTS[about.removesuffix(FURTHER).strip()]
    return kind.level
