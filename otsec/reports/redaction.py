"""Reports under pseudonyms: addresses, names and people, each with the same one in all reports.

The pseudonyms are those of `otsec evidence --pseudonymise` with the same key. Texts are searched
word by word, so the time does not depend on how many names there are. Ids of findings and assets
are replaced too: they are hashes of addresses, and an address can be found again by trying all.
"""

import hmac
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

from otsec.evidence.pseudonyms import ADDRESS, COMMON, LEAST_NAME, Known, Pseudonyms, words
from otsec.inventory.model import is_mac
from otsec.reports.subject import Subject
from otsec.store import references
from otsec.store.acts import every_act

CLASSES = {"ip": "addresses", "hostname": "names and serial numbers", "user": "people"}
PEOPLE = frozenset({"user", "account", "user_identity", "owner", "contact"})
_WORD = re.compile(r"\w+")
_SPELT = re.compile(  # addresses of networks and hosts as names of zones and groups spell them
    r"\d{1,3}([-_.]\d{1,3}){2}|(^|[-_.])net6[-_.]|[0-9a-f]{2}([-_.][0-9a-f]{2}){5}", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Name:
    """A text that is replaced where it stands as words of its own."""

    text: str  # folded
    before: int  # letters before its first word
    label: str = ""  # what stands for it; empty: a pseudonym


@dataclass(frozen=True, slots=True)
class Redaction:
    """What is replaced, and by what."""

    kinds: tuple[str, ...]  # in words, for the reader
    addresses: bool
    drawn: Pseudonyms
    key: bytes
    names: dict[str, list[Name]] = field(repr=False)  # by their first word, the longest first
    ids: dict[str, str] = field(repr=False)  # as they stand in texts: the whole ones

    def text(self, text: str) -> str:
        """A text with everything replaced that is to be hidden."""
        if self.addresses:
            text = ADDRESS.sub(lambda found: self.drawn.address(found[0]), text)
        out: list[str] = []
        done = 0
        for found in _WORD.finditer(text):
            if found.start() < done:
                continue
            word = found[0]
            if word in self.ids:
                out += [text[done : found.start()], self._id(word)]
                done = found.end()
                continue
            for name in self.names.get(word.casefold(), ()):
                begin = found.start() - name.before
                end = begin + len(name.text)
                if begin >= done and text[begin:end].casefold() == name.text and _ends(text, end):
                    out += [text[done:begin], name.label or self.drawn.name(text[begin:end])]
                    done = end
                    break
        return "".join((*out, text[done:]))

    def _id(self, word: str) -> str:
        drawn = hmac.digest(self.key, f"id {self.ids[word]}".encode(), "sha256").hex()
        return word[0] + drawn[: len(word) - 1] if word.startswith("i") else drawn[: len(word)]


def _ends(text: str, end: int) -> bool:
    """Whether no word goes on there."""
    return end >= len(text) or not (text[end].isalnum() and text[end - 1].isalnum())


def redaction(subject: Subject, key: bytes, classes: Sequence[str]) -> Redaction:
    """What must be hidden of a store; ``classes``: of CLASSES."""
    store = subject.store
    sources = [tap.id for tap in references.taps(store)]
    people = set(_people(subject))
    names: set[str] = set()
    if "user" in classes:
        names |= people
    if "hostname" in classes:
        names |= {*references.names(store, sources)} - people
        names |= {asset.name for asset in subject.inventory.assets if not _address(asset.name)}
    found = [Name(name.casefold(), _before(name)) for name in words(sorted(names), None)]
    if "hostname" in classes:
        found += _labels(subject)
    found += _of_policy(subject, {_slug(name) for name in names}, addresses="ip" in classes)
    by_word: dict[str, list[Name]] = defaultdict(list)
    for name in sorted(set(found), key=lambda one: (-len(one.text), one.text, one.label)):
        if first := _WORD.search(name.text):
            by_word[first[0]].append(name)
    addresses = "ip" in classes
    ids = {asset.id for asset in subject.inventory.assets}
    ids |= {case.finding.incident for case in subject.cases}
    whole = {one: one for one in ids}
    for case in subject.cases:  # a short id stands for the same as the whole one
        whole |= {case.finding.id: case.finding.id, case.finding.short: case.finding.id}
    return Redaction(
        tuple(CLASSES[one] for one in CLASSES if one in classes),
        addresses,
        Pseudonyms(key, Known((), frozenset(), _ipv6(subject), frozenset())),
        key,
        dict(by_word),
        {part: one for part, one in whole.items() if part} if addresses else {},
    )


def _people(subject: Subject) -> Iterable[str]:
    """Who logged in, and who said or decided something."""
    for asset in subject.inventory.assets:
        yield from (one.value for one in asset.known if one.attribute in PEOPLE)
    for one in subject.sessions:
        yield from one.account
    for act in every_act(subject.store):
        yield from (act.who, act.login)
        if act.kind == "assign":
            yield act.after


def _labels(subject: Subject) -> Iterable[Name]:
    """Sites and points get numbers: their names often are those of places."""
    taps = references.taps(subject.store)
    for word, texts in (
        ("site", [tap.site for tap in taps]),
        ("point", [tap.name for tap in taps] + [tap.point for tap in taps]),
    ):
        for number, text in enumerate(dict.fromkeys(texts), 1):
            if text.casefold() not in COMMON and _WORD.search(text) and len(text) >= LEAST_NAME:
                yield Name(text.casefold(), _before(text), f"{word}-{number}")


def _of_policy(subject: Subject, hidden: AbstractSet[str], *, addresses: bool) -> Iterable[Name]:
    """Numbers for names of the policy in which a name or an address stands, as in a draft's."""
    policy = subject.order.policy
    for word, texts in () if policy is None else (
        ("zone", [zone.name for zone in policy.zones]),
        ("group", [group.name for group in policy.groups]),
        ("rule", [rule.id for rule in policy.rules]),
    ):  # fmt: skip
        for number, text in enumerate(dict.fromkeys(texts), 1):
            if (addresses and _SPELT.search(text)) or not hidden.isdisjoint(_runs(_slug(text))):
                yield Name(text.casefold(), _before(text), f"{word}-{number}")


def _slug(text: str) -> str:
    """A text as a name of the policy may spell it."""
    return re.sub(r"[^a-z0-9]+", "-", text.casefold()).strip("-")


def _runs(slug: str) -> Iterator[str]:
    """All parts of a slug, each as long as one likes."""
    parts = slug.split("-")
    for begin in range(len(parts)):
        for end in range(begin, len(parts)):
            yield "-".join(parts[begin : end + 1])


def _before(text: str) -> int:
    found = _WORD.search(text)
    return found.start() if found else 0


def _address(text: str) -> bool:
    return is_mac(text) or ADDRESS.fullmatch(text) is not None


def _ipv6(subject: Subject) -> frozenset[bytes]:
    from ipaddress import IPv6Address  # noqa: PLC0415 - only where there may be one

    texts = {node.address for node in subject.inventory.by_node if ":" in node.address}
    texts |= {one for case in subject.cases for one in (case.finding.client, case.finding.server)}
    return frozenset(
        IPv6Address(text).packed for text in texts if text.count(":") >= 2 and not is_mac(text)
    )
