"""Modbus in captures: our own against their generator and tshark, real ones against tshark."""

import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from wire_captures import cut, payloads, tshark

from otsec.capture import open_capture
from otsec.dissect import dissect
from otsec.model import TCP
from otsec.protocols import modbus
from otsec.protocols.api import Message, Reader, Side, Units
from otsec.protocols.framing.mbap import MBAP
from otsec.protocols.framing.modbus_rtu import RTU

OWN = Path(__file__).parents[1] / "pcaps" / "modbus"
# how tshark is told where Modbus is, where that is not port 502
TOLD = {
    "port_5020": ("-o", "mbtcp.tcp.port:5020"),
    "rtu_over_tcp": ("-o", "mbrtu.tcp.port:4001", "-d", "tcp.port==4001,mbrtu"),
}
MESSAGES = {  # requests and responses of our own captures
    "all_functions": 121,
    "exceptions_and_silence": 26,
    "gateway_units": 122,
    "http_on_502": 0,
    "identification": 30,
    "normal_polling": 762,
    "port_5020": 124,
    "rtu_over_tcp": 124,
    "write_from_new_host": 134,
}
SERVER_PORTS = {"port_5020": 5020, "rtu_over_tcp": 4001}


def units(path: Path, port: int = 502) -> tuple[list[bool], Units]:
    """Units that begin at the start of a payload, or behind one that does: (is it a request)."""
    found = payloads(path)
    framing = modbus.RTU_FRAMING if port == 4001 else modbus.MBAP_FRAMING
    row, start, end = cut((MBAP, RTU)[framing], found.buffer, found.start, found.end)
    asks = [found.target_port[at] == port for at in row.tolist()]
    sides = np.array([Side.REQUEST if one else Side.RESPONSE for one in asks], np.uint8)
    zeros = np.zeros(len(start), np.uint8)
    return asks, Units(found.buffer, start, end, sides, zeros + framing, zeros)


def by_function(asks: list[bool], some: Units) -> Counter[tuple[bool, int]]:
    """How many units there are by (is it a request, function)."""
    at = np.where(some.framing == modbus.RTU_FRAMING, 1, 7)
    functions = some.buffer[some.start + at] & 0x7F
    return Counter(zip(asks, functions.tolist(), strict=True))


def tshark_counts(path: Path, *told: str, port: int = 502) -> Counter[tuple[bool, int]]:
    """The same as tshark sees it."""
    fields = ("-e", "tcp.dstport", "-e", "modbus.func_code")
    rows = tshark(path, *told, "-Y", "modbus", *fields)
    return Counter(
        (target.split(",")[0] == str(port), int(code) & 0x7F)
        for target, codes in rows
        for code in codes.split(",")
    )


@pytest.mark.parametrize("name", MESSAGES)
def test_own_captures_pass_tshark(name: str) -> None:
    """Tshark finds nothing malformed in our captures and counts the same messages."""
    path, told, port = OWN / f"{name}.pcap", TOLD.get(name, ()), SERVER_PORTS.get(name, 502)
    sums = "tcp.checksum.status==0 || ip.checksum.status==0"
    wrong = f"_ws.malformed || {sums} || tcp.analysis.flags"
    checks = ("-o", "tcp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE")
    assert tshark(path, *told, *checks, "-Y", wrong, "-e", "frame.number") == []
    mine = by_function(*units(path, port))
    assert mine == tshark_counts(path, *told, port=port)
    assert mine.total() == MESSAGES[name]
    assert path.stat().st_size < 200_000


def test_own_captures_are_listed() -> None:
    """Every capture of the folder is tested."""
    assert {path.stem for path in OWN.glob("*.pcap")} == set(MESSAGES)


def test_generator_makes_them_again(tmp_path: Path) -> None:
    """The generator gives the captures that are stored, byte for byte."""
    pytest.importorskip("pymodbus", reason="pymodbus is not installed")
    code = f"import generate, pathlib; generate.HERE = pathlib.Path({str(tmp_path)!r}); generate.main([])"
    subprocess.run([sys.executable, "-B", "-c", code], cwd=OWN, check=True, capture_output=True)
    for path in OWN.glob("*.pcap"):
        assert (tmp_path / path.name).read_bytes() == path.read_bytes(), path.name


def test_scan(tmp_path: Path) -> None:
    """The scan has as many packets as asked for, no two requests alike but the polls."""
    path = tmp_path / "scan.pcap"
    command = [sys.executable, "-B", "scan.py", str(path), "--packets", "3000"]
    subprocess.run(command, cwd=OWN, check=True)
    asks, scan = units(path)
    split = modbus.split(scan)
    spans = zip(split.key_start.tolist(), split.key_length.tolist(), strict=True)
    data = scan.buffer.tobytes()
    keys = {
        (word, data[start : start + length])
        for word, (start, length) in zip(split.key_words[0].tolist(), spans, strict=True)
    }
    polls = 2 * (len(asks) - sum(asks))
    assert len(keys) == len(asks) - polls + 2
    assert not split.malformed.any()
    assert len(asks) == 3000 - 5  # the handshake, and the address resolution before it


def messages(name: str) -> list[Message]:
    """What the requests and responses of one of our captures say, in order."""
    _, found = units(OWN / f"{name}.pcap", SERVER_PORTS.get(name, 502))
    assert not modbus.split(found).malformed.any()
    said: list[Message] = []
    asked: dict[bytes, Message] = {}
    rows = zip(found.start.tolist(), found.end.tolist(), found.side.tolist(), strict=True)
    for start, end, side in rows:
        data = found.buffer[start:end].tobytes()
        tag = b"" if name == "rtu_over_tcp" else data[:2]
        request = None if side == Side.REQUEST else asked.get(tag)
        said.append(modbus.decode(Reader(data), Side(side), request))
        if side == Side.REQUEST:
            asked[tag] = said[-1]
    return said


STORIES = {  # (operation, device, object): how many requests
    "gateway_units": {
        **{("read_input_registers", f"unit {unit}", "input 0-3"): 12 for unit in (1, 2, 3)},
        **{("read_holding_registers", f"unit {unit}", "holding 0-2"): 12 for unit in (11, 12)},
        ("write_single_register", "unit 11", "holding 3"): 1,
    },
    "rtu_over_tcp": {
        ("read_input_registers", "unit 7", "input 0-1"): 30,
        ("read_discrete_inputs", "unit 7", "discrete 0-3"): 30,
        ("write_multiple_registers", "unit 7", "holding 50-51"): 1,
        ("read_holding_registers", "unit 7", "holding 5000-5001"): 1,
    },
    "port_5020": {
        ("read_holding_registers", "", "holding 0-19"): 30,
        ("read_coils", "", "coil 0-7"): 30,
        ("write_single_coil", "", "coil 1"): 1,
        ("write_single_register", "", "holding 100"): 1,
    },
}


@pytest.mark.parametrize("name", STORIES)
def test_stories(name: str) -> None:
    """The captures say what their generator says of them."""
    said = Counter(
        (one.operation, one.device, one.object) for one in messages(name) if not one.outcome
    )
    assert said == STORIES[name]


def test_identities() -> None:
    """The identification capture tells three devices by both functions."""
    facts = Counter(
        (fact.attribute, fact.value) for one in messages("identification") for fact in one.facts
    )
    assert facts["vendor", "Schneider Electric"] == 6
    assert facts["product_code", "TM221CE24R"] == 3
    assert facts["model_name", "MGate MB3170"] == 3
    assert facts["server_id", "Moxa-MGate MB3170-4.1"] == facts["run_status", "on"] - 2 == 1


def test_every_function_is_in_a_capture() -> None:
    """The capture of all functions has all of the standard, both ways, and every exception."""
    said = messages("all_functions")
    asked = {one.operation for one in said if not one.outcome}
    standard = {name for name, _ in (*modbus.FUNCTIONS.values(), *modbus.INTERFACES.values())}
    standard |= {name for code, (name, _) in modbus.DIAGNOSES.items() if code not in (19, 21)}
    assert standard - asked == set()
    answered = {one.operation for one in said if one.outcome == "ok"}
    assert standard - answered == {"force_listen_only_mode"}  # is not answered, [APP] 6.8.1
    outcomes = {one.outcome for one in said if one.outcome.startswith("exception")}
    assert outcomes == {
        f"exception {modbus.EXCEPTIONS[code]}" for code in (1, 2, 3, 4, 5, 6, 8, 10, 11)
    }


def test_http_on_502_is_not_modbus() -> None:
    """No payload of the capture of a web page on 502 is claimed, in either framing."""
    found = payloads(OWN / "http_on_502.pcap")
    zeros = np.zeros(len(found.start), np.uint8)
    for framing in (0, 1):
        whole = Units(found.buffer, found.start, found.end, zeros + 2, zeros + framing, zeros)
        assert not modbus.claims(whole).any()


# ---------------------------------------------------------------- real captures

DIFFERENCES: dict[str, tuple[str, dict[tuple[bool, int], int]]] = {
    # capture: (why, how many more messages we see than tshark)
    "Quickdraw-Snort__modbus_test_data_part1": (
        "three bytes too many behind the unit before, which tshark takes for its beginning",
        {(False, 42): 1},
    ),
    "zeek__fuzz-72": (
        "sequence numbers are damaged: tshark waits for what is missing before these two",
        {(False, 28): 1, (True, 34): 1},
    ),
}
MALFORMED = {  # units that contradict [APP], by capture
    "Quickdraw-Snort__modbus_test_data_part1": 12,  # exceptions with two bytes, 43/14 with four
    "Quickdraw-Snort__modbus_test_data_part2": 17,  # a scan of functions without their data
    "icsnpp-modbus__modbus_example": 4,  # file records of no byte
    "suricata-verify__modbus": 7,  # a part of Quickdraw's
    "zeek__4SICS-GeekLounge-151022-min": 1,  # read/write of random bytes
    "zeek__fuzz-1011": 1,  # byte count damaged
    "zeek__modbus-eit": 1,  # an identification that is no list
}


def real(captures: Path) -> list[Path]:
    """The real captures of Modbus."""
    return sorted((captures / "modbus").iterdir())


def test_real_captures(captures: Path) -> None:
    """Messages by function and direction are those of tshark, or the difference has its reason."""
    paths = real(captures)
    with ThreadPoolExecutor() as pool:
        cut_units = pool.map(units, paths)
        theirs = pool.map(tshark_counts, paths)
        both = list(zip(paths, cut_units, theirs, strict=True))
    found, malformed = {}, {}
    for path, (asks, some), told in both:
        mine = by_function(asks, some)
        found[path.stem] = {
            key: mine[key] - told[key] for key in mine | told if mine[key] != told[key]
        }
        malformed[path.stem] = int(modbus.split(some).malformed.sum())
    assert {name: some for name, some in found.items() if some} == {
        name: some for name, (_, some) in DIFFERENCES.items()
    }
    assert {name: some for name, some in malformed.items() if some} == MALFORMED


LARGEST = 100_000  # bytes of a capture in the next test: the others say the same again and again


def claimed_in(path: Path) -> int:
    """How many units at the beginning of TCP payloads of a capture are claimed, in any framing."""
    reader = open_capture(path)
    claimed = 0
    for chunk in reader.chunks():
        for batch in chunk.batches:
            packets = dissect(batch, Counter())
            rows = (packets.protocol == TCP) & (packets.payload_end > packets.payload)
            start, end = packets.payload[rows], packets.payload_end[rows]
            for number, framing in enumerate((MBAP, RTU)):
                _, begin, stop = cut(framing, batch.buffer, start, end)
                zeros = np.zeros(len(begin), np.uint8)
                some = Units(batch.buffer, begin, stop, zeros + 2, zeros + number, zeros)
                claimed += int(modbus.claims(some).sum())
    reader.close()
    return claimed


def test_other_protocols_are_not_claimed(captures: Path) -> None:
    """Of captures of all other protocols, no payload is claimed for Modbus in either framing."""
    claimed = {
        f"{path.parent.name}/{path.name}": claimed_in(path)
        for path in sorted(captures.rglob("*.pcap*"))
        if path.parent.name not in {"modbus", "labelled-switched-network"}
        and path.stat().st_size <= LARGEST
    }
    assert {name: some for name, some in claimed.items() if some} == {}
    assert len(claimed) > 200
    assert claimed_in(OWN / "normal_polling.pcap") == MESSAGES["normal_polling"]
