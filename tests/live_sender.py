"""Sends the frames of a capture as fast as asked: ``live_sender.py INTERFACE CAPTURE RATE TIMES``.

sendmmsg(2) over the bytes of the capture as they lie in memory, past the queues of the interface:
a million frames a second and more, where tcpreplay ends at a few hundred thousand. Prints what
was sent and in which time. Rate 0: as fast as it goes.
"""

import ctypes
import json
import mmap
import socket
import sys
import time
from pathlib import Path

import numpy as np

from otsec.capture import open_capture

SOL_PACKET, QDISC_BYPASS = 263, 20
AT_ONCE = 256
IOVEC = np.dtype([("base", "u8"), ("size", "u8")])
MESSAGE = np.dtype(  # struct mmsghdr of 64-bit Linux
    [
        ("name", "u8"), ("name_size", "u4"), ("_a", "u4"), ("vector", "u8"), ("vectors", "u8"),
        ("control", "u8"), ("control_size", "u8"), ("flags", "u4"), ("_b", "u4"),
        ("sent", "u4"), ("_c", "u4"),
    ]
)  # fmt: skip


def messages(capture: Path) -> tuple[mmap.mmap, np.ndarray, np.ndarray]:
    """The memory that holds all frames, and the structures that point to them."""
    sizes, parts = [], []
    reader = open_capture(capture)
    for chunk in reader.chunks():
        for batch in chunk.batches:
            sizes.append(batch.captured.copy())
            parts += [
                batch.buffer[at : at + size].tobytes()
                for at, size in zip(batch.offset.tolist(), batch.captured.tolist(), strict=True)
            ]
    reader.close()
    size = np.concatenate(sizes)
    memory = mmap.mmap(-1, int(size.sum()) or 1)
    memory.write(b"".join(parts))
    base = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    vector = np.zeros(len(size), IOVEC)
    vector["base"] = base + np.cumsum(size) - size
    vector["size"] = size
    message = np.zeros(len(size), MESSAGE)
    message["vector"] = vector.ctypes.data + np.arange(len(size)) * IOVEC.itemsize
    message["vectors"] = 1
    return memory, vector, message


def send(interface: str, capture: Path, rate: float, times: int) -> tuple[int, float]:
    """Send all frames so many times; how many were sent, in how many seconds."""
    memory, vector, message = messages(capture)
    way = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    way.setsockopt(SOL_PACKET, QDISC_BYPASS, 1)
    way.bind((interface, 0))
    sendmmsg = ctypes.CDLL(None, use_errno=True).sendmmsg
    number, first, sent = way.fileno(), message.ctypes.data, 0
    begin = time.perf_counter()
    for _ in range(times):
        at = 0
        while at < len(message):
            count = min(AT_ONCE, len(message) - at)
            done = sendmmsg(number, ctypes.c_void_p(first + at * MESSAGE.itemsize), count, 0)
            at += max(done, 0)
            sent += max(done, 0)
            ahead = sent / rate - (time.perf_counter() - begin) if rate else 0
            if ahead > 0.002:
                time.sleep(ahead)
    took = time.perf_counter() - begin
    del memory, vector
    return sent, took


if __name__ == "__main__":
    name, path, wanted, repeats = sys.argv[1:]
    sys.stdout.write(json.dumps(send(name, Path(path), float(wanted), int(repeats))) + "\n")
