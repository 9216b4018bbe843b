"""Somebody sends far more than anybody needs, or asks everybody for an echo."""

import struct

from scenes import MILLISECOND, SECOND, START, STRANGER, Host, Tape
from tape import ACK, ETHERTYPE_IPV4, RST, SYN, Connection, check_sum

PLC = Host("plc", "00:1c:06:60:00:21", "10.60.0.21")
MONITOR = Host("monitor", "00:15:5d:60:00:05", "10.60.0.5")
PANEL = Host("panel", "00:1c:06:60:00:11", "10.60.0.11")
EVERYBODY = Host("everybody", "ff:ff:ff:ff:ff:ff", "255.255.255.255")
ICMP = 1


def _host(number: int) -> Host:
    return Host(f"host {number}", f"00:1c:06:60:01:{number:02x}", f"10.60.1.{number}")


def _echo(tape: Tape, time: int, source: Host, target: Host, number: int, *, asks: bool) -> None:
    """An echo request or its reply (RFC 792)."""
    body = struct.pack(">BBHHH", 8 if asks else 0, 0, 0, 7, number) + bytes(range(32))
    body = body[:2] + struct.pack(">H", check_sum(body)) + body[4:]
    front = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(body), number, 0, 64, ICMP, 0)
    header = front + source.packed + target.packed
    header = header[:10] + struct.pack(">H", check_sum(header)) + header[12:]
    tape.frame(time, source, target.hardware, ETHERTYPE_IPV4, header + body)


def hosts_pinged(tape: Tape) -> None:
    """A laptop asks forty hosts behind a router for an echo, once each; nine answer."""
    for number in range(1, 41):
        time = START + number * 50 * MILLISECOND
        _echo(tape, time, STRANGER, _host(number), number, asks=True)
        if number % 4 == 1 and number < 36:
            _echo(tape, time + MILLISECOND, _host(number), STRANGER, number, asks=False)


def connections_begun(tape: Tape) -> None:
    """A laptop begins five hundred connections to a controller in ten seconds, and goes on with none."""
    for number in range(500):
        time = START + number * 20 * MILLISECOND
        line = Connection(tape, STRANGER, PLC, 20_000 + number, 502)
        line.segment(time, by_server=False, flags=SYN)


def datagrams_poured(tape: Tape) -> None:
    """A laptop pours two thousand datagrams within a second on a port of a controller."""
    for number in range(2_000):
        data = struct.pack(">I", number) + bytes(12)
        tape.datagram(START + number * 400, STRANGER, PLC, (40_000, 20_000), data)


def broadcasts_poured(tape: Tape) -> None:
    """A faulty panel sends two thousand broadcasts within a second."""
    tape.known.add((PANEL.address, EVERYBODY.address))
    for number in range(2_000):
        data = struct.pack(">I", number) + bytes(12)
        tape.datagram(START + number * 400, PANEL, EVERYBODY, (50_500, 50_501), data)


def _greeting(tape: Tape) -> bytes:
    """A broadcast of a panel, as a frame."""
    tape.known.add((PANEL.address, EVERYBODY.address))
    tape.datagram(START, PANEL, EVERYBODY, (50_500, 50_501), b"panel 11 is here")
    return tape.records.pop()[1]


def network_loop(tape: Tape) -> None:
    """Two switches are joined by a second cable: one broadcast goes round for half a second."""
    frame = _greeting(tape)
    tape.records += [(START + number * 250, frame) for number in range(2_000)]


def mirrored_four_times(tape: Tape) -> None:
    """A broadcast each ten milliseconds, seen on its way in and on three ways out."""
    frame = _greeting(tape)
    tape.records += [
        (START + number * 10 * MILLISECOND + copy * 40, frame)
        for number in range(400)
        for copy in range(4)
    ]


def busy_and_harmless(tape: Tape) -> None:
    """A monitor pings thirty hosts again and again, a panel calls a controller that is off, and greets."""
    tape.known.add((PANEL.address, EVERYBODY.address))
    for turn in range(6):
        for number in range(1, 31):
            time = START + turn * 20 * SECOND + number * 50 * MILLISECOND
            _echo(tape, time, MONITOR, _host(number), 100 * turn + number, asks=True)
            _echo(tape, time + MILLISECOND, _host(number), MONITOR, 100 * turn + number, asks=False)
    for number in range(240):
        time = START + number * 500 * MILLISECOND + 7
        line = Connection(tape, PANEL, PLC, 30_000 + number, 502)
        line.segment(time, by_server=False, flags=SYN)
        line.segment(time + MILLISECOND, by_server=True, flags=RST | ACK)
        if number % 4 == 0:
            greeting = struct.pack(">I", number) + bytes(12)
            tape.datagram(time + 3, PANEL, EVERYBODY, (50_500, 50_501), greeting)


SCENES = (
    hosts_pinged,
    connections_begun,
    datagrams_poured,
    broadcasts_poured,
    network_loop,
    mirrored_four_times,
    busy_and_harmless,
)
