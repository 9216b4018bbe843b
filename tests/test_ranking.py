"""Hours of devices are ranked by how unlike their others they are, and nothing alarms by it."""

import random
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from conftest import Command
from inventory_stores import SECOND
from store_rows import new, row, write

from otsec.baseline.ranking import LEAST_OWN, Unusual, ranked
from otsec.errors import UsageError
from otsec.store import Store, open_store

HOURS, DEVICES, HOUR_S = 60, 12, 3_600
pytestmark = pytest.mark.skipif(not find_spec("sklearn"), reason="scikit-learn is an extra")


def network(path: Path, hours: int = HOURS, *, odd: bool = True, seed: int = 7) -> Store:
    """Devices that report to one server, as steadily as devices do; one looks around for an hour."""
    chance = random.Random(seed)
    store = new(path)
    source = store.source("plant", "tap", "net", "")
    rows = []
    for hour in range(hours):
        for device in range(DEVICES):
            packets = int(1_000 * (device + 1) * chance.uniform(0.9, 1.1))
            peers = [("10.0.0.1", packets)]
            if odd and (hour, device) == (41, 5):
                peers += [(f"10.0.1.{n}", 3) for n in range(60)]
            for receiver, count in peers:
                cells = {"sender": f"10.0.0.{10 + device}", "receiver": receiver, "hour": hour}
                rows.append(row("volume", source=source, packets=count, bytes=count * 90, **cells))
    clock = row("clock", source=source, packets=1, first_time=0, last_time=hours * HOUR_S * SECOND)
    write(store, volume=rows, clock=[clock])
    return store


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Unusual]]:
    """The store in which one device looks around for an hour, and its ranks: they take seconds."""
    path = tmp_path_factory.mktemp("ranking") / "a.db"
    with network(path) as store:
        return path, ranked(store)


def test_the_hour_that_is_unlike_the_others_stands_first(odd: tuple[Path, list[Unusual]]) -> None:
    """Who sends to sixty addresses in one hour, and to one otherwise, is first, and why is told."""
    _, found = odd

    assert len(found) == HOURS * DEVICES
    assert (found[0].hour.address, found[0].hour.hour) == ("10.0.0.15", 41)
    assert found[0].features[0] == "addresses sent to 61 (mostly 1)"
    assert found[0].share == min(one.share for one in found)


def test_hours_that_are_alike_have_even_ranks(tmp_path: Path) -> None:
    """Where nothing is odd hardly less than a tenth of the hours has a share of a tenth, and no more."""
    shares = [one.share for one in ranked(network(tmp_path / "a.db", odd=False))]

    for level in (0.05, 0.1, 0.5):
        within = sum(share <= level for share in shares) / len(shares)
        assert 0.8 * level <= within <= level  # hours that are equal are told as the less unusual


def test_the_same_store_gives_the_same_list(odd: tuple[Path, list[Unusual]]) -> None:
    """Chance is drawn from a seed, so two runs agree to the last digit."""
    path, found = odd
    with open_store(path, readonly=True) as store:
        assert ranked(store) == found


def test_too_little_is_said_so(tmp_path: Path) -> None:
    """A few hours tell nothing of what a device does otherwise."""
    with pytest.raises(UsageError, match="whole hours of devices"):
        ranked(network(tmp_path / "a.db", hours=LEAST_OWN - 1))


def test_the_command_lists_the_first(
    odd: tuple[Path, list[Unusual]], otsec_command: Command
) -> None:
    """The list has the most unusual first, can be filtered, and makes no finding."""
    path, _ = odd
    shown = otsec_command("unusual", "--db", path).stdout.splitlines()
    assert "10.0.0.15" in shown[1]
    assert len(shown) == 21

    other = otsec_command("unusual", "host:10.0.0.16", "--db", path, "--csv").stdout
    assert len(other.splitlines()) == HOURS + 1
    told = otsec_command("findings", "--db", path, "--csv").stdout
    assert len(told.splitlines()) == 1


def test_each_forest_is_asked_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once for the ranks of its hours and once for the reasons of all: a question takes long."""
    from sklearn.ensemble import IsolationForest

    asked: list[int] = []
    score = IsolationForest.score_samples

    def counted(forest: IsolationForest, rows: Any) -> Any:
        asked.append(len(rows))
        return score(forest, rows)

    monkeypatch.setattr(IsolationForest, "score_samples", counted)
    found = ranked(network(tmp_path / "a.db"))
    assert sum(bool(one.features) for one in found) > 100
    assert len(asked) == 4
