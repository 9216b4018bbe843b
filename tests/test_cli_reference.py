"""The generated pages are those of this version."""

from pathlib import Path

import pytest
from conftest import ROOT

from otsec.cli import COMMANDS, reference
from otsec.config import Caps, settings
from otsec.protocols import PROTOCOLS


def test_pages_are_up_to_date() -> None:
    """The generated pages and tables in docs/ say what the program does."""
    for path, text in reference.pages(ROOT / "docs").items():
        assert path.read_text("utf-8") == text, f"{path.name} is old; run `make docs`"


def test_everything_is_documented() -> None:
    """Every command has a section, every setting a sentence, every operation a line."""
    page, table = reference.cli(), reference.settings()

    assert [name for name in COMMANDS if f"\n## otsec {name}\n" not in page] == []
    assert [name for name in settings() if f"| `{name}` |" not in table] == []
    assert "|  |\n" not in table
    listed = reference.protocols()
    for protocol in PROTOCOLS:
        assert f"\n## {protocol.title}\n" in listed
        assert [
            one for one in protocol.operations if f"| `{one.name}` | {one.cls} |" not in listed
        ] == []
    assert set(reference._about(Caps)) == set(Caps.__slots__)


def test_check_names_old_pages(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`--check` says which page is old and changes nothing; without it the pages are written."""
    page = tmp_path / "configuration.md"
    for name in ("rules.md", "compliance.md"):
        (tmp_path / name).write_text((ROOT / "docs" / name).read_text("utf-8"), "utf-8")
    page.write_text(f"before\n{reference.BEGIN}\nold\n{reference.END}\nbehind\n")

    assert reference.main(["--check", str(tmp_path)]) == 1
    assert capsys.readouterr().err == (
        f"{tmp_path / 'cli.md'} is not up to date; run make docs\n"
        f"{tmp_path / 'protocols.md'} is not up to date; run make docs\n"
        f"{tmp_path / 'store.md'} is not up to date; run make docs\n"
        f"{page} is not up to date; run make docs\n"
    )
    assert reference.main([str(tmp_path)]) == 0
    assert reference.main(["--check", str(tmp_path)]) == 0
    assert page.read_text().startswith("before\n<!-- settings: generated -->\n| setting |")
    assert page.read_text().endswith("<!-- end of settings -->\nbehind\n")
