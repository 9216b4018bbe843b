"""A policy as rules of a firewall: what they can say is said, what they cannot is told."""

import shutil
import subprocess
from pathlib import Path

import pytest
from conftest import Command
from policy_texts import changed

from otsec.policy import templates
from otsec.policy.checking import Against, checked
from otsec.policy.model import Policy
from otsec.policy.nftables import export
from otsec.policy.reading import read


def policy_of(text: str) -> Policy:
    """A policy in which nothing is wrong."""
    found = checked(read(text, "site.yaml"), Against(0))
    assert found.policy is not None, found.problems
    return found.policy


HMI = ("role: hmi", "ips: [10.20.30.7, 10.20.30.8]")


def chain(text: str) -> list[str]:
    """The lines of the chain, without comments."""
    lines = text[text.index("chain forward") :].splitlines()[2:-2]
    return [line.strip() for line in lines if not line.strip().startswith("#")]


def test_conduit() -> None:
    """A conduit becomes sets and one rule; its operations are told as lost."""
    text, losses = export(policy_of(changed(HMI)))
    assert chain(text) == [
        "ct state established,related counter accept",
        (
            "ip saddr @otsec_1_4 ip daddr @otsec_2_4 tcp dport { 502 } counter accept "
            'comment "conduit hmi-plc"'
        ),
        (
            "ip saddr @otsec_1_4 ip daddr @otsec_2_4 udp dport { 502 } counter accept "
            'comment "conduit hmi-plc"'
        ),
        'log prefix "otsec-deny " counter accept',
    ]
    assert "elements = { 10.20.30.7/32, 10.20.30.8/32 }" in text
    assert [(loss.rule, loss.what) for loss in losses] == [
        ("hmi-plc", "modbus read: all operations pass")
    ]


def test_window_over_midnight() -> None:
    """A window over midnight is two rules, the second of the days after."""
    text, _ = export(policy_of(changed(HMI, ("owner: ops", "when: night, owner: ops"))))
    times = [line.partition("} meta day ")[2].partition(" counter")[0] for line in chain(text)[1:3]]
    assert times == [
        '{ "Tuesday", "Thursday" } meta hour "22:00:00"-"23:59:59"',
        '{ "Wednesday", "Friday" } meta hour "00:00:00"-"01:59:59"',
    ]


def test_never_and_enforce() -> None:
    """A `never` comes before what is allowed; only with enforce anything is dropped."""
    never = "never:\n  - {id: n, from: office, to: field}\n"
    policy = policy_of(changed(HMI) + never)
    lax, _ = export(policy)
    strict, _ = export(policy, enforce=True)
    assert "drop" not in "\n".join(chain(lax))
    assert chain(strict)[1] == (
        'ip saddr @otsec_1_4 ip daddr @otsec_2_4 log prefix "otsec-never n " counter drop '
        'comment "never n"'
    )
    assert chain(strict)[-1] == 'log prefix "otsec-deny " counter drop'


@pytest.mark.parametrize("name", ["water-plant", "substation", "body-shop"])
@pytest.mark.parametrize("enforce", [False, True])
def test_nft_takes_it(name: str, enforce: bool, tmp_path: Path) -> None:
    """Nft itself finds nothing wrong with what is written, without loading it."""
    nft = shutil.which("nft") or shutil.which("nft", path="/usr/sbin:/sbin")
    if nft is None:
        pytest.skip("needs nftables")
    path = tmp_path / "rules.nft"
    path.write_text(export(policy_of(templates.text(name)), enforce=enforce)[0], "utf-8")
    done = subprocess.run([nft, "-c", "-f", path], capture_output=True, text=True, check=False)
    if "Operation not permitted" in done.stderr:
        pytest.skip("nft may not look at the tables of this kernel")
    assert (done.returncode, done.stderr) == (0, "")


def test_losses_are_told(tmp_path: Path, otsec_command: Command) -> None:
    """What cannot be said stands in the file, at its head and beside its rule."""
    (tmp_path / "site.yaml").write_text(templates.text("substation"), "utf-8")
    words = ("policy", "export", "site.yaml", "--to", "nftables", "-w", "rules.nft")
    found = otsec_command(*words, cwd=tmp_path)
    assert found.returncode == 0
    assert found.stderr.endswith(
        "things that the policy says are lost; they are told in the file\n"
    )
    text = (tmp_path / "rules.nft").read_text("utf-8")
    assert '#   goose: "{multicast' not in text
    assert "frames below IP do not pass a firewall" in text
    assert (
        "    # lost: iec104 read, control, time common_address 12-12: all operations pass" in text
    )
    again = otsec_command(*words, cwd=tmp_path)
    assert (again.returncode, again.stderr) == (
        2,
        "otsec: rules.nft: exists already; name a new file\n",
    )
