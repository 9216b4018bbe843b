"""Writes captures of ADS: an operator on a mixer, and an engineer who gets a route and more.

    python generate.py

`operator` is spoken by pyads and the test server that comes with it, through a relay on this
machine, on the port of ADS, which must be free. Of `engineer` the requests for routes are those of
pyads; the rest is set from Beckhoff's AMS/ADS specification.
"""

import struct
import sys
import time
from contextlib import suppress
from pathlib import Path

import pyads
from pyads import constants, pyads_ex
from pyads.testserver import AdsTestServer, AdvancedHandler, PLCVariable

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "modbus"))
sys.path.insert(0, str(HERE.parent / "tls"))

from relay import Relay, put, settle  # noqa: E402 - it stands in another folder
from tape import START, Connection, Host, Tape  # noqa: E402

SECOND = 1_000_000  # microseconds, as all times on a tape
PANEL = Host("panel", "00:15:5d:10:00:91", "192.168.65.91")
LAPTOP = Host("laptop", "00:15:5d:10:00:92", "192.168.65.92")
PLC = Host("plc", "00:01:05:10:00:05", "192.168.65.5")
PLC_NET, PANEL_NET, LAPTOP_NET = "5.16.0.5.1.1", "192.168.65.91.1.1", "192.168.65.92.1.1"
TCP_PORT, UDP_PORT, BEHIND = 48_898, 48_899, 48_797
RUNTIME, SYSTEM = 851, 10_000


def operator(tape: Tape) -> None:
    """The operator's panel reads and writes variables by name; at last the program is stopped."""
    handler = AdvancedHandler()
    for name, kind, size in (("MAIN.speed", "INT", 2), ("MAIN.level", "LREAL", 8)):
        number = constants.ADST_INT16 if size == 2 else constants.ADST_REAL64
        variable = PLCVariable(name, bytes(size), ads_type=number, symbol_type=kind)
        handler.add_variable(variable)
    server = AdsTestServer(handler=handler, ip_address="127.0.0.1", port=BEHIND, logging=False)
    server.start()
    time.sleep(0.3)
    relay = Relay(BEHIND, listen=TCP_PORT)
    pyads.open_port()
    pyads.set_local_address(PANEL_NET)
    pyads.add_route(PLC_NET, "127.0.0.1")
    plc = pyads.Connection(PLC_NET, RUNTIME, "127.0.0.1")
    with plc:
        plc.read_device_info()
        for _ in range(3):
            plc.read_state()
            plc.read_by_name("MAIN.speed", pyads.PLCTYPE_INT)
            plc.read_by_name("MAIN.level", pyads.PLCTYPE_LREAL)
        plc.write_by_name("MAIN.speed", 1450, pyads.PLCTYPE_INT)
        plc.read_list_by_name(["MAIN.speed", "MAIN.level"])
        plc.write_list_by_name({"MAIN.speed": 1200})
        plc.write_control(pyads.ADSSTATE_STOP, 0, 0, pyads.PLCTYPE_INT)
        settle()
    pyads.close_port()
    put(tape, (PANEL, PLC), (50_500, TCP_PORT), relay.connections[0], START)


def net(name: str) -> bytes:
    """A net id in six bytes."""
    return bytes(map(int, name.split(".")))


def ams(command: int, number: int, data: bytes, port: int = SYSTEM, error: int = -1) -> bytes:
    """A request of the laptop, or with an error (0: none) the answer to it."""
    ends = net(PLC_NET) + struct.pack("<H", port), net(LAPTOP_NET) + struct.pack("<H", 33_001)
    target, source = ends if error < 0 else ends[::-1]
    flags = 4 if error < 0 else 5
    head = struct.pack("<HHIII", command, flags, len(data), max(error, 0), number)
    return struct.pack("<HI", 0, 32 + len(data)) + target + source + head + data


def indexed(group: int, offset: int, *rest: int) -> bytes:
    """Indices and lengths."""
    return struct.pack(f"<{2 + len(rest)}I", group, offset, *rest)


OK = bytes(4)
NAME = b"C:\\TwinCAT\\Boot\\Port_851.app\0"
PATH = struct.pack("<III", 7, 0, 0) + b"cmd.exe\0\0\0"
READ, WRITE, CONTROL, NOTIFY, FORGET, NOTE, BOTH = 2, 3, 5, 6, 7, 8, 9
TELLS = struct.pack("<I", 4)
# command, port, data, error or result, data of the answer behind the result
TALK: tuple[tuple[int, int, bytes, int, bytes], ...] = (
    (1, SYSTEM, b"", 0, bytes((3, 1)) + struct.pack("<H", 4024) + b"TwinCAT System".ljust(16, b"\0")),
    (READ, SYSTEM, indexed(700, 1, 4), 0, struct.pack("<II", 4, 662)),
    (READ, SYSTEM, indexed(803, 0, 2048), 0x716, b""),
    (BOTH, SYSTEM, indexed(120, 0x10002, 4, len(NAME)) + NAME, 0, TELLS + b"\7\0\0\0"),
    (BOTH, SYSTEM, indexed(123, 7, 4, 64) + bytes(64), 0, TELLS + b"\x40\0\0\0"),
    (BOTH, SYSTEM, indexed(122, 7, 64, 0), 0, struct.pack("<I", 64) + bytes(64)),
    (WRITE, SYSTEM, indexed(121, 7, 0), 0, b""),
    (WRITE, SYSTEM, indexed(131, 0, len(NAME)) + NAME, 0, b""),
    (WRITE, SYSTEM, indexed(400, 1, 16) + struct.pack("<8H", 2026, 1, 1, 5, 8, 0, 2, 500), 0, b""),
    (READ, SYSTEM, indexed(400, 1, 16), 0, struct.pack("<I", 16) + bytes(16)),
    (WRITE, SYSTEM, indexed(200, 0, 12) + b"Software\0\1\0\0", 0, b""),
    (BOTH, SYSTEM, indexed(200, 0, 4, 9) + b"Software\0", 0, TELLS + b"\1\0\0\0"),
    (WRITE, SYSTEM, indexed(500, 0, len(PATH)) + PATH, 0x704, b""),
    (WRITE, SYSTEM, indexed(600, 0, 6) + net(LAPTOP_NET), 0x704, b""),
    (WRITE, SYSTEM, indexed(801, 0, 44) + bytes(44), 0, b""),
    (WRITE, SYSTEM, indexed(802, 0, 8) + b"LAPTOP2\0", 0, b""),
    (READ, RUNTIME, indexed(0x4020, 100, 2), 0, struct.pack("<IH", 2, 77)),
    (WRITE, RUNTIME, indexed(0x4020, 100, 2) + b"\x4e\0", 0, b""),
    (WRITE, RUNTIME, indexed(0xF031, 12, 1) + b"\1", 0, b""),
    (BOTH, RUNTIME, indexed(0xF004, 0, 2, 7) + b"MAIN.a\0", 0, struct.pack("<IH", 2, 5)),
    (READ, RUNTIME, indexed(0xF00C, 0, 8), 0, struct.pack("<III", 8, 40, 4000)),
    (READ, RUNTIME, indexed(0xF00B, 0, 200), 0, struct.pack("<I", 200) + bytes(200)),
    (WRITE, RUNTIME, indexed(0xF00A, 0, 32) + bytes(32), 0x701, b""),
    (READ, RUNTIME, indexed(0xF008, 0, 1), 0, struct.pack("<IB", 1, 3)),
    (READ, RUNTIME, indexed(0xF00E, 0, 40), 0, struct.pack("<I", 40) + bytes(40)),
    (WRITE, RUNTIME, indexed(0xF040, 0, 0), 0, b""),
    (WRITE, RUNTIME, indexed(0xF050, 0, 0), 0, b""),
    (BOTH, RUNTIME, indexed(0xF082, 1, 6, 17) + indexed(0x4020, 1, 2, 1) + b"\1", 0,
     struct.pack("<I", 6) + bytes(6)),
    (NOTIFY, RUNTIME, indexed(0x4020, 100, 2, 4, 0, 10_000) + bytes(16), 0, b"\5\0\0\0"),
    (FORGET, RUNTIME, b"\5\0\0\0", 0, b""),
    (CONTROL, SYSTEM, struct.pack("<HHI", 16, 1, 0), 0, b""),
    (CONTROL, RUNTIME, struct.pack("<HHI", 5, 0, 0), 0x712, b""),
    (READ, 500, indexed(0x4000, 1, 4), 6, b""),
    *((BOTH, SYSTEM, indexed(group, 0, 4, len(NAME)) + NAME, 0x70C, b"")
      for group in (100, 101, 102, 132, 133, 138, 139)),
    *((READ, SYSTEM, indexed(group, 0, 4), 0x701, b"")
      for group in (111, 124, 125, 126, 127, 130, 300, 601, 702, 703)),
)  # fmt: skip


def tagged(service: int, sender: str, tags: tuple[tuple[int, bytes], ...]) -> bytes:
    """A datagram of the discovery service."""
    head = struct.pack("<III", 0x71146603, 0, service) + net(sender)
    body = b"".join(struct.pack("<HH", tag, len(data)) + data for tag, data in tags)
    return head + struct.pack("<HI", SYSTEM, len(tags)) + body


def routes(tape: Tape) -> None:
    """The laptop asks who is there, and asks for a route with wrong and right passwords."""
    sent: list[bytes] = []
    system = struct.pack("<5I", 276, 10, 0, 19045, 2).ljust(276, b"\0")
    identity = tagged(0x80000001, PLC_NET, (
        (5, b"CX-100005\0"), (4, system), (3, struct.pack("<BBH", 3, 1, 4024)),
        (18, b"0f3a" * 16 + b"\0"),
    ))  # fmt: skip
    answers = [identity, *(tagged(0x80000006, PLC_NET, ((1, struct.pack("<I", code)),))
                           for code in (0x704, 0x704, 0))]  # fmt: skip

    def send(_address: str, message: bytes, _size: int) -> tuple[bytes, str]:
        sent.append(message)
        return answers[len(sent) - 1], ""

    pyads_ex.send_raw_udp_message = send
    pyads_ex.adsGetNetIdForPLC("192.168.65.5")
    for password in ("beckhoff", "admin", "1"):
        with suppress(RuntimeError):  # it knows another form of refusal than Beckhoff's library
            pyads_ex.adsAddRouteToPLC(
                LAPTOP_NET, "192.168.65.92", "192.168.65.5", "Administrator", password, "LAPTOP"
            )
    talk = [*zip(sent, answers, strict=True)]
    gone = tagged(7, LAPTOP_NET, ((12, b"LAPTOP\0"),))
    talk.append((gone, tagged(0x80000007, PLC_NET, ((1, bytes(4)),))))
    for at, (asks, says) in enumerate(talk):
        now = START + at * SECOND
        tape.datagram(now, LAPTOP, PLC, (UDP_PORT, UDP_PORT), asks)
        tape.datagram(now + 200_000, PLC, LAPTOP, (UDP_PORT, UDP_PORT), says)


def engineer(tape: Tape) -> None:
    """The laptop has its route: files, registry, clock, routes, variables, states."""
    routes(tape)
    line = Connection(tape, LAPTOP, PLC, 50_600, TCP_PORT)
    now = START + 10 * SECOND
    line.open(now)
    for number, (command, port, data, result, told) in enumerate(TALK, 1):
        now += SECOND
        line.ask(now, ams(command, number, data, port))
        error = result if result < 0x700 else 0
        said = b"" if error else struct.pack("<I", result) + told
        if command in (READ, BOTH) and result and not error:
            said += bytes(4)
        line.answer(now + 2_000, ams(command, number, said, port, error))
    stamp = struct.pack("<QI", 0x01DC7E0000000000, 1) + struct.pack("<IIH", 5, 2, 78)
    stream = struct.pack("<I", 1) + stamp
    note = ams(NOTE, 0, struct.pack("<I", len(stream)) + stream, RUNTIME, 0)
    line.answer(now + SECOND, note[:24] + b"\4\0" + note[26:])
    line.close(now + 2 * SECOND)


def main() -> None:
    """Write the captures."""
    for name, work in (("operator", operator), ("engineer", engineer)):
        tape = Tape()
        work(tape)
        tape.write(HERE / f"{name}.pcap")


if __name__ == "__main__":
    main()
