"""Writes `by_hand.pcap` of this folder, with `python by_hand.py`: WinRM, and names over HTTP.

The bytes are set from RFC 9112, MS-WSMV 2.2 and 3.1.4, and RFC 8484 4.1; what is sealed says nothing.
"""

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent / "modbus"), str(HERE.parent / "tls")]

from relay import Said, put  # noqa: E402 - it stands in another folder
from tape import START, Host, Tape  # noqa: E402

LAPTOP = Host("unknown laptop", "3c:52:82:9f:a1:99", "10.10.30.199")
HISTORIAN = Host("historian", "d0:94:66:2a:20:21", "10.10.30.21")
SEALED = b"--Encrypted Boundary\r\nContent-Type: application/HTTP-SPNEGO-session-encrypted\r\n"
SEALED += b"OriginalContent: type=application/soap+xml;charset=UTF-8;Length=1480\r\n"
SEALED += b"--Encrypted Boundary\r\nContent-Type: application/octet-stream\r\n" + b"\x5a" * 64
SEALED += b"--Encrypted Boundary--\r\n"
SOAP = b"application/soap+xml;charset=UTF-8"
MULTIPART = b'multipart/encrypted;protocol="application/HTTP-SPNEGO-session-encrypted";boundary="Encrypted Boundary"'


def block(first: bytes, fields: dict[bytes, bytes], content: bytes = b"") -> bytes:
    """A header block with its content, RFC 9112 2.1."""
    lines = [first, *(name + b": " + value for name, value in fields.items())]
    lines.append(b"Content-Length: %d" % len(content))
    return b"\r\n".join(lines) + b"\r\n\r\n" + content


def winrm() -> Said:
    """What comes without credentials is refused; then a session that is sealed."""
    fields = {b"Host": b"historian:5985", b"User-Agent": b"Microsoft WinRM Client"}
    asked = {**fields, b"Content-Type": SOAP}
    server = {b"Server": b"Microsoft-HTTPAPI/2.0"}
    return [
        (
            0,
            block(
                b"POST /wsman HTTP/1.1",
                asked,
            ),
        ),
        (
            1,
            block(
                b"HTTP/1.1 401 Unauthorized",
                {**server, b"WWW-Authenticate": b"Negotiate, Kerberos"},
            ),
        ),
        (0, block(b"POST /wsman HTTP/1.1", {**fields, b"Content-Type": MULTIPART}, SEALED)),
        (1, block(b"HTTP/1.1 200 OK", {**server, b"Content-Type": MULTIPART}, SEALED)),
    ]


def names() -> Said:
    """A name that is asked for as RFC 8484 has it, though in the clear."""
    question = bytes.fromhex("00000100000100000000000003777777076578616d706c6503636f6d0000010001")
    kind = b"application/dns-message"
    return [
        (
            0,
            block(
                b"POST /dns-query HTTP/1.1",
                {b"Host": b"doh.plant.example", b"Content-Type": kind},
                question,
            ),
        ),
        (
            1,
            block(
                b"HTTP/1.1 200 OK",
                {b"Content-Type": kind},
                question[:2] + b"\x81\x80" + question[4:],
            ),
        ),
    ]


def main() -> None:
    """Write the capture."""
    tape, now = Tape(), START
    for number, (port, said) in enumerate(((5985, winrm()), (80, names()))):
        now = put(tape, (LAPTOP, HISTORIAN), (52_500 + number, port), said, now)
    tape.write(HERE / "by_hand.pcap")


if __name__ == "__main__":
    main()
