"""What rules can ask for: each category of rows with its fields. `docs/rules.md` is made of it.

A row of `operation` is one behaviour: everything that a client does with one object of a device
with one outcome, however often. So a rule is judged once for each distinct thing, not for each
packet.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

Kind: TypeAlias = Literal["text", "number", "flag"]

ROLE_FIELDS = ("role", "level", "vendor", "name")  # of the inventory, for client and server


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a category."""

    name: str
    kind: Kind
    about: str
    example: str = ""


@dataclass(frozen=True, slots=True)
class Category:
    """One kind of rows that rules judge."""

    name: str
    about: str
    fields: tuple[Field, ...]
    coarse: tuple[str, ...]  # columns of few distinct values, by which rows are chosen in SQL
    fine: tuple[str, ...] = ()  # further ones by which they are, where these make few combinations

    @property
    def names(self) -> tuple[str, ...]:
        """The fields' names in order: the order of the cells of a row."""
        return tuple(field.name for field in self.fields)


def _text(name: str, about: str, example: str = "") -> Field:
    return Field(name, "text", about, example)


def _number(name: str, about: str, example: str = "") -> Field:
    return Field(name, "number", about, example)


def _flag(name: str, about: str) -> Field:
    return Field(name, "flag", about)


def _who(side: str, word: str) -> tuple[Field, ...]:
    return (
        _text(
            f"{side}_scope",
            f"Where {word} is: `public` (an address of the internet), `private`, `link` (MAC or "
            "link-local), `group` (multicast, broadcast), `none`.",
        ),
        _text(f"{side}_role", f"Role of {word} in the inventory; `unknown`.", "hmi"),
        _number(f"{side}_level", f"Purdue level of {word}; -1 where it is unknown.", "2"),
        _text(f"{side}_vendor", f"Maker of {word}; empty: unknown.", "Siemens AG"),
        _text(f"{side}_name", f"Name of {word} in the inventory.", "plc-press-4"),
    )


_WHERE = (
    _text("client", "Address of who asks or publishes.", "10.10.10.7"),
    _text("server", "Address of who answers, or the group.", "10.10.10.21"),
    _text("service", "Transport and port, or the ethertype.", "tcp/502"),
    _text("place", "VLAN; empty: untagged.", "20"),
)
_SIDES = (*_who("client", "the client"), *_who("server", "the server"))
_OPERATION = (
    _text("protocol", "The protocol, as in `otsec protocols`.", "s7comm"),
    _text("operation", "The protocol's own word.", "plc_stop"),
    _text("class", "Class of the operation.", "mode"),
    _text("outcome", "`ok`, or how it failed: `unanswered`, `open`, the device's words.", "ok"),
    *_WHERE,
    _text("device", "Device behind the address; empty: the address itself.", "unit 3"),
    _text("object", "What it is done to.", "holding 100-109"),
    _number("count", "How often."),
    _text("note", "What was not decoded of it; empty: nothing."),
    _number(
        "unselected",
        "How often a point was commanded without its selection by the same client, where this "
        "point is selected first; 0 where that cannot be told.",
    ),
    _number(
        "reads_per_write",
        "How often the client reads from the server, in the same protocol, for each time that it "
        "changes something there; -1 where it changes nothing.",
    ),
    *_SIDES,
)
_COUNTED = (
    _text(
        "client_reason",
        "Why that is the client: `syn`, `protocol`, `port`, `publisher`, `unknown`.",
    ),
    _number("connections", "Connections folded into it."),
    _number("packets_out", "Packets of the client."),
    _number("packets_in", "Packets of the server."),
    _number("payload_out", "Bytes of payload of the client."),
    _number("payload_in", "Bytes of payload of the server."),
    _number(
        "sent_out",
        "Bytes of payload of the client, with those that the server acknowledged and the capture "
        "lacks.",
    ),
    _number("sent_in", "The same of the server."),
    _number("undecoded", "Bytes of payload that no protocol accounted for."),
    _number("malformed", "Units that contradict the protocol's standard."),
    _number("packets_per_s", "Packets a second, from the first to the last, of begun seconds."),
)
_CONVERSATION = (
    _text("service", "Transport and port, or the ethertype.", "tcp/502"),
    _text("protocol", "The protocol that its bytes are; empty: none was recognised.", "modbus"),
    _flag("claimed", "Its bytes prove the protocol."),
    *(field for field in _WHERE if field.name != "service"),
    _text("transport", "`tcp`, `udp`, `icmp`, ... or the ethertype.", "tcp"),
    _number("port", "Port of the server; -1 without one.", "502"),
    _text("port_protocol", "The industrial protocol that the port belongs to; empty: none."),
    *_COUNTED,
    *_SIDES,
)
_IDENTITY = (
    _text("attribute", "What is told, as in `otsec asset`.", "revision"),
    _text("protocol", "The protocol that tells it; empty: several.", "enip"),
    _text("value", "The value, as it was sent.", "V2.6"),
    _text("before", "The value that was told before it; empty: it is the first.", "V2.5"),
    _text("address", "Of whom it is told.", "10.10.10.21"),
    _text("device", "Device behind the address; empty: the address itself."),
    _text("place", "VLAN; empty: untagged."),
    _number("values", "How many different values were told."),
    _flag(
        "returned",
        "The value before it was told again after it, or (of `mac`) went on sending under the "
        "address: both hold, or they fight.",
    ),
    _text(
        "held_by",
        "Of `mac`: the card of another maker that sends from the address, though `value` shows "
        "itself by ARP as it, and as a few others; empty: there is none.",
    ),
    _flag("passed", "The value is a day, and it had passed when it was told."),
    _number("count", "How often this value was told."),
    _text("server_scope", "Where the address is, as `client_scope` of `operation`."),
    _text("server_role", "Role of the address in the inventory."),
    _number("server_level", "Purdue level of the address; -1 where it is unknown."),
    _text("server_vendor", "Maker of the device; empty: unknown."),
    _text("server_name", "Name of the device in the inventory."),
)
_SEQUENCE = (
    _text("protocol", "The protocol, as in `otsec protocols`.", "goose"),
    _text(
        "verdict",
        "`skips`: some in between were not seen; `repeats`: the same once more; `returns`: one "
        "that was passed long ago; `restarts`: the sender begins anew. Of acknowledgements: "
        "`acks_unsent`, `acks_back`: of what was not sent yet, or that are taken back; `k`, `w`, "
        "`t1`, `t2`, `t3`: the window or time of IEC 60870-5-104 that is not kept. Of DNP3: "
        "`jumps`: a number that does not follow; `reuses`: one that was something else's; "
        "`answers_again`: another answer to the same request; `segments`: a piece of a message that "
        "does not follow the one before it. Of protocols in which each request has one answer: "
        "`unasked`: an answer more than requests.",
        "returns",
    ),
    _text("speaker", "Who does so: `client`, `server`, or `unknown`.", "client"),
    *_WHERE,
    _number("count", "How often."),
    *_SIDES,
)
_CONTENT = (
    _text("protocol", "The protocol by which it was transferred.", "ftp"),
    _text("kind", "`block`, `program` or `file`.", "program"),
    _text("direction", "`to_server`: loaded into it; `from_server`: read from it.", "to_server"),
    *_WHERE,
    _text("device", "Device behind the address; empty: the address itself.", "unit 3"),
    _text("object", "Its name as sent.", "OB1"),
    _number("size", "How long it is, in bytes; of what is incomplete how much came.", "4096"),
    _text("sha256", "Its hash; empty: incomplete."),
    _text("reason", "Why it is incomplete; empty: it is complete.", "pieces missing"),
    _text("before", "Hash of what was there before; empty: nothing was."),
    _flag("changed", "It is another than what was there before."),
    _flag("returned", "What was there before came back later."),
    _number("count", "How often just this was transferred."),
    *_SIDES,
)
_LOOKUP = (
    _text("address", "The address that ARP asked for.", "10.10.10.99"),
    _text("place", "VLAN; empty: untagged."),
    _number("asked", "How often it was asked for."),
    _number("answered", "How often it answered, or showed itself."),
    _text("client", "Who asked for it first; empty: nobody, it told of itself."),
    _number("replies", "ARP replies seen in that VLAN; 0: answers do not reach the mirror."),
)
_HEALTH = (
    _text("name", "The counter, as in `otsec db dump`; gaps are `gap`.", "gap"),
    _text("detail", "Which one, where a name has several.", "clock_back"),
    _number("count", "How often."),
)

_ALL = (
    Category(
        "operation",
        "What clients do with devices, one row for each distinct operation, object and outcome.",
        _OPERATION,
        ("protocol", "operation", "class", "outcome"),
    ),
    Category(
        "session",
        "The same, of operations of the class `session` alone: logins, handshakes, leases.",
        _OPERATION,
        ("protocol", "operation", "class", "outcome"),
    ),
    Category(
        "conversation",
        "Who talks to whom by which service.",
        _CONVERSATION,
        ("service", "protocol", "claimed"),
        tuple(field.name for field in _COUNTED),
    ),
    Category(
        "identity",
        "What devices say of themselves, and what they said before.",
        _IDENTITY,
        ("attribute", "protocol"),
    ),
    Category(
        "sequence",
        "Senders that number what they send: numbers that do not follow one another, and "
        "acknowledgements that do not go by the rules.",
        _SEQUENCE,
        ("protocol", "verdict", "speaker"),
    ),
    Category(
        "content",
        "Programs, blocks and files that were transferred, and what was there before.",
        _CONTENT,
        ("protocol", "kind", "direction"),
    ),
    Category("lookup", "Addresses that ARP asked for.", _LOOKUP, ()),
    Category("health", "What capture and decoding met.", _HEALTH, ("name",)),
)
CATEGORIES: Mapping[str, Category] = {category.name: category for category in _ALL}
