"""The JSON Schema of the policy format, for editors; made from `keys`."""

import json
from collections.abc import Mapping
from typing import Any

from otsec.policy import keys
from otsec.policy.keys import BLOCKS, Key

_TEXT: dict[str, Any] = {"type": "string", "minLength": 1}
_NAME: dict[str, Any] = {"type": "string", "pattern": "^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$"}
_NUMBER: dict[str, Any] = {
    "anyOf": [{"type": "integer", "minimum": 0}, {"type": "string", "pattern": "^[0-9a-fA-FxX-]+$"}]
}
_DATE: dict[str, Any] = {"type": "string", "pattern": r"^\d{4}-\d{2}-\d{2}$"}


def _several(one: Mapping[str, Any]) -> dict[str, Any]:
    return {"anyOf": [one, {"type": "array", "items": one}]}


def _ref(block: str) -> dict[str, Any]:
    return {"$ref": f"#/$defs/{block}"}


def _word(name: str) -> dict[str, Any]:
    return {"enum": list(keys.WORDS[name])}


def _named(block: str) -> dict[str, Any]:
    return {
        "type": "object",
        "propertyNames": _NAME,
        "additionalProperties": _ref(block),
    }


TAKES: dict[str, dict[str, Any]] = {
    "version": {"const": 1},
    "site": _ref("site"),
    "defaults": _ref("defaults"),
    "zones": _named("zone"),
    "groups": _named("group"),
    "windows": _named("window"),
    "conduits": {"type": "array", "items": _ref("conduit")},
    "nevers": {"type": "array", "items": _ref("never")},
    "exceptions": {"type": "array", "items": _ref("exception")},
    "tests": {"type": "array", "items": _ref("test")},
    "name": _NAME,
    "names": _several(_NAME),
    "text": _TEXT,
    "texts": _several(_TEXT),
    **{
        word: _word(word)
        for word in ("inter", "intra", "unplaced", "zone_kind", "role", "verdict", "status")
    },
    "roles": _several(_word("role")),
    "days": _several(_word("day")),
    "level": {"enum": [0, 1, 2, 3, 3.5, 4, 5, None]},
    "sl": {"enum": [0, 1, 2, 3, 4]},
    "nets": _several(_TEXT),
    "vlans": _several({"anyOf": [{"type": "integer", "minimum": 0, "maximum": 4095}, _TEXT]}),
    "macs": _several(_TEXT),
    "multicast": _several(_TEXT),
    "flag": {"type": "boolean"},
    "clock": {"type": "string", "pattern": r"^([01]?\d|2[0-4]):[0-5]\d$"},
    "date": _DATE,
    "moment": {"type": "string", "pattern": r"^\d{4}-\d{2}-\d{2}"},
    "duration": {"type": "string", "pattern": "^[1-9][0-9]*[smhd]$"},
    "protocol": _TEXT,
    "services": _several(_TEXT),
    "service": _TEXT,
    "op": _TEXT,
    "ops": _several({"type": "string", "examples": [*keys.WORDS["class"], "any"]}),
    "numbers": _several(_NUMBER),
    "allows": {"anyOf": [_ref("allow"), {"type": "array", "items": _ref("allow"), "minItems": 1}]},
    "ends": {
        "anyOf": [
            _NAME,
            _ref("selector"),
            {"type": "array", "items": {"anyOf": [_NAME, _ref("selector")]}},
        ]
    },
    "subject": {"anyOf": [_TEXT, _ref("subject")]},
}


def _block(known: Mapping[str, Key]) -> dict[str, Any]:
    shape: dict[str, Any] = {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            name: {**TAKES[key.takes], "description": key.about} for name, key in known.items()
        },
    }
    needed = [name for name, key in known.items() if key.needed]
    return {**shape, "required": needed} if needed else shape


def schema() -> str:
    """The schema as text."""
    shape = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "otsec policy: zones and conduits",
        **_block(keys.POLICY),
        "$defs": {name: _block(known) for name, (_, known) in BLOCKS.items() if name != "policy"},
    }
    return json.dumps(shape, indent=1) + "\n"
