"""Evidence under pseudonyms: who is who cannot be read from it, all else can."""

import json
import re
import shutil
import struct
from binascii import crc_hqx
from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest
from conftest import ROOT
from engine_runs import CLIENT, SERVER, Tcp, Wire, analyse, write
from evidence_runs import by_tshark, evidence, store_of, two_peers
from hypothesis import given, settings
from hypothesis import strategies as st

from otsec.cli import main
from otsec.errors import Exit
from otsec.evidence import masking
from otsec.evidence.captures import Frame
from otsec.evidence.masking import Masked
from otsec.evidence.pseudonyms import Known, Pseudonyms, Sum, secret, words
from otsec.store import open_store
from otsec.store.references import packets_of

TSHARK = pytest.mark.skipif(shutil.which("tshark") is None, reason="needs tshark")
KEY = bytes(range(32))
NOBODY = Known((), frozenset(), frozenset(), frozenset())
IPV4 = st.integers(0, (1 << 32) - 1).map(lambda number: number.to_bytes(4, "big"))
RANGES = [
    ip_network(text)
    for text in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "100.64.0.0/10")
]


def pseudonyms(*names: str, ipv4: tuple[str, ...] = (), macs: tuple[str, ...] = ()) -> Pseudonyms:
    """Pseudonyms of what is known by name."""
    return Pseudonyms(
        KEY,
        Known(
            words(names),
            frozenset(ip_address(text).packed for text in ipv4),
            frozenset(),
            frozenset(bytes.fromhex(text.replace(":", "")) for text in macs),
        ),
    )


ONE = pseudonyms()


def common_bits(one: bytes, other: bytes) -> int:
    """How many leading bits two addresses share."""
    size = 8 * len(one)
    return size - (int.from_bytes(one, "big") ^ int.from_bytes(other, "big")).bit_length()


# ------------------------------------------------------------------------------- addresses


@settings(max_examples=80, deadline=None)
@given(IPV4, st.integers(0, 32), IPV4)
def test_networks_are_kept(one: bytes, shared: int, noise: bytes) -> None:
    """IPv4 addresses that share n bits share as many of their pseudonyms, up to the /24."""
    mask = ((1 << 32) - 1) >> shared
    other = (int.from_bytes(one, "big") & ~mask | int.from_bytes(noise, "big") & mask).to_bytes(
        4, "big"
    )
    names = ONE

    before = common_bits(one, other)
    after = common_bits(names.ipv4(one), names.ipv4(other))

    assert min(before, 24) == min(after, 24)
    assert (before == 32) == (after == 32)


@settings(max_examples=80, deadline=None)
@given(IPV4)
def test_ranges_are_kept(address: bytes) -> None:
    """A private address has a private pseudonym of the same range, a public one a public one."""
    before, after = ip_address(address), ip_address(ONE.ipv4(address))

    assert [before in net for net in RANGES] == [after in net for net in RANGES]
    assert before.is_multicast == after.is_multicast
    if before.is_multicast or before.is_loopback or address[0] in {0, 255}:
        assert before == after


def test_hosts_change_places() -> None:
    """In a /24 each host has one pseudonym, 0 and 255 stay, and the key decides."""
    one, other = Pseudonyms(KEY, NOBODY), Pseudonyms(bytes(32), NOBODY)
    net = [bytes([192, 168, 7, host]) for host in range(256)]

    mine = [one.ipv4(address) for address in net]

    assert len(set(mine)) == 256
    assert len({address[:3] for address in mine}) == 1
    assert [mine[0][3], mine[255][3]] == [0, 255]
    assert mine != [other.ipv4(address) for address in net]


def test_macs() -> None:
    """Of a MAC address the vendor stays, group addresses stay, and no two become one."""
    names = pseudonyms()
    macs = [bytes.fromhex("001b1b") + number.to_bytes(3, "big") for number in range(3000)]

    mine = {names.mac(mac) for mac in macs}

    assert len(mine) == len(macs)
    assert {mac[:3] for mac in mine} == {bytes.fromhex("001b1b")}
    for group in ("ffffffffffff", "01005e000001", "010ccd010001", "0180c200000e"):
        assert names.mac(bytes.fromhex(group)) == bytes.fromhex(group)


def test_ipv6_follows_macs() -> None:
    """An identifier made of a MAC, its solicited-node group and that group's MAC stay of a kind."""
    names = pseudonyms()
    mac = bytes.fromhex("001b1b232021")
    new = names.mac(mac)
    address = ip_address("fe80::21b:1bff:fe23:2021").packed

    assert names.ipv6(address) == address[:13] + new[3:]
    group = ip_address("ff02::1:ff23:2021").packed
    assert names.ipv6(group) == group[:13] + new[3:]
    assert names.mac(bytes.fromhex("3333ff232021")) == bytes.fromhex("3333ff") + new[3:]
    assert names.ipv6(ip_address("::1").packed) == ip_address("::1").packed


# ----------------------------------------------------------------------------------- names


def test_names() -> None:
    """A name keeps its length, capitals and signs, and is the same in any case and coding."""
    names = pseudonyms("plc-intake.works.local", "J. Smith", "SN12345678")
    masked = Masked(names)
    host = names.name("plc-intake")

    text = (
        b"PLC-INTAKE plc-intake.works.local "
        + "plc-intake".encode("utf-16-le")
        + b" J. Smith SN12345678"
    )
    new = masked.content(text)

    assert len(new) == len(text)
    assert re.fullmatch("[a-z]{3}-[a-z]{6}", host)
    assert host != "plc-intake"
    assert host.upper().encode() in new
    assert host.encode("utf-16-le") in new
    for name in (b"intake", b"works", b"Smith", b"SN123"):
        assert name.lower() not in new.lower()
    assert masked.content(b"network plcs interworks") == b"network plcs interworks"


@pytest.mark.parametrize("coding", ["utf-8", "utf-16-le"])
def test_names_of_other_letters(coding: str) -> None:
    """A name with letters that are not English is found, too; those letters stay."""
    masked = Masked(pseudonyms("Prüfstand-Süd"))

    new = masked.content("<Prüfstand-Süd>".encode(coding)).decode(coding)

    assert re.fullmatch("<[A-Z][a-z]ü[a-z]{6}-[A-Z]ü[a-z]>", new)
    assert "fstand" not in new


def test_words_about_packets() -> None:
    """What is said of packets hides the same: addresses wherever they stand, names, points."""
    names = pseudonyms("plc-intake", ipv4=("10.0.0.1",))
    names.labels = {"hall/1:eth0": "point-1"}
    mac, ip = "00:1b:1b:23:20:21", "10.0.0.1"
    new_mac, new_ip = names.address(mac), names.address(ip)

    told = names.text(f"fact:{ip}/hostname=PLC-Intake fact:{mac}/x {ip}, {mac}. hall/1:eth0:7 3.0")

    name = names.name("PLC-Intake")
    assert (
        told == f"fact:{new_ip}/hostname={name} fact:{new_mac}/x {new_ip}, {new_mac}. point-1:7 3.0"
    )


def test_netbios_names() -> None:
    """A name is found where NetBIOS writes each half octet as a letter."""
    masked = Masked(pseudonyms("HMI-NORTH"))

    def coded(name: str) -> bytes:
        octets = name.ljust(15).encode() + b"\0"
        return bytes(half + 65 for octet in octets for half in (octet >> 4, octet & 15))

    new = masked.content(b"\x20" + coded("HMI-NORTH") + b"\0")

    assert new == b"\x20" + coded(masked.names.name("HMI-NORTH")) + b"\0"


@pytest.mark.parametrize(
    ("sent", "secret_text"),
    [
        (b"PASS hunter2\r\n", b"hunter2"),
        (b"USER operator\r\n", b"operator"),
        (b"Authorization: Basic dXNlcjpwYXNz\r\n", b"dXNlcjpwYXNz"),
        (b"GET /?user=a&password=hunter2 HTTP/1.1", b"hunter2"),
        (bytes.fromhex("302602010104") + b"\x06secret" + b"\xa0\x19", b"secret"),
    ],
)
def test_credentials(sent: bytes, secret_text: bytes) -> None:
    """Passwords, users and communities that are sent in the clear are not in the evidence."""
    new = Masked(pseudonyms()).content(sent)

    assert len(new) == len(sent)
    assert secret_text not in new


def test_addresses_in_contents() -> None:
    """Addresses as text and as bytes, either way round, are replaced; a version number is not."""
    names = pseudonyms(ipv4=("10.20.1.21", "8.8.4.4"), macs=("00:1b:1b:23:20:21",))
    masked = Masked(names)
    raw = bytes([10, 20, 1, 21])
    new = names.ipv4(raw)

    assert masked.content(b"<" + raw + b">") == b"<" + new + b">"
    assert masked.content(b"<" + raw[::-1] + b">") == b"<" + new[::-1] + b">"
    told = masked.content(b"ip=10.20.1.21 v=4.2.1.0 mac=00:1B:1B:23:20:21 00-1b-1b-23-20-21")
    mac = names.mac(bytes.fromhex("001b1b232021"))
    assert b"10.20.1.21" not in told
    assert b"v=4.2.1.0" in told
    assert mac.hex(":").upper().encode() in told
    assert mac.hex("-").encode() in told
    # A length in front tells where the text ends, as in SNMP: the 0 is the next field's tag.
    assert masked.content(b"\x04\x0a10.20.1.210")[-1:] == b"0"


# ------------------------------------------------------------------------------ check sums


@settings(max_examples=200, deadline=None)
@given(st.binary(min_size=2, max_size=40), st.binary(min_size=2, max_size=40))
def test_sums_follow(before: bytes, after: bytes) -> None:
    """A right check sum stays right when bytes are replaced, a wrong one stays wrong."""
    size = min(len(before), len(after)) & ~1
    before, after = b"\1\1" + before[:size], b"\1\1" + after[:size]

    def right(data: bytes) -> int:
        total = sum(struct.unpack(f">{len(data) // 2}H", data))
        while total >> 16:
            total = (total & 0xFFFF) + (total >> 16)
        return 0xFFFF - total

    change = Sum()
    change.change(before, after)

    assert change.apply(right(before)) == right(after)
    if before != after:
        assert change.apply(right(before) ^ 1) != right(after)


def frame(data: bytes, link: int = 1) -> Frame:
    """A frame of nowhere."""
    return Frame(1, 0, 0, len(data), data, link, 1, 1)


@settings(max_examples=80, deadline=None)
@given(st.binary(max_size=120), st.sampled_from(sorted(masking.LINKS)))
def test_any_bytes(data: bytes, link: int) -> None:
    """Whatever a frame holds, masking it ends well and leaves its length."""
    ethernet = bytes(12) + b"\x08\0" + b"\x45" + data

    for one in (data, ethernet):
        (new,) = Masked(ONE).frames([frame(one, link)])
        assert len(new) == len(one)


def test_names_across_segments() -> None:
    """A name that is cut by a segment border, or by DNP3 check sums, is found."""
    wire = Wire()
    one = Tcp(wire, ends=(("10.0.0.1", 40_000), ("10.0.0.2", 8080)))
    one.say(CLIENT, b"hello plc-in")
    one.say(CLIENT, b"take bye")
    masked = Masked(pseudonyms("plc-intake"))

    new = masked.frames([frame(data) for _, data in wire.frames])

    whole = b"".join(data[54:] for data in new)
    assert whole == b"hello " + masked.names.name("plc-intake").encode() + b" bye"


def test_dnp3_sums() -> None:
    """User data of a DNP3 link frame is replaced across its blocks, and each block summed anew."""
    user = b"\xc0\xc1\x02name=plc-intake;rest of the block"
    head = b"\x05\x64" + bytes([5 + len(user), 0xC4, 1, 0, 2, 0])

    def framed(data: bytes) -> bytes:
        blocks = [data[at : at + 16] for at in range(0, len(data), 16)]
        return (
            head + masking._dnp3_check(head) + b"".join(b + masking._dnp3_check(b) for b in blocks)
        )

    masked = Masked(pseudonyms("plc-intake"))
    name = masked.names.name("plc-intake").encode()

    assert masked.content(framed(user)) == framed(user.replace(b"plc-intake", name))


def test_sbus_sum() -> None:
    """The check sum of an S-Bus telegram follows."""
    masked = Masked(pseudonyms("plc-intake"))

    def telegram(name: bytes) -> bytes:
        body = struct.pack(">I", 4 + 5 + len(name) + 2) + b"\0\0\0\1\1" + name
        return body + crc_hqx(body, 0).to_bytes(2, "big")

    new = masked.content(telegram(b"plc-intake"))

    assert new == telegram(masked.names.name("plc-intake").encode())


# ---------------------------------------------------------------------------------- as used


def test_nothing_tells(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Neither file has an address, the point, the path, or the key; the key is the owner's alone."""
    db = store_of(tmp_path, two_peers().bytes(), point="intake")
    out = tmp_path / "a.pcapng"

    manifest = evidence(db, out, "--pseudonymise", "intake:68")

    key = (tmp_path / "test.db.pseudonyms.key").read_bytes()
    assert (tmp_path / "test.db.pseudonyms.key").stat().st_mode & 0o777 == 0o600
    written = out.read_bytes() + json.dumps(manifest).encode()
    for secret_bytes in (
        *(b"10.0.0.", b"intake", str(tmp_path).encode(), key, key.hex().encode()),
        *(bytes([10, 0, 0, host]) for host in (2, 9)),
    ):
        assert secret_bytes not in written
    assert manifest["pseudonymised"]["replaced"]["IPv4"] == 2 * len(manifest["packets"])
    assert "10.0.0." not in capsys.readouterr().out


def test_same_key_same_names(tmp_path: Path) -> None:
    """With one key two files agree on who is who; with another they do not."""
    db = store_of(tmp_path, two_peers().bytes())
    digests = []
    for name, key in (("a", "one.key"), ("b", "one.key"), ("c", "two.key")):
        words = ("--pseudonymise", "--key", tmp_path / key, "tap:68")
        digests.append(evidence(db, tmp_path / name, *words)["sha256"])

    assert digests[0] == digests[1] != digests[2]


def test_key_must_be_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file that is no key is not taken for one, nor is a key made for nothing."""
    db = store_of(tmp_path, two_peers().bytes())
    (tmp_path / "no.key").write_text("password")
    command = ["evidence", "--db", str(db), "-w", str(tmp_path / "a"), "tap:1", "--key"]

    assert main([*command, str(tmp_path / "no.key"), "--pseudonymise"]) == Exit.USAGE
    assert "is no key of pseudonyms" in capsys.readouterr().err
    assert main([*command, str(tmp_path / "new.key")]) == Exit.USAGE
    assert "only --pseudonymise needs it" in capsys.readouterr().err
    key, fresh = secret(tmp_path / "new.key")
    assert (len(key), fresh) == (32, True)
    assert secret(tmp_path / "new.key") == (key, False)


def test_unknown_link_types(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Frames in which otsec cannot find addresses are not written as if they had none."""
    path = ROOT / "pcaps" / "health" / "can_bus.pcap"
    analyse([path], tmp_path / "test.db", point="tap")
    command = ["evidence", "--db", tmp_path / "test.db", "-w", tmp_path / "a", "tap:0"]

    assert main([*map(str, command), "--pseudonymise"]) == Exit.USAGE
    assert "cannot be pseudonymised" in capsys.readouterr().err
    assert not (tmp_path / "a").exists()


CAPTURES = (
    *("modbus/plain.pcap", "s7comm", "enip/tags.pcap", "dnp3/substation.pcap", "dhcp/leases.pcap"),
    *("cdp/switch.pcap", "lldp/neighbours.pcap", "nbns", "dns/names.pcap", "snmp", "opcua"),
    *("plant/ten_minutes.pcap", "profinet", "goose/bay_trip.pcap", "bacnet/routed_networks.pcap"),
)


@TSHARK
@pytest.mark.parametrize("name", CAPTURES)
def test_tshark_finds_no_more_wrong(tmp_path: Path, name: str) -> None:
    """Under pseudonyms tshark reads the same protocols and complains of nothing new."""
    place = ROOT / "pcaps" / name
    path = next(iter(sorted(place.glob("*.pcap")))) if place.is_dir() else place
    if not path.exists():
        path = next(iter(sorted(path.parent.glob("*.pcap"))))
    analyse([path], tmp_path / "test.db", point="tap")
    (tmp_path / "test.db.pseudonyms.key").write_bytes(KEY)
    plain = evidence(tmp_path / "test.db", tmp_path / "a", "--around", "20", "tap:0", "tap:5")
    masked = evidence(
        tmp_path / "test.db", tmp_path / "b", "--around", "20", "--pseudonymise", "tap:0", "tap:5"
    )

    columns = ("frame.len", "frame.protocols", "_ws.expert.message", "tcp.checksum.status")

    def read(file: str) -> list[list[str]]:
        rows = by_tshark(tmp_path / file, *columns)
        return [[*row[:2], _troubles(row[2]), row[3]] for row in rows]

    assert len(masked["packets"]) == len(plain["packets"])
    assert any(one["changed"] for one in masked["packets"])
    assert read("b") == read("a")


REAL = (  # each broke the pseudonyms once, but for the first
    *("dnp3/zeek__dnp3_file_read.pcap", "bacnet/zeek__q-in-q.pcap"),
    *("enip-cip/iti__EIP-SoftwareUploadFailure.pcap", "hart-ip/icsnpp-hart-ip__hart-ip.pcapng"),
    *("modbus/zeek__modbus-and-non-modbus-p502.pcap", "snmp/zeek__leak_test.pcapng"),
    "sbus/ct-samples__SBus-Ethernet.pcap",
)


@TSHARK
@pytest.mark.parametrize("name", REAL)
def test_real_captures_under_pseudonyms(tmp_path: Path, captures: Path, name: str) -> None:
    """In real captures tshark complains of nothing that it did not complain of before."""
    analyse([captures / name], tmp_path / "test.db", point="tap")
    with open_store(tmp_path / "test.db", readonly=True) as store:
        count = packets_of(store, 1)
    ids = [f"tap:{ordinal}" for ordinal in range(0, count, max(count // 200, 1))]
    (tmp_path / "test.db.pseudonyms.key").write_bytes(KEY)  # what fails once fails again
    for out, options in (("a", []), ("b", ["--pseudonymise"])):
        evidence(tmp_path / "test.db", tmp_path / out, *options, *ids)

    columns = ("frame.len", "frame.protocols", "_ws.expert.message")
    rows = {out: by_tshark(tmp_path / out, *columns) for out in ("a", "b")}

    one, other = ([[*row[:2], _troubles(row[2])] for row in rows[out]] for out in ("a", "b"))
    assert one == other


def _troubles(text: str) -> str:
    """What tshark complains of, without the comments, which it lists too, and without numbers."""
    found = re.findall(r"Bad checksum|Malformed Packet|BER Error|Unreassembled", text)
    return " ".join(sorted(found))


def test_wrong_sums_stay_wrong() -> None:
    """A frame whose check sums were wrong is not made to look right."""
    wire = Wire()
    one = Tcp(wire)
    one.open()
    one.say(CLIENT, write(1, 1, 2, 3))
    one.say(SERVER, write(1, 1, 2, 3))
    data = [bytearray(data) for _, data in wire.frames]
    data[3][50:52] = b"\x12\x34"

    new = Masked(pseudonyms()).frames([frame(bytes(data[3]))])[0]

    assert new[50:52] != bytes(2)
    assert _tcp_sum(bytes(data[3])) == _tcp_sum(new) != 0xFFFF


def _tcp_sum(data: bytes) -> int:
    """The sum over pseudo-header and segment; 0xFFFF where the check sum is right."""
    segment = data[34:] + bytes(len(data) % 2)
    words = data[26:34] + struct.pack(">HH", 6, len(data) - 34) + segment
    return sum(struct.unpack(f">{len(words) // 2}H", words)) % 0xFFFF or 0xFFFF
