"""The Zones screen: what crosses between zones by the site's policy, and by a draft."""

import shutil
from pathlib import Path

import pytest
from conftest import PlantStore
from tui_pilot import Seat, visit

SIZES = [(80, 24), (120, 40)]
POLICY = """\
otsec_policy: 1
site: {id: plant, timezone: Europe/Berlin}
zones:
  office: {level: 4, nets: [192.168.10.0/24], kind: enterprise}
  plant: {level: 2, nets: [10.20.1.0/25]}
  guests: {level: 2, nets: [10.20.1.128/25], kind: transient}
conduits:
  - {id: never-used, from: office, to: plant, allow: [{service: ssh}], owner: o, reason: r}
"""


@pytest.fixture(scope="module")
def analysed(tmp_path_factory: pytest.TempPathFactory, plant_store: PlantStore) -> Path:
    """The plant of the demo in a store, a policy beside it, and a draft that allows everything."""
    folder = tmp_path_factory.mktemp("zones")
    plant_store(folder / "plant.db")
    (folder / "site.yaml").write_text(POLICY, "utf-8")
    draft = POLICY.replace(
        "zones:\n", "defaults: {inter_zone: allow, unplaced: allow}\nzones:\n", 1
    )
    (folder / "draft.yaml").write_text(draft, "utf-8")
    (folder / "wrong.yaml").write_text(POLICY.replace("level: 4", "level: 9"), "utf-8")
    return folder


@pytest.fixture
def plant(analysed: Path, tmp_path: Path) -> Path:
    """A copy of them."""
    return Path(shutil.copytree(analysed, tmp_path / "plant"))


@pytest.mark.parametrize("size", SIZES)
def test_crossings_and_their_flows(plant: Path, size: tuple[int, int]) -> None:
    """The worst crossing stands first, with its flows and why they are denied."""

    async def do(seat: Seat) -> None:
        await seat.press("g", "z")
        shown = seat.text
        for word in ("guests", "violated", "site.yaml: ", "flows cut", "deny"):
            assert word in shown, shown
        assert all(len(line) <= size[0] for line in shown.split("\n"))
        told = dict(word for _, words in seat.app.screen.words() for word in words)
        assert {"zone", "conduit", "draft", "cut now"} <= told.keys()

    visit(plant / "plant.db", do, size=size, policy=plant / "site.yaml")


def test_draft(plant: Path) -> None:
    """A draft is tried on the same store, what it judges otherwise is told, and Escape goes back."""

    async def do(seat: Seat) -> None:
        await seat.press("g", "z", "d")
        await seat.type(str(plant / "draft.yaml"))
        await seat.press("enter")
        assert "draft.yaml: nothing cut" in seat.text
        assert "let now" in seat.text
        let = sum(one.let for one in seat.table.rows.all_rows())
        assert let > 0
        await seat.press("escape")
        assert "site.yaml: " in seat.text

    visit(plant / "plant.db", do, policy=plant / "site.yaml")


def test_wrong_draft_and_none(plant: Path) -> None:
    """A draft with errors is told with its line and changes nothing; without policy it says how."""

    async def do(seat: Seat) -> None:
        await seat.press("g", "z", "d")
        await seat.type(str(plant / "wrong.yaml"))
        await seat.press("enter")
        await seat.until(lambda: any("E107" in one.message for one in seat.app._notifications))
        await seat.settle()
        assert "site.yaml: " in seat.text

    async def none(seat: Seat) -> None:
        await seat.press("g", "z")
        assert "no policy: name one in otsec.yaml" in seat.text

    visit(plant / "plant.db", do, policy=plant / "site.yaml")
    visit(plant / "plant.db", none)
