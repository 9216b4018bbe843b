"""Writes a capture of what is public of TeamViewer, with `python generate.py`.

Marks and commands are those of bettercap's table and nDPI's recogniser; what stands behind them is
not public, and says nothing here.
"""

import hashlib
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent / "modbus"), str(HERE.parent / "tls"), str(HERE.parents[1])]

from relay import put  # noqa: E402 - it stands in another folder
from tape import START, Host, Tape  # noqa: E402

from otsec.protocols.teamviewer import BEGINS, COMMANDS  # noqa: E402 - what is to be shown

SECOND = 1_000_000  # microseconds, as all times on a tape
PANEL = Host("panel", "00:1c:06:10:00:11", "10.10.30.111")
OUTSIDE = Host("outside", "00:0c:29:5e:71:09", "198.51.100.9")
PORT = 5938


def packet(command: int, mark: bytes = b"\x17\x24") -> bytes:
    """Mark and command; then bytes that say nothing."""
    return mark + bytes([command]) + hashlib.shake_128(bytes([command])).digest(34)


def main() -> None:
    """A connection for each command; then three datagrams."""
    tape, now = Tape(), START
    answers = [code for code in COMMANDS if code not in BEGINS]
    streams = [code for code in BEGINS if code < 70]
    for number, code in enumerate(streams):
        answer = answers[number % len(answers)]
        mark = b"\x11\x30" if number % 3 == 2 else b"\x17\x24"
        now = put(tape, (PANEL, OUTSIDE), (53_500 + number, PORT),
                  [(0, packet(code)), (1, packet(answer, mark))], now)  # fmt: skip
    for number, code in enumerate((70, 71, 71)):
        data = bytes([number]) + bytes(10) + packet(code)
        tape.datagram(now + number * SECOND, PANEL, OUTSIDE, (53_600, PORT), data)
    tape.write(HERE / "marks.pcap")


if __name__ == "__main__":
    main()
