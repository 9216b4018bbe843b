"""Writes `files.pcap`, with `python files.py`; needs pyftpdlib.

pyftpdlib serves Python's ftplib: files over connections of their own, passive and active, what is
resumed, added to, and put in place of another. What both sides said is put on tape in the order in
which it was said, with the hosts of the capture in place of those of the machine.
"""

import contextlib
import ftplib
import io
import logging
import random
import socket
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "modbus"), str(HERE.parent / "tls")]
from generate import PANEL, STATION, serve  # noqa: E402 - it stands in this folder
from tape import ACK, FIN, START, Connection, Tape  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Callable

FIRMWARE = random.Random(1).randbytes(30_000)
FIRMWARE_2 = FIRMWARE[:-4] + b"\0\0\0\2"
RECIPE = b"speed;1480\r\ntemperature;71\r\n" * 60
STEP, SECOND, MOST_SEGMENT = 4_000, 1_000_000, 1_400


@dataclass
class Data:
    """A connection of data: which side opened it, its ports, and what was sent."""

    client_port: int
    server_port: int
    active: bool
    said: list[tuple[int, bytes]] = field(default_factory=list)


class Ear:
    """A connection of data of which is noted what goes by."""

    def __init__(self, connection: socket.socket, data: Data) -> None:
        self.connection, self.data = connection, data

    def sendall(self, data: bytes) -> None:
        """The client sends."""
        self.data.said.append((0, data))
        self.connection.sendall(data)

    def recv(self, size: int) -> bytes:
        """The server has sent."""
        data = self.connection.recv(size)
        if data:
            self.data.said.append((1, data))
        return data

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.connection.close()


class Noted(ftplib.FTP):
    """A client that notes what both sides say, in order."""

    def __init__(self) -> None:
        super().__init__()
        self.acts: list[tuple[int, bytes] | Data] = []

    def putline(self, line: str) -> None:
        """A command, with the address of the capture."""
        self._note(0, line.replace("127,0,0,1", STATION.address.replace(".", ",")))
        super().putline(line)

    def getline(self) -> str:
        """A line of a reply."""
        line = super().getline()
        self._note(1, line)
        return line

    def _note(self, side: int, line: str) -> None:
        self.acts.append((side, line.encode() + b"\r\n"))

    def ntransfercmd(self, cmd: str, rest: Any = None) -> Any:
        """What follows the reply that begins a transfer goes over a connection of its own."""
        connection, size = super().ntransfercmd(cmd, rest)
        ports = connection.getsockname()[1], connection.getpeername()[1]
        data = Data(ports[0], ports[1] if self.passiveserver else 20, not self.passiveserver)
        self.acts.append(data)
        return Ear(connection, data), size


def work(client: Noted) -> None:
    """What an engineer does with the files of a panel."""

    def leave(name: str, content: bytes, command: str = "STOR") -> None:
        client.storbinary(f"{command} {name}", io.BytesIO(content), blocksize=8192)

    def fetch(name: str, rest: int | None = None) -> None:
        client.retrbinary(f"RETR {name}", lambda _: None, rest=rest)

    scenes: tuple[Callable[[], object], ...] = (
        lambda: leave("firmware.bin", FIRMWARE),
        lambda: leave("recipe.csv", RECIPE),
        lambda: client.retrbinary("LIST", lambda _: None),
        lambda: leave("firmware.bin", FIRMWARE),  # the same again
        lambda: fetch("recipe.csv"),
        lambda: leave("firmware.bin", FIRMWARE_2),  # another one
        lambda: fetch("recipe.csv", rest=100),
        lambda: leave("recipe.csv", b"speed;2950\r\n", "APPE"),
    )
    for scene in scenes:
        scene()
    client.af = socket.AF_INET6  # so EPSV is asked for
    fetch("firmware.bin")
    client.af = socket.AF_INET
    client.set_pasv(False)
    fetch("firmware.bin")
    leave("empty.txt", b"")


def put(tape: Tape, acts: list[tuple[int, bytes] | Data]) -> None:
    """The control connection and those of data beside it."""
    control = Connection(tape, STATION, PANEL, 54_300, 21)
    control.open(START)
    now = START
    for act in acts:
        now += STEP
        if isinstance(act, Data):
            now = put_data(tape, act, now)
        else:
            (control.answer if act[0] else control.ask)(now, act[1])
    control.close(now + STEP)


def put_data(tape: Tape, data: Data, now: int) -> int:
    """One connection of data; who opened it is its client here; gives when it was over."""
    ends = (PANEL, STATION) if data.active else (STATION, PANEL)
    ports = data.client_port, data.server_port
    talk = Connection(tape, *ends, *(ports[::-1] if data.active else ports))
    talk.open(now)
    sender = data.said[0][0] if data.said else 0
    by_server = bool(sender) ^ data.active
    content = b"".join(part for _, part in data.said)
    for at in range(0, len(content), MOST_SEGMENT):
        now += STEP
        piece = content[at : at + MOST_SEGMENT]
        talk.segment(now, by_server=by_server, flags=ACK, data=piece)
        talk.acknowledge(now + STEP // 2, by_server=not by_server)
    now += STEP
    for side in (by_server, not by_server):
        talk.segment(now, by_server=side, flags=FIN | ACK)
        now += STEP
    talk.acknowledge(now, by_server=by_server)
    return now


def main() -> None:
    """Write `files.pcap`."""
    logging.disable()
    with tempfile.TemporaryDirectory() as folder:
        port = serve(folder)
        client = Noted()
        client.connect("127.0.0.1", port)
        client.login("maint", "x9-Not-A-Secret")
        work(client)
        with contextlib.suppress(ftplib.Error, EOFError):
            client.quit()
        client.close()
    tape = Tape()
    put(tape, client.acts)
    tape.write(HERE / "files.pcap")


if __name__ == "__main__":
    main()
