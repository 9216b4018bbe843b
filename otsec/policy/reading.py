"""A policy read from its file, with everything that is wrong with it.

Raises nothing that the file could cause but `ConfigError` where it cannot be read at all.
"""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from otsec.policy import keys, values, words
from otsec.policy.case_reading import CaseReader
from otsec.policy.document import Document, Entry, TooManyError, Value
from otsec.policy.model import (
    ANY,
    CLASSES,
    NOWHERE,
    Allow,
    Defaults,
    End,
    Group,
    MacRange,
    Network,
    Place,
    Policy,
    Rule,
    RuleKind,
    Selector,
    Window,
    Zone,
)
from otsec.policy.problems import Problem, Problems, meant, meant_or_all, shown
from otsec.policy.taking import Entries, Keys, Taking
from otsec.policy.windows import DAYS, at

UTC_ZONE = "UTC"


@dataclass(frozen=True, slots=True)
class Read:
    """What became of a file."""

    path: str
    policy: Policy | None  # None: it cannot be used
    problems: tuple[Problem, ...]

    @property
    def fatal(self) -> bool:
        """Whether it cannot be used."""
        return self.policy is None or any(one.fatal for one in self.problems)


def read(text: str, path: str = "policy.yaml") -> Read:
    """A policy from its text."""
    problems = Problems()
    policy = None
    try:
        root = Document(problems).root(text)
        if root is not None:
            digest = hashlib.sha256(text.encode()).hexdigest()
            policy = _Reader(problems, Path(path).name, digest).policy(root)
    except (TooManyError, RecursionError):
        problems.add(None, "E100", "aliases are laid on top of each other without end")
    return Read(path, None if problems.fatal else policy, problems.sorted())


@dataclass(slots=True)
class _Reader(Taking):
    """Reads one file; what was named is remembered for those that refer to it."""

    problems: Problems
    name: str
    digest: str
    zone: ZoneInfo = field(default_factory=lambda: ZoneInfo(UTC_ZONE))
    zones: dict[str, Zone] = field(default_factory=dict)
    groups: dict[str, Group] = field(default_factory=dict)
    windows: dict[str, Window] = field(default_factory=dict)
    ids: dict[str, Place] = field(default_factory=dict)

    def policy(self, root: Value) -> Policy | None:
        """The whole file."""
        entries = self._block(root, "policy", keys.POLICY)
        if not root.is_map:
            return None
        version = entries.get("otsec_policy")
        if version is not None and version.value.text("otsec_policy") != "1":
            version.value.wrong(
                "E101", f"otsec_policy: this otsec reads version 1, not {version.value.kind}"
            )
        site = self._site(entries)
        defaults = self._defaults(entries)
        self._named(entries, "zones", "zone", self._zone)
        self._named(entries, "groups", "group", self._group)
        self._named(entries, "windows", "window", self._window)
        return Policy(
            name=self.name,
            site=site,
            zone=self.zone,
            defaults=defaults,
            zones=tuple(self.zones.values()),
            groups=tuple(self.groups.values()),
            windows=tuple(self.windows.values()),
            conduits=self._rules(entries, "conduits", "conduit", keys.CONDUIT),
            nevers=self._rules(entries, "never", "never", keys.NEVER),
            exceptions=self._rules(entries, "exceptions", "exception", keys.EXCEPTION),
            tests=CaseReader(self.zone, self.ids).tests(entries),
            digest=self.digest,
        )

    # ----------------------------------------------------------------------------- blocks

    def _site(self, entries: Entries) -> str:
        if "site" not in entries:
            return ""
        found = self._block(entries["site"].value, "site", keys.SITE)
        if "timezone" in found:
            text = found["timezone"].value.text("site: timezone")
            if text is not None:
                self._take_zone(found["timezone"].value, text)
        return self._name(found, "id", "site") or ""

    def _take_zone(self, value: Value, text: str) -> None:
        try:
            self.zone = ZoneInfo(text)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            known = available_timezones()
            cities = {one.rpartition("/")[2].casefold(): one for one in sorted(known, reverse=True)}
            city = cities.get(text.rpartition("/")[2].casefold())
            hint = f'; did you mean "{city}"?' if city else _meant_zone(text, known)
            value.wrong("E406", f'site: no time zone "{shown(text)}"{hint}')

    def _defaults(self, entries: Entries) -> Defaults:
        if "defaults" not in entries:
            return Defaults()
        found = self._block(entries["defaults"].value, "defaults", keys.DEFAULTS)
        taken = {
            key: one.value.one_of(f"defaults: {key}", keys.WORDS[keys.DEFAULTS[key].takes])
            for key, one in found.items()
        }
        return Defaults(**{key: word for key, word in taken.items() if word is not None})

    def _named(
        self, entries: Entries, key: str, what: str, take: Callable[[str, Entry], None]
    ) -> None:
        """Blocks by name."""
        if key not in entries or entries[key].value.empty:
            return
        for name, entry in entries[key].value.entries(key).items():
            try:
                values.name(name)
            except ValueError as error:
                entry.key.wrong("E108", f'{what} "{shown(name)}": expected a name{error}')
                continue
            if name == ANY or (what == "group" and name in self.zones):
                word = "means everybody" if name == ANY else "is the name of a zone too"
                entry.key.wrong("E108", f'{what} "{name}": {word}; take another name')
                continue
            take(name, entry)

    def _zone(self, name: str, entry: Entry) -> None:
        where = f'zone "{name}"'
        found = self._block(entry.value, where, keys.ZONE)
        taken = self._several(found, "nets", where, values.network, "a network", code="E109")
        zone = Zone(
            name=name,
            level=self._level(found, where),
            nets=tuple(net for _, net in taken),
            vlans=tuple(
                vlan for _, vlan in self._several(found, "vlans", where, values.vlan, "a VLAN")
            ),
            assets=tuple(text.casefold() for text in self._texts(found, "assets", where)),
            kind=self._word(found, "kind", where) or "process",
            tags=tuple(self._texts(found, "tags", where)),
            sl_t=self._one(found, "sl_t", where, values.security_level, "a level from 0 to 4"),
            owner=self._text(found, "owner", where),
            reason=self._text(found, "reason", where),
            place=entry.key.place,
            net_places=tuple(one.place for one, _ in taken),
        )
        if entry.value.is_map and not {"nets", "vlans", "assets"} & {*found}:
            entry.key.wrong(
                "E112", f"{where} has neither nets nor vlans nor assets: nothing is in it"
            )
        self.zones[name] = zone

    def _level(self, found: Entries, where: str) -> float | None:
        if "level" not in found or found["level"].value.empty:
            return None
        level: float | None = self._one(found, "level", where, values.level, "a Purdue level")
        return level

    def _group(self, name: str, entry: Entry) -> None:
        where = f'group "{name}"'
        if not entry.value.is_map:
            entry.value.wrong("E104", f"{where}: expected `key: value`, found {entry.value.kind}")
            return
        found = self._block(entry.value, where, keys.GROUP)
        self.groups[name] = Group(name, self._selector(found, where), entry.key.place)
        if not found:
            entry.key.wrong("E112", f"{where} does not say who is in it")

    def _selector(self, found: Entries, where: str) -> Selector:
        named = self._several(found, "zone", where, values.name, "a name", code="E108")
        for value, name in named:
            if name not in self.zones:
                value.wrong("E201", f'{where}: unknown zone "{name}"{meant(name, self.zones)}')
        assets = [*self._texts(found, "assets", where), *self._texts(found, "asset", where)]
        return Selector(
            zones=frozenset(name for _, name in named),
            roles=frozenset(self._roles(found, where)),
            tags=frozenset(text.casefold() for text in self._texts(found, "tags", where)),
            assets=frozenset(text.casefold() for text in assets),
            nets=tuple(
                net
                for _, net in self._several(
                    found, "ips", where, values.network, "an address", code="E109"
                )
            ),
            macs=tuple(
                mac
                for _, mac in self._several(
                    found, "macs", where, values.mac_range, "a MAC address", code="E114"
                )
            ),
            vlans=frozenset(
                vlan for _, vlan in self._several(found, "vlans", where, values.vlan, "a VLAN")
            ),
            multicast=tuple(self._multicast(found, where)),
            internet=found["internet"].value.flag(f"{where}: internet")
            if "internet" in found
            else False,
        )

    def _multicast(self, found: Entries, where: str) -> Iterable[Network | MacRange]:
        """Groups; an IPv4 address may also be the broadcast address of a network.

        Of a zone's, or of one in it, which only traffic tells of: that has 16 addresses at least.
        """
        ends = {net.broadcast_address for zone in self.zones.values() for net in zone.nets}
        for value, group in self._several(
            found, "multicast", where, values.multicast, "a multicast address", code="E114"
        ):
            if (
                isinstance(group, MacRange)
                or group.is_multicast
                or group.network_address in ends
                or values.ends_network(group.network_address)
            ):
                yield group
            else:
                value.wrong(
                    "E114",
                    f"{where}: multicast: {group.network_address} is no multicast address, nor the "
                    "broadcast address of a zone's network",
                )

    def _roles(self, found: Entries, where: str) -> list[str]:
        if "role" not in found:
            return []
        taken = (
            one.one_of(f"{where}: role", keys.WORDS["role"], "E307")
            for one in found["role"].value.items(f"{where}: role")
        )
        return [role for role in taken if role is not None]

    def _window(self, name: str, entry: Entry) -> None:
        where = f'window "{name}"'
        found = self._block(entry.value, where, keys.WINDOW)
        days = [
            DAYS.index(day)
            for one in (found["days"].value.items(f"{where}: days") if "days" in found else [])
            if (day := one.one_of(f"{where}: days", DAYS)) is not None
        ]
        start = self._one(found, "start", where, values.clock, "a time", code="E405")
        end = self._one(found, "end", where, values.clock, "a time", code="E405")
        first = self._one(found, "from_date", where, values.day, "a date", code="E407")
        last = self._one(found, "to_date", where, values.day, "a date", code="E407")
        if start is not None and start == end:
            found["end"].value.wrong(
                "E405", f"{where} ends when it starts; for all day leave both out"
            )
        if start == values.MINUTES:
            found["start"].value.wrong("E405", f'{where}: it cannot start at 24:00; write "00:00"')
        if first is not None and last is not None and last < first:
            found["to_date"].value.wrong(
                "E405", f"{where} ends on {last}, before it starts on {first}"
            )
        self.windows[name] = Window(
            name,
            frozenset(days),
            0 if start is None else start,
            values.MINUTES if end is None else end,
            first,
            last,
            entry.key.place,
        )

    # ------------------------------------------------------------------------------ rules

    def _rules(self, entries: Entries, key: str, kind: RuleKind, known: Keys) -> tuple[Rule, ...]:
        if key not in entries or entries[key].value.empty:
            return ()
        if not entries[key].value.is_list:
            value = entries[key].value
            value.wrong("E104", f"{key}: expected a list of `- {{id: ...}}`, found {value.kind}")
            return ()
        rules = [self._rule(value, kind, known) for value in entries[key].value.items(key)]
        return tuple(rule for rule in rules if rule is not None)

    def _rule(self, value: Value, kind: RuleKind, known: Keys) -> Rule | None:
        named = value.peek("id")
        label = f'{kind} "{shown(named)}"' if named else kind
        found = value.entries(label, list(known))
        if not value.is_map:
            return None
        for key, about in known.items():
            if about.needed and key not in found:
                code = "E401" if key in {"owner", "reason", "approved_by", "expires"} else "E106"
                value.wrong(code, f'{label}: "{key}" is missing')
        name = self._name(found, "id", kind) or ""
        if name and name in self.ids:
            found["id"].value.wrong(
                "E113", f"{label}: the id stands twice, first in line {self.ids[name].line}"
            )
        self.ids.setdefault(name, value.place)
        begins = self._one(found, "starts", label, values.day, "a date", code="E407")
        expires = self._one(found, "expires", label, values.day, "a date", code="E407")
        allows = self._forbidden(found, label) if kind == "never" else self._allows(found, label)
        return Rule(
            id=name,
            kind=kind,
            sources=self._ends(found, "from", label),
            targets=self._ends(found, "to", label),
            allows=allows,
            place=value.place,
            window=self._when(found, "unless_window" if kind == "never" else "when", label),
            unless_from=self._ends(found, "unless_from", label),
            begins=None if begins is None else at(begins, 0, self.zone),
            ends=None if expires is None else at(expires + timedelta(days=1), 0, self.zone),
            expires=expires,
            expires_place=found["expires"].value.place if "expires" in found else value.place,
            max_session=self._one(found, "max_session", label, values.duration, "a duration") or 0,
            needs_change=found["needs_change"].value.flag(f"{label}: needs_change")
            if "needs_change" in found
            else False,
            status=self._word(found, "status", label) or "accepted",
            told={
                key: self._text(found, key, label)
                for key in ("owner", "reason", "approved_by", "ticket")
                if key in found and key in known
            },
        )

    def _when(self, found: Entries, key: str, where: str) -> Window | None:
        name = self._name(found, key, where)
        if name is None:
            return None
        if name not in self.windows:
            found[key].value.wrong(
                "E202", f'{where}: unknown window "{name}"{meant(name, self.windows)}'
            )
        return self.windows.get(name)

    def _ends(self, found: Entries, key: str, where: str) -> tuple[End, ...]:
        if key not in found:
            return ()
        value = found[key].value
        listed = [value] if value.is_map else value.items(f"{where}: {key}")
        ends = [self._end(one, f"{where}: {key}", where) for one in listed]
        return tuple(end for end in ends if end is not None)

    def _end(self, value: Value, where: str, label: str) -> End | None:
        if value.is_map:
            found = value.entries(where, list(keys.SELECTOR))
            if not found:
                value.wrong("E112", f"{where} does not say who is meant")
            return End(_written(value), self._selector(found, where), value.place)
        name = value.text(where)
        if name is None:
            return None
        if name == ANY:
            return End(ANY, Selector(any=True), value.place)
        if name in self.zones:
            return End(name, Selector(zones=frozenset({name})), value.place)
        if name in self.groups:
            return End(name, self.groups[name].selector, value.place)
        known = {**self.zones, **self.groups, ANY: None}
        what = "group" if self.groups else "zone"
        value.wrong("E201", f'{label}: unknown {what} "{shown(name)}"{meant(name, known)}')
        return None

    # ----------------------------------------------------------------------------- allows

    def _allows(self, found: Entries, where: str) -> tuple[Allow, ...]:
        if "allow" not in found:
            return ()
        value = found["allow"].value
        listed = [value] if value.is_map else value.items(f"{where}: allow")
        if value.is_list and not listed:
            value.wrong("E303", f"{where}: allow is empty: nothing may be done")
        allows = [self._allow(one, where) for one in listed]
        return tuple(allow for allow in allows if allow is not None)

    def _allow(self, value: Value, where: str) -> Allow | None:
        found = self._block(value, f"{where}: allow", keys.ALLOW)
        if not value.is_map:
            return None
        if ("protocol" in found) == ("service" in found):
            both = "both, where one is asked" if "protocol" in found else "neither"
            value.wrong(
                "E303", f"{where}: an entry of allow names a protocol or a service; it names {both}"
            )
            return None
        known, name = self._spoken(found, where)
        if known is None:
            return None
        classes, operations = self._ops(found, known, name, where)
        if known.only and not operations:
            kept = {
                o for o in known.only if not classes or words.class_of(known.name, o) in classes
            }
            classes, operations = set(), kept
        details = tuple(self._details(found, known, name, where))
        written = f"{name} {', '.join(_ops_written(found))}".strip()
        return Allow(
            protocol=known.name,
            service=name if "service" in found else "",
            ports=known.ports,
            classes=frozenset(classes),
            operations=frozenset(operations),
            details=details,
            written=" ".join([written, *(f"{key} {', '.join(told)}" for key, told in details)]),
            place=value.place,
        )

    def _service(self, value: Value, where: str) -> tuple[words.Known | None, str]:
        """A service, and as it was written."""
        name = value.text(f"{where}: service") or ""
        known = words.service(name) if name else None
        if name and known is None:
            hint = meant(name, words.service_names()) or "; write a name or a number: tcp/4000"
            value.wrong("E302", f'{where}: unknown service "{shown(name)}"{hint}')
        return known, name

    def _spoken(self, found: Entries, where: str) -> tuple[words.Known | None, str]:
        """What an entry is about, and as it was written."""
        if "service" in found:
            return self._service(found["service"].value, where)
        value = found["protocol"].value
        name = value.text(f"{where}: protocol") or ""
        known = words.protocols().get(name)
        if name and known is None:
            hint = (
                meant(name, words.protocols())
                or "; `otsec protocols` and docs/segmentation.md list them"
            )
            value.wrong("E301", f'{where}: unknown protocol "{shown(name)}"{hint}')
        elif known is not None and not known.decoded:
            value.wrong(
                "W306",
                f'{where}: "{name}" is known but not decoded: its traffic is told as undecoded, '
                "not as allowed",
            )
        return known, name

    def _ops(
        self, found: Entries, known: words.Known, name: str, where: str
    ) -> tuple[set[str], set[str]]:
        """Classes and operations; both empty: any."""
        classes, operations = set[str](), set[str]()
        if "ops" not in found:
            return classes, operations
        listed = found["ops"].value.items(f"{where}: ops")
        if found["ops"].value.is_list and not listed:
            found["ops"].value.wrong("E107", f"{where}: ops is empty: write any, or leave it out")
        for value in listed:
            word = value.text(f"{where}: ops")
            if word == ANY:
                return set(), set()
            if word is None:
                continue
            if word in (known.classes if known.decoded else CLASSES):
                classes.add(word)  # before operations: DNP3 has one that is called `read`
            elif known.decoded and word in known.operations:
                operations.add(word)
            elif known.decoded:
                has = f"it has {words.told_classes(known)}"
                others = {*known.classes, *known.operations}
                near = meant(word, others) if word not in CLASSES else ""
                told = f"{near} It{has[2:]}" if near else f"; {has}"
                value.wrong("E305", f'{where}: "{name}" has no operation "{shown(word)}"{told}')
            else:
                value.wrong(
                    "E305",
                    f'{where}: no class of operations "{shown(word)}"{meant_or_all(word, CLASSES)}',
                )
        return classes, operations

    def _details(
        self, found: Entries, known: words.Known, name: str, where: str
    ) -> Iterable[tuple[str, tuple[str, ...]]]:
        for key, protocols in words.DETAILS.items():
            if key not in found:
                continue
            if not known.name or (protocols and known.name not in protocols):
                of = f"{', '.join(protocols)}" if protocols else "a protocol"
                found[key].key.wrong("E304", f'{where}: "{key}" is of {of}, not of "{name}"')
            elif keys.ALLOW[key].takes == "numbers":
                yield (
                    key,
                    tuple(
                        text
                        for _, text in self._several(found, key, where, values.numbers, "a number")
                    ),
                )
            else:
                yield key, tuple(self._texts(found, key, where))

    def _forbidden(self, found: Entries, where: str) -> tuple[Allow, ...]:
        """What a `never` is about."""
        classes, operations = set[str](), set[str]()
        for value in found["ops"].value.items(f"{where}: ops") if "ops" in found else []:
            word = value.text(f"{where}: ops")
            if word == ANY:
                classes |= set(CLASSES)
            elif word in CLASSES:
                classes.add(word)
            elif word in words.every_operation():
                operations.add(word)
            elif word is not None:
                known = {*CLASSES, *words.every_operation()}
                hint = (
                    meant(word, CLASSES)
                    or meant(word, known)
                    or f"; there are: {', '.join(CLASSES)}"
                )
                value.wrong("E308", f'{where}: no operation "{shown(word)}"{hint}')
        if classes == set(CLASSES):
            classes, operations = set(), set()
        ports, named = self._services(found, where)
        written = " ".join(
            (", ".join(_ops_written(found)) or ANY, *([f"at {named}"] if named else []))
        )
        first = found.get("ops", found.get("services"))
        return (
            Allow(
                service=named,
                ports=ports,
                classes=frozenset(classes),
                operations=frozenset(operations),
                written=written,
                place=first.value.place if first is not None else NOWHERE,
            ),
        )

    def _services(self, found: Entries, where: str) -> tuple[frozenset[str], str]:
        """Ports of the services of a `never`, and the services as they were written."""
        ports, names = set[str](), []
        for value in (
            found["services"].value.items(f"{where}: services") if "services" in found else []
        ):
            known, name = self._service(value, where)
            if known is not None:
                ports |= known.ports
                names.append(name)
        return frozenset(ports), ", ".join(names)


def _ops_written(found: Entries) -> list[str]:
    if "ops" not in found:
        return []
    value = found["ops"].value
    nodes: Sequence[Any] = value.node.value if value.is_list else [value.node]
    return [str(node.value) for node in nodes]


def _written(value: Value) -> str:
    """A selector as a person wrote it: `{zone: line, role: ews}`."""
    parts = []
    pairs: Any = value.node.value
    for key, node in pairs:
        inner: Any = node.value
        text = inner if isinstance(inner, str) else ", ".join(str(one.value) for one in inner)
        parts.append(f"{key.value} {shown(text)}")
    return " ".join(parts)


def _meant_zone(text: str, known: Iterable[str]) -> str:
    return meant(text, known) or "; write one such as Europe/Berlin"


__all__ = ["Read", "read"]
