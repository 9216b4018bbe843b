"""Senders whose numbers do not follow, and commands without their selection."""

import struct
from collections.abc import Iterator
from typing import Any

from scenes import MILLISECOND, SECOND, START, STRANGER, Host, Tape, builder, opened

goose, iec104, profinet = builder("goose"), builder("iec104"), builder("profinet")
dnp3, hosts = builder("dnp3"), builder("modbus", "hosts")
NAME, DATA_SET = "BAY1LD0/LLN0$GO$gcb01", "BAY1LD0/LLN0$Trip"
THIEF = Host("relay that is none", "00:30:a7:66:00:66", "")


def _publish(
    tape: Tape,
    time: int,
    state: int,
    number: int,
    *,
    tripped: bool = False,
    who: Host = goose.BAY,
    live: int = 2_000,
) -> None:
    data = [goose.boolean(tripped), goose.quality()]
    message = goose.published(
        NAME, DATA_SET, data, state=state, sequence=number, live=live, time=goose.EPOCH + state
    )
    tape.frame(time, who, goose.group(1), goose.GOOSE, goose.frame(1, message))


def goose_replay(tape: Tape) -> None:
    """A trip that was recorded is played again, once; the bay is at state 9 by then."""
    for turn in range(40):
        _publish(tape, START + turn * SECOND, 9, 100 + turn)
    for turn in range(6):
        _publish(tape, START + 20_300 * MILLISECOND + turn * MILLISECOND, 4, turn, tripped=True)


def goose_second_sender(tape: Tape) -> None:
    """Somebody publishes a trip under the address of the bay, in turn with it."""
    for turn in range(30):
        _publish(tape, START + turn * SECOND, 9, 100 + turn)
        if turn > 9:
            _publish(tape, START + turn * SECOND + 400 * MILLISECOND, 2, 7, tripped=True)


def goose_other_sender(tape: Tape) -> None:
    """A device with an address of its own publishes the message of the bay."""
    for turn in range(20):
        _publish(tape, START + turn * SECOND, 9, 100 + turn)
        if turn > 9:
            time = START + turn * SECOND + 300 * MILLISECOND
            _publish(tape, time, 10, turn - 10, tripped=True, who=THIEF)


def goose_restart(tape: Tape) -> None:
    """A bay is restarted and begins anew, as it should."""
    for turn in range(20):
        _publish(tape, START + turn * SECOND, 9, 100 + turn)
    for turn in range(20):
        _publish(tape, START + (45 + turn) * SECOND, 1, 1 + turn)


def goose_bursts(tape: Tape) -> None:
    """A bay that says how soon it sends again, sooner behind each change; then it is restarted."""
    waits = (10, 10, 20, 1_000, 1_000)
    for change in range(80):
        for number, wait in enumerate(waits):
            time = START + 3 * change * SECOND + sum(waits[:number]) * MILLISECOND
            _publish(tape, time, 9 + change, number, tripped=bool(change % 2), live=2 * wait)
    for number, wait in enumerate(waits, 1):
        time = START + 250 * SECOND + sum(waits[: number - 1]) * MILLISECOND
        _publish(tape, time, 1, number, live=2 * wait)


def goose_lost(tape: Tape) -> None:
    """A mirror that is too slow: of each three messages the third is missing."""
    for turn in range(180):
        if turn % 3 < 2:
            _publish(tape, START + turn * 500 * MILLISECOND, 9, 100 + turn)


def iec104_injected(tape: Tape) -> None:
    """Somebody puts measurements into a connection of the control centre, with old numbers."""
    link = iec104.linked(tape, iec104.SUBSTATION, 49_400)
    value = struct.pack("<fB", 50.0, 0)
    unit = iec104.asdu(13, iec104.SPONTANEOUS, 11, iec104.ioa(700) + value)
    for turn in range(20):
        link.wait(1_000)
        link.tell(unit)
        if turn == 15:
            link.sent[1] -= 9
            link.tell(unit)
            link.sent[1] += 8
        if turn % 8 == 7:
            link.acknowledge()


def _measured(tape: Tape, port: int, turns: int) -> Iterator[Any]:
    """A connection on which the substation tells a value each second, before each of them."""
    link = iec104.linked(tape, iec104.SUBSTATION, port)
    value = struct.pack("<fB", 50.0, 0)
    for _ in range(turns):
        link.wait(1_000)
        yield link
        link.tell(iec104.asdu(13, iec104.SPONTANEOUS, 11, iec104.ioa(700) + value))


def iec104_acknowledged(tape: Tape) -> None:
    """Somebody who guesses the numbers acknowledges in the name of the control centre."""
    for turn, link in enumerate(_measured(tape, 49_430, 40)):
        guess = {20: 5, 30: -6}.get(turn, 0)
        link.sent[1] += guess
        if guess or turn % 4 == 3:
            link.acknowledge()
        link.sent[1] -= guess


def iec104_late(tape: Tape) -> None:
    """The control centre acknowledges every twenty seconds alone."""
    for turn, link in enumerate(_measured(tape, 49_440, 140)):
        if turn % 20 == 19:
            link.acknowledge()


def iec104_lost(tape: Tape) -> None:
    """A mirror that loses most acknowledgements, and some of what is acknowledged."""
    lost = set()
    for turn, link in enumerate(_measured(tape, 49_450, 140)):
        if turn % 4 == 3:
            lost |= {len(tape.records)} if turn % 20 > 8 else set()
            link.acknowledge()
        if turn % 13 == 12:
            lost.add(len(tape.records))
    tape.records[:] = [one for at, one in enumerate(tape.records) if at not in lost]


def execute_without_select(tape: Tape) -> None:
    """The control centre selects a breaker each time; a stranger commands it at once."""
    link = iec104.linked(tape, iec104.SUBSTATION, 49_410)
    point = iec104.ioa(6_100)
    for value in (1, 2, 1):
        link.wait(40_000)
        for select in (0x80, 0):
            body = point + bytes([select | value])
            link.command(46, 11, body, iec104.ACT | 1, *([] if select else [iec104.ACTTERM]))
        link.acknowledge()
    centre, iec104.CONTROL_CENTRE = iec104.CONTROL_CENTRE, STRANGER
    other = iec104.linked(tape, iec104.SUBSTATION, 49_420)
    iec104.CONTROL_CENTRE = centre
    other.time = START + 5 * MILLISECOND
    other.wait(150_000)
    other.command(46, 11, point + b"\2", iec104.ACT | 1, iec104.ACTTERM)
    other.wait(2_000)


def profinet_second_sender(tape: Tape) -> None:
    """Two send the outputs of one station under one address, and count by themselves."""
    cycle = 64  # milliseconds, 2048 steps of 31.25 us
    for turn in range(120):
        time = START + turn * cycle * MILLISECOND
        frame = profinet.cyclic(0x8001, b"\x80", 2_048 * turn)
        tape.frame(time, profinet.PLC, profinet.IO.hardware, profinet.ETHERTYPE, frame)
        if turn > 60 and turn % 4 == 0:
            frame = profinet.cyclic(0x8001, b"\x01", 2_048 * (turn - 13))
            late = time + 30 * MILLISECOND
            tape.frame(late, profinet.PLC, profinet.IO.hardware, profinet.ETHERTYPE, frame)
    for turn in range(8):
        time = START + (9_000 + turn * 4 * 1_000) * MILLISECOND
        for ahead, wait in ((0, 0), (-5_000, 150)):
            frame = profinet.cyclic(0x8001, b"\x01", 2_048 * 130 + turn * 128_000 + ahead)
            tape.frame(
                time + wait * MILLISECOND,
                profinet.PLC,
                profinet.IO.hardware,
                profinet.ETHERTYPE,
                frame,
            )


CLASSES = bytes.fromhex("c001 3c02 06 3c03 06 3c04 06")
CLOSE, CLOSED = "0c01 17 01 03 8101 64000000 00000000 00", "c081 0000 "
MEASURED = "c081 0000 1e02 00 0005" + "01 1027" * 6  # [1815] A.14.2
RTU = 21


def _answer(value: int) -> str:
    return MEASURED[:-4] + value.to_bytes(2, "little").hex()


def _master(tape: Tape, port: int) -> Any:
    talk = dnp3.line(tape, dnp3.FRONT_END, dnp3.BAY, port, dnp3.Station(RTU, None))
    talk.time = START + 50 * MILLISECOND
    return talk


def _polled(talk: Any, turn: int, answer: str = "") -> None:
    talk.wait(START + (turn + 1) * 2 * SECOND)
    talk.exchange(RTU, CLASSES.hex(), answer or _answer(10_000 + turn * 7 % 50))


def dnp3_injected(tape: Tape) -> None:
    """Somebody puts commands into the connection of a master, and answers for the outstation."""
    talk = _master(tape, 49_510)
    for turn in range(60):
        _polled(talk, turn)
        if turn in {12, 30}:  # guesses a number, then knows which one is the next
            true, talk.sequence = talk.sequence, (talk.sequence + (9 if turn == 12 else 0)) % 16
            talk.exchange(RTU, "c005" + CLOSE, CLOSED + CLOSE)
            talk.sequence = true
        if turn == 45:  # answers before the outstation does
            talk.wait(talk.time + SECOND)
            talk.exchange(RTU, CLASSES.hex(), _answer(9_000), _answer(10_000))


def dnp3_segments(tape: Tape) -> None:
    """Somebody puts a segment of his own into a long answer of an outstation."""
    talk = _master(tape, 49_520)
    long = bytes.fromhex("c081 0000 1e02 00 0077") + bytes.fromhex("01 1027") * 120
    for turn in range(20):
        if turn != 15:
            _polled(talk, turn, long.hex())
            continue
        talk.wait(START + (turn + 1) * 2 * SECOND)
        control = talk.sequence | 0xC0
        talk.exchange(RTU, CLASSES.hex())
        parts = talk.stations[RTU].sent.segment(bytes([control]) + long[1:])
        foreign = bytes([parts[1].to_bytes()[0] + 7]) + bytes.fromhex("01 0000") * 30
        for data in (parts[0].to_bytes(), foreign, parts[1].to_bytes()):
            frame = dnp3.build_unconfirmed_user_data(
                dnp3.MASTER, RTU, dir_from_master=False, user_data=data
            )
            talk.connection.answer(talk.time, frame.to_bytes())
            talk.time += 5 * MILLISECOND


def dnp3_retried(tape: Tape) -> None:
    """Retries, late answers, answers in parts, and an outstation that restarts: all as it should be."""
    talk = _master(tape, 49_530)
    who = talk.stations[RTU]
    for turn in range(60):
        if turn % 10 == 4:  # no answer: the same once more, and that is answered
            talk.wait(START + (turn + 1) * 2 * SECOND)
            talk.exchange(RTU, CLASSES.hex())
            talk.sequence = (talk.sequence - 1) % 16
        if turn % 10 == 6:  # the answer comes behind the next request
            talk.wait(START + (turn + 1) * 2 * SECOND - SECOND)
            late = talk.sequence
            talk.exchange(RTU, CLASSES.hex())
            talk.exchange(RTU, CLASSES.hex())
            talk.tell(who, bytes([0xC0 | late]) + bytes.fromhex(_answer(7))[1:])
        if turn % 10 == 8:  # in two fragments, each confirmed; the next number is behind both
            talk.wait(START + (turn + 1) * 2 * SECOND)
            talk.exchange(RTU, CLASSES.hex(), "a081" + MEASURED[4:])
            talk.exchange(RTU, "c000")
            talk.tell(who, bytes([0x60 | talk.sequence]) + bytes.fromhex(MEASURED)[1:])
            talk.sequence = (talk.sequence + 1) % 16
            talk.exchange(RTU, "c000")
        if turn % 10 == 2:
            _report(talk, turn // 10, restarted=turn == 42)
        _polled(talk, turn)
        if turn == 37:  # an outage: the master begins anew
            talk.exchange(RTU, CLASSES.hex())
            talk.sequence = 0


def _report(talk: Any, number: int, *, restarted: bool) -> None:
    """An unsolicited response, twice as its first confirmation did not arrive, and the second one."""
    number += 3 if number < 4 else -4  # at 4 the outstation restarts
    indications = "8000" if restarted else "0000"
    talk.wait(talk.time + 500 * MILLISECOND)
    who = talk.stations[RTU]
    data = bytes([0xF0 | number]) + bytes.fromhex(f"82 {indications} 0201 17 01 02 81")
    for _ in range(2):
        talk.tell(who, data)
    confirm = bytes([0xD0 | number, 0])
    talk.connection.ask(talk.time, talk.frames(talk.sent, RTU, dnp3.MASTER, confirm))
    talk.time += 20 * MILLISECOND


def dnp3_lost(tape: Tape) -> None:
    """A mirror that loses every seventh packet of a master and its outstation."""
    talk = _master(tape, 49_540)
    begun = len(tape.records)
    for turn in range(200):
        _polled(talk, turn)
        if turn % 40 == 20:
            talk.exchange(RTU, "c005" + CLOSE, CLOSED + CLOSE)
    tape.records[begun:] = [one for at, one in enumerate(tape.records[begun:]) if at % 7 != 3]


def _asked(at: int, tag: int = 0) -> bytes:
    """A request for a register of the pumps; ``tag``: its transaction, as a rule its own."""
    return bytes(hosts.unit(tag or at, 1, "03 0064 0001"))


def _said(at: int, value: int, tag: int = 0) -> bytes:
    return bytes(hosts.unit(tag or at, 1, f"03 02 {value:04x}"))


def modbus_answers_injected(tape: Tape) -> None:
    """Between panel and pumps somebody answers first, six times; the true answer comes behind."""
    talk = opened(tape, (hosts.HMI, hosts.PUMP_PLC), (49_560, 502))
    for turn in range(1, 31):
        talk.time = START + turn * SECOND
        talk.ask(_asked(turn))
        if turn in {10, 11, 12, 20, 21, 22}:
            talk.tell(_said(turn, 400))
        talk.tell(_said(turn, 1_450 + turn))
    talk.end()


def modbus_answers_late(tape: Tape) -> None:
    """Answers come late, to requests sent again, and twice on the wire; none is without request."""
    talk = opened(tape, (hosts.HMI, hosts.PUMP_PLC), (49_570, 502))
    for turn in range(1, 121):
        talk.time = max(talk.time, START + turn * SECOND)
        if turn % 20 == 5:  # asked three times under one number, and answered three times
            for _ in range(3):
                talk.ask(_asked(turn), after=400 * MILLISECOND)
            for _ in range(3):
                talk.tell(_said(turn, 1_450))
        elif turn % 20 == 15:  # asked under another number, both are answered a while later
            talk.ask(_asked(turn))
            talk.ask(_asked(500 + turn), after=12 * SECOND)
            talk.time += 65 * SECOND
            talk.tell(_said(turn, 1_450))
            talk.tell(_said(500 + turn, 1_450))
        else:
            talk.ask(_asked(turn), _said(turn, 1_450))
        if turn % 30 == 0:  # the segment is sent again
            size = len(_said(turn, 1_450))
            talk.connection.sequence[1] -= size
            talk.tell(_said(turn, 1_450))
    talk.end()


def modbus_answers_lost(tape: Tape) -> None:
    """The mirror begins behind eight requests, and lacks every fifth one of those to come."""
    talk = opened(tape, (hosts.HMI, hosts.PUMP_PLC), (49_580, 502))
    for turn in range(1, 9):
        talk.ask(_asked(turn))
    tape.records.clear()
    for turn in range(1, 9):
        talk.tell(_said(turn, 1_450))
        talk.ask(_asked(100 + turn), after=50 * MILLISECOND)
    for turn in range(1, 9):
        talk.tell(_said(100 + turn, 1_450))
    for turn in range(200, 500):
        talk.time += SECOND
        talk.ask(_asked(turn))
        if turn % 5 == 0:
            tape.records.pop()
        talk.tell(_said(turn, 1_450))
    talk.end()


SCENES = (
    *(
        goose_replay,
        goose_second_sender,
        goose_other_sender,
        goose_restart,
        goose_bursts,
        goose_lost,
    ),
    *(
        iec104_injected,
        iec104_acknowledged,
        iec104_late,
        iec104_lost,
        execute_without_select,
        profinet_second_sender,
        dnp3_injected,
        dnp3_segments,
        dnp3_retried,
        dnp3_lost,
    ),
    *(modbus_answers_injected, modbus_answers_late, modbus_answers_lost),
)
