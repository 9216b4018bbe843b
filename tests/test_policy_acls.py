"""Access lists and rules of Suricata: what they can say is said, what they cannot is told."""

import ipaddress
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from conftest import Command
from policy_texts import changed
from suricataparser import parse_rules
from test_policy_export import policy_of
from test_policy_suggestion import drafted, plant

from otsec.errors import UsageError
from otsec.policy import acls, suricata, templates
from otsec.policy.lowering import Loss
from otsec.policy.model import Policy
from otsec.policy.terms import Term, terms
from otsec.policy.verdicts import Flow
from otsec.store import open_store

__all__ = ["plant"]  # the store of the demo plant
HMI = ("role: hmi", "ips: [10.20.30.7, 10.20.30.8]")
KINDS = ("cisco", "juniper", "paloalto", "fortigate")
NAMES = ("water-plant", "substation", "body-shop")
EXCEPTION = (
    "exceptions:\n  - {id: vendor, from: {ips: 10.1.0.9}, to: field, allow: [{protocol: modbus, ops: [read]}], "
    "expires: 1970-06-01, owner: ops, reason: start-up, approved_by: eng}\n"
)


def written(kind: str, policy: Policy, at: int = 0, *, enforce: bool = True) -> tuple[str, list[Loss]]:  # fmt: skip
    """The rules of a kind, and what is lost."""
    found, lost = terms(policy, None, at)
    if kind == "suricata":
        return suricata.export(policy, found, lost, enforce=enforce), lost
    return acls.export(kind, policy, found, lost, enforce=enforce), lost


LINES = {  # what a read-only conduit of Modbus becomes
    "cisco": " permit tcp 10.20.30.7 0.0.0.0 10.20.10.0 0.0.0.255 eq 502",
    "juniper": "                    destination-port 502;",
    "paloalto": '                <entry name="hmi-plc-1">',
    "fortigate": '        set service "hmi-plc-1"',
    "suricata": (
        'alert tcp [10.20.30.7/32,10.20.30.8/32] any -> 10.20.10.0/24 502 (msg:"otsec conduit hmi-plc"; '
        "flow:to_server; flowbits:set,otsec.allowed; flowbits:noalert; sid:1900000; rev:1;)"
    ),
}


@pytest.mark.parametrize("kind", LINES)
def test_conduit(kind: str) -> None:
    """A conduit is a term of its addresses and port, and what it loses stands in the file."""
    text, lost = written(kind, policy_of(changed(HMI)))
    line = LINES[kind].replace("10.20.30.7 0.0.0.0", "host 10.20.30.7")
    assert line in text.splitlines()
    told = [one for one in lost if one.rule == "hmi-plc"]
    if kind == "suricata":  # which tells reads of Modbus from writes
        assert told == []
        assert "modbus: access write" in text
    else:
        assert told == [Loss("hmi-plc", "modbus read: all operations pass")]
    assert all(one.what in text for one in lost)


@pytest.mark.parametrize("kind", LINES)
@pytest.mark.parametrize("enforce", [True, False])
def test_deny_only_when_told_to(kind: str, enforce: bool) -> None:
    """Without --enforce nothing is cut: what the policy denies is let through and logged."""
    policy = policy_of(changed(HMI) + "never:\n  - {id: n, from: office, to: field, reason: x}\n")
    text, _ = written(kind, policy, enforce=enforce)
    body = text.partition("What this cannot say")[2]
    words = {
        "cisco": " deny ", "juniper": "discard;", "paloalto": "<action>deny</action>",
        "fortigate": "", "suricata": "drop ",
    }  # fmt: skip
    if word := words[kind]:
        assert (word in body) is enforce
    else:  # Fortinet denies where it is not told to accept
        assert (body.count("set action accept") == body.count("set name")) is not enforce


@pytest.mark.parametrize("kind", [*KINDS, "suricata"])
@pytest.mark.parametrize("name", NAMES)
def test_templates(kind: str, name: str) -> None:
    """Each template can be written for each kind, with all that is lost in it."""
    text, lost = written(kind, policy_of(templates.text(name)))
    assert f"What this cannot say ({len(lost)}):" in text
    if kind == "paloalto":
        ET.fromstring(text.encode())  # noqa: S314 - our own text
    if kind == "suricata":
        rules = parse_rules(text)
        assert len(rules) == sum(line.startswith(("alert", "drop")) for line in text.splitlines())
        assert len({rule.sid for rule in rules}) == len(rules)


@pytest.mark.parametrize("name", NAMES)
def test_suricata_takes_it(name: str, tmp_path: Path) -> None:
    """Suricata itself finds nothing wrong with its rules."""
    if shutil.which("suricata") is None:
        pytest.skip("suricata is not installed")
    path = tmp_path / "otsec.rules"
    path.write_text(written("suricata", policy_of(templates.text(name)))[0], "utf-8")
    words = ["suricata", "-T", "-S", str(path), "-l", str(tmp_path)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_expired_is_left_out() -> None:
    """An exception that has expired is left out, and told; until then it is said to end by hand."""
    policy = policy_of(changed(HMI) + EXCEPTION)
    later = 400 * 86_400 * 10**9
    _, before = terms(policy, None, 0)
    found, after = terms(policy, None, later)
    assert Loss("vendor", "it does not end by itself: take it out after 1970-06-01") in before
    assert Loss("vendor", "left out: it has expired (1970-06-01)") in after
    assert "vendor" not in {term.rule.id for term in found}


def test_nobody_else_by_unless() -> None:
    """Who may nevertheless is taken out of the networks of a `never`."""
    policy = policy_of(
        changed(HMI)
        + "never:\n  - {id: n, from: office, to: field, unless_from: {ips: 10.1.0.0/17}}\n"
    )
    found, _ = terms(policy, None, 0)
    (term,) = [one for one in found if one.rule.id == "n"]
    assert list(map(str, term.sources)) == ["10.1.128.0/17"]


def test_hostile_words_stay_in_the_remark() -> None:
    """No text of a policy can leave the comment or the message in which it stands."""
    evil = "x */ --> ]]> ; alert tcp any any -> any any (sid:1;)"
    text = changed(("ops: [read]", f'ops: [read], objects: ["{evil}"]'), HMI)
    policy = policy_of(text)
    for kind in ("juniper", "paloalto", "suricata"):
        made, lost = written(kind, policy)
        assert any("alert tcp any" in one.what for one in lost)
        if kind == "juniper":
            assert made.count("/*") == made.count("*/")
        if kind == "paloalto":
            ET.fromstring(made.encode())  # noqa: S314 - our own text
        if kind == "suricata":
            assert [rule.sid for rule in parse_rules(made) if rule.sid < suricata.FIRST_SID] == []


def passes(found: Sequence[Term], flow: Flow) -> bool:
    """What a device with these terms does to the beginning of a flow."""
    source, target = (ipaddress.ip_address(end.address) for end in (flow.client, flow.server))
    kind, _, port = flow.service.partition("/")
    for term in found:
        held = (
            (not term.sources or any(source in net for net in term.sources))
            and (not term.targets or any(target in net for net in term.targets))
            and term.protocol in {"", kind}
            and (not term.ports or int(port) in term.ports)
        )
        if held and term.version == source.version:
            return term.action == "accept"
    return False


def test_terms_do_as_the_judge(plant: Path) -> None:
    """On the demo plant the terms let through what conduits of the draft allow, and nothing of the rest.

    The rest, but for what shares both ends and the port with something that is allowed.
    """
    with open_store(plant, readonly=True) as store:
        _, policy, told = drafted(store)
    found, lost = terms(policy, None, 0)
    ip = [
        flow for flow in told
        if flow.client.address.count(".") == flow.server.address.count(".") == 3
        and flow.service.startswith(("tcp/", "udp/")) and not flow.server.group
    ]  # fmt: skip
    by_role = {one.rule for one in lost if "need a store" in one.what}
    allowed = [one for one in ip if one.option.rule is not None and one.verdict == "allow"]
    told_by = [one for one in allowed if one.rule not in by_role]
    assert told_by
    assert [one for one in told_by if not passes(found, one)] == []
    ends = {(one.client.address, one.server.address, one.service) for one in allowed}
    cut = [
        one for one in ip
        if one.verdict == "deny"
        and (one.client.address, one.server.address, one.service) not in ends
    ]  # fmt: skip
    assert cut
    assert [one for one in cut if passes(found, one)] == []


def test_without_aerleon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where aerleon is not installed one line says how to get it."""
    monkeypatch.setitem(__import__("sys").modules, "aerleon", None)
    with pytest.raises(UsageError, match=r"python -m pip install 'otsec-monitor\[export\]'"):
        written("cisco", policy_of(changed(HMI)))
    assert written("suricata", policy_of(changed(HMI)))


def test_as_a_user(tmp_path: Path, otsec_command: Command) -> None:
    """Written to a file, what is lost is a table on the screen as well."""
    (tmp_path / "site.yaml").write_text(templates.text("water-plant"), "utf-8")
    words = ("policy", "export", "site.yaml", "--to", "cisco", "-w", "rules.acl")
    found = otsec_command(*words, cwd=tmp_path)
    assert found.returncode == 0, found.stderr
    assert "modbus read: all operations pass" in found.stdout
    assert "ip access-list extended otsec-v4" in (tmp_path / "rules.acl").read_text("utf-8")
