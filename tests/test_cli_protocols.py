"""`otsec protocols`: what the code knows of each protocol, beside what a store holds of it."""

import json
from pathlib import Path

import pytest
from conftest import ROOT
from engine_runs import analyse

from otsec.cli import main
from otsec.protocols import PROTOCOLS
from otsec.protocols.api import DEPTHS

BY_NAME = {protocol.name: protocol for protocol in PROTOCOLS}


def known(capsys: pytest.CaptureFixture[str], *words: str) -> list[str]:
    """The names that `otsec protocols --known` gives."""
    assert main(["protocols", "--known", "--json", *words]) == 0
    return [row["protocol"] for row in json.loads(capsys.readouterr().out)["rows"]]


def test_all_that_is_known(capsys: pytest.CaptureFixture[str]) -> None:
    """Each protocol is told with depth, places, operations, identity and standard, from its code."""
    assert main(["protocols", "--known", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["rows"]

    assert [row["protocol"] for row in rows] == [protocol.name for protocol in PROTOCOLS]
    for row in rows:
        protocol = BY_NAME[row["protocol"]]
        assert row["depth"] in DEPTHS
        assert row["known"] == len({one.name for one in protocol.operations}) > 0
        assert (row["standard"], row["title"]) == (protocol.standard, protocol.title)
        assert row["identity"] == list(protocol.identity)


def test_where_they_are() -> None:
    """Places are written as services are; what is on IP and on Ethernet keeps its numbers apart."""
    assert BY_NAME["modbus"].services == ("udp/502", "tcp/502")
    assert BY_NAME["goose"].services == ("0x88b8", "0x88b9")
    assert BY_NAME["bacnet"].services == ("udp/47808", "0x8282")
    assert [name for name, one in BY_NAME.items() if not one.services] == []


def test_chosen(capsys: pytest.CaptureFixture[str]) -> None:
    """Words and `proto:` choose among what is known; what only a store can tell is refused."""
    assert known(capsys, "proto:s7*") == ["s7comm"]
    assert known(capsys, "60870", "!proto:dnp3") == ["iec104"]
    assert "enip" not in known(capsys, "!proto:enip")
    for words in (["host:10.0.0.1"], ["--since", "2h"]):
        assert main(["protocols", "--known", *words]) == 2


def test_without_a_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where there is no store yet, what otsec can read is told; one that was named must be there."""
    monkeypatch.chdir(tmp_path)
    assert main(["protocols"]) == 0
    told = capsys.readouterr()
    assert "there is no otsec.db yet" in told.err
    assert "Modbus/TCP" in told.out
    assert main(["protocols", "--db", "other.db"]) == 5
    assert list(tmp_path.iterdir()) == []


def test_seen_and_known(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A protocol of a store is told with its depth, and with how many of its operations were seen."""
    db = tmp_path / "site.db"
    analyse([ROOT / "pcaps/modbus/normal_polling.pcap"], db)
    assert main(["protocols", "proto:modbus", "--db", str(db), "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)["rows"]

    assert (row["depth"], row["known"]) == ("full", len(BY_NAME["modbus"].operation_names))
    assert row["seen"] == len(row["operations"]) > 0
    assert row["standard"] == BY_NAME["modbus"].standard
    assert set(row["operations"]) <= set(BY_NAME["modbus"].operation_names)
