"""A waterworks on one flat network: its devices, how its process moves, and who borrows from whom.

Everything here is the same each time: the process is drawn from a seed, second by second.
"""

import importlib.util
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from types import ModuleType

PCAPS = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(PCAPS / "modbus"))

from tape import START, Host  # noqa: E402 - it lies in another folder

MILLISECOND, SECOND = 1_000, 1_000_000  # microseconds, as all times on a tape
MINUTE = 60 * SECOND
END = START + 10 * MINUTE

EVERYBODY = Host("everybody", "ff:ff:ff:ff:ff:ff", "10.20.1.255")
ROUTER = Host("gw-office", "00:09:0f:1a:01:01", "10.20.1.1")  # also gives addresses, time, names
SWITCH = Host("sw-control-room", "00:80:63:5c:01:02", "10.20.1.2")
HMI_1 = Host("hmi-water", "d0:94:66:2a:20:11", "10.20.1.11")
HMI_2 = Host("hmi-energy", "d0:94:66:2a:20:12", "10.20.1.12")
HISTORIAN = Host("historian", "d0:94:66:2a:20:13", "10.20.1.13")
STATION = Host("ews-1", "8c:ec:4b:51:20:15", "10.20.1.15")  # engineering station
INTAKE = Host("plc-intake", "00:1b:1b:23:20:21", "10.20.1.21")  # Siemens S7-300
FILTERS = Host("plc-filters", "00:00:bc:11:20:22", "10.20.1.22")  # Rockwell ControlLogix
PUMPS = Host("plc-pumps", "00:80:f4:0e:20:23", "10.20.1.23")  # Schneider Modicon M340
RESERVOIR = Host("rtu-reservoir", "00:03:74:10:20:24", "10.20.1.24")  # Control Microsystems, DNP3
SUBSTATION = Host("rtu-substation", "00:60:e9:14:20:25", "10.20.1.25")  # IEC 60870-5-104
DOSING = Host("plc-dosing", "00:0e:8c:00:20:26", "10.20.1.26")  # PROFINET controller
BUILDING = Host("building", "00:40:ae:0b:20:27", "10.20.1.27")  # BACnet
DISINFECTION = Host("uv-1", "00:01:05:4a:20:28", "10.20.1.28")  # OPC UA
METERS = Host("gw-meters", "00:90:e8:6b:20:30", "10.20.1.30")  # three energy meters behind it
RACK = Host("rack-filters", "00:00:bc:11:20:32", "10.20.1.32")  # remote I/O of FILTERS
VALVES = Host("io-dosing", "00:0e:cf:00:20:36", "10.20.1.36")  # remote I/O of DOSING
BAY_1 = Host("ied-bay-1", "00:30:a7:00:20:41", "")  # these two only publish GOOSE
BAY_2 = Host("ied-bay-2", "00:30:a7:00:20:42", "")
LAPTOP = Host("unknown laptop", "3c:52:82:9f:a1:99", "10.20.1.199")

# what people do, in microseconds from the beginning of the capture
LOOKED_AROUND = 30 * SECOND  # the engineering station asks who is there
PUMP_STARTED = 120 * SECOND  # the operator starts a pump and sets its speed
CHLORINE_SET = 150 * SECOND
BREAKER_OPENED, BREAKER_CLOSED = 200 * SECOND, 290 * SECOND
ROOM_COOLED = 240 * SECOND
DOSE_SET = 260 * SECOND
LAPTOP_CAME = 330 * SECOND
SPEED_RUINED = 405 * SECOND  # the laptop writes a setpoint
INTAKE_STOPPED, INTAKE_RESTARTED = 440 * SECOND, 535 * SECOND
SPEED_RESTORED = 560 * SECOND

USUAL_SPEED, NEW_SPEED, WRONG_SPEED = 1365, 1380, 2950  # rpm of the pumps
NORMAL_DOSE, NEW_DOSE = 0.30, 0.35  # mg/l of chlorine


def beside(folder: str, module: str) -> ModuleType:
    """A module of another folder of captures, whose names are not those of ours."""
    place = str(PCAPS / folder)
    spec = importlib.util.spec_from_file_location(
        f"{folder}_{module}", PCAPS / folder / f"{module}.py"
    )
    if spec is None or spec.loader is None:
        raise ImportError(f"{folder}/{module}.py")
    made = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    sys.path.insert(0, place)
    try:
        spec.loader.exec_module(made)
    finally:
        sys.path.remove(place)
    return made


# ------------------------------------------------------------------------------- process

RELIEF = 9.6  # bar at which a valve opens


@dataclass(frozen=True)
class State:
    """The process at one second."""

    raw_flow: float = 842.0  # m3/h at the intake
    raw_level: float = 3.12  # m in the well of the intake
    turbidity: float = 0.31  # NTU behind the filters
    head_loss: float = 1.9  # m over the filters
    chlorine: float = 0.30  # mg/l
    speed: int = USUAL_SPEED  # rpm of the pumps
    pressure: float = 4.6  # bar behind them
    reservoir: float = 61.0  # percent
    voltage: float = 10.2  # kV
    power: float = 410.0  # kW
    room: float = 21.0  # degrees in the switch room
    uv: float = 38.0  # mJ/cm2


def _near(random: Random, value: float, step: float, low: float, high: float) -> float:
    return round(min(max(value + random.uniform(-step, step), low), high), 3)


def _towards(value: int, wanted: int, most: int) -> int:
    return value + max(-most, min(wanted - value, most))


def _wanted(second: int) -> int:
    """The speed that is set."""
    steps = (
        (SPEED_RESTORED, NEW_SPEED),
        (SPEED_RUINED, WRONG_SPEED),
        (PUMP_STARTED + SECOND, NEW_SPEED),
    )
    now = second * SECOND
    return next((speed for since, speed in steps if now >= since), USUAL_SPEED)


def _next(now: State, second: int, random: Random) -> State:
    stopped = INTAKE_STOPPED <= second * SECOND < INTAKE_RESTARTED
    dose = NEW_DOSE if second * SECOND > CHLORINE_SET else NORMAL_DOSE
    speed = _towards(now.speed, _wanted(second), 45) + random.choice((-1, 0, 0, 1))
    return replace(
        now,
        raw_flow=0.0 if stopped else _near(random, now.raw_flow or 700.0, 3.0, 760.0, 910.0),
        raw_level=_near(random, now.raw_level, 0.01, 2.6, 3.6),
        turbidity=_near(random, now.turbidity, 0.01, 0.22, 0.44),
        head_loss=_near(random, now.head_loss, 0.01, 1.7, 2.2),
        chlorine=round(now.chlorine + (dose - now.chlorine) / 40 + random.uniform(-2e-3, 2e-3), 4),
        speed=speed,
        pressure=round(
            min(4.6 * (speed / USUAL_SPEED) ** 2, RELIEF) + random.uniform(-0.02, 0.02), 3
        ),
        reservoir=_near(random, now.reservoir, 0.05, 40.0, 90.0),
        voltage=_near(random, now.voltage, 0.02, 10.0, 10.4),
        power=round(410.0 * speed / USUAL_SPEED + random.uniform(-4, 4), 1),
        room=_near(random, now.room, 0.05, 20.0, 24.0),
        uv=_near(random, now.uv, 0.2, 35.0, 41.0),
    )


def _history(seconds: int) -> list[State]:
    random, states = Random(2026), [State()]
    for second in range(1, seconds):
        states.append(_next(states[-1], second, random))
    return states


_STATES = _history((END - START) // SECOND + 60)


def at(time: int) -> State:
    """How the process stands at a time of the tape."""
    return _STATES[min(max((time - START) // SECOND, 0), len(_STATES) - 1)]
