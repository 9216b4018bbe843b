"""The demo plant: a capture that is sound, made again alike, and whose story comes out."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import ROOT, PlantStore

from otsec.inventory.assembly import inventory
from otsec.store import Store, open_store
from otsec.store.queries import Filter, behaviours, writers

PLANT = ROOT / "pcaps" / "plant"
CAPTURE = PLANT / "ten_minutes.pcap"
INTAKE, PUMPS, LAPTOP, STATION = "10.20.1.21", "10.20.1.23", "10.20.1.199", "10.20.1.15"
ROLES = {  # the fourth number of an address: what is told of it for sure
    "2": "switch", "15": "ews", "21": "plc", "22": "plc", "23": "plc", "24": "rtu", "25": "rtu",
    "26": "plc", "30": "gateway", "32": "io", "36": "io",
}  # fmt: skip


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory, plant_store: PlantStore) -> Iterator[Store]:
    """What `make demo` leaves."""
    db = plant_store(tmp_path_factory.mktemp("plant") / "demo.db")
    with open_store(db, readonly=True) as found:
        yield found


def test_tshark_finds_nothing_wrong() -> None:
    """Nothing is malformed, no check sum wrong, no segment lost or repeated."""
    if not shutil.which("tshark"):
        pytest.skip("needs tshark")
    wrong = (
        "_ws.malformed || ip.checksum.status == 0 || tcp.checksum.status == 0 || "
        "udp.checksum.status == 0 || tcp.analysis.flags"
    )
    options = [f"-o{layer}.check_checksum:TRUE" for layer in ("ip", "tcp", "udp")]
    command = ["tshark", "-n", *options, "-r", str(CAPTURE), "-Y", wrong]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert done.stdout == ""


def test_made_again(tmp_path: Path) -> None:
    """The generator writes the same bytes again."""
    pytest.importorskip("dnp3", reason="dnp3py plays an outstation")
    code = f"import generate, pathlib; generate.HERE = pathlib.Path({str(tmp_path)!r}); generate.main()"
    subprocess.run([sys.executable, "-B", "-c", code], cwd=PLANT, check=True, capture_output=True)
    assert (tmp_path / CAPTURE.name).read_bytes() == CAPTURE.read_bytes()


def test_devices(store: Store) -> None:
    """Twenty devices, each one asset, with the roles that they have."""
    found = inventory(store).assets
    assert len(found) == 20
    sure = {
        one.ips[0].rpartition(".")[2]: one.role.role
        for one in found
        if one.ips and one.role.confidence >= 0.8
    }
    assert {last: sure.get(last) for last in ROLES} == ROLES


def test_laptop(store: Store) -> None:
    """The laptop is the only second writer, and the only one that stops a controller."""
    second = [one for one in writers(store, []) if one.second_writer]
    assert [(one.client, one.server, one.object) for one in second] == [
        (LAPTOP, PUMPS, "holding 100")
    ]
    modes = behaviours(store, [Filter("class", "mode")])
    assert {(one.client, one.server, one.operation) for one in modes} == {
        (LAPTOP, INTAKE, "plc_stop"), (STATION, INTAKE, "pi_p_program"),
    }  # fmt: skip
