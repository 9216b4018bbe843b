"""Golden messages of every protocol: `golden/<protocol>.yaml`, each with where its bytes are from.

An entry has a name, an origin, its source, the unit's bytes as the protocol is given them, and all
that is read of it. What is said of an operation here is said of bytes that others made or that
tshark reads alike.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from modbus_units import BY_NAME, TABLE, Unit

from otsec.protocols import PROTOCOLS
from otsec.protocols.api import OPAQUE, Elements, Fact, Message, Protocol, Side
from otsec.protocols.reading import Reading, read, read_all

FOLDER = Path(__file__).parent / "golden"
ORIGINS = {
    "real",  # traffic that others recorded: the capture and the frame
    "peer",  # an implementation that others wrote, talking to another
    "standard",  # an example of a standard or of a public description
    "set",  # bytes set by hand from the standard's clause, and read alike by tshark
}


@dataclass(frozen=True)
class Golden:
    """One entry of a file."""

    protocol: Protocol
    name: str
    origin: str
    source: str
    side: Side
    data: bytes
    request: bytes | None
    messages: tuple[Message, ...]
    values: tuple[tuple[float, ...], ...]
    alone: bool
    framing: int
    kind: int
    context: str
    open: tuple[tuple[int, int], ...]  # spans of bytes that are not told: opaque, or without use

    def read(self, *units: bytes) -> list[Reading | None]:
        """What is read of some bytes in place of its own."""
        return list(
            read_all(
                self.protocol, units, self.side, self.request,
                framing=self.framing, kind=self.kind, context=self.context,
            )
        )  # fmt: skip


def _message(said: dict[str, Any]) -> Message:
    facts = tuple(Fact(*fact) for fact in said.pop("facts", []))
    elements = said.pop("elements", None)
    return Message(**said, facts=facts, elements=Elements(*elements) if elements else None)


YAML = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # in C where that is there


@cache
def load(protocol: Protocol) -> tuple[Golden, ...]:
    """The golden messages of a protocol; Modbus has a table of its own, with more in it."""
    if protocol.name == "modbus":
        return tuple(_of_modbus(protocol, unit) for unit in TABLE)
    path = FOLDER / f"{protocol.name}.yaml"
    entries = yaml.load(path.read_text(), YAML) if path.exists() else []  # noqa: S506 - safe
    bytes_of = {entry["name"]: bytes.fromhex(entry["hex"]) for entry in entries}
    assert len(bytes_of) == len(entries), f"{path.name}: two entries of one name"
    return tuple(
        Golden(
            protocol, entry["name"], entry["origin"], entry["source"],
            Side[entry["side"].upper()], bytes_of[entry["name"]],
            bytes_of[entry["request"]] if "request" in entry else None,
            tuple(map(_message, entry["messages"])),
            tuple(map(tuple, entry.get("values", []))),
            entry.get("alone", False), entry.get("framing", 0), entry.get("kind", 0),
            entry.get("context", ""), tuple(map(tuple, entry.get("open", []))),
        )
        for entry in entries
    )  # fmt: skip


def _of_modbus(protocol: Protocol, unit: Unit) -> Golden:
    asked = BY_NAME[unit.request].data if unit.request else None
    reading = read(protocol, unit.data, unit.side, asked)
    values = reading.values if reading is not None else ()
    unsaid = tuple((at, at + 1) for at in unit.free | unit.unsaid)
    origin = next((word for mark, word in OF_MODBUS if mark in unit.origin), "set")
    return Golden(
        protocol, unit.name, origin, unit.origin, unit.side, unit.data, asked, (unit.message,),
        values, alone=False, framing=0, kind=0, context="", open=unsaid,
    )  # fmt: skip


OF_MODBUS = (("pcap", "real"), ("pymodbus", "peer"), ("[APP]", "standard"))


def each_golden(
    protocols: Iterable[Protocol] = PROTOCOLS,
) -> Callable[[Callable[[Golden], None]], Callable[[Protocol], None]]:
    """Make what is asked of one golden message a test a protocol, which names all that fail.

    Thousands of tests of a millisecond cost several times that in the telling.
    """

    def test_of(check: Callable[[Golden], None]) -> Callable[[Protocol], None]:
        @pytest.mark.parametrize("protocol", protocols, ids=lambda protocol: protocol.name)
        def of_protocol(protocol: Protocol) -> None:
            failed = []
            for golden in load(protocol):
                try:
                    check(golden)
                except Exception as error:  # noqa: BLE001 - all are told together
                    error.add_note(f"golden message: {golden.name}")
                    failed.append(error)
            if failed:
                raise ExceptionGroup(f"golden messages of {protocol.name}", failed)

        of_protocol.__doc__ = check.__doc__
        return of_protocol

    return test_of


@each_golden()
def test_read_as_told(golden: Golden) -> None:
    """The bytes say what the entry says, and nothing else."""
    assert golden.origin in ORIGINS, golden.origin
    assert golden.source
    (reading,) = golden.read(golden.data)
    assert reading is not None
    assert reading.messages == golden.messages
    assert [one.left for one in reading.messages] == [one.left for one in golden.messages]
    assert reading.values == golden.values
    assert reading.alone == golden.alone


@each_golden()
def test_no_byte_is_passed_over(golden: Golden) -> None:
    """A flipped byte changes what is read or makes the unit malformed; what does not is named."""
    flipped = [_flipped(golden.data, at, flip) for at in range(len(golden.data)) for flip in FLIPS]
    told, *changed = golden.read(golden.data, *flipped)
    silent = [
        at
        for at in range(len(golden.data))
        if all(one == told for one in changed[at * len(FLIPS) : (at + 1) * len(FLIPS)])
    ]
    named = {at for begin, end in golden.open for at in range(begin, end)}
    assert set(silent) <= named, f"bytes {sorted(set(silent) - named)} say nothing"


@each_golden()
def test_what_is_left_has_a_reason(golden: Golden) -> None:
    """What a message leaves untold has its kind or reason in the note, and is no more than it is."""
    assert sum(message.left for message in golden.messages) <= len(golden.data)
    for message in golden.messages:
        said = (OPAQUE, "not told", "not decoded", "only the first")
        assert not message.left or any(word in message.note for word in said), message


FLIPS = (0x01, 0x80, 0x5A)  # some codes have two spellings, so one flip proves nothing


def _flipped(unit: bytes, at: int, flip: int) -> bytes:
    return unit[:at] + bytes([unit[at] ^ flip]) + unit[at + 1 :]


@each_golden()
def test_prefixes_are_no_messages(golden: Golden) -> None:
    """A proper prefix of a unit is refused, or tells no more than itself: never a fact."""
    readings = golden.read(*(golden.data[:size] for size in range(len(golden.data))))
    for size, reading in enumerate(readings):
        assert reading is None or not any(message.facts for message in reading.messages), size


@pytest.mark.parametrize("protocol", PROTOCOLS, ids=lambda protocol: protocol.name)
def test_operations_have_golden_messages(protocol: Protocol) -> None:
    """At least four of five operations of a protocol are shown by a golden message."""
    shown: dict[str, Counter[str]] = {}
    for golden in load(protocol):
        for message in golden.messages:
            shown.setdefault(message.operation, Counter())[golden.origin] += 1
    names = {operation.name for operation in protocol.operations}
    missing = sorted(names - set(shown))
    assert len(missing) <= len(names) / 5, f"{len(missing)} of {len(names)} lack one: {missing}"


@pytest.mark.parametrize("protocol", PROTOCOLS, ids=lambda protocol: protocol.name)
def test_operations_and_facts_are_declared(protocol: Protocol) -> None:
    """Golden messages use only operations, classes and attributes that the protocol lists."""
    listed = {(operation.name, operation.cls) for operation in protocol.operations}
    for golden in load(protocol):
        for message in golden.messages:
            known = (message.operation, message.cls) in listed
            assert known or "unknown_" in message.operation or "_0x" in message.operation, message
            for fact in message.facts:
                assert fact.attribute in protocol.identity or "0x" in fact.attribute, fact


@pytest.mark.parametrize("protocol", PROTOCOLS, ids=lambda protocol: protocol.name)
def test_routine_is_among_the_operations(protocol: Protocol) -> None:
    """What is no event of its own is an operation that the protocol has."""
    assert protocol.routine <= {operation.name for operation in protocol.operations}


def test_fields_are_all_compared() -> None:
    """A message in a file can say all that a message holds."""
    names = {field.name for field in fields(Message)}
    assert names == {
        "operation", "cls", "object", "device", "outcome", "elements", "facts", "note", "left",
    }  # fmt: skip
