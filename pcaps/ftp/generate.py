"""Writes the FTP captures of this folder, with `python generate.py`; needs pyftpdlib.

In `peers.pcap` pyftpdlib serves Python's ftplib; what those do not say is set by hand from RFC 959
and 4217 in `by_hand.pcap`. Connections of data stand beside two of the transfers.
"""

import contextlib
import ftplib
import io
import logging
import ssl
import sys
import tempfile
import threading
from pathlib import Path

from pyftpdlib.authorizers import DummyAuthorizer
from pyftpdlib.handlers import FTPHandler
from pyftpdlib.servers import FTPServer

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent / "modbus"), str(HERE.parent / "tls")]
from relay import Relay, Said, put, settle  # noqa: E402 - it stands in another folder
from tape import START, Host, Tape  # noqa: E402

STATION = Host("ews-3", "8c:ec:4b:51:30:15", "10.10.30.15")
PANEL = Host("panel-4", "00:30:de:4a:30:71", "10.10.30.71")
PROGRAM = b"\x7fPRG" + bytes(range(256)) * 16


class Files(FTPHandler):  # type: ignore[misc]
    """Who asks is told an address of the capture."""

    banner = "PanelView FTP server 2.11 ready."
    masquerade_address = PANEL.address


def serve(folder: str) -> int:
    """A server with two accounts and a guest; gives its port."""
    accounts = DummyAuthorizer()
    accounts.add_user("admin", "admin", folder, perm="elradfmwMT")
    accounts.add_user("maint", "x9-Not-A-Secret", folder, perm="elradfmwMT")
    accounts.add_anonymous(folder)
    handler = type("Handler", (Files,), {"authorizer": accounts, "auth_failed_timeout": 0})
    server = FTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return int(server.address[1])


def login(port: int, account: str, password: str) -> ftplib.FTP:
    """A connection on which somebody has logged in, or tried to."""
    client = ftplib.FTP()  # noqa: S321 - it is what is shown
    client.connect("127.0.0.1", port)
    with contextlib.suppress(ftplib.error_perm):
        client.login(account, password)
    return client


def work(client: ftplib.FTP) -> None:
    """What an engineer does with a panel's files."""
    client.sendcmd("SYST")
    client.sendcmd("FEAT")
    client.pwd()
    client.mkd("recipes")
    client.cwd("recipes")
    client.storbinary("STOR mixer.prg", io.BytesIO(PROGRAM))
    client.size("mixer.prg")
    client.sendcmd("MDTM mixer.prg")
    client.retrbinary("RETR mixer.prg", lambda _: None)
    client.retrlines("LIST", lambda _: None)
    client.nlst()
    list(client.mlsd())
    client.sendcmd("MLST mixer.prg")
    client.sendcmd("STAT mixer.prg")
    client.storbinary("APPE mixer.prg", io.BytesIO(b"more"))
    client.rename("mixer.prg", "mixer.bak")
    client.sendcmd("SITE CHMOD 644 mixer.bak")
    client.delete("mixer.bak")
    client.storbinary("STOU", io.BytesIO(b"new"))
    for line in ("RETR missing.prg", "CDUP", "NOOP", "HELP", "OPTS UTF8 ON", "REST 0", "ALLO 100",
                 "STRU F", "MODE S", "PORT 10,10,30,15,200,1", "ACCT maint", "XPWD", "SMNT /x"):  # fmt: skip
        with contextlib.suppress(ftplib.Error):
            client.sendcmd(line)
    client.cwd("/")
    client.mkd("old")
    client.rmd("old")
    client.sendcmd("REIN")


def by_hand() -> Said:
    """A bounce, transfers that fail, a panel that says little, and all up to encryption."""
    lines = [
        (1, "220-Service ready for new user.\r\n    Only for the plant.\r\n220 Go on.\r\n"),
        (0, "USER operator\r\n"),
        (1, "331 Password required for operator.\r\n"),
        (0, "PASS 1234\r\n"),
        (1, "230 User logged in.\r\n"),
        (0, "EPRT |1|10.10.30.99|6275|\r\n"),
        (1, "200 EPRT command successful.\r\n"),
        (0, "TYPE I\r\n"),
        (1, "200 Type set to I.\r\n"),
        (0, "RETR archive.dat\r\n"),
        (1, "150 Opening BINARY mode data connection for archive.dat (48211 bytes).\r\n"),
        (1, "426 Connection closed; transfer aborted.\r\n"),
        (0, "ABOR\r\n"),
        (1, "225 ABOR command successful.\r\n"),
        (0, "EPSV\r\n"),
        (1, "229 Entering Extended Passive Mode (|||6446|)\r\n"),
        (0, "STOR firmware.bin\r\n"),
        (1, "552 Requested file action aborted: exceeded storage allocation.\r\n"),
        (0, "MFMT 20260105080000 firmware.bin\r\n"),
        (1, "500 'MFMT 20260105080000 firmware.bin': command not understood.\r\n"),
        (0, "PBSZ 0\r\n"),
        (1, "503 Not over TLS.\r\n"),
        (0, "PROT P\r\n"),
        (1, "503 Not over TLS.\r\n"),
        (0, "CCC\r\n"),
        (1, "533 Not over TLS.\r\n"),
        (0, "AUTH TLS\r\n"),
        (1, "234 AUTH TLS OK.\r\n"),
    ]
    said = [(side, text.encode()) for side, text in lines]
    hello = ssl.MemoryBIO()
    with contextlib.suppress(ssl.SSLWantReadError):
        ssl.create_default_context().wrap_bio(
            ssl.MemoryBIO(), hello, server_hostname="panel-4.plant.example"
        ).do_handshake()
    return [*said, (0, hello.read()), (1, b"\x15\x03\x03\x00\x02\x02\x28")]  # it refuses


def main() -> None:
    """Write `peers.pcap` and `by_hand.pcap`."""
    logging.disable()
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "status.txt").write_text("running")
        relay = Relay(serve(folder))
        for account, password in (
            ("anonymous", "hmi@plant.example"), ("maint", "not-a-secret"), ("admin", "admin"),
            ("maint", "x9-Not-A-Secret"),
        ):  # fmt: skip
            client = login(relay.port, account, password)
            if account == "anonymous":
                client.retrbinary("RETR status.txt", lambda _: None)
            if password == "x9-Not-A-Secret":  # noqa: S105
                work(client)
            with contextlib.suppress(ftplib.Error, EOFError):
                client.quit()
            client.close()
            settle()
    tape, now = Tape(), START
    for number, said in enumerate(relay.connections):
        now = put(tape, (STATION, PANEL), (54_000 + number, 21), said, now)
    put(tape, (STATION, PANEL), (54_100, 50_100), [(0, PROGRAM)], now)
    tape.write(HERE / "peers.pcap")
    tape = Tape()
    now = put(tape, (STATION, PANEL), (54_200, 21), by_hand(), START)
    put(tape, (PANEL, STATION), (20, 54_201), [(0, PROGRAM)], now)
    tape.write(HERE / "by_hand.pcap")


if __name__ == "__main__":
    main()
