"""Writes the TDS captures of this folder, with `python generate.py`; needs python-tds.

In `peers.pcap` python-tds talks to a server that says what MS-TDS 2.2 tells, set by hand; what that
client does not say is set by hand too, in `by_hand.pcap`.
"""

import contextlib
import socket
import struct
import sys
import threading
from pathlib import Path

import pytds

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent / "modbus"), str(HERE.parent / "tls")]
from relay import Relay, Said, put, settle  # noqa: E402 - it stands in another folder
from tape import START, Host, Tape  # noqa: E402

STATION = Host("ews-3", "8c:ec:4b:51:30:15", "10.10.30.15")
SERVER = Host("historian", "00:15:5d:4a:30:07", "10.10.30.7")
BATCH, RPC, RESULT, ATTENTION, BULK, TOKEN, MANAGER = 1, 3, 4, 6, 7, 8, 14
LOGIN7, SSPI, PRELOGIN = 16, 17, 18
HEADERS = struct.pack("<IIHQI", 22, 18, 2, 0, 1)


def packet(kind: int, body: bytes, number: int = 1, *, last: bool = True) -> bytes:
    """MS-TDS 2.2.3."""
    return struct.pack(">BBHHBB", kind, last, 8 + len(body), 51, number, 0) + body


def wide(text: str, form: str = "B") -> bytes:
    """A text in UTF-16 behind the number of its characters."""
    return struct.pack("<" + form, len(text)) + text.encode("utf-16-le")


def options(version: bytes, encryption: int, instance: bytes = b"\0") -> bytes:
    """MS-TDS 2.2.6.5: version, encryption, instance, thread, several results at once."""
    values = version, bytes([encryption]), instance, b"\0\0\0\0", b"\0"
    at, heads = 5 * len(values) + 1, b""
    for token, value in enumerate(values):
        heads += struct.pack(">BHH", token, at, len(value))
        at += len(value)
    return heads + b"\xff" + b"".join(values)


def token(kind: int, body: bytes) -> bytes:
    """A token with a length."""
    return struct.pack("<BH", kind, len(body)) + body


def done(status: int = 0, rows: int = 0) -> bytes:
    """MS-TDS 2.2.7.6."""
    return struct.pack("<BHHQ", 0xFD, status, 0xC1, rows)


def message(kind: int, number: int, text: str) -> bytes:
    """MS-TDS 2.2.7.10 and 2.2.7.13."""
    words = wide(text, "H") + wide("HIST-7\\PLANT") + wide("") + struct.pack("<I", 1)
    return token(kind, struct.pack("<IBB", number, 1, 14) + words)


CHANGE = token(0xE3, b"\1" + wide("plant") + wide("master"))
ACK = token(
    0xAD, b"\1\x74\0\0\4" + wide("Microsoft SQL Server\0\0") + struct.pack(">BBH", 15, 0, 2000)
)
LOGGED_IN = CHANGE + message(0xAB, 5701, "Changed database context to 'plant'.") + ACK + done()
FAILED = message(0xAA, 18456, "Login failed for user 'maint'.") + done(2)
COLUMN = b"\x81\1\0" + struct.pack("<IH", 0, 0) + b"\x38" + wide("level")
ROWS = COLUMN + b"\xd1" + struct.pack("<i", 1480) + done(0x10, 1)


class Historian(threading.Thread):
    """Answers what it is asked, packet by packet."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.start()

    def run(self) -> None:
        """Serve whoever comes."""
        while True:
            client = self.listener.accept()[0]
            threading.Thread(target=self.serve, args=(client,), daemon=True).start()

    def serve(self, client: socket.socket) -> None:
        """Until the client goes."""
        while head := client.recv(8, socket.MSG_WAITALL):
            body = client.recv(int.from_bytes(head[2:4], "big") - 8, socket.MSG_WAITALL)
            if not head[1] & 1:
                continue
            client.sendall(packet(RESULT, self.answer(head[0], body)))

    @staticmethod
    def answer(kind: int, body: bytes) -> bytes:
        """By the kind of packet, and by what stands in it."""
        if kind == PRELOGIN:
            return options(b"\x0f\0\x07\xd0\0\0", 2)
        if kind == LOGIN7:
            wrong = "maint".encode("utf-16-le") in body and WRONG in body
            return FAILED if wrong else LOGGED_IN
        if kind == ATTENTION:
            return done(0x20)
        text = body.decode("utf-16-le", "ignore")
        if "xp_cmdshell" in text:
            return message(0xAA, 15281, "SQL Server blocked access to xp_cmdshell.") + done(2)
        if "Missing" in text:
            return message(0xAA, 208, "Invalid object name 'Missing'.") + done(2)
        return ROWS if "SELECT" in text else done(0x10, 1)


def disguised(password: str) -> bytes:
    """MS-TDS 2.2.6.4."""
    raw = password.encode("utf-16-le")
    return bytes(((octet << 4 | octet >> 4) & 0xFF) ^ 0xA5 for octet in raw)


WRONG = disguised("not-a-secret")
STATEMENTS = (
    "SELECT Level FROM dbo.Tanks WHERE Name = 'T1'",
    "INSERT INTO [dbo].[Readings] (Value) VALUES (7)",
    "UPDATE Recipes SET Sugar = 9 WHERE Id = 3",
    "DELETE FROM Batches WHERE Id < 100",
    "MERGE Targets AS t USING Sources AS s ON t.Id = s.Id WHEN MATCHED THEN DELETE;",
    "TRUNCATE TABLE Log",
    "EXEC dbo.StartBatch 7",
    "CREATE TABLE Notes (Id int)",
    "ALTER LOGIN maint WITH PASSWORD = 'x9-Not-A-Secret'",
    "DROP TABLE Notes",
    "GRANT CONTROL SERVER TO maint",
    "REVOKE CONTROL SERVER FROM maint",
    "DENY SELECT ON Tanks TO guest",
    "BACKUP DATABASE plant TO DISK = 'c:\\plant.bak'",
    "RESTORE DATABASE plant FROM DISK = 'c:\\plant.bak'",
    "EXEC sp_configure 'xp_cmdshell', 1; RECONFIGURE",
    "RECONFIGURE",
    "DBCC CHECKDB (plant)",
    "KILL 53",
    "EXEC master..xp_cmdshell 'whoami'",
    "SELECT * FROM Missing",
    "SET NOCOUNT ON",
    "SHUTDOWN WITH NOWAIT",
)


def session(port: int, account: str, password: str, statements: tuple[str, ...] = ()) -> None:
    """One connection of python-tds."""
    with (
        contextlib.suppress(pytds.Error, OSError),
        pytds.connect(
            "127.0.0.1", "plant", account, password, port=port, appname="SCADA Trends",
            autocommit=True, login_timeout=5, timeout=5, pooling=False,
        ) as connection,
    ):  # fmt: skip
        for statement in statements:
            with contextlib.suppress(pytds.Error), connection.cursor() as cursor:
                cursor.execute(statement)
                if cursor.description:
                    cursor.fetchall()
        with contextlib.suppress(pytds.Error), connection.cursor() as cursor:
            cursor.execute("SELECT Level FROM dbo.Tanks WHERE Name = %s", ("T2",))
            cursor.fetchall()
    settle()


def call(name: str, *parameters: bytes) -> bytes:
    """MS-TDS 2.2.6.6."""
    return HEADERS + wide(name, "H") + b"\0\0" + b"".join(parameters)


def ntlm() -> bytes:
    """MS-NLMP 2.2.1.1: a negotiation."""
    return b"NTLMSSP\0" + struct.pack("<II", 1, 0x0208_8207) + bytes(16)


def integrated() -> bytes:
    """A login with the account of the system, MS-TDS 2.2.6.4."""
    words = ("EWS-3", "", "", "Studio", "historian", "", "ODBC", "", "plant")
    at, heads, data = 94, b"", b""
    for word in words:
        raw = word.encode("utf-16-le")
        heads += struct.pack("<HH", at + len(data), len(word))
        data += raw
    heads += bytes(6) + struct.pack("<HH", at + len(data), len(ntlm())) + bytes(12)
    data += ntlm()
    fixed = struct.pack("<IIIIIBBBBII", 0x7400_0004, 4096, 7, 100, 0, 0xE0, 0x83, 0, 0, 0, 0x409)
    body = fixed + heads + data
    return struct.pack("<I", 4 + len(body)) + body


def by_hand() -> list[Said]:
    """An integrated login, procedures, long requests and results; and a login behind TLS."""
    batch = HEADERS + ("SELECT Name, " + "Value, " * 900 + "Id FROM Tags").encode("utf-16-le")
    rows = COLUMN + (b"\xd1" + struct.pack("<i", 7)) * 900
    first = [
        (0, packet(PRELOGIN, options(b"\x10\0\0\0\0\0", 0, b"PLANT\0"))),
        (1, packet(RESULT, options(b"\x0b\0\x0c\x38\0\0", 2))),
        (0, packet(LOGIN7, integrated())),
        (1, packet(RESULT, LOGGED_IN)),
        (0, packet(SSPI, ntlm())),
        (1, packet(RESULT, done())),
        (0, packet(BATCH, batch[:4088], last=False) + packet(BATCH, batch[4088:], 2)),
        (1, packet(RESULT, rows[:4088], last=False) + packet(RESULT, rows[4088:] + done(0x10, 900), 2)),
        (0, packet(RPC, call("dbo.SetSpeed"))),
        (1, packet(RESULT, b"\x79" + bytes(4) + done())),
        (0, packet(RPC, call("master..xp_cmdshell"))),
        (1, packet(RESULT, done(2))),
        (0, packet(MANAGER, HEADERS + struct.pack("<HBB", 5, 0, 0))),
        (1, packet(RESULT, done())),
        (0, packet(BULK, COLUMN + b"\xd1" + struct.pack("<i", 7) + done())),
        (1, packet(RESULT, done(0x10, 1))),
        (0, packet(ATTENTION, b"")),
        (1, packet(RESULT, done(0x20))),
    ]  # fmt: skip
    alert = b"\x15\x03\x03\x00\x02\x02\x28"
    record = b"\x17\x03\x03\x00\x20" + bytes(range(32))
    second = [
        (0, packet(PRELOGIN, options(b"\x10\0\0\0\0\0", 0))),
        (1, packet(RESULT, options(b"\x0f\0\x07\xd0\0\0", 1))),
        (0, packet(PRELOGIN, alert)),
        (1, packet(PRELOGIN, alert)),
        (0, record),
        (1, packet(RESULT, LOGGED_IN)),
    ]
    return [first, second]


def main() -> None:
    """Write `peers.pcap` and `by_hand.pcap`."""
    socket.gethostname = lambda: "EWS-3"
    relay = Relay(Historian().port)
    session(relay.port, "maint", "not-a-secret")
    session(relay.port, "sa", "sa")
    session(relay.port, "maint", "x9-Not-A-Secret", STATEMENTS)
    tape, now = Tape(), START
    for number, said in enumerate(relay.connections):
        now = put(tape, (STATION, SERVER), (58_000 + number, 1433), said, now)
    tape.write(HERE / "peers.pcap")
    tape, now = Tape(), START
    for number, said in enumerate(by_hand()):
        now = put(tape, (STATION, SERVER), (58_100 + number, 1433), said, now)
    tape.write(HERE / "by_hand.pcap")


if __name__ == "__main__":
    main()
