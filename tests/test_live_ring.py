"""The kernel's ring read as columns: tags, filters, what is lost, what is heard."""

import json
import subprocess
import sys
from collections.abc import Iterator

import numpy as np
import pytest
from live_wire import Wire, wire

from otsec.capture.live.ring import restore_tags

ADDRESSES = "020000000001020000000002"
IP = "4500002800010000400600000a0000010a000002"
SEGMENT = "0401{port:04x}00000001000000015010006400000000"


@pytest.fixture
def cable() -> Iterator[Wire]:
    """A cable that nobody else uses."""
    with wire() as made:
        yield made


LISTENING = """
import json, sys, time
from otsec.capture.live import bpf
from otsec.capture.live.ring import Ring
from otsec.sensor.opener import Opener
near, expression, ring_bytes = json.loads(sys.argv[1])
with Opener() as helper:
    opened, incoming = helper.open(near, bpf.compiled(expression, near), ring_bytes)
ring = Ring(opened, near, 1, incoming=incoming, ring_bytes=ring_bytes)
print("ready", flush=True)
sys.stdin.readline()
time.sleep(0.4)
ring.halt()
time.sleep(0.4)
packets, drops = [], []
while (chunk := ring.read()) is not None:
    for batch in chunk.batches:
        rows = zip(batch.offset, batch.captured, batch.wire, batch.time)
        packets += [[batch.buffer[o : o + c].tobytes().hex(), int(w), int(t)] for o, c, w, t in rows]
    drops += [[drop.count, drop.row] for drop in chunk.drops]
drops += [[drop.count, -1] for drop in ring.lost(0)]
tally = ring.tally
print(json.dumps([packets if len(packets) < 100 else len(packets), drops, tally.received, tally.dropped]))
"""
SENDING = """
import json, socket, sys
interface, frames = json.loads(sys.argv[1])
way = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
way.bind((interface, 0))
for frame, count in frames:
    for _ in range(count):
        way.send(bytes.fromhex(frame))
"""


def _segment(port: int, tag: str = "") -> str:
    return ADDRESSES + tag + "0800" + IP + SEGMENT.format(port=port)


def _heard(
    cable: Wire,
    frames: list[tuple[str, int]],
    *,
    expression: str = "",
    ring_bytes: int = 1 << 20,
    sent_from: str = "",
) -> tuple[list[tuple[str, int, int]], list[tuple[int, int]], int, int]:
    """Packets (or their number), drops, and the tally of a ring while frames are sent."""
    words = json.dumps([cable.near, expression, ring_bytes])
    process = cable.start(sys.executable, "-c", LISTENING, words, stdin=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n", process.communicate()[1]
    cable.run(sys.executable, "-c", SENDING, json.dumps([sent_from or cable.far, frames]))
    out, problem = process.communicate("go\n", timeout=30)
    assert process.returncode == 0, problem
    packets, drops, received, dropped = json.loads(out)
    return packets, drops, received, dropped


TAGGED = [
    (_segment(502), 1),
    (_segment(502, "8100000a"), 1),
    (_segment(502, "8100e00b"), 1),
    (_segment(502, "88a8000581006064"), 1),
    (ADDRESSES + "8100606488b8" + "10" * 40, 1),
    (_segment(503), 1),
]


def test_tags_are_restored(cable: Wire) -> None:
    """Every frame is read as it was sent, with the VLAN tags that the kernel takes off, in order."""
    packets, drops, received, _ = _heard(cable, TAGGED)

    assert [(frame, wire) for frame, wire, _ in packets] == [
        (frame, len(frame) // 2) for frame, _ in TAGGED
    ]
    assert (drops, received) == ([], len(TAGGED))
    times = [time for _, _, time in packets]
    assert times == sorted(times)


@pytest.mark.parametrize(
    ("expression", "rows"),
    [
        ("tcp port 502", [0, 1, 2, 3]),
        ("tcp port 503", [5]),
        ("vlan 10", [1]),
        ("ether proto 0x88b8", [4]),
        ("not tcp", [4]),
    ],
)
def test_filters_see_through_tags(cable: Wire, expression: str, rows: list[int]) -> None:
    """A filter finds its packets with no tag, with one and with two; `vlan` finds the outer one."""
    packets, *_ = _heard(cable, TAGGED, expression=expression)

    assert [frame for frame, _, _ in packets] == [TAGGED[row][0] for row in rows]


def test_what_is_sent_from_here_is_not_heard(cable: Wire) -> None:
    """Frames that this machine sends on the interface are left out, those that come are not."""
    packets, *_ = _heard(cable, [(_segment(502), 3)], sent_from=cable.near)

    assert packets == []


def test_every_frame_is_received_or_dropped(cable: Wire) -> None:
    """A ring of 1 MiB that nobody empties: received plus dropped is exactly what was sent."""
    sent = 30_000
    count, drops, received, dropped = _heard(cable, [(_segment(502), sent)])

    assert received + dropped == sent
    assert count == received
    assert dropped > 0
    assert sum(lost for lost, _ in drops) == dropped


def test_tags_in_columns() -> None:
    """A tag goes before the ethertype, and the addresses move into the room in front."""
    frames = [bytes(range(row, row + 20)) for row in (0, 100)]
    buffer = np.frombuffer(b"".join(b"...." + frame for frame in frames), np.uint8).copy()
    offset = np.array([4, 28])

    restore_tags(buffer, offset, np.array([0x8100, 0x88A8]), np.array([0x0ABC, 0xFFFF]))

    assert [buffer[at - 4 : at + 20].tobytes() for at in offset.tolist()] == [
        frames[0][:12] + bytes.fromhex("81000abc") + frames[0][12:],
        frames[1][:12] + bytes.fromhex("88a8ffff") + frames[1][12:],
    ]


def test_a_wrong_filter_is_one_line() -> None:
    """What is no filter is told with the words of libpcap."""
    from otsec.capture.live.bpf import compiled
    from otsec.errors import UsageError

    with pytest.raises(UsageError, match=r"^-f: not a filter: .*syntax error"):
        compiled("tcp prot 502", "lo")


FALLBACK = """
import json, sys, time
from otsec.capture.live import fallback
way, near, expression = json.loads(sys.argv[1])
tap = getattr(fallback, way)(near, expression, 1 << 20)
print("ready", flush=True)
sys.stdin.readline()
end, frames = time.monotonic() + 1.5, []
while time.monotonic() < end:
    chunk = tap.read()
    for batch in chunk.batches if chunk else ():
        frames += [batch.buffer[o : o + c].tobytes().hex() for o, c in zip(batch.offset, batch.captured)]
    time.sleep(0.05)
tap.halt()
print(json.dumps([frames, tap.tally.received, tap.tally.dropped]))
tap.close()
"""


@pytest.mark.parametrize(("way", "package"), [("PcapTap", "cypcap"), ("ScapyTap", "scapy")])
def test_other_ways_to_listen(cable: Wire, way: str, package: str) -> None:
    """By libpcap and scapy come the frames that the ring gives, tags restored, and do not block."""
    pytest.importorskip(package, reason=f"{package} is not installed")
    words = json.dumps([way, cable.near, "tcp port 502"])
    process = cable.start(
        sys.executable, "-c", FALLBACK, words, stdin=subprocess.PIPE, env={"PYTHONWARNINGS": ""}
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n", process.communicate()[1]
    cable.run(sys.executable, "-c", SENDING, json.dumps([cable.far, TAGGED]))
    out, problem = process.communicate("go\n", timeout=30)

    assert process.returncode == 0, problem
    assert json.loads(out) == [[frame for frame, _ in TAGGED[:4]], 4, 0]
