"""otsec.yaml: what is taken from where, and how mistakes are told."""

from pathlib import Path

import pytest

from otsec.config import (
    TOP,
    Caps,
    Config,
    Point,
    find,
    load,
    settings,
    shown,
    unknown_variables,
    variable,
)
from otsec.errors import ConfigError, RightsError

FULL = """\
# a site
site: Water works north
time_zone: Europe/Berlin
store: north.db
alert_budget: 12
points:
  pump-hall:
    group: process
    files: [a/*.pcap, b]
    interfaces: [eth1]
  control-room:
    files: c.pcap
caps:
  connections: 262_144
  gaps: 7
"""


def _file(folder: Path, text: str | bytes) -> Path:
    path = folder / "otsec.yaml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def _mistakes(folder: Path, text: str | bytes) -> list[str]:
    path = _file(folder, text)
    with pytest.raises(ConfigError) as caught:
        load(path, {})
    return [line.replace(f"{path}:", "", 1) for line in str(caught.value).split("\n")]


def test_defaults_without_a_file() -> None:
    """Without a file, a variable or an option every setting has its default."""
    config = load(None, {"XDG_CONFIG_HOME": "/nowhere", "XDG_CONFIG_DIRS": "/nowhere"})

    assert config == Config()
    assert config.caps == Caps()
    assert str(config.zone()) == "UTC"
    assert {setting.origin for setting in shown(config)} == {"default"}


def test_every_setting_is_read(tmp_path: Path) -> None:
    """A file may set everything; the store lies beside it; each value knows its line."""
    path = _file(tmp_path, FULL)

    config = load(path, {})

    assert config == Config(
        site="Water works north",
        time_zone="Europe/Berlin",
        store=tmp_path / "north.db",
        alert_budget=12,
        points={
            "pump-hall": Point("pump-hall", "process", ("a/*.pcap", "b"), ("eth1",)),
            "control-room": Point("control-room", "", ("c.pcap",)),
        },
        caps=Caps(connections=262_144, gaps=7),
        path=path,
    )
    assert config.origins["points.pump-hall.files"] == f"{path}:9"
    assert config.origins["caps.gaps"] == f"{path}:15"
    assert config.point("elsewhere") == Point("elsewhere")


@pytest.mark.parametrize(
    ("text", "mistakes"),
    [
        ("sit: a", ['1:1: otsec.yaml has no "sit"; did you mean "site"?']),
        (
            "zzz: 1",
            [f'1:1: otsec.yaml has no "zzz"; known are: {", ".join(TOP)}'],
        ),
        ("caps:\n  conections: 1", ['2:3: caps has no "conections"; did you mean "connections"?']),
        (
            "points:\n  a:\n    file: x",
            ['3:5: point a has no "file"; did you mean "files"?'],
        ),
        ("site: no", ['1:7: YAML reads no as true or false; write it in quotes: "no"']),
        ("site: 42", ['1:7: YAML reads 42 as a number; write it in quotes: "42"']),
        ("site: 12:30", ['1:7: YAML reads 12:30 as a number; write it in quotes: "12:30"']),
        (
            "site: 2026-01-31",
            ['1:7: YAML reads 2026-01-31 as a date; write it in quotes: "2026-01-31"'],
        ),
        ("site: ~", ['1:7: YAML reads ~ as nothing; write it in quotes: "~"']),
        ("site:\nstore: a", ["1:6: expected a value, found nothing"]),
        ("site: ''", ["1:7: expected a name of 1 to 100 printable characters, found ''"]),
        ("points:\n  no: {}", ['2:3: YAML reads no as true or false; write it in quotes: "no"']),
        (
            "caps: {gaps: 010}",
            ["1:14: 010 begins with 0, which YAML reads as octal; write a whole number without it"],
        ),
        (
            "caps: {gaps: 1:30}",
            ["1:14: 1:30 is read by YAML as a number of base 60; expected a whole number"],
        ),
        ("caps: {gaps: 0}", ["1:14: expected a whole number of at least 1, found '0'"]),
        ("caps: {gaps: -5}", ["1:14: expected a whole number of at least 1, found '-5'"]),
        ("caps: {gaps: 1e6}", ["1:14: expected a whole number of at least 1, found '1e6'"]),
        ("caps: {gaps: yes}", ["1:14: expected a whole number of at least 1, found 'yes'"]),
        (
            'caps: {gaps: "5"}',
            ['1:14: expected a whole number of at least 1, found "5"; leave the quotes out'],
        ),
        ("caps: {gaps: " + "9" * 19 + "}", [f"1:14: expected a whole number of at least 1, found '{'9' * 19}'"]),
        ("caps: {gaps: [1]}", ["1:14: expected one value, found a list"]),
        ("caps: 5", ['1:7: expected `name: value` lines in caps, found "5"']),
        ("- site", ["1:1: expected `name: value` lines in otsec.yaml, found a list"]),
        ("site: a\nsite: b", ['2:1: "site" stands twice, first in line 1']),
        ("points:\n  a: {}\n  a: {}", ['3:3: "a" stands twice, first in line 2']),
        ("points: {a: {files: [x, [y]]}}", ["1:25: expected one value, found a list"]),
        ("points: {a: {files: [x, no]}}", ['1:25: YAML reads no as true or false; write it in quotes: "no"']),
        ("site: !!python/object/apply:os.system [id]", ["1:7: expected one value, found a list"]),
        ("site: !x y", ["1:7: expected text, found the tag !x"]),
        (
            "time_zone: Berlin",
            ["1:12: expected a time zone such as Europe/Berlin, found 'Berlin'; did you mean \"Europe/Berlin\"?"],
        ),
        (
            "time_zone: ../../etc/passwd",
            ["1:12: expected a time zone such as Europe/Berlin, found '../../etc/passwd'"],
        ),
        ("caps:\n\tgaps: 1", ["2:1: a tab, where YAML wants spaces; replace it by two spaces"]),
        ("site: [a", ["not YAML"]),
        ("a: b: c", ["not YAML"]),
        ("--- a\n--- b", ["not YAML"]),
        ("site: *x", ["not YAML"]),
        (b"site: a\nstore: \xff\n", ["2: not UTF-8 text; save the file as UTF-8"]),
        ('site: "a\x1bb"', ["not YAML"]),
        ("[" * 3000, ["not YAML"]),
    ],
)  # fmt: skip
def test_mistakes(tmp_path: Path, text: str | bytes, mistakes: list[str]) -> None:
    """A mistake is told with line, column, what was expected and what was probably meant."""
    found = _mistakes(tmp_path, text)

    assert [line for line in found if "not YAML" not in line] == [
        line for line in mistakes if line != "not YAML"
    ]
    assert len(found) == len(mistakes)


def test_all_mistakes_at_once(tmp_path: Path) -> None:
    """One run tells every mistake of the file and of the environment."""
    path = _file(tmp_path, "sit: a\ncaps:\n  gaps: 0\n  stations: 5\ntime_zone: Xyzzy/Qwerty\n")

    with pytest.raises(ConfigError) as caught:
        load(path, {"OTSEC_CAPS_FACTS": "x"}, {"site": ("", "--site")})

    assert str(caught.value).split("\n") == [
        f'{path}:1:1: otsec.yaml has no "sit"; did you mean "site"?',
        f"{path}:3:9: expected a whole number of at least 1, found '0'",
        f"{path}:5:12: expected a time zone such as Europe/Berlin, found 'Xyzzy/Qwerty'",
        "environment OTSEC_CAPS_FACTS: expected a whole number of at least 1, found 'x'",
        "command line --site: expected a name of 1 to 100 printable characters, found ''",
    ]


@pytest.mark.parametrize(
    "text", ["", "# nothing yet\n", "---\n", "caps:\npoints:\n", "\ufeffsite: site"]
)
def test_files_that_say_nothing(tmp_path: Path, text: str) -> None:
    """An empty file, comments, an empty section and a byte order mark change nothing."""
    path = _file(tmp_path, text)

    assert load(path, {}) == Config(path=path)


def test_what_stands_over_what(tmp_path: Path) -> None:
    """The command line stands over the environment, that over the file, that over the default."""
    path = _file(tmp_path, "site: file\nstore: file.db\ncaps: {gaps: 1}\n")
    environment = {"OTSEC_SITE": "env", "OTSEC_STORE": "env.db", "OTSEC_CAPS_FACTS": "3"}

    config = load(path, environment, {"store": ("cli.db", "--db")})

    assert (config.site, config.store, config.caps) == (
        "env",
        Path("cli.db"),
        Caps(gaps=1, facts=3),
    )
    assert config.origins == {
        "site": "environment OTSEC_SITE",
        "store": "command line --db",
        "caps.gaps": f"{path}:3",
        "caps.facts": "environment OTSEC_CAPS_FACTS",
    }


def test_where_the_file_is_looked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """--config, $OTSEC_CONFIG, the working folder, XDG, in this order; the first one is used."""
    own, system, here = tmp_path / "own", tmp_path / "system", tmp_path / "here"
    for folder in (own / "otsec", system / "otsec", here):
        folder.mkdir(parents=True)
    environment = {"XDG_CONFIG_HOME": str(own), "XDG_CONFIG_DIRS": str(system)}
    monkeypatch.chdir(here)

    found = [find(None, environment)]
    for folder in (system / "otsec", own / "otsec", here):
        (folder / "otsec.yaml").touch()
        found.append(find(None, environment))
    found.append(find(None, {**environment, "OTSEC_CONFIG": "/named"}))
    found.append(find(Path("given"), {**environment, "OTSEC_CONFIG": "/named"}))

    assert found[0] in {None, Path("/etc/otsec/otsec.yaml")}
    assert found[1:] == [
        system / "otsec" / "otsec.yaml",
        own / "otsec" / "otsec.yaml",
        Path("otsec.yaml"),
        Path("/named"),
        Path("given"),
    ]


def test_files_that_cannot_be_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A named file that is missing, a folder, too large or forbidden is told in one line."""
    large = tmp_path / "large"
    large.write_bytes(b"#" * (1 << 20) + b"\n")

    for path, words in (
        (tmp_path / "none", "no such configuration file"),
        (tmp_path, "cannot be read: "),
        (large, "larger than 1048576 bytes"),
    ):
        with pytest.raises(ConfigError, match=words):
            load(path, {})

    def refuse(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(RightsError, match="not allowed to read"):
        load(tmp_path / "forbidden", {})


def test_aliases_do_not_multiply(tmp_path: Path) -> None:
    """A file that names itself over and over is read in no time and refused."""
    lines = ["a: &a [x, x]"] + [
        f"{key}: &{key} [*{before}, *{before}]"
        for before, key in zip("abcdefghijklmnopqrstuvw", "bcdefghijklmnopqrstuvwx", strict=True)
    ]

    assert len(_mistakes(tmp_path, "\n".join(lines) + "\npoints: {p: {files: *x}}")) == 26


def test_variables_that_are_no_setting() -> None:
    """A mistyped variable is noted with the nearest one; those of the tests are not."""
    environment = {"OTSEC_SITTE": "", "OTSEC_CI": "1", "OTSEC_CONFIG": "x", "OTSEC_SITE": "y"}

    assert unknown_variables(environment) == [
        'environment OTSEC_SITTE: no such setting; did you mean "OTSEC_SITE"?'
    ]
    assert variable("caps.value_cells") == "OTSEC_CAPS_VALUE_CELLS"
    assert len({variable(name) for name in settings()}) == len(settings())
