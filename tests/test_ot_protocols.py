"""FINS, ADS, PCOM, TriStation, CODESYS and the SIPROTEC datagram: oracles, keys, hostile bytes.

tshark knows FINS, ADS and PCOM. TriStation and CODESYS it does not: they are held against bytes
and rules that others published, named with each test.
"""

import importlib
import importlib.util
import random
import subprocess
import sys
import zlib
from collections import Counter
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from engine_runs import Bench, cells, difference
from hypothesis import given, settings
from hypothesis import strategies as st
from test_protocols_golden import Golden, load
from wire_captures import tshark

from otsec.errors import WireError
from otsec.protocols import ads, codesys, fins, pcom, siprotec, tristation
from otsec.protocols.api import VALUE_TYPES, Message, Reader, Side, Units
from otsec.protocols.reading import read

OWN = Path(__file__).parents[1] / "pcaps"
MODULES = {
    "fins": fins, "ads": ads, "pcom": pcom, "tristation": tristation, "codesys": codesys,
    "siprotec": siprotec,
}  # fmt: skip
each = pytest.mark.parametrize("name", MODULES)
GOLDEN = {name: load(module.PROTOCOL) for name, module in MODULES.items()}
PEERS = {"ads": "pyads", "pcom": "pcom"}  # whose packages a generator needs
RECORDED = {"operator.pcap"}  # of two peers through a port that may be taken


def own() -> list[Path]:
    """The captures of this project."""
    return [path for name in MODULES for path in sorted((OWN / name).glob("*.pcap"))]


own_captures = pytest.mark.parametrize("path", own(), ids=lambda p: f"{p.parent.name}/{p.stem}")


def alike(data: bytes, side: Side, framing: int = 0) -> Golden:
    """Bytes that are no golden message, in its place."""
    return replace(GOLDEN["fins"][0], data=data, side=side, framing=framing)


def units(data: list[bytes], golden: Golden) -> Units:
    """Units of one framing and side, one behind the other."""
    size = np.array([len(one) for one in data], np.int64)
    end = np.cumsum(size)
    zeros = np.zeros(len(data), np.uint8)
    side, framing = zeros + np.uint8(golden.side), zeros + np.uint8(golden.framing)
    return Units(np.frombuffer(b"".join(data), np.uint8), end - size, end, side, framing, zeros)


# ------------------------------------------------------------------------------- oracles


def messages(lines: list[str], protocol: str) -> Counter[tuple[str, str]]:
    """How often each operation was exchanged, by outcome."""
    found: Counter[tuple[str, str]] = Counter()
    for row in cells(lines, "behaviour"):
        if row["protocol"] == protocol:
            found[row["operation"], row["outcome"]] += row["count"]
    return found


def test_fins_against_tshark(captures: Path) -> None:
    """Every message that tshark reads is claimed, with the same command, direction and end code."""
    total = 0
    for path in [*sorted((captures / "omron-fins").iterdir()), *sorted((OWN / "fins").iterdir())]:
        if path.suffix not in {".pcap", ".pcapng"}:
            continue
        fields = ("omron.icf.dtb", "omron.command", "omron.response.code", "omron.icf")
        wanted = [
            word for field in (*fields, "tcp.payload", "udp.payload") for word in ("-e", field)
        ]
        for _, command, code, icf, stream, datagram in tshark(path, "-Y", "omron", *wanted):
            data = bytes.fromhex(stream or datagram)
            framing = fins.ON_TCP if stream else fins.ON_UDP
            side = Side.RESPONSE if icf and int(icf, 16) & 0x40 else Side.REQUEST
            some = units([data], alike(data, side, framing))
            assert fins.claims(some)[0], (path.name, data.hex())
            total += 1
            if not icf:  # frames of TCP without a message
                continue
            assert int(fins.sides(some)[0]) == side
            reading = read(fins.PROTOCOL, data, side, framing=framing)
            assert reading is not None, (path.name, data.hex())
            told = reading.messages[0]
            assert fins.COMMANDS[int(command, 16)][0] == told.operation or command == "0x0920"
            if side == Side.RESPONSE and code:
                assert fins.END_CODES[int(code, 16)] == told.outcome
    # what tshark calls malformed are messages without the optional part, not without what must be
    assert total > 550


def test_ads_against_tshark(captures: Path, tmp_path: Path) -> None:
    """As many requests and responses of each command, to each net id, as tshark counts."""
    total = 0
    for path in sorted((captures / "beckhoff-ads").iterdir()):
        bench = Bench(tmp_path)
        content = path.read_bytes() if path.suffix == ".pcap" else _as_pcap(path, tmp_path)
        found: Counter[str] = Counter()
        for row in cells(bench.dump(content), "behaviour"):
            if row["protocol"] == "ads" and row["device"]:
                answered = row["outcome"] not in ("unanswered", "open", "unasked")
                asked = row["outcome"] != "unasked"
                found["asked"] += row["count"] if asked else 0
                found["told"] += row["count"] if answered or not asked else 0
                found[row["device"]] += row["count"] if asked else 0
        again = "!tcp.analysis.retransmission && !tcp.analysis.spurious_retransmission"
        rows = tshark(path, "-Y", f"ams && {again}", "-E", "occurrence=a", "-e", "ams.state_response",
                      "-e", "ams.targetnetid")  # fmt: skip
        theirs: Counter[str] = Counter()
        for flags, targets in rows:
            for flag, target in zip(flags.split(","), targets.split(","), strict=True):
                theirs["told" if flag in ("1", "True") else "asked"] += 1
                if flag not in ("1", "True"):
                    theirs[target] += 1
        assert found == theirs, path.name
        total += theirs["asked"]
    assert total > 2_000


def _as_pcap(path: Path, folder: Path) -> bytes:
    target = folder / f"{path.stem}.pcap"
    command = ["tshark", "-n", "-r", str(path), "-F", "nsecpcap", "-w", str(target)]
    subprocess.run(command, check=True, capture_output=True)
    return target.read_bytes()


def test_pcom_against_tshark() -> None:
    """Each message is one to tshark, with the same command, first operand and number of operands."""
    count = 0
    codes = pcom.READS | pcom.WRITES
    plain = ("command_code", "address", "length")
    fields = ("tcp.srcport", "tcp.payload", "pcombinary.command")
    fields += tuple(f"pcomascii.{field}" for field in plain)
    for path in sorted((OWN / "pcom").glob("*.pcap")):
        rows = tshark(path, "-Y", "pcomtcp", *(word for field in fields for word in ("-e", field)))
        for port, payload, binary, code, address, length in rows:
            data = bytes.fromhex(payload)
            side = Side.RESPONSE if port == "20256" else Side.REQUEST
            reading = read(pcom.PROTOCOL, data, side)
            assert reading is not None
            told = reading.messages[0]
            count += 1
            if binary and int(binary, 16) != pcom.ERROR:
                assert told.operation == pcom.BINARIES[int(binary, 16) & 0x7F][0]
            elif code in codes and side == Side.REQUEST:
                space, first, number = codes[code], int(address, 16), int(length, 16)
                last = f"-{first + number - 1}" if number > 1 else ""
                assert told.object == f"{space} {first}{last}"
            elif code in pcom.PLAIN:
                assert told.operation == pcom.PLAIN[code][0]
    assert count == 114


def test_tristation_as_published() -> None:
    """The answer to a connect of Nozomi's controller (triconex_honeypot.py) is claimed as it stands.

    Its bytes are in that file as they are here; of its answers with data the check sum is the one
    that it computes with crcmod (0x18005, reversed, from 0).
    """
    data = b"\x02\x00\x00\x00\x01\xb8"
    golden = alike(data, Side.RESPONSE)
    assert tristation.claims(units([data], golden)).all()
    reading = read(tristation.PROTOCOL, data, Side.RESPONSE)
    assert reading is not None
    assert reading.messages[0].operation == "connect"
    assert not tristation.claims(units([b"\x02\x00\x00\x00\x01\xb9"], golden)).any()


def test_tristation_tells_the_sequence_of_triton(tmp_path: Path) -> None:
    """Program and function, the begin and end of a change, the key and the state are told."""
    lines = Bench(tmp_path).dump((OWN / "tristation/program_changed.pcap").read_bytes())
    found = messages(lines, "tristation")
    for operation in ("start_download_change", "allocate_program", "end_download_change",
                      "upload_program", "halt_program", "run_program"):  # fmt: skip
        assert found[operation, "ok"] == 1, operation
    assert found["start_download_change", "key_setting_prohibits"] == 1
    values = {(row["attribute"], row["value"]) for row in cells(lines, "fact")}
    assert {("key_switch", "run"), ("key_switch", "program"), ("cpu_mode", "running")} <= values


def test_codesys_check_sums_as_published() -> None:
    """Our channels are opened with the check sum of Microsoft's structures.py: CRC-32 over zeros."""
    opens = [one for one in GOLDEN["codesys"] if one.messages[0].operation == "open_channel"]
    assert len(opens) == 4
    for golden in opens:
        at = golden.data.index(b"\x01\x01", 12 if golden.framing else 24) - 2
        part = golden.data[at:]
        said_sum = int.from_bytes(part[4:8], "little")
        assert zlib.crc32(part[:4] + bytes(4) + part[8:]) == said_sum


@pytest.mark.parametrize(
    ("path", "operation", "refused"),
    [
        ("codesys/logins.pcap", "login", 5), ("pcom/stranger.pcap", "check_password", 2),
        ("ads/engineer.pcap", "add_route", 2),
    ],
)  # fmt: skip
def test_logins_that_fail_are_counted(
    path: str, operation: str, refused: int, tmp_path: Path
) -> None:
    """Refused logins are an outcome of their own, apart from those that succeed."""
    lines = Bench(tmp_path).dump((OWN / path).read_bytes())
    found = messages(lines, path.partition("/")[0])
    assert found[operation, "refused"] == refused
    assert found[operation, "ok"] >= 1


def test_variables_have_their_names(tmp_path: Path) -> None:
    """A variable that is read and written by its handle is named, and its values are kept."""
    lines = Bench(tmp_path).dump((OWN / "ads/operator.pcap").read_bytes())
    written = [row["object"] for row in cells(lines, "behaviour") if row["operation"] == "write"]
    assert written == ["port 851 symbol MAIN.speed"]
    assert any("MAIN.speed" in line for line in lines if line.startswith("value "))


SECRETS = ("beckhoff\\0", "12345678", 'password"', "7733", "admin\\0")


@own_captures
def test_no_password_is_stored(path: Path, tmp_path: Path) -> None:
    """Credentials are judged; none of those in the captures is in the store."""
    text = "\n".join(Bench(tmp_path).dump(path.read_bytes()))
    assert not [secret for secret in SECRETS if f'="{secret}' in text]
    judged = [
        row["value"]
        for row in cells(text.splitlines(), "fact")
        if row["attribute"] == "credentials"
    ]
    assert all(value in {"default", "weak", "clear", "anonymous", "none"} for value in judged)


# -------------------------------------------------------------------------- own captures


@own_captures
def test_own_captures_are_sound(path: Path, tmp_path: Path) -> None:
    """Nothing in our captures is malformed, to tshark or to us, and all of it is their protocol's."""
    wrong = "_ws.malformed || tcp.analysis.flags"
    assert tshark(path, "-Y", wrong, "-e", "frame.number") == []
    rows = cells(Bench(tmp_path).dump(path.read_bytes()), "conversation")
    spoken = {row["protocol"] for row in rows} - {"arp"}
    assert spoken == {path.parent.name}
    assert not any(row.get("malformed", 0) for row in rows)


@own_captures
def test_batches_make_no_difference(path: Path, tmp_path: Path) -> None:
    """Our captures say the same however they are cut into batches, in columns or one by one."""
    bench = Bench(tmp_path)
    content = path.read_bytes()
    whole = bench.dump(content)
    for batch, plain in ((1, False), (7, True), (13, False), (65_536, True)):
        assert not difference(whole, bench.dump(content, batch=batch, all_plain=plain)), batch


@each
def test_generators_make_them_again(name: str, tmp_path: Path) -> None:
    """Each generator gives the captures that are stored, byte for byte."""
    if name in PEERS and importlib.util.find_spec(PEERS[name]) is None:
        pytest.skip(f"the package {PEERS[name]} is not installed")
    folder = OWN / name
    only = "engineer" if name == "ads" else ""  # the other is recorded through a fixed port
    code = (
        f"import generate, pathlib; generate.HERE = pathlib.Path({str(tmp_path)!r});"
        + (f"from tape import Tape; t = Tape(); generate.{only}(t);"
           f"t.write(generate.HERE / '{only}.pcap')" if only else "generate.main()")
    )  # fmt: skip
    subprocess.run([sys.executable, "-B", "-c", code], cwd=folder, check=True, capture_output=True)
    for path in folder.glob("*.pcap"):
        if name != "ads" or path.name not in RECORDED:
            assert (tmp_path / path.name).read_bytes() == path.read_bytes(), path.name


# ------------------------------------------------------------------------ keys and damage


def damaged(golden: Golden) -> list[bytes]:
    """Its bytes, and with each changed in some ways, and with some more."""
    chance = random.Random(golden.name)
    data = golden.data
    found = [data]
    for at in range(len(data)):
        others = {0, 1, 255, data[at] ^ 1, data[at] ^ 0x80, chance.randrange(256)}
        found += [data[:at] + bytes([byte]) + data[at + 1 :] for byte in sorted(others)]
    return [*found, data + b"\0", data + b"\0\0\0\0", data + b"AB"]


@each
def test_equal_keys_say_equal_messages(name: str) -> None:
    """What a decoder tells depends on nothing but the key; keys and values lie in their units."""
    protocol = MODULES[name].PROTOCOL
    for golden in GOLDEN[name]:
        data = damaged(golden)
        some = units(data, golden)
        split, sides = protocol.split(some), protocol.sides(some)
        assert (split.key_start >= some.start).all()
        assert (split.key_start + split.key_length <= some.end).all()
        width = np.array([0 if one is None else one.itemsize for one in VALUE_TYPES])
        behind = split.value_start + split.value_count * width[split.value_type]
        assert (split.value_start >= some.start).all()
        assert (behind <= some.end).all()
        said_by: dict[tuple[object, ...], Message | None] = {}
        for at in np.flatnonzero(~split.malformed & np.isin(sides, (golden.side, 2))).tolist():
            begin = split.key_start[at]
            span = some.buffer[begin : begin + split.key_length[at]].tobytes()
            key = (*(int(word[at]) for word in split.key_words), span)
            reader = Reader(data[at], framing=golden.framing, context=golden.context)
            try:
                message = protocol.decode(reader, golden.side, None)
            except WireError:
                message = None
            assert said_by.setdefault(key, message) == message, golden.name


@each
@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_damage_is_survived(name: str, data: st.DataObject) -> None:
    """Columns never raise nor point outside; decoding raises nothing but errors of the wire."""
    protocol = MODULES[name].PROTOCOL
    golden = data.draw(st.sampled_from(GOLDEN[name]))
    raw = bytearray(golden.data)
    for at in data.draw(st.lists(st.integers(0, len(raw) - 1), max_size=6)):
        raw[at] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(raw)))
    broken = bytes(raw[: cut or len(raw)]) + data.draw(st.binary(max_size=8))
    some = units([broken], golden)
    protocol.claims(some)
    protocol.sides(some)
    split = protocol.split(some)
    assert 0 <= split.key_start[0] <= split.key_start[0] + split.key_length[0] <= len(broken)
    if protocol.contexts is not None:
        protocol.contexts.sets(some)
        protocol.contexts.names(some)
    for side in (Side.REQUEST, Side.RESPONSE):
        with suppress(WireError):
            protocol.decode(Reader(broken, framing=golden.framing), side, None)
        if protocol.contexts is not None:
            with suppress(WireError):
                protocol.contexts.learn(Reader(broken, framing=golden.framing), side, {})


@each
def test_noise_is_not_claimed(name: str) -> None:
    """Of many random units that begin with the first bytes of the framing none is claimed."""
    protocol = MODULES[name].PROTOCOL
    chance = np.random.default_rng(5)
    for number, framing in enumerate(protocol.framings):
        size, count = 64, 50_000
        noise = chance.integers(0, 256, (count, size), dtype=np.uint8)
        for at, values in framing.begins[:2]:
            noise[:, at] = chance.choice(sorted(values), count)
        start = np.arange(count, dtype=np.int64) * size
        zeros = np.zeros(count, np.uint8)
        some = Units(
            noise.reshape(-1), start, start + size, zeros + 2, zeros + np.uint8(number), zeros
        )
        assert not protocol.claims(some).any(), framing.name
