"""Reports that were missed or given up are findings; settings in effect are recorded."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import ROOT
from test_schedule_running import DAY, add, daily, ns, produce

from otsec.cli import main
from otsec.config import Config
from otsec.errors import Exit, UsageError
from otsec.schedule import alerts, running
from otsec.schedule.running import Task
from otsec.store import Store, open_store
from otsec.store.acts import every_act
from otsec.store.findings import findings
from otsec.store.paging import open_alerts, open_findings
from otsec.store.schedules import Delivery, put_runs, remove_schedule, runs

CAPTURE = ROOT / "pcaps" / "plant" / "ten_minutes.pcap"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """An empty store."""
    with open_store(tmp_path / "a.db") as made:
        yield made


def refused(_task: Task) -> dict[str, str]:
    """A report that cannot be made."""
    raise UsageError("report evidence: say --framework NAME")


def test_missed_runs_are_one_finding_that_goes_on(store: Store, tmp_path: Path) -> None:
    """What was missed is a finding of the schedule, told once; it is new again when it goes on."""
    add(store, daily(tmp_path))
    running.work(store, produce, lambda: ns("2026-05-04T08:00"))
    (first,) = alerts.raised(store, Config(site="north"))
    assert (first.name, first.category, first.level, first.site) == (
        "report-missed", "health", "medium", "north",
    )  # fmt: skip
    assert (first.times, first.last_time) == (3, ns("2026-05-03T06:00"))
    assert first.seen == (
        "Schedule daily: 3 runs; the last was due 2026-05-03T04:00:00Z: "
        "otsec was not there when it was due."
    )
    assert alerts.raised(store, Config(site="north")) == []
    assert open_alerts(store) == [first.seen]
    assert open_findings(store) == 1

    running.work(store, produce, lambda: ns("2026-05-07T08:00"))
    (again,) = alerts.raised(store, Config(site="north"))
    assert (again.id, again.times) == (first.id, 5)


def test_an_alert_ends_with_its_cause(store: Store, tmp_path: Path) -> None:
    """Runs that were made after all, and schedules that were removed, alert nobody."""
    add(store, daily(tmp_path))
    running.work(store, produce, lambda: ns("2026-05-03T08:00"))
    assert [one.times for one in alerts.raised(store, Config())] == [2]
    put_runs(store, [one._replace(state="waiting") for one in runs(store) if one.state == "missed"])
    running.work(store, produce, lambda: ns("2026-05-03T09:00"))
    assert alerts.raised(store, Config()) == []
    assert findings(store) == []

    add(store, daily(tmp_path / "other", name="other"))
    running.plan(store, ns("2026-05-05T08:00"))
    assert len(alerts.raised(store, Config())) == 2
    for name in ("other", "daily"):
        act = running.recorded.act("schedule", 2, "kim", name)
        remove_schedule(store, name, act)
    assert alerts.raised(store, Config()) == []
    assert findings(store) == []


def test_runs_given_up_and_mail_that_did_not_arrive_alert(store: Store, tmp_path: Path) -> None:
    """Three tries without a report, and twelve without a delivery, are findings with their reason."""
    add(store, daily(tmp_path, since=ns("2026-05-02T05:00")))
    for hour in (7, 8, 12):
        running.work(store, refused, lambda hour=hour: ns(f"2026-05-02T{hour:02}:00"))  # type: ignore[misc]
    (run,) = runs(store)
    put_runs(
        store, [], deliver=[Delivery("daily", run.due, "auditor", "failed", error="no such host")]
    )
    assert {one.name: one.seen for one in alerts.raised(store, Config())} == {
        "report-missed": "Schedule daily: 1 run; the last was due 2026-05-02T04:00:00Z: "
        "report evidence: say --framework NAME.",
        "report-undelivered": "Schedule daily: 1 delivery; the last was due 2026-05-02T04:00:00Z: "
        "to auditor: no such host.",
    }


def test_schedules_that_nobody_works_off_are_told(store: Store, tmp_path: Path) -> None:
    """A sensor tells of what is due for an hour and not even taken down; not of what was."""
    add(store, daily(tmp_path))
    due = ns("2026-05-02T06:00")
    running.work(store, produce, lambda: ns("2026-05-01T07:00"))
    assert alerts.overdue(store, due + DAY // 48) == []
    (told,) = alerts.overdue(store, due + DAY // 12)
    assert told == (
        "Schedule daily: was due 2026-05-02T04:00:00Z, and nobody works schedules off "
        "(otsec report run --due)."
    )
    running.work(store, produce, lambda: due + DAY // 12)
    assert alerts.overdue(store, due + DAY // 12) == []


def test_alerts_stand_among_findings_and_out_of_the_dump(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """They survive another judging, are listed, told, decided of and explained; the dump is as before."""
    db = tmp_path / "plant.db"
    assert main(["analyze", "-q", "--db", str(db), str(CAPTURE)]) == Exit.FINE
    assert main(["db", "dump", "--db", str(db)]) == Exit.FINE
    before = capsys.readouterr().out
    with open_store(db) as store:
        add(store, daily(tmp_path))
        running.plan(store, ns("2026-05-03T08:00"))
        (alert,) = alerts.raised(store, Config())

    def told(*words: str) -> str:
        assert main([*words, "--db", str(db)]) == Exit.FINE, words
        return capsys.readouterr().out

    assert told("db", "dump") == before
    told("rules", "run", "-q")
    assert told("db", "dump") == before
    (row,) = json.loads(told("findings", "rule=report-missed", "--json"))["rows"]
    assert row["level"] == "medium"
    page = told("finding", alert.short)
    assert "otsec schedule retry daily" in page
    assert "no packet shows it" in page
    assert "otsec evidence" not in page
    words = ["evidence", alert.short, "-w", str(tmp_path / "e.pcapng"), "--db", str(db)]
    assert main(words) == Exit.USAGE
    assert "no packet shows it" in capsys.readouterr().err
    told("finding", alert.short, "--json")
    told("report", "run", "findings", "assessment", "-q", "-o", str(tmp_path / "r"))
    told("report", "run", "incident", "--finding", alert.id, "-q", "-o", str(tmp_path / "r"))
    assert main(["resolve", alert.short, "-q", "--by", "kim", "--db", str(db)]) == Exit.FINE
    with open_store(db, readonly=True) as store:
        assert open_alerts(store) == []


def test_settings_are_recorded_by_who_acts_by_them(tmp_path: Path) -> None:
    """Reading a capture into a site's store records settings once, and again when they change."""
    settings = tmp_path / "otsec.yaml"

    def acts(text: str, *words: str) -> list[str]:
        settings.write_text(text)
        assert main([*words, "-q", "--config", str(settings)]) == Exit.FINE
        with open_store(tmp_path / "otsec.db", readonly=True) as store:
            return [one.reason for one in every_act(store) if one.kind == "config"]

    first = ["the first that was seen"]
    plain = "site: north\nstore: otsec.db\n"
    assert acts(plain, "analyze", str(CAPTURE)) == first
    assert acts(plain, "analyze", str(CAPTURE)) == first
    second = [*first, "changed: alert_budget"]
    assert acts(plain + "alert_budget: 3\n", "rules", "run") == second
    third = [*second, "changed: time_zone"]
    zone = plain + "alert_budget: 3\ntime_zone: Europe/Berlin\n"
    assert acts(zone, "baseline", "learn") == third


def test_captures_without_settings_record_none(tmp_path: Path) -> None:
    """A store of one's own, without otsec.yaml, has no act that nobody did."""
    db = tmp_path / "a.db"
    assert main(["analyze", "-q", "--db", str(db), str(CAPTURE)]) == Exit.FINE
    with open_store(db, readonly=True) as store:
        assert every_act(store) == []
