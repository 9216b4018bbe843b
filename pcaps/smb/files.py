"""Writes `files.pcap`, with `python files.py`; needs impacket.

impacket leaves files at impacket and fetches them, in SMB 2.1 and in SMB 1: one is left again as
it was, then as another one, and one is read in part. An empty share holds nothing before.
"""

import io
import random
import sys
import tempfile
from pathlib import Path

from impacket import smb, smb3structs
from impacket.smbconnection import SMBConnection

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "modbus"), str(HERE.parent / "tls")]
from generate import HISTORIAN, PORT, SERVER_PORT, STATION, serve  # noqa: E402 - of this folder
from relay import Relay, Said, put, settle  # noqa: E402 - it stands in another folder
from tape import START, Tape  # noqa: E402

PROGRAM = random.Random(2).randbytes(66_000)
CHANGED = b"\x01" + PROGRAM[1:]
NOTES = b"speed 1480\r\n" * 700


def work(port: int, dialect: object, name: str) -> None:
    """Leave and fetch files."""
    connection = SMBConnection(
        "HISTORIAN", "127.0.0.1", sess_port=port, preferredDialect=dialect, myName="EWS-3"
    )
    connection.login("service", "", "PLANT")

    def leave(target: str, content: bytes) -> None:
        connection.putFile("RECIPES", target, io.BytesIO(content).read)

    leave(f"{name}.bin", PROGRAM)
    connection.getFile("RECIPES", f"{name}.bin", io.BytesIO().write)
    leave(f"{name}.bin", PROGRAM)  # the same again
    leave(f"{name}.bin", CHANGED)
    leave(f"{name}.txt", NOTES)
    tree = connection.connectTree("RECIPES")
    one = connection.openFile(tree, f"{name}.txt", desiredAccess=1)
    connection.readFile(tree, one, 0, 1200)
    connection.closeFile(tree, one)
    connection.disconnectTree(tree)
    connection.getSMBServer().get_socket().close()
    settle()


def main() -> None:
    """Write `files.pcap`."""
    told: list[Said] = []
    with tempfile.TemporaryDirectory() as folder:
        for newer, dialect, name in (
            (True, smb3structs.SMB2_DIALECT_21, "mixer"),
            (False, smb.SMB_DIALECT, "old"),
        ):
            serve(folder, newer=newer)
            settle()
            relay = Relay(SERVER_PORT + newer)
            work(relay.port, dialect, name)
            told += relay.connections
    tape, now = Tape(), START
    for number, said in enumerate(told):
        now = put(tape, (STATION, HISTORIAN), (54_200 + number, PORT), said, now)
    tape.write(HERE / "files.pcap")


if __name__ == "__main__":
    main()
