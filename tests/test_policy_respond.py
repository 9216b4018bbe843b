"""A response to a finding ends what it tells of, says what else it cuts, and never acts."""

import json
from pathlib import Path

import pytest
from conftest import ROOT, Command
from detect_rules import of_otsec
from inventory_stores import Tap, new_store, tap
from test_policy_findings import WITH_SAFETY
from test_policy_judging import HMI, PLC, does, policy_of
from test_policy_suggestion import analyzed

from otsec.baseline.deviations import judge
from otsec.detect.response import Response, deed, respond, tells
from otsec.inventory.assembly import inventory
from otsec.policy.checking import Against, checked
from otsec.policy.placing import People
from otsec.policy.reading import read
from otsec.policy.simulation import simulate
from otsec.policy.verdicts import flows, judged
from otsec.store import Store, open_store

ATTACKS = sorted((ROOT / "pcaps" / "attacks").glob("*.pcap"))
RULES = of_otsec().rules


def all_flows(store: Store, text: str) -> list[tuple[str, ...]]:
    """What a policy cuts, simulated on the store."""
    policy = checked(read(text), Against(0)).policy
    assert policy is not None, text
    told = flows(judged(store, policy, People(inventory(store))))
    return sorted(deed(flow) for flow in simulate(policy, told).cut)


@pytest.mark.parametrize("capture", ATTACKS, ids=lambda path: path.stem)
def test_the_cut_ends_the_attack(capture: Path, tmp_path: Path) -> None:
    """Simulated on its capture, the proposed cut ends all flows of each finding, and lists the rest."""
    with open_store(tmp_path / "otsec.db") as store:
        analyzed(store, capture)
        found = judge(store, RULES)
        known = inventory(store)
        for one in found:
            made = respond(store, known, [one], found)
            if not made.policy:
                assert not [flow for flow in made.attack if flow.option.cause != "link"]
                continue
            cut = all_flows(store, made.policy)
            attack = {deed(flow) for flow in made.attack if flow.option.cause != "link"}
            assert attack
            assert attack <= set(cut)
            assert sorted([*attack, *(deed(flow) for flow in made.besides)]) == cut
            assert any("otsec evidence" in line for line in made.collect)


def test_every_attack_can_be_answered(tmp_path: Path) -> None:
    """Of the findings with two named ends there is always something to cut."""
    with open_store(tmp_path / "otsec.db") as store:
        analyzed(store, *(path for path in ATTACKS if path.stem in {"frostygoop", "triton"}))
        found = judge(store, RULES)
        for one in found:
            if one.client and one.server and "several" not in {one.client, one.server}:
                assert respond(store, inventory(store), [one], found).policy, one.name


def answered(seen: Tap, text: str = WITH_SAFETY) -> Response:
    """The proposal for the only finding of a policy."""
    seen.write()
    policy = policy_of(text)
    found = judge(seen.store, [], policy)
    (one,) = found
    return respond(seen.store, inventory(seen.store), [one], found, policy)


@pytest.fixture
def seen(tmp_path: Path) -> Tap:
    """A tap of a new store."""
    return tap(new_store(tmp_path))


def test_safety_stays(seen: Tap) -> None:
    """What stands in a safety zone is not to be isolated, whatever is known of it."""
    does(seen, HMI, "10.20.40.9", "modbus", "read")
    made = answered(seen)
    (warned,) = made.warned
    assert warned.device == "10.20.40.9"
    assert "safety controller" in warned.why
    assert "10.20.40.9: zone safety, owner sis" in made.people


def test_the_only_writer_stays(seen: Tap) -> None:
    """Who alone commands a running process is not to be isolated; the attack itself does not count."""
    does(seen, HMI, PLC, "modbus", "write", count=500, last_time=7_200 * 10**9)
    does(seen, HMI, "10.1.0.9", "http", "read")
    conduit = "  - {id: hmi-plc, from: hmi, to: field, allow: [{protocol: modbus, ops: [read]}]"
    wider = conduit.replace("hmi-plc, from: hmi", "w, from: scada").replace("[read]", "[write]")
    text = WITH_SAFETY.replace(conduit, f"{wider}, owner: o, reason: r}}\n{conduit}")
    made = answered(seen, text)
    (warned,) = made.warned
    assert warned.device == HMI
    assert f"nobody else was seen to command {PLC} (writes, 500 times)" in warned.why


def test_who_attacks_is_no_reason_to_wait(seen: Tap) -> None:
    """A stranger that writes for the first time is not taken for the one by whom the process runs."""
    does(seen, "10.1.0.9", PLC, "modbus", "write", count=500)
    made = answered(seen)
    assert made.warned == ()
    assert made.firewall[0] == f"deny tcp from 10.1.0.9 to {PLC} port 1"
    assert any("0011.2233" in line for line in made.switch)


def test_other_times_are_not_the_attack(seen: Tap) -> None:
    """A flow that ended before the finding began is not told by it."""
    does(seen, "10.1.0.9", PLC, "modbus", "read")
    seen.write()
    policy = policy_of(WITH_SAFETY)
    (one,) = judge(seen.store, [], policy)
    told = flows(judged(seen.store, policy, People(inventory(seen.store))))
    assert [tells(one, flow) for flow in told] == [True]
    later = one._replace(first_time=one.last_time + 10**9, last_time=one.last_time + 2 * 10**9)
    assert [tells(later, flow) for flow in told] == [False]


def test_as_a_user(tmp_path: Path, otsec_command: Command) -> None:
    """The page warns first, and the cut that it writes can be simulated by hand."""
    db, cut = ("--db", str(tmp_path / "s.db")), tmp_path / "cut.yaml"
    triton = next(path for path in ATTACKS if path.stem == "triton")
    assert otsec_command("analyze", str(triton), "-q", *db).returncode == 0
    rows = json.loads(otsec_command("findings", "rule:triton", "--json", *db).stdout)["rows"]
    page = otsec_command("respond", rows[0]["id"], "-w", str(cut), *db)
    assert page.returncode == 0
    assert page.stdout.index("DO NOT ISOLATE Tricon 192.168.61.2") < page.stdout.index(
        "smallest cut"
    )
    told = json.loads(otsec_command("respond", rows[0]["id"], "--json", *db).stdout)["rows"]
    flows_told = sum(row["what"] in {"attack", "cut"} for row in told)
    made = json.loads(otsec_command("policy", "simulate", str(cut), "--json", *db).stdout)["rows"]
    assert sum(row["what"] == "cut" for row in made) == flows_told == 7


def test_an_incident_of_several_findings(tmp_path: Path, otsec_command: Command) -> None:
    """The cut of an incident names all of its findings, and is a policy that can be read."""
    db, cut = ("--db", str(tmp_path / "s.db")), tmp_path / "cut.yaml"
    plant = ROOT / "pcaps" / "plant" / "ten_minutes.pcap"
    assert otsec_command("analyze", str(plant), "-q", *db).returncode == 0
    rows = json.loads(otsec_command("findings", "--json", *db).stdout)["rows"]
    incident = next(row["incident"] for row in rows if row["incident"])
    parts = {row["id"] for row in rows if row["incident"] == incident}

    answered = otsec_command("respond", incident, "-w", str(cut), *db)

    assert (answered.returncode, len(parts)) == (0, 4), answered.stderr
    policy = checked(read(cut.read_text()), Against(0)).policy
    assert policy is not None
    assert all(one in cut.read_text() for one in parts)
