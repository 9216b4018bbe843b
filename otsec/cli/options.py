"""Options that commands share, and what is said of a word that is none of them."""

import re
from argparse import SUPPRESS, ArgumentParser, Namespace
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from otsec.config import Config

SETTINGS = {  # argument of a command: (setting it overrides, its option)
    "db": ("store", "--db"),
    "site": ("site", "--site"),
    "rules": ("rules", "--rules"),
}


def common_again(parser: ArgumentParser) -> None:
    """What every command takes, behind the name of a command; unset it leaves what stood before."""
    common(parser, SUPPRESS)


def common(parser: ArgumentParser, default: Any = None) -> None:
    """What every command takes, before and behind its name."""
    group = parser.add_argument_group("common")
    group.add_argument(
        "--config", type=Path, metavar="FILE", default=default, help="use this configuration"
    )
    group.add_argument(
        "-q", "--quiet", action="store_true", default=default, help="no progress, no notes"
    )
    group.add_argument(
        "--debug", action="store_true", default=default, help="show the traceback of an error"
    )


def actions(
    parser: ArgumentParser, told: Mapping[str, str]
) -> Iterator[tuple[str, ArgumentParser]]:
    """A parser for each action of a command, by name, with what all take; ``told``: what it does."""
    words = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    for name, about in told.items():
        action = words.add_parser(name, help=about, description=f"{about.capitalize()}.")
        common_again(action)
        action.set_defaults(parser=action)
        yield name, action


def store(parser: ArgumentParser) -> None:
    """``--db``: the store to read or write."""
    parser.add_argument(
        "--db",
        type=Path,
        metavar="FILE",
        help="the store (default: `store` of otsec.yaml, else otsec.db)",
    )


def rules(parser: ArgumentParser) -> None:
    """``--rules``: a folder of the user's own rules."""
    parser.add_argument(
        "--rules",
        type=Path,
        metavar="FOLDER",
        help="your own rules, judged beside those that come with otsec (default: `rules` of otsec.yaml)",
    )


def formats(parser: ArgumentParser) -> None:
    """``--json``, ``--jsonl``, ``--csv`` and ``--utc``."""
    choice = parser.add_mutually_exclusive_group()
    for name, text in (
        ("json", "one JSON object with schema_version and rows"),
        ("jsonl", "a JSON object a line"),
        ("csv", "comma-separated values, safe for spreadsheets"),
    ):
        choice.add_argument(f"--{name}", dest="format", action="store_const", const=name, help=text)
    parser.add_argument(
        "--utc", action="store_true", help="times in UTC instead of the site's zone"
    )


def configured(arguments: Namespace, *settings: str) -> "Config":
    """The configuration, overridden by the named arguments where they are given."""
    from otsec.config import Value, load

    overrides: dict[str, tuple[Value, str]] = {}
    for argument in settings:
        if (value := getattr(arguments, argument, None)) is not None:
            name, option = SETTINGS[argument]
            overrides[name] = (str(value), option)
    return load(arguments.config, overrides=overrides)


def same_store(config: "Config") -> str:
    """What a command that is named must end with to find the same store; "" if it does anyway."""
    import shlex

    given = config.origins.get("store", "").startswith("command line")
    return f" --db {shlex.quote(str(config.store))}" if given else ""


def nearest(word: str, known: list[str]) -> str:
    """``; did you mean X?`` or nothing."""
    from difflib import get_close_matches

    near = get_close_matches(word, known, n=1)
    return f"; did you mean {near[0]}?" if near else ""


def unknown_choice(message: str) -> str:
    """What argparse says of a word that is none of the choices, with the nearest of them."""
    found = re.match(
        r"argument (.+?): invalid choice: '(.*)' \(choose from (.*)\)", message, re.DOTALL
    )
    if not found:
        return message
    what, word, choices = found.groups()
    known = re.findall(r"[\w-]+", choices)
    return f"no {what} {word!a}" + (nearest(word, known) or f"; there are: {', '.join(known)}")


def unknown_option(word: str, usage: str) -> str:
    """What is said of an argument that the command does not take."""
    if not word.startswith("-"):
        return f"unexpected argument {word!a}"
    name = word.partition("=")[0]
    return f"no option {name!a}{nearest(name, re.findall(r'--[a-z-]+', usage))}"
