"""Commands that are forked are those that a user starts."""

import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT, Command
from warm_commands import WarmCommands

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="commands are forked on Linux")


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("--version",), 0),
        (("zzz",), 2),
        (("config", "show", "--origin"), 0),
        (("analyze", "none.pcap", "--db", "none.db"), 3),
        (("rules", "list"), 0),
        (("tui",), 2),
    ],
)
def test_they_say_and_give_what_a_cold_one_does(
    otsec_command: Command, tmp_path: Path, words: tuple[str, ...], code: int
) -> None:
    """Text, exit code, folder and environment are those of a process that was started anew."""
    env = {"OTSEC_SITE": "elsewhere", "COLUMNS": "100"}
    (tmp_path / "otsec.yaml").write_text("time_zone: Europe/Vienna\n")
    warm, cold = (otsec_command(*words, cwd=tmp_path, env=env, cold=cold) for cold in (False, True))

    assert (warm.returncode, warm.stdout, warm.stderr) == (code, cold.stdout, cold.stderr)
    assert warm.stdout + warm.stderr
    assert cold.returncode == code


def test_what_takes_too_long_is_ended(tmp_path: Path) -> None:
    """A command that does not end is killed and told, and the next one runs."""
    env = {"PYTHONPATH": str(ROOT)}
    warm = WarmCommands()
    warm.run(["--version"], cwd=tmp_path, env=env, timeout=60)
    with pytest.raises(subprocess.TimeoutExpired):
        warm.run(["watch", str(tmp_path), "--db", "x.db"], cwd=tmp_path, env=env, timeout=0.5)
    again = warm.run(["--version"], cwd=tmp_path, env=env, timeout=60)
    warm.close()

    assert (again.returncode, again.stdout[:6]) == (0, "otsec ")
