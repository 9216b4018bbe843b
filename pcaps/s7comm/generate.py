"""Writes the S7comm captures of this folder.

    python generate.py            # all of them
    python generate.py NAME ...   # some, without `.pcap`

Client and server are python-snap7, speaking to each other on this machine through a relay that
notes what was said; it is then put on a network of its own, with addresses and times that are
always the same. What python-snap7 cannot say is in `messages.py`, put together by hand.
"""

import contextlib
import logging
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from messages import DISCONNECT, EXCHANGES, TRANSPORT_ERROR, Exchange, answer, job
from snap7 import Client, Server, SrvArea
from snap7.type import Area, Block, WordLen

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "modbus"))
from tape import START, Connection, Host, Tape  # noqa: E402 - it stands in another folder

PLC = Host("press-plc", "00:1b:1b:23:30:31", "10.10.30.31")
HMI = Host("hmi-3", "d0:94:66:2a:30:11", "10.10.30.11")
STATION = Host("ews-3", "8c:ec:4b:51:30:15", "10.10.30.15")
PORT = 102
MILLISECOND, SECOND = 1_000, 1_000_000
STEP = 6 * MILLISECOND  # between a message and its answer
POLL = 500 * MILLISECOND
PRESSURE, VALVES = 10, 20  # data blocks
Said = list[tuple[bool, bytes]]  # by the server, and what it sent at once


class Relay(threading.Thread):
    """Between one client and the server: notes who said what."""

    def __init__(self, port: int) -> None:
        super().__init__(daemon=True)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.said: Said = []
        self._server_port = port

    def run(self) -> None:
        """Pass on both directions until one side is done; they speak in turn."""
        client, _ = self.listener.accept()
        server = socket.create_connection(("127.0.0.1", self._server_port))
        threads = [
            threading.Thread(target=self._pass, args=pair, daemon=True)
            for pair in ((client, server, False), (server, client, True))
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.listener.close()

    def _pass(self, source: socket.socket, target: socket.socket, by_server: bool) -> None:  # noqa: FBT001
        with contextlib.suppress(OSError):
            while head := _exactly(source, 4):
                unit = head + _exactly(source, int.from_bytes(head[2:], "big") - 4)
                self.said.append((by_server, unit))
                target.sendall(unit)
            target.shutdown(socket.SHUT_WR)


def _exactly(source: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size and (more := source.recv(size - len(data))):
        data += more
    return data


@contextlib.contextmanager
def controller() -> Iterator[int]:
    """A controller with two data blocks, and marks, inputs, outputs, timers and counters."""
    logging.getLogger("snap7").setLevel(logging.CRITICAL)
    server = Server(log=False)
    pressure = bytearray(64)
    pressure[0:12] = bytes.fromhex("42280000 01f4 fffe 000186a0")
    areas = (
        (SrvArea.DB, PRESSURE, pressure),
        (SrvArea.DB, VALVES, bytearray(32)),
        (SrvArea.MK, 0, bytearray(range(64))),
        (SrvArea.PE, 0, bytearray(16)),
        (SrvArea.PA, 0, bytearray(16)),
        (SrvArea.TM, 0, bytearray(32)),
        (SrvArea.CT, 0, bytearray(32)),
    )
    for area, index, data in areas:
        server.register_area(area, index, data)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = int(free.getsockname()[1])
    server.start(tcp_port=port)
    yield port
    server.stop()


def record(script: Callable[[Client], None]) -> Said:
    """Let a script talk to the controller; gives what was said."""
    with controller() as port:
        relay = Relay(port)
        relay.start()
        client = Client()
        client.connect("127.0.0.1", 0, 2, relay.port)
        script(client)
        client.disconnect()
        relay.join(5)
    return relay.said


def play(tape: Tape, client: Host, port: int, said: Said, pause: int) -> None:
    """Put what was said on a tape as one connection."""
    connection = Connection(tape, client, PLC, port, PORT)
    time = START
    connection.open(time)
    for by_server, unit in said:
        time += STEP if by_server else pause
        (connection.answer if by_server else connection.ask)(time, unit)
    connection.close(time + pause)


def operator(tape: Tape) -> None:
    """The HMI reads pressures, valves and marks; the operator sets a pressure and opens a valve."""

    def script(client: Client) -> None:
        for turn in range(12):
            client.db_read(PRESSURE, 0, 12)
            client.read_area(Area.DB, PRESSURE, 0, 1, WordLen.Real)
            client.read_area(Area.DB, PRESSURE, 4, 2, WordLen.Int)
            client.read_area(Area.DB, PRESSURE, 8, 1, WordLen.DInt)
            client.read_area(Area.MK, 0, 13 * 8 + 2, 1, WordLen.Bit)
            client.mb_read(10, 4)
            client.eb_read(0, 2)
            if turn == 4:
                client.db_write(PRESSURE, 0, bytearray.fromhex("422c0000"))
            if turn in (5, 9):
                client.db_write_bool(VALVES, 3, 5, turn == 5)
            if turn == 7:
                with contextlib.suppress(Exception):  # there is no such block
                    client.db_read(99, 0, 4)
        client.tm_read(0, 2)
        client.ct_read(0, 1)

    play(tape, HMI, 49_310, record(script), POLL)


def engineer(tape: Tape) -> None:
    """The engineering station looks at the program, loads a block, and stops it.

    Its system state lists are left out: their records have not the sizes that they should.
    """

    def script(client: Client) -> None:
        steps: tuple[Callable[[], object], ...] = (
            client.list_blocks,
            lambda: client.list_blocks_of_type(Block.DB, 16),
            lambda: client.get_block_info(Block.DB, PRESSURE),
            lambda: client.set_session_password("tulips"),
            client.clear_session_password,
            lambda: client.set_plc_datetime(datetime(2026, 1, 5, 8, 30, tzinfo=UTC)),
            lambda: client.upload(PRESSURE),
            lambda: client.download(bytearray(300), 30),
            lambda: client.compress(1),
            lambda: client.copy_ram_to_rom(1),
            client.plc_stop, client.plc_cold_start, client.plc_hot_start,
        )  # fmt: skip
        for step in steps:
            with contextlib.suppress(Exception):  # what the server refuses is told too
                step()

    play(tape, STATION, 50_310, record(script), SECOND)


def unit(message: bytes) -> bytes:
    """A message in COTP and TPKT, in one piece."""
    return cotp(bytes([2, 0xF0, 0x80]) + message)


def cotp(data: bytes) -> bytes:
    """A unit of COTP in TPKT."""
    return bytes([3, 0]) + (len(data) + 4).to_bytes(2, "big") + data


def by_hand(tape: Tape) -> None:
    """Services that python-snap7 does not have, each with its answer; see `messages.py`."""
    opened = "{} {} {} 00 c0010a c1020200 c2020203"
    setup = "f0 00 0001 0001 01e0"
    said: Said = [
        (False, cotp(bytes.fromhex(opened.format("11 e0", "0000", "0007")))),
        (True, cotp(bytes.fromhex(opened.format("11 d0", "0007", "0003")))),
        (False, unit(job(0x700, setup))),
        (True, unit(answer(0x700, setup))),
    ]
    for one in EXCHANGES:
        said += _said(one)
    said += [(True, cotp(TRANSPORT_ERROR)), (False, cotp(DISCONNECT))]
    play(tape, STATION, 50_320, said, SECOND)


def _said(one: Exchange) -> Said:
    first = (one.told, unit(one.asked))
    return [first, (True, unit(one.answered))] if one.answered else [first]


CAPTURES: dict[str, Callable[[Tape], None]] = {
    make.__name__: make for make in (operator, engineer, by_hand)
}


def main(names: list[str]) -> None:
    """Write the captures named, or all."""
    for name in names or CAPTURES:
        tape = Tape()
        CAPTURES[name](tape)
        path = HERE / f"{name}.pcap"
        tape.write(path)
        print(f"{path.name}: {len(tape.records)} packets, {path.stat().st_size} bytes")


if __name__ == "__main__":
    main(sys.argv[1:])
