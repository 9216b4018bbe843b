"""Blocks and values of a policy, taken with everything that is wrong with them."""

from collections.abc import Callable, Mapping
from typing import Any

from otsec.policy import keys, values
from otsec.policy.document import Entry, Value
from otsec.policy.problems import shown

Keys = Mapping[str, keys.Key]
Entries = Mapping[str, Entry]


class Taking:
    """What every reader of blocks can do."""

    __slots__ = ()

    def _block(self, value: Value, where: str, known: Keys) -> Entries:
        """The keys of a block, those that it needs told where they are missing."""
        entries = value.entries(where, list(known))
        if value.is_map:
            missing = [key for key, about in known.items() if about.needed and key not in entries]
            code = "E101" if missing == ["otsec_policy"] and where == "policy" else "E106"
            for key in missing:
                value.wrong(
                    "E101" if key == "otsec_policy" else code, f'{where}: "{key}" is missing'
                )
        return entries

    def _one(
        self,
        found: Entries,
        key: str,
        where: str,
        parse: Callable[[str], Any],
        expected: str,
        code: str = "E107",
    ) -> Any:
        if key not in found:
            return None
        return found[key].value.taken(f"{where}: {key}", expected, parse, code)

    def _several(
        self,
        found: Entries,
        key: str,
        where: str,
        parse: Callable[[str], Any],
        expected: str,
        code: str = "E107",
    ) -> list[tuple[Value, Any]]:
        if key not in found:
            return []
        taken = []
        for value in found[key].value.items(f"{where}: {key}"):
            text = value.text(f"{where}: {key}")
            if text is None:
                continue
            try:
                taken.append((value, parse(text)))
            except values.HostBitsError as error:
                value.wrong("E111", f'{where}: {key} "{shown(text)}"{error}')
            except ValueError as error:
                value.wrong(
                    code, f'{where}: {key}: expected {expected}, found "{shown(text)}"{error}'
                )
        return taken

    def _texts(self, found: Entries, key: str, where: str) -> list[str]:
        if key not in found:
            return []
        taken = (one.text(f"{where}: {key}") for one in found[key].value.items(f"{where}: {key}"))
        return [text for text in taken if text is not None]

    def _text(self, found: Entries, key: str, where: str) -> str:
        return (found[key].value.text(f"{where}: {key}") or "") if key in found else ""

    def _name(self, found: Entries, key: str, where: str) -> str | None:
        return self._one(found, key, where, values.name, "a name", code="E108")  # type: ignore[no-any-return]

    def _word(self, found: Entries, key: str, where: str) -> str | None:
        """A word of a closed list."""
        if key not in found:
            return None
        lists = {"kind": "zone_kind", "expect": "verdict"}
        return found[key].value.one_of(f"{where}: {key}", keys.WORDS[lists.get(key, key)])
