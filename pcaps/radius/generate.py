"""Writes the RADIUS captures of this folder, with `python generate.py`; needs pyrad.

In `peers.pcap` both sides are pyrad; what it does not say is set by hand from RFC 2865, 3579 and
5176 in `by_hand.pcap`: EAP, MS-CHAP, and a server that answers no.
"""

import io
import socket
import struct
import sys
import threading
import time
from pathlib import Path
from typing import Any

from pyrad import client, dictionary, packet, server

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "modbus"))
from tape import START, Host, Tape  # noqa: E402 - it lies beside this folder

STEP = 4_000  # microseconds
SWITCH = Host("cell-switch", "00:80:63:4a:30:51", "10.10.30.51")
SERVER = Host("radius", "00:15:5d:4a:30:05", "10.10.30.5")
SECRET = b"between-us"
WORDS = """
ATTRIBUTE User-Name 1 string
ATTRIBUTE User-Password 2 string
ATTRIBUTE CHAP-Password 3 octets
ATTRIBUTE NAS-IP-Address 4 ipaddr
ATTRIBUTE Service-Type 6 integer
ATTRIBUTE Framed-IP-Address 8 ipaddr
ATTRIBUTE Reply-Message 18 string
ATTRIBUTE Called-Station-Id 30 string
ATTRIBUTE Calling-Station-Id 31 string
ATTRIBUTE NAS-Identifier 32 string
ATTRIBUTE Acct-Status-Type 40 integer
ATTRIBUTE Acct-Session-Id 44 string
ATTRIBUTE Message-Authenticator 80 octets
"""
said: list[tuple[int, int, bytes]] = []  # from port, to port, datagram
_sendto = socket.socket.sendto


def note(self: socket.socket, data: bytes, *where: Any) -> int:
    """Send, and note what was sent."""
    if not self.getsockname()[1]:
        self.bind(("127.0.0.1", 0))
    said.append((self.getsockname()[1], where[-1][1], bytes(data)))
    return _sendto(self, data, *where)


class Doorman(server.Server):  # type: ignore[misc]
    """Lets in who knows the word."""

    def HandleAuthPacket(self, asked: Any) -> None:  # noqa: N802
        """Accept or reject."""
        known = "User-Password" in asked and asked.PwDecrypt(asked[2][0]) == "x9-Not-A-Secret"
        reply = self.CreateReplyPacket(asked, **{"Reply-Message": "Welcome" if known else "No"})
        reply.code = packet.AccessAccept if known else packet.AccessReject
        if "Message-Authenticator" in asked:
            reply.add_message_authenticator()
        self.SendReplyPacket(asked.fd, reply)

    def HandleAcctPacket(self, asked: Any) -> None:  # noqa: N802
        """Take note."""
        self.SendReplyPacket(asked.fd, self.CreateReplyPacket(asked))

    def HandleCoaPacket(self, asked: Any) -> None:  # noqa: N802
        """Agree."""
        self.SendReplyPacket(asked.fd, self.CreateReplyPacket(asked))

    HandleDisconnectPacket = HandleCoaPacket


def peers(words: dictionary.Dictionary) -> None:
    """A login that is refused and one that is taken, accounting, changes of authorisation."""
    doorman = Doorman(["127.0.0.1"], 1812, 1813, 3799, dict=words, coa_enabled=True)
    doorman.hosts["127.0.0.1"] = server.RemoteHost("127.0.0.1", SECRET, "switch")
    threading.Thread(target=doorman.Run, daemon=True).start()
    time.sleep(0.3)
    nas = client.Client("127.0.0.1", 1812, 1813, 3799, SECRET, words)
    who = {"NAS-IP-Address": SWITCH.address, "NAS-Identifier": "cell-switch-51"}
    for account, password in (("maint", "not-a-secret"), ("maint", "x9-Not-A-Secret")):
        asked = nas.CreateAuthPacket(User_Name=account, **who)
        asked["User-Password"] = asked.PwCrypt(password)
        asked["Calling-Station-Id"] = "8C-EC-4B-51-30-15"
        if password.startswith("x9"):
            asked.add_message_authenticator()
        nas.SendPacket(asked)
    for status in (1, 3, 2, 7, 8):
        asked = nas.CreateAcctPacket(User_Name="maint", **who)
        asked["Acct-Status-Type"] = status
        asked["Acct-Session-Id"] = "0000002A"
        asked["Calling-Station-Id"] = "8CEC.4B51.3015"
        nas.SendPacket(asked)
    for code in (packet.CoARequest, packet.DisconnectRequest):
        asked = nas.CreateCoAPacket(code=code, User_Name="maint", **who)
        nas.SendPacket(asked)


def message(code: int, ident: int, *attributes: tuple[int, bytes]) -> bytes:
    """RFC 2865 3."""
    body = b"".join(struct.pack(">BB", kind, 2 + len(value)) + value for kind, value in attributes)
    return struct.pack(">BBH", code, ident, 20 + len(body)) + bytes(range(16)) + body


def by_hand() -> list[tuple[int, int, bytes]]:
    """EAP with a challenge, MS-CHAP and CHAP, a status query, refusals."""
    user, nas, sealed = (1, b"service"), (32, b"cell-switch-51"), (80, bytes(range(16, 32)))
    station = (31, b"10.10.30.15")
    eap = (79, b"\x02\x01\x00\x0c\x01service")
    tls = (79, b"\x02\x02\x00\x06\x0d\x00")
    ms_chap = (26, struct.pack(">IBB", 311, 25, 52) + bytes(50))
    port, dynamic = 1645, 3799
    return [
        (32_768, port, message(1, 1, user, nas, station, eap, sealed)),
        (port, 32_768, message(11, 1, (79, b"\x01\x02\x00\x06\x0d\x20"), (24, b"state"), sealed)),
        (32_768, port, message(1, 2, user, nas, station, tls, (24, b"state"), sealed)),
        (port, 32_768, message(3, 2, (79, b"\x04\x02\x00\x04"), sealed)),
        (32_768, port, message(1, 3, user, nas, ms_chap)),
        (port, 32_768, message(2, 3, sealed)),
        (32_768, port, message(1, 4, user, nas, (3, bytes(range(17))))),
        (port, 32_768, message(3, 4, (18, b"No"))),
        (32_768, port, message(12, 5, nas, sealed)),
        (port, 32_768, message(2, 5, sealed)),
        (dynamic + 1, dynamic, message(40, 6, user, nas)),
        (dynamic, dynamic + 1, message(42, 6, (101, struct.pack(">I", 503)))),
        (dynamic + 1, dynamic, message(43, 7, user, nas)),
        (dynamic, dynamic + 1, message(45, 7, (101, struct.pack(">I", 501)))),
        (32_768, port + 1, message(4, 8, user, nas)),
        (port + 1, 32_768, message(5, 8)),
    ]


def put(tape: Tape, datagrams: list[tuple[int, int, bytes]]) -> None:
    """Datagrams one after the other."""
    for number, (source, target, data) in enumerate(datagrams):
        asks = target in (1645, 1646, 1812, 1813, 3799)
        ends = (SWITCH, SERVER) if asks else (SERVER, SWITCH)
        tape.datagram(START + number * STEP, *ends, (source, target), data)


def main() -> None:
    """Write `peers.pcap` and `by_hand.pcap`."""
    socket.socket.sendto = note  # type: ignore[assignment,method-assign]
    peers(dictionary.Dictionary(io.StringIO(WORDS)))
    tape = Tape()
    put(tape, said)
    tape.write(HERE / "peers.pcap")
    tape = Tape()
    put(tape, by_hand())
    tape.write(HERE / "by_hand.pcap")


if __name__ == "__main__":
    main()
