"""What is wrong with a policy: each with its place, its code and what to do about it."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from otsec.policy.model import NOWHERE, Place

MOST = 200  # problems of one file that are told
SHOWN = 60  # letters of a text of the file


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One thing that is wrong; ordered by where it stands."""

    place: Place
    code: str  # `E...` forbids to use the policy, `W...` does not
    text: str

    @property
    def fatal(self) -> bool:
        """Whether the policy cannot be used."""
        return self.code.startswith("E")

    @property
    def severity(self) -> str:
        """`error` or `warning`."""
        return "error" if self.fatal else "warning"


class Problems:
    """Collects problems, each once."""

    def __init__(self) -> None:
        self._found: dict[Problem, None] = {}

    def add(self, place: Place | None, code: str, text: str) -> None:
        """Something is wrong there."""
        self._found[Problem(place or NOWHERE, code, text)] = None

    def sorted(self) -> tuple[Problem, ...]:
        """In order of the file."""
        return tuple(sorted(self._found))

    @property
    def fatal(self) -> bool:
        """Whether one of them forbids to use the policy."""
        return any(one.fatal for one in self._found)


def meant(word: str, known: Iterable[str]) -> str:
    """``; did you mean "x"?`` or nothing."""
    near = get_close_matches(word.casefold(), sorted(set(known)), n=1)
    return f'; did you mean "{near[0]}"?' if near else ""


def meant_or_all(word: str, known: Sequence[str]) -> str:
    """The nearest of what is known, else all of it."""
    return meant(word, known) or f"; there are: {', '.join(known)}"


def shown(text: str) -> str:
    """Text of the file as a line may show it."""
    clean = text if text.isprintable() else text.encode("unicode_escape").decode()
    return clean if len(clean) <= SHOWN else clean[: SHOWN - 3] + "..."


# --------------------------------------------------------------------------------- formats


def as_text(path: str, problems: Iterable[Problem]) -> str:
    """A line for each: `wtp.yaml:7:17: error E110: ...`."""
    return "".join(
        f"{path}:{one.place.line}:{one.place.column}: {one.severity} {one.code}: {one.text}\n"
        for one in problems
    )


def as_json(path: str, problems: Iterable[Problem]) -> str:
    """One object with all of them."""
    rows = [
        {
            "file": path,
            "line": one.place.line,
            "column": one.place.column,
            "severity": one.severity,
            "code": one.code,
            "text": one.text,
        }
        for one in problems
    ]
    return (
        json.dumps({"schema_version": 1, "kind": "policy_problems", "rows": rows}, indent=1) + "\n"
    )


def as_github(path: str, problems: Iterable[Problem]) -> str:
    """Workflow commands, which GitHub shows beside the line."""
    return "".join(
        f"::{one.severity} file={_property(path)},line={one.place.line},col={one.place.column},"
        f"title={one.code}::{_message(one.text)}\n"
        for one in problems
    )


def _message(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _message(text).replace(":", "%3A").replace(",", "%2C")


FORMATS = {"text": as_text, "json": as_json, "github": as_github}
