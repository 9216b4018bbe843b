"""What a mirror spoils adds no finding, and loses none whose packets are still there."""

from collections.abc import Iterable
from pathlib import Path
from typing import TypeAlias

import pytest
from conftest import ROOT
from detect_rules import of_otsec
from engine_runs import records
from spoiled import KEEPS_ALL, LOSES, ONE_SIDED, SPOILED, unit_of
from store_rows import new

from otsec.baseline.deviations import judge
from otsec.detect.judging import found_in
from otsec.trials import read

CAPTURES = (
    *("plant/ten_minutes", "s7comm/engineer", "dnp3/bench", "enip/all_services"),
    *("bacnet/management", "profinet/commissioning", "iec104/c104", "modbus/all_functions"),
)
ATTACKS = sorted(f"attacks/{path.stem}" for path in (ROOT / "pcaps" / "attacks").glob("*.pcap"))
REAL = (  # of the shared captures: each lost or won a finding once
    *("dnp3/iti__8.9.2.2-dump", "mqtt/suricata-verify__mqtt-limit-2-input"),
    *("mqtt/suricata-verify__mqtt-events-missing-connect-input", "modbus/zeek__fuzz-72"),
    *("mqtt/suricata-verify__mqtt311-pub-qos1-input", "modbus/zeek__fuzz-1011"),
    *("mqtt/suricata-verify__mqtt31-unsub-qos2-input", "opcua/icsnpp-opcua-binary__opcua_with-gap"),
    "opcua/icsnpp-opcua-binary__open62541_browse_request_with_results",
    "opcua/icsnpp-opcua-binary__open62541_read_service_test_data_with_history",
    "opcua/icsnpp-opcua-binary__open62541_client-server_mainloop-not-localhost-non-standard-port",
    "modbus/zeek__4SICS-GeekLounge-151022-min",
    "enip-cip/Quickdraw-Suricata__CL5000EIP-Reboot_or_Restart",
    *("dnp3/zeek__dnp3_read", "dnp3/iti__read_and_response"),
)
RULES = of_otsec().rules
IN_ORDER = {
    rule.name
    for rule in RULES
    if rule.correlation is not None and rule.correlation.kind == "temporal_ordered"
}


Name: TypeAlias = tuple[str, ...]
Numbers: TypeAlias = frozenset[int]  # of packets; -1: one that the capture never had
# needs more than the packets that show it: selections in front of it, and that none is missing
STATE_CHECKS = {"execute-without-select"}
ALONE = {  # rules that one request is enough for
    rule.name
    for rule in RULES
    if rule.correlation is None and rule.category in {"operation", "session"}
} - STATE_CHECKS
ASKED = {"", "ok", "open", "unanswered", "unknown"}  # other outcomes are told by the answer


def _found(path: Path) -> dict[Name, Numbers]:
    """What rules find in a capture, with the packets of each finding."""
    found: dict[Name, Numbers] = {}
    with new(path.with_suffix(".db")) as store:
        read(store, [path])
        for one, packets in found_in(store, RULES):
            name = (one.name, one.client, one.server, one.service, one.device)
            numbers = {packet.packet for packet in packets}
            if not ASKED.issuperset(one.outcomes):
                numbers.add(-1)
            found[name] = found.get(name, frozenset()) | numbers
    return found


@pytest.fixture(scope="module", params=[*CAPTURES, *ATTACKS, *REAL])
def whole(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[bytes, dict[Name, Numbers]]:
    """A capture and what rules find in it."""
    real = request.param in REAL
    folder = request.getfixturevalue("captures") if real else ROOT / "pcaps"
    content = (folder / f"{request.param}.pcap").read_bytes()
    path = tmp_path_factory.mktemp("whole") / "tap.pcap"
    path.write_bytes(content)
    return content, _found(path)


@pytest.mark.parametrize("way", [*SPOILED])
def test_a_spoiled_mirror(
    whole: tuple[bytes, dict[Name, Numbers]], way: str, tmp_path: Path
) -> None:
    """No finding is new, and none is lost whose packets are still there.

    What needs an order is not told across a clock step. What was counted or followed needs more
    than the packets that are kept with it, so it may be lost with any packet; a request that is
    there is told with or without its answer.
    """
    content, expected = whole
    parts = records(content)
    spoiled = SPOILED[way](parts, unit_of(content))
    other = tmp_path / "tap.pcap"
    other.write_bytes(content[:24] + b"".join(spoiled))
    found = _found(other)

    def of(names: Iterable[Name]) -> set[Name]:
        """The device behind an address may be told by the other side alone, as by Forward Open."""
        return {one[:-1] if way in ONE_SIDED else one for one in names}

    assert of(found) - of(expected) == set()
    left = {id(part) for part in spoiled}
    there = {number for number, part in enumerate(parts) if id(part) in left}
    if way in LOSES:
        kept = {one for one in expected if one[0] in ALONE and expected[one] <= there}
    elif way == "a clock step":
        kept = {one for one in expected if one[0] not in IN_ORDER}
    else:
        kept = set(expected)
    assert of(found) >= of(kept)


def test_disorder_of_a_real_mirror(captures: Path, tmp_path: Path) -> None:
    """5 ms of disorder change nothing of what rules and outages tell of a network of copies."""
    name = "labelled-switched-network/westermo-2023-right-tap-reduced.pcap"
    content = (captures / name).read_bytes()
    parts, told = records(content), []
    disorder = KEEPS_ALL["5 ms of disorder"](parts, unit_of(content))
    for number, some in enumerate((parts, disorder)):
        path = tmp_path / str(number) / "tap.pcap"
        path.parent.mkdir()
        path.write_bytes(content[:24] + b"".join(some))
        with new(path.with_suffix(".db")) as store:
            read(store, [path])
            found = judge(store, RULES)
        told.append(sorted((one.rule, one.client, one.server, one.service) for one in found))

    assert told[0] == told[1]
    assert len(told[0]) > 20


@pytest.mark.parametrize("way", [*KEEPS_ALL])
def test_segments_in_datagrams(captures: Path, way: str, tmp_path: Path) -> None:
    """A restart that DNP3 over UDP tells in nine segments is told whatever order they come in."""
    content = (captures / "dnp3" / "zeek__dnp3_udp_read.pcap").read_bytes()
    path = tmp_path / "tap.pcap"
    parts = KEEPS_ALL[way](records(content), unit_of(content))
    path.write_bytes(content[:24] + b"".join(parts))

    assert [name for name, *_ in _found(path)] == ["dnp3-restarted"]
