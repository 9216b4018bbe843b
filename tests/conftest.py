"""What every test may ask for, and what a skip must say.

A skip that waits for a package of `.ci/setup` begins with ``needs`` and names the package; where
`CI` or `OTSEC_CI` is set such a skip is a failure, so that nothing stays untested unseen.
"""

import fcntl
import gc
import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
CI_PACKAGES = frozenset(
    {"tshark", "tcpdump", "tcpreplay", "tmux", "zstd", "chromium", "nftables", "poppler-utils"}
)  # as in .ci/setup

MEMORY = Path("/dev/shm")  # noqa: S108 - where Linux keeps files in memory; containers have little
ROOT_VARIABLE = "PYTEST_DEBUG_TEMPROOT"  # what pytest asks where to put files of tests
ROOM = 8 << 30  # bytes that are free there, several times what a run leaves

# pytest rewrites asserts, ten seconds of CPU in each worker of each run where nothing is kept
sys.dont_write_bytecode = False

Command = Callable[..., subprocess.CompletedProcess[str]]
PlantStore = Callable[..., Path]
RealStore = Callable[[Path], Path]
TsharkValues = dict[str, list[tuple[str, ...]]]


# ------------------------------------------------------------------------------- fixtures


@pytest.fixture(scope="session", autouse=True)
def _own_settings_stay_out(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep the configuration and environment of who runs the tests out of them."""
    home = tmp_path_factory.mktemp("home")
    kept = {"OTSEC_CAPTURES", "OTSEC_CI"}
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("OTSEC_")]:
            if name not in kept:
                patch.delenv(name)
        patch.setenv("HOME", str(home))
        patch.setenv("USERPROFILE", str(home))
        for name in ("CONFIG", "DATA", "STATE", "CACHE"):
            patch.setenv(f"XDG_{name}_HOME", str(home / name.lower()))
        patch.setenv("XDG_CONFIG_DIRS", str(home / "etc"))
        # commands are started hundreds of times: compiled once, each starts in two thirds of the time
        patch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
        yield


@pytest.fixture(scope="session")
def captures() -> Path:
    """The folder of real captures shared by projects, or a skip."""
    folder = Path(os.environ.get("OTSEC_CAPTURES") or ROOT.parent / "shared" / "captures")
    if not folder.is_dir():
        pytest.skip(f"no folder {folder} of real captures (set OTSEC_CAPTURES)")
    return folder


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of one megabyte."""
    folder = tmp_path / "small"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder]
    try:
        mounted = subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:
        mounted = False
    if not mounted:
        pytest.skip("only root may mount a small file system")
    yield folder
    subprocess.run(["umount", folder], check=True)


@pytest.fixture(scope="session")
def real_store(tmp_path_factory: pytest.TempPathFactory) -> RealStore:
    """Give the store of a shared capture, which is read once in a run of the tests."""

    def of(capture: Path) -> Path:
        from engine_runs import analyse

        name = f"{capture.parent.name}-{capture.name}.db"
        return once(tmp_path_factory, name, lambda path: analyse([capture], path))

    return of


@pytest.fixture(scope="session")
def claimed(
    captures: Path, real_store: RealStore, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, set[str]]:
    """The protocols that own conversations of each shared capture, by folder and name."""

    def owners(path: Path) -> list[str]:
        from otsec.store import open_store
        from otsec.store.queries import conversations

        with open_store(real_store(path), readonly=True) as store:
            return sorted({one.protocol for one in conversations(store)} - {""})

    def tell(at: Path) -> None:
        paths = sorted(captures.glob("*/*.*cap*"))
        found = {f"{path.parent.name}/{path.name}": owners(path) for path in paths}
        at.write_text(json.dumps(found), "utf-8")

    told = once(tmp_path_factory, "claimed.json", tell)
    return {name: set(owners) for name, owners in json.loads(told.read_text("utf-8")).items()}


@pytest.fixture(scope="session")
def tshark_values(tmp_path_factory: pytest.TempPathFactory) -> TsharkValues:
    """What tshark names by the fields that stand in `operations/`, or a skip.

    Of each field the rows of ``tshark -G values``: ``V``, code and name, or ``R``, a range and its
    name. It prints 90 MB, so it is asked once in a run of the tests.
    """
    if shutil.which("tshark") is None:
        pytest.skip("needs tshark")
    lists = (Path(__file__).parent / "operations").glob("*.tsv")
    fields = {line.split("\t")[0] for path in lists for line in path.read_text().splitlines()}

    def ask(at: Path) -> None:
        command = ["tshark", "-G", "values"]
        lines = subprocess.run(command, capture_output=True, check=True).stdout.splitlines()
        wanted = {field.encode() for field in fields}
        kept = [line for line in lines if line[2:].partition(b"\t")[0] in wanted]
        at.write_bytes(b"\n".join(kept))

    found: TsharkValues = {}
    text = once(tmp_path_factory, "values.tsv", ask).read_text("utf-8", "replace")
    for kind, field, *rest in (line.split("\t") for line in text.splitlines()):
        found.setdefault(field, []).append((kind, *rest))
    return found


@pytest.fixture(scope="session")
def plant_store(tmp_path_factory: pytest.TempPathFactory, otsec_command: Command) -> PlantStore:
    """Put the store that ``otsec analyze pcaps/plant WORDS`` leaves at a path, and give the path.

    The plant is analysed once in a run of the tests; each who asks gets a copy.
    """

    def put(at: Path, *words: str) -> Path:
        def analyse(path: Path) -> None:
            done = otsec_command("analyze", ROOT / "pcaps" / "plant", "--db", path, "-q", *words)
            assert done.returncode == 0, done.stderr

        name = "".join(letter for letter in "-".join(words) if letter.isalnum())
        shutil.copyfile(once(tmp_path_factory, f"plant{name}.db", analyse), at)
        at.chmod(0o600)
        return at

    return put


def once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """A file that is made once in a run of the tests: who comes first makes it for the others."""
    shared = factory.getbasetemp()
    shared = shared.parent if os.environ.get("PYTEST_XDIST_WORKER") else shared
    path = shared / name
    with (shared / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not path.exists():
            part = path.with_name(f"part-{name}")
            make(part)
            part.rename(path)
    return path


@pytest.fixture(scope="session")
def otsec_command() -> Iterator[Command]:
    """Run ``otsec ARGUMENTS`` as a user does, in a process of its own; text in, text out.

    Keywords: ``cwd``, ``env`` (added to the environment), ``timeout`` (60 s) and those of
    ``subprocess.run``; with those, or with ``cold``, Python is started anew. It must be where the
    start is tested, or where two processes must hash the same words unlike each other.
    """
    from warm_commands import SHARED

    def run(
        *arguments: str | Path,
        cwd: Path | None = None,
        env: dict[str, str] | None = None,
        timeout: float = 60,
        cold: bool = sys.platform != "linux",
        **options: Any,
    ) -> subprocess.CompletedProcess[str]:
        words = [*map(str, arguments)]
        environment = {**os.environ, "PYTHONPATH": str(ROOT), **(env or {})}
        if not (cold or options or "PYTHONIOENCODING" in environment):
            return SHARED.run(words, cwd=cwd, env=environment, timeout=timeout)
        return subprocess.run(
            [sys.executable, "-W", "error", "-m", "otsec", *words],
            cwd=cwd,
            env=environment,
            check=False,
            capture_output=True,
            encoding="utf-8",
            timeout=timeout,
            **{"stdin": subprocess.DEVNULL, **options},
        )

    yield run
    SHARED.close()


# ------------------------------------------------------------------------------- files


def pytest_configure(config: pytest.Config) -> None:
    """Keep the files of tests in memory where there is room.

    A store waits for the disk at every checkpoint and when it is closed, and thousands are made:
    up to a quarter of the time of such a test, in which a core has nothing to do.
    """
    chosen = config.option.basetemp or {"TMPDIR", ROOT_VARIABLE} & os.environ.keys()
    if not chosen and _has_room(MEMORY):
        os.environ[ROOT_VARIABLE] = str(MEMORY)


def _has_room(folder: Path) -> bool:
    """Whether a run fits into a folder, and what tests write there may be executed."""
    if not folder.is_dir():
        return False
    there = os.statvfs(folder)
    return there.f_bavail * there.f_frsize >= ROOM and not there.f_flag & os.ST_NOEXEC


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Give the memory back, unless somebody will want to look at what failed."""
    config: Any = session.config
    given = config.option.basetemp  # as each worker's is, below that of the run
    if os.environ.get(ROOT_VARIABLE) == str(MEMORY) and not given and not exitstatus:
        shutil.rmtree(config._tmp_path_factory.getbasetemp(), ignore_errors=True)


# ------------------------------------------------------------------------------- workers


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """One more than there are cores: tests of sensors and screens wait more than they work."""
    return (os.cpu_count() or 1) + 1


def pytest_collection_finish() -> None:
    """Look for cycles as seldom as the command does, and never among the tests themselves.

    With Python's own 700 objects a twentieth of the run goes into walking what lives until its end.
    """
    from otsec.cli import COLLECT

    gc.set_threshold(*COLLECT)
    gc.freeze()


# ------------------------------------------------------------------------------- skips


def _forbidden_skip(report: pytest.TestReport | pytest.CollectReport) -> str:
    """The reason of a skip that may not happen here, else ``""``."""
    if not report.skipped or not (os.environ.get("CI") or os.environ.get("OTSEC_CI")):
        return ""
    reason = _reason(report)
    words = set(reason.replace(",", " ").split())
    return reason if reason.startswith("needs ") and words & CI_PACKAGES else ""


def _reason(report: Any) -> str:
    """Why a test was skipped."""
    text = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    return str(text).removeprefix("Skipped: ")


def _fail(report: pytest.TestReport | pytest.CollectReport) -> None:
    """Turn a forbidden skip into a failure."""
    if reason := _forbidden_skip(report):
        report.outcome = "failed"
        report.longrepr = f"skipped in CI, where .ci/setup installs what it wants: {reason}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Refuse forbidden skips of tests."""
    report = yield
    _fail(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Refuse forbidden skips of whole files."""
    report = yield
    _fail(report)
    return report


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Say how many tests were skipped, and why."""
    reasons = Counter(_reason(report) for report in terminalreporter.stats.get("skipped", []))
    listed = "; ".join(f"{count} x {reason}" for reason, count in reasons.most_common())
    terminalreporter.write_line(f"{reasons.total()} skipped" + (f": {listed}" if listed else ""))
