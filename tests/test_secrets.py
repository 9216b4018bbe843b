"""What a store is made of holds no password, also where a run ends between a login and its answer."""

import base64
import sqlite3
import struct
from contextlib import closing
from pathlib import Path

import pytest
from engine_runs import Bench, analyse, difference, records
from hypothesis import given
from hypothesis import strategies as st
from test_protocols_golden import Golden, each_golden

from otsec.errors import WireError
from otsec.exchanges.cache import Cache
from otsec.protocols import PROTOCOLS
from otsec.protocols.api import Reader, Side
from otsec.protocols.credentials import KINDS, kind_of, stand_in

OWN = Path(__file__).parents[1] / "pcaps"
SCRUBBED = [protocol for protocol in PROTOCOLS if protocol.scrub is not None]
GOOD, BAD = b"x9-Not-A-Secret", b"not-a-secret"


def disguised(password: bytes) -> bytes:
    """As TDS shows it, MS-TDS 2.2.6.4."""
    raw = password.decode().encode("utf-16-le")
    return bytes(((octet << 4 | octet >> 4) & 0xFF) ^ 0xA5 for octet in raw)


LOGINS = (  # capture, and a secret as it stands on the wire
    ("ftp/peers", GOOD),
    ("ftp/peers", BAD),
    ("ftp/peers", b"hmi@plant.example"),
    ("http/peers", base64.b64encode(b"service:" + BAD)),
    ("ldap/peers", GOOD),
    ("ldap/peers", BAD),
    ("tds/peers", disguised(GOOD)),
    ("tds/peers", disguised(BAD)),
    ("tds/peers", GOOD.decode().encode("utf-16-le")),
    ("mqtt/peers", b"not-a-secret"),
    ("ads/engineer", b"beckhoff\0"),
    ("fins/engineer", b"\xff\xff7733"),
    ("codesys/logins", bytes([6]) * 32),
    ("snmp/switch", b"plant-read-7"),
    ("bacnet/management", b"oops"),
    ("opcua/operator", b"hunter2-on-the-wire"),
    ("s7comm/engineer", bytes.fromhex("2120181c3d3a484f")),  # tulips, as it is folded
)


@pytest.mark.parametrize(("capture", "secret"), LOGINS, ids=lambda one: str(one)[:24])
def test_secrets_do_not_outlive_the_run(capture: str, secret: bytes, tmp_path: Path) -> None:
    """Cut right behind a secret no file of the store holds it; gone on with, nothing differs."""
    content = (OWN / f"{capture}.pcap").read_bytes()
    whole, parts = Bench(tmp_path).dump(content), records(content)
    shown = [at for at, part in enumerate(parts, 1) if secret in part]
    assert shown
    for at in shown:
        folder = tmp_path / f"at {at}"
        folder.mkdir()
        path, db = tmp_path / "cut.pcap", folder / "store.db"
        path.write_bytes(content[:24] + b"".join(parts[:at]))
        analyse([path], db)
        with closing(sqlite3.connect(db)) as reader:  # so that -wal stays
            reader.execute("SELECT COUNT(*) FROM state").fetchone()
            for _ in range(2):
                held = b"".join(one.read_bytes() for one in folder.iterdir())
                assert secret not in held
                assert secret.hex().encode() not in held
                path.write_bytes(content)
                found = analyse([path], db).dump
        assert not difference(whole, found)
        path.unlink()


@each_golden(SCRUBBED)
def test_without_secrets_all_says_the_same(golden: Golden) -> None:
    """Every golden request says without its secrets what it says with them."""
    assert golden.protocol.scrub is not None
    if golden.side == Side.RESPONSE:
        return
    unit = Reader(golden.data, framing=golden.framing, context=golden.context)
    try:
        other = golden.protocol.scrub(unit)
    except WireError:  # too short for a request with a secret
        return
    assert golden.read(other) == golden.read(golden.data)


@given(st.text("ab1\1\2\3", max_size=9), st.text("ab1\1\2\3", max_size=9))
def test_stand_ins_are_of_the_same_kind(account: str, password: str) -> None:
    """What stands for a password has its length and kind, and that of itself."""
    other = stand_in(account, password)
    assert len(other) == len(password)
    assert kind_of(account, other) == kind_of(account, password) in KINDS
    assert set(other) <= set("\1\2\3")


SETUP = bytes.fromhex("ff534d4273") + bytes(27)


def pcom(word: bytes) -> bytes:
    """A password for a controller of Unitronics, with both sums of its message."""
    head = b"/_OPLC" + bytes([0, 0xFE, 1, 0, 0, 0, 2]) + bytes(7) + struct.pack("<H", len(word))
    sums = (struct.pack("<H", -sum(part) % 0x10000) for part in (head, word))
    body = head + next(sums) + word + next(sums) + b"\\"
    return struct.pack("<HBBH", 1, 102, 0, len(body)) + body


UNITS = (  # protocol, a request and the secret in it
    ("ftp", b"ACCT " + GOOD + b"\r\n", GOOD),
    ("ftp", b"SITE PSWD old " + GOOD + b"\r\n", GOOD),
    ("http", b"GET http://me:" + GOOD + b"@plc/a?b=1 HTTP/1.1\r\nHost: plc\r\n\r\n", GOOD),
    ("http", b"GET /login?password=" + GOOD + b" HTTP/1.1\r\nHost: plc\r\n\r\n", GOOD),
    ("http", b"GET / HTTP/1.1\r\nCookie: session=" + GOOD + b"\r\n\r\n", GOOD),
    ("http", b"GET / HTTP/1.1\r\nAuthorization: Bearer " + GOOD + b"\r\n\r\n", GOOD),
    ("radius", bytes.fromhex("0107002c") + bytes(16) + b"\2\x12" + GOOD + b"?" + b"\4\6\1\2\3\4", GOOD),
    ("dnp3", bytes.fromhex("c40a000100 c01d 46025b01 1b00 0c000000 0c000f00 00000000") + GOOD, GOOD),
    (
        "smb",
        b"\0\0\0\x51" + SETUP + b"\x0d" + bytes(14) + b"\x0f\0\0\0" + bytes(8) + b"\x14\0"
        + GOOD + b"a\0b\0\0",
        GOOD,
    ),
    ("pcom", pcom(GOOD), GOOD),
    (
        "bacnet",
        bytes.fromhex("810a001e 0104 0275 01 14 0900 1d10 00") + GOOD,
        GOOD,
    ),
    (
        "s7comm",
        bytes.fromhex("32010000 0100 0021 0000 28 000000000000fd 000f") + GOOD + b"\7N_LOGIN",
        GOOD,
    ),
)  # fmt: skip


@pytest.mark.parametrize(("name", "unit", "secret"), UNITS, ids=lambda one: str(one)[:30])
def test_secrets_are_taken_out(name: str, unit: bytes, secret: bytes) -> None:
    """Of requests that wait nothing stays of what may be a secret, and they say the same."""
    protocol = next(one for one in SCRUBBED if one.name == name)
    assert secret in unit
    other = Cache(protocol, 8).alike(protocol.scrub, Reader(unit, framing=0))
    assert secret not in other
    said = [protocol.decode(Reader(one, framing=0), Side.REQUEST, None) for one in (unit, other)]
    assert said[0] == said[1]
