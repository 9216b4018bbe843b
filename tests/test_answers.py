"""More answers than requests are told, and never where the capture may lack what was asked."""

from pathlib import Path

import pytest
from conftest import ROOT
from engine_runs import Bench, analyse, cells, difference

ATTACKS = ROOT / "pcaps" / "attacks"
COUNTED = {"modbus_answers_injected": 6, "modbus_answers_late": 0, "modbus_answers_lost": 0}


@pytest.mark.parametrize(("name", "count"), COUNTED.items())
def test_answers_are_counted(name: str, count: int, tmp_path: Path) -> None:
    """Each answer that nobody asked for counts once, however the packets come in batches."""
    bench, path = Bench(tmp_path), ATTACKS / f"{name}.pcap"
    dump = analyse([path], bench.store()).dump
    told = [row for row in cells(dump, "sequence") if row["verdict"] == "unasked"]

    assert sum(row["count"] for row in told) == count
    for batch in (1, 7, 50):
        assert not difference(dump, analyse([path], bench.store(), batch=batch).dump)
