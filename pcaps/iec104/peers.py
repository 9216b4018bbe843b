"""Records what other implementations of IEC 60870-5-104 say to each other.

    python peers.py c104    # in an environment with c104 (GPL-3.0, lib60870): c104.pcap
    python peers.py hat     # in an environment with hat-drivers (Apache-2.0): hat.pcap

Client and server talk through a relay that writes down what passes; the addresses and the times of
day on the tape are those of the plant, the bytes are the peers' own. As their clocks stamp what
they say, each recording differs from the last; what is kept here is one of them.
"""

import asyncio
import socket
import sys
import threading
import time
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "modbus"))

from tape import START, Connection, Host, Tape  # noqa: E402 - it lies beside this folder

CONTROL_CENTRE = Host("control centre", "d0:94:66:2a:14:11", "10.104.0.11")
STATION = Host("station", "00:60:e9:14:00:21", "10.104.0.21")
Said = list[tuple[float, bool, bytes]]  # seconds, whether the server spoke, bytes


class Relay:
    """Passes bytes between one client and the server on a local port, and writes them down."""

    def __init__(self, server_port: int) -> None:
        self.server_port = server_port
        self.said: Said = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        client, _ = self.listener.accept()
        server = socket.create_connection(("127.0.0.1", self.server_port))
        pairs = ((client, server, False), (server, client, True))
        for pair in pairs:
            threading.Thread(target=self._pass, args=pair, daemon=True).start()

    def _pass(self, source: socket.socket, target: socket.socket, by_server: bool) -> None:  # noqa: FBT001
        while data := source.recv(4096):
            self.said.append((time.monotonic(), by_server, data))
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)

    def write(self, path: Path, client_port: int) -> None:
        """Write what was said as one connection."""
        tape = Tape()
        connection = Connection(tape, CONTROL_CENTRE, STATION, client_port, 2404)
        connection.open(START)
        begin = self.said[0][0]
        at = START
        for when, by_server, data in sorted(self.said, key=lambda one: one[0]):
            at = max(at + 1_000, START + 10_000 + int((when - begin) * 1e6))
            (connection.answer if by_server else connection.ask)(at, data)
        connection.close(at + 1_000_000)
        tape.write(path)


# -------------------------------------------------------------------------------- c104


OF_101 = {
    "M_SP_TA_1", "M_DP_TA_1", "M_ST_TA_1", "M_BO_TA_1", "M_ME_TA_1", "M_ME_TB_1", "M_ME_TC_1",
    "M_IT_TA_1", "M_EP_TA_1", "M_EP_TB_1", "M_EP_TC_1", "M_EI_NA_1",
}  # fmt: skip


def c104() -> None:
    """Every type that c104 knows: data of all kinds, commands of all kinds, refusals."""
    import c104  # noqa: PLC0415 - only where it is installed

    types = c104.Type
    server = c104.Server(ip="127.0.0.1", port=24040, tick_rate_ms=50)
    station = server.add_station(common_address=47)
    relay = Relay(24040)
    client = c104.Client(tick_rate_ms=50, command_timeout_ms=1_000)
    client.originator_address = 7
    link = client.add_connection(ip="127.0.0.1", port=relay.port, init=c104.Init.INTERROGATION)
    remote = link.add_station(common_address=47)
    lost = link.add_station(common_address=99)

    names = list(types.__members__.items())
    # types with a time of three bytes are none of 104's
    told = [one for name, one in names if name.startswith("M_") and name not in OF_101]
    points = {}
    for number, kind in enumerate(told):
        points[kind] = station.add_point(io_address=1_000 + number, type=kind)
        remote.add_point(io_address=1_000 + number, type=kind)
    remote.add_point(io_address=5_555, type=types.M_SP_NA_1)

    def accept(
        point: c104.Point, previous_info: c104.Information, message: c104.IncomingMessage
    ) -> c104.ResponseState:
        del point, previous_info, message
        return c104.ResponseState.SUCCESS

    def refuse(
        point: c104.Point, previous_info: c104.Information, message: c104.IncomingMessage
    ) -> c104.ResponseState:
        del point, previous_info, message
        return c104.ResponseState.FAILURE

    selected, direct = c104.CommandMode.SELECT_AND_EXECUTE, c104.CommandMode.DIRECT
    commands = []
    process = [one for name, one in names if name[:4] in {"C_SC", "C_DC", "C_RC", "C_SE", "C_BO"}]
    for number, kind in enumerate(process):
        for shift, mode in enumerate((direct, selected)):
            if mode == selected and kind in (types.C_BO_NA_1, types.C_BO_TA_1):
                continue
            address = 2_000 + 10 * number + shift
            here = station.add_point(io_address=address, type=kind, command_mode=mode)
            here.on_receive(callable=accept if number else refuse)
            commands.append(remote.add_point(io_address=address, type=kind, command_mode=mode))
    commands.append(remote.add_point(io_address=9_999, type=types.C_SC_NA_1))
    commands.append(lost.add_point(io_address=1, type=types.C_SC_NA_1))

    server.start()
    client.start()
    time.sleep(1)
    station.signal_initialized(cause=c104.Coi.REMOTE_RESET)
    informed = _informed(c104)
    for kind, point in points.items():
        for info in informed(kind):
            point.info = info
            point.transmit(cause=c104.Cot.SPONTANEOUS)
            time.sleep(0.02)
    for point in remote.points:
        if str(point.type).rpartition(".")[2].startswith("M_"):
            point.read()
    for point in commands:
        point.info = _ordered(c104, point.type)
        point.transmit(cause=c104.Cot.ACTIVATION)
        time.sleep(0.1)
    link.interrogation(common_address=47)
    link.interrogation(common_address=47, qualifier=c104.Qoi.GROUP_3)
    link.interrogation(common_address=99)
    for freeze in (c104.Frz.READ, c104.Frz.FREEZE_WITHOUT_RESET, c104.Frz.FREEZE_WITH_RESET,
                   c104.Frz.COUNTER_RESET):  # fmt: skip
        link.counter_interrogation(common_address=47, freeze=freeze)
    link.counter_interrogation(common_address=47, qualifier=c104.Rqt.GROUP_2)
    link.clock_sync(common_address=47)
    link.test(common_address=47)
    link.test(common_address=47, with_time=False)
    link.mute()
    time.sleep(0.5)
    link.unmute()
    time.sleep(0.5)
    client.stop()
    time.sleep(0.5)
    server.stop()
    relay.write(HERE / "c104.pcap", 50_104)


def _informed(c104):  # noqa: ANN001, ANN202 - of a package that is seldom installed
    """What is sent of a point of each type: good, then bad in one way or several."""
    bad = c104.Quality.Invalid | c104.Quality.NonTopical
    worse = c104.Quality.Substituted | c104.Quality.Blocked | c104.Quality.Overflow
    counter_bad = c104.BinaryCounterQuality.Invalid | c104.BinaryCounterQuality.Carry
    made = {
        "SP": lambda q: c104.SingleInfo(on=True, quality=q),
        "DP": lambda q: c104.DoubleInfo(state=c104.Double.ON, quality=q),
        "ST": lambda q: c104.StepInfo(state=c104.Int7(-7), transient=False, quality=q),
        "BO": lambda q: c104.BinaryInfo(blob=c104.Byte32(0xA1B2C3D4), quality=q),
        "ME_NA": lambda q: c104.NormalizedInfo(actual=c104.NormalizedFloat(-0.25), quality=q),
        "ME_NB": lambda q: c104.ScaledInfo(actual=c104.Int16(-1234), quality=q),
        "ME_NC": lambda q: c104.ShortInfo(actual=12.5, quality=q),
        "PS": lambda q: c104.StatusAndChanged(
            status=c104.PackedSingle.I0 | c104.PackedSingle.I5,
            changed=c104.PackedSingle.I15, quality=q,
        ),
        "EP_A": lambda q: c104.ProtectionEventInfo(
            state=c104.EventState.ON, elapsed_ms=c104.UInt16(321), quality=q
        ),
        "EP_B": lambda q: c104.ProtectionStartInfo(
            events=c104.StartEvents.PhaseL1, relay_duration_ms=c104.UInt16(654), quality=q
        ),
        "EP_C": lambda q: c104.ProtectionCircuitInfo(
            c104.OutputCircuits.PhaseL2, c104.UInt16(987), quality=q
        ),
    }  # fmt: skip
    alike = {"ME_TA": "ME_NA", "ME_TD": "ME_NA", "ME_ND": "ME_NA", "ME_TB": "ME_NB",
             "ME_TE": "ME_NB", "ME_TC": "ME_NC", "ME_TF": "ME_NC", "EP_TA": "EP_A",
             "EP_TD": "EP_A", "EP_TB": "EP_B", "EP_TE": "EP_B", "EP_TC": "EP_C",
             "EP_TF": "EP_C"}  # fmt: skip

    def informed(kind):  # noqa: ANN001, ANN202
        name = str(kind).rpartition(".")[2][2:7]
        if name.startswith("IT"):
            good = c104.BinaryCounterQuality()
            return [
                c104.BinaryCounterInfo(counter=-98765, sequence=c104.UInt5(5), quality=quality)
                for quality in (good, counter_bad)
            ]
        make = made[alike.get(name, name if name in made else name[:2])]
        return [make(quality) for quality in (c104.Quality(), bad, worse)]

    return informed


def _ordered(c104, kind):  # noqa: ANN001, ANN202
    """What is commanded by a command of each type."""
    name = str(kind).rpartition(".")[2]
    if name.startswith("C_SC"):
        return c104.SingleCmd(on=True, qualifier=c104.Qoc.SHORT_PULSE)
    if name.startswith("C_DC"):
        return c104.DoubleCmd(state=c104.Double.ON, qualifier=c104.Qoc.PERSISTENT)
    if name.startswith("C_RC"):
        return c104.StepCmd(direction=c104.Step.HIGHER, qualifier=c104.Qoc.LONG_PULSE)
    if name in {"C_SE_NA_1", "C_SE_TA_1"}:
        return c104.NormalizedCmd(target=c104.NormalizedFloat(0.5), qualifier=c104.UInt7(0))
    if name in {"C_SE_NB_1", "C_SE_TB_1"}:
        return c104.ScaledCmd(target=c104.Int16(-300), qualifier=c104.UInt7(5))
    if name in {"C_SE_NC_1", "C_SE_TC_1"}:
        return c104.ShortCmd(target=48.75, qualifier=c104.UInt7(0))
    return c104.BinaryCmd(blob=c104.Byte32(0x0F0E0D0C))


# --------------------------------------------------------------------------------- hat


def hat() -> None:
    """What c104 does not know: parameters, files, resets, deactivations, authentication."""
    asyncio.run(_hat())


async def _hat() -> None:
    from hat.drivers import net  # noqa: PLC0415 - only where it is installed
    from hat.drivers.iec60870 import apci  # noqa: PLC0415

    connected: asyncio.Queue[apci.Connection] = asyncio.Queue()
    server = await apci.listen(connected.put_nowait, net.TcpAddress("127.0.0.1", 24041))
    relay = Relay(24041)
    client = await apci.connect(net.TcpAddress("127.0.0.1", relay.port))
    station = await connected.get()
    for by_server, data in _dialogue():
        sender, receiver = (station, client) if by_server else (client, station)
        await sender.send(bytes(data))
        await receiver.receive()
    await client.async_close()
    await server.async_close()
    relay.write(HERE / "hat.pcap", 50_105)


def _dialogue() -> list[tuple[bool, bytes]]:
    """(whether the station speaks, data unit)."""
    from hat.drivers.iec60870.encodings import (  # noqa: PLC0415
        common,
        iec101,
        iec104,
        security,
    )

    encoder, secure = iec104.Encoder(), security.Encoder(iec104.Encoder())
    causes = iec101.CauseType
    noon = common.Time(
        size=common.TimeSize.SEVEN, milliseconds=31_250, invalid=False, substituted=False,
        minutes=15, summer_time=False, hours=12, day_of_week=1, day_of_month=5, months=1, years=26,
    )  # fmt: skip
    said: list[tuple[bool, bytes]] = []

    def say(cause: causes, kind: str, address: int, *element: object, test: bool = False) -> None:
        made = getattr(iec101, f"IoElement_{kind}")(*element)
        asks = cause in {causes.ACTIVATION, causes.DEACTIVATION}
        by_server = not asks if kind[0] != "F" else kind in FROM_STATION
        asdu = iec104.ASDU(
            type=getattr(iec104.AsduType, kind),
            cause=iec101.Cause(cause, False, test, 0),  # noqa: FBT003
            address=300,
            ios=[iec104.IO(address, [made], None)],
        )
        said.append((by_server, encoder.encode_asdu(asdu)))

    def both(kind: str, address: int, *element: object) -> None:
        say(causes.ACTIVATION, kind, address, *element)
        say(causes.ACTIVATION_CONFIRMATION, kind, address, *element)

    def secured(kind: str, cause: str, *element: object) -> None:
        made = getattr(security.common, f"IoElement_{kind}")(*element)
        asdu = security.common.ASDU(
            type=getattr(security.common.AsduType, kind),
            cause=security.common.Cause(security.common.CauseType[cause], False, False, 0),  # noqa: FBT003
            address=300,
            ios=[security.common.IO(None, made, None)],
        )
        said.extend((kind in FROM_STATION, one) for one in secure.encode_asdu(asdu))

    for qualifier in (1, 2, 3, 4, 0x41):
        both("P_ME_NA", 700, iec101.NormalizedValue(0.125), qualifier)
    both("P_ME_NB", 701, iec101.ScaledValue(-250), 1)
    both("P_ME_NC", 702, iec101.FloatingValue(7.5), 3)
    both("P_AC_NA", 702, 3)
    say(causes.DEACTIVATION, "P_AC_NA", 702, 3)
    say(causes.DEACTIVATION_CONFIRMATION, "P_AC_NA", 702, 3)
    both("C_RP_NA", 0, 1)
    both("C_RP_NA", 0, 2)
    both("C_SC_NA", 800, iec101.SingleValue.ON, 1, 1)
    say(causes.DEACTIVATION, "C_SC_NA", 800, iec101.SingleValue.ON, 0, 1)
    say(causes.DEACTIVATION_CONFIRMATION, "C_SC_NA", 800, iec101.SingleValue.ON, 0, 1)
    both("C_IC_NA", 0, 20)
    say(causes.DEACTIVATION, "C_IC_NA", 0, 20)
    say(causes.DEACTIVATION_CONFIRMATION, "C_IC_NA", 0, 20)

    data = causes.FILE_TRANSFER
    say(causes.REQUEST, "F_SC_NA", 0, 1, 0, 0)
    say(causes.REQUEST, "F_DR_TA", 5_001, 1, 1_234, 0, 0, 0, noon)
    say(data, "F_SC_NA", 5_001, 1, 0, 1)
    say(data, "F_FR_NA", 5_001, 1, 1_234, 0)
    say(data, "F_SC_NA", 5_001, 1, 0, 2)
    say(data, "F_SR_NA", 5_001, 1, 1, 24, 0)
    say(data, "F_SC_NA", 5_001, 1, 1, 6)
    say(data, "F_SG_NA", 5_001, 1, 1, bytes(range(24)))
    say(data, "F_LS_NA", 5_001, 1, 1, 3, sum(range(24)) & 0xFF)
    say(data, "F_AF_NA", 5_001, 1, 1, 3)
    say(data, "F_SC_NA", 5_001, 1, 0, 4)
    say(data, "F_FR_NA", 5_001, 1, 0, 1)

    mac = bytes(range(16))
    secured("S_KS_NA", "SESSION_KEY_MAINTENANCE", 1, 1, 1, 2, 4, bytes(range(20)), b"")
    secured("S_KC_NA", "SESSION_KEY_MAINTENANCE", 1, 1, bytes(range(40)))
    secured("S_CH_NA", "AUTHENTICATION", 7, 1, 4, 1, bytes(range(100, 120)))
    secured("S_RP_NA", "AUTHENTICATION", 7, 1, mac)
    secured("S_AR_NA", "AUTHENTICATION", bytes.fromhex("2d0106002c0120030001"), 8, 1, mac)
    secured("S_ER_NA", "AUTHENTICATION", 7, 1, 1, 2, 1, noon, b"denied")
    secured("S_US_NA", "UPDATE_KEY_MAINTENANCE", 4, 1, 5, 1, 30, b"anna", b"", bytes(30))
    secured("S_UQ_NA", "UPDATE_KEY_MAINTENANCE", 4, b"anna", bytes(range(8)))
    secured("S_UR_NA", "UPDATE_KEY_MAINTENANCE", 6, 2, bytes(range(8)))
    secured("S_UK_NA", "UPDATE_KEY_MAINTENANCE", 6, 2, bytes(range(48)), mac)
    secured(
        "S_UA_NA", "UPDATE_KEY_MAINTENANCE", 6, 2, bytes(range(200)), bytes(100)
    )  # two segments
    secured("S_UC_NA", "UPDATE_KEY_MAINTENANCE", mac)
    return said


FROM_STATION = {
    "F_DR_TA", "F_FR_NA", "F_SR_NA", "F_SG_NA", "F_LS_NA", "S_KS_NA", "S_CH_NA", "S_ER_NA",
    "S_UR_NA", "S_UC_NA",
}  # fmt: skip


def main() -> None:
    """Make the recording that is named."""
    {"c104": c104, "hat": hat}[sys.argv[1]]()
    print(f"wrote {sys.argv[1]}.pcap")


if __name__ == "__main__":
    main()
