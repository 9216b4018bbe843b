"""The command as a whole: exit codes, one line for each failure, silence where it is due."""

import errno
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from conftest import ROOT, Command

import otsec.cli
from otsec import __version__
from otsec.cli import COMMANDS, main
from otsec.cli.bug import KEPT_REPORTS, without_secrets, write_report
from otsec.errors import Exit, InputError
from otsec.store import open_store


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch) -> Callable[[BaseException], None]:
    """Make every command raise an error."""

    def raising(error: BaseException) -> None:
        def run(_: object) -> int:
            raise error

        monkeypatch.setattr(otsec.cli, "parse", lambda _: SimpleNamespace(run=run))

    return raising


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["conversatons"], "otsec: no COMMAND 'conversatons'; did you mean conversations?; see `otsec --help`"),
        (["zzz"], "otsec: no COMMAND 'zzz'; there are: tui, serve, analyze, watch, monitor,"),
        (["writers", "--jsn"], "otsec: writers: no option '--jsn'; did you mean --json?; see `otsec writers --help`"),
        (["--colums=a", "writers"], "otsec: writers: no option '--colums'; did you mean --columns?"),
        (["config", "shw"], "otsec: config: no check|show 'shw'; did you mean show?"),
        (["config"], "otsec: config: the following arguments are required: check|show"),
        (["config", "check", "x"], "otsec: config check: unexpected argument 'x'"),
        (["bench", "f", "--rounds", "0"], "otsec: bench: argument --rounds: expected a whole number of at least 1, found '0'"),
        (["--config", "none.yaml", "config", "check"], "otsec: none.yaml: no such configuration file"),
        (["config", "show", "--config", "none.yaml"], "otsec: none.yaml: no such configuration file"),
        (["config", "check", "a\x1b[2Jb"], "otsec: config check: unexpected argument 'a\\x1b[2Jb'"),
    ],
)  # fmt: skip
def test_usage(capsys: pytest.CaptureFixture[str], words: list[str], line: str) -> None:
    """A command line that means nothing is one line with the nearest that does, exit code 2."""
    assert main(words) == 2
    out, err = capsys.readouterr()

    assert (out, err.count("\n")) == ("", 1)
    assert err.startswith(line)


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["asset", "import", "none.csv"], "otsec: none.csv: no such file"),
        (["asset", "import", "."], "otsec: .: is a folder; name a file"),
        (["change", "import", "a.txt/x"], "otsec: a.txt/x: a part of this name is a file, not a folder; check the name"),
        (["baseline", "import", "loop"], "otsec: loop: a link that leads back to itself; check the name"),
        (["analyze", "n" * 300], f"otsec: {'n' * 300}: the name is longer than the system allows"),
        (["analyze", ""], "otsec: analyze: argument FILE: expected a name, found nothing; is a variable of the shell empty?"),
        (["writers", "--db", ""], "otsec: writers: argument --db: expected a name, found nothing"),
        (["db", "backup", "."], "otsec: .: exists already; name another file"),
        (["evidence", "x", "-w", "."], "otsec: .: is there already; name another file, or add --force"),
        (["writers", "\udcff"], r"otsec: '\udcff' is not UTF-8 text; type it in a terminal set to UTF-8"),
    ],
)  # fmt: skip
@pytest.mark.skipif(sys.platform == "win32", reason="names of Windows differ")
def test_names_that_lead_nowhere(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    line: str,
) -> None:
    """A name of a file that cannot be one is told in one line, and is no bug."""
    monkeypatch.chdir(tmp_path)
    open_store(Path("otsec.db")).close()
    Path("a.txt").write_text("x")
    Path("loop").symlink_to("loop")

    code = main(words)
    out, err = capsys.readouterr()

    assert code in {Exit.USAGE, Exit.INPUT, Exit.STORAGE}
    assert (out, err.count("\n")) == ("", 1)
    assert err.startswith(line)


def test_a_file_cut_short_does_not_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where there is no room for a new file nothing of it stays, so that the command can be run again."""
    resource = pytest.importorskip("resource")
    monkeypatch.chdir(tmp_path)
    words = ["policy", "new", "water-plant", "-w", "plant.yaml"]
    before = resource.getrlimit(resource.RLIMIT_FSIZE)

    resource.setrlimit(resource.RLIMIT_FSIZE, (100, before[1]))
    try:
        code = main(words)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)

    assert code == Exit.STORAGE
    assert capsys.readouterr().err == (
        "otsec: plant.yaml: the file would become larger than the system allows\n"
    )
    assert list(tmp_path.iterdir()) == []
    assert main(words) == Exit.FINE


def test_help_and_version(capsys: pytest.CaptureFixture[str]) -> None:
    """--help names every command, --version the version; no command at all shows the help."""
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"otsec {__version__}\n"
    assert main(["--help"]) == 0
    told = capsys.readouterr().out
    assert all(f"\n    {name}" in told for name in COMMANDS)
    assert main([]) == 2
    assert capsys.readouterr() == ("", told)


@pytest.mark.parametrize("name", COMMANDS)
def test_help_of_each_command(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Every command has help of its own."""
    assert main([name, "--help"]) == 0
    assert capsys.readouterr().out.startswith(f"usage: otsec {name} ")


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (InputError("a.pcap: damaged at 24"), 3, "otsec: a.pcap: damaged at 24\n"),
        (PermissionError(errno.EACCES, "no", "x.pcap"), 4, "otsec: x.pcap: not allowed; check the owner and the permissions\n"),
        (OSError(errno.EROFS, "no"), 4, "otsec: cannot write, the file system is read-only\n"),
        (OSError(errno.ENOSPC, "no"), 5, "otsec: no space left; free some and run the same command again\n"),
        (OSError(errno.EDQUOT, "no"), 5, "otsec: the disk quota is used up; free some space and try again\n"),
        (MemoryError(), 5, "otsec: out of memory; close other programs, or lower caps in otsec.yaml\n"),
        (KeyboardInterrupt(), 130, ""),
        (InputError("one\ntwo"), 3, "otsec: one\notsec: two\n"),
        (InputError("a\x1b]0;b\x07"), 3, "otsec: a\\x1b]0;b\\x07\n"),
    ],
)  # fmt: skip
def test_failures(
    command: Callable[[BaseException], None],
    capsys: pytest.CaptureFixture[str],
    error: BaseException,
    code: int,
    line: str,
) -> None:
    """What a user can act on is one line without traceback and its own exit code."""
    command(error)

    assert main(["x"]) == code
    assert capsys.readouterr() == ("", line)


def test_a_bug(
    command: Callable[[BaseException], None],
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A bug is one line with the path of a report that only its owner can read."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    command(ZeroDivisionError("of\x1b[2J zero at http://me:pw@host/"))

    assert main(["x", "--api-key", "hush", "--token=hush", "kept"]) == 70
    err = capsys.readouterr().err
    (path,) = (tmp_path / "otsec").iterdir()
    text = path.read_text()

    assert err == (
        "otsec: internal error: ZeroDivisionError: of\\x1b[2J zero at http://me:pw@host/; "
        f"report written to {path}\n"
    )
    assert text.startswith(f"otsec {__version__}\nPython {sys.version.splitlines()[0]}")
    assert "command otsec x --api-key *** --token=*** kept" in text
    assert "ZeroDivisionError: of" in text
    assert "me:pw" not in text
    assert "hush" not in text
    if os.name == "posix":
        assert path.stat().st_mode & 0o777 == 0o600


def test_debug_shows_the_traceback(
    command: Callable[[BaseException], None], capsys: pytest.CaptureFixture[str]
) -> None:
    """--debug shows where an error was raised."""
    command(InputError("bad"))

    assert main(["x", "--debug"]) == 3
    err = capsys.readouterr().err
    assert err.startswith("Traceback (most recent call last):\n")
    assert err.endswith("otsec: bad\n")


def test_reports_do_not_pile_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the newest reports are kept; where none can be written, the caller is told so."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    written = [write_report(ValueError(number), []) for number in range(KEPT_REPORTS + 3)]

    assert set((tmp_path / "otsec").iterdir()) == set(written[3:])

    blocked = tmp_path / "file"
    blocked.touch()
    monkeypatch.setenv("XDG_STATE_HOME", str(blocked))
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(blocked))
    assert write_report(ValueError("x"), []) is None


def test_secrets_in_arguments() -> None:
    """Values of options that sound secret, and logins in URLs, are masked."""
    words = ["--password", "x", "--db", "y", "--auth=z", "--api-key", "--quiet", "http://a:b@c/d"]

    assert without_secrets(words) == [
        "--password", "***", "--db", "y", "--auth=***", "--api-key", "--quiet", "http://***@c/d",
    ]  # fmt: skip


@pytest.mark.skipif(os.name != "posix", reason="pipes of POSIX systems")
@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("words", ["config show --jsonl", "--help"])
def test_a_reader_that_goes_away(tmp_path: Path, words: str, unbuffered: str) -> None:
    """`otsec ... | head` ends in silence, with and without a buffer in between."""
    script = f"{sys.executable} -m otsec {words}; echo $? >&2"
    reader, writer = os.pipe()
    os.close(reader)

    done = subprocess.run(
        ["sh", "-c", script],
        stdout=writer,
        stderr=subprocess.PIPE,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": unbuffered},
        check=False,
        text=True,
    )
    os.close(writer)

    assert done.stderr == "0\n"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this system")
@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("words", ["config show", "--help", "--version", "report run --help"])
def test_a_full_disk_behind_standard_output(tmp_path: Path, words: str, unbuffered: str) -> None:
    """Output that cannot be written is told in one line, exit code 5."""
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "otsec", *words.split()],
            stdout=full,
            stderr=subprocess.PIPE,
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": unbuffered},
            check=False,
            text=True,
        )

    assert (done.returncode, done.stderr) == (
        5,
        "otsec: no space left; free some and run the same command again\n",
    )


def test_a_terminal_that_knows_only_ascii(tmp_path: Path, otsec_command: Command) -> None:
    """Letters that the terminal's encoding lacks are shown as escapes."""
    (tmp_path / "otsec.yaml").write_text("site: Wässerchen\n", "utf-8")

    done = otsec_command("config", "show", cwd=tmp_path, env={"PYTHONIOENCODING": "ascii"})

    assert (done.returncode, done.stderr) == (0, "")
    assert "W\\xe4sserchen" in done.stdout


def test_config_show_and_check(tmp_path: Path, otsec_command: Command) -> None:
    """`config show --origin` tells where each value came from; `config check` each mistake."""
    path = tmp_path / "otsec.yaml"
    path.write_text("site: north\ncaps: {gaps: 5}\n")

    shown = otsec_command(
        "config", "show", "--origin", "--db", "x.db", cwd=tmp_path, env={"OTSEC_CAPS_FACTS": "9"}
    )
    lines = dict(line.split(None, 1) for line in shown.stdout.splitlines())
    assert lines["site"] == "north     otsec.yaml:1"
    assert lines["store"] == "x.db      command line --db"
    assert lines["caps.gaps"] == "5         otsec.yaml:2"
    assert lines["caps.facts"] == "9         environment OTSEC_CAPS_FACTS"
    assert lines["time_zone"] == "UTC       default"

    fine = otsec_command("config", "check", cwd=tmp_path, env={"OTSEC_SITTE": "x"})
    assert (fine.returncode, fine.stdout) == (0, "")
    assert fine.stderr == (
        'otsec: note: environment OTSEC_SITTE: no such setting; did you mean "OTSEC_SITE"?\n'
        "otsec.yaml: no mistakes\n"
    )

    path.write_text("sit: north\ncaps: {gaps: no}\n")
    wrong = otsec_command("config", "check", cwd=tmp_path)
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert wrong.stderr == (
        'otsec: otsec.yaml:1:1: otsec.yaml has no "sit"; did you mean "site"?\n'
        "otsec: otsec.yaml:2:14: expected a whole number of at least 1, found 'no'\n"
    )


@pytest.mark.skipif(os.name != "posix", reason="a shell of POSIX systems")
def test_closed_streams(tmp_path: Path) -> None:
    """With standard output and standard error closed a command runs and ends as it would."""
    done = subprocess.run(
        ["sh", "-c", f"{sys.executable} -m otsec config show >&- 2>&-; echo $?"],
        capture_output=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=False,
        text=True,
    )

    assert (done.stdout, done.stderr) == ("0\n", "")
