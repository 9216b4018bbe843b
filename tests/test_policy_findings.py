"""What goes against the site's policy becomes findings, told in words and bounded in number."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from conftest import Command
from inventory_stores import Tap, new_store, tap
from policy_texts import changed
from test_policy_judging import HMI, OFFICE, PLC, does, policy_of

from otsec.baseline.deviations import judge
from otsec.baseline.learning import approve, baseline
from otsec.detect.cases import Word
from otsec.store.findings import Finding, packets

INTERNET = "8.8.8.8"
SAFETY = "10.20.40.9"
WITH_SAFETY = changed(
    (
        "  office: {level: 4",
        "  safety: {level: 1, nets: [10.20.40.0/24], kind: safety, owner: sis}\n  office: {level: 4",
    )
)
NEVER = (
    "never:\n  - {id: no-programs, from: any, to: field, ops: [program], reason: by hand only}\n"
)
EXCEPTION = (
    "exceptions:\n  - {id: vendor, from: {ips: 10.1.0.9}, to: field, allow: [{protocol: modbus, ops: [read]}], "
    "expires: 1969-12-31, owner: ops, reason: start-up, approved_by: eng}\n"
)


@pytest.fixture
def seen(tmp_path: Path) -> Tap:
    """A tap of a new store."""
    return tap(new_store(tmp_path))


def found(seen: Tap, text: str) -> list[Finding]:
    """What the policy finds, and nothing else."""
    seen.write()
    return [one for one in judge(seen.store, [], policy_of(text)) if one.category == "policy"]


CASES = [  # who, whom, protocol, class, the policy, kind, level, what is said
    (OFFICE, PLC, "modbus", "read", WITH_SAFETY, "policy-it-ot", "high", "office to field"),
    (OFFICE, PLC, "modbus", "write", WITH_SAFETY, "policy-it-ot", "critical", "writes to"),
    (HMI, PLC, "modbus", "write", WITH_SAFETY, "policy-cross-zone", "high", "scada to field"),
    (HMI, SAFETY, "modbus", "read", WITH_SAFETY, "policy-safety-zone", "high", "scada to safety"),
    (PLC, INTERNET, "http", "read", WITH_SAFETY, "policy-internet", "high", "field to no zone"),
    (HMI, PLC, "s7comm", "program", WITH_SAFETY + NEVER, "policy-never", "critical", "by hand only"),
    (OFFICE, PLC, "modbus", "read", WITH_SAFETY + EXCEPTION, "policy-expired", "medium", "1969-12-31"),
    (PLC, "172.16.0.9", "modbus", "read", WITH_SAFETY, "policy-no-zone", "low", "172.16.0.9 is in no zone"),
]  # fmt: skip


@pytest.mark.parametrize(("client", "server", "protocol", "cls", "text", "name", "level", "said"), CASES)  # fmt: skip
def test_each_kind(
    seen: Tap, client: str, server: str, protocol: str, cls: str, text: str, name: str, level: str, said: str
) -> None:  # fmt: skip
    """Each sort of violation is a finding with its level, zones, operation, reason and packets."""
    does(seen, client, server, protocol, cls)
    (one,) = found(seen, text)
    assert (one.name, one.level, one.client, one.server) == (name, level, client, server)
    assert said in one.seen
    assert one.operations
    assert one.operations[0] in one.seen
    assert packets(seen.store, one.id)


def test_level_skip(seen: Tap) -> None:
    """From level 1 to level 3 a whole level is left out."""
    does(seen, "10.20.50.1", PLC, "modbus", "read")
    text = changed(
        ("  office: {level: 4", "  ops: {level: 3, nets: [10.20.50.0/24]}\n  office: {level: 4")
    )
    (one,) = found(seen, text)
    assert (one.name, one.level) == ("policy-level-skip", "medium")
    assert "past a level in between" in one.seen


def with_conduits(text: str, told: Sequence[Finding]) -> str:
    """The policy with the conduits that findings propose."""
    lines = []
    for number, one in enumerate(told):
        _, _, conduit = one.next.partition("would allow it: ")
        lines.append(f"  - {conduit.replace('NAME', f'new-{number}', 1)}\n")
    assert text.count("conduits:\n") == 1
    return text.replace("conduits:\n", "conduits:\n" + "".join(lines))


def test_the_proposed_conduit_allows_it(seen: Tap) -> None:
    """With the conduit of each finding in the policy nothing is found any more."""
    does(seen, OFFICE, PLC, "modbus", "read")
    does(seen, OFFICE, PLC, "modbus", "write")
    does(seen, OFFICE, PLC, "s7comm", "program")
    does(seen, HMI, SAFETY, "modbus", "diagnose")
    does(seen, "172.16.0.9", "10.20.30.8", "modbus", "browse")
    for last in range(9):
        does(seen, "10.1.0.77", f"10.20.10.{last + 20}", "modbus", "read")
    told = found(seen, WITH_SAFETY)
    assert len(told) == 4
    assert found(seen, with_conduits(WITH_SAFETY, told)) == []


def test_many_servers_of_one_client_are_one_finding(seen: Tap) -> None:
    """Who goes against the policy at many servers is told once, with how many, and no conduit."""
    for last in range(30):
        does(seen, OFFICE, f"10.20.10.{last + 1}", "modbus", "read", count=3)
    (one,) = found(seen, WITH_SAFETY)
    assert (one.server, one.times) == ("several", 90)
    assert "Servers (30): 10.20.10.1, " in one.seen
    assert "31 addresses, so none is proposed" in one.next
    assert len(packets(seen.store, one.id)) <= 12


def test_many_clients_are_bounded(seen: Tap) -> None:
    """Beyond 200 findings of a kind one stands for the rest."""
    for number in range(230):
        does(seen, f"10.1.{number % 5}.{number // 5 + 1}", PLC, "modbus", "read")
    told = found(seen, WITH_SAFETY)
    assert len(told) == 201
    assert sum(one.times for one in told) == 690
    (rest,) = [one for one in told if one.client == "several"]
    assert rest.times == 90
    assert "beyond the first 200" in rest.doubt


def test_never_has_no_conduit(seen: Tap) -> None:
    """What is never allowed cannot be allowed by a conduit, and the finding says so."""
    does(seen, HMI, PLC, "s7comm", "program")
    (one,) = found(seen, WITH_SAFETY + NEVER)
    assert "A conduit cannot allow it" in one.next


def test_gone_with_the_policy(seen: Tap) -> None:
    """A finding that a changed policy does not make is gone, and is the same when it comes back."""
    does(seen, OFFICE, PLC, "modbus", "read")
    (one,) = found(seen, WITH_SAFETY)
    assert found(seen, WITH_SAFETY.replace("inter_zone: deny", "inter_zone: allow")) == []
    assert [again.id for again in found(seen, WITH_SAFETY)] == [one.id]


LEARN = WITH_SAFETY.replace("intra_zone: allow", "intra_zone: learn")


def test_within_a_zone_the_approved_baseline_is_allowed(seen: Tap) -> None:
    """`intra_zone: learn` denies what nobody approved, and allows what a named person did."""
    does(seen, PLC, "10.20.10.6", "modbus", "read")
    does(seen, PLC, "10.20.10.6", "modbus", "write")
    (one,) = found(seen, LEARN)
    assert (one.name, set(one.operations)) == ("policy-within-zone", {"read", "write"})
    assert "not in the approved baseline" in one.seen
    base = baseline(seen.store)
    read = [
        thing for thing in base.shown.things
        if thing.key.kind == "operation" and thing.key.cls == "read"
    ]  # fmt: skip
    approve(seen.store, base, read, Word("ann", "", "", 0, "polls"), 0, end=False)
    (one,) = found(seen, LEARN)
    assert one.operations == ("write",)


def test_as_a_user(tmp_path: Path, otsec_command: Command) -> None:
    """A policy that otsec.yaml names is judged by analyze; one with errors stops it with its line."""
    folder = Path(__file__).parents[1] / "pcaps" / "attacks"
    (tmp_path / "site.yaml").write_text(WITH_SAFETY)
    (tmp_path / "otsec.yaml").write_text("policy: site.yaml\n")
    common = ("--config", str(tmp_path / "otsec.yaml"), "--db", str(tmp_path / "s.db"))
    capture = str(folder / "frostygoop.pcap")
    assert otsec_command("analyze", capture, "-q", *common).returncode == 0
    told = otsec_command("findings", "category:policy", "--json", *common)
    names = {one["name"] for one in json.loads(told.stdout)["rows"]}
    assert names == {"policy-no-zone"}
    (tmp_path / "site.yaml").write_text(WITH_SAFETY.replace("level: 4", "level: 9"))
    wrong = otsec_command("analyze", capture, "-q", *common)
    assert wrong.returncode == 2
    assert "site.yaml:8:19" in wrong.stderr
