"""What the scenes of this folder are made of: builders of the other folders, and a talk over TCP."""

import importlib.util
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType

PCAPS = Path(__file__).parent.parent
sys.path.insert(0, str(PCAPS / "modbus"))

from tape import START, Connection, Host, Tape  # noqa: E402 - it lies beside this folder

MILLISECOND, SECOND = 1_000, 1_000_000  # microseconds, as all times on a tape
STEP = 4 * MILLISECOND  # between a message and its answer
STRANGER = Host("stranger", "00:15:5d:66:00:66", "10.60.0.66")
OUTSIDE = Host("outside", "00:07:7c:60:00:01", "203.0.113.77")  # with the MAC of the router
BROKER = Host("broker", "00:07:7c:60:00:01", "198.51.100.24")


@cache
def builder(folder: str, name: str = "generate") -> ModuleType:
    """The generator of another folder; they all have the same name, so it gets another one."""
    path = PCAPS / folder / f"{name}.py"
    sys.path.insert(0, str(path.parent))
    spec = importlib.util.spec_from_file_location(f"{folder}_{name}", path)
    if spec is None or spec.loader is None:
        raise FileNotFoundError(path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    sys.path.remove(str(path.parent))
    return module


@dataclass
class Talk:
    """A connection in which time passes by itself."""

    connection: Connection
    time: int

    def ask(self, data: bytes, told: bytes = b"", after: int = 0) -> None:
        """Send from the client, and what the server says to it."""
        self.time += after or STEP
        self.connection.ask(self.time, data)
        if told:
            self.tell(told)

    def tell(self, data: bytes) -> None:
        """Send from the server."""
        self.time += STEP
        self.connection.answer(self.time, data)

    def end(self) -> None:
        """Close it; what is behind begins after that."""
        self.time += STEP
        self.connection.close(self.time)
        self.time += STEP


def opened(tape: Tape, hosts: tuple[Host, Host], ports: tuple[int, int], time: int = START) -> Talk:
    """A connection that has just been opened."""
    connection = Connection(tape, *hosts, *ports)
    connection.open(time)
    return Talk(connection, time + STEP)


def exchanged(
    tape: Tape, hosts: tuple[Host, Host], ports: tuple[int, int], time: int, *said: bytes
) -> None:
    """Datagrams that go there and back in turn; an empty one is left out."""
    for at, data in enumerate(said):
        turn = 1 - 2 * (at % 2)
        if data:
            tape.datagram(time + at * STEP, *hosts[::turn], ports[::turn], data)
