"""A skip for want of a package that CI installs is a failure there, and only there."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import CI_PACKAGES, ROOT

CASES = """\
import pytest

def test_package():
    pytest.skip("needs tshark")

@pytest.mark.skipif(True, reason="needs tcpdump, in PATH")
def test_mark():
    pass

def test_other():
    pytest.skip("no folder of captures")
"""
MODULE = 'import pytest\npytest.skip("needs tmux", allow_module_level=True)\n'


@pytest.mark.parametrize(
    ("variables", "outcome", "summary"),
    [
        ({"CI": "", "OTSEC_CI": ""}, "4 skipped", "4 skipped: 1 x "),
        ({"CI": "", "OTSEC_CI": "1"}, "1 failed, 1 skipped, 2 errors", "1 skipped: 1 x no folder"),
        ({"CI": "true", "OTSEC_CI": ""}, "1 failed, 1 skipped, 2 errors", "1 skipped: 1 x no folder"),
    ],
)  # fmt: skip
def test_skips(tmp_path: Path, variables: dict[str, str], outcome: str, summary: str) -> None:
    """Tests, marks and whole files that need a package fail in CI; other skips stay skips."""
    (tmp_path / "test_cases.py").write_text(CASES)
    (tmp_path / "test_module.py").write_text(MODULE)
    (tmp_path / "conftest.py").write_text((ROOT / "tests" / "conftest.py").read_text())

    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--continue-on-collection-errors", "."],
        cwd=tmp_path,
        env={**os.environ, **variables},
        check=False,
        capture_output=True,
        text=True,
    )  # fmt: skip

    assert re.search(rf"=+ {outcome} in ", done.stdout), done.stdout
    assert summary in done.stdout


def test_setup_installs_what_may_not_be_missing() -> None:
    """.ci/setup and the tests speak of the same packages."""
    (line,) = re.findall(r'^packages="(.*)"', (ROOT / ".ci" / "setup").read_text(), re.MULTILINE)

    assert set(line.split()) >= CI_PACKAGES
