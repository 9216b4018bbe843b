"""No industrial protocol takes another's traffic for its own, over all real captures at hand."""

import pytest

from otsec.protocols import industrial

FOLDERS = {  # the folder of captures of each industrial protocol; of some there is none
    "ads": "beckhoff-ads",
    "bacnet": "bacnet",
    "codesys": "codesys",
    "dnp3": "dnp3",
    "enip": "enip-cip",
    "fins": "omron-fins",
    "goose": "goose",
    "iec104": "iec104",
    "modbus": "modbus",
    "mqtt": "mqtt",
    "opcua": "opcua",
    "pcom": "pcom",
    "profinet": "profinet",
    "s7comm": "s7comm",
    "siprotec": "siprotec",
    "tristation": "tristation",
}
TRUE = {  # what is there besides, by the eye and tshark
    "coap/nDPI__coap_mqtt.pcap": {"mqtt"},  # on port 17501
    "profinet/iti__Profinet_Failed.pcap": {"s7comm"},  # its controllers connect, TSAP 0x0202
    "s7comm-plus/icsnpp-s7comm__s7comm_plus.pcap": {"s7comm"},  # told as `s7comm_plus`, opaque
}


@pytest.mark.slow
def test_each_claims_its_own(claimed: dict[str, set[str]]) -> None:
    """An industrial protocol is found in the captures of its folder, and nowhere else."""
    wrong = {
        name: others
        for name, protocols in claimed.items()
        if (
            others := {
                one for one in protocols if FOLDERS.get(one, "") not in ("", name.split("/")[0])
            }
            - TRUE.get(name, set())
        )
    }
    assert not wrong


LEAST = {  # captures; the others hold only what is not decoded, or no unit that is whole
    "ads": 5,
    "bacnet": 9,
    "codesys": 0,
    "dnp3": 51,
    "enip": 19,
    "fins": 4,
    "goose": 12,
    "iec104": 3,
    "modbus": 14,
    "mqtt": 6,
    "opcua": 28,
    "pcom": 0,
    "profinet": 6,
    "s7comm": 19,
    "siprotec": 0,
    "tristation": 0,
}


@pytest.mark.slow
@pytest.mark.parametrize("protocol", sorted(FOLDERS))
def test_its_own_are_found(protocol: str, claimed: dict[str, set[str]]) -> None:
    """A protocol is found in the captures of its folder, in no fewer than before."""
    mine = [found for name, found in claimed.items() if name.startswith(f"{FOLDERS[protocol]}/")]
    assert sum(protocol in found for found in mine) >= LEAST[protocol]


def test_every_industrial_protocol_is_here() -> None:
    """Each industrial protocol that is decoded has a folder here."""
    assert set(industrial()) == set(FOLDERS)
