"""The wheel, installed in an empty environment away from the checkout, does the main job there."""

import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest
from conftest import ROOT

from otsec import __version__

CAPTURE = ROOT / "pcaps" / "modbus" / "port_5020.pcap"
OFFLINE = ("Temporary failure in name resolution", "No matching distribution", "Connection")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this checkout, or a skip where the build tool cannot be fetched."""
    pytest.importorskip("pip", reason="pip is not installed")
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--quiet", "--no-cache-dir"]
    done = subprocess.run(
        [*command, "--disable-pip-version-check", "--wheel-dir", str(folder), str(ROOT)],
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, "PIP_RETRIES": "1"},
    )
    if done.returncode and any(words in done.stderr for words in OFFLINE):
        pytest.skip("the build tool cannot be fetched without a network")
    assert done.returncode == 0, done.stderr
    (found,) = folder.glob("*.whl")
    return found


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the commands of an environment that has the wheel.

    The packages it needs are those of the environment that runs the tests, so that nothing is
    fetched; what stands for the checkout there is left out.
    """
    place = tmp_path_factory.mktemp("environment")
    venv.create(place, with_pip=False)
    scripts = place / ("Scripts" if os.name == "nt" else "bin")
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    packages = place / ("Lib" if os.name == "nt" else f"lib/{version}") / "site-packages"
    install = [sys.executable, "-m", "pip", "--python", str(scripts / "python"), "install"]
    subprocess.run(
        [*install, "--no-deps", "--no-index", "--quiet", "--no-cache-dir", str(wheel)],
        check=True,
        capture_output=True,
    )
    # A path alone: .pth files of that folder, such as that of an editable otsec, are not read.
    needed = sysconfig.get_path("purelib")
    (packages / "needed.pth").write_text(f"{needed}\n", "utf-8")
    return scripts


def _run(scripts: Path, *words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run a command of the environment, which hears of no checkout."""
    hidden = {"PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV"}
    return subprocess.run(
        [str(scripts / words[0]), *words[1:]],
        check=False,
        capture_output=True,
        encoding="utf-8",
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        env={name: value for name, value in os.environ.items() if name not in hidden},
    )


def test_what_is_in_it(wheel: Path) -> None:
    """The wheel holds the package, the rules and the captures, nothing else, and its licence."""
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    package = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "otsec").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    rules, captures = (
        {
            f"otsec/{path.relative_to(ROOT).as_posix()}"
            for path in (ROOT / folder).rglob(pattern)
            if path.is_file()
        }
        for folder, pattern in (("rules", "*"), ("pcaps", "*.pcap"))
    )
    info = f"otsec_monitor-{__version__}.dist-info/"
    assert {name for name in names if not name.startswith(info)} == package | rules | captures
    assert len(rules) > 40
    assert f"{info}licenses/LICENSE" in names


def test_main_job(installed: Path, tmp_path: Path) -> None:
    """The command says its version, reads a capture and lists what it holds."""
    told = _run(installed, "otsec", "--version", cwd=tmp_path)
    assert (told.returncode, told.stdout) == (0, f"otsec {__version__}\n"), told.stderr

    where = "import otsec; print(otsec.__file__)"
    package = _run(installed, "python", "-c", where, cwd=tmp_path).stdout
    assert package.startswith(str(installed.parent))

    done = _run(installed, "otsec", "analyze", str(CAPTURE), "--db", "site.db", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    assert "10.10.10." in done.stdout

    listed = _run(installed, "otsec", "writers", "--db", "site.db", "--csv", cwd=tmp_path)
    assert listed.returncode == 0, listed.stderr
    assert "holding 100" in listed.stdout
    assert "coil 1" in listed.stdout

    rules = _run(installed, "otsec", "rules", "list", "--csv", cwd=tmp_path)
    assert (rules.returncode, rules.stderr) == (0, ""), rules.stderr
    assert "s7-plc-stop,high,T0858" in rules.stdout
    assert str(installed.parent) in rules.stdout

    policy = _run(installed, "otsec", "policy", "new", "water-plant", cwd=tmp_path)
    assert (policy.returncode, policy.stderr) == (0, ""), policy.stderr
    assert "wtp-river" in policy.stdout
