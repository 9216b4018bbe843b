"""What a mirror spoils, once learning has ended, is nothing that deviates from what was learned."""

import shutil
from pathlib import Path

import pytest
from conftest import ROOT
from detect_rules import of_otsec
from engine_runs import analyse, records
from spoiled import SPOILED, later, unit_of

from otsec.baseline.barred import OWN
from otsec.baseline.deviations import judge
from otsec.baseline.learning import end_everywhere, learn
from otsec.store import open_store

RULES = of_otsec().rules
CAPTURES = (
    *("plant/ten_minutes", "s7comm/engineer", "dnp3/bench", "enip/all_services"),
    *("bacnet/management", "profinet/commissioning", "iec104/c104", "modbus/all_functions"),
)
Names = set[tuple[str, ...]]


def told(known: Path, path: Path) -> Names:
    """What a capture shows behind the one that was learned."""
    db = path.with_suffix(".db")
    shutil.copy(known, db)
    analyse([path], db)
    with open_store(db) as store:
        found = [one for one in judge(store, RULES) if one.category == OWN]
        return {(one.name, one.client, one.server, one.service, one.device) for one in found}


@pytest.fixture(scope="module", params=CAPTURES)
def whole(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[bytes, Path, Names]:
    """A capture, a store that has learned it, and what it shows a second time."""
    content = (ROOT / "pcaps" / f"{request.param}.pcap").read_bytes()
    folder = tmp_path_factory.mktemp("whole")
    path, known, again = (folder / name for name in ("tap.pcap", "known", "again.pcap"))
    path.write_bytes(content)
    analyse([path], known)
    with open_store(known) as store:
        learn(store, 1)
        end_everywhere(store)
    again.write_bytes(content[:24] + b"".join(later(records(content), unit_of(content))))
    return content, known, told(known, again)


@pytest.mark.parametrize("way", SPOILED)
def test_a_spoiled_mirror_is_no_deviation(
    whole: tuple[bytes, Path, Names], way: str, tmp_path: Path
) -> None:
    """What was learned comes again and tells no more when frames are lost, come twice or late."""
    content, known, expected = whole
    unit = unit_of(content)
    other = tmp_path / "tap.pcap"
    spoiled = SPOILED[way](later(records(content), unit), unit)
    other.write_bytes(content[:24] + b"".join(spoiled))

    assert told(known, other) <= expected
