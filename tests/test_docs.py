"""The documents say what is so: commands, outputs, files, names and numbers are those of the code."""

import ast
import importlib
import importlib.util
import os
import re
import shlex
from pathlib import Path
from types import ModuleType

import pytest
from conftest import ROOT

from otsec.cli import COMMANDS, parse
from otsec.config import load
from otsec.errors import Exit, UsageError

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), ROOT / "pcaps" / "README.md"]
WRITTEN = [ROOT / "docs" / name for name in ("architecture.md", "contributing.md")]
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SPAN = re.compile(r"`([^`\n]+)`")
GENERATORS = sorted((ROOT / "pcaps").glob("*/generate.py"))

every_page = pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
every_written = pytest.mark.parametrize("page", WRITTEN, ids=lambda path: path.name)


def blocks(page: Path, *kinds: str) -> list[str]:
    """The fenced blocks of some kinds."""
    found = FENCE.findall(page.read_text("utf-8"))
    return [text for kind, text in found if kind in kinds]


def spans(page: Path) -> list[str]:
    """What stands in backticks outside of blocks."""
    return SPAN.findall(FENCE.sub("", page.read_text("utf-8")))


def commands(page: Path) -> list[list[str]]:
    """The words of every otsec command that stands in a block for shells, behind a pipe too."""
    lines = [
        line.removeprefix("$ ")
        for kind, text in FENCE.findall(page.read_text("utf-8"))
        if kind in {"sh", "console"}
        for line in text.splitlines()
        if kind == "sh" or line.startswith("$ ")
    ]
    parts = [part for line in lines for part in line.split(" | ")]
    words = [shlex.split(part, comments=True) for part in parts]
    return [found[1:] for found in words if found and found[0] == "otsec"]


def mistake(words: list[str]) -> str:
    """What is wrong with a command; "" where it can be typed."""
    try:
        parse(words)
    except UsageError as error:
        return str(error)
    return ""


def example_script() -> ModuleType:
    """docs/examples.py as a module."""
    spec = importlib.util.spec_from_file_location("examples", ROOT / "docs" / "examples.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# ------------------------------------------------------------------------------- commands


@pytest.mark.skipif(os.name != "posix", reason="pictures are of a POSIX terminal")
def test_outputs_and_pictures_are_real() -> None:
    """README.md and the pictures show what their commands print."""
    made = example_script().examples()

    assert {path.suffix for path in made} == {".md", ".svg"}
    for path, text in made.items():
        told = f"{path.name} is old; run `python docs/examples.py`"
        assert path.read_text("utf-8") == text, told


def test_commands_of_the_readme_can_be_typed() -> None:
    """Every command in a block of README.md is one that the program takes."""
    found = commands(ROOT / "README.md")

    for words in found:
        assert mistake(words) == "", words
    assert {words[0] for words in found} == set(COMMANDS)


@every_page
def test_commands_exist(page: Path) -> None:
    """Documents name only commands, actions and options that there are."""
    named = [shlex.split(span)[1:] for span in spans(page) if span.startswith("otsec ")]
    for words in [*commands(page), *named]:
        assert "required" in (mistake(words) or "required"), words  # named without its FILE


@every_page
def test_make_targets_exist(page: Path) -> None:
    """Documents name only targets that the Makefile has."""
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    text = "\n".join([*blocks(page, "sh"), *spans(page)])

    assert set(re.findall(r"(?:^|`)make ([a-z]+)\b", text, re.MULTILINE)) <= targets


def test_exit_codes() -> None:
    """The table of exit codes in README.md has every code, and no other."""
    rows = re.findall(r"^\| (\d+) \| ", (ROOT / "README.md").read_text("utf-8"), re.MULTILINE)

    assert [int(code) for code in rows] == sorted(Exit)


@every_page
def test_configurations_load(page: Path, tmp_path: Path) -> None:
    """Every otsec.yaml that a document shows can be used."""
    for text in blocks(page, "yaml"):
        file = tmp_path / "otsec.yaml"
        file.write_text(text, "utf-8")
        assert load(file, {}).site == "Water works north"


# ---------------------------------------------------------------------------------- names


@every_page
def test_links_lead_somewhere(page: Path) -> None:
    """Links and pictures within the repository are there."""
    for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text("utf-8")):
        assert (page.parent / target).exists(), target


def exists(path: str) -> bool:
    """Whether there is such a file or folder, in the repository or in the package."""
    return any((folder / path).exists() for folder in (ROOT, ROOT / "otsec"))


def is_path(span: str) -> bool:
    """Whether something in backticks is the name of a file or folder."""
    return bool(re.fullmatch(r"[\w.-]*(/[\w.-]*)+|\w+\.(py|md|toml|yaml)", span))


@every_written
def test_files_exist(page: Path) -> None:
    """Files, folders and modules that are named are there; without their folder where it is told."""
    inside = [*(ROOT / "otsec").rglob("*"), *(ROOT / "docs").rglob("*")]
    ends = {f"/{path.relative_to(ROOT)}" for path in inside}
    named = {span.rstrip("/") for span in spans(page) if is_path(span)} - {"otsec.yaml"}

    lost = [path for path in named if not exists(path)]
    assert len(named) > 10
    assert [path for path in lost if not any(end.endswith(f"/{path}") for end in ends)] == []


@every_written
def test_names_exist(page: Path) -> None:
    """Classes, functions and constants that are named occur in the code."""
    code = "\n".join(path.read_text("utf-8") for path in (ROOT / "otsec").rglob("*.py"))
    known = set(re.findall(r"\w+", code)) | {"README"}
    named = [span for span in spans(page) if re.fullmatch(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*", span)]

    for span in named:
        if not is_path(span):
            assert set(span.split(".")) <= known, span


def test_the_way_of_the_data() -> None:
    """The picture of the way of the data names modules that are there, and functions of them."""
    drawn = blocks(ROOT / "docs" / "architecture.md", "text")[0]
    named = re.findall(r"\b((?:\w+/)+\w*|\w+\.py|engine\.\w+(?:\.\w+)?)(\.\w+)?", drawn)

    assert len(named) > 15
    for path, name in named:
        if path.startswith("engine."):
            owner: object = importlib.import_module("otsec.engine")
            for part in (*path.split(".")[1:], *name.split(".")[1:]):
                owner = getattr(owner, part)
            continue
        assert exists(path) or exists(f"{path}.py"), path
        if name not in {"", ".py"}:
            module = importlib.import_module("otsec." + path.replace("/", "."))
            assert hasattr(module, name[1:]), path + name


def test_every_part_has_its_line() -> None:
    """Every package and every module of otsec itself stands in the table of the parts."""
    text = (ROOT / "docs" / "architecture.md").read_text("utf-8")
    parts = [path for path in (ROOT / "otsec").iterdir() if not path.name.startswith("_")]
    names = [f"`{path.name}/`" if path.is_dir() else f"`{path.name}`" for path in parts]

    assert [name for name in names if name not in text and name != "`py.typed`"] == []


def test_caps_have_their_values() -> None:
    """The table of fixed caps says what the code says, and settings are named as they are."""
    text = (ROOT / "docs" / "architecture.md").read_text("utf-8")
    rows = re.findall(r"^\| `([\w/]+)\.py` `(\w+)` \| (\d+) \|", text, re.MULTILINE)

    assert len(rows) > 10
    for path, name, value in rows:
        module = importlib.import_module("otsec." + path.replace("/", "."))
        assert getattr(module, name) == int(value), f"{path}.{name}"


# ------------------------------------------------------------------------------- captures


@pytest.mark.parametrize("generator", GENERATORS, ids=lambda path: path.parent.name)
def test_captures_are_described(generator: Path) -> None:
    """pcaps/README.md has each capture, with the sentence that the function of its name says."""
    text = (ROOT / "pcaps" / "README.md").read_text("utf-8")
    section = text.partition(f"\n## {generator.parent.name}\n")[2].partition("\n## ")[0]
    captures = {path.stem for path in generator.parent.glob("*.pcap*")}
    said = {
        node.name: (ast.get_docstring(node) or "").partition("\n")[0]
        for path in generator.parent.glob("*.py")
        for node in ast.parse(path.read_text("utf-8")).body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name in captures
    }
    told = dict(re.findall(r"^\| `(\w+)` \| (.*) \|$", section, re.MULTILINE))

    assert set(told) == captures
    assert told.items() >= said.items()
