"""`otsec selftest`: the attack of each rule on this site's devices, through the real pipeline."""

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT, PlantStore
from detect_rules import of_otsec
from inventory_stores import new_store, tap

from otsec.cli import main
from otsec.errors import Exit
from otsec.evidence.captures import Frame
from otsec.selftest.readdress import can_be_tagged, frames, tagged, write
from otsec.store import open_store
from otsec.store.acts import Act, FindingAct, every_act, record
from otsec.store.queries import sources

ENGINEER = ROOT / "pcaps" / "s7comm" / "engineer.pcap"
EWS, PLC = "10.20.1.15", "10.20.1.21"  # of the plant: who loads programs, and an S7 controller
TSHARK = pytest.mark.skipif(shutil.which("tshark") is None, reason="needs tshark")
OWN = """\
title: Mine
id: 00000000-0000-4000-8000-00000000000{number}
logsource: {{product: otsec, category: operation}}
detection:
  stop: {{protocol: s7comm, operation: plc_stop}}
  known: {{{known}}}
  condition: stop and not known
level: high
otsec:
  seen: "{{client}} stopped {{server}}"
  next: Ask.
  tests: {{fires: [s7comm/engineer.pcap]}}
"""

Test = Callable[..., tuple[int, dict[str, dict[str, Any]]]]


@pytest.fixture(scope="module")
def plant(tmp_path_factory: pytest.TempPathFactory, plant_store: PlantStore) -> Path:
    """A store of the demo plant."""
    return plant_store(tmp_path_factory.mktemp("plant") / "plant.db", "--site", "works")


@pytest.fixture
def db(plant: Path, tmp_path: Path) -> Path:
    """A copy of the plant's store."""
    copy = tmp_path / "plant.db"
    assert main(["db", "backup", str(copy), "-q", "--db", str(plant)]) == Exit.FINE
    return copy


@pytest.fixture
def selftest(capsys: pytest.CaptureFixture[str]) -> Test:
    """Runs the command; its exit code, and its rows by the rule's name."""

    def run(db: Path, *words: str) -> tuple[int, dict[str, dict[str, Any]]]:
        capsys.readouterr()
        code = main(["selftest", "-q", "--json", "--by", "ann", "--db", str(db), *words])
        rows = json.loads(capsys.readouterr().out)["rows"]
        return code, {row["rule"]: row for row in rows}

    return run


def one(rule: str) -> tuple[str, ...]:
    """The arguments that test one rule and leave no record."""
    return "--rule", rule, "--no-record"


# ------------------------------------------------------------------------------ what comes of it


def test_every_attack_that_is_here_fires_on_the_plant(plant: Path, selftest: Test) -> None:
    """All rules whose captures come with otsec fire at a plant's addresses; the others say why not."""
    code, rows = selftest(plant, "--no-record")
    rules = of_otsec().rules
    here = {
        rule.name
        for rule in rules
        if not rule.cannot and any((ROOT / "pcaps" / one.capture).exists() for one in rule.fires)
    }
    assert code == Exit.FINE
    assert {*rows} == {rule.name for rule in rules}
    assert {name for name, row in rows.items() if row["result"] == "fired"} == here
    assert all(row["why"] for row in rows.values() if row["result"] != "fired")
    cannot = {rule.name for rule in rules if rule.cannot}
    assert {name for name, row in rows.items() if row["result"] == "cannot fire"} == cannot


def test_stand_ins_speak_the_protocol_and_play_the_role(plant: Path, selftest: Test) -> None:
    """The engineering workstation attacks the controllers of each protocol, as they are named here."""
    _, rows = selftest(plant, "--no-record", "--rule", "s7-plc-stop", "--rule", "dnp3-application")
    assert rows["s7-plc-stop"]["client"] == f"{EWS} (EWS-1)"
    assert rows["s7-plc-stop"]["server"] == f"{PLC} (INTAKE STATION)"
    assert rows["dnp3-application"]["server"] == "10.20.1.24 (rtu-reservoir)"
    assert PLC in rows["s7-plc-stop"]["seen"]
    _, rows = selftest(plant, *one("fins-mode"))
    assert rows["fins-mode"]["why"] == "nobody here was seen to answer fins"


def test_a_decision_suppresses_and_is_named(db: Path, selftest: Test) -> None:
    """What somebody accepted at this site is suppressed, with who and why, and the exit code tells."""
    _, rows = selftest(db, *one("s7-upload"))
    finding = rows["s7-upload"]["finding"]
    _decide(db, "accept", finding)
    code, rows = selftest(db, *one("s7-upload"))
    assert (code, rows["s7-upload"]["result"]) == (Exit.FINDINGS, "suppressed")
    assert rows["s7-upload"]["why"] == "accepted by Anna: backup tool"
    _decide(db, "resolve", finding)
    code, rows = selftest(db, *one("s7-upload"))
    assert (code, rows["s7-upload"]["result"]) == (Exit.FINE, "fired")  # it goes on: opens again


def _decide(db: Path, kind: FindingAct, finding: str) -> None:
    """Somebody decides of a finding of the last day of the capture."""
    with open_store(db) as store:
        end = max(one.last_time for one in sources(store))
        said = ("Anna", kind, "", "", "new", "", "backup tool")
        record(store, [Act(0, 1, *said, finding=finding, seen_until=end)])


def test_what_is_known_of_a_device_suppresses_and_is_named(
    db: Path, selftest: Test, tmp_path: Path
) -> None:
    """An exception of a rule for a role holds at this site, and what is known there is told."""
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "mine.yml").write_text(OWN.format(number=1, known="client_role: jump_host"), "utf-8")
    rules = ("--rules", str(folder))
    code, rows = selftest(db, *one("mine"), *rules)
    assert (code, rows["mine"]["result"]) == (Exit.FINE, "fired")
    assert main(["asset", "set", EWS, "role=jump_host", "-q", "--db", str(db)]) == Exit.FINE
    code, rows = selftest(db, *one("mine"), *rules)
    # Nobody here programs controllers now but the laptop, and it is no jump host.
    assert rows["mine"]["client"].startswith("10.20.1.")
    assert main(["asset", "set", "10.20.1.199", "role=jump_host", "-q", "--db", str(db)]) == 0
    for address in ("10.20.1.11", "10.20.1.12", "10.20.1.13"):
        assert main(["asset", "set", address, "role=jump_host", "-q", "--db", str(db)]) == 0
    code, rows = selftest(db, *one("mine"), *rules)
    assert (code, rows["mine"]["result"]) == (Exit.FINDINGS, "suppressed")
    assert "role jump_host" in rows["mine"]["why"]


def test_an_exception_for_addresses_is_silent(db: Path, selftest: Test, tmp_path: Path) -> None:
    """A rule that leaves out the network of the site does not cover it, and the exit code tells."""
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "mine.yml").write_text(OWN.format(number=1, known="client|cidr: 10.20.0.0/16"))
    code, rows = selftest(db, *one("mine"), "--rules", str(folder))
    assert (code, rows["mine"]["result"]) == (Exit.FINDINGS, "silent")
    assert "not at these" in rows["mine"]["why"]


def test_caps_suppress_and_are_named(
    db: Path, selftest: Test, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Caps so low that the attack is not kept are told as what suppresses it."""
    monkeypatch.setenv("OTSEC_CAPS_BEHAVIOURS", "1")
    code, rows = selftest(db, *one("s7-plc-stop"))
    assert (code, rows["s7-plc-stop"]["result"]) == (Exit.FINDINGS, "suppressed")
    assert rows["s7-plc-stop"]["why"].startswith("caps of ")


def test_a_capture_that_is_not_one_is_told(db: Path, selftest: Test, tmp_path: Path) -> None:
    """A capture that cannot be read leaves its rules untested, with the reason, and the rest goes on."""
    spoiled = tmp_path / "pcaps" / "s7comm"
    spoiled.mkdir(parents=True)
    (spoiled / "engineer.pcap").write_text("no capture")
    words = ("--captures", str(spoiled.parent), "--rule", "dnp3-application")
    code, rows = selftest(db, *one("s7-plc-stop"), *words)
    assert code == Exit.FINE
    assert rows["s7-plc-stop"]["result"] == "not tested"
    assert "engineer.pcap" in rows["s7-plc-stop"]["why"]
    assert rows["dnp3-application"]["result"] == "fired"


def test_a_store_without_devices_has_nobody_to_attack(tmp_path: Path, selftest: Test) -> None:
    """An empty store is told as such."""
    with open_store(tmp_path / "empty.db"):
        pass
    _, rows = selftest(tmp_path / "empty.db", *one("s7-plc-stop"))
    assert rows["s7-plc-stop"]["result"] == "not tested"
    assert "holds no device" in rows["s7-plc-stop"]["why"]


# ----------------------------------------------------------------------------------- the record


def test_it_is_recorded_for_good(db: Path, selftest: Test) -> None:
    """Date, who, and what came of it are an act that can be asked for; nothing else is written."""
    before = _dump(db)
    selftest(db, "--rule", "s7-plc-stop", "--reason", "yearly")
    with open_store(db) as store:
        (act,) = every_act(store)
        with pytest.raises(Exception, match="never changed"):
            store.db.conn.execute("UPDATE act SET after = ''")
    assert (act.who, act.attribute, act.reason) == ("ann", "s7-plc-stop", "yearly")
    assert act.after == "1 rule: 1 fired"
    assert act.time > 0
    assert _dump(db) == before


def test_audit_lists_it(db: Path, selftest: Test, capsys: pytest.CaptureFixture[str]) -> None:
    """`otsec audit` lists self-tests beside decisions."""
    selftest(db, "--rule", "s7-plc-stop")
    assert main(["audit", "selftest", "--json", "--db", str(db)]) == Exit.FINE
    (row,) = json.loads(capsys.readouterr().out)["rows"]
    assert (row["kind"], row["subject"], row["attribute"]) == ("selftest", "s7-plc-stop", "rules")


def test_nothing_is_recorded_on_request(db: Path, selftest: Test) -> None:
    """With --no-record the store stays as it is, and may be read-only."""
    db.chmod(0o400)
    code, _ = selftest(db, *one("s7-plc-stop"))
    assert code == Exit.FINE
    with open_store(db, readonly=True) as store:
        assert every_act(store) == []


def test_a_rule_that_is_none_is_named(db: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A slip of the pen is one line with the nearest name."""
    assert main(["selftest", "--db", str(db), "--rule", "s7plcstop"]) == Exit.USAGE
    assert capsys.readouterr().err == "otsec: no rule 's7plcstop'; did you mean s7-plc-stop?\n"


def _dump(db: Path) -> str:
    out = db.parent / "dump.txt"
    with out.open("w") as file, pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.stdout", file)
        assert main(["db", "dump", "--db", str(db)]) == Exit.FINE
    return out.read_text()


# ----------------------------------------------------------------------------------- the frames


def test_it_happens_in_the_vlan_of_the_site(tmp_path: Path, selftest: Test) -> None:
    """Where a site's controllers are in a VLAN, so is the attack, with the name of its device."""
    with new_store(tmp_path) as store:
        here = tap(store)
        here.heard("00:1b:1b:00:00:01", "172.16.5.10", place="20")
        here.heard("00:1b:1b:00:00:02", "172.16.5.77", place="20")
        here.talks("172.16.5.77", "172.16.5.10", "s7comm", "tcp/102", place="20")
        here.write()
        db = store.path
    _, rows = selftest(db, *one("s7-plc-stop"))
    assert rows["s7-plc-stop"]["result"] == "fired"
    assert rows["s7-plc-stop"]["client"] == "172.16.5.77"
    assert rows["s7-plc-stop"]["server"] == "172.16.5.10"


@TSHARK
def test_check_sums_are_right_and_nobody_else_appears(tmp_path: Path) -> None:
    """To tshark there are the new addresses alone, in the VLAN, later, and no check sum is wrong."""
    found, interfaces = frames(ENGINEER)
    old = {cell for row in _tshark(ENGINEER, "ip.src", "ip.dst") for cell in row if cell}
    new = {address: f"172.16.5.{number}" for number, address in enumerate(sorted(old), 7)}
    out = tmp_path / "out.pcapng"
    write(out, found, interfaces, new, "100.20", 1_800_000_000 * 10**9)
    rows = _tshark(out, "ip.src", "ip.dst", "frame.time_epoch", "ip.checksum.status")
    assert {cell for row in rows for cell in row[:2] if cell} == {*new.values()}
    assert min(float(row[2]) for row in rows) == 1_800_000_000
    assert {row[3] for row in rows} - {""} == {"1"}
    assert {row[0] for row in _tshark(out, "tcp.checksum.status")} - {""} == {"1"}
    assert {*map(tuple, _tshark(out, "ieee8021ad.id", "vlan.id"))} == {("100", "20")}


def _tshark(path: Path, *fields: str) -> list[list[str]]:
    options = [word for name in ("ip", "tcp") for word in ("-o", f"{name}.check_checksum:TRUE")]
    wanted = [word for field in fields for word in ("-e", field)]
    command = ["tshark", "-r", str(path), *options, "-T", "fields", *wanted]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return [line.split("\t") for line in done.stdout.splitlines()]


def test_tags_are_replaced_and_nothing_else() -> None:
    """A frame loses its tags, gets those of the place, and keeps all behind them."""
    head, body = bytes(range(12)), b"\x08\x00content"
    assert tagged(head + body, "") == head + body
    assert tagged(head + b"\x81\x00\x00\x05" + body, "") == head + body
    assert tagged(head + body, "20") == head + b"\x81\x00\x00\x14" + body
    double = head + b"\x88\xa8\x00\x64\x81\x00\x00\x14" + body
    assert tagged(head + b"\x81\x00\x00\x05" + body, "100.20") == double


@pytest.mark.parametrize(
    ("place", "link", "can"),
    [
        *(("", 1, True), ("20", 1, True), ("1.2", 1, True), ("vni 7", 1, False)),
        *(("4096", 1, False), ("1.2.3", 1, False), ("20", 101, False)),
    ],
)
def test_only_what_tags_can_tell_is_moved(place: str, link: int, *, can: bool) -> None:
    """Frames go into a VLAN where they are of Ethernet and tags can say which."""
    assert can_be_tagged([Frame(0, 0, 0, 60, b"", link, 0, None)], place) is can
