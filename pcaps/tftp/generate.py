"""Writes the TFTP captures of this folder, with `python generate.py`; needs tftpy.

In `peers.pcap` both sides are tftpy; what it does not say is set by hand from RFC 1350 and 2347 in
`by_hand.pcap`: a transfer without options, whose data nothing shows to be of TFTP.
"""

import contextlib
import logging
import socket
import struct
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import tftpy

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "modbus"))
from tape import START, Host, Tape  # noqa: E402 - it lies beside this folder

STEP = 4_000  # microseconds
STATION = Host("ews-3", "8c:ec:4b:51:30:15", "10.10.30.15")
RELAY = Host("protection-relay", "00:30:a7:4a:30:91", "10.10.30.91")
FIRMWARE = b"\x7fFW" + bytes(range(256)) * 12

said: list[tuple[int, int, bytes]] = []  # from port, to port, datagram
_sendto = socket.socket.sendto


def note(self: socket.socket, data: bytes, *where: Any) -> int:
    """Send, and note what was sent."""
    if not self.getsockname()[1]:
        self.bind(("127.0.0.1", 0))
    said.append((self.getsockname()[1], where[-1][1], bytes(data)))
    return _sendto(self, data, *where)


def peers(folder: str) -> int:
    """Settings are fetched, firmware is left, and a file is missing.

    Gives the server's port.
    """
    Path(folder, "settings.txt").write_bytes(b"IDN=RELAY-91\r\n" * 40)
    server = tftpy.TftpServer(folder)
    threading.Thread(target=server.listen, args=("127.0.0.1", 0), daemon=True).start()
    server.is_running.wait()
    port = int(server.listenport)
    client = tftpy.TftpClient("127.0.0.1", port, {"blksize": 1024, "tsize": 0})
    client.download("settings.txt", str(Path(folder, "got")))
    Path(folder, "new").write_bytes(FIRMWARE)
    client.upload("firmware.bin", str(Path(folder, "new")))
    with contextlib.suppress(tftpy.TftpException):
        client.download("missing.txt", str(Path(folder, "none")))
    time.sleep(0.5)
    return port


def by_hand() -> list[tuple[int, int, bytes]]:
    """Old forms, a transfer without options, and an error of each kind."""
    ask = [(2070, 69, b"\0\1config.cfg\0netascii\0"), (2071, 69, b"\0\2fw\0MAIL\0")]
    data = [(1069, 2070, struct.pack(">HH", 3, 1) + b"hostname relay-91\r\n"),
            (2070, 1069, struct.pack(">HH", 4, 1))]  # fmt: skip
    texts = (b"Undefined", b"File not found", b"Access violation", b"Disk full", b"Illegal",
             b"Unknown transfer ID", b"File already exists", b"No such user", b"No options")  # fmt: skip
    wrong = [
        one
        for code, text in enumerate(texts)
        for one in (
            (2080 + code, 69, b"\0\1file-%d\0octet\0" % code),
            (1080 + code, 2080 + code, struct.pack(">HH", 5, code) + text + b"\0"),
        )
    ]
    options = b"\0\6" + b"\0".join((b"blksize", b"512", b"windowsize", b"16", b""))
    return [ask[0], *data, ask[1], (1070, 2071, options), *wrong]


def put(tape: Tape, datagrams: list[tuple[int, int, bytes]], client_ports: set[int]) -> None:
    """Datagrams one after the other."""
    for number, (source, target, data) in enumerate(datagrams):
        asks = source in client_ports
        ends = (STATION, RELAY) if asks else (RELAY, STATION)
        tape.datagram(START + number * STEP, *ends, (source, target), data)


def main() -> None:
    """Write `peers.pcap` and `by_hand.pcap`."""
    logging.disable()
    socket.socket.sendto = note  # type: ignore[method-assign]
    with tempfile.TemporaryDirectory() as folder:
        port = peers(folder)
    clients = {source for source, target, _ in said if target == port}
    renamed = [tuple(69 if one == port else one for one in row[:2]) + row[2:] for row in said]
    tape = Tape()
    put(tape, renamed, clients)  # type: ignore[arg-type]
    tape.write(HERE / "peers.pcap")
    tape = Tape()
    put(tape, by_hand(), set(range(2000, 3000)))
    tape.write(HERE / "by_hand.pcap")


if __name__ == "__main__":
    main()
