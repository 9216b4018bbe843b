"""Damaged captures: no prefix and no flipped bytes stop the engine; what came before counts."""

import random
from pathlib import Path

import pytest
from conftest import ROOT
from engine_runs import OWN, Bench, analyse, cells, records, said, total

LARGEST = 60_000  # bytes of a capture that is cut
LITTLE_ENDIAN = {b"\xd4\xc3\xb2\xa1", b"\x4d\x3c\xb2\xa1"}


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """A folder to run captures in."""
    return Bench(tmp_path_factory.mktemp("damage"))


def test_every_prefix(bench: Bench) -> None:
    """Any front part of a capture is read; it tells nothing that the whole one does not."""
    content = next(path for path in OWN if path.stem == "exceptions_and_silence").read_bytes()
    whole = bench.dump(content)
    sent = said(whole)
    path = bench.folder / "prefix.pcap"
    packets = 0
    for size in range(24, len(content), 31):
        path.write_bytes(content[:size])
        found = analyse([path], bench.store())
        outcome = found.outcomes[0]
        assert outcome.packets >= packets  # never fewer than in a shorter part
        packets = outcome.packets
        assert outcome.complete == (not outcome.problem)
        if outcome.problem:
            assert "ends inside a record" in outcome.problem
        for key, count in said(found.dump).items():
            if key[3] != "open":
                assert count <= sent[key], key
        assert not packets or total(found.dump, "frames", "station") == packets


@pytest.mark.parametrize("path", OWN, ids=lambda path: path.stem)
def test_flipped_bytes(bench: Bench, path: Path) -> None:
    """Bytes flipped anywhere never stop a run, and all packets are still counted once."""
    chance = random.Random(path.stem)
    target = bench.folder / f"{path.stem}.pcap"
    for _ in range(12):
        content = bytearray(path.read_bytes())
        for _ in range(chance.choice([1, 5, 60])):
            content[chance.randrange(24, len(content))] = chance.randrange(256)
        target.write_bytes(content)
        db = bench.store()
        found = analyse([target], db, batch=chance.choice([50, 65_536]))
        outcome = found.outcomes[0]
        assert outcome.complete or outcome.problem
        assert cells(found.dump, "clock")[0]["packets"] == outcome.packets
        assert analyse([target], db).dump == found.dump


@pytest.mark.parametrize("size", [54, 57])
def test_headers_alone(bench: Bench, size: int) -> None:
    """Captures of every protocol of which little more than the headers was kept are read whole."""
    for path in sorted((ROOT / "pcaps").glob("*/*.pcap")):
        content = path.read_bytes()
        if path.stat().st_size > LARGEST or content[:4] not in LITTLE_ENDIAN:
            continue
        cut = bytearray(content[:24])
        kept = records(content)
        for record in kept:
            length = min(len(record) - 16, size)
            cut += record[:8] + length.to_bytes(4, "little") + record[12 : 16 + length]
        short = bench.folder / "short.pcap"
        short.write_bytes(cut)
        (outcome,) = analyse([short], bench.store()).outcomes
        assert (outcome.packets, outcome.problem) == (len(kept), ""), path
