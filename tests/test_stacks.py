"""How hosts open TCP connections, and what that hints at."""

import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dissect_frames import batch_of
from identity_units import batches
from inventory_stores import new_store, of, taken, tap
from wire_captures import in_one_file

from otsec.dissect import dissect, openings, stack_text
from otsec.inventory.stacks import hint

ETHERNET = "020000000002 020000000001"
SYN = "0102 0304 11223344 00000000 {}02 7210 0000 0000 {}"  # offset of the payload, options
LINUX = "020405b4 0402 080a0000000100000000 01 030307"
NAMES = {"0": "end", "1": "nop", "2": "mss", "3": "scale", "4": "sack", "8": "time"}


def _frame(options: str, version: int = 4, hops: int = 63) -> bytes:
    """A SYN in hex: its options, whole words of four bytes."""
    size = len(bytes.fromhex(options))
    tcp = SYN.format(f"{(20 + size) // 4:x}0", options)
    if version == 4:
        ip = f"0800 4500{40 + size:04x}000100{'00'}{hops:02x}060000 0a000001 0a000002"
    else:
        ip = f"86dd 60000000{20 + size:04x}06{hops:02x} {'fd' + 15 * '01'} {'fd' + 15 * '02'}"
    return bytes.fromhex(f"{ETHERNET} {ip} {tcp}")


def _texts(frames: list[bytes]) -> list[str]:
    batch = batch_of(frames)
    found = openings(batch.buffer, dissect(batch))
    return [stack_text(*words) for words in found.words.tolist()]


@pytest.mark.parametrize("version", [4, 6])
def test_a_syn_tells_its_stack(version: int) -> None:
    """Hop limit as it began, window, MSS, scale and the order of options, over IPv4 and IPv6."""
    (text,) = _texts([_frame(LINUX, version)])
    assert text == "SYN: hops 64, window 29200, mss 1460, scale 7, mss sack time nop scale"
    assert hint(text) == "Linux"


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ("", "no options"),
        ("020405b4 00000000", "mss 1460, mss end"),
        ("fe00fe00", "no options"),
        ("fe040102", "other"),
        ("02040000", "mss"),
        ("01" * 40, " ".join(["nop"] * 15)),
        ("0209", "mss"),
    ],
)  # fmt: skip
def test_options_of_any_kind(options: str, told: str) -> None:
    """Options that contradict themselves end the list, unknown ones are told as such."""
    padded = options + "00" * (-len(bytes.fromhex(options)) % 4)
    (text,) = _texts([_frame(padded, hops=128)])
    assert text.startswith("SYN: hops 128, window 29200, ")
    assert text.removeprefix("SYN: hops 128, window 29200, ").startswith(told)


def test_any_bytes_are_survived() -> None:
    """A SYN with random options and cut anywhere is read or passed over."""
    random = np.random.default_rng(5)
    frames = []
    for size in range(0, 44, 4):
        frame = _frame("00" * min(size, 40))[: -size or None] + random.bytes(size)
        frames += [frame[:cut] for cut in range(14, len(frame) + 1)]
    assert _texts(frames)


PORTRAITS = {
    "SYN: hops 128, window 64240, mss 1460, scale 8, mss nop scale nop nop sack": "Windows",
    "SYN: hops 32, window 4096, mss 1460, mss": "a small embedded stack",
    "SYN-ACK: hops 64, window 560, mss 1460, mss": "",  # its client may have offered no more
    "SYN: hops 255, window 100, mss 1460, mss nop": "",
}


def test_hints_are_facts_of_low_confidence(tmp_path: Path) -> None:
    """A stack is shown with what it hints at, and does not fill in the operating system."""
    assert {text: hint(text) for text in PORTRAITS} == PORTRAITS
    store = new_store(tmp_path)
    net = tap(store)
    stack = next(iter(PORTRAITS))
    net.heard("02:00:00:00:00:01", "10.0.0.1", stack=stack)
    asset = of(taken(net), "10.0.0.1")
    known: dict[str, Any] = {one.attribute: one for one in asset.known}
    assert (known["tcp_stack"].value, known["os_hint"].value) == (stack, "Windows")
    assert known["os_hint"].confidence == pytest.approx(0.3)
    (system,) = (one for one in asset.attributes if one.name == "Operating system")
    assert not system.value


FIELDS = ("ip.ttl", "tcp.window_size_value", "tcp.option_kind", "tcp.options.mss_val",
          "tcp.options.wscale.shift", "tcp.flags.ack")  # fmt: skip


def _by_tshark(path: Path) -> list[str]:
    command = ["tshark", "-n", "-r", str(path), "-T", "fields", "-E", "occurrence=a"]
    command += [part for name in FIELDS for part in ("-e", name)]
    command += ["-Y", "tcp.flags.syn==1 && ip && !icmp && !_ws.malformed"]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    return [_portrait(*line.split("\t")) for line in lines]


def _portrait(ttl: str, window: str, kinds: str, mss: str, scale: str, ack: str) -> str:
    hops = next(
        limit for limit in (32, 64, 128, 255) if int(ttl.rsplit(",", maxsplit=1)[-1]) <= limit
    )
    names = " ".join(NAMES.get(kind, "other") for kind in kinds.split(",") if kind)
    parts = [f"hops {hops}", f"window {window}", *([f"mss {mss}"] if mss else [])]
    parts += [f"scale {scale}"] if scale else []
    what = "SYN-ACK" if ack in ("1", "True") else "SYN"
    return f"{what}: {', '.join([*parts, names or 'no options'])}"


def _ours(path: Path) -> list[str]:
    told = []
    for _, batch, packets in batches(path):
        found = openings(batch.buffer, packets)
        four = packets.kind[found.row] == 4
        told += [stack_text(*words) for words in found.words[four].tolist()]
    return told


@pytest.mark.skipif(shutil.which("tshark") is None, reason="needs tshark")
def test_stacks_are_as_tshark_reads_them(captures: Path, tmp_path: Path) -> None:
    """Every SYN of the shared captures of three folders is told as tshark tells it."""
    compared = 0
    for folder in ("s7comm", "labelled-switched-network", "enip-cip"):
        ours = {path: _ours(path) for path in sorted((captures / folder).glob("*.pcap*"))}
        together = [one for told in ours.values() for one in told]
        if together != _by_tshark(in_one_file([*ours], tmp_path / f"{folder}.pcapng")):
            assert [path.name for path, told in ours.items() if told != _by_tshark(path)] == []
        compared += len(together)
    assert compared > 20
