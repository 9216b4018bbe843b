"""`otsec evaluate`: labels, scores, and what it says to whoever mistypes."""

import json
import struct
from dataclasses import replace
from datetime import UTC
from pathlib import Path
from typing import Any, get_type_hints

import pytest
from conftest import ROOT

from otsec.cli import main
from otsec.errors import Exit, InputError
from otsec.evaluation.labels import Episode, read
from otsec.evaluation.replay import Alert, Heard
from otsec.evaluation.scoring import Score, Share, score
from otsec.store.findings import Finding

SECOND, DAY = 10**9, 86_400 * 10**9
HEAD = "episode\tfrom\tto\tkind\tname\ttechnique\thosts\n"
PLANT = ROOT / "pcaps" / "plant" / "ten_minutes.pcap"
LABELS = HEAD + (
    "scan\t2026-01-05T08:05:30Z\t2026-01-05T08:06:20Z\tattack\tnew-device|arp-sweep\tT0846\t10.20.1.199\n"
    "speed\t2026-01-05T08:06:25Z\t2026-01-05T08:06:50Z\tattack\tnew-writer\tT0836\t10.20.1.199,10.20.1.23\n"
    "breaker\t2026-01-05T08:03:20Z\t2026-01-05T08:04:50Z\tbenign\t\t\t10.20.1.25\n"
)


def finding(name: str = "new-device", **told: Any) -> Finding:
    """A finding of which only some cells matter."""
    empty: dict[str, Any] = {"str": "", "int": 0}
    cells = {
        field: empty.get(getattr(kind, "__name__", ""), ())
        for field, kind in get_type_hints(Finding).items()
    }
    return Finding(**{**cells, "id": name, "name": name, "level": "medium", **told})


def alert(
    time: int,
    name: str = "new-device",
    category: str = "baseline",
    until: int = 0,
    **told: Any,
) -> Alert:
    """An alert at a second, or over some."""
    one = finding(name, category=category, **told)
    return Alert(time * SECOND, until * SECOND if until else time * SECOND, time * SECOND, one)


def scored(*alerts: Alert, **episode: Any) -> Score:
    """One attack by 10.0.0.9 from second 100 to 200, in two days, and some alerts."""
    plain = {
        "name": "attack", "begin": 100 * SECOND, "end": 200 * SECOND, "attack": True,
        "names": frozenset({"new-device"}), "technique": "T0846", "hosts": ("10.0.0.9",),
    }  # fmt: skip
    heard = Heard(0, 2 * DAY, frozenset({"10.0.0.1"}), list(alerts), {}, 0, 1)
    return score(heard, [Episode(**{**plain, **episode})])  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("time", "told", "verdict", "false"),
    [
        (100, {"client": "10.0.0.9"}, "found", 0),
        (99, {"client": "10.0.0.9"}, "found", 0),  # a second before still belongs to it
        (98, {"client": "10.0.0.9"}, "missed", 1),
        (260, {"server": "10.0.0.9"}, "found", 0),  # and a minute behind
        (261, {"server": "10.0.0.9"}, "missed", 1),
        (50, {"client": "10.0.0.9", "until": 3_600}, "found", 0),  # the hour in which it lies
        (50, {"client": "10.0.0.9", "until": 3_700}, "missed", 1),
        (150, {"client": "10.0.0.8"}, "missed", 1),  # about somebody else
        (150, {"client": "10.0.0.9", "level": "low"}, "missed", 0),  # nobody is called
    ],
)
def test_when_an_attack_is_found(time: int, told: dict[str, Any], verdict: str, false: int) -> None:
    """By an alert in its span about one of its hosts; other alerts are false."""
    found = scored(alert(time, **told))

    assert found.results[0].verdict == verdict
    assert len(found.false) == false


def test_delay_name_and_technique() -> None:
    """The first alert tells how soon; names and techniques are those of any."""
    found = scored(
        alert(130, client="10.0.0.9", techniques=("T0846",)), alert(110, "x", client="10.0.0.9")
    ).results[0]

    assert (found.delay_us, found.named, found.technique) == (10_000_000, True, True)
    assert found.who == "unknown"
    assert scored(hosts=("10.0.0.1",)).results[0].who == "known"


@pytest.mark.parametrize(
    ("names", "alerts", "verdict"),
    [
        ((), (), "named"),  # nothing should be told, nothing was
        ((), (alert(150, client="10.0.0.9"),), "false alert"),
        (("tap-outage",), (), "not named"),
        (("tap-outage",), (alert(150, "tap-outage", level="low"),), "named"),
    ],
)
def test_what_is_benign(names: tuple[str, ...], alerts: tuple[Alert, ...], verdict: str) -> None:
    """It is told rightly by its name at any level, and alerts in it are false all the same."""
    found = scored(*alerts, attack=False, names=frozenset(names))

    assert found.results[0].verdict == verdict
    assert len(found.false) == sum(one.counts for one in alerts)


def test_what_was_announced() -> None:
    """What a record explains calls nobody and is told as expected; what none explains is not."""
    announced = replace(alert(150, client="10.0.0.9"), change="CHG-1")
    alone = replace(alert(150, "x", client="10.0.0.9"), change="unlinked")
    benign = {"attack": False, "names": frozenset({"expected"})}

    assert scored(announced).results[0].verdict == "missed"
    rightly = scored(announced, **benign)
    assert (rightly.results[0].verdict, rightly.false, rightly.expected) == ("named", (), 1)
    assert rightly.results[0].told == ("new-device (CHG-1)",)
    assert scored(announced, alone, **benign).results[0].verdict == "false alert"
    assert scored(alone, names=frozenset({"unlinked"})).results[0].named
    assert not scored(announced, names=frozenset({"unlinked"})).results[0].named


def test_bounds() -> None:
    """No false alert in two days is at most 1.5 a day; all of seven is at least 65 %."""
    assert scored().at_most == pytest.approx(2.9957 / 2, abs=1e-3)
    assert Share(7, 7).interval == pytest.approx((0.6457, 1.0), abs=1e-3)
    assert Share(0, 0).interval == (0.0, 1.0)


def test_by_method() -> None:
    """What each method found, what it alone found, and how often it was wrong."""
    found = scored(
        alert(150, client="10.0.0.9"),
        alert(151, "s7-plc-stop", "mode", client="10.0.0.9"),
        alert(900, "value-outside", client="10.0.0.7"),
    ).methods

    assert [(one.name, one.attacks, one.alone, one.false) for one in found] == [
        ("lists", 1, 0, 0), ("rules", 1, 0, 0), ("values", 0, 0, 1),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", ":1: expected the columns episode from to kind name technique hosts"),
        (HEAD + "a\tb\n", ":2: expected 7 columns, found 2"),
        (HEAD + "a\tnow\t2026-01-05\tattack\t\t\t\n", ":2: from: expected a time as"),
        (HEAD + "a\t2026-01-06\t2026-01-05\tattack\t\t\t\n", ":2: ends before it begins"),
        (HEAD + "a\t2026-01-05\t2026-01-06\twar\t\t\t\n", ":2: kind: expected attack or benign"),
    ],
)
def test_mistakes_in_labels(text: str, problem: str, tmp_path: Path) -> None:
    """Each mistake is told with its line."""
    path = tmp_path / "labels.tsv"
    path.write_text(text)

    with pytest.raises(InputError, match=problem):
        read(path, UTC)


@pytest.fixture
def labels(tmp_path: Path) -> str:
    """Labels of the demo plant."""
    path = tmp_path / "labels.tsv"
    path.write_text(LABELS)
    return str(path)


def test_the_demo_plant(labels: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Five minutes are learned; the laptop of the sixth is found, its setpoint too."""
    words = ["--learn-until", "2026-01-05T08:05:00Z", "--step", "30s", str(PLANT)]
    code = main(["evaluate", "--labels", labels, "--json", *words])
    told = json.loads(capsys.readouterr().out)

    assert code == Exit.FINE
    assert told["unknown"]["of"] == 2
    assert [one["verdict"] for one in told["episodes"]] == ["found", "found"]
    assert all(one["delay_us"] < 60_000_000 for one in told["episodes"])


@pytest.mark.parametrize(
    ("method", "found"), [("lists", {"lists"}), ("rules", {"rules"}), ("values", set())]
)
def test_a_method_alone(
    method: str, found: set[str], labels: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """With one method switched on only its findings count: of lists and rules, that find alike."""
    words = ["--json", "--learn-until", "2026-01-05T08:05:00Z", "--step", "10m", str(PLANT)]
    code = main(["evaluate", "--labels", labels, "--methods", method, *words])
    told = json.loads(capsys.readouterr().out)

    assert code == Exit.FINE
    assert {one["name"] for one in told["methods"]} == found


def test_a_page_for_people(labels: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Episodes, false alerts, methods and the sum stand one behind the other."""
    words = ["--learn-until", "2026-01-05T08:05:00Z", "--step", "1m", str(PLANT)]
    assert main(["evaluate", "--labels", labels, *words]) == Exit.FINE
    out = capsys.readouterr().out

    heads = [out.index(head) for head in ("Episodes", "False alerts", "By method", "Sum")]
    assert heads == sorted(heads)
    assert "attacks by who was unknown, found: 2 of 2" in out


def test_a_table_of_changes(
    labels: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What the table announces is no alert, and its mistakes are told before anything is read."""
    table = tmp_path / "changes.csv"
    head = "id,assets,from,to,allow,reason\n"
    table.write_text(head + "C-1,10.20.1.23,2026-01-05T08:06,2026-01-05T08:07,any,work\n")
    words = ["evaluate", "--labels", labels, "--changes", str(table), "--json", "--step", "30s"]
    words += ["--learn-until", "2026-01-05T08:05:00Z", str(PLANT)]

    assert main(words) == Exit.FINE
    told = json.loads(capsys.readouterr().out)
    speed = {one["episode"]: one for one in told["episodes"]}["speed"]
    assert {one["change"] for one in speed["others"]} == {"C-1"}
    table.write_text(head.replace("assets", "device"))
    assert main(words) == Exit.USAGE
    assert ":1: no column 'device'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["--step", "1s"], "--step: expected 10m, 1h or 1d, at least 10s, found '1s'"),
        (["--step", "often"], "--step: expected 10m, 1h or 1d"),
        (["--methods", "rule"], "--methods: no method 'rule'; did you mean rules?"),
        ([], "evaluate: the captures end before learning does; see --learn-until"),
    ],
)
def test_mistyped(
    words: list[str], problem: str, labels: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line says what is wrong."""
    code = main(["evaluate", "--labels", labels, *words, str(PLANT)])

    assert code == Exit.USAGE
    assert problem in capsys.readouterr().err


def test_a_capture_without_packets(
    labels: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line says that there is nothing to learn from."""
    empty = tmp_path / "empty.pcap"
    empty.write_bytes(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65_535, 1))
    words = ["evaluate", "--labels", labels, "--learn-until", "2026-01-05T08:05:00Z", str(empty)]

    assert main(words) == Exit.USAGE
    assert "the captures end before learning does" in capsys.readouterr().err
