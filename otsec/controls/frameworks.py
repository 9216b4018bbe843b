"""Frameworks, checks and the names of metrics, read from `rules/controls/` and a site's own files.

A framework is a file: a new one takes no code. What is wrong in one is told with its place.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from importlib import resources
from pathlib import Path
from typing import Any, cast, get_args

from otsec.config import text_of
from otsec.controls.expressions import Expression, parse
from otsec.controls.model import Control, Framework, IdSource, Logic, Most
from otsec.errors import ConfigError, UsageError
from otsec.policy.document import Document, Entry, TooManyError, Value
from otsec.policy.problems import Problems, as_text, meant, meant_or_all

CHECKS, METRICS = "checks.yaml", "metrics.yaml"  # all other files are frameworks
EXPRESSIONS = ("contradicted", "insufficient", "supported")
ATTRIBUTE = "{attribute}"
CHECK_KEYS = ("evidence", *EXPRESSIONS)
FRAMEWORK_KEYS = ("framework", "order", "version", "rows")
ROW_KEYS = (
    *("control", "version", "title", "check", "attribute", "priority", "evidence"),
    *("max_status", "limits", "id_source"),
)
NEEDED = ("control", "title", "check", "max_status", "limits", "id_source")


@dataclass(frozen=True, slots=True)
class Check:
    """What is looked at, once for all frameworks that ask for it."""

    name: str
    evidence: str  # empty: each row says its own
    texts: Mapping[str, str]  # of the three expressions

    def logic(self, attribute: str = "") -> Logic:
        """Its expressions. Raises ValueError if one cannot be read."""
        return Logic(
            *(parse(self.texts[name].replace(ATTRIBUTE, attribute)) for name in EXPRESSIONS)
        )


@dataclass(frozen=True, slots=True)
class Catalogue:
    """All that is known of controls."""

    frameworks: tuple[Framework, ...]
    checks: Mapping[str, Check]
    metrics: Mapping[str, str]  # what each is, in words

    def framework(self, name: str) -> Framework:
        """A framework by its name or that of its file. Raises UsageError if there is none."""
        folded = name.casefold()
        for one in self.frameworks:
            if folded in {one.name.casefold(), one.slug}:
                return one
        slugs = [one.slug for one in self.frameworks]
        raise UsageError(f"no framework {name!a}{meant_or_all(folded, slugs)}")

    def control(self, name: str) -> Control:
        """A row: `SLUG ROW`, or its identifier alone where only one framework has it."""
        wanted = " ".join(name.casefold().split())
        met = [
            control
            for one in self.frameworks
            for control in one.controls
            if wanted
            in {control.id.casefold(), f"{one.slug} {control.id}".casefold(),
                f"{one.name} {control.id}".casefold()}
        ]  # fmt: skip
        if len(met) == 1:
            return met[0]
        if met:
            several = ", ".join(f'"{self.slug(one)} {one.id}"' for one in met)
            raise UsageError(f"{name!a} is a row of {len(met)} frameworks: {several}")
        ids = [control.id for one in self.frameworks for control in one.controls]
        raise UsageError(f"no row {name!a}{meant(name, ids)}; `otsec controls list` lists them")

    def slug(self, control: Control) -> str:
        """How a command names the framework of a row."""
        return next(one.slug for one in self.frameworks if one.name == control.framework)


def built_in() -> Path:
    """Where those lie that come with otsec: in the package, or in the checkout."""
    inside = Path(str(resources.files("otsec"))) / "rules"
    rules = inside if inside.is_dir() else inside.parent.parent / "rules"
    return rules / "controls"


@lru_cache(maxsize=4)
def catalogue(folder: Path | None = None) -> Catalogue:
    """All of a folder. Raises ConfigError with a line for every mistake."""
    here = folder or built_in()
    mistakes: list[str] = []
    metrics = _read(here / METRICS, mistakes, _metrics) or {}
    checks = _read(here / CHECKS, mistakes, lambda root: _checks(root, metrics)) or {}
    frameworks = [
        _read(path, mistakes, partial(_framework, slug=path.stem, checks=checks))
        for path in sorted(here.glob("*.yaml"))
        if path.name not in {CHECKS, METRICS}
    ]
    if any(mistakes):
        raise ConfigError("".join(mistakes).rstrip("\n"))
    found = [one for one in frameworks if one is not None]
    return Catalogue(tuple(sorted(found, key=lambda one: (one.order, one.name))), checks, metrics)


def _read(path: Path, mistakes: list[str], take: Callable[[Value], Any]) -> Any:
    """What a file says; None after telling what is wrong with it."""
    problems = Problems()
    found = None
    try:
        root = Document(problems).root(text_of(path, "file of controls"))
        found = None if root is None else take(root)
    except (TooManyError, RecursionError):
        problems.add(None, "E100", "aliases are laid on top of each other without end")
    mistakes.append(as_text(str(path), problems.sorted()))
    return None if problems.fatal else found


def _metrics(root: Value) -> Mapping[str, str]:
    found = {}
    for name, entry in root.entries("metrics").items():
        about = entry.value.text(name)
        if about:
            found[name] = about
    return found


def _checks(root: Value, metrics: Mapping[str, str]) -> Mapping[str, Check]:
    found = {}
    for name, entry in root.entries("checks").items():
        where = f'check "{name}"'
        given = _texts(entry.value, where, CHECK_KEYS, EXPRESSIONS)
        check = Check(
            name, given.get("evidence", ""), {key: given.get(key, "") for key in EXPRESSIONS}
        )
        for key in EXPRESSIONS:
            _expression(entry.value, where, key, check, metrics)
        found[name] = check
    return found


def _expression(
    value: Value, where: str, key: str, check: Check, metrics: Mapping[str, str]
) -> None:
    """Tell what is wrong with one of the expressions."""
    text = check.texts[key]
    if not text:
        return  # told already
    try:
        found: Expression = parse(text.replace(ATTRIBUTE, "any"))
    except ValueError as error:
        value.wrong("E107", f"{where}: {key}: {error}")
        return
    for name in found.names:
        if name not in metrics and not name.startswith("attr."):
            value.wrong("E201", f'{where}: {key}: unknown metric "{name}"{meant(name, metrics)}')


def _texts(value: Value, where: str, known: Sequence[str], needed: Iterable[str]) -> dict[str, str]:
    entries = value.entries(where, known)
    taken = {key: entry.value.text(f"{where}: {key}") for key, entry in entries.items()}
    if value.is_map:
        for key in needed:
            if key not in entries:
                value.wrong("E106", f'{where}: "{key}" is missing')
    return {key: text for key, text in taken.items() if text is not None}


def _framework(root: Value, slug: str, checks: Mapping[str, Check]) -> Framework:
    entries = root.entries("framework", FRAMEWORK_KEYS)
    name = _one(entries, "framework", root)
    version = _one(entries, "version")
    order = _one(entries, "order")
    if "rows" not in entries:
        root.wrong("E106", 'framework: "rows" is missing')
    values = entries["rows"].value.items("rows") if "rows" in entries else []
    rows = [_row(value, name, version, checks) for value in values]
    controls = tuple(row for row in rows if row is not None)
    ids: dict[str, int] = {}
    for control in controls:
        if control.id in ids:
            root.document.problems.add(
                control.place,
                "E113",
                f'row "{control.id}" stands twice, first in line {ids[control.id]}',
            )
        ids.setdefault(control.id, control.place.line)
    return Framework(name, slug, int(order) if order.isdecimal() else 1000, controls)


def _one(entries: Mapping[str, Entry], key: str, needed: Value | None = None) -> str:
    if key not in entries:
        if needed is not None:
            needed.wrong("E106", f'"{key}" is missing')
        return ""
    return entries[key].value.text(key) or ""


def _row(value: Value, framework: str, version: str, checks: Mapping[str, Check]) -> Control | None:
    where = f'row "{value.peek("control")}"'
    given = _texts(value, where, ROW_KEYS, NEEDED)
    for key, closed in (("max_status", get_args(Most)), ("id_source", get_args(IdSource))):
        if key in given and given[key] not in closed:
            value.wrong(
                "E107", f'{where}: {key}: no "{given[key]}"{meant_or_all(given[key], closed)}'
            )
    check = checks.get(given.get("check", ""))
    if check is None:
        name = given.get("check", "")
        if name:
            value.wrong("E201", f'{where}: unknown check "{name}"{meant(name, checks)}')
        return None
    try:
        logic = check.logic(given.get("attribute", "any"))
    except ValueError:
        return None  # told of the check already
    if any(key not in given for key in NEEDED):
        return None
    return Control(
        framework=framework,
        version=given.get("version", version),
        id=given["control"],
        title=given["title"],
        check=check.name,
        evidence=given.get("evidence", check.evidence),
        logic=logic,
        max_status=cast("Most", given["max_status"]),  # checked above
        limits=given["limits"],
        id_source=cast("IdSource", given["id_source"]),
        priority=given.get("priority", ""),
        place=value.place,
    )
