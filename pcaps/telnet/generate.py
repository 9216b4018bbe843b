"""Writes the Telnet captures of this folder, with `python generate.py`; needs telnetlib3.

In `peers.pcap` both sides are telnetlib3; what it does not say is set by hand from RFC 854, 855 and
1572 in `by_hand.pcap`, also a client that sends each key when it is pressed.
"""

import asyncio
import sys
from pathlib import Path
from typing import Any

import telnetlib3

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent / "modbus"), str(HERE.parent / "tls")]
from relay import Relay, Said, put  # noqa: E402 - it stands in another folder
from tape import START, Host, Tape  # noqa: E402

STATION = Host("ews-3", "8c:ec:4b:51:30:15", "10.10.30.15")
SERVER = Host("device-server", "00:90:e8:4a:30:81", "10.10.30.81")
ACCOUNTS = {"admin": "moxa", "maint": "x9-Not-A-Secret"}


async def shell(reader: Any, writer: Any) -> None:
    """Three tries, then a line that is answered."""
    writer.write("\r\nNPort 5110\r\n\r\n")
    for _ in range(3):
        writer.write("NPort login: ")
        account = (await reader.readline()).strip()
        writer.write("Password: ")
        password = (await reader.readline()).strip()
        if ACCOUNTS.get(account) == password:
            writer.write("\r\nWelcome to NPort 5110.\r\n# ")
            await reader.readline()
            writer.write("Firmware 3.10\r\n")
            break
        writer.write("\r\nLogin incorrect\r\n")
    await writer.drain()
    writer.close()


async def session(port: int, tries: tuple[tuple[str, str], ...]) -> None:
    """Answer what is asked."""
    reader, writer = await telnetlib3.open_connection("127.0.0.1", port, term="vt100")
    typed = [word for pair in tries for word in pair] + ["version"]
    seen = ""
    while typed:
        try:
            more = await asyncio.wait_for(reader.read(1024), 2)
        except TimeoutError:  # it has hung up
            break
        seen += more
        if seen.rstrip().endswith((":", "#")):
            writer.write(typed.pop(0) + "\r\n")
            seen = ""
    await asyncio.sleep(0.3)
    writer.close()


async def talk() -> None:
    """Serve, and connect through the relay."""
    server = await telnetlib3.create_server("127.0.0.1", 0, shell=shell, connect_maxwait=1.0)
    relay = Relay(server.sockets[0].getsockname()[1])
    for tries in (
        (("admin", "admin"), ("admin", "moxa")),
        (("maint", "x9-Not-A-Secret"),),
        (("root", "not-a-secret"), ("root", "toor"), ("guest", "guest")),
    ):
        await session(relay.port, tries)
        await asyncio.sleep(0.3)
    tape, now = Tape(), START
    for number, said in enumerate(relay.connections):
        now = put(tape, (STATION, SERVER), (56_000 + number, 23), said, now)
    tape.write(HERE / "peers.pcap")


def keys(words: str) -> Said:
    """Keys as they are pressed, each shown by the server."""
    return [pair for key in words for pair in ((0, key.encode()), (1, key.encode()))]


def by_hand() -> Said:
    """A login key by key, with letters that are taken back, commands and options."""
    return [
        (1, b"\xff\xfd\x18\xff\xfd\x20\xff\xfd\x27\xff\xfb\x03"),
        (0, b"\xff\xfb\x18\xff\xfc\x20\xff\xfb\x27\xff\xfd\x03\xff\xfe\x05"),
        (1, b"\xff\xfa\x27\x01\xff\xf0\xff\xfa\x18\x01\xff\xf0"),
        (0, b"\xff\xfa\x27\x00\x00USER\x01service\xff\xf0\xff\xfa\x18\x00VT100\xff\xf0"),
        (1, b"\xff\xfb\x01switch-7 login: "),
        (0, b"\xff\xfd\x01"),
        *keys("servo"),
        (0, b"\x7f"),
        (1, b"\x08 \x08"),
        *keys("ice"),
        (0, b"\r\0"),
        (1, b"\r\nPassword for service: "),
        *((0, key.encode()) for key in "service"),
        (0, b"\r\0"),
        (1, b"\r\nLast login: Mon Jan  5 07:58:01 on ttyS0\r\n"),
        (1, b"switch-7$ "),
        (0, b"show running-config\r\0"),
        (1, b"show running-config\r\nhostname switch-7\r\n"),
        (0, b"\xff\xf4\xff\xfd\x06"),
        (1, b"\xff\xf2\xff\xfc\x06\xff\xf9"),
    ]


def main() -> None:
    """Write `peers.pcap` and `by_hand.pcap`."""
    asyncio.run(talk())
    tape = Tape()
    put(tape, (STATION, SERVER), (56_100, 23), by_hand(), START)
    tape.write(HERE / "by_hand.pcap")


if __name__ == "__main__":
    main()
