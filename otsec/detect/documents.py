"""Rule files as YAML documents that know the line of each key, and the problems found in them."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from otsec.errors import UsageError

if TYPE_CHECKING:
    import yaml

MAX_BYTES = 1 << 18  # a rule is a page; more is another file given by mistake
MAX_FILES = 10_000  # of a folder of rules
OTHERS = frozenset({"policies", "controls"})  # folders beside the rules that hold something else
ENDINGS = frozenset({".yml", ".yaml"})


class Problem(NamedTuple):
    """What is wrong with a rule, where, and what was expected."""

    path: Path
    line: int  # from 1
    text: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.text}"


@dataclass(frozen=True, slots=True)
class Document:
    """One YAML document of a file."""

    path: Path
    node: "yaml.MappingNode"
    data: dict[str, Any]

    @property
    def line(self) -> int:
        """Where it begins."""
        return int(self.node.start_mark.line) + 1

    def line_of(self, *keys: str) -> int:
        """The line of a key below keys; of the nearest above it that is there."""
        return _line(self.node, keys, self.line)


def _line(node: Any, keys: Sequence[str], line: int) -> int:
    import yaml  # noqa: PLC0415 - costs start-up where no rule is read

    if not keys:
        return line
    if isinstance(node, yaml.SequenceNode):
        for item in node.value:
            found = _line(item, keys, 0)
            if found:
                return found
        return line
    if not isinstance(node, yaml.MappingNode):
        return line
    for key, value in node.value:
        if str(key.value).partition("|")[0] == keys[0]:
            return _line(value, keys[1:], int(key.start_mark.line) + 1)
    return line


def files(folder: Path) -> list[Path]:
    """The rule files of a folder, or the one that is named, in order of their paths."""
    if folder.is_file():
        return [folder]
    if not folder.is_dir():
        raise UsageError(f"{folder}: no such folder of rules")
    found = sorted(
        path
        for path in folder.rglob("*")
        if path.suffix in ENDINGS
        and path.is_file()
        and not OTHERS.intersection(path.relative_to(folder).parts)
    )
    if len(found) > MAX_FILES:
        raise UsageError(f"{folder}: {len(found)} files; a folder of rules has at most {MAX_FILES}")
    return found


def documents(path: Path, text: str) -> Iterator[Document | Problem]:
    """The documents of a file, or what keeps them from being read."""
    import yaml  # noqa: PLC0415 - as above

    if len(text) > MAX_BYTES:
        yield Problem(path, 1, f"is larger than {MAX_BYTES >> 10} KiB, so it is no rule")
        return
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # ten times faster, where it was built
    try:
        for node in yaml.compose_all(text, loader):
            yield _document(path, node)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        yield Problem(path, mark.line + 1 if mark else 1, f"is no YAML: {error.problem}")
    except (yaml.YAMLError, RecursionError) as error:
        yield Problem(path, 1, f"is no YAML: {str(error).splitlines()[0]}")


def _document(path: Path, node: Any) -> Document | Problem:
    import yaml  # noqa: PLC0415 - as above

    if not isinstance(node, yaml.MappingNode):
        return Problem(path, 1, "expected keys such as title, detection and level")
    if double := _double(node):
        key, line = double
        return Problem(path, line, f"{key!a} stands twice")
    loader = yaml.SafeLoader("")
    try:
        data = loader.construct_document(node)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        return Problem(path, line, f"is no YAML: {error.problem}")
    finally:
        loader.dispose()
    return Document(path, node, {str(key): value for key, value in data.items()})


def _double(node: Any) -> tuple[str, int] | None:
    """A key that stands twice in one mapping, which YAML would pass over in silence."""
    import yaml  # noqa: PLC0415 - as above

    if isinstance(node, yaml.MappingNode):
        seen = set()
        for key, value in node.value:
            if key.value in seen:
                return str(key.value), key.start_mark.line + 1
            if not isinstance(key.value, list):
                seen.add(key.value)
            if inner := _double(value):
                return inner
    elif isinstance(node, yaml.SequenceNode):
        return next(filter(None, map(_double, node.value)), None)
    return None


def meant(word: str, known: Iterable[str]) -> str:
    """``; did you mean X?``, or what there is."""
    words = list(known)
    near = get_close_matches(word.casefold(), words, n=1)
    if near:
        return f"; did you mean {near[0]}?"
    return f"; there are: {', '.join(words)}" if len(words) <= 40 else ""
