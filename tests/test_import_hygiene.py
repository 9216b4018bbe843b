"""What is imported when: cheap help, no POSIX-only modules, nothing that the layers forbid."""

import os
import pkgutil
import subprocess
import sys

import pytest
from conftest import ROOT

import otsec
from otsec.cli import COMMANDS

HEAVY = {"numpy", "yaml", "sqlite3", "sqlite_utils", "zstandard", "dataclasses", "zoneinfo", "json"}
POSIX_ONLY = {"fcntl", "grp", "pwd", "resource", "termios", "tty", "pty", "syslog", "posix_ipc"}


def _python(script: str, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", script, *words],
        check=False,
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )


def _imported_by(*words: str) -> set[str]:
    script = (
        "import sys\nfrom otsec.cli import main\ncode = main(sys.argv[1:])\n"
        "print('\\n', *sys.modules, sep='\\n', file=sys.stderr)\nassert code == 0\n"
    )
    done = _python(script, *words)
    assert done.returncode == 0, done.stderr
    return set(done.stderr.split())


def test_help_imports_nothing_heavy() -> None:
    """`otsec --help` imports argparse and otsec.cli, and no command's file."""
    modules = _imported_by("--help")

    assert modules & HEAVY == set()
    assert {name for name in modules if name.startswith("otsec")} == {
        "otsec",
        "otsec.cli",
        "otsec.cli.options",
        "otsec.errors",
    }


@pytest.mark.parametrize("name", COMMANDS)
def test_help_of_a_command_is_cheap(name: str) -> None:
    """The help of a command imports nothing of NumPy, YAML or the store."""
    modules = _imported_by(name, "--help")

    assert modules & {"numpy", "yaml", "sqlite3", "sqlite_utils", "zstandard", "zoneinfo"} == set()
    assert not any(module.startswith("otsec.store") for module in modules)


def test_configuration_imports_no_numpy() -> None:
    """`otsec config` needs neither NumPy nor the store."""
    modules = _imported_by("config", "check")

    assert modules & {"numpy", "sqlite3", "sqlite_utils"} == set()


def _cpu_s(*arguments: str) -> float:
    """CPU seconds of a Python process, user and system, the least of several runs."""
    import resource

    def spent() -> float:
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        return used.ru_utime + used.ru_stime

    least = float("inf")
    for _ in range(7):
        before = spent()
        subprocess.run([sys.executable, *arguments], check=True, capture_output=True, cwd=ROOT)
        least = min(least, spent() - before)
    return least


@pytest.mark.skipif(os.name != "posix", reason="CPU of children is not told here")
def test_help_is_fast() -> None:
    """`otsec --help` takes under five times the CPU of `python -c "import argparse"`."""
    argparse_s = _cpu_s("-c", "import argparse")

    assert _cpu_s("-m", "otsec", "--help") < 5 * argparse_s


def test_every_module_imports_without_posix() -> None:
    """No module imports at its top what only POSIX systems have, so Windows can import all."""
    names = [module.name for module in pkgutil.walk_packages(otsec.__path__, "otsec.")]
    script = (
        "import sys, importlib, subprocess, tempfile, ctypes, multiprocessing\n"
        f"import numpy, yaml, sqlite_utils, zstandard\n"
        f"for name in {sorted(POSIX_ONLY)!r}:\n    sys.modules[name] = None\n"
        "for name in sys.argv[1:]:\n    importlib.import_module(name)\n"
    )

    done = _python(script, *(name for name in names if name != "otsec.__main__"))

    assert done.returncode == 0, done.stderr
    assert len(names) > 20
