"""TLS, HTTP, SSH, SMB, RDP and VNC: what is read of captures is what tshark reads."""

from collections import Counter
from pathlib import Path

import pytest
from engine_runs import Bench, cells, said
from wire_captures import tshark

from otsec.protocols.der import read_certificate

OWN = Path(__file__).parents[1] / "pcaps"
SHARED = {
    "tls": ("modbus/zeek__modbus-and-non-modbus-p502.pcap",),
    "http": ("mqtt/suricata-verify__mqtt-events-missing-connect-input.pcap",),
    "ssh": ("labelled-switched-network/westermo-2023-right-tap-reduced.pcap",),
    "smb": ("goose/iti__Sample_File_MMS_and_GOOSE.pcap",),
    "rdp": (),
    "vnc": (),
}
FIELDS = {  # of tshark, and the attribute that has its values
    "tls": {
        "tls.handshake.ja3": "tls_ja3",
        "tls.handshake.ja3s": "tls_ja3s",
        "tls.handshake.extensions_server_name": "hostname",
    },
    "http": {"http.server": "application", "http.user_agent": "application"},
    "ssh": {
        "ssh.kex.hassh": "ssh_hassh",
        "ssh.kex.hasshserver": "ssh_hassh_server",
    },
    "smb": {
        "ntlmssp.challenge.target_info.nb_computer_name": "netbios_name",
        "ntlmssp.challenge.target_info.nb_domain_name": "netbios_domain",
        "ntlmssp.challenge.target_info.dns_computer_name": "hostname",
        "ntlmssp.challenge.target_info.dns_domain_name": "domain",
        "ntlmssp.auth.hostname": "netbios_name",
        "smb.native_os": "os",
        "smb.native_lanman": "application",
    },
    "rdp": {"rdp.client.name": "hostname", "rdp.client.build": "os_build"},
    "vnc": {"vnc.desktop_name": "name"},
}
EMPTY = {"", "NULL"}  # what tshark shows of a name that is not there


def paths(name: str, captures: Path) -> list[Path]:
    """Captures of others and our own."""
    return [*(captures / one for one in SHARED[name]), *sorted((OWN / name).glob("*.pcap"))]


@pytest.mark.parametrize("name", FIELDS)
def test_identities(name: str, captures: Path, tmp_path: Path) -> None:
    """Every value that tshark reads of those by which both sides are known is among our facts."""
    bench = Bench(tmp_path)
    ports = ("-d", "tcp.port==64000,http") if name == "http" else ()
    for path in paths(name, captures):
        if path.suffix != ".pcap":
            continue
        facts = cells(bench.dump(path.read_bytes()), "fact")
        mine: dict[str, set[str]] = {}
        for row in facts:
            if row["protocol"] == name:
                mine.setdefault(row["attribute"], set()).add(str(row["value"]))
        wanted = [word for field in FIELDS[name] for word in ("-e", field)]
        rows = tshark(path, *ports, "-Y", " or ".join(FIELDS[name]), *wanted, "-E", "aggregator=|")
        for column, (field, attribute) in enumerate(FIELDS[name].items()):
            theirs = {word.strip() for row in rows for word in row[column].split("|")} - EMPTY
            assert theirs <= mine.get(attribute, set()), (path.name, field)


def test_messages_of_tls(tmp_path: Path) -> None:
    """As many handshake messages in the clear, by type, as tshark counts."""
    path = OWN / "tls" / "peers.pcap"
    found = said(Bench(tmp_path).dump(path.read_bytes()))
    mine: Counter[str] = Counter()
    for (_, operation, _, _), count in found.items():
        mine[operation] += count
    rows = tshark(path, "-Y", "tls.handshake.type", "-e", "tls.handshake.type")
    theirs = Counter(word for row in rows for word in row[0].split(","))
    names = {"1": "client_hello", "11": "certificate", "12": "server_key_exchange",
             "14": "server_hello_done", "16": "client_key_exchange"}  # fmt: skip
    assert {name: mine[name] for name in names.values()} == {
        name: theirs[code] for code, name in names.items()
    }
    assert mine["server_hello"] + mine["hello_retry_request"] == theirs["2"]


def test_messages_of_ssh(captures: Path, tmp_path: Path) -> None:
    """As many identifications and packets in the clear, by code, as tshark counts."""
    path = captures / SHARED["ssh"][0]
    found = said(Bench(tmp_path).dump(path.read_bytes()))
    mine: Counter[str] = Counter()
    for (_, operation, _, _), count in found.items():
        mine[operation] += count
    rows = tshark(path, "-Y", "ssh", "-e", "ssh.protocol", "-e", "ssh.message_code")
    theirs = Counter(code for row in rows for code in row[1].split(",") if code)
    assert mine["identification"] == sum(bool(row[0]) for row in rows)
    assert mine["kexinit"] == theirs["20"]
    assert mine["kex_init"] == theirs["30"]
    assert mine["kex_reply"] == theirs["31"]
    assert mine["newkeys"] == theirs["21"]


def test_no_secret_is_stored(tmp_path: Path) -> None:
    """Credentials are recognised and not kept; of HTTP the account is, not of an RDP cookie."""
    for path, word, accounts in (
        (OWN / "http/peers.pcap", "credentials", {"account"}),
        (OWN / "rdp/by_hand.pcap", "cookie", set()),
    ):
        text = "\n".join(Bench(tmp_path).dump(path.read_bytes()))
        assert word in text
        assert "not-a-secret" not in text
        assert "c2VydmljZT" not in text  # `service:` in base 64
        facts = cells(text.splitlines(), "fact")
        assert {row["attribute"] for row in facts if row["value"] == "service"} == accounts


def test_certificates_are_no_certainty() -> None:
    """What is no certificate says nothing."""
    assert not read_certificate(b"\x30\x82\xff\xff").subject
