"""Reports of big stores: what is set without measuring, given back, and measured."""

from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from test_reports import MANNER, read

from otsec.reports import measure
from otsec.reports.formats import finished
from otsec.reports.formats.widths import LONG, widths
from otsec.reports.kinds import KINDS, made
from otsec.reports.subject import Order, Subject
from otsec.store import open_store


@pytest.fixture(scope="module")
def plant_db(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of the demo plant."""
    return read(tmp_path_factory.mktemp("plant") / "plant.db", "--site", "north works")


def test_columns_of_long_tables_are_set_by_their_letters() -> None:
    """In print no column of hundreds of rows is measured, and what must not break has room."""
    rows = [[f"id-{n:08d}", "x" * 5000, "word " * 20] for n in range(LONG)]
    found = widths(["Id", "Hostile", "Sentence"], [True, False, False], rows, 128)
    assert sum(found) == pytest.approx(100, abs=0.5)
    assert found[0] / 100 * 128 > len("id-00000000") * 1.1
    assert min(found) > 5


def test_what_was_read_is_given_back(plant_db: Path) -> None:
    """After `forget` the same report is made from the store anew, byte for byte."""
    with open_store(plant_db, readonly=True) as store:
        subject = Subject(store, Order("north works", ZoneInfo("UTC")))
        first = finished(made(subject, "assessment", str)).json
        held = len(vars(subject))
        subject.forget()
        assert len(vars(subject)) < held / 2
        assert finished(made(subject, "assessment", str)).json == first


def test_bench_measures_each_kind_in_a_process_of_its_own(
    plant_db: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """CPU and memory of a kind by itself, with what they should be at most, and of all in one run."""
    monkeypatch.setattr(measure, "KINDS", {one: KINDS[one] for one in ("health", "changes")})
    order = Order("north works", ZoneInfo("UTC"))
    found = measure.measure(plant_db, order, measure.Ways(str, MANNER, lambda _: None), pdf=False)
    assert [(one.unit, one.wanted) for one in found] == [
        *(("s", 10.0), ("MB", 500.0)) * 2, ("s", None), ("MB", None),
    ]  # fmt: skip
    assert min(one.value for one in found) > 0
