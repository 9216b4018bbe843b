"""Findings and rules as people use them: listed, explained, decided, judged anew."""

import json
import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT, Command, PlantStore
from detect_rules import of_otsec, rule
from engine_runs import difference, records
from inventory_stores import Tap, new_store, seen, tap

from otsec.cli import main
from otsec.cli.findings import FILTERS, LEVELS
from otsec.detect import model
from otsec.detect.cases import KEYS, STATES
from otsec.detect.judging import judge
from otsec.errors import Exit
from otsec.store import ends, open_store, paging
from otsec.store.dump import dump

ENGINEER = ROOT / "pcaps" / "s7comm" / "engineer.pcap"
PLANT = ROOT / "pcaps" / "plant" / "ten_minutes.pcap"
HOSTILE = "\x1b[2J\u202e=cmd()"

Run = Callable[..., str]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a command that must end with the given exit code; what it prints."""

    def run(*words: object, code: int = Exit.FINE) -> str:
        capsys.readouterr()
        assert main([str(word) for word in words]) == code, capsys.readouterr().err
        return capsys.readouterr().out

    return run


@pytest.fixture(scope="module")
def plant(tmp_path_factory: pytest.TempPathFactory, plant_store: PlantStore) -> Path:
    """A store of the demo plant, judged."""
    return plant_store(tmp_path_factory.mktemp("plant") / "plant.db")


@pytest.fixture
def db(plant: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    copy = tmp_path / "x.db"
    assert main(["db", "backup", str(copy), "--db", str(plant)]) == Exit.FINE
    return copy


def listed(run: Run, db: Path, *words: object) -> list[dict[str, Any]]:
    """The findings that are listed."""
    rows: list[dict[str, Any]] = json.loads(run("findings", "--db", db, "--json", *words))["rows"]
    return rows


def worst(run: Run, db: Path) -> dict[str, Any]:
    """The stop of a controller by the laptop that does not belong."""
    return listed(run, db)[0]


# -------------------------------------------------------------------------------- showing


def test_what_is_told_of_a_host_is_not_done_to_it(run: Run, db: Path) -> None:
    """Who shows a weak community is the one of whom that is told, not a target."""
    weak = next(one for one in listed(run, db) if one["name"] == "snmp-community")
    page = run("finding", weak["id"], "--db", db)

    assert f"\nof  {weak['server']} " in page
    assert f"\nto  {weak['server']} " not in page


def test_the_demo_tells_its_story(run: Run, db: Path) -> None:
    """The worst comes first, with what was seen and done, and is one incident with the scans."""
    first = worst(run, db)
    page = run("finding", first["id"][:5], "--db", db)
    incident = run("finding", first["incident"], "--db", db)

    assert (first["title"], first["client"], first["server"], first["outcomes"]) == (
        *("S7 controller stopped", "10.20.1.199", "10.20.1.21"),
        ["ok"],
    )
    for text in (
        *("HIGH: S7 controller stopped", "it was done", "T0858", "What to do next", "plc_stop"),
        *("10.20.1.199", f"otsec ack {first['short']}", f"incident {first['incident']}"),
    ):
        assert text in page
    assert "4 findings" in incident
    assert incident.index("execution") < incident.index("discovery")


def test_summary_tells_what_is_wrong(otsec_command: Command, tmp_path: Path) -> None:
    """`otsec analyze` ends with the findings, worst first, and what to type next."""
    done = otsec_command("analyze", PLANT, "--db", tmp_path / "x.db")
    told = json.loads(otsec_command("analyze", PLANT, "--db", tmp_path / "x.db", "--json").stdout)

    assert "What is wrong: 1 high, 5 medium" in done.stdout
    assert done.stdout.index("S7 controller stopped") < done.stdout.index("Who talks to whom")
    assert f"otsec finding {told['findings'][0]['short']}" in done.stdout
    assert told["findings"][0]["level"] == "high"


def test_filters_and_levels(run: Run, db: Path) -> None:
    """Filters choose; --level is at least; words of the help are those of the code."""
    assert {one["level"] for one in listed(run, db, "--level", "medium")} == {"high", "medium"}
    assert {one["client"] for one in listed(run, db, "client:10.20.1.192/28")} == {"10.20.1.199"}
    assert [one["name"] for one in listed(run, db, "technique:T0858", "level:high")] == [
        "s7-plc-stop"
    ]
    assert listed(run, db, "state:closed") == []
    assert tuple(model.LEVELS) == LEVELS
    assert set(KEYS) == set(FILTERS)


def test_exit_code_of_findings(run: Run, db: Path, tmp_path: Path) -> None:
    """--fail-on tells by the exit code whether a finding of that level is open."""
    run("findings", "--db", db, "--fail-on", "high", code=Exit.FINDINGS)
    run("findings", "--db", db, "--fail-on", "critical")
    run("analyze", PLANT, "--db", tmp_path / "y.db", "--fail-on", "high", "-q", code=Exit.FINDINGS)
    run("resolve", worst(run, db)["id"], "--db", db, "--by", "ann")
    run("findings", "--db", db, "--fail-on", "high")


def test_text_of_devices_is_harmless(run: Run, tmp_path: Path) -> None:
    """Escapes and formulas in what devices say do nothing in any output."""
    with new_store(tmp_path) as store:
        net = tap(store)
        net.does("10.0.0.2", "10.0.0.1", "s7comm", "mode", operation="plc_stop", object=HOSTILE)
        net.write()
        (found,) = judge(store, of_otsec().rules)
        db = store.path
    for words in (
        ("findings",),
        ("finding", found.id),
        ("findings", "--csv", "--columns", "objects"),
    ):
        shown = run(*words, "--db", db)
        assert "\x1b" not in shown
        assert "\u202e" not in shown


# -------------------------------------------------------------------------------- deciding


def test_decisions(run: Run, db: Path) -> None:
    """Each decision changes the state and is kept with who, login, machine, before, after and why."""
    one = worst(run, db)["id"]
    for command, state in STATES.items():
        run(command, one, "--db", db, "--by", "ann", "--reason", f"because of {command}")
        (row,) = listed(run, db, "--all", f"text:{one}")
        assert row["state"] == state
    run("assign", one, "night shift", "--db", db, "--by", "bob")
    run("comment", one, "looked at it", "--db", db, "--by", "bob")
    acts = json.loads(run("audit", "--db", db, "--json"))["rows"]

    assert listed(run, db, "--all", "owner:night*")[0]["id"] == one
    assert [(act["who"], act["kind"], act["after"]) for act in acts] == [
        *(("ann", kind, state) for kind, state in STATES.items()),
        ("bob", "assign", "night shift"),
        ("bob", "comment", "looked at it"),
    ]
    assert [act["before"] for act in acts[:3]] == ["new", "acknowledged", "resolved"]
    assert all(act["login"] and act["host"] and act["subject"] == one for act in acts)
    assert "because of accept" in run("finding", one, "--db", db)
    connection = sqlite3.connect(db)
    with pytest.raises(sqlite3.IntegrityError, match="acts of people are never"):
        connection.execute("DELETE FROM act")
    connection.close()


def test_an_acceptance_ends(run: Run, db: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was accepted until a day is open again after it, by the clock of the machine."""
    one = worst(run, db)["id"]
    said = ["--db", db, "--by", "ann", "--reason", "spare part is ordered"]

    run("accept", one, "--until", "2w", *said)
    assert worst(run, db)["id"] != one
    day = 86_400_000_000_000
    now = time.time_ns()
    monkeypatch.setattr(ends.time, "time_ns", lambda: now + 13 * day)
    assert worst(run, db)["id"] != one
    monkeypatch.setattr(ends.time, "time_ns", lambda: now + 15 * day)
    assert (worst(run, db)["id"], worst(run, db)["state"]) == (one, "reopened")
    assert "it was accepted for a time, which is over" in run("finding", one, "--db", db)
    with open_store(db, readonly=True) as store:
        (shown,) = paging.page(store, "findings", [int(f"1{one}", 16)])
        assert shown.row.state == "reopened"

    run("accept", one, "--until", "2999-12-31", *said)
    assert worst(run, db)["id"] != one
    (act,) = json.loads(run("audit", "3000-01", "--db", db, "--json"))["rows"]
    assert act["attribute"].startswith("until 3000-01-01T00:00")


def test_an_incident_is_decided_at_once(run: Run, db: Path) -> None:
    """What is said of an incident is said of all of its findings."""
    incident = worst(run, db)["incident"]
    run("resolve", incident, "--db", db, "--by", "ann")

    assert {one["state"] for one in listed(run, db, "--all", f"incident:{incident}")} == {
        "resolved"
    }
    assert worst(run, db)["level"] == "medium"


REFUSED = {
    "nobody of the name": (("ack", "zzz"), "no finding 'zzz'; `otsec findings` lists them"),
    "no reason": (("accept", "{id}"), "accept: say why with --reason"),
    "no end": (("accept", "{id}", "--reason", "x", "--until", "soon"), "'soon' is no time to come"),
    "an end that is past": (
        ("accept", "{id}", "--reason", "x", "--until", "2001-01-01"),
        "2001-01-01 is over already",
    ),
    "no such end": (
        ("accept", "{id}", "--reason", "x", "--until", "999999w"),
        "'999999w' is no time to come",
    ),
    "the same again": (("reopen", "{id}"), "is reopened already"),
    "nobody": (("assign", "{id}", " "), "assign: say to whom"),
}


@pytest.mark.parametrize(("words", "told"), REFUSED.values(), ids=REFUSED)
def test_refused(
    run: Run, db: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], told: str
) -> None:
    """What cannot be decided is told in one line, and nothing is kept of it."""
    one = worst(run, db)["id"]
    run("reopen", one, "--db", db, "--by", "ann") if words[0] == "reopen" else None
    before = run("audit", "--db", db, "--json")
    assert (
        main([*(word.format(id=one) for word in words), "--db", str(db), "--by", "a"]) == Exit.USAGE
    )
    error = capsys.readouterr().err

    assert told in error
    assert error.count("\n") == 1
    assert run("audit", "--db", db, "--json") == before


def test_resolved_opens_again_when_it_goes_on(run: Run, tmp_path: Path) -> None:
    """A finding that is seen after it was resolved is open again, one judged false is not."""
    with new_store(tmp_path) as store:
        net = _stops(tap(store), 60)
        rules = of_otsec().rules
        one, other = sorted(judge(store, rules), key=lambda finding: finding.server)
        db = store.path
        run("resolve", one.id, "--db", db, "--by", "ann")
        run("false-positive", other.id, "--db", db, "--by", "ann", "--reason", "drill")
        judge(store, rules)
        assert listed(run, db) == []
        _stops(net, 120)
        judge(store, rules)
        (again,) = listed(run, db)
        shown = run("finding", one.id, "--db", db)

    assert (again["id"], again["state"]) == (one.id, "reopened")
    assert "it was resolved, and has been seen since" in shown


def _stops(net: Tap, until: int) -> Tap:
    """Stops of two controllers, the last at a time."""
    net.rows.clear()
    net.talked.clear()
    for server in ("10.0.0.1", "10.0.0.3"):
        net.does("10.0.0.2", server, "s7comm", "mode", operation="plc_stop", **seen(0, until))
    net.write()
    return net


def test_decisions_are_not_derived(run: Run, db: Path) -> None:
    """Findings stand in the canonical dump; what people decide does not."""
    before = run("db", "dump", "--db", db)
    run("resolve", worst(run, db)["id"], "--db", db, "--by", "ann")

    assert "\nfinding " in before
    assert "\nfinding_packet " in before
    assert run("db", "dump", "--db", db) == before


# -------------------------------------------------------------------------------- judging


@pytest.fixture(scope="module")
def engineer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[str]]:
    """The dump of a capture that was read and judged at once."""
    db = tmp_path_factory.mktemp("engineer") / "x.db"
    assert main(["analyze", str(ENGINEER), "--point", "tap", "--db", str(db), "-q"]) == Exit.FINE
    with open_store(db, readonly=True) as store:
        yield list(dump(store))


@pytest.mark.parametrize("words", [("--batch", "7"), ("--checkpoint", "0.001"), ("--workers", "2")])
def test_findings_do_not_depend_on_how_it_was_read(
    run: Run, tmp_path: Path, engineer: list[str], words: tuple[str, ...]
) -> None:
    """Findings are the same for any batch size, checkpoint interval and number of workers."""
    db = tmp_path / "x.db"
    run("analyze", ENGINEER, "--point", "tap", "--db", db, "-q", *words)
    with open_store(db, readonly=True) as store:
        other = list(dump(store))

    assert not (text := difference(engineer, other)), text
    assert any(line.startswith("finding ") for line in other)


def test_findings_of_a_capture_that_grows(run: Run, tmp_path: Path, engineer: list[str]) -> None:
    """Judged again after each piece, the findings end as those of the whole; ids never change."""
    content = ENGINEER.read_bytes()
    parts = records(content)
    path, db = tmp_path / "engineer.pcap", tmp_path / "x.db"
    known: set[str] = set()
    for upto in [*range(20, len(parts), len(parts) // 4), len(parts)]:
        path.write_bytes(content[:24] + b"".join(parts[:upto]))
        run("analyze", path, "--point", "tap", "--db", db, "-q")
        now = {one["id"] for one in listed(run, db)}
        assert known <= now
        known = now
    with open_store(db, readonly=True) as store:
        assert not (text := difference(engineer, list(dump(store)))), text


def test_rules_of_ones_own(run: Run, db: Path, tmp_path: Path) -> None:
    """A folder of one's own is judged beside the others, from the configuration or --rules."""
    folder = tmp_path / "mine"
    folder.mkdir()
    text = rule("operation", "{a: {protocol: modbus, class: write}, condition: a}")
    (folder / "my-writes.yml").write_text(text, "utf-8")
    before = len(listed(run, db))
    run("rules", "run", "--db", db, "--rules", folder)
    assert {one["name"] for one in listed(run, db)} > {"my-writes", "s7-plc-stop"}
    run("rules", "run", "--db", db)
    assert len(listed(run, db)) == before

    config = tmp_path / "otsec.yaml"
    config.write_text(f"rules: mine\nstore: {db}\n", "utf-8")
    run("rules", "run", "--config", config)
    assert "my-writes" in {one["name"] for one in listed(run, db)}
    rows = json.loads(run("rules", "list", "--config", config, "--json"))["rows"]
    mine = {row["name"]: row for row in rows}["my-writes"]
    assert (mine["state"], mine["fired"] > 0) == ("can fire", True)


def test_a_broken_rule_is_told_and_left_out(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A mistake in one's own rule stops nothing: it is told with its line, the others judge."""
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "bad.yml").write_text(rule("operation", "{a: {protcol: x}, condition: a}"), "utf-8")
    main(["analyze", str(ENGINEER), "--db", str(tmp_path / "x.db"), "--rules", str(folder), "-q"])
    told = capsys.readouterr().err
    assert "bad.yml:8: no field 'protcol'" in told
    assert "left out" in told
    assert listed(run, tmp_path / "x.db")
    run("rules", "check", folder, code=Exit.USAGE)


def test_without_rules(run: Run, tmp_path: Path) -> None:
    """--no-rules judges nothing."""
    run("analyze", ENGINEER, "--db", tmp_path / "x.db", "-q", "--no-rules")

    assert listed(run, tmp_path / "x.db") == []


def test_watch_tells_what_is_new(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`otsec watch` keeps the findings of what it has read."""
    folder = tmp_path / "ring"
    folder.mkdir()
    (folder / "a_00001.pcap").write_bytes(ENGINEER.read_bytes())
    assert main(["watch", str(folder), "--once", "--db", str(tmp_path / "x.db")]) == Exit.FINE
    capsys.readouterr()

    assert "s7-plc-stop" in {one["name"] for one in listed(run, tmp_path / "x.db")}


def test_rules_are_tested_by_their_captures(run: Run, tmp_path: Path) -> None:
    """`otsec rules test` runs a rule's captures, and says which do not show what it says."""
    folder = tmp_path / "mine"
    folder.mkdir()
    tests = (
        "  tests:\n    fires: [engineer.pcap]\n    near_miss: [operator.pcap]\n"
        "    quiet: [engineer.pcap, nowhere.pcap]\n"
    )
    text = rule("operation", "{a: {operation: plc_stop}, condition: a}")
    (folder / "mine.yml").write_text(text.replace("  next: Look.\n", f"  next: Look.\n{tests}"))
    words = ("rules", "test", folder, "--captures", ENGINEER.parent, "--json")
    rows = json.loads(run(*words, code=Exit.FINDINGS))["rows"]

    assert {(row["kind"], row["capture"]): row["problem"] for row in rows} == {
        ("fires", "engineer.pcap"): "as it should be",
        ("near miss", "operator.pcap"): "as it should be",
        ("quiet", "engineer.pcap"): "1 findings, expected 0",
        ("quiet", "nowhere.pcap"): "nowhere.pcap is not here",
    }


def test_rule_and_fields_are_shown(run: Run) -> None:
    """One rule is told with its detection; every field of every category is listed."""
    shown = run("rules", "show", "s7-plc-stop")
    fields = json.loads(run("rules", "fields", "--json"))["rows"]

    assert "operation: plc_stop" in shown
    assert "Change Operating Mode" in shown
    assert {"category": "operation", "name": "class"}.items() <= fields[2].items()
