"""Rows of all frameworks over five stores: statuses, what leads to packets, and what is unknown.

``python tests/test_controls_evaluation.py`` writes the tables of `tests/golden_controls` anew.
"""

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))

import controls_stores
from conftest import ROOT, PlantStore
from controls_stores import DAY, INPUTS, SECOND, WORSE, site

from otsec.cli import main
from otsec.controls.basis import Basis
from otsec.controls.evaluation import Measured, evaluate, judge
from otsec.controls.expressions import Expression
from otsec.controls.frameworks import catalogue
from otsec.controls.metrics import METRICS
from otsec.controls.model import (
    UNCHECKED,
    Control,
    Evaluation,
    Figure,
    NotConfigured,
    NotMeasurable,
    Number,
    Period,
)
from otsec.controls.site import Site, whole
from otsec.store import Store, open_store
from otsec.store.acts import Act, record

GOLDEN = ROOT / "tests" / "golden_controls"
NAMES = ("demo", "gaps", "empty", "good", "bad")
ROWS = [
    pytest.param(control, id=f"{one.slug} {control.id}")
    for one in catalogue().frameworks
    for control in one.controls
]


def measured(store: Store, at: Site) -> Measured:
    """Figures of all that a store holds."""
    return Measured(Basis(store, at, whole(store, at.name)))


def made(folder: Path, demo: Path) -> dict[str, Measured]:
    """The five stores, measured; ``demo``: what `make demo` leaves."""
    months = {
        name: getattr(controls_stores, name)(folder).store for name in ("gaps", "good", "bad")
    }
    return {
        "demo": measured(open_store(demo, readonly=True), Site("site")),
        "empty": Measured(Basis(controls_stores.empty(folder), Site("site"), Period(0, 0))),
        **{
            name: measured(store, site(folder, WORSE if name == "bad" else INPUTS))
            for name, store in months.items()
        },
    }


@pytest.fixture(scope="module")
def stores(
    tmp_path_factory: pytest.TempPathFactory, plant_store: PlantStore
) -> Iterator[dict[str, Measured]]:
    """The five stores, measured once."""
    folder = tmp_path_factory.mktemp("controls")
    found = made(folder, plant_store(folder / "demo.db"))
    yield found
    for one in found.values():
        one.basis.store.close()


def evaluations(figures: Measured) -> list[Evaluation]:
    """All frameworks over one store."""
    basis = figures.basis
    return [
        evaluate(basis.store, one, basis.period, basis.site, figures)
        for one in catalogue().frameworks
    ]


def table(figures: Measured) -> str:
    """Every row with its status."""
    return "".join(
        f"{one.framework.slug}\t{row.control.id}\t{row.status}\t{row.control.check}\n"
        for one in evaluations(figures)
        for row in one.rows
    )


@pytest.mark.parametrize("name", NAMES)
def test_statuses(stores: Mapping[str, Measured], name: str) -> None:
    """All 332 rows come to the statuses that a person has looked at."""
    told = table(stores[name])

    assert told.count("\n") == 332
    assert told == (GOLDEN / f"{name}.tsv").read_text("utf-8")


@pytest.mark.parametrize("name", NAMES)
def test_contradicted_rows_lead_to_packets(stores: Mapping[str, Measured], name: str) -> None:
    """A contradicted row names packets, or findings that have some; of what people said, whom.

    What otsec itself keeps, its record and its reports, is in no packet.
    """
    for one in evaluations(stores[name]):
        for row in one.rows:
            if row.status == "contradicted":
                assert row.evidence, row.control
                assert all(item.counted for item in row.evidence)
                shown = [item for item in row.evidence if item.finding or (item.packet is not None and item.point)]  # fmt: skip
                own = {item.what for item in row.evidence} <= {"record", "report"}
                assert shown or own, row.control


def test_never_compliant(stores: Mapping[str, Measured]) -> None:
    """No row shows more than it can, and no word of it claims that a site complies."""
    order = {"partial": 1, "supported": 2}
    for figures in stores.values():
        for one in evaluations(figures):
            for row in one.rows:
                most = row.control.max_status
                assert (row.status == "context") is (most == "context")
                assert order.get(row.status, 0) <= order.get(most, 0)
                told = " ".join([row.says, *row.notes]).casefold()
                assert row.says
                assert not {"compliant", "passed", "conform"} & {*told.split()}
                assert (UNCHECKED in row.notes) is (row.control.id_source == "memory")


# ---------------------------------------------------------------------------- switched off


def _number(name: str) -> float:
    """A value of a metric with which everything is as it should be."""
    best = {"cov.gap_h": 0, "cov.loss_pct": 0, "cov.opaque_pct": 0, "alerts.total": 9, "assets.total": 9, "remote.sessions": 9,
            "audit.retention_d": 2000, "audit.required_d": 1000, "sensor.disk_days": 1000, "policy.loaded": 1, "baseline.exists": 1,
            "audit.chain_ok": 1, "cov.days": 1000, "cov.zones_seen_pct": 100, "cov.decode_pct": 100}  # fmt: skip
    return best.get(name, 100.0 if name.startswith("attr.") and name.endswith("_pct") else 0.0)


BEST: dict[str, Figure] = {name: Number(_number(name)) for name in METRICS}


@pytest.fixture(scope="module")
def reviewed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Basis]:
    """An empty store in which only the acts of people are, that two rows ask for."""
    with open_store(tmp_path_factory.mktemp("acts") / "a.db") as store:
        record(store, [
            Act(0, 0, "Ann", "baseline-review", "", "", "", "", "monthly"),
            Act(0, 0, "Ann", "selftest", "", "all rules", "", "9 rules: 9 fired", ""),
        ])  # fmt: skip
        yield Basis(store, Site("site"), Period(0, DAY * SECOND))


def status(basis: Basis, control: Control, figures: Mapping[str, Figure]) -> str:
    """The status of one row where figures are as given."""
    return judge(control, Measured(basis, {**BEST, **figures})).status


@pytest.mark.parametrize("control", ROWS)
def test_each_metric_switched_off(reviewed: Basis, control: Control) -> None:
    """With all as it should be a row shows its most; with any metric that it reads unknown, never."""
    assert status(reviewed, control, {}) == control.max_status
    if control.max_status == "context":
        return
    for name in control.logic.metrics:
        for off in (NotMeasurable("switched off"), NotConfigured("otsec on")):
            assert status(reviewed, control, {name: off}) == "insufficient"


@pytest.mark.parametrize("control", ROWS)
def test_contradicted_by_what_is_known(reviewed: Basis, control: Control) -> None:
    """What contradicts a row does so whatever else is unknown, and however little was captured."""
    if control.max_status == "context":
        return
    against = _against(control.logic.contradicted)
    unknown: dict[str, Figure] = {
        name: NotMeasurable("switched off") for name in control.logic.metrics if name not in against
    }

    assert status(reviewed, control, {**unknown, **against}) == "contradicted"


def _against(expression: Expression) -> dict[str, Figure]:
    """Figures that make the first part of an expression true, all parts where they are joined by and."""
    values = {"sensor.disk_days": 0.0, "audit.retention_d": 1.0, "audit.chain_ok": 0.0}
    parts = expression.parts if expression.word == "and" else expression.parts[:1] or (expression,)
    return {name: Number(values.get(name, 10_000.0)) for part in parts for name in part.names}


def test_every_metric_of_a_real_store_switched_off(stores: Mapping[str, Measured]) -> None:
    """In the good month, too, no row is more than insufficient without one of its metrics."""
    figures = stores["good"]
    basis = figures.basis
    known = {name: figures[name] for name in METRICS}
    for one in catalogue().frameworks:
        for control in one.controls:
            for name in control.logic.metrics:
                off = NotMeasurable("switched off")
                row = judge(control, Measured(basis, {**known, name: off}))
                assert row.status in {"contradicted", "insufficient", "context"}
                assert row.unknown[name] == "not measurable here: switched off"


# ----------------------------------------------------------------------------- special rules


def _with(store: Store, *acts: Act) -> Basis:
    record(store, acts)
    return Basis(store, Site("site"), Period(0, 100 * DAY * SECOND))


def _said(kind: str, at: int, attribute: str = "", after: str = "") -> Act:
    return Act(0, at * DAY * SECOND, "Ann", kind, "", attribute, "", after, "x")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("row", "acts", "comes_to"),
    [
        ("CIP-010-4 R2.1", [], "insufficient"),
        ("CIP-010-4 R2.1", [_said("baseline-review", 64)], "insufficient"),
        ("CIP-010-4 R2.1", [_said("baseline-review", 65)], "partial"),
        ("CIP-010-4 R2.1", [_said("baseline-approve", 99)], "partial"),
        ("CIP-015-1 R1.2", [], "partial"),
        ("CIP-015-1 R1.2", [_said("selftest", 64, "all rules", "9 rules: 9 fired")], "partial"),
        ("CIP-015-1 R1.2", [_said("selftest", 65, "all rules", "9 rules: 9 fired")], "supported"),
        ("CIP-015-1 R1.2", [_said("selftest", 99, "smb1", "1 rule: 1 fired")], "partial"),
        ("CIP-015-1 R1.2", [_said("selftest", 99, "all rules", "9 rules: 8 fired, 1 silent; did not fire: smb1")], "partial"),
    ],
)  # fmt: skip
def test_special_rules(tmp_path: Path, row: str, acts: list[Act], comes_to: str) -> None:
    """CIP-010-4 R2.1 wants a review of at most 35 days, CIP-015-1 R1.2 a self-test without failure."""
    control = catalogue().control(row)

    with open_store(tmp_path / "special.db") as store:
        assert status(_with(store, *acts), control, {}) == comes_to


def test_stricter_site(stores: Mapping[str, Measured], tmp_path: Path) -> None:
    """A site may ask for more coverage than rows do; that is told, and rows below it do not suffice."""
    figures = stores["good"]
    text = INPUTS + "coverage: {days: 60, loss_pct: 0.5}\n"
    strict = Basis(figures.basis.store, site(tmp_path, text), figures.basis.period)
    found = evaluate(strict.store, "iec-62443-3-3", strict.period, strict.site)
    by_id = {row.control.id: row for row in found.rows}

    assert found.stricter == ("cov.days: 60 instead of 28", "cov.loss_pct: 0.5 instead of 1")
    assert by_id["SR 2.1"].status == "insufficient"
    assert "cov.days is 40; the site asks for 60" in by_id["SR 2.1"].says
    assert by_id["SR 4.3"].status == "contradicted"


def test_zones_that_no_sensor_sees(stores: Mapping[str, Measured]) -> None:
    """Coverage names the zones of the policy of which nobody was heard."""
    found = evaluations(stores["bad"])[0].coverage

    assert found.zones_not_seen == ("admin", "vendor")
    assert {one.name for one in found.sensors} == {"tap of net", "silent"}


def test_same_again(stores: Mapping[str, Measured]) -> None:
    """Measuring the same store again gives the same rows, in the same order."""
    for figures in stores.values():
        basis = figures.basis
        again = Measured(Basis(basis.store, basis.site, basis.period))
        assert table(again) == table(figures)
        for name in METRICS:
            one, other = figures[name], again[name]
            assert one == other
            if isinstance(one, Number) and isinstance(other, Number):
                assert list(one.items()) == list(other.items())


if __name__ == "__main__":
    import tempfile

    GOLDEN.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as temporary:
        plant = Path(temporary) / "demo.db"
        assert main(["analyze", str(ROOT / "pcaps" / "plant"), "--db", str(plant), "-q"]) == 0
        for label, told in made(plant.parent, plant).items():
            (GOLDEN / f"{label}.tsv").write_text(table(told), "utf-8")
