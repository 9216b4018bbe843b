"""Stands between a client and a server on this machine, notes what was said, and puts it on tape."""

import socket
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "modbus"))
from tape import Connection, Host, Tape

STEP, SECOND = 4_000, 1_000_000  # microseconds
MOST_SEGMENT = 1_400
Said = list[tuple[int, bytes]]  # side (0: client), and what it sent at once


@dataclass
class Relay:
    """Listens, connects each client to the server, and notes both sides."""

    server_port: int
    connections: list[Said] = field(default_factory=list)
    port: int = 0
    listen: int = 0  # where to listen; 0: on any port

    def __post_init__(self) -> None:
        """Begin to listen."""
        self.listener = socket.create_server(("127.0.0.1", self.listen))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            client, _ = self.listener.accept()
            server = socket.create_connection(("127.0.0.1", self.server_port))
            said: Said = []
            self.connections.append(said)
            for side, source, target in ((0, client, server), (1, server, client)):
                words = (side, source, target, said)
                threading.Thread(target=self._pass, args=words, daemon=True).start()

    def _pass(self, side: int, source: socket.socket, target: socket.socket, said: Said) -> None:
        while True:
            try:
                data = source.recv(1 << 16)
                if not data:
                    break
                said.append((side, data))
                target.sendall(data)
            except OSError:
                break
        target.close()


def settle() -> None:
    """Wait until what was sent has come."""
    time.sleep(0.3)


def put(tape: Tape, ends: tuple[Host, Host], ports: tuple[int, int], said: Said, begin: int) -> int:
    """One connection from handshake to end; gives when it was over."""
    connection = Connection(tape, *ends, *ports)
    connection.open(begin)
    now = begin
    for side, data in said:
        for at in range(0, len(data), MOST_SEGMENT):
            now += STEP
            part = data[at : at + MOST_SEGMENT]
            (connection.answer if side else connection.ask)(now, part)
            if at % (4 * MOST_SEGMENT):  # before the window is full
                now += STEP
                connection.acknowledge(now, by_server=not side)
    connection.close(now + STEP)
    return now + SECOND
