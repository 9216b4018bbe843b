"""The labelled story of two weeks, with polls thirty times rarer: sound, the same again, and told."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT, once

from otsec.capture import times

MAKE = ROOT / "pcaps" / "story" / "make.py"
DAY_NS = 86_400 * 10**9
WORK = {"firmware-announced", "controller-replaced"}  # announced: changes that people made


def make(folder: Path, seed: int) -> Path:
    """Write the story of a seed."""
    subprocess.run(
        [sys.executable, "-B", MAKE, "--seed", str(seed), "--thin", "30", "-o", folder],
        check=True,
        capture_output=True,
    )
    return folder


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The story of the first seed."""
    return once(tmp_path_factory, "story", lambda path: make(path, 1))


def test_same_seed_same_story(story: Path, tmp_path: Path) -> None:
    """A seed gives the same bytes."""
    again = make(tmp_path / "again", 1)
    for name in ("story.pcap", "labels.tsv", "changes.csv"):
        assert (again / name).read_bytes() == (story / name).read_bytes()


def test_two_weeks_with_enough_of_each(story: Path) -> None:
    """Capture time really spans 14 days; at least five attacks by strangers and by known hosts."""
    first, last = times(story / "story.pcap")
    rows = [line.split("\t") for line in (story / "labels.tsv").read_text().splitlines()[1:]]
    attacks = [row for row in rows if row[3] == "attack"]
    strangers = [row for row in attacks if row[0].startswith(("stranger", "internet"))]

    assert first is not None
    assert last is not None
    assert 13.9 * DAY_NS < last - first < 14 * DAY_NS
    assert len(strangers) >= 5
    assert len(attacks) - len(strangers) >= 5
    assert {row[0] for row in rows} >= {
        *("tap-outage", "vlan-lost", "power-dip", "clock-step", "failing-link", "response-drift"),
        *("weekly-backup", "historian-back-fill", "addresses-change", *WORK),
    }


def test_tshark_finds_nothing_malformed(story: Path) -> None:
    """All units are well formed, and all check sums are right."""
    if not shutil.which("tshark"):
        pytest.skip("needs tshark")
    wrong = "_ws.malformed or ip.checksum.status == 0 or tcp.checksum.status == 0"
    told = subprocess.run(
        ["tshark", "-n", "-r", story / "story.pcap", "-o", "ip.check_checksum:TRUE",
         "-o", "tcp.check_checksum:TRUE", "-Y", wrong],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert told.stdout == ""


@pytest.fixture(scope="module")
def told(story: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What `otsec evaluate --json` says of it."""

    def evaluate(path: Path) -> None:
        found = subprocess.run(
            [sys.executable, "-m", "otsec", "evaluate", "--labels", story / "labels.tsv", "--json",
             "--changes", story / "changes.csv", "--step", "12h", story / "story.pcap"],
            capture_output=True, text=True, check=True, cwd=ROOT,
        )  # fmt: skip
        path.write_text(found.stdout)

    answer: dict[str, Any] = json.loads(
        once(tmp_path_factory, "story-told.json", evaluate).read_text()
    )
    return answer


def test_attacks_are_found(told: dict[str, Any]) -> None:
    """Every attack by a host that was never there is found, and four of five by known hosts."""
    assert told["unknown"]["of"] == told["unknown"]["all"] >= 5
    assert told["known"]["of"] >= 0.8 * told["known"]["all"]


def test_a_plants_life_calls_nobody(told: dict[str, Any]) -> None:
    """Shifts, recipes, backup, tablets, outages and announced work give one false alert at most."""
    assert [one["seen"] for one in told["false"]][1:] == []


def test_what_is_benign_is_named_rightly(told: dict[str, Any]) -> None:
    """Each outage by its name, announced work as expected; nothing of what is usual.

    The tap is out for less than the time between two polls, so nobody can see it here.
    """
    benign = {one["episode"]: one["verdict"] for one in told["episodes"] if not one["attack"]}

    assert len(benign) == 11
    assert {name for name, verdict in benign.items() if verdict != "named"} <= {"tap-outage"}


def test_only_the_update_that_nobody_announced_alerts(told: dict[str, Any]) -> None:
    """The same firmware update is expected with a record, and without one somebody is called."""
    by_name = {one["episode"]: one for one in told["episodes"]}
    announced, lone = by_name["firmware-announced"], by_name["firmware-unannounced"]

    assert {one["change"] for one in announced["others"]} == {"change-0021"}
    assert announced["alerts"] == []
    assert "unlinked" in {one["change"] for one in lone["alerts"]}
