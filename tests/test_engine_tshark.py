"""The whole engine against tshark on real traffic: conversations, and Modbus messages."""

import re
import shutil
import subprocess
from collections import Counter
from pathlib import Path

import pytest
from conftest import RealStore
from engine_runs import Bench, analyse, cells, counter
from wire_captures import CUT_SHORT, in_one_file, tshark

from otsec.protocols import modbus
from otsec.store import open_store
from otsec.store.dump import dump

pytestmark = pytest.mark.skipif(shutil.which("tshark") is None, reason="needs tshark")

FOLDERS = (
    "bacnet", "beckhoff-ads", "bsap", "c1222", "c37118", "coap", "dnp3", "doip", "egd", "enip-cip",
    "genisys", "goose", "hart-ip", "iec104", "knx", "lonworks", "melsec", "mms", "modbus", "mqtt",
    "niagara-fox", "omron-fins", "opcua", "other", "profinet", "roc-plus", "s7comm", "s7comm-plus",
    "sbus", "sel-mirrored-bits", "snmp", "sv",
)  # fmt: skip


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """A folder to run captures in."""
    return Bench(tmp_path_factory.mktemp("tshark"))


# ------------------------------------------------------------------------------- conversations

Pairs = Counter[tuple[str, str, str]]  # packets by transport, source and target


def tshark_pairs(path: Path) -> Pairs:
    """What tshark counts, ports folded."""
    command = ["tshark", "-n", "-q", "-r", str(path), "-z", "conv,tcp", "-z", "conv,udp"]
    text = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    pairs: Pairs = Counter()
    transport = ""
    for line in text.splitlines():
        if found := re.match(r"(TCP|UDP) Conversations", line):
            transport = found[1].lower()
        # address:port <-> address:port, then frames and bytes (a number and its unit) each way
        found = re.match(r"(\S+):\d+ +<-> (\S+):\d+ +(\d+) +\d+ \S+ +(\d+) ", line)
        if found:
            one, other, back, forth = found.groups()
            pairs[transport, other, one] += int(back)
            pairs[transport, one, other] += int(forth)
    return +pairs


def our_pairs(lines: list[str]) -> Pairs:
    """What the conversations count."""
    pairs: Pairs = Counter()
    for row in cells(lines, "conversation"):
        transport = row["service"].partition("/")[0]
        if transport in {"tcp", "udp"}:
            pairs[transport, row["client"], row["server"]] += row["packets_out"]
            pairs[transport, row["server"], row["client"]] += row["packets_in"]
    return +pairs


@pytest.mark.parametrize("folder", FOLDERS)
def test_conversations(real_store: RealStore, captures: Path, folder: str, tmp_path: Path) -> None:
    """Who sent how many packets to whom is what tshark says, but for what a mirror repeated."""
    plain, ours = [], Counter[tuple[str, str, str]]()
    for path in sorted((captures / folder).glob("*cap*")):
        with open_store(real_store(path), readonly=True) as store:
            lines = list(dump(store))
        repeated = counter(lines, "duplicate_frames")  # tshark counts them again
        if repeated or path.name == CUT_SHORT:  # which cannot be joined to others
            mine, theirs = our_pairs(lines), tshark_pairs(path)
            assert not mine - theirs, path.name
            assert (theirs - mine).total() <= repeated, (path.name, theirs - mine)
        else:
            plain.append(path)
            ours += our_pairs(lines)
    if plain:
        assert ours == tshark_pairs(in_one_file(plain, tmp_path / "all.pcapng"))


# ------------------------------------------------------------------------------- Modbus

CODES = {  # operations with a subfunction have it in the low half
    operation.name: operation.code >> 16 or operation.code for operation in modbus.OPERATIONS
}
Messages = Counter[tuple[str, int]]  # by direction, then function
ASK, TELL = "request", "response"


def tshark_messages(path: Path) -> Messages:
    """What tshark takes for Modbus on port 502."""
    rows = tshark(path, "-Y", "modbus", "-e", "tcp.dstport", "-e", "modbus.func_code")
    return Counter(
        (ASK if target.split(",")[0] == "502" else TELL, int(code) & 0x7F)
        for target, codes in rows
        for code in codes.split(",")
    )


def our_messages(lines: list[str]) -> Messages:
    """What the behaviours count."""
    found: Messages = Counter()
    for row in cells(lines, "behaviour"):
        if row["protocol"] != "modbus":
            continue
        operation, outcome = row["operation"], row["outcome"]
        code = CODES.get(operation)
        if code is None:
            code = (
                90 if operation.startswith("umas_") else int(operation.removeprefix("unknown_"), 0)
            )
        if outcome not in {"unasked", "duplicate"}:
            found[ASK, code] += row["count"]
        if outcome not in {"unanswered", "unknown", "open"}:
            found[TELL, code] += row["count"]
    return found


def both(*codes: int) -> Messages:
    """One request and one response of each function."""
    return Counter({(side, code): 1 for side in (ASK, TELL) for code in codes})


# What tshark counts and we do not; below zero, what we count and tshark does not.
NO_DEVICE = "10.0.0.8 sends exceptions a byte too long: no Modbus; object lists are asked for by 0"
DIFFERENCES: dict[str, tuple[str, Messages]] = {
    "Quickdraw-Snort__modbus_test_data_part1": (
        NO_DEVICE, Counter({(ASK, 43): 2, (TELL, 1): 10, (TELL, 42): 1}),
    ),
    "suricata-verify__modbus": (NO_DEVICE, Counter({(ASK, 43): 2, (TELL, 1): 5})),
    "Quickdraw-Snort__modbus_test_data_part2": (
        "a sweep over functions with bodies of zeros; some stand in front of what proves Modbus",
        both(0) + Counter({(ASK, code): 1 for code in (1, 2, 3, 4, 6, 11, 12, *range(15, 18))})
        + Counter({(ASK, code): 1 for code in range(20, 25)}),
    ),
    "icsnpp-modbus__modbus_example": ("file records without any record are malformed", both(20, 21)),
    "zeek__4SICS-GeekLounge-151022-min": (
        "a request for no register, with as many bytes to write as no request may have",
        Counter({(ASK, 23): 1}),
    ),
    "zeek__fuzz-1011": ("requests for 147 and 100 registers of fuzzed connections", Counter({(ASK, 4): 2})),
    "zeek__fuzz-72": (
        "fuzzed units of functions that nobody has: nothing proves Modbus",
        Counter({(TELL, 32): 1, (ASK, 71): 2})
        + Counter({(ASK, code): 1 for code in (29, 33, *range(35, 38), 43, 46, 47, 50, 52, 54, 63, 65, 70)}),
    ),
    "zeek__modbus-eit": ("an identification whose object list is malformed", Counter({(TELL, 43): 1})),
    "zeek__modbusBig": (
        "frame 3150 is taken for a repeat, although its bytes are seen there for the first time",
        Counter({(TELL, 1): -1}),
    ),
}  # fmt: skip


@pytest.mark.parametrize(
    "name",
    [
        "Quickdraw-Snort__modbus_test_data_part1",
        "Quickdraw-Snort__modbus_test_data_part2",
        "Quickdraw-Snort__modicon_test",
        "icsnpp-modbus__modbus_example",
        "iti__modbus_test",
        "iti__modbus_test_2",
        "nDPI__modbus",
        "suricata-verify__modbus",
        "zeek__4SICS-GeekLounge-151022-min",
        "zeek__fuzz-1011",
        "zeek__fuzz-72",
        "zeek__modbus-and-non-modbus-p502",
        "zeek__modbus-eit",
        "zeek__modbusBig",
        "zeek__modbusSmall",
    ],
)
def test_modbus_messages(bench: Bench, captures: Path, name: str) -> None:
    """Requests and responses by function are as many as tshark finds, or the reason is known."""
    path = captures / "modbus" / f"{name}.pcap"
    ours, theirs = our_messages(analyse([path], bench.store()).dump), tshark_messages(path)
    theirs.subtract(ours)
    _, expected = DIFFERENCES.get(name, ("", Counter()))
    assert {key: count for key, count in theirs.items() if count} == dict(expected)
