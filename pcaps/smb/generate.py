"""Writes the SMB captures of this folder, with `python generate.py`; needs impacket.

Both sides are impacket, in SMB 2.1 and in SMB 1. What it cannot say is set by hand from [MS-SMB2].
"""

import contextlib
import struct
import sys
import tempfile
import threading
from pathlib import Path

from impacket import smb, smb3structs
from impacket.smbconnection import SMBConnection
from impacket.smbserver import SimpleSMBServer

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent / "modbus"), str(HERE.parent / "tls")]
from relay import Relay, Said, put, settle  # noqa: E402 - it stands in another folder
from tape import START, Host, Tape  # noqa: E402

HISTORIAN = Host("historian", "d0:94:66:2a:20:21", "10.10.30.21")
STATION = Host("ews-3", "8c:ec:4b:51:30:15", "10.10.30.15")
PORT, SERVER_PORT = 445, 44_445


def serve(folder: str, *, newer: bool) -> None:
    """A server with one share."""
    server = SimpleSMBServer("127.0.0.1", SERVER_PORT + newer)
    server.addShare("RECIPES", folder, "recipes of line 3")
    server.setSMB2Support(newer)
    server.addCredential("service", 0, *LM_AND_NT)
    threading.Thread(target=server.start, daemon=True).start()


LM_AND_NT = ("aad3b435b51404eeaad3b435b51404ee", "31d6cfe0d16ae931b73c59d7e0c089c0")  # of ""


def work(port: int, dialect: object) -> None:
    """Open a share, write, read, list and delete."""
    connection = SMBConnection(
        "HISTORIAN", "127.0.0.1", sess_port=port, preferredDialect=dialect, myName="EWS-3"
    )
    connection.login("service", "", "PLANT")
    tree = connection.connectTree("RECIPES")
    steps = [
        lambda: connection.createDirectory("RECIPES", "old"),
        lambda: connection.listPath("RECIPES", "*"),
        lambda: connection.rename("RECIPES", "seven.txt", "six.txt"),
        lambda: connection.closeFile(tree, one),
        lambda: connection.deleteFile("RECIPES", "six.txt"),
        connection.getSMBServer().echo,
        lambda: connection.disconnectTree(tree),
        connection.logoff,
    ]
    one = connection.createFile(tree, "seven.txt")
    connection.writeFile(tree, one, b"speed 1480\n" * 20)
    connection.readFile(tree, one, 0, 100)
    with contextlib.suppress(Exception):
        connection.queryInfo(tree, one)
    for step in steps:
        with contextlib.suppress(Exception):
            step()
    connection.getSMBServer().get_socket().close()
    settle()


def message(command: int, number: int, body: bytes, *, answers: bool = False) -> bytes:
    """[SMB2] 2.2.1."""
    head = struct.pack(
        "<4sHHIHHIIQIIQ16s", b"\xfeSMB", 64, 1, 0, command, 1, int(answers), 0, number, 0, 1, 77,
        bytes(16),
    )  # fmt: skip
    return struct.pack(">I", len(head) + len(body)) + head + body


def by_hand() -> Said:
    """Commands that impacket does not say, in order of [SMB2] 2.2; the pipe of the service manager."""
    file = bytes(range(16))
    lock = struct.pack("<HHI16sQQII", 48, 1, 0, file, 0, 10, 2, 0)
    notify = struct.pack("<HHI16sII", 32, 1, 4096, file, 1, 0)
    broken = struct.pack("<HBBI16s", 24, 1, 0, 0, file)
    ioctl = struct.pack(
        "<HHI16sIIIIIIII", 57, 0, 0x0014_0204, b"\xff" * 16, 120, 0, 0, 0, 0, 48, 1, 0
    )
    sealed = b"\xfdSMB" + bytes(32) + struct.pack("<IHHQ", 16, 0, 1, 77) + bytes(16)
    sealed = struct.pack(">I", len(sealed)) + sealed
    called = b"\x20" + b"EIEJFDFEEPFCEJEBEOCACACACACACACA" + b"\0"
    calling = b"\x20" + b"EFFHFDCNDDCACACACACACACACACACAAA" + b"\0"
    return [
        (0, b"\x81\0\0\x44" + called + calling),
        (1, b"\x82\0\0\0"),
        (0, message(13, 1, struct.pack("<HH", 4, 0))),
        (1, message(13, 1, struct.pack("<HH", 4, 0), answers=True)),
        (0, message(7, 2, struct.pack("<HHI16s", 24, 0, 0, file))),
        (1, message(7, 2, struct.pack("<HH", 4, 0), answers=True)),
        (0, message(10, 3, lock)),
        (1, message(10, 3, struct.pack("<HH", 4, 0), answers=True)),
        (0, message(15, 4, notify)),
        (0, message(12, 4, struct.pack("<HH", 4, 0))),
        (0, message(18, 5, broken)),
        (1, message(18, 5, broken, answers=True)),
        (0, message(11, 6, ioctl)),
        (0, sealed),
        (1, b"\x83\0\0\1\x82"),
        (0, b"\x85\0\0\0"),
        (0, message(5, 7, opened("svcctl"))),
        (1, message(5, 7, struct.pack("<HBBI", 89, 0, 0, 1) + bytes(80) + b"\0", answers=True)),
    ]


def opened(name: str) -> bytes:
    """[SMB2] 2.2.13: a pipe, by its name."""
    raw = name.encode("utf-16-le")
    head = struct.pack("<HBBIQQ", 57, 0, 0, 2, 0, 0)
    head += struct.pack("<IIIII", 0x0012_019F, 0, 3, 1, 0)
    return head + struct.pack("<HHII", 64 + 56, len(raw), 0, 0) + raw


def main() -> None:
    """Write `peers.pcap` and `by_hand.pcap`."""
    told: list[Said] = []
    with tempfile.TemporaryDirectory() as folder:
        for newer, dialect in ((True, smb3structs.SMB2_DIALECT_21), (False, smb.SMB_DIALECT)):
            serve(folder, newer=newer)
            settle()
            relay = Relay(SERVER_PORT + newer)
            work(relay.port, dialect)
            told += relay.connections
    tape, now = Tape(), START
    for number, said in enumerate(told):
        now = put(tape, (STATION, HISTORIAN), (54_000 + number, PORT), said, now)
    tape.write(HERE / "peers.pcap")
    write_by_hand()


def write_by_hand() -> None:
    """Write `by_hand.pcap`."""
    tape = Tape()
    put(tape, (STATION, HISTORIAN), (54_100, 139), by_hand(), START)
    tape.write(HERE / "by_hand.pcap")


if __name__ == "__main__":
    main()
