"""The tables of the store as data: columns, types, keys and a sentence for each.

From here come the upsert statements and `docs/store.md`. The CREATE statements stand written out
in `migrations`, because a migration, once shipped, never changes; a test keeps both equal.

Types are plain so that PostgreSQL can hold the same tables: INTEGER is a signed 64-bit number
there (BIGINT), TEXT is TEXT, BLOB is BYTEA. Keys are natural: no table needs a row number that
the database invents. Nothing is NULL: a reference to nothing is NONE.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Literal, TypeAlias

NONE = -1  # a reference to nothing (an event that belongs to no behaviour)

Type: TypeAlias = Literal["INTEGER", "TEXT", "BLOB"]


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table."""

    name: str
    type: Type
    about: str  # one sentence
    refers: str = ""  # `table.column` within the same source, where it names a row of another table


@dataclass(frozen=True)
class Table:
    """One table; the order of its columns is the order of the tuples in a checkpoint."""

    name: str
    about: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    derived: bool = True  # from packets alone, so that it belongs in the canonical dump
    pushed: bool = True  # written by rows of a checkpoint; others have functions of their own
    summed: tuple[str, ...] = ()  # columns to which a checkpoint adds, instead of replacing them

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The columns' names in order."""
        return tuple(column.name for column in self.columns)

    @cached_property
    def upsert(self) -> str:
        """The statement that inserts a row or replaces the one of the same key."""
        values = ", ".join("?" * len(self.columns))
        changed = ", ".join(
            f"{name} = {name} + excluded.{name}"
            if name in self.summed
            else f"{name} = excluded.{name}"
            for name in self.names
            if name not in self.key
        )
        return (
            f"INSERT INTO {self.name} ({', '.join(self.names)}) VALUES ({values}) "  # noqa: S608 - names of this file
            f"ON CONFLICT ({', '.join(self.key)}) DO UPDATE SET {changed}"
        )


def _integer(name: str, about: str, refers: str = "") -> Column:
    return Column(name, "INTEGER", about, refers)


def _text(name: str, about: str) -> Column:
    return Column(name, "TEXT", about)


def _blob(name: str, about: str) -> Column:
    return Column(name, "BLOB", about)


_SOURCE = _integer("source", "The source, `site_source.id`.", "site_source.id")
_PLACE = _text(
    "place", "VLAN and VXLAN network as `model.place_text` writes them; empty: untagged."
)
_FIRST = (
    _integer("first_time", "Time of the first packet, ns since 1970 UTC by the capture's clock."),
    _integer("first_packet", "Ordinal of the first packet within the source, from 0."),
)
_LAST = (
    _integer("last_time", "Time of the last packet, ns since 1970 UTC by the capture's clock."),
    _integer("last_packet", "Ordinal of the last packet within the source."),
)
_SEEN = (*_FIRST, *_LAST)
_CONVERSATION = _integer("conversation", "The conversation, by number.", "conversation.number")
_BEHAVIOUR = _integer("behaviour", "The behaviour, by number.", "behaviour.number")


def _both(name: str, about: str) -> tuple[Column, Column]:
    return (
        _integer(f"{name}_out", f"{about}, sent by the client."),
        _integer(f"{name}_in", f"{about}, sent by the server."),
    )


def _summary(name: str, about: str) -> tuple[Column, ...]:
    return (
        _integer(f"{name}_count", f"How many {about} were measured."),
        _integer(f"{name}_min_us", f"Shortest of the {about}, microseconds; 0 without any."),
        _integer(f"{name}_max_us", f"Longest of the {about}, microseconds; 0 without any."),
        _integer(f"{name}_sum_us", f"Sum of the {about}, microseconds."),
    )


_ALL = (
    Table(
        "site_source",
        "One tap with one clock, at a capture point of a site.",
        (
            _integer("id", "Number by which the other tables name the source, from 1."),
            _text("site", "The site, by name."),
            _text("point", "The capture point, by name."),
            _text("point_group", "The points that see the same network, by name."),
            _text("interface", "The interface of the capture; empty where there is but one."),
        ),
        key=("site", "point", "interface"),
        pushed=False,
    ),
    Table(
        "capture",
        "A file (or standard input) that was read, known within its point by its content.",
        (
            _integer("id", "Number of the capture, from 1."),
            _SOURCE,
            _text("path", "Where it lay when it was last read; `-` is standard input or a pipe."),
            _integer("head_length", "Bytes of uncompressed content that `head_hash` covers."),
            _text("head_hash", "SHA-256 of the first bytes, in hexadecimal digits."),
            _text("tail_hash", "SHA-256 of the last 64 KiB before `position`."),
            _integer("position", "Bytes of uncompressed content behind the last record used."),
            _integer("packets", "Packets read from it."),
            _integer("complete", "1 when it was read to its end, else 0."),
            _text("damage", "What is wrong with the file and where; empty: nothing."),
            _text("reader_state", "What the reader needs to go on at `position`; a JSON object."),
        ),
        key=("id",),
        derived=False,
        pushed=False,
    ),
    Table(
        "clock",
        "How far each source has been read.",
        (
            _SOURCE,
            _integer("packets", "Packets of the source; also the next ordinal."),
            *(_FIRST[0], _LAST[0]),
            _integer("epoch", "How often the clock stepped, back or ahead."),
            _integer("virtual_ns", "Capture time that went by, clock steps taken out."),
        ),
        key=("source",),
    ),
    Table(
        "station",
        "An address seen as sender, with the MAC address that carried it.",
        (
            _SOURCE,
            _integer("number", "Number within the source, in order of first sight."),
            _PLACE,
            _text("mac", "MAC address, `00:11:22:33:44:55`; empty where the link has none."),
            _text("address", "IP address; empty for frames without one."),
            _integer("frames", "Frames sent."),
            *_SEEN,
            _text(
                "stack", "How its TCP opens connections: `SYN: hops 64, window …`; empty unknown."
            ),
            _integer("ttl", "The most hops that its IP packets had left; 0: none seen."),
        ),
        key=("source", "number"),
    ),
    Table(
        "conversation",
        "Who talks to whom by which service: connections with the client's ports folded.",
        (
            _SOURCE,
            _integer("number", "Number within the source, in order of first sight."),
            _PLACE,
            _integer("kind", "What the addresses are: 4 IPv4, 6 IPv6, 2 MAC, 0 mixed."),
            _text(
                "client", "Address that asks or publishes; `many`: beyond the cap, counted as one."
            ),
            _text("server", "Address that answers, or the group or peer; `many` alike."),
            _text(
                "service", "`tcp/502`, `icmp`, `ip/99`, or the ethertype `0x88b8`; `many` alike."
            ),
            _text(
                "client_reason",
                "Why that is the client: `syn`, `protocol`, `port`, `publisher`, `unknown`.",
            ),
            _text("protocol", "The protocol, by name; empty: none was recognised."),
            _text("claimed_by", "`content` when its bytes prove the protocol; empty: unproven."),
            _integer("doubtful", "1 when a claim was withdrawn: what was counted is in doubt."),
            _integer("connections", "Connections (5-tuples) folded into it."),
            *_both("packets", "Packets"),
            *_both("bytes", "Bytes on the wire, all layers"),
            *_both("payload", "Bytes of payload above the transport, without repeats"),
            *_both("lost", "Bytes acknowledged or skipped but never seen"),
            *_both("resent", "Bytes sent again"),
            *_both("undecoded", "Bytes of payload that no protocol accounted for"),
            _integer("malformed", "Units that contradict the protocol's standard."),
            _integer("truncated", "Units that the capture cut short."),
            *_SEEN,
        ),
        key=("source", "number"),
    ),
    Table(
        "connection",
        "A connection of a protocol in which somebody works; a conversation holds several.",
        (
            _SOURCE,
            _integer("number", "Number within the source, in order of recognition."),
            _CONVERSATION,
            _integer("client_port", "Port of the client; 0: it has none, or there are several."),
            _integer(
                "connections",
                "1; or how many beyond the cap of an hour, or of a day long past, share the row.",
            ),
            _integer("opened", "1 when its SYN was seen, else 0."),
            _text("ended", "`closed` (FIN), `reset`; empty: neither was seen, or of several."),
            *_both("packets", "Packets"),
            *_both("bytes", "Bytes on the wire, all layers"),
            *_both("payload", "Bytes of payload above the transport, without repeats"),
            *_SEEN,
        ),
        key=("source", "number"),
    ),
    Table(
        "behaviour",
        "What a client does with a server: one operation on one object with one outcome.",
        (
            _SOURCE,
            _integer(
                "number",
                "Number within the source, in order of first sight; below zero: requests that "
                "wait for their response, written anew at each checkpoint.",
            ),
            _CONVERSATION,
            _text("protocol", "The protocol, by name."),
            _text("device", "Device behind the address, `unit 3`; empty: the address itself."),
            _text("operation", "The protocol's own word, `write_single_register`."),
            _text("class", "Class of the operation, from the closed list."),
            _text("object", "What it is done to, `holding 100-109`; empty: nothing named."),
            _text("outcome", "`ok`, or how it failed (`unanswered`, `exception ...`)."),
            _integer("count", "How often."),
            *_SEEN,
            _text("packets", "Ordinals of a few packets that show it; a JSON list."),
            *_summary("response", "times from request to response"),
            *_summary("interval", "times between one request and the next"),
            _integer("last_request_time", "Time of the last request, ns; 0 without any."),
            _text("note", "What was not decoded of it, and why; empty: nothing."),
        ),
        key=("source", "number"),
    ),
    Table(
        "histogram",
        "How response times and intervals of a behaviour are spread; checkpoints add to it.",
        (
            _SOURCE,
            _BEHAVIOUR,
            _text("kind", "`response_us` or `interval_us`."),
            _blob(
                "buckets",
                "Pairs of bucket (`columns.bucket`, one byte) and count (signed 64 bits, least "
                "significant byte first), sorted by bucket.",
            ),
        ),
        key=("source", "behaviour", "kind"),
    ),
    Table(
        "rhythm",
        "How fast a client asks a device, how fast it answers, and how often it is changed, by the "
        "hour; checkpoints add to it.",
        (
            _SOURCE,
            _CONVERSATION,
            _text("protocol", "The protocol, by name."),
            _text("device", "Device behind the address; empty: the address itself."),
            _integer("hour", "The hour, counted from 1970 UTC by the capture's clock."),
            _text(
                "kind",
                "`response_us`; `interval_us` (from a request to the next that is the same); `changes`, "
                "of which bucket 0 counts all; `order_asks`, `order_changes` and `order_tells`, of "
                "which a bucket is the rank of a `step`.",
            ),
            _blob("buckets", "As in `histogram`."),
        ),
        key=("source", "conversation", "protocol", "device", "hour", "kind"),
    ),
    Table(
        "path",
        "Who sends to whom, whatever the service; and each sender as a whole.",
        (
            *(_SOURCE, _PLACE),
            _text("sender", "Address that sends."),
            _text("receiver", "Address to which it sends; empty: the sender as a whole."),
            *_SEEN,
            _integer("least_ns", "Silences up to this are usual, and not kept."),
        ),
        key=("source", "place", "sender", "receiver"),
    ),
    Table(
        "silence",
        "When a path fell silent for longer than it does as a rule, and was heard again; never "
        "across a gap.",
        (
            *(_SOURCE, _PLACE),
            _text("sender", "Address that sends."),
            _text("receiver", "Address to which it sends; empty: the sender as a whole."),
            _integer("begin_time", "Time of the last packet before it, ns."),
            _integer("begin_packet", "Ordinal of that packet."),
            _integer("end_time", "Time of the first packet behind it, ns."),
            _integer("end_packet", "Ordinal of that packet."),
            _integer("least_ns", "Silences up to this were usual then."),
        ),
        key=("source", "place", "sender", "receiver", "begin_packet"),
    ),
    Table(
        "volume",
        "What a path carried in one hour; checkpoints add to it.",
        (
            *(_SOURCE, _PLACE),
            _text("sender", "Address that sends."),
            _text("receiver", "Address to which it sends."),
            _integer("hour", "The hour, counted from 1970 UTC by the capture's clock."),
            _integer("packets", "Packets in this hour."),
            _integer("bytes", "Bytes on the wire, all layers."),
        ),
        key=("source", "place", "sender", "receiver", "hour"),
        summed=("packets", "bytes"),
    ),
    Table(
        "value",
        "What the numbered elements of a behaviour's object held, an element a place.",
        (
            _SOURCE,
            _BEHAVIOUR,
            _text("space", "What the elements are, `holding`, `coil`."),
            _integer("first_element", "Number of the first element."),
            _integer("value_type", "How a value is coded, position in `api.VALUE_TYPES`."),
            _blob("minimum", "Least value of each element; signed 64 bits, least byte first."),
            _blob("maximum", "Greatest value of each element, coded alike."),
            _blob("first", "First value of each element, coded alike."),
            _blob("last", "Last value of each element, coded alike."),
            _integer("count", "How often the elements were seen together."),
            *_SEEN,
            _blob(
                "minimum_seen",
                "Of what was written: time and packet of each least value, two numbers an element; "
                "-1 not known. Empty: it was read.",
            ),
            _blob("maximum_seen", "The same of each greatest value."),
        ),
        key=("source", "behaviour"),
    ),
    Table(
        "fact",
        "Something that a message says of a device; rival values are all kept.",
        (
            _SOURCE,
            _CONVERSATION,
            _text("device", "Device behind the address; empty: the address itself."),
            _text("attribute", "`vendor`, `product_code`, `revision`, ..."),
            _text("value", "Text as it was sent."),
            _text("protocol", "The protocol that says so."),
            _text("about", "Of whom: `client`, `server`, or the address of someone else."),
            _integer("count", "How often it was said."),
            *_SEEN,
        ),
        key=("source", "conversation", "device", "attribute", "value", "protocol", "about"),
    ),
    Table(
        "sequence",
        "Units of senders that number what they send: whose counters do not follow those before, "
        "or which show that acknowledgements, or the numbers of two stations, do not go by the rules.",
        (
            _SOURCE,
            _CONVERSATION,
            _text("protocol", "The protocol, by name."),
            _text("speaker", "Who does so: `client`, `server`, or `unknown`."),
            _text(
                "verdict",
                "`skips`: some in between were not seen; `repeats`: the same once more; `returns`: "
                "one that was passed long ago; `restarts`: the sender begins anew. Of "
                "acknowledgements: `acks_unsent`: of what was not sent yet; `acks_back`: taken back; "
                "`k`, `w`: more than 12 wait, or one is missing after 8 units; `t1`, `t2`: one is "
                "later than 15 or 10 s; `t3`: silent for 35 s, and nobody tested the connection. Of "
                "DNP3, where nothing was lost: `jumps`: a number that does not follow; `reuses`: one "
                "that was something else's; `answers_again`: another answer to the same request; "
                "`segments`: a piece of a message that does not follow the one before it. Of "
                "protocols in which each request has one answer, where nothing was lost: `unasked`: "
                "an answer more than requests.",
            ),
            _integer("count", "How often."),
            *_SEEN,
        ),
        key=("source", "conversation", "protocol", "speaker", "verdict"),
    ),
    Table(
        "step",
        "Which message followed which two in a stream: what a client asks of a device, what it "
        "changes there, or what the device reports. Never across a gap.",
        (
            *(_SOURCE, _CONVERSATION),
            _text("protocol", "The protocol, by name."),
            _text("device", "Device behind the address; empty: the address itself."),
            _text("sort", "`asks`, `changes` or `tells`."),
            _text("earlier", "The first message; empty: the connection began behind it."),
            _text("before", "The second message; empty: the connection began."),
            _text("after", "The third message; empty: any other, beyond 255 steps of a stream."),
            _integer("rank", "Number within the stream, in order of first sight; 255: any other."),
            _integer("count", "How often."),
            *_SEEN,
        ),
        key=("source", "conversation", "protocol", "device", "sort", "rank"),
    ),
    Table(
        "held",
        "What the element held by which the plant says its state (`state_from`), from when to when.",
        (
            *(_SOURCE, _BEHAVIOUR),
            _text("space", "What the elements are, `holding`, `coil`."),
            _integer("element", "Number of the element."),
            _integer("value_type", "How the value is coded, position in `api.VALUE_TYPES`."),
            _integer("value", "The value, as in the table `value`."),
            *_SEEN,
            _integer("count", "How often it was seen."),
        ),
        key=("source", "behaviour", "first_packet"),
    ),
    Table(
        "bout",
        "When a behaviour wrote, in spans of five minutes; kept where states of the plant are named.",
        (
            *(_SOURCE, _BEHAVIOUR),
            *_SEEN,
            _integer("count", "How often."),
        ),
        key=("source", "behaviour", "first_packet"),
    ),
    Table(
        "stamp",
        "What clocks said, or were set to: how far ahead of the time of the packets that was.",
        (
            _SOURCE,
            _CONVERSATION,
            _text("protocol", "The protocol, by name."),
            _text("device", "Device behind the address; empty: the address itself."),
            _text("speaker", "Who said it: `client`, `server`, or `unknown`."),
            _text(
                "way",
                "`says`: his own time; `sets`: that to which he sets the other; `marks`: when "
                "something was, as his events tell.",
            ),
            _integer("count", "How often."),
            _integer("first_ahead", "The first difference, ns; local time is taken for UTC."),
            _integer("last_ahead", "The last one, ns."),
            _integer("least_ahead", "The least one, ns."),
            _integer("most_ahead", "The greatest one, ns."),
            *_SEEN,
        ),
        key=("source", "conversation", "protocol", "device", "speaker", "way"),
    ),
    Table(
        "content",
        "Programs, blocks and files that were transferred, told by their hash.",
        (
            _SOURCE,
            _CONVERSATION,
            _text("protocol", "The protocol, by name."),
            _text("device", "Device behind the address; empty: the address itself."),
            _text("kind", "`block`, `program` or `file`."),
            _text("name", "Its name as sent."),
            _text("direction", "`to_server` or `from_server`."),
            _text("sha256", "SHA-256 of all its bytes, in hexadecimal digits; empty: incomplete."),
            _text("reason", "Why it is incomplete; `open`: not ended; empty: it is complete."),
            _integer("size", "Bytes; of incomplete ones the most that came."),
            _integer("count", "How often it was transferred."),
            *_SEEN,
        ),
        key=(
            "source",
            "conversation",
            "protocol",
            "device",
            "kind",
            "name",
            "direction",
            "sha256",
            "reason",
        ),
    ),
    Table(
        "event",
        "One notable thing, kept by itself: a command, a failure, a session.",
        (
            _SOURCE,
            _integer("packet", "Ordinal of the packet that shows it."),
            _integer("part", "Position among the units of the packet, from 0."),
            _integer("time", "Time of the packet, ns."),
            _CONVERSATION,
            _BEHAVIOUR,
            _text(
                "kind",
                "`operation`, `failure`, `session`; `capped`: further ones of the hour are only "
                "counted; `past`: all of a day, summed up when they grew old.",
            ),
            _integer("count", "How many it stands for."),
            _integer(
                "connection",
                "The connection, by number; of several the first one's; -1: not kept by itself.",
                "connection.number",
            ),
        ),
        key=("source", "packet", "part", "kind", "behaviour"),
    ),
    Table(
        "counter",
        "What capture and decoding met: health, and each cap that was hit.",
        (
            _SOURCE,
            _text(
                "name",
                "What is counted; `cap:...` is a cap, `opaque:...` and `passed_over:...` are bytes that "
                "messages of a protocol leave untold, `engine:...` the engine's own.",
            ),
            _text("detail", "Which one, where a name has several; else empty."),
            _integer("count", "How often."),
            *_SEEN,
        ),
        key=("source", "name", "detail"),
    ),
    Table(
        "gap",
        "A span in which the capture was blind; absence and order are not judged across it.",
        (
            _SOURCE,
            _integer("number", "Number within the source, in order of sight."),
            _text("kind", "`clock_back`, `clock_ahead`, `drops`, `outage` or `restart`."),
            _integer("begin_time", "Time before the gap, ns."),
            _integer("end_time", "Time behind the gap, ns."),
            _integer("packet", "Ordinal of the first packet behind the gap."),
            _text("detail", "What is known of it."),
        ),
        key=("source", "number"),
    ),
    Table(
        "lookup",
        "An address that was asked for (ARP), and whether it answered.",
        (
            _SOURCE,
            _PLACE,
            _text("address", "The address asked for."),
            _integer("asked", "How often it was asked for."),
            _integer("answered", "How often it answered."),
            *_FIRST,
            _text("asker", "Who asked for it first; empty: nobody, it told of itself."),
        ),
        key=("source", "place", "address"),
    ),
    Table(
        "announcement",
        "When somebody told everybody that an address is his, as hosts do when they start; eight of "
        "an address and day.",
        (
            *(_SOURCE, _PLACE),
            _text("address", "The address that is announced, or asked for before it is taken."),
            _integer("time", "Time of the packet, ns."),
            _integer("packet", "Ordinal of the packet."),
            _text("mac", "Who announces it."),
        ),
        key=("source", "place", "address", "packet"),
    ),
    Table(
        "heartbeat",
        "How a sensor went, a row an interface and minute; by the clock of the machine.",
        (
            _SOURCE,
            _integer("time", "When it was written, ns since 1970 UTC by the machine's clock."),
            _integer("span_ms", "Milliseconds since the row before, or since it began to listen."),
            _text("state", "`listening`, `down` (the interface), `stopped`; `past`: a day."),
            _integer("packets", "Packets that came in this span."),
            _integer("bytes", "Bytes on the wire of these."),
            _integer("dropped", "Packets that were lost for want of room in the ring."),
            _integer("ring_percent", "How full the ring was at most."),
            _integer("lag_ms", "Longest time between a packet and its work."),
            _integer("duplicates", "Packets of these that repeated another."),
            _integer("units", "Messages of these that some protocol accounted for."),
            _integer(
                "one_sided_percent",
                "Of live TCP connections with content, the share of which one side alone is heard.",
            ),
            _integer(
                "decoded_percent",
                "Of the content of live connections whose protocol is known, the share decoded.",
            ),
            _integer("recorded_bytes", "Bytes of evidence on the disk at the end of the span."),
            _text("shed", "What overload made it give up: `bodies`, `recording`, or nothing."),
            _text("clock", "`synchronised`, `free` (nothing sets the clock), or `unknown`."),
            _integer(
                "clock_offset_us",
                "Microseconds between the clock and its server, as the system estimates it.",
            ),
            _integer("findings", "Findings that were open, of the whole store."),
            _text(
                "rules", "Version of the rules: of otsec, and a hash of their files; empty: none."
            ),
        ),
        key=("source", "time"),
        derived=False,
        pushed=False,
    ),
    Table(
        "state",
        "What the stateful parts of the engine need to go on after the last checkpoint; of requests "
        "that wait for their response without their secrets.",
        (
            _SOURCE,
            _text("module", "The part, by name."),
            _blob("data", "Its state, as plain data of its own."),
        ),
        key=("source", "module"),
        derived=False,
        pushed=False,
    ),
    Table(
        "checkpoint",
        "Guards that one program at a time goes on with a source.",
        (_SOURCE, _integer("number", "Checkpoints written for the source.")),
        key=("source",),
        derived=False,
        pushed=False,
    ),
    Table(
        "act",
        "What a person said of an asset or decided of a finding; rows are only ever added, triggers "
        "refuse all else.",
        (
            _integer("number", "Number of the act, from 1."),
            _integer("time", "When it was said, ns since 1970 UTC by the clock of the machine."),
            _text("who", "Who said it."),
            _text(
                "kind",
                "Of an asset `set`, `import`, `merge`, `split`, `inventory-approve` or `inventory-retire`; of a "
                "finding `ack`, `resolve`, `false-positive`, `accept`, `expect`, `reopen`, `assign` or "
                "`comment`; of the baseline `baseline-approve`, `baseline-forget`, `baseline-import` or "
                "`baseline-review`; of what is announced `change-add`, `change-import` or "
                "`change-close`; `policy-approve`, `attest`, `config`, `export`, "
                "`schedule`, `retention` or `selftest`.",
            ),
            _text(
                "asset",
                "An address of the asset: a JSON list of site, group, place, address; empty: it is "
                "about a finding, or a self-test.",
            ),
            _text(
                "attribute",
                "What was said of it; empty for `merge` and `split`; of a self-test the rule, or "
                "`all rules`; of an approval `inventory`, or the policy's file; of `attest` the row; of "
                "what is announced its id; of `accept` until when, ISO 8601 in UTC; empty: for good.",
            ),
            _text("before", "What held before; of `merge` and `split` the parts, a JSON list."),
            _text(
                "after",
                "What holds since; of `merge` and `split` the parts, a JSON list; of a self-test how "
                "many rules came to which result, and which did not fire; of an approved policy its hash; "
                "of `attest` kind, file, hash and end, as JSON.",
            ),
            _text("reason", "Why, in the person's words; empty: not told."),
            _text("login", "Login name under which it was said; empty: not known."),
            _text("host", "Name of the machine on which it was said; empty: not known."),
            _text("finding", "The finding, by id; empty: it is about an asset."),
            _integer(
                "seen_until", "Last packet's time of the finding when it was decided; else 0."
            ),
        ),
        key=("number",),
        derived=False,
        pushed=False,
    ),
    Table(
        "act_link",
        "The hash chain over the acts (`otsec audit verify`); rows are only ever added.",
        (
            _integer("number", "The act, by number."),
            _text("link", "SHA-256 of the link before and of what the act says, in hex."),
        ),
        key=("number",),
        derived=False,
        pushed=False,
    ),
    Table(
        "schedule",
        "Which reports are written when (`otsec schedule`).",
        (
            _text("name", "Its name; the folder of its runs is named so."),
            _text("words", "When, in the words of who added it."),
            _text("cron", "When, as five fields of cron."),
            _text("zone", "Time zone in which it is due."),
            _text("kinds", "Kinds of reports, separated by commas."),
            _text("formats", "Formats, separated by commas; `json` is always among them."),
            _text(
                "span",
                "What a report covers: the whole `hour`, `day`, `week`, `month`, `quarter` or `year` before "
                "the due time, `since` the due time before, or `all`.",
            ),
            _text("options", "Further words of `otsec report run`; a JSON list."),
            _text("folder", "Folder in which the folder of its runs lies."),
            _text("targets", "To whom reports go, by name in otsec.yaml, separated by commas."),
            _text("catch_up", "Which missed runs are made good: `last`, `all` or `none`."),
            _integer("keep_count", "How many runs are kept; 0: as many as there are."),
            _integer("keep_days", "For how many days a run is kept; 0: for ever."),
            _integer("hold", "1: nothing of it is deleted."),
            _integer("since", "When it was added, ns since 1970 UTC; nothing before is due."),
        ),
        key=("name",),
        derived=False,
        pushed=False,
    ),
    Table(
        "report_run",
        "One due time of a schedule, and what came of it.",
        (
            _text("schedule", "The schedule, by name; it may be gone."),
            _integer("due", "When it was due, ns since 1970 UTC."),
            _text("state", "`waiting`, `running`, `done`, `failed`, `missed` or `retired`."),
            _integer(
                "recorded", "When the row was first written, by the clock of the machine, ns."
            ),
            _text("period", "The period that it covers, in words."),
            _integer("begin", "Begin of that period, ns; 0: all that was captured."),
            _integer("end", "End of that period, ns; 0: all that was captured."),
            _integer(
                "started", "When the last try began, by the clock of the machine, ns; 0: never."
            ),
            _integer(
                "ended", "When it came to an end, by the clock of the machine, ns; 0: not yet."
            ),
            _integer("tries", "How often it was tried."),
            _integer("next_try", "Not tried again before, ns; 0: at once."),
            _text("error", "Why the last try failed; empty: it did not."),
            _text("folder", "Where the reports lie; empty: nowhere yet."),
            _integer("number", "Its number in the chain of manifests, from 1; 0: none yet."),
            _text("manifest", "SHA-256 of its manifest; empty: none yet."),
            _integer("hold", "1: it is not deleted."),
        ),
        key=("schedule", "due"),
        derived=False,
        pushed=False,
    ),
    Table(
        "delivery",
        "One report on its way to one target.",
        (
            _text("schedule", "The schedule of the run, by name."),
            _integer("due", "When the run was due, ns since 1970 UTC."),
            _text("target", "The target, by name in otsec.yaml."),
            _text("state", "`waiting`, `sent` or `failed`."),
            _integer("tries", "How often it was tried."),
            _integer("next_try", "Not tried again before, ns; 0: at once."),
            _integer(
                "ended",
                "When it was sent or given up, by the clock of the machine, ns; 0: not yet.",
            ),
            _text("error", "Why the last try failed; empty: it did not."),
        ),
        key=("schedule", "due", "target"),
        derived=False,
        pushed=False,
    ),
    Table(
        "finding",
        "What a rule found; written anew whenever the store is judged.",
        (
            _text("id", "Short name that never changes: a hash of what makes it the same."),
            _text("site", "The site, by name."),
            _text("point_group", "The point group, by name."),
            _PLACE,
            _text("rule", "The rule, by id."),
            _text("name", "The rule, by name."),
            _text("category", "Category of the rows that the rule judges."),
            _text("level", "`informational`, `low`, `medium`, `high` or `critical`."),
            _text("title", "The rule's title."),
            _text("client", "Address of who did it; `several`; empty: nobody."),
            _text("server", "Address to which it was done; `several`; empty: none."),
            _text("service", "By which service; `several`; empty: none."),
            _text("device", "Device behind the address; empty: the address itself."),
            _text("protocol", "The protocol; `several`; empty: none."),
            _integer("count", "How often, by the source that saw most."),
            _integer("source", "The source that saw most.", "site_source.id"),
            _text("witnesses", "Other sources that saw it; a JSON list."),
            *_SEEN,
            _text("operations", "Operations, the most frequent first; a JSON list."),
            _text("objects", "Objects, the most frequent first; a JSON list."),
            _text("outcomes", "Outcomes, the most frequent first; a JSON list."),
            _text("techniques", "Techniques of ATT&CK for ICS; a JSON list."),
            _text("falsepositives", "What else may look so; a JSON list."),
            _text("seen", "What was seen, in plain words."),
            _text("expected", "What was expected."),
            _text("why", "Why it matters."),
            _text("next", "What to do next."),
            _text("doubt", "What limits the times and counts; empty: nothing known."),
            _text("incident", "The incident that it is part of; empty: none."),
            _text("short", "As much of the id as no other finding's begins with, eight at least."),
        ),
        key=("id",),
        pushed=False,
    ),
    Table(
        "finding_packet",
        "A few packets that show a finding.",
        (
            _SOURCE,
            _text("finding", "The finding, by id."),
            _integer("packet", "Ordinal of the packet within the source."),
            _integer("time", "Time of the packet, ns."),
            _text("what", "What it shows: device, operation, object and outcome."),
        ),
        key=("source", "finding", "packet", "what"),
        pushed=False,
    ),
    Table(
        "baseline",
        "What is held to be normal: learned by evidence, or said by a person; a row a thing.",
        (
            _text("id", "Short name that never changes: a hash of what makes it the same."),
            _text(
                "kind",
                "`device`, `conversation`, `operation`, `object`, `writer`, `value`, `identity`, "
                "`presence`, `volume`, `cycle`, `response`, `load`, `week`, `changes`, `hours`, `order` "
                "or `step`.",
            ),
            _text("site", "The site, by name."),
            _text("point_group", "The point group, by name."),
            _PLACE,
            _text("client", "Address of who asks or publishes; empty: it is about the server."),
            _text("server", "Address of who answers, or whom it is about."),
            _text("service", "`tcp/502`; empty: it is not about one."),
            _text("protocol", "The protocol, by name; empty: none, or not about one."),
            _text("device", "Device behind the address; empty: the address itself."),
            _text("operation", "The operation; of `identity` the attribute."),
            _text("class", "Class of the operation."),
            _text("object", "The object; of `identity` the value."),
            _text(
                "detail",
                "A JSON list: of `value` least, greatest and first; of `presence` the class, the "
                "longest silence in seconds and why; of `volume` bytes a day out and in; of `cycle` median "
                "(microseconds) and spread of hourly medians, what one in 10,000 exceeds, and how many "
                "of a million are missed in a bad hour; of `response` median, spread, the least, what "
                "one in 10,000 exceeds, and how many of a million are missing; of `load` most and median "
                "bytes an hour, and hours; of `week` the most bytes of each hour of the week (UTC, from "
                "Monday on), then in how many weeks each was seen; of `changes` most and median an hour, and hours; "
                "of `hours` in how many hours of the day (UTC) something was "
                "changed; of "
                "`operation` the outcomes; else empty.",
            ),
            _integer("count", "How often it was seen when it was last learned."),
            _integer("first_time", "When it was first seen, ns."),
            _integer("last_time", "When it was last seen while it was learned, ns."),
            _text("point", "The capture point that saw most of it."),
            _text("packets", "Ordinals of a few packets of that point that show it; a JSON list."),
            _text("how", "`learned`, `approved`, `imported` or `forgotten`."),
            _text("who", "Who said so; empty: nobody, it was learned."),
            _text("reason", "Why, in the person's words."),
            _integer("since", "Since when it holds, ns by the capture's clock."),
            _integer("until", "Until when it holds, ns by the capture's clock; 0: no end."),
        ),
        key=("id",),
        derived=False,
        pushed=False,
    ),
    Table(
        "baseline_scope",
        "Devices, and point groups as a whole, of which learning has ended.",
        (
            _text("site", "The site, by name."),
            _text("point_group", "The point group, by name."),
            _PLACE,
            _text("address", "The device; empty: which devices there are in the point group."),
            _integer("ended", "When learning ended, ns by the capture's clock."),
            _text("how", "`evidence`, `approved` or `imported`."),
            _integer("singles", "Things that had been seen on one occasion only."),
            _integer("watched_ns", "How long it had been watched, gaps left out."),
        ),
        key=("site", "point_group", "place", "address"),
        derived=False,
        pushed=False,
    ),
    Table(
        "finding_change",
        "Findings that a record of a change or of maintenance announces, or should have announced.",
        (
            _text("finding", "The finding, by id."),
            _text("change", "The record, by id; `unlinked`: a change that nobody announced."),
        ),
        key=("finding",),
        derived=False,
        pushed=False,
    ),
)
TABLES: dict[str, Table] = {table.name: table for table in _ALL}

_INTRODUCTION = """\
# The store

One SQLite file holds all that otsec learned from packets, and how far each capture has been read.
`otsec db info` shows what is in it, `otsec db check` whether it is sound, `otsec db backup` copies it while it is in use, and `otsec db dump` writes all that derives from packets as text that is equal for equal captures.

The file and its companions (`-wal`, `-shm`) are readable by their owner only (0600).
A checkpoint is one transaction: changed rows, the position in each capture and the engine's state are written together or not at all.
The schema changes by numbered migrations that are applied, each together with its record in the table `migration`, when a newer otsec opens the store for writing; a store written by a newer otsec is refused.

Numbers are signed 64-bit (`INTEGER`), times are nanoseconds since 1970 UTC by the capture's clock, nothing is NULL, and a reference to nothing is -1.
Rows are named by their source and a number given in order of first sight, so the same captures give the same numbers.
"""


def markdown() -> str:
    """The page `docs/store.md`: every table and column with its sentence."""
    parts = [_INTRODUCTION]
    for table in TABLES.values():
        outside = "" if table.derived else "Not part of the canonical dump.\n"
        parts.append(
            f"## {table.name}\n\n{table.about}\n{outside}\n"
            f"Key: {', '.join(f'`{name}`' for name in table.key)}.\n\n"
            "| column | type | what it holds |\n|---|---|---|\n"
            + "".join(f"| `{c.name}` | {c.type} | {c.about} |\n" for c in table.columns)
        )
    parts.append(
        "## migration\n\nThe migrations that were applied.\n\nKey: `number`.\n\n"
        "| column | type | what it holds |\n|---|---|---|\n"
        "| `number` | INTEGER | Number of the migration, from 1. |\n"
        "| `name` | TEXT | What it did. |\n"
    )
    return "\n".join(parts)
