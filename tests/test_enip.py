"""EtherNet/IP and CIP: captures against tshark, columns against the plain decoder, the engine."""

import importlib.util
import json
import re
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import yaml
from engine_runs import CLIENT, SERVER, Bench, Tcp, Wire, analyse, cells
from hypothesis import given, settings
from hypothesis import strategies as st
from test_protocols_golden import YAML
from wire_captures import cut, tshark

from otsec.capture import open_capture
from otsec.dissect import dissect
from otsec.errors import WireError
from otsec.model import TCP, UDP
from otsec.protocols import enip
from otsec.protocols.api import VALUE_TYPES, Message, Reader, Side, Split, Units
from otsec.protocols.cip.codes import MULTIPLE, REPLY, SEND_FRONT
from otsec.protocols.cip.paths import read_path
from otsec.protocols.framing.enip import ENCAPSULATION, FRONT
from otsec.protocols.words import enip as words

OWN = Path(__file__).parents[1] / "pcaps" / "enip"
FOLDER = "enip-cip"
CAPTURES = (
    "Quickdraw-Snort__enip_test.pcap",
    "Quickdraw-Suricata__CL5000EIP-Reboot_or_Restart.pcap",
    "Quickdraw-Suricata__CL5000EIP-Remote_Mode_Change_Attempt.pcap",
    "Quickdraw-Suricata__CL5000EIP-Software_Upload.pcap",
    "Quickdraw-Suricata__CL5000EIP-Unlock_PLC_Attempt.pcap",
    "icsnpp-enip__enip_cip_example.pcap",
    "icsnpp-enip__multiple_service_packet_cip.pcapng",
    "icsnpp-enip__set_attribute_single_service_cip.pcapng",
    "ipal_transcriber__cip.pcapng",
    "iti__EIP-ChangeDateAttempt.pcap",
    "iti__EIP-IPAddressChangeAttempt.pcap",
    "iti__EIP-SoftwareUploadFailure.pcap",
    "iti__cip-multiple-1.pcap",
    "iti__cip-multiple-2.pcap",
    "iti__cip_start_plc.pcap",
    "iti__cip_stop_plc.pcap",
    "iti__cip_unlock_cpu.pcap",
    "nDPI__cip_io.pcap",
    "nDPI__ethernetIP.pcap",
    "suricata-verify__enip_test1.pcap",
)


def own(name: str) -> ModuleType:
    """A module of the generator."""
    sys.path[:0] = [str(OWN), str(OWN.parent / "modbus")]
    try:
        spec = importlib.util.spec_from_file_location(f"enip_{name}", OWN / f"{name}.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module
        spec.loader.exec_module(module)
    finally:
        del sys.path[:2]
    return module


@cache
def golden() -> list[dict[str, Any]]:
    """The golden messages."""
    path = Path(__file__).parent / "golden" / "enip.yaml"
    found: list[dict[str, Any]] = yaml.load(path.read_text(), YAML)  # noqa: S506 - safe
    return found


# ---------------------------------------------------------------------------- units


@cache
def payloads_of(path: Path) -> tuple[np.ndarray[Any, np.dtype[np.uint8]], Any, Any]:
    """Units that begin at the start of a payload, or behind one that does: (bytes, starts, ends)."""
    reader = open_capture(path)
    none = np.empty(0, np.int64)
    buffers, starts, ends, shift = [np.empty(0, np.uint8)], [none], [none], 0
    for chunk in reader.chunks():
        for batch in chunk.batches:
            packets = dissect(batch, Counter())
            rows = np.isin(packets.protocol, (TCP, UDP))
            rows &= packets.payload_end > packets.payload
            start, end = packets.payload[rows], packets.payload_end[rows]
            end = np.minimum(end, start + packets.payload_wire[rows])
            _, begin, stop = cut(ENCAPSULATION, batch.buffer, start, end)
            buffers.append(batch.buffer.copy())
            starts.append(begin + shift)
            ends.append(stop + shift)
            shift += len(batch.buffer)
    reader.close()
    return np.concatenate(buffers), np.concatenate(starts), np.concatenate(ends)


def units_of(path: Path, side: Side = Side.UNKNOWN) -> Units:
    """The units of a capture."""
    buffer, start, end = payloads_of(path)
    marks = np.zeros(len(start), np.uint8)
    return Units(buffer, start, end, marks + side, marks, marks)


FIELDS = (
    "enip.command", "enip.cpf.sai.connid", "cip.rr", "cip.sc", "cip.class",
    "enip.lir.serial", "cip.id.serial_number", "enip.lir.name", "cip.id.product_name",
    "enip.lir.prodcode", "cip.id.product_code",
)  # fmt: skip


@cache
def told_by_tshark(path: Path) -> list[dict[str, list[str]]]:
    """The values of each field, for each frame that is EtherNet/IP to tshark."""
    asked = [word for field in FIELDS for word in ("-e", field)]
    rows = tshark(path, "-E", "aggregator=;", "-Y", "enip", *asked)
    return [
        {field: [one for one in value.split(";") if one] for field, value in pairs}
        for pairs in (zip(FIELDS, row + [""] * len(FIELDS), strict=False) for row in rows)
    ]


def of_bytes(*units: bytes, side: Side = Side.UNKNOWN) -> Units:
    """Units one behind the other."""
    end = np.cumsum([len(unit) for unit in units])
    start = end - np.array([len(unit) for unit in units])
    marks = np.zeros(len(units), np.uint8)
    return Units(np.frombuffer(b"".join(units), np.uint8), start, end, marks + side, marks, marks)


def keys(units: Units, split: Split) -> list[tuple[object, ...]]:
    """What the engine takes for the same."""
    data = units.buffer.tobytes()
    spans = zip(split.key_start.tolist(), split.key_length.tolist(), strict=True)
    rows = zip(*(word.tolist() for word in split.key_words), strict=True)
    return [(row, data[at : at + size]) for row, (at, size) in zip(rows, spans, strict=True)]


def decoded(data: bytes, side: Side, item: tuple[int, int] | None = None) -> Message | str:
    """What a unit or item says, or that it says nothing."""
    try:
        return enip.decode(Reader(data, framing=0, item=item), side, None)
    except WireError:
        return "malformed"


# --------------------------------------------------------------------- against tshark


def services(path: Path) -> Counter[tuple[bool, int]]:
    """Services by (is it a reply, code), carriers and what they carry counted alike."""
    units = units_of(path)
    listed = enip.items(units)
    data = units.buffer.tobytes()
    found: Counter[tuple[bool, int]] = Counter()
    around = enip._envelopes(units)
    for start, end in zip(around.start.tolist(), around.end.tolist(), strict=True):
        message = data[start:end]
        if message:
            found[message[0] >= REPLY, message[0] & 0x7F] += 1
        if message.startswith(SEND_FRONT):
            found[False, message[10]] += 1
    for start in listed.start.tolist():
        found[data[start] >= REPLY, data[start] & 0x7F] += 1
    return found


def tshark_services(path: Path) -> Counter[tuple[bool, int]]:
    """The same as tshark sees it; one segment has messages of one direction only."""
    return Counter(
        (row["cip.rr"][0] == "0x01", int(code, 16) & 0x7F)
        for row in told_by_tshark(path)
        for code in row["cip.sc"]
    )


def commands(path: Path) -> Counter[int]:
    """Units by command, connected data by `enip.IO`."""
    units = units_of(path)
    return Counter(enip._envelopes(units).command.tolist())


def tshark_commands(path: Path) -> Counter[int]:
    """The same as tshark sees it."""
    found: Counter[int] = Counter()
    for row in told_by_tshark(path):
        found[enip.IO] += len(row["enip.cpf.sai.connid"])
        found.update(int(code, 16) for code in row["enip.command"])
    return +found


# What tshark counts and we do not; below zero, what we count and tshark does not.
Difference = dict[tuple[bool, int], int]
DIFFERENCES: dict[str, tuple[str, Difference]] = {}


@pytest.mark.parametrize("name", CAPTURES)
def test_services(captures: Path, name: str) -> None:
    """Commands, and services by direction, are as many as tshark finds, or the reason is known."""
    path = captures / FOLDER / name
    assert commands(path) == tshark_commands(path)
    ours, theirs = services(path), tshark_services(path)
    theirs.subtract(ours)
    _, expected = DIFFERENCES.get(name, ("", {}))
    assert {key: count for key, count in theirs.items() if count} == expected


def test_captures_are_listed(captures: Path) -> None:
    """Every capture of the folder is tested."""
    assert {path.name for path in (captures / FOLDER).iterdir()} == set(CAPTURES)


@pytest.mark.parametrize("name", CAPTURES)
def test_classes_asked_for(captures: Path, name: str) -> None:
    """The objects of plain requests have the classes that tshark finds in their paths.

    Not counted is the message router: of connections that it saw opened, tshark names it each time.
    """
    path = captures / FOLDER / name
    some = units_of(path, Side.REQUEST)
    data, split = some.buffer.tobytes(), enip.split(some)
    listed = enip.items(some)
    ours: Counter[int] = Counter()
    around = enip._envelopes(some)
    items: dict[int, list[tuple[int, int]]] = {}
    rows = zip(listed.owner.tolist(), listed.start.tolist(), listed.end.tolist(), strict=True)
    for owner, start, end in rows:
        items.setdefault(owner, []).append((start, end))
    for row in np.flatnonzero(~split.malformed & (around.start < around.end)).tolist():
        begin, stop = int(some.start[row]), int(some.end[row])
        message = data[around.start[row] : around.end[row]]
        if _is_of_manager(message):
            continue
        ours[6] += message.startswith(SEND_FRONT)
        for start, end in items.get(row, [(None, None)]):
            span = None if start is None else (start - begin, end - begin)
            said = decoded(data[begin:stop], Side.REQUEST, span)
            text = said.object if isinstance(said, Message) else ""
            ours.update(int(found, 16) for found in re.findall(r"class (0x[0-9a-f]+)", text))
    theirs = Counter(
        int(klass, 16)
        for row in told_by_tshark(path)
        if row["cip.rr"][:1] == ["0x00"] and not set(row["cip.sc"]) & {"0x4e", "0x54"}
        for klass in row["cip.class"]
    )
    del ours[2], theirs[2]
    assert +ours == +theirs


def _is_of_manager(message: bytes) -> bool:
    """Whether a Forward_Open or Forward_Close: tshark counts the classes of its path differently."""
    return message[0] in (0x54, 0x4E)


IDENTITY_FIELDS = {
    "serial": ("enip.lir.serial", "cip.id.serial_number"),
    "product_name": ("enip.lir.name", "cip.id.product_name"),
    "product_code": ("enip.lir.prodcode", "cip.id.product_code"),
}


@pytest.mark.parametrize("name", CAPTURES)
def test_identities(captures: Path, tmp_path: Path, name: str) -> None:
    """Serial numbers, names and codes of products are those that tshark finds."""
    path = captures / FOLDER / name
    theirs = {
        attribute: {row[field][0] for row in told_by_tshark(path) for field in both if row[field]}
        for attribute, both in IDENTITY_FIELDS.items()
    }
    ours: dict[str, set[str]] = {attribute: set() for attribute in IDENTITY_FIELDS}
    for fact in cells(analyse([path], tmp_path / "x.db").dump, "fact"):
        if fact["protocol"] == "enip" and fact["attribute"] in ours:
            ours[fact["attribute"]].add(fact["value"])
    if theirs["serial"]:
        theirs["serial"] = {f"{int(value, 16):#010x}" for value in theirs["serial"]}
    assert ours == theirs


# --------------------------------------------------------------------------- own captures


OWN_NAMES = ("all_services", "cyclic_io", "discovery", "files", "older_controller", "tags")


@pytest.mark.parametrize("name", OWN_NAMES)
def test_own_captures_pass_tshark(name: str) -> None:
    """Tshark finds nothing malformed in our captures and counts the same."""
    path = OWN / f"{name}.pcap"
    wrong = "_ws.malformed || _ws.expert.severity==error || tcp.analysis.flags"
    sums = "tcp.checksum.status==0 || ip.checksum.status==0 || udp.checksum.status==0"
    checks = ("-o", "tcp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE")
    assert tshark(path, *checks, "-Y", f"{wrong} || {sums}", "-e", "frame.number") == []
    assert services(path) == tshark_services(path)
    units = units_of(path)
    # NOP, IndicateStatus and Cancel alone prove nothing, nor do questions of four bytes and zeros
    around = enip._envelopes(units)
    open_ = np.isin(around.command, (0x00, 0x04, 0x64, 0x72, 0x73, 0xC8)) | (around.status > 0)
    assert (enip.claims(units) | open_).all()
    assert path.stat().st_size < 200_000


def test_generator_makes_them_again(tmp_path: Path) -> None:
    """The generator gives the captures that are stored, byte for byte."""
    code = f"import generate, pathlib; generate.HERE = pathlib.Path({str(tmp_path)!r}); generate.main([])"
    subprocess.run([sys.executable, "-B", "-c", code], cwd=OWN, check=True, capture_output=True)
    assert {path.stem for path in OWN.glob("*.pcap")} == set(OWN_NAMES)
    for path in OWN.glob("*.pcap"):
        assert (tmp_path / path.name).read_bytes() == path.read_bytes(), path.name


OTHER_WORDS = {  # what tshark calls otherwise
    "nop": "no_operation",
    "read_discrete": "modbus_read_discrete_inputs",
    "get_status": "get_connection_status",
    "configuration_unlock": "safety_configuration_lock",
    "upload_all_request_upload": "pccc_upload_all_request",
}
UNNAMED = re.compile(r"service_0x[0-9a-f]+|execute_pccc")


def test_tshark_names_what_was_set() -> None:
    """Each message that was set by hand is, by its name, the same to tshark, where it has a name.

    It has none for tags, for files, and for PCCC without functions; for those the code is compared.
    """
    messages = own("messages")
    asked = [request for _, request, _ in messages.cases()]
    path = OWN / "all_services.pcap"
    told = tshark(path, "-Y", "cip && tcp.dstport==44818", "-e", "cip.sc", "-e", "_ws.col.Info")
    unnamed = 0
    for request, (codes, info) in zip(asked, told, strict=False):
        said = decoded(messages.unconnected(request), Side.REQUEST)
        assert isinstance(said, Message)
        name = re.split(" - |: ", info.partition(" (Message Router)")[0].partition(" (Ass")[0])[-1]
        word = re.sub(r"[^a-z0-9]+", "_", re.sub(r"\(Un\)", "un", name).lower()).strip("_")
        code = int(codes.split(",")[-1], 16)
        if UNNAMED.fullmatch(word) or name.startswith("Service"):
            unnamed += 1
            body = request[10:] if request.startswith(SEND_FRONT) else request
            assert code == body[0]
            continue
        word = OTHER_WORDS.get(word, word)
        for short, long in (("two", "two_fields"), ("three", "three_fields")):
            word = word.replace(f"with_{short}_address_fields", long)
        ends = {word, f"pccc_{word}", f"safety_{word}", f"modbus_{word}"}
        assert said.operation in ends, (info, said.operation)
    assert unnamed <= 30
    assert len(told) == len(asked) + 4  # two packets, and two in a wrong session


def test_golden_messages_that_were_set_are_in_it() -> None:
    """Golden messages that were set by hand are those that tshark was shown."""
    stored = b"".join(path.read_bytes() for path in OWN.glob("*.pcap"))
    missing = [
        entry["name"]
        for entry in golden()
        if entry["origin"] == "set" and bytes.fromhex(entry["hex"]) not in stored
    ]
    assert missing == []


# --------------------------------------------------------------------------------- claims


LARGEST = 100_000  # bytes of a capture in the next test: the others say the same again and again


def claimed_in(path: Path) -> int:
    """How many units at the beginning of TCP and UDP payloads of a capture are claimed."""
    return int(enip.claims(units_of(path)).sum())


def test_other_protocols_are_not_claimed(captures: Path) -> None:
    """Of captures of all other protocols, no payload is claimed; of its own, nearly every one is."""
    claimed = {
        f"{path.parent.name}/{path.name}": claimed_in(path)
        for path in sorted(captures.rglob("*.pcap*"))
        if path.parent.name != FOLDER
        and (path.stat().st_size <= LARGEST or path.parent.name == "labelled-switched-network")
    }
    assert {name: some for name, some in claimed.items() if some} == {}
    assert len(claimed) > 200
    assert claimed_in(captures / FOLDER / "icsnpp-enip__enip_cip_example.pcap") == 667


NEARLY = {  # bytes that look like it, and why they are not enough
    "nothing but zeros": bytes(24),
    "a list of services that nobody answered": b"\x04" + bytes(23),
    "connected data of a connection without an id": bytes.fromhex(
        "020002800800" + "00" * 8 + "b1000200" + "0100"
    ),
    "a session of version 2": bytes.fromhex("65000400" + "00" * 20 + "02000000"),
    "data on another interface": bytes.fromhex(
        "6f0012000100000000000000000000000000000000000000010000000000020000000000b200020001000e00"
    ),
}


@pytest.mark.parametrize("name", NEARLY)
def test_what_is_nearly_it_is_not_claimed(name: str) -> None:
    """What other protocols could send too is left to them."""
    assert not enip.claims(of_bytes(NEARLY[name])).any()


@pytest.mark.parametrize(("port", "outcomes"), [(44_818, {"ok"}), (4_000, {"unasked"})])
def test_lists_are_asked_for_at_the_port(bench: Bench, port: int, outcomes: set[str]) -> None:
    """At its own port a question for a list begins a conversation, so that its answer is asked for."""
    services = bytes.fromhex("0100 0001 1400 0100 2001") + b"Communications\0\0"
    wire = Wire()
    line = Tcp(wire, (("10.0.0.1", 40_000), ("10.0.0.2", port)))
    line.open()
    for command, answer in ((b"\x04", services), (b"\x64", b"\0\0")):
        line.packet(CLIENT, command + bytes(23), "PA")
        line.sent[CLIENT] += FRONT
        data = command + b"\0" + len(answer).to_bytes(2, "little") + bytes(20) + answer
        line.packet(SERVER, data, "PA")
        line.sent[SERVER] += len(data)
    rows = cells(bench.dump(wire.bytes()), "behaviour")
    lists = [row for row in rows if row["operation"] == "list_services"]
    assert {row["outcome"] for row in lists} == outcomes
    assert [row["outcome"] for row in rows if row["operation"] == "list_interfaces"] == ["ok"]


# -------------------------------------------------------------------- columns and decoder


CORPUS = [bytes.fromhex(entry["hex"]) for entry in golden()]


def check_alike(*data: bytes) -> None:
    """Units with equal keys say the same, and so do their items."""
    for side in (Side.REQUEST, Side.RESPONSE):
        units = of_bytes(*data, side=side)
        split, listed = enip.split(units), enip.items(units)
        check_bounds(units, split, units.start, units.end)
        check_bounds(units, listed.split, units.start[listed.owner], units.end[listed.owner])
        said: dict[tuple[object, ...], Message | str] = {}
        own_keys = keys(units, split)
        for row in np.flatnonzero(~split.malformed).tolist():
            one = decoded(data[row], side)
            assert said.setdefault(own_keys[row], one) == one, (data[row].hex(), said)
        item_keys = keys(units, listed.split)
        for at, row in enumerate(listed.owner.tolist()):
            if split.malformed[row]:
                continue
            begin = int(units.start[row])
            span = int(listed.start[at]) - begin, int(listed.end[at]) - begin
            one = decoded(data[row], side, span)
            key = (own_keys[row], item_keys[at])
            assert said.setdefault(key, one) == one, (data[row].hex(), span)


def check_bounds(units: Units, split: Split, start: np.ndarray, end: np.ndarray) -> None:  # type: ignore[type-arg]
    """Nothing points outside its unit."""
    sizes = np.array([1 if dtype is None else dtype.itemsize for dtype in VALUE_TYPES])
    good = ~split.malformed
    length = split.key_length
    assert (length >= 0).all()
    inside = (split.key_start >= start) & (split.key_start + length <= end)
    assert (inside | (length == 0) | ~good).all()
    behind = split.value_start + split.value_count * sizes[split.value_type]
    assert (split.value_count >= 0).all()
    inside = (split.value_start >= start) & (behind <= end)
    assert (inside | (split.value_count == 0) | ~good).all()
    assert len(units) >= 0


@given(st.data())
@settings(max_examples=300, deadline=None)
def test_equal_keys_say_the_same(data: st.DataObject) -> None:
    """Whatever is changed in a unit, what has its key is read alike, and nothing but WireError leaves."""
    base = data.draw(st.sampled_from(CORPUS))
    others = []
    for _ in range(8):
        unit = bytearray(base)
        for _ in range(data.draw(st.integers(1, 3))):
            unit[data.draw(st.integers(0, len(unit) - 1))] = data.draw(st.integers(0, 255))
        cut_at = data.draw(st.integers(0, len(unit)))
        others.append(bytes(unit))
        if cut_at >= FRONT:
            short = unit[:cut_at]
            short[2:4] = (cut_at - FRONT).to_bytes(2, "little")
            others.append(bytes(short))
    check_alike(base, *others)


@given(st.data())
@settings(max_examples=200, deadline=None)
def test_messages_of_other_lengths(data: st.DataObject) -> None:
    """Bodies of any bytes and length, in sound frames, are read alike where their keys are equal."""
    messages = (
        own("messages") if "enip_messages" not in sys.modules else sys.modules["enip_messages"]
    )
    cases = messages.cases()
    _, asked, told = data.draw(st.sampled_from(cases))
    front = data.draw(st.sampled_from([asked, told]))
    made = []
    for _ in range(6):
        kept = data.draw(st.integers(2, len(front)))
        message = front[:kept] + data.draw(st.binary(max_size=24))
        if data.draw(st.booleans()) and not message[0] & REPLY:
            message = messages.send(
                message, data.draw(st.sampled_from([b"", b"\1\0", b"\1\2" * 9]))
            )
        if data.draw(st.booleans()):
            made.append(messages.unconnected(messages.several([message, front])))
        made.append(messages.unconnected(message))
        made.append(messages.connected(1, 1, message))
    check_alike(*made)


@given(st.lists(st.binary(max_size=80), min_size=1, max_size=8))
def test_random_bytes(data: list[bytes]) -> None:
    """Nothing raises on random bytes, and nothing random is claimed."""
    units = of_bytes(*data)
    assert not enip.claims(units).any()
    enip.sides(units)
    enip.items(units)
    enip.split(units)
    names = enip.PROTOCOL.contexts
    assert names is not None
    assert len(names.names(units)) == len(names.sets(units)) == len(units)
    for unit in data:
        for side in Side:
            decoded(unit, side)
        memory: dict[str, object] = {}
        try:
            enip.learn(Reader(unit), Side.RESPONSE, memory)
        except WireError:
            continue


CHANGES = {  # what makes nothing new: name of a golden message, offset, size
    "session": ("get attributes all, asked", 4, 4),
    "sender context": ("get attributes all, asked", 12, 8),
    "connection id": ("tags in one packet, asked", 36, 4),
    "sequence count": ("tags in one packet, asked", 44, 2),
    "value of a tag": ("read tag, told", 46, 4),
    "value to write": ("write tag, asked", 72, 4),
    "attribute": ("get attribute single, told", 44, 2),
    "connection serial number": ("forward close, asked", 48, 2),
    "PCCC transaction": ("pccc 0x0f 0xa2, told", 53, 2),
    "PCCC data": ("pccc 0x0f 0xa2, told", 55, 6),
}


@pytest.mark.parametrize("name", CHANGES)
def test_tags_and_values_are_not_of_the_key(name: str) -> None:
    """What changes from message to message changes no key, only tag or values."""
    entry, at, size = CHANGES[name]
    data = next(bytes.fromhex(one["hex"]) for one in golden() if one["name"] == entry)
    other = data[:at] + bytes(byte ^ 0x15 for byte in data[at : at + size]) + data[at + size :]
    units = of_bytes(data, other)
    first, second = keys(units, enip.split(units))
    assert first == second


# --------------------------------------------------------------------------------- paths

PATHS = {
    "20012401": ("", "class 0x01 (identity) instance 1"),
    "2100640025000102300a": ("", "class 0x64 (controller) instance 513 attribute 10"),
    "010020012401": ("slot 0", "class 0x01 (identity) instance 1"),
    "120a31302e39392e302e32330102": ("port 2 10.99.0.23/slot 2", ""),
    "910950726f6772616d3a4d": None,  # nine characters said, eight there
    "910350726f77": None,  # what fills up is not zero
    "910850726f6772616d3a9103546167002803": ("", "Program:.Tag[3]"),
    "9103416263002801280229000003": ("", "Abc[1,2,768]"),
    "206b25003412": ("", "class 0x6b (symbol) instance 4660"),
    "206b24012805": ("", "class 0x6b (symbol) instance 1 [5]"),
    "3404010007004100830120042466": ("", "class 0x04 (assembly) instance 102"),
    "2004246680020a000b00": ("", "class 0x04 (assembly) instance 102 configured with 4 bytes"),
    "43052001": ("", "network segment 0x03 05 class 0x01 (identity)"),
    "ff00": None,
    "20": None,
    "2101640025000102": None,  # padding that is not zero
}


@pytest.mark.parametrize("raw", PATHS)
def test_paths(raw: str) -> None:
    """Routes and objects of encoded paths; what is no path is refused."""
    expected = PATHS[raw]
    if expected is None:
        with pytest.raises(WireError):
            read_path(bytes.fromhex(raw))
        return
    path = read_path(bytes.fromhex(raw))
    assert (path.route, path.text) == expected


def test_vendor_names() -> None:
    """The table of vendors says where it is from, and has no number twice."""
    names = words.vendors()
    assert names[1] == "Rockwell Automation/Allen-Bradley"
    assert len(names) > 1_000
    head = (Path(words.__file__).parent / "cip_vendors.tsv").read_text("utf-8").splitlines()[:4]
    assert [line.split(":")[0] for line in head[1:]] == ["# source", "# date", "# generator"]


# ------------------------------------------------------------------------------ the engine


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """A folder to run captures in."""
    return Bench(tmp_path_factory.mktemp("enip"))


def run(bench: Bench, path: Path, kind: str) -> list[dict[str, object]]:
    """Rows of one kind that a capture leaves."""
    return cells(analyse([path], bench.store()).dump, kind)


def facts(bench: Bench, path: Path) -> set[tuple[str, str, str]]:
    """(device, attribute, value) of a capture."""
    return {
        (str(row["device"]), str(row["attribute"]), str(row["value"]))
        for row in run(bench, path, "fact")
        if row["about"] == "server"
    }


def test_who_a_device_is(bench: Bench, captures: Path) -> None:
    """An answer to ListIdentity says what a device is."""
    found = facts(bench, captures / FOLDER / "icsnpp-enip__enip_cip_example.pcap")
    assert {
        ("", "vendor", "Rockwell Automation/Allen-Bradley"), ("", "vendor_id", "1"),
        ("", "device_type", "Communications Adapter"), ("", "product_code", "58"),
        ("", "revision", "4.3"), ("", "serial", "0x00524d8e"), ("", "product_name", "1756-ENBT/A"),
        ("", "ip_address", "10.1.1.164"), ("", "device_state", "operational"),
    } <= found  # fmt: skip


def test_modules_of_a_rack_are_told_apart(bench: Bench, captures: Path) -> None:
    """What is read through a route is of the module there, not of the module that was asked."""
    found = facts(bench, captures / FOLDER / "iti__EIP-IPAddressChangeAttempt.pcap")
    serials = {device: value for device, attribute, value in found if attribute == "serial"}
    assert serials == {
        "": "0x0051aec3", "slot 0": "0x0051823f", "slot 1": "0x0051aec3", "slot 2": "0x0000ad77",
        "slot 3": "0x0000ad5e",
    }  # fmt: skip
    assert ("slot 0", "product_name", "1756-L61/B LOGIX5561") in found
    assert ("slot 0", "name", "NiftyController") in found


def test_tags_of_a_connection(bench: Bench) -> None:
    """Tags read in one packet are behaviours of the device that the connection was opened to."""
    rows = run(bench, OWN / "tags.pcap", "behaviour")
    found = {
        (row["device"], row["operation"], row["object"], row["outcome"]): row["count"]
        for row in rows
        if row["class"] in {"read", "write"}
    }
    assert found == {
        ("slot 0", "read_tag", "Program:Mixer.Level", "ok"): 31,
        ("slot 0", "read_tag", "Valves[0-2]", "ok"): 30,
        ("slot 0", "read_tag", "Valves[0-2]", "path_destination_unknown 0x0000"): 1,
        ("slot 0", "write_tag", "Program:Mixer.Setpoint", "ok"): 1,
    }


def test_data_of_a_connection(bench: Bench) -> None:
    """Cyclic data on UDP belongs to the points that were opened on TCP, until they are closed."""
    found = {
        (row["device"], row["object"], row["count"])
        for row in run(bench, OWN / "cyclic_io.pcap", "behaviour")
        if row["operation"] == "io_data"
    }
    point = "class 0x04 (assembly) connection point"
    assert found == {("slot 3", f"{point} 100 O->T", 100), ("slot 3", f"{point} 101 T->O", 100)}
    told = facts(bench, OWN / "cyclic_io.pcap")
    assert {
        ("slot 3", "expected_vendor_id", "1"), ("slot 3", "expected_device_type", "7"),
        ("slot 3", "expected_product_code", "65"),
        ("slot 3", "expected_revision", "3.1 or compatible"),
    } <= told  # fmt: skip


def test_data_of_an_unknown_connection(bench: Bench, captures: Path) -> None:
    """Where the opening was not seen, the operation is told and the object is not guessed."""
    rows = run(bench, captures / FOLDER / "nDPI__cip_io.pcap", "behaviour")
    assert {(row["operation"], row["object"], row["device"]) for row in rows} == {
        ("io_data", "unknown", "unknown")
    }


def test_closing_ends_what_an_id_means() -> None:
    """Learning gives two names for an opening that was accepted, and takes them back."""
    messages = own("messages")
    memory: dict[str, object] = {}
    opening = messages.CYCLIC

    def learn(message: bytes, side: Side) -> dict[int, str]:
        return dict(enip.learn(Reader(messages.unconnected(message)), side, memory))

    assert learn(opening.request(), Side.REQUEST) == {}
    learned = learn(opening.accepted(), Side.RESPONSE)
    assert {name & 0xFFFF_FFFF for name in learned} == set(opening.ids)
    assert json.loads(learned[min(learned)])["device"] == "slot 3"
    assert learn(opening.close(), Side.REQUEST) == {}
    assert learn(opening.closed(), Side.RESPONSE) == dict.fromkeys(learned, "")
    assert memory == {}
    assert learn(opening.accepted(), Side.RESPONSE) == {}  # nobody was seen to ask for it
    replaced = replace(opening, serial=9)
    assert learn(replaced.refused(1, 0x0114), Side.RESPONSE) == {}


def test_multiple_service_is_one_code() -> None:
    """Tests and decoder speak of the same service."""
    assert words.COMMON[MULTIPLE][0] == "multiple_service_packet"
