"""The tests of a policy, as they are read."""

from collections.abc import Mapping
from typing import Any
from zoneinfo import ZoneInfo

from otsec.policy import keys, values, words
from otsec.policy.document import Value
from otsec.policy.model import CLASSES, Case, Place, Subject
from otsec.policy.problems import meant, shown
from otsec.policy.taking import Entries, Taking


class CaseReader(Taking):
    """Reads tests; rules that they may name are known already."""

    def __init__(self, zone: ZoneInfo, ids: Mapping[str, Place]) -> None:
        self.zone, self.ids = zone, ids

    def tests(self, entries: Entries) -> tuple[Case, ...]:
        """All tests."""
        if "tests" not in entries or entries["tests"].value.empty:
            return ()
        cases = [
            self._test(number, value)
            for number, value in enumerate(entries["tests"].value.items("tests"), 1)
        ]
        return tuple(case for case in cases if case is not None)

    def _test(self, number: int, value: Value) -> Case | None:
        where = f"test {number}"
        found = self._block(value, where, keys.TEST)
        client, server = (self._subject(found, key, where) for key in ("from", "to"))
        expect: Any = self._word(found, "expect", where)
        known, service, op = self._asked(found, where)
        rule = self._name(found, "rule", where) or ""
        if rule and rule not in self.ids:
            found["rule"].value.wrong(
                "E203", f'{where}: unknown rule "{rule}"{meant(rule, self.ids)}'
            )
        moment = self._one(found, "at", where, values.moment, "a time", code="E407")
        if moment is not None and moment.tzinfo is None:
            moment = moment.replace(tzinfo=self.zone)
        if client is None or server is None or expect is None:
            return None
        return Case(
            client,
            server,
            known.name if known else "",
            service,
            op,
            self._text(found, "object", where),
            self._text(found, "device", where),
            frozenset(
                int(text.partition("-")[0])
                for _, text in self._several(found, "appid", where, values.numbers, "a number")
            ),
            None if moment is None else round(moment.timestamp()) * 1_000_000_000,
            expect,
            rule,
            value.place,
        )

    def _asked(self, found: Entries, where: str) -> tuple[words.Known | None, str, str]:
        """By which protocol or service, and which operation; what nobody knows is told."""
        protocol = self._text(found, "protocol", where)
        known = words.protocols().get(protocol)
        if protocol and known is None:
            found["protocol"].value.wrong(
                "E301",
                f'{where}: unknown protocol "{shown(protocol)}"{meant(protocol, words.protocols())}',
            )
        service = self._text(found, "service", where)
        if service and words.service(service) is None:
            found["service"].value.wrong(
                "E302",
                f'{where}: unknown service "{shown(service)}"{meant(service, words.service_names())}',
            )
        op = self._text(found, "op", where)
        if op and op not in CLASSES and (known is None or op not in known.operations):
            of = {*CLASSES, *(known.operations if known else ())}
            found["op"].value.wrong("E305", f'{where}: no operation "{shown(op)}"{meant(op, of)}')
        return known, service, op

    def _subject(self, found: Entries, key: str, where: str) -> Subject | None:
        if key not in found:
            return None
        value = found[key].value
        if not value.is_map:
            text = value.text(f"{where}: {key}")
            return self._address(value, f"{where}: {key}", text) if text else None
        told = self._block(value, f"{where}: {key}", keys.SUBJECT)
        which = [name for name in ("ip", "mac") if name in told]
        if len(which) != 1:
            value.wrong("E106", f"{where}: {key} needs an ip or a mac")
            return None
        text = told[which[0]].value.text(f"{where}: {key}")
        made = self._address(told[which[0]].value, f"{where}: {key}", text) if text else None
        role = ""
        if "role" in told:
            role = told["role"].value.one_of(f"{where}: role", keys.WORDS["role"], "E307") or ""
        return None if made is None else Subject(
            made.address,
            role,
            tuple(self._texts(told, "tags", where)),
            self._text(told, "asset", where).casefold(),
            self._text(told, "vlan", where),
        )  # fmt: skip

    def _address(self, value: Value, where: str, text: str) -> Subject | None:
        try:
            values.mac_range(text)
            return Subject(text.lower().replace("-", ":"))
        except ValueError:
            pass
        if "/" not in text:
            try:
                return Subject(str(values.network(text).network_address))
            except ValueError:
                pass
        value.wrong("E109", f'{where}: expected an address, found "{shown(text)}"')
        return None
