"""otsec controls, attest and inventory as people use them, and the file in which a site speaks."""

import csv
import hashlib
import io
import json
from pathlib import Path

import pytest
from conftest import ROOT, PlantStore
from controls_stores import INPUTS, PLC, POLICY, good

from otsec.cli import main
from otsec.controls.inputs import Inputs, load
from otsec.errors import ConfigError, Exit


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory, plant_store: PlantStore) -> Path:
    """What `make demo` leaves."""
    return plant_store(tmp_path_factory.mktemp("controls") / "demo.db")


@pytest.fixture
def month(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a site: a month of capture, its policy, what it says."""
    good(tmp_path).store.close()
    (tmp_path / "policy.yaml").write_text(POLICY, "utf-8")
    (tmp_path / "compliance.yaml").write_text(INPUTS, "utf-8")
    (tmp_path / "otsec.yaml").write_text(
        "site: plant\nstore: good.db\npolicy: policy.yaml\n", "utf-8"
    )
    monkeypatch.chdir(tmp_path)
    return tmp_path


def told(capsys: pytest.CaptureFixture[str], *words: str | Path) -> tuple[str, str]:
    """What a command says on both streams; it must be fine."""
    assert main([str(word) for word in words]) == Exit.FINE
    caught = capsys.readouterr()
    return caught.out, caught.err


def rows(text: str) -> list[dict[str, object]]:
    """The rows of JSON."""
    found: list[dict[str, object]] = json.loads(text)["rows"]
    return found


def test_evaluate(demo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """All rows are told with status, reasons and what leads to packets; beside them coverage."""
    out, err = told(capsys, "controls", "evaluate", "--db", demo, "--json")
    found = rows(out)
    contradicted = [one for one in found if one["status"] == "contradicted"]

    assert len(found) == 332
    assert err == ""
    assert contradicted
    assert all(one["leads"] for one in contradicted)

    out, err = told(
        capsys,
        "controls",
        "evaluate",
        "--db",
        demo,
        "--framework",
        "nerc-cip",
        "status:contradicted",
    )
    assert "CIP-007-6 R5.4" in out
    assert "coverage: days 0.00694, loss_pct 0, zones_seen_pct unknown" in err


def test_show(demo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One row tells its figures, its logic, its limits, and that nobody checked its identifier."""
    out, _ = told(capsys, "controls", "show", "CIP-007-6", "R5.4", "--db", demo)
    flat = " ".join(out.split())

    assert "NERC CIP CIP-007-6 R5.4" in out
    assert "identifier not checked against the standard" in out
    assert "auth.default_creds is 1 (> 0): known vendor default credential seen" in flat
    assert (
        "contradicted: auth.cleartext > 0 or auth.default_creds > 0 or auth.anonymous > 0" in flat
    )
    assert "HISTORIAN (10.20.1.13)" in out


def test_population_has_its_hash(demo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The CSV has the hash that is told beside it, and as many counted rows as the figure says."""
    out, err = told(capsys, "controls", "population", "auth.plain_ops", "--db", demo, "--csv")
    counted = [one for one in csv.DictReader(io.StringIO(out)) if one["counted"] == "yes"]

    assert f"sha256 {hashlib.sha256(out.encode()).hexdigest()}" in err
    assert f"auth.plain_ops is {len(counted)}; " in err
    assert told(capsys, "controls", "population", "auth.plain_ops", "--db", demo, "--csv")[0] == out


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["population", "flows.deny"], "no metric 'flows.deny'; did you mean flows.denied?"),
        (["population", "flows.denied"], "flows.denied is not configured: name it: `policy:` in otsec.yaml, or --policy (otsec policy suggest drafts one)"),
        (["show", "SR", "9.9"], "no row 'SR 9.9'"),
        (["evaluate", "--framework", "iec"], "no framework 'iec'"),
        (["evaluate", "state:x"], "no filter 'state'"),
        (["evaluate", "--since", "2026-01-06", "--until", "2026-01-05"], "the period ends before it begins"),
    ],
)  # fmt: skip
def test_mistakes(
    demo: Path, capsys: pytest.CaptureFixture[str], words: list[str], line: str
) -> None:
    """What does not go together is one clear line."""
    assert main(["controls", *words, "--db", str(demo)]) == Exit.USAGE
    assert line in capsys.readouterr().err


def test_people(month: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What people approve and vouch for changes figures, stands beside rows, and is in the record."""
    (month / "rules.pdf").write_bytes(b"firewall rules")
    told(
        capsys,
        "asset",
        "set",
        PLC,
        "impact=medium",
        "bes_class=bca",
        "esp=ESP-1",
        "sl_t=2",
        "--by",
        "Ann",
    )
    told(capsys, "inventory", "retire", PLC, "--by", "Ann")
    retired = rows(told(capsys, "controls", "metrics", "metric:assets.unapproved", "--json")[0])
    told(capsys, "inventory", "approve", "--by", "Ann")
    approved = rows(told(capsys, "controls", "metrics", "metric:assets.unapproved", "--json")[0])
    told(capsys, "policy", "approve", "policy.yaml", "--by", "Bob")
    told(capsys, "baseline", "review", "--by", "Bob", "--reason", "monthly")
    told(capsys, "attest", "add", "iec-62443-3-3", "SR 5.2", "--what", "rules reviewed", "--file", "rules.pdf",
         "--kind", "compensating", "--expires", "2999-01-01", "--by", "Cy")  # fmt: skip
    row = rows(told(capsys, "controls", "show", "SR 5.2", "--json")[0])[0]
    said = rows(told(capsys, "attest", "list", "kind:compensating", "--json")[0])[0]
    acts = {str(one["kind"]) for one in rows(told(capsys, "audit", "--json")[0])}
    asset = rows(told(capsys, "assets", f"host:{PLC}", "--json")[0])[0]

    assert (retired[0]["value"], approved[0]["value"]) == (1, 0)
    assert row["attestations"] == ["compensating by Cy: rules reviewed"]
    assert row["status"] == "partial"
    assert said["sha256"] == hashlib.sha256(b"firewall rules").hexdigest()
    assert {
        "inventory-approve",
        "inventory-retire",
        "policy-approve",
        "baseline-review",
        "attest",
    } <= acts
    assert (asset["impact"], asset["bes_class"], asset["esp"], asset["sl_t"]) == (
        "medium",
        "bca",
        "ESP-1",
        "2",
    )


def test_changed_policy_is_not_approved(month: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An approval is of the text as it was: a policy that changed since waits for another."""
    ask = ["controls", "metrics", "metric:policy.age_d", "--policy", "policy.yaml", "--json"]
    before = rows(told(capsys, *ask)[0])[0]
    (month / "policy.yaml").write_text(POLICY + "tests: []\n", "utf-8")
    after = rows(told(capsys, *ask)[0])[0]

    assert before["value"] == 2
    assert after["value"] is None
    assert "it was changed since it was approved" in str(after["unknown"])


def test_attest_mistakes(month: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file that is not there, and a day that is over, are told; nothing is kept."""
    del month
    common = ["attest", "add", "SR 5.2", "--what", "x", "--by", "Cy"]
    assert main([*common, "--file", "none.pdf"]) == Exit.INPUT
    assert "none.pdf: no such file" in capsys.readouterr().err
    assert main([*common, "--expires", "2001-01-01"]) == Exit.USAGE
    assert "2001-01-01 is over already" in capsys.readouterr().err
    assert rows(told(capsys, "attest", "list", "--json")[0]) == []


# ---------------------------------------------------------------------------------- inputs


def test_inputs(tmp_path: Path) -> None:
    """All that a site says is read; what it does not say is empty."""
    path = tmp_path / "compliance.yaml"
    path.write_text(INPUTS + "absent: [wireless]\ncoverage: {days: 60}\n", "utf-8")
    found = load(path)

    assert found.triage_s == {
        "critical": 14_400,
        "high": 86_400,
        "medium": 604_800,
        "low": 2_592_000,
    }
    assert (found.required_days, found.disk_gb, found.jump_zone) == (30, 100, "dmz")
    assert (found.max_session_s, found.max_concurrent, found.clock_limit_s) == (14_400, 1, 1)
    assert (found.time_sources, found.authorities) == (("10.0.3.42",), ("Plant CA",))
    assert found.backup is not None
    assert (found.backup.servers, found.backup.interval_s) == (("10.0.3.43",), 1_209_600)
    assert found.absent == {"wireless"}
    assert found.coverage == {"days": 60}
    assert load(None) == Inputs()


def test_documented_inputs(tmp_path: Path) -> None:
    """The example of the documentation can be used."""
    page = (ROOT / "docs" / "compliance.md").read_text("utf-8")
    path = tmp_path / "compliance.yaml"
    path.write_text(page.partition("```text\n")[2].partition("```")[0], "utf-8")

    assert load(path).required_days == 1095


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("triage: {}\n", '1:1: error E106: compliance: "otsec_compliance" is missing'),
        ("otsec_compliance: 2\n", '1:19: error E101: otsec_compliance: this otsec reads 1, not "2"'),
        ("otsec_compliance: 1\ntriage: {hihg: 1d}\n", '2:10: error E102: triage: unknown key "hihg"; did you mean "high"?'),
        ("otsec_compliance: 1\ntriage: {high: soon}\n", '2:16: error E107: triage: high: expected a duration, found "soon"; write 30m, 4h or 1d'),
        ("otsec_compliance: 1\ntime: {sources: [10.0.0.300]}\n", '2:18: error E109: time: sources: expected an IP address, found "10.0.0.300"'),
        ("otsec_compliance: 1\ncoverage: {days: 7}\n", "2:18: error E107: coverage: days: 7 is looser than 28, which rows ask for"),
        ("otsec_compliance: 1\ncoverage: {loss_pct: 5}\n", "2:22: error E107: coverage: loss_pct: 5 is looser than 1, which rows ask for"),
        ("otsec_compliance: 1\nbackup: {servers: [10.0.0.1]}\n", '2:9: error E106: backup: "interval" is missing'),
        ("otsec_compliance: 1\nend_of_life: [{until: 2026-01-01}]\n", "2:15: error E106: end_of_life: say vendor, model or os"),
        ("otsec_compliance: 1\nremediation: [{asset: a, cve: b, until: soon}]\n", '2:41: error E407: remediation: until: expected a date, found "soon"; write 2026-12-04'),
        ("otsec_compliance: 1\nabsent: [radio]\n", '2:10: error E107: absent: no "radio"; there are: wireless, safety, transient, untrusted, test, management'),
        ("otsec_compliance: 1\nretention: {required_days: -3}\n", '2:28: error E107: retention: required_days: expected a number above 0, found "-3"'),
    ],
)  # fmt: skip
def test_wrong_inputs(tmp_path: Path, text: str, line: str) -> None:
    """A mistake is told with its line and column, and what was expected."""
    path = tmp_path / "c.yaml"
    path.write_text(text, "utf-8")

    with pytest.raises(ConfigError) as error:
        load(path)

    assert line in str(error.value).replace(f"{path}:", "").split("\n")
