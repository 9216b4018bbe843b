"""Metrics: each differs between two stores, and has a population that makes it."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import controls_stores
import pytest
from conftest import ROOT, PlantStore
from controls_stores import DAY, HMI, INPUTS, PLC, SECOND, STRANGER, WORSE, WORST, site

from otsec.cli import main
from otsec.controls.basis import Basis
from otsec.controls.evaluation import Measured
from otsec.controls.metrics import METRICS
from otsec.controls.model import NotConfigured, NotMeasurable, Number, Period
from otsec.controls.site import Site, whole
from otsec.store import open_store

NO_FEATURE = {  # what this version cannot measure
    *("intel.age_d", "alerts.forward_fail"),
}
CANNOT_DIFFER = {  # and why
    "attr.network_monitoring_pct": "which sensors see an asset is known of every asset",
    "attr.active_supported_communication_protocols_conflicts": "what is spoken is seen",
    "attr.vlan_conflicts": "an asset may be in several",
}


@pytest.fixture(scope="module")
def stores(
    tmp_path_factory: pytest.TempPathFactory, plant_store: PlantStore
) -> Iterator[dict[str, Measured]]:
    """Stores that differ in something of all."""
    folder = tmp_path_factory.mktemp("metrics")
    demo = plant_store(folder / "demo.db")
    good, bad = controls_stores.good(folder).store, controls_stores.bad(folder).store
    plain, worse, worst = site(folder), site(folder, WORSE), site(folder, WORST)
    clocks = folder / "clocks.db"
    assert main(["analyze", str(ROOT / "pcaps" / "ntp"), "--db", str(clocks), "-q"]) == 0
    assert plain.policy is not None
    (exception,) = plain.policy.exceptions
    lax = replace(plain.policy, exceptions=(replace(exception, told={}),))
    given = {
        "demo": (open_store(demo, readonly=True), Site("site")),
        "clocks": (open_store(clocks, readonly=True), Site("site")),
        "good": (good, plain),
        "bad": (bad, worse),
        "worse": (bad, worst),
        "gaps": (controls_stores.gaps(folder).store, plain),
        "patient": (
            open_store(clocks, readonly=True),
            replace(
                plain, name="site", policy=None, inputs=replace(plain.inputs, clock_limit_s=10)
            ),
        ),
        "lax": (good, replace(plain, policy=lax)),
    }
    found = {
        name: Measured(Basis(store, at, whole(store, at.name)))
        for name, (store, at) in given.items()
    }
    found["half"] = Measured(Basis(bad, plain, Period(0, 5 * DAY * SECOND)))
    found["empty"] = Measured(Basis(controls_stores.empty(folder), Site("site"), Period(0, 0)))
    yield found
    for store in {id(one.basis.store): one.basis.store for one in found.values()}.values():
        store.close()


@pytest.mark.parametrize("name", METRICS)
def test_two_stores_differ(stores: Mapping[str, Measured], name: str) -> None:
    """Each metric whose feature exists comes to another number in another store."""
    figures = [one[name] for one in stores.values()]
    numbers = {figure.value for figure in figures if isinstance(figure, Number)}

    if name in NO_FEATURE:
        assert not numbers
        assert all(isinstance(figure, NotMeasurable) for figure in figures)
    elif name in CANNOT_DIFFER:
        assert len(numbers) == 1
    else:
        assert len(numbers) > 1, figures


@pytest.mark.parametrize("name", METRICS)
def test_population(stores: Mapping[str, Measured], name: str) -> None:
    """What is counted makes the figure: as many rows, or that share of them."""
    counted = {"proto.malformed": None, "alerts.total": 1}
    for figures in stores.values():
        figure = figures[name]
        if not isinstance(figure, Number):
            assert (figure.reason if isinstance(figure, NotMeasurable) else figure.command).strip()
            continue
        items = list(figure.items())
        made = sum(item.counted for item in items)
        if name.endswith("_pct") and not name.startswith("cov.") and name != "assets.high_attr_pct":
            assert figure.value == pytest.approx(100 * made / len(items))
        elif not name.endswith(UNITS) and name not in counted:
            assert figure.value == made
        for item in items:
            assert item.subject
            assert item.first_time <= item.last_time


UNITS = ("_d", "_h", "_pct", "_min", "_ms", "_days", ".days", ".loaded", ".exists", "_ok")


def test_names_of_findings() -> None:
    """Every finding that a metric counts is of a rule, or of the baseline; no rule for malware is left out."""
    from otsec.baseline import kinds
    from otsec.controls.metrics import access, assets, attributes, operations

    rules = {path.stem for path in (ROOT / "rules").rglob("*.yml")}
    known = rules | {kind.name for kind in kinds.ALL}
    tables = (
        *(access.FAILURES, assets.SAME_TWICE, (assets.DHCP,), attributes.FOUGHT, operations.CYCLES),
        *(operations.SPOOFING, operations.HIJACKED, operations.MALWARE, operations.FLOODS),
    )

    assert {name for table in tables for name in table} <= known
    assert {path.stem for path in (ROOT / "rules" / "malware").glob("*.yml")} <= {
        *operations.MALWARE
    }


def test_without_anything(stores: Mapping[str, Measured]) -> None:
    """Of an empty store nothing is zero but what can be counted there: no policy, no baseline."""
    figures = stores["empty"]
    unknown = {name for name in METRICS if not isinstance(figures[name], Number)}

    assert {"cov.loss_pct", "cov.gap_h", "cov.zones_seen_pct", "time.unsynced"} <= unknown
    assert figures["policy.loaded"] == Number(0, figures["policy.loaded"].told)  # type: ignore[union-attr]
    assert figures["cov.days"] == Number(0)


def test_unknown_says_what_to_do(stores: Mapping[str, Measured]) -> None:
    """What is not configured names the key of the file, or the command."""
    demo = stores["demo"]

    assert demo["alerts.over_sla"] == NotConfigured("`triage:` in compliance.yaml")
    assert demo["assets.unapproved"] == NotConfigured("otsec inventory approve --by WHO")
    assert demo["flows.denied"] == NotConfigured(
        "name it: `policy:` in otsec.yaml, or --policy (otsec policy suggest drafts one)"
    )


def test_recordings_are_no_sensors(stores: Mapping[str, Measured]) -> None:
    """Of recordings nobody knows when a finding could be seen, or whether a sensor was down."""
    demo = stores["demo"].basis
    inputs = stores["good"].basis.site.inputs
    told = Measured(Basis(demo.store, replace(demo.site, inputs=inputs), demo.period))

    assert isinstance(told["alerts.over_sla"], NotMeasurable)
    assert isinstance(told["sensor.down_min"], NotMeasurable)


def test_false_positive_is_not_counted(tmp_path: Path) -> None:
    """A finding that was none, or that was meant to be so, is looked at and not counted."""
    month = controls_stores.Month(tmp_path, "decided", 1)
    month.hears(HMI, PLC)
    wrong = [month.finds("stuxnet", HMI, PLC, at=9) for _ in range(4)]
    for identity, kind in zip(wrong, ("false-positive", "expect", "accept"), strict=False):
        month.act(kind, 10, finding=identity)
    month.write()
    basis = Basis(month.store, Site("plant"), whole(month.store, "plant"))
    figure = Measured(basis)["malware.hits"]

    assert isinstance(figure, Number)
    assert (figure.value, len(list(figure.items()))) == (2, 4)


def test_expected_change_is_linked(tmp_path: Path) -> None:
    """A program that was loaded counts as unlinked until its finding is expected, by whom ever."""
    figures = []
    for name in ("plain", "expected"):
        month = controls_stores.Month(tmp_path, name, 2)
        month.hears(HMI, PLC)
        month.does(HMI, PLC, "modbus", "program", "download", span=(10, 20))
        identity = month.finds("modbus-program", HMI, PLC, at=10, operations=("download",))
        if name == "expected":
            month.act("expect", 30, finding=identity)
        month.write()
        basis = Basis(month.store, Site("plant"), whole(month.store, "plant"))
        figures.append(Measured(basis)["ops.program_unapproved"])

    assert [one.value for one in figures if isinstance(one, Number)] == [1, 0]


def test_window_links_a_change(stores: Mapping[str, Measured]) -> None:
    """A transfer behind the end of its conduit's window has no record, and breaks the policy."""
    bad = stores["bad"]
    late, program = bad["ops.outside_window"], bad["ops.program_unapproved"]

    assert isinstance(late, Number)
    assert [item.what for item in late.items() if item.counted] == [
        "modbus program program_download"
    ]
    assert isinstance(program, Number)
    assert [item.told for item in program.items()] == ["no record"]


def test_stranger(stores: Mapping[str, Measured]) -> None:
    """Who is in no zone and not approved is told by name and packet."""
    bad = stores["bad"]
    items = [item for name in ("assets.unapproved", "flows.unmatched") for item in bad[name].items() if item.counted]  # type: ignore[union-attr]  # fmt: skip

    assert any(STRANGER in item.subject and item.packet is not None for item in items)
    assert INPUTS != WORSE
