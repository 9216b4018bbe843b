"""Writes `services.pcap` of this folder, with `python services.py`: servers that are known by name.

Both sides are OpenSSL, as in `generate.py`; only the names are those of the services.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
sys.path.append(str(HERE.parent / "modbus"))
import ssl  # noqa: E402

from generate import contexts, make_certificates, talk  # noqa: E402 - it stands beside this file
from relay import Said, put  # noqa: E402
from tape import START, Host, Tape  # noqa: E402

PANEL = Host("panel", "00:1c:06:10:00:11", "10.10.30.111")
OUTSIDE = Host("outside", "00:0c:29:5e:71:09", "198.51.100.9")
NAMES = (
    ("cloudflare-dns.com", 443),
    ("router9.teamviewer.com", 443),
    ("relay-5a1b.net.anydesk.com", 6568),
    ("device.vpn2.talk2m.com", 443),
)


def as_anydesk(folder: Path) -> None:
    """The server's certificate again, with the subject of AnyDesk's relays, signed by itself."""
    words = (
        "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "3650", "-keyout", "server.key",
        "-out", "server.pem", "-subj", "/CN=AnyNet Relay/O=philandro Software GmbH/C=DE",
    )  # fmt: skip
    subprocess.run(["openssl", *words], check=True, capture_output=True, cwd=folder)  # noqa: S603, S607 - words of this file


def scenes(folder: Path) -> list[tuple[int, Said]]:
    """What is said, and on which port."""
    make_certificates(folder)
    told = []
    for name, port in NAMES:
        both = contexts(folder, ssl.TLSVersion.TLSv1_3)
        both[0].check_hostname = False
        told.append((port, talk(both, name=name)))
    as_anydesk(folder)
    both = contexts(folder, ssl.TLSVersion.TLSv1_2)
    both[0].check_hostname = False
    both[0].verify_mode = ssl.CERT_NONE
    told.append((7070, talk(both, name="")))
    return told


def main() -> None:
    """Write the capture."""
    tape, now = Tape(), START
    with tempfile.TemporaryDirectory() as folder:
        told = scenes(Path(folder))
    for number, (port, said) in enumerate(told):
        now = put(tape, (PANEL, OUTSIDE), (51_500 + number, port), said, now)
    tape.write(HERE / "services.pcap")


if __name__ == "__main__":
    main()
