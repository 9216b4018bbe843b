"""The rules that come with otsec: sound, tested, and no false alarm on what is ordinary."""

import json
import re
from collections import defaultdict
from pathlib import Path

import pytest
from conftest import ROOT, RealStore
from detect_rules import of_otsec

from otsec.detect import attack
from otsec.detect.judging import found_in
from otsec.detect.loading import built_in
from otsec.detect.model import Rule
from otsec.protocols import PROTOCOLS
from otsec.store import open_store
from otsec.store.findings import Finding
from otsec.trials import SHARED, Captures, Result, found_by, try_rules

LOADED = of_otsec()
RULES = {rule.name: rule for rule in LOADED.rules}
REVIEWED = ROOT / "tests" / "reviewed_findings.tsv"

every_rule = pytest.mark.parametrize("rule", LOADED.rules, ids=lambda rule: rule.name)


def test_all_are_sound() -> None:
    """No rule that comes with otsec has a problem."""
    assert [str(problem) for problem in LOADED.problems] == []
    assert len(LOADED.rules) >= 140


@every_rule
def test_a_rule_is_complete(rule: Rule) -> None:
    """Each rule says what was seen, what is expected, why it matters and what to do next."""
    assert all((rule.texts.seen, rule.texts.expected, rule.texts.why, rule.texts.next))
    assert rule.path.parent.parent == built_in()
    assert rule.techniques or rule.level in {"informational", "low", "medium"}
    assert re.fullmatch(r"[a-z0-9-]+", rule.name)


@every_rule
def test_a_rule_has_tests(rule: Rule) -> None:
    """A rule that can fire has captures in which it does, and others in which it does not."""
    if not rule.cannot:
        assert rule.quiet or rule.near_miss
        assert rule.fires
    missing = {trial.capture for trial in (*rule.fires, *rule.near_miss, *rule.quiet)}
    own = {name for name in missing if not name.startswith(SHARED)}
    assert [name for name in own if not (ROOT / "pcaps" / name).is_file()] == []


def test_what_cannot_fire_says_so() -> None:
    """Rules of protocols that are not decoded, or that need a learned normal, are not passed off."""
    decoded = {protocol.name for protocol in PROTOCOLS}
    cannot = {rule.name: rule.cannot for rule in LOADED.rules if rule.cannot}

    assert "mms" in decoded or cannot["mms-file-deleted"] == "mms is not decoded"
    assert (
        cannot["new-writer"] == "needs a baseline: told by otsec baseline, once learning has ended"
    )
    assert [name for name in cannot if RULES[name].path.parent.name != "later"] == []


def test_techniques_are_of_the_table() -> None:
    """The table of ATT&CK for ICS has its version, every technique its tactics and its name."""
    known = attack.techniques()

    assert attack.version() == "v18.1 (2025-11-13)"
    assert len(known) == 83
    assert known["T0858"] == attack.Technique(
        "T0858", "Change Operating Mode", ("execution", "evasion"), "directly"
    )
    assert all(one.tactics and one.name for one in known.values())


# ------------------------------------------------------------------------------- captures


@pytest.fixture(scope="module")
def results() -> dict[str, list[Result]]:
    """What the captures of all rules show, each capture read once."""
    shared = ROOT.parent / "shared" / "captures"
    captures = Captures(ROOT / "pcaps", shared if shared.is_dir() else None)
    by_rule: dict[str, list[Result]] = defaultdict(list)
    for result in try_rules(LOADED.rules, captures):
        by_rule[result.rule.name].append(result)
    return by_rule


def test_captures_of_the_rules(results: dict[str, list[Result]]) -> None:
    """Every capture of a rule fires it as often as the rule says, or does not."""
    wrong = [
        f"{one.rule.name} on {one.trial.capture}: {one.problem}"
        for told in results.values()
        for one in told
        if one.problem
    ]

    assert wrong == []
    assert sum(not one.skipped for told in results.values() for one in told) > 100


MUST = {  # of issue and handbook: capture, rule, and what the finding says
    "a CIP stop": (
        "enip-cip/iti__cip_stop_plc.pcap", "cip-stop",
        {"client": "192.168.1.69", "server": "192.168.1.30", "device": "", "techniques": ("T0858",),
         "outcomes": ("open",)},
    ),
    "an S7 stop, mid-stream": (
        "s7comm/iti__step7_s300_stop.pcap", "s7-plc-stop",
        {"client": "134.249.62.199", "techniques": ("T0858",), "outcomes": ("ok",)},
    ),
    "a DNP3 cold restart": (
        "dnp3/iti__cold_restart_and_response.pcap", "dnp3-restart",
        {"server": "192.168.60.130", "device": "station 10", "techniques": ("T0816",),
         "outcomes": ("function_not_supported",)},
    ),
    "an address set by DCP": (
        "profinet/iti__ChangeIPUsingDCP.pcap", "dcp-address-set",
        {"server": "08:00:06:93:cf:32", "operations": ("set",), "outcomes": ("ok",)},
    ),
}  # fmt: skip


@pytest.mark.parametrize(("capture", "name", "told"), MUST.values(), ids=MUST)
def test_must_come_out(captures: Path, capture: str, name: str, told: dict[str, object]) -> None:
    """One finding of high level with request and outcome, and no other of that level."""
    found = [one for made in found_by(captures / capture, LOADED.rules).values() for one in made]
    high = [one for one in found if one.level in {"high", "critical"}]

    assert [one.name for one in high] == [name]
    assert {key: getattr(high[0], key) for key in told} == told
    assert high[0].first_packet >= 0
    assert high[0].next


def test_not_modbus_on_502(captures: Path) -> None:
    """The Modbus connection among others on its port gives no finding; each other is named."""
    path = captures / "modbus" / "zeek__modbus-and-non-modbus-p502.pcap"
    found = [one for made in found_by(path, LOADED.rules).values() for one in made]

    assert [one for one in found if one.client == "10.0.0.9"] == []
    said = {(one.name, one.client, one.protocol) for one in found}
    assert {
        ("other-protocol-on-port", "66.175.213.4", "tls"),
        ("other-protocol-on-port", "198.74.56.135", "http"),
        ("other-protocol-on-port", "62.122.184.123", "rdp"),
        ("other-protocol-on-port", "87.236.176.106", "dcerpc"),
        ("unknown-on-port", "87.236.176.96", ""),
        ("unknown-on-port", "159.203.208.13", ""),
    } <= said


def test_labelled_network(captures: Path) -> None:
    """Scans, brute force and doubled addresses of the labels are found; benign logins are not."""
    path = captures / "labelled-switched-network" / "westermo-2023-right-tap-reduced.pcap"
    found = [one for made in found_by(path, LOADED.rules).values() for one in made]
    by_rule = defaultdict(set)
    for one in found:
        by_rule[one.name].add(one.server)

    assert by_rule["port-scan"] == {f"198.18.134.{host}" for host in (4, 41, 48)}
    assert by_rule["ssh-brute-force"] == {"198.18.134.41", "198.18.134.45"}  # not .48: one login
    assert by_rule["address-fought-for"] == {
        f"198.18.134.{host}" for host in (1, 3, 4, 5, 39, 42, 45, 46)
    }  # each is a `BAD-MISCONF-DUPLICATION` of the labels, but .1, which 48 claims as it starts
    faults = [one for one in found if one.name in {"no-address", "address-missing"}]
    assert {one.level for one in faults} == {"low"}
    assert {one.techniques for one in faults} == {()}
    nameless = [one.device for one in found if one.name == "no-address"]
    assert len(set(nameless)) == len(nameless) == 4
    tried = [one for one in found if one.name == "ssh-brute-force"]
    assert {one.outcomes for one in tried} == {()}  # keys agreed on are no login
    assert all("cannot be seen" in one.seen for one in tried)
    scans = {one.incident for one in found if one.client == "198.18.134.99"}
    assert len(scans) == 1
    assert scans != {""}


@pytest.mark.slow
def test_every_high_on_real_captures_is_reviewed(captures: Path, real_store: RealStore) -> None:
    """What is of level high on all real captures stands in a table, each with its reason."""
    found = []
    for path in sorted(captures.rglob("*.pcap*")):
        name = path.relative_to(captures).as_posix()
        told = [
            (name, one.name, one.client, one.server, one.device) for one in _high(real_store(path))
        ]
        found += map("\t".join, told)
    lines = [line for line in REVIEWED.read_text("utf-8").splitlines() if line[:1] != "#"]

    assert sorted(found) == sorted(line.rpartition("\t")[0] for line in lines)
    assert all(line.rpartition("\t")[2] for line in lines)


def _high(path: Path) -> list[Finding]:
    with open_store(path, readonly=True) as store:
        found = [one for one, _ in found_in(store, LOADED.rules)]
    return [one for one in found if one.level in {"high", "critical"}]


def test_list_in_the_documents() -> None:
    """docs/rules.md lists every rule."""
    page = (ROOT / "docs" / "rules.md").read_text("utf-8")

    assert [name for name in RULES if f"| `{name}` |" not in page] == []
    assert json.dumps(sorted(RULES)) == json.dumps(sorted({rule.name for rule in LOADED.rules}))
