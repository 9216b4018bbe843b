"""Writes the SSH capture of this folder, with `python generate.py`; needs paramiko.

Both sides are paramiko; what it does not say is set by hand. Keys and random numbers are new each time.
"""

import contextlib
import socket
import struct
import sys
import threading
import time
from pathlib import Path

import paramiko

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent / "modbus"), str(HERE.parent / "tls")]
from relay import Relay, Said, put, settle  # noqa: E402 - it stands in another folder
from tape import START, Host, Tape  # noqa: E402

STATION = Host("ews-3", "8c:ec:4b:51:30:15", "10.10.30.15")
ROUTER = Host("cell-router", "00:30:de:4a:30:51", "10.10.30.51")
KEX = ("curve25519-sha256@libssh.org", "diffie-hellman-group14-sha256")


class Nobody(paramiko.ServerInterface):
    """Lets nobody in."""


def serve(listener: socket.socket, key: paramiko.PKey) -> None:
    """Shake hands with whoever comes."""
    served = []
    while True:
        client, _ = listener.accept()
        transport = paramiko.Transport(client)
        transport.local_version = "SSH-2.0-CellRouter_3.1"
        transport.add_server_key(key)
        served.append(transport)
        transport.start_server(threading.Event(), Nobody())


def packet(code: int, content: bytes) -> bytes:
    """RFC 4253 6, in the clear: length, padding, message."""
    padding = 4 + (-(10 + len(content))) % 8
    size = 2 + len(content) + padding
    return struct.pack(">IBB", size, padding, code) + content + bytes(padding)


def text(words: bytes) -> bytes:
    """A string of RFC 4251 5."""
    return struct.pack(">I", len(words)) + words


def by_hand() -> Said:
    """What paramiko does not say here: a group that is asked for (RFC 4419), and a parting."""
    lists = (b"diffie-hellman-group-exchange-sha256", b"ssh-rsa", *(b"aes128-cbc",) * 2)
    lists += (*(b"hmac-sha2-256",) * 2, *(b"none",) * 2, b"", b"")
    algorithms = packet(20, bytes(range(16)) + b"".join(map(text, lists)) + bytes(5))
    number, key = text(b"\x11" * 32), text(text(b"ssh-rsa") + text(b"\1\0\1") + text(b"\x55" * 64))
    return [
        (1, b"SSH-2.0-RomSShell_4.62\r\n"),
        (0, b"SSH-2.0-PuTTY_Release_0.78\r\n"),
        (1, algorithms),
        (0, algorithms),
        (0, packet(34, struct.pack(">III", 1024, 2048, 8192))),
        (1, packet(31, number + text(b"\2"))),
        (0, packet(32, number)),
        (1, packet(33, key + number + text(text(b"ssh-rsa") + text(b"\x66" * 64)))),
        (1, packet(4, b"\0" + text(b"slow") + text(b""))),
        (0, packet(2, text(b"nothing"))),
        (0, packet(3, struct.pack(">I", 5))),
        (0, packet(1, struct.pack(">I", 3) + text(b"no") + text(b""))),
    ]


def main() -> None:
    """Write `peers.pcap` and `by_hand.pcap`."""
    listener = socket.create_server(("127.0.0.1", 0))
    key = paramiko.RSAKey.generate(2048)
    threading.Thread(target=serve, args=(listener, key), daemon=True).start()
    relay = Relay(listener.getsockname()[1])
    for kex in KEX:
        transport = paramiko.Transport(socket.create_connection(("127.0.0.1", relay.port)))
        transport.get_security_options().kex = (kex,)
        with contextlib.suppress(paramiko.SSHException, EOFError):
            transport.connect(username="service", password="not-a-secret")  # noqa: S106
        time.sleep(0.5)
        transport.close()
        settle()
    tape, now = Tape(), START
    for number, said in enumerate(relay.connections):
        now = put(tape, (STATION, ROUTER), (53_000 + number, 22), said, now)
    tape.write(HERE / "peers.pcap")
    tape = Tape()
    put(tape, (STATION, ROUTER), (53_100, 22), by_hand(), START)
    tape.write(HERE / "by_hand.pcap")


if __name__ == "__main__":
    main()
