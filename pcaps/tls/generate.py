"""Writes the TLS capture of this folder, with `python generate.py`.

Both sides are OpenSSL as the Python in use has it, speaking to each other in memory; their
certificates are made by the `openssl` command. The records are then put on a network of its own.
Keys and random numbers are new each time: no two runs give the same bytes.
"""

import ssl
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "modbus"))
from tape import START, Connection, Host, Tape  # noqa: E402 - it stands in another folder

HISTORIAN = Host("historian", "d0:94:66:2a:20:21", "10.10.30.21")
GATEWAY = Host("gateway", "00:30:de:4a:30:31", "10.10.30.31")
PORT = 443
STEP, SECOND = 4_000, 1_000_000
MOST_SEGMENT = 1_400
NAME = "gateway.plant.example"
Said = list[tuple[int, bytes]]  # side (0: client), and what it sent at once
Contexts = tuple[ssl.SSLContext, ssl.SSLContext]  # of client and server


def make_certificates(folder: Path) -> None:
    """An authority, a server and a client, each `NAME.pem` and `NAME.key`."""

    def openssl(*words: str) -> None:
        subprocess.run(  # noqa: S603 - words of this file
            ["openssl", *words],  # noqa: S607 - whichever there is
            check=True,
            capture_output=True,
            cwd=folder,
        )

    openssl(
        "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "3650", "-keyout", "ca.key",
        "-out", "ca.pem", "-subj", "/C=AT/O=Example Works/CN=Plant CA",
    )  # fmt: skip
    for name, who in (("server", NAME), ("client", "historian")):
        openssl(
            "req", "-newkey", "rsa:2048", "-nodes", "-keyout", f"{name}.key", "-out",
            f"{name}.csr", "-subj", f"/O=Example Works/OU=Line 3/CN={who}",
        )  # fmt: skip
        (folder / "names").write_text(f"subjectAltName=DNS:{who},DNS:{who.split('.')[0]}\n")
        openssl(
            "x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key",
            "-CAcreateserial", "-days", "825", "-out", f"{name}.pem", "-extfile", "names",
        )  # fmt: skip


def contexts(folder: Path, version: ssl.TLSVersion, *, mutual: bool = False) -> Contexts:
    """Of a client and a server that speak one version."""
    client, server = (
        ssl.SSLContext(kind) for kind in (ssl.PROTOCOL_TLS_CLIENT, ssl.PROTOCOL_TLS_SERVER)
    )
    client.load_verify_locations(folder / "ca.pem")
    server.load_cert_chain(folder / "server.pem", folder / "server.key")
    for one in (client, server):
        one.minimum_version = one.maximum_version = version
        one.set_alpn_protocols(["http/1.1"])
    if mutual:
        client.load_cert_chain(folder / "client.pem", folder / "client.key")
        server.verify_mode = ssl.CERT_REQUIRED
        server.load_verify_locations(folder / "ca.pem")
    return client, server


def talk(both: Contexts, name: str = NAME, words: int = 2) -> Said:
    """Shake hands, exchange some words and close; or as far as they come."""
    pipes = [(ssl.MemoryBIO(), ssl.MemoryBIO()) for _ in range(2)]
    ends = [
        both[0].wrap_bio(*pipes[0], server_hostname=name or None),
        both[1].wrap_bio(*pipes[1], server_side=True),
    ]
    said: Said = []

    def step(side: int, act: Callable[[], object]) -> bool:
        try:
            act()
            done = True
        except ssl.SSLWantReadError:
            done = False
        except ssl.SSLError:
            done = True
        if data := pipes[side][1].read():
            said.append((side, data))
            pipes[1 - side][0].write(data)
        return done

    done = [False, False]
    for _ in range(8):
        for side in (0, 1):
            done[side] = done[side] or step(side, ends[side].do_handshake)
    for _ in range(words):
        for side in (0, 1):
            step(side, lambda: ends[side].write(b"temperature 21.5\n" * 4))  # noqa: B023
            step(1 - side, lambda: ends[1 - side].read(4096))  # noqa: B023
    for side in (0, 1, 0):
        step(side, ends[side].unwrap)
    return said


def scenes(folder: Path) -> list[Said]:
    """What is said, connection by connection."""
    make_certificates(folder)
    v12, v13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
    retried = contexts(folder, v13)
    retried[1].set_ecdh_curve("secp521r1")
    weak = contexts(folder, v12)
    weak[0].set_ciphers("AES128-GCM-SHA256")
    apart = contexts(folder, v12)[0], contexts(folder, v13)[1]
    return [
        talk(contexts(folder, v12)),
        talk(contexts(folder, v12, mutual=True)),
        talk(contexts(folder, v13)),
        talk(retried),
        talk(weak),
        talk(contexts(folder, v12), name="other.plant.example"),
        talk(apart),
    ]


def main() -> None:
    """Write `peers.pcap`."""
    tape, now = Tape(), START
    with tempfile.TemporaryDirectory() as folder:
        told = scenes(Path(folder))
    for number, said in enumerate(told):
        connection = Connection(tape, HISTORIAN, GATEWAY, 51_000 + number, PORT)
        connection.open(now)
        for side, data in said:
            for at in range(0, len(data), MOST_SEGMENT):
                now += STEP
                part = data[at : at + MOST_SEGMENT]
                (connection.answer if side else connection.ask)(now, part)
        connection.close(now + STEP)
        now += SECOND
    tape.write(HERE / "peers.pcap")


if __name__ == "__main__":
    main()
