"""S7comm against tshark on real traffic, its columns against its decoder, and hostile bytes."""

import re
import shutil
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
from engine_runs import Bench, analyse, cells, counter
from hypothesis import given, settings
from hypothesis import strategies as st
from test_protocols_golden import Golden, load
from wire_captures import cut, payloads, tshark

from otsec.capture import open_capture
from otsec.dissect import dissect
from otsec.errors import WireError
from otsec.model import TCP
from otsec.protocols import s7comm
from otsec.protocols.api import VALUE_TYPES, Contexts, Message, Reader, Side, Split, Units
from otsec.protocols.framing.tpkt_cotp import TPKT_COTP
from otsec.protocols.reading import read
from otsec.protocols.words import s7comm as words

OWN = Path(__file__).parents[1] / "pcaps" / "s7comm"
PROTOCOL = s7comm.PROTOCOL
GOLDEN = load(PROTOCOL)
needs_tshark = pytest.mark.skipif(shutil.which("tshark") is None, reason="needs tshark")


def units_of(data: list[bytes], sides: list[Side], kinds: list[int]) -> Units:
    """Units one behind the other in one buffer."""
    length = np.array([len(one) for one in data], np.int64)
    end = np.cumsum(length)
    side, kind = np.array(sides, np.uint8), np.array(kinds, np.uint8)
    buffer = np.frombuffer(b"".join(data), np.uint8)
    return Units(buffer, end - length, end, side, np.zeros(len(data), np.uint8), kind)


# ------------------------------------------------------------------------- real captures

Sort = tuple[int, int, int, int]  # kind; function, or type, group and function of user data


def messages(path: Path) -> list[tuple[bool, bytes, int]]:
    """(from the client, unit, kind) of what begins at the start of a payload, or behind one."""
    found = payloads(path)
    row, start, end = cut(TPKT_COTP, found.buffer, found.start, found.end)
    assert TPKT_COTP.pieces is not None
    pieces = TPKT_COTP.pieces(found.buffer, start, end)
    # all pieces of these captures that are not the last are empty
    whole = np.flatnonzero(~pieces.bad & pieces.last)
    data = found.buffer.tobytes()
    return [
        (
            found.target_port[int(row[at])] == 102,
            data[int(pieces.start[at]) : int(pieces.end[at])],
            int(pieces.kind[at]),
        )
        for at in whole.tolist()
    ]


def sort_of(unit: bytes, kind: int) -> Sort:
    """What a unit is, read plainly."""
    if kind:
        return kind, 0, 0, 0
    if unit[1] == words.USERDATA:
        return words.USERDATA, unit[15] >> 4, unit[15] & 0xF, unit[16]
    if unit[1] == words.ACK:
        return words.ACK, 0, 0, 0
    return unit[1], unit[10 + 2 * (unit[1] == words.ACK_DATA)], 0, 0


FIELDS = (
    "tcp.dstport", "cotp.type", "s7comm.header.rosctr", "s7comm.param.func",
    "s7comm.param.userdata.type", "s7comm.param.userdata.funcgroup",
    "s7comm.param.userdata.subfunc", "s7comm.param.modetrans.subfunc",
)  # fmt: skip
CODES = {code >> 4: code for code in (0x70, 0x80, 0xC0, 0xD0, 0xE0)}  # as tshark has them


def theirs(path: Path) -> Counter[tuple[bool, Sort]]:
    """The same as tshark counts it."""
    rows = tshark(path, "-Y", "s7comm || cotp.type != 0xf", *(w for f in FIELDS for w in ("-e", f)))
    found: Counter[tuple[bool, Sort]] = Counter()
    for port, cotp, kind, function, type_, group, sub, mode in rows:
        asks = port == "102"
        if not kind:
            found[asks, (CODES[int(cotp, 0)], 0, 0, 0)] += 1
        elif int(kind) == words.USERDATA:
            sort = int(type_, 0), int(group, 0), int(sub or mode or "0", 0)
            found[asks, (words.USERDATA, *sort)] += 1
        else:
            found[asks, (int(kind), int(function or "0", 0), 0, 0)] += 1
    return found


def test_messages_are_those_of_tshark(captures: Path) -> None:
    """Messages by kind, service and direction agree, and none contradicts itself."""
    paths = sorted((captures / "s7comm").iterdir())
    with ThreadPoolExecutor() as pool:
        ours = list(pool.map(messages, paths))
        told = list(pool.map(theirs, paths))
    for path, mine, other in zip(paths, ours, told, strict=True):
        assert Counter((asks, sort_of(unit, kind)) for asks, unit, kind in mine) == other, path.name
        units = units_of(
            [unit for _, unit, _ in mine],
            [Side.REQUEST if asks else Side.RESPONSE for asks, _, _ in mine],
            [kind for _, _, kind in mine],
        )
        assert not PROTOCOL.split(units).malformed.any(), path.name
        assert PROTOCOL.claims(units).all(), path.name
    assert sum(map(len, ours)) == 13_283


ITEMS = ("length", "db", "area", "address.byte", "address.bit", "address.number")
LETTERS = {0x81: "I", 0x82: "Q", 0x83: "M"}


def their_objects(path: Path) -> list[str]:
    """Where reads and writes begin, as tshark says: area, data block, byte and bit."""
    fields = [f"s7comm.param.item.{name}" for name in ITEMS]
    rows = tshark(
        path, "-Y", "s7comm.header.rosctr == 1 && (s7comm.param.func == 4 || s7comm.param.func == 5)",
        *(word for field in fields for word in ("-e", field)),
    )  # fmt: skip
    found = []
    for _, blocks, areas, places, bits, numbers in rows:
        left = {"place": places.split(","), "bit": bits.split(","), "number": numbers.split(",")}
        for block, area in zip(
            blocks.split(","), (int(one, 0) for one in areas.split(",")), strict=True
        ):
            if area in words.TIMERS_COUNTERS:
                found.append(f"{words.TIMERS_COUNTERS[area]} {int(left['number'].pop(0), 0)}")
                continue
            place, bit = left["place"].pop(0), left["bit"].pop(0)
            front = f"DB{block}.DB" if area == 0x84 else f"{LETTERS[area]} "
            found.append(f"{front}{place}.{bit}")
    return found


def our_objects(path: Path) -> list[str]:
    """The same of what we read."""
    found = []
    for asks, unit, kind in messages(path):
        if not asks or kind or unit[1] != words.JOB or unit[10] not in (words.READ, words.WRITE):
            continue
        reading = read(PROTOCOL, unit, Side.REQUEST)
        assert reading is not None
        for message in reading.messages:
            text = re.sub(r"-.*", "", message.object)
            bit = "" if "." in text.rpartition("DB")[2] or text[0] in "TC" else ".0"
            found.append(re.sub(r"\.DB[BX]", ".DB", text) + bit)
    return found


@needs_tshark
@pytest.mark.parametrize(
    "name", ["icsnpp-s7comm__s7ident", "icsnpp-s7comm__snap7", "iti__snap7_s300_readVar"]
)
def test_objects_are_those_of_tshark(captures: Path, name: str) -> None:
    """Each read and write begins where tshark says."""
    path = captures / "s7comm" / f"{name}.pcap"
    mine = our_objects(path)
    assert mine == their_objects(path)
    assert mine


@needs_tshark
def test_stretches_of_blocks_are_those_of_tshark(captures: Path) -> None:
    """What a panel reads of data blocks, and subscribes to, is what tshark says."""
    path = captures / "s7comm" / "iti__wincc_s400_production.pcap"
    fields = [f"s7comm.param.item.dbread.{name}" for name in ("length", "db", "startaddress")]
    rows = tshark(path, "-Y", fields[0], *(word for field in fields for word in ("-e", field)))
    told = [
        [
            f"DB{block}.DBB{start}" + (f"-{int(start) + int(size) - 1}" if size != "1" else "")
            for size, block, start in zip(*(cell.split(",") for cell in row), strict=True)
        ]
        for row in rows
    ]
    found = []
    for asks, unit, kind in messages(path):
        listing = sort_of(unit, kind)[:1] == (words.JOB,) and unit[10] == words.READ
        cyclic = sort_of(unit, kind)[:3] == (words.USERDATA, words.ASKS, words.CYCLIC)
        if asks and (listing or (cyclic and unit[16] != words.UNSUBSCRIBE)):
            reading = read(PROTOCOL, unit, Side.REQUEST)
            assert reading is not None
            found.append([text for one in reading.messages for text in one.object.split(", ")])
    assert found == told
    assert sum(map(len, told)) > 1_000


FACTS = {  # by what tshark calls it
    "s7comm.szl.xy11.0001.anz": "order_number",
    "s7comm.szl.001c.0001.name": "name",
    "s7comm.szl.001c.0002.name": "module_name",
    "s7comm.szl.001c.0005.serialn": "serial",
    "s7comm.szl.001c.0007.cputypname": "product_name",
    "s7comm.szl.001c.0008.snmcmmc": "memory_card_serial",
}


def components(facts: dict[str, set[str]]) -> set[str]:
    """Names of what else the list of the modules has, which tshark puts among order numbers."""
    return {
        value.rpartition(" ")[0]
        for attribute, values in facts.items()
        for value in values
        if attribute.startswith("component_")
    }


def facts_of(lines: list[str]) -> dict[str, set[str]]:
    """Values of facts by attribute."""
    found: dict[str, set[str]] = {}
    for row in cells(lines, "fact"):
        found.setdefault(row["attribute"], set()).add(row["value"])
    return found


@needs_tshark
def test_identities_are_those_of_tshark(captures: Path, tmp_path: Path) -> None:
    """What controllers say of themselves is what tshark reads, also where it lies in two pieces."""
    bench = Bench(tmp_path)
    told = 0
    for path in sorted((captures / "s7comm").iterdir()):
        if path.stat().st_size > 100_000:
            continue
        fields = [word for name in FACTS for word in ("-e", name)]
        rows = tshark(path, "-Y", "s7comm.data.userdata.szl_id.partlist_num", *fields)
        read_ = facts_of(analyse([path], bench.store()).dump)
        for at, attribute in enumerate(FACTS.values()):
            theirs_ = {
                one.strip(" ") for row in rows for one in row[at].split(",") if one.strip(" ")
            }
            mine = read_.get(attribute, set()) | components(read_)
            assert theirs_ <= mine, (path.name, attribute)
            told += len(theirs_)
    assert told > 15


def test_facts_of_the_identity_capture(captures: Path, tmp_path: Path) -> None:
    """The capture of an identification says who the controller is, and who asks."""
    path = captures / "s7comm" / "icsnpp-s7comm__s7ident.pcap"
    facts = facts_of(analyse([path], Bench(tmp_path).store()).dump)
    assert facts["order_number"] == {"6ES7 315-2EH14-0AB0"}
    assert facts["product_name"] == {"CPU 315-2 PN/DP"}
    assert facts["name"] == {"SNAP7-SERVER"}
    assert facts["serial"] == {"S C-C2UR28922012"}
    assert facts["revision"] == {"V3.2.6"}
    assert facts["cpu_mode"] == {"RUN"}
    assert facts["role_hint"] == {"PG"}
    assert facts["slot"] == {"rack 0 slot 1"}


def behaviours_of(lines: list[str]) -> Counter[tuple[str, str, str]]:
    """(operation, object, outcome), counted."""
    found: Counter[tuple[str, str, str]] = Counter()
    for row in cells(lines, "behaviour"):
        found[row["operation"], row["object"], row["outcome"]] += row["count"]
    return found


def test_loads_and_cyclic_jobs_have_their_object(captures: Path, tmp_path: Path) -> None:
    """Pieces of a block, and what is told cyclically, are named by what began them."""
    bench, folder = Bench(tmp_path), captures / "s7comm"
    down = behaviours_of(analyse([folder / "nDPI__s7comm.pcap"], bench.store()).dump)
    assert down["request_download", "DB1", "ok"] == 1
    assert down["download_block", "DB1", "asked"] == down["download_block", "DB1", "ok"] == 3
    assert down["download_ended", "DB1", "ok"] == 1
    assert down["pi_inse", "DB1 (passive)", "ok"] == 1
    up = behaviours_of(analyse([folder / "icsnpp-s7comm__snap7.pcap"], bench.store()).dump)
    assert up["upload", "SDB0", "ok"] == up["end_upload", "SDB0", "ok"] == 4
    cyclic = behaviours_of(
        analyse([folder / "iti__wincc_s400_production.pcap"], bench.store()).dump
    )
    told = Counter[str]()
    for (operation, object_, _), count in cyclic.items():
        if operation == "cyclic_data":
            told["named" if object_.startswith("DB") else object_] += count
    assert told.total() == 754
    assert told["named"] > 500  # the others go on with jobs from before the capture


# how the runs of the next test differ; what they find must not
WAYS: list[dict[str, Any]] = [
    {"batch": 7}, {"all_plain": True}, {"cache_off": True}, {"hash_bits": 8}, {"workers": 2},
]  # fmt: skip


@pytest.mark.parametrize("way", WAYS, ids=str)
def test_same_whatever_way(captures: Path, tmp_path: Path, way: dict[str, Any]) -> None:
    """What is found does not depend on how the capture was worked on."""
    bench = Bench(tmp_path)
    for name in (
        "icsnpp-s7comm__snap7",
        "nDPI__s7comm",
        "iti__s7comm_program_blocklist_onlineview",
    ):
        path = captures / "s7comm" / f"{name}.pcap"
        assert analyse([path], bench.store(), **way).dump == analyse([path], bench.store()).dump


# ----------------------------------------------------------------------------- claims

CLAIMED = {  # captures of other folders of which something is claimed, and what it is
    "profinet/iti__Profinet_Failed.pcap": (
        "a panel that opens S7 connections, by TSAPs 0x0200 and 0x0202, beside its PROFINET",
        3,
    ),
    "s7comm-plus/icsnpp-s7comm__s7comm_plus.pcap": (
        "one of its connections is S7comm, also to tshark; the units of S7comm-plus are not claimed",
        36,
    ),
}


def claimed_in(path: Path) -> int:
    """How many units of a capture are claimed, wherever in a payload they lie."""
    reader, claimed = open_capture(path), 0
    for chunk in reader.chunks():
        for batch in chunk.batches:
            packets = dissect(batch, Counter())
            rows = (packets.protocol == TCP) & (packets.payload_end > packets.payload)
            _, start, end = cut(
                TPKT_COTP, batch.buffer, packets.payload[rows], packets.payload_end[rows]
            )
            assert TPKT_COTP.pieces is not None
            pieces = TPKT_COTP.pieces(batch.buffer, start, end)
            good = np.flatnonzero(~pieces.bad)
            zeros = np.zeros(len(good), np.uint8)
            some = Units(
                pieces.buffer, pieces.start[good], pieces.end[good], zeros + 2, zeros,
                pieces.kind[good],
            )  # fmt: skip
            claimed += int(PROTOCOL.claims(some).sum())
    reader.close()
    return claimed


def test_other_protocols_are_not_claimed(captures: Path) -> None:
    """Of captures of all other protocols nothing is claimed that is not S7comm."""
    claimed = {
        f"{path.parent.name}/{path.name}": claimed_in(path)
        for path in sorted(captures.rglob("*.pcap*"))
        if path.parent.name not in {"s7comm", "labelled-switched-network"}
        and path.stat().st_size < 1_000_000
    }
    assert {name: some for name, some in claimed.items() if some} == {
        name: some for name, (_, some) in CLAIMED.items()
    }
    assert len(claimed) > 200


@pytest.mark.parametrize(
    ("unit", "kind"),
    [
        ("11e00000000f00c1020001c2020001c0010a", 0xE0),  # MMS: no type of connection
        ("11e00000000f00c1020100c2020001c0010a", 0xE0),
        ("0fe00000000f00c1020100c2020102", 0xE0),  # one byte more than there is
        ("3203000000000002000000000401", 0),  # lists nothing
        ("720100f3310000", 0),  # S7comm-plus
        ("32010000000000080000f0000001000101e000", 0),  # a byte behind it
        ("32010001000000080000f0000001000101e0", 0),  # redundancy is not used on TCP
        ("320100000000000100002b", 0),  # a function that does not exist
        ("32070000000000080000000112044901 00".replace(" ", ""), 0),
        ("", 0),
        ("32", 0),
    ],
)
def test_not_claimed(unit: str, kind: int) -> None:
    """What only resembles S7comm is not claimed."""
    assert not PROTOCOL.claims(units_of([bytes.fromhex(unit)], [Side.UNKNOWN], [kind])).any()


# ---------------------------------------------------------------- columns and decoder


def golden(name: str) -> Golden:
    """A golden message by its name."""
    return next(one for one in GOLDEN if one.name == name)


def test_who_speaks() -> None:
    """Sides by content are those of the traffic, also where the server asks."""
    units = units_of(
        [one.data for one in GOLDEN],
        [Side.UNKNOWN] * len(GOLDEN),
        [one.kind for one in GOLDEN],
    )
    for one, said in zip(GOLDEN, PROTOCOL.sides(units).tolist(), strict=True):
        if said != Side.UNKNOWN:
            assert said == one.side, one.name
        else:
            assert one.messages[0].operation in {
                "disconnect",
                "disconnect_confirm",
                "transport_error",
                "s7comm_plus",
            }


def test_pairs_have_one_tag() -> None:
    """A response has the tag of its request, and no other kind of message has it."""
    by_data = {one.data: one for one in GOLDEN}
    pairs = [(by_data[one.request], one) for one in GOLDEN if one.request is not None]
    assert len(pairs) > 50
    for pair in pairs:
        tags = PROTOCOL.split(
            units_of(
                [one.data for one in pair], [one.side for one in pair], [one.kind for one in pair]
            )
        ).tag
        assert tags[0] == tags[1], pair[1].name
    others = [
        golden("connect asked"),
        golden("setup_communication asked"),
        golden("read_szl asked"),
    ]
    tags = PROTOCOL.split(
        units_of(
            [one.data for one in others], [one.side for one in others], [one.kind for one in others]
        )
    ).tag
    assert len(set(tags.tolist())) == len(others)


def mutants(count: int, seed: int) -> list[tuple[bytes, Side, int]]:
    """Golden messages with bytes changed, put in or left out; lengths are sometimes made right."""
    random = Random(seed)
    found = []
    for _ in range(count):
        one = random.choice(GOLDEN)
        data = bytearray(one.data)
        for _ in range(random.choice((0, 1, 1, 2, 3))):
            at = random.randrange(len(data))
            data[at] = random.choice((data[at] ^ 1 << random.randrange(8), random.randrange(256)))
        if random.random() < 0.2:
            del data[random.randrange(1, len(data) + 1) :]
        if random.random() < 0.1:
            data += bytes(random.randrange(1, 5))
        side = one.side if random.random() < 0.9 else random.choice(list(Side))
        found.append((bytes(data), side, one.kind))
    return found


Key = tuple[Any, ...]


def keyed(
    data: list[tuple[bytes, Side, int]],
) -> list[tuple[Key, bytes, Side, tuple[int, int] | None]]:
    """(key, unit, side, span) of all units and items that are well-formed."""
    units = units_of(*(list(column) for column in zip(*data, strict=True)))
    split, items = PROTOCOL.split(units), PROTOCOL.items(units)  # type: ignore[misc]
    buffer = units.buffer.tobytes()
    keys = [(side, kind, *_key(split, at, buffer)) for at, (_, side, kind) in enumerate(data)]
    good = ~split.malformed
    found = [(keys[at], *data[at][:2], None) for at in np.flatnonzero(good).tolist()]
    for at, owner in enumerate(items.owner.tolist()):
        if good[owner]:
            start = int(units.start[owner])
            span = int(items.start[at]) - start, int(items.end[at]) - start
            found.append(
                ((*keys[owner], "item", *_key(items.split, at, buffer)), *data[owner][:2], span)
            )
    return found


def _key(split: Split, at: int, buffer: bytes) -> Key:
    start, length = int(split.key_start[at]), int(split.key_length[at])
    return (*(int(word[at]) for word in split.key_words), buffer[start : start + length])


REQUESTS = [None, *(one.messages[0] for one in GOLDEN if not one.messages[0].outcome)]


@pytest.mark.parametrize("seed", range(4))
def test_equal_keys_say_equal_messages(seed: int) -> None:
    """Units and items of one key are one message, whatever request they answer."""
    seen: dict[tuple[Key, int], Message | None] = {}
    random = Random(seed)
    asked = random.choice(REQUESTS)
    for key, data, side, span in keyed(mutants(3_000, seed)):
        request = asked if side == Side.RESPONSE else None
        try:
            message = PROTOCOL.decode(Reader(data, framing=0, item=span), side, request)
        except WireError:
            message = None
        told = seen.setdefault((key, 0), message)
        assert told == message, data.hex()
    assert len(seen) > 800


@pytest.mark.parametrize("one", GOLDEN, ids=lambda one: one.name)
def test_tags_and_values_are_no_part_of_the_key(one: Golden) -> None:
    """A changed reference, sequence number or value is the same thing again."""
    if one.kind or not one.data.startswith(b"\x32"):
        return
    places = [4, 5]
    numbered = words.CYCLIC, words.PROGRAMMER
    if one.data[1] == words.USERDATA and one.data[15] & 0xF not in numbered:
        places.append(17)
    units = units_of([one.data], [one.side], [0])
    split, items = PROTOCOL.split(units), PROTOCOL.items(units)  # type: ignore[misc]
    for some in (split, items.split):
        places += some.value_start[some.value_count > 0].tolist()
    before = [key for key, *_ in keyed([(one.data, one.side, 0)])]
    for place in places:
        data = bytearray(one.data)
        data[place] ^= 1
        assert [key for key, *_ in keyed([(bytes(data), one.side, 0)])] == before, place


def test_alone_or_among_others() -> None:
    """A unit says the same whichever units stand beside it."""
    data = mutants(400, 9)
    together = Counter((key, span) for key, _, _, span in keyed(data))
    apart = Counter((key, span) for one in data for key, _, _, span in keyed([one]))
    assert together == apart


def within(split: Split, start: Any, end: Any) -> None:
    """Key spans and values lie in their units."""
    some = split.key_length > 0
    assert (split.key_length >= 0).all()
    assert (split.key_start >= start)[some].all()
    assert (split.key_start + split.key_length <= end)[some].all()
    for at in np.flatnonzero(split.value_count > 0).tolist():
        count, dtype = int(split.value_count[at]), VALUE_TYPES[int(split.value_type[at])]
        size = (count + 7) // 8 if dtype is None else count * dtype.itemsize
        assert start[at] <= split.value_start[at]
        assert split.value_start[at] + size <= end[at]


def check_hostile(data: list[tuple[bytes, Side, int]]) -> None:
    """Nothing but WireError comes out, and nothing points out of a unit."""
    units = units_of(*(list(column) for column in zip(*data, strict=True)))
    split, items = PROTOCOL.split(units), PROTOCOL.items(units)  # type: ignore[misc]
    contexts = PROTOCOL.contexts
    assert isinstance(contexts, Contexts)
    assert len(PROTOCOL.claims(units)) == len(PROTOCOL.sides(units)) == len(data)
    within(split, units.start, units.end)
    assert (np.diff(items.owner) >= 0).all()
    assert (items.start >= units.start[items.owner]).all()
    assert (items.end <= units.end[items.owner]).all()
    within(items.split, units.start[items.owner], units.end[items.owner])
    contexts.sets(units)
    contexts.names(units)
    for one, side, _ in data:
        memory: dict[str, Any] = {}
        for use in (
            lambda: PROTOCOL.decode(Reader(one), side, None),  # noqa: B023 - used at once
            lambda: PROTOCOL.decode(Reader(one, item=(12, 24)), side, None),  # noqa: B023
            lambda: contexts.learn(Reader(one), side, memory),  # noqa: B023
        ):
            try:
                use()
            except WireError:
                continue


@pytest.mark.parametrize("seed", range(3))
def test_mutants_break_nothing(seed: int) -> None:
    """Changed messages are refused or read, without any other error."""
    check_hostile(mutants(1_500, 100 + seed))


@given(st.lists(st.tuples(st.binary(max_size=80), st.sampled_from(Side)), min_size=1, max_size=5))
@settings(max_examples=150, deadline=None)
def test_random_bytes_break_nothing(data: list[tuple[bytes, Side]]) -> None:
    """Random bytes are refused or read, with and without a header in front."""
    check_hostile([(one, side, 0) for one, side in data])
    headed = []
    for one, side in data:
        size = min(len(one), 12)
        rest = len(one) - size
        head = bytes([0x32, 1 + 6 * (len(one) & 1), 0, 0, 1, 0, 0, size, rest >> 8, rest & 0xFF])
        headed.append((head + one, side, 0))
    check_hostile(headed)


def test_lists_of_many_are_bounded() -> None:
    """A message that lists nothing but heads is cut in as many rounds as it counts at most."""
    data = bytes.fromhex("32010000000100000000") + bytes([4, 255]) + b"\x12\x00" * 30_000
    sized = bytearray(data)
    sized[6:8] = (len(data) - 10).to_bytes(2, "big")
    units = units_of([bytes(sized)] * 8, [Side.REQUEST] * 8, [0] * 8)
    assert PROTOCOL.split(units).malformed.all()
    assert not len(PROTOCOL.items(units).owner)  # type: ignore[misc]


def test_passwords_are_nowhere() -> None:
    """Nothing of a password is in a key or a message, however it is spelled."""
    asked = golden("plc_password asked")
    reading = asked.read(asked.data)
    assert reading is not None
    secret = asked.data[22:30]
    assert secret.hex() not in repr(reading)
    changed = asked.data[:22] + bytes(8)
    keys = [key for key, *_ in keyed([(asked.data, asked.side, 0), (changed, asked.side, 0)])]
    assert keys[0] == keys[1]
    login = golden("pi_service asked by hand")
    assert login.messages[0].object == "_N_LOGIN_"


# ------------------------------------------------------------------ our own captures

MADE = {"operator": 190, "engineer": 36, "by_hand": 92}  # messages, connections opened included


@needs_tshark
@pytest.mark.parametrize("name", MADE)
def test_own_captures_pass_tshark(name: str) -> None:
    """Tshark finds nothing malformed in our captures, and the same messages as we."""
    path = OWN / f"{name}.pcap"
    sums = "tcp.checksum.status==0 || ip.checksum.status==0"
    wrong = f"_ws.malformed || {sums} || tcp.analysis.flags"
    checks = ("-o", "tcp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE")
    assert tshark(path, *checks, "-Y", wrong, "-e", "frame.number") == []
    mine = [(asks, sort_of(unit, kind)) for asks, unit, kind in messages(path)]
    assert Counter(mine) == theirs(path)
    assert len(mine) == MADE[name]


def test_own_captures_are_listed() -> None:
    """Every capture of the folder is tested."""
    assert {path.stem for path in OWN.glob("*.pcap")} == set(MADE)


def test_generator_makes_them_again(tmp_path: Path) -> None:
    """The generator gives the captures that are stored, byte for byte."""
    pytest.importorskip("snap7", reason="python-snap7 is not installed")
    code = f"import generate, pathlib; generate.HERE = pathlib.Path({str(tmp_path)!r}); generate.main([])"
    subprocess.run([sys.executable, "-B", "-c", code], cwd=OWN, check=True, capture_output=True)
    for path in OWN.glob("*.pcap"):
        assert (tmp_path / path.name).read_bytes() == path.read_bytes(), path.name


def test_own_captures_contradict_nothing(tmp_path: Path) -> None:
    """All of our captures is read: no unit is malformed, and no object unknown."""
    bench = Bench(tmp_path)
    for path in OWN.glob("*.pcap"):
        lines = analyse([path], bench.store()).dump
        assert not counter(lines, "malformed"), path.name
        assert "unknown" not in {object_ for _, object_, _ in behaviours_of(lines)}, path.name


# tshark's words for what messages set by hand say, where they are not our own
THEIR_WORDS = {
    "pi_ins2": "_INS2", "pi_dele": "_DELE", "pi_service": "_N_LOGIN_", "bsend": "PBC BSEND/BRECV",
    "cyclic_data": "Cyclic transfer", "time_measurement": "Time measurement from to",
    "alarm_8_lock": "ALARM_8 lock", "alarm_8_unlock": "ALARM_8 unlock",
    "notify_8_indication": "NOTIFY_8 indication", "alarm_s_indication": "ALARM_S indication",
    "alarm_sq_indication": "ALARM_SQ indication", "set_clock_following": "Set clock",
    "read_clock_following": "Read clock (following)",
}  # fmt: skip


@needs_tshark
def test_messages_set_by_hand_are_read_alike() -> None:
    """Each golden message that was set by hand is in our capture, and tshark names its service."""
    path = OWN / "by_hand.pcap"
    rows = tshark(path, "-Y", "cotp", "-e", "_ws.col.Info", "-e", "tcp.payload")
    info = {payload: text for text, payload in rows}
    checked = 0
    for one in GOLDEN:
        if one.origin != "set" or one.kind:
            continue
        text = next(text for payload, text in info.items() if payload.endswith(one.data.hex()))
        operation = one.messages[0].operation
        word = THEIR_WORDS.get(operation, operation.removeprefix("nc_").replace("_", " "))
        assert word.lower() in text.lower(), (one.name, text)
        checked += 1
    assert checked > 40


# -------------------------------------------------------------------------- operations


@cache
def _operations() -> set[str]:
    return {message.operation for one in GOLDEN for message in one.messages}


def test_what_lacks_a_golden_message() -> None:
    """Only one operation has none: nothing public says what stands in it."""
    assert {operation.name for operation in s7comm.OPERATIONS} - _operations() == {"cpu_services"}
