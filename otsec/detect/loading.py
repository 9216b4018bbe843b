"""Rules from folders of YAML: parsed by pySigma, checked, and made ready to judge.

All problems of all files are told at once; a rule with a problem is left out, and the others go on.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache, lru_cache
from hashlib import sha256
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from otsec import __version__
from otsec.detect import attack
from otsec.detect.conditions import UnusableError, Walker, all_of, leaf, leaves_of, named_in
from otsec.detect.documents import Document, Problem, documents, files, meant
from otsec.detect.fields import CATEGORIES, Category
from otsec.detect.model import LEVELS, Correlation, Rule, Selection, Texts, Trial
from otsec.model import OperationClass

if TYPE_CHECKING:
    from sigma.correlations import SigmaCorrelationRule
    from sigma.rule import SigmaRule

PRODUCT = "otsec"
OWN = ("seen", "expected", "why", "next", "needs", "tests")  # keys of the block `otsec`
TRIALS = ("fires", "near_miss", "quiet")
CORRELATING = ("event_count", "value_count", "temporal", "temporal_ordered")
KEPT = 1024  # files whose rules are kept, so that only those that changed are read again
LATER = ("baseline",)  # what a rule may need that comes with a later version
BESIDE = frozenset({"condition", "timeframe"})  # keys of a detection that are no selections
ALONE: Any = None  # for pySigma: what is parsed stands alone, nothing beside it is looked at
PLACEHOLDERS = (
    *("client", "server", "device", "service", "protocol", "operations", "objects", "outcomes"),
    *("count", "number", "timespan", "values", "verdicts"),
    *("address", "attribute", "value", "before", "held_by"),
    *("name", "detail", "asked", "port_protocol", "times", "sha256", "size"),
)
_HOLE = re.compile(r"\{([^{}]*)\}")


@dataclass(slots=True)
class Loaded:
    """What became of folders of rules."""

    rules: list[Rule] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


def built_in() -> Path:
    """The folder of the rules that come with otsec: in the package, or in the checkout."""
    inside = Path(str(resources.files("otsec"))) / "rules"
    return inside if inside.is_dir() else inside.parent.parent / "rules"


def folders(own: Path | None) -> list[Path]:
    """The folders whose rules are judged: those that come with otsec, and the user's own."""
    return [built_in(), *([own] if own is not None else [])]


def load(folders: Iterable[Path]) -> Loaded:
    """The rules of folders, in order of their names; later folders cannot replace earlier ones."""
    loaded = Loaded()
    for folder in folders:
        for path in files(folder):
            rule = _file(path, loaded.problems)
            if rule is not None:
                loaded.rules.append(rule)
    _distinct(loaded)
    loaded.rules.sort(key=lambda rule: rule.name)
    return loaded


def version(rules: Iterable[Rule]) -> str:
    """Which rules these are: ``0.1.0 (142 rules, 3f2a9c01)``, by a hash of their files."""
    paths = sorted({rule.path for rule in rules})
    told = sha256()
    for path in paths:
        with suppress(OSError):  # it was taken away since
            told.update(path.read_bytes())
    return f"{__version__} ({len(paths)} rules, {told.hexdigest()[:8]})"


def _distinct(loaded: Loaded) -> None:
    for attribute in ("id", "name"):
        known: dict[str, Rule] = {}
        for rule in list(loaded.rules):
            key = getattr(rule, attribute)
            if key in known:
                text = f"{attribute} {key} is that of {known[key].path} already"
                loaded.problems.append(Problem(rule.path, rule.line, text))
                loaded.rules.remove(rule)
            known.setdefault(key, rule)


def _file(path: Path, problems: list[Problem]) -> Rule | None:
    """The rule of a file; None if it has problems, which are added."""
    try:
        text = path.read_text("utf-8")
    except UnicodeDecodeError as error:
        problems.append(Problem(path, 1, f"is not UTF-8 text (byte {error.start})"))
        return None
    except OSError as error:
        problems.append(Problem(path, 1, f"cannot be read: {error.strerror}"))
        return None
    rule, found = _read(path, text)
    problems += found
    return rule


@lru_cache(KEPT)
def _read(path: Path, text: str) -> tuple[Rule | None, tuple[Problem, ...]]:
    """The rule of a text, None if it has problems, which come with it, in order of their lines."""
    reading = _Reading(path)
    for found in documents(path, text):
        if isinstance(found, Problem):
            reading.problems.append(found)
        else:
            reading.documents.append(found)
    rule = None
    if not reading.problems:
        rule = reading.rule()
    wrong = tuple(sorted(reading.problems, key=lambda problem: problem.line))
    return (None if wrong else rule), wrong


class _Reading:
    """One file being read."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.documents: list[Document] = []
        self.problems: list[Problem] = []

    def rule(self) -> Rule | None:
        """The rule; None if that cannot be."""
        correlating = [one for one in self.documents if "correlation" in one.data]
        single = [one for one in self.documents if "correlation" not in one.data]
        if len(correlating) > 1 or (not correlating and len(single) != 1):
            self._wrong(self.documents[0] if self.documents else None, "one rule a file")
            return None
        main = correlating[0] if correlating else single[0]
        selections = [made for one in single if (made := self._selection(one)) is not None]
        correlation = None
        if correlating:
            correlation = self._correlation(main, single)
        parsed = self._parsed(main)
        texts, trials, needs = self._own(main)
        techniques = self._tags(main)
        if self.problems or parsed is None:
            return None
        return Rule(
            id=str(parsed.id),
            name=self.path.stem,
            title=str(parsed.title),
            level=str(parsed.level).lower(),  # type: ignore[arg-type] # pySigma knows the same five
            status=str(parsed.status).lower() if parsed.status else "experimental",
            techniques=techniques,
            category=selections[0].category,
            selections=tuple(selections),
            correlation=correlation,
            texts=texts,
            falsepositives=tuple(map(str, parsed.falsepositives or ())),
            fires=trials["fires"],
            near_miss=trials["near_miss"],
            quiet=trials["quiet"],
            cannot=self._cannot(selections, needs),
            path=self.path,
            line=main.line,
        )

    def _wrong(self, document: Document | None, text: str, *keys: str) -> None:
        line = 1 if document is None else document.line_of(*keys)
        problem = Problem(self.path, line, text)
        if problem not in self.problems:  # a document is read for itself, and for what it counts
            self.problems.append(problem)

    # ------------------------------------------------------------------ pySigma

    def _parsed(self, document: Document) -> "SigmaRule | SigmaCorrelationRule | None":
        """What pySigma makes of a document, its errors told."""
        from sigma.correlations import SigmaCorrelationRule  # noqa: PLC0415 - costs start-up
        from sigma.exceptions import SigmaError  # noqa: PLC0415 - as above
        from sigma.rule import SigmaRule  # noqa: PLC0415 - as above

        kind = SigmaCorrelationRule if "correlation" in document.data else SigmaRule
        try:
            parsed = kind.from_dict(document.data, collect_errors=True)
        except (SigmaError, TypeError, AttributeError, ValueError, KeyError) as error:
            self._wrong(document, f"pySigma: {error}")
            return None
        told = {problem.text for problem in self.problems}
        for wrong in (one for one in parsed.errors if str(one) not in told):
            self._wrong(document, str(wrong), *_about(str(wrong), document))
        main = "correlation" in document.data or len(self.documents) == 1
        for key in ("id", "title", "level") if main else ():
            if not document.data.get(key):
                self._wrong(document, f"{key} is missing{_expected(key)}")
        return parsed

    def _selection(self, document: Document) -> Selection | None:
        category, only_session = self._category(document)
        if not self._plain_detection(document) or category is None:
            self._parsed(document)
            return None
        told, names = len(self.problems), category.names
        walker = Walker(
            {name: at for at, name in enumerate(names)},
            {one.name: one.kind for one in category.fields},
        )
        self._known_fields(document, category)
        self._comparisons(document, walker)
        self._named(document, document.data["detection"]["condition"])
        parsed = self._parsed(document)
        tree = self._tree(document, parsed) if told == len(self.problems) else None
        plain = frozenset(word.casefold() for name, word in walker.plain if name == "protocol")
        protocols = plain if tree is None else _texts(tree, "protocol")
        self._known_words(document, walker.plain, protocols)
        if tree is None:
            return None
        condition = walker.walk(tree)
        if only_session:
            at = names.index("class")
            condition = all_of([leaf(at, lambda cell: cell == "session"), condition])
        return Selection(
            name=self._called(document),
            category=category.name,
            condition=condition,
            fields=frozenset(walker.fields),
            protocols=protocols,
        )

    def _called(self, document: Document) -> str:
        """By what a correlation names it."""
        return str(document.data.get("name") or document.data.get("id") or self.path.stem)

    def _comparisons(self, document: Document, walker: Walker) -> None:
        """Tell of each comparison that cannot be judged, in the condition or not."""
        for selection, value in document.data["detection"].items():
            for item in value if isinstance(value, list) else [value]:
                if selection in BESIDE:
                    continue
                parts = [{key: item[key]} for key in item] if isinstance(item, dict) else [item]
                for part in parts:
                    self._comparison(document, selection, part, walker)

    def _comparison(self, document: Document, selection: str, part: Any, walker: Walker) -> None:
        """Tell what is wrong with one line of a selection, but for names of fields."""
        from sigma.exceptions import SigmaError  # noqa: PLC0415 - as above
        from sigma.rule import SigmaDetection  # noqa: PLC0415 - as above

        names = list(_names(part))
        if not walker.positions.keys() >= set(names):
            return
        try:
            for node in leaves_of(SigmaDetection.from_definition(part).postprocess(ALONE)):
                walker.walk(node)
        except (SigmaError, UnusableError, RecursionError) as error:
            self._wrong(document, str(error), "detection", selection, *names)

    def _named(self, document: Document, condition: str) -> None:
        """Tell of each selection that the condition names and nobody defines."""
        from sigma.conditions import SigmaCondition  # noqa: PLC0415 - as above
        from sigma.exceptions import SigmaError  # noqa: PLC0415 - as above

        known = [name for name in document.data["detection"] if name not in BESIDE]
        try:
            parsed = SigmaCondition(condition, ALONE).parse(postprocess=False)
        except (SigmaError, RecursionError) as error:
            self._wrong(document, str(error), "detection", "condition")
            return
        for name in dict.fromkeys(named_in(parsed)):
            if name not in known:
                text = f"no selection {name!a}{meant(name, known)}"
                self._wrong(document, text, "detection", "condition")

    def _tree(self, document: Document, parsed: Any) -> Any:
        """The condition as pySigma parsed it; None if it did not."""
        from sigma.exceptions import SigmaError  # noqa: PLC0415 - as above

        try:
            return parsed.detection.parsed_condition[0].parsed
        except (SigmaError, RecursionError) as error:
            self._wrong(document, str(error), "detection", "condition")
            return None

    def _plain_detection(self, document: Document) -> bool:
        """Whether the detection is of the shape that Sigma has; YAML reads `off` as false."""
        detection = document.data.get("detection")
        if not isinstance(detection, dict):
            self._wrong(document, "expected selections and a condition", "detection")
            return False
        wrong = [name for name in detection if not isinstance(name, str)]
        if wrong:
            text = f"YAML reads the name of a selection as {str(wrong[0]).lower()}; choose another"
            self._wrong(document, text, "detection")
        condition = detection.get("condition")
        if not isinstance(condition, str):
            text = f"expected a condition as text, found {condition!r}"
            self._wrong(document, text, "detection", "condition")
        return not wrong and isinstance(condition, str)

    def _category(self, document: Document) -> tuple[Category | None, bool]:
        """The category of the rows, and whether only those of sessions count."""
        source = document.data.get("logsource")
        if not isinstance(source, dict):
            self._wrong(document, "expected `logsource: {product: otsec, category: ...}`")
            return None, False
        if source.get("product") != PRODUCT:
            text = f"product is {source.get('product')!a}, expected {PRODUCT}"
            self._wrong(document, text, "logsource", "product")
        name = str(source.get("category", ""))
        if name not in CATEGORIES:
            text = f"no category {name!a}{meant(name, CATEGORIES)}"
            self._wrong(document, text, "logsource", "category")
            return None, False
        return CATEGORIES["operation" if name == "session" else name], name == "session"

    def _known_fields(self, document: Document, category: Category) -> None:
        """Tell of each field of the selections that the category does not have."""
        wrong = [
            (selection, name)
            for selection, value in document.data["detection"].items()
            if selection not in BESIDE
            for name in _names(value)
            if name not in category.names
        ]
        for selection, name in wrong:
            text = f"no field {name!a} in category {category.name}{meant(name, category.names)}"
            self._wrong(document, text, "detection", selection, name)

    def _known_words(
        self, document: Document, plain: Sequence[tuple[str, str]], bound: frozenset[str]
    ) -> None:
        """Whether protocols, operations and classes are words that otsec can say."""
        said = _said()
        for name, word in plain:
            if name == "class" and word.casefold() not in get_args(OperationClass):
                near = meant(word, get_args(OperationClass))
                self._wrong_word(document, name, word, f"no class {word!a}{near}")
            elif name == "protocol" and word and word.casefold() not in said:
                near = meant(word, said)
                if near.startswith("; did"):
                    self._wrong_word(document, name, word, f"no protocol {word!a}{near}")
            elif name == "operation":
                self._known_operation(document, word, bound, said)

    def _known_operation(
        self,
        document: Document,
        word: str,
        bound: frozenset[str],
        said: Mapping[str, frozenset[str]],
    ) -> None:
        if any(protocol not in said for protocol in bound) or word.startswith("unknown_"):
            return
        words = sorted(frozenset().union(*(said[one] for one in bound or said)))
        if word.casefold() not in words:
            where = f" of {', '.join(sorted(bound))}" if bound else ""
            text = f"no operation {word!a}{where}{meant(word, words)}"
            self._wrong_word(document, "operation", word, text)

    def _wrong_word(self, document: Document, name: str, word: str, text: str) -> None:
        """Told where the first selection compares the field with the word."""
        for selection, value in document.data["detection"].items():
            if selection not in BESIDE and word in _words(value, name):
                self._wrong(document, text, "detection", selection, name)
                return
        self._wrong(document, text, "detection")

    # ------------------------------------------------------------------ correlation

    def _correlation(self, document: Document, single: Sequence[Document]) -> Correlation | None:
        parsed = self._parsed(document)
        categories = [made for one in single if (made := self._category(one)[0]) is not None]
        if parsed is None or parsed.errors or not categories:
            return None
        kind = str(parsed.type).lower()  # type: ignore[union-attr] # it is one
        if kind not in CORRELATING:
            self._wrong(
                document, f"no correlation {kind!a}{meant(kind, CORRELATING)}", "correlation"
            )
            return None
        if parsed.aliases.aliases:  # type: ignore[union-attr]
            self._wrong(document, "aliases are not supported", "correlation", "aliases")
        names = [self._called(one) for one in single]
        order = []
        for reference in parsed.rules:  # type: ignore[union-attr]
            if reference.reference not in names:
                text = f"no rule {reference.reference!a} in this file{meant(reference.reference, names)}"
                self._wrong(document, text, "correlation", "rules")
            else:
                order.append(names.index(reference.reference))
        group_by = tuple(parsed.group_by or ())  # type: ignore[union-attr]
        common = frozenset.intersection(*(frozenset(one.names) for one in categories))
        for name in group_by:
            if name not in common:
                text = f"group-by: no field {name!a}{meant(name, sorted(common))}"
                self._wrong(document, text, "correlation", "group-by")
        holds, least, counted = self._holds(document, parsed, kind, common)
        if self.problems:
            return None
        return Correlation(
            kind=kind,  # type: ignore[arg-type] # checked above
            group_by=group_by,
            timespan_s=int(parsed.timespan.seconds),  # type: ignore[union-attr]
            holds=holds,
            least=least,
            counted=counted,
            order=tuple(order),
        )

    def _holds(
        self, document: Document, parsed: Any, kind: str, common: frozenset[str]
    ) -> tuple[Any, int, str]:
        condition = parsed.condition
        if kind.startswith("temporal"):
            return (lambda _: True), 1, ""
        name = condition.op.name
        least = int(condition.count) + (name == "GT")
        if name not in {"GTE", "GT"}:
            text = f"{name.lower()} is not judged, for a capture may miss some; use gte or gt"
            self._wrong(document, text, "correlation", "condition")
        counted = condition.fieldref or ""
        if kind == "value_count" and counted not in common:
            text = f"field: no field {counted!a}{meant(str(counted), sorted(common))}"
            self._wrong(document, text, "correlation", "condition", "field")
        return (lambda count: count >= least), least, str(counted)

    # ------------------------------------------------------------------ what is ours

    def _own(self, document: Document) -> tuple[Texts, dict[str, tuple[Trial, ...]], str]:
        block = document.data.get("otsec", {})
        trials: dict[str, tuple[Trial, ...]] = dict.fromkeys(TRIALS, ())
        if not isinstance(block, dict):
            self._wrong(document, "expected keys such as seen, why and next", "otsec")
            return Texts(), trials, ""
        for key in block:
            if key not in OWN:
                self._wrong(document, f"no key {key!a}{meant(str(key), OWN)}", "otsec", str(key))
        for key in ("seen", "next"):
            if not block.get(key):
                self._wrong(document, f"otsec.{key} is missing: people read it", "otsec")
        texts = {key: _one_line(block.get(key, "")) for key in ("seen", "expected", "why", "next")}
        for key, text in texts.items():
            for hole in _HOLE.findall(text):
                if hole not in PLACEHOLDERS:
                    near = meant(hole, PLACEHOLDERS)
                    self._wrong(document, f"nothing stands for {{{hole}}}{near}", "otsec", key)
        tests = block.get("tests", {})
        if not isinstance(tests, dict):
            self._wrong(document, f"expected {', '.join(TRIALS)}", "otsec", "tests")
        else:
            for key, entries in tests.items():
                if key not in TRIALS:
                    self._wrong(document, f"no key {key!a}{meant(key, TRIALS)}", "otsec", "tests")
                else:
                    trials[key] = tuple(self._trials(document, key, entries))
        needs = str(block.get("needs", ""))
        if needs and needs not in LATER:
            self._wrong(document, f"needs {needs!a}{meant(needs, LATER)}", "otsec", "needs")
        return Texts(**texts), trials, needs

    def _trials(self, document: Document, key: str, entries: Any) -> Iterator[Trial]:
        for entry in entries if isinstance(entries, list) else [entries]:
            if isinstance(entry, str):
                yield Trial(entry, 1 if key == "fires" else 0)
            elif isinstance(entry, dict) and isinstance(entry.get("capture"), str):
                where = {str(name): str(value) for name, value in entry.get("where", {}).items()}
                default = 1 if key == "fires" else 0
                yield Trial(entry["capture"], int(entry.get("findings", default)), where)
            else:
                text = "expected a capture, or {capture: ..., findings: 1, where: {client: ...}}"
                self._wrong(document, text, "otsec", "tests", key)

    def _tags(self, document: Document) -> tuple[str, ...]:
        known, found = attack.techniques(), []
        tags = document.data.get("tags", [])
        for tag in tags if isinstance(tags, list) else [tags]:
            space, _, name = str(tag).partition(".")
            if space != "attack" or name.replace("_", "-") in attack.STAGES:
                continue
            if name.upper() not in known:
                words = [f"attack.{one.lower()}" for one in known]
                text = f"no technique {tag!a} in ATT&CK for ICS {attack.version()}"
                self._wrong(document, f"{text}{meant(str(tag), words)}", "tags")
            found.append(name.upper())
        return tuple(found)

    def _cannot(self, selections: Iterable[Selection], needs: str) -> str:
        if needs:
            return f"needs a {needs}: told by otsec {needs}, once learning has ended"
        said = _said()
        for selection in selections:
            if selection.protocols and not any(one in said for one in selection.protocols):
                names = ", ".join(sorted(selection.protocols))
                return f"{names} {'are' if ', ' in names else 'is'} not decoded"
        return ""


# ---------------------------------------------------------------------------------- words


@cache
def _said() -> Mapping[str, frozenset[str]]:
    """The operations of each protocol that is decoded."""
    from otsec.protocols import PROTOCOLS  # noqa: PLC0415 - imports them all

    return {one.name: frozenset(op.name for op in one.operations) for one in PROTOCOLS}


def _names(value: Any) -> Iterator[str]:
    """The fields that a selection names."""
    for item in value if isinstance(value, list) else [value]:
        if isinstance(item, dict):
            yield from (str(key).partition("|")[0] for key in item)


def _words(value: Any, name: str) -> Iterator[str]:
    """What a selection compares a field with, as text."""
    for item in value if isinstance(value, list) else [value]:
        for key, words in item.items() if isinstance(item, dict) else ():
            if str(key).partition("|")[0] == name:
                yield from map(str, words if isinstance(words, list) else [words])


def _texts(tree: Any, name: str) -> frozenset[str]:
    from otsec.detect.conditions import texts_of  # noqa: PLC0415 - imports pySigma

    return frozenset(text.casefold() for text in texts_of(tree, name) or () if text)


def _one_line(text: Any) -> str:
    return " ".join(str(text).split())


def _about(error: str, document: Document) -> tuple[str, ...]:
    """The key of a document that an error of pySigma speaks of."""
    said = re.findall(r"[a-z]+", error.casefold())
    for key in document.data:
        if key.casefold() in said:
            return (key,)
    words = {"identifier": "id", "condition": "detection", "log source": "logsource"}
    words |= dict.fromkeys(("regular", "modifier", "wildcard", "cidr"), "detection")
    return next(((key,) for word, key in words.items() if word in error.casefold()), ())


def _expected(key: str) -> str:
    return f": expected one of {', '.join(LEVELS)}" if key == "level" else ""
