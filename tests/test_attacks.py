"""The captures of attacks: sound, written again alike, and each found for what it is."""

import sys
from pathlib import Path
from types import ModuleType

import pytest
from conftest import ROOT
from detect_rules import of_otsec
from wire_captures import tshark

from otsec.trials import found_by

ATTACKS = ROOT / "pcaps" / "attacks"
RULES = of_otsec().rules
FOUND: dict[str, dict[str, str]] = {  # of each capture the rules, with the first technique
    "addresses_asked": {"arp-sweep": "T0846"},
    "address_claimed": {"address-claimed": "T0830"},
    "broadcasts_poured": {"broadcast-storm": "T0814"},
    "busy_and_harmless": {},
    "connections_begun": {"syn-flood": "T0814"},
    "datagrams_poured": {"udp-flood": "T0814"},
    "hosts_pinged": {"ping-sweep": "T0846"},
    "bacnet_passwords": {"bacnet-passwords-guessed": "T0812", "bacnet-password-tried": "T0812"},
    "bacnet_properties": {},
    "bacnet_ranges_asked": {"bacnet-ranges": "T0846"},
    "certificate_expired": {"certificate-expired": ""},
    "cip_read_out": {"cip-reserved": "T0814", "cip-upload": "T0845"},
    "codesys_passwords": {"login-brute-force": "T0812", "default-password": "T0812"},
    "cosmicenergy": {"database-command": "T0807", "stations-commanded": "T0855"},
    "device_faults": {"device-fault": "", "device-state-changed": "", "enip-identity": "T0846"},
    "dnp3_reports_off": {"dnp3-restarted": "T0816", "unsolicited-off": "T0878"},
    "execute_without_select": {"execute-without-select": "T0855"},
    "dnp3_injected": {"dnp3-numbers": "T0856"},
    "dnp3_lost": {},
    "dnp3_retried": {"dnp3-restarted": "T0816"},
    "dnp3_segments": {"dnp3-numbers": "T0856"},
    "fins_settings": {
        "controller-file-deleted": "T0809", "fins-access-right": "T0816",
        "fins-parameters": "T0836",
    },
    "firmware_changed": {"version-changed": "T0857"},
    "frostygoop": {"changed-from-internet": "T0883", "internet-to-industrial": "T0883",
                   "frostygoop": "T0836"},
    "goose_bursts": {},
    "goose_lost": {"numbers-missing": ""},
    "goose_other_sender": {"goose-two-publishers": "T0856"},
    "goose_replay": {"goose-returned": "T0856"},
    "goose_restart": {},
    "goose_second_sender": {"goose-replayed": "T0856"},
    "connections_ended": {},
    "havex_sweep": {"havex-sweep": "T0846"},
    "iec104_acknowledged": {"iec104-acknowledgement": "T0856"},
    "iec104_injected": {"iec104-counter": "T0856"},
    "iec104_late": {"iec104-timers": ""},
    "iec104_lost": {},
    "industroyer2": {"industroyer2": "T0806", "points-iterated": "T0806"},
    "iocontrol": {
        "iocontrol": "T0869", "industrial-to-internet": "T0869", "mqtt-to-internet": "T0869",
        "dns-over-https": "T0869",
    },
    "machine_expert_search": {"machine-expert-search": "T0846"},
    "malformed": {"malformed-units": "T0814"},
    "modbus_answers_injected": {"answers-unasked": "T0856"},
    "modbus_answers_late": {},
    "modbus_answers_lost": {},
    "modbus_units_tried": {"modbus-units": "T0846"},
    "registers_polled": {},
    "registers_refused": {"many-failures": "T0813"},
    "doublepulsar": {
        "doublepulsar": "T0866", "doublepulsar-installed": "T0866", "smb1": "T0866",
    },
    "eternalblue": {"eternalblue": "T0866", "smb1": "T0866"},
    "ms08_067": {"ms08-067": "T0866"},
    "ms17_010_asked": {"ms17-010-asked": "T0866"},
    "smb1_harmless": {"smb1": "T0866"},
    "mirrored_four_times": {},
    "network_loop": {"network-loop": "T0814"},
    "old_tls": {"weak-tls": "T0866"},
    "opcua_servers_asked": {"opcua-sweep": "T0846"},
    "passwords_tried": {"login-brute-force": "T0812", "password-in-clear": "T0859"},
    "plc_worm": {"controller-loads-controller": "T0866", "s7-download": "T0843"},
    "profinet_second_sender": {"profinet-counter": "T0856"},
    "project_loaded": {"s7-download": "T0843"},
    "psexec": {"psexec": "T0867", "admin-share": "T0867"},
    "s7_racks_and_passwords": {
        "s7-racks-tried": "T0846", "s7-password-tried": "T0812", "s7-password": "T0859",
    },
    "share_to_share": {"smb-fan-out": "T0866"},
    "stations_behind_commanded": {"stations-behind-commanded": "T0855"},
    "stations_commanded": {"stations-commanded": "T0855", "industroyer2": "T0806"},
    "program_again": {"s7-download": "T0843"},
    "program_changed": {"s7-download": "T0843", "program-differs": "T0889"},
    "stuxnet_blocks": {"stuxnet": "T0843", "s7-download": "T0843"},
    "triton": {
        "triton": "T0880", "tristation-download": "T0843", "tristation-upload": "T0845",
    },
    "tristation_foreign": {"tristation-host": "T0886"},
    "tristation_watched": {},
    "tunnel_outward": {"vpn-outward": "T0822"},
    "two_servers_of_addresses": {"two-dhcp-servers": "T0830"},
    "umas_reserved": {"umas-reserved": "T0814"},
    "umas_serviced": {"umas-reserved-by-station": "T0814", "umas-upload": "T0845"},
    "umas_uploaded": {"umas-upload": "T0845"},
}  # fmt: skip


def _name(path: Path) -> str:
    return path.stem


every_capture = pytest.mark.parametrize("path", sorted(ATTACKS.glob("*.pcap")), ids=_name)


@every_capture
def test_found_for_what_it_is(path: Path) -> None:
    """Each attack is found by the rules that are meant for it, with their technique, by no other."""
    told = [one for made in found_by(path, RULES).values() for one in made]

    assert {one.name: "".join(one.techniques[:1]) for one in told} == FOUND[path.stem]


def test_steps_of_one_attack_are_one_incident() -> None:
    """What goes on from a host that was taken before belongs to what happened to it."""
    made = found_by(ATTACKS / "cosmicenergy.pcap", RULES)
    incidents = {one.incident for told in made.values() for one in told}

    assert len(incidents) == 1
    assert incidents != {""}


def test_nothing_malformed_but_what_is_meant_so() -> None:
    """To tshark all check sums are right, and malformed is only what is called so."""
    sums = (f"{name}.check_checksum:TRUE" for name in ("ip", "tcp", "udp"))
    options = [word for one in sums for word in ("-o", one)]
    wrong = "_ws.malformed || ip.checksum.status == 0 || tcp.checksum.status == 0"
    said = {
        path.stem: len(tshark(path, *options, "-Y", wrong, "-e", "frame.number"))
        for path in sorted(ATTACKS.glob("*.pcap"))
    }

    assert {name: count for name, count in said.items() if count} == {"malformed": 15}


@pytest.fixture(scope="module")
def generate() -> ModuleType:
    """The generator, where the packages of the others are."""
    for package in ("asyncua", "impacket", "dnp3", "pytds"):
        pytest.importorskip(package)
    sys.path.insert(0, str(ATTACKS))
    try:
        import generate
    finally:
        sys.path.remove(str(ATTACKS))
        sys.modules.pop("generate", None)
    return generate


def test_written_again_alike(generate: ModuleType, tmp_path: Path) -> None:
    """The scenes give the bytes that are kept, and there is one for each capture."""
    assert sorted(generate.SCENES) == sorted(path.stem for path in ATTACKS.glob("*.pcap"))
    for name, scene in generate.SCENES.items():
        tape = generate.Tape()
        scene(tape)
        tape.write(tmp_path / name)
        assert (tmp_path / name).read_bytes() == (ATTACKS / f"{name}.pcap").read_bytes(), name
