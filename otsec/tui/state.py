"""What a person's otsec remembers between two starts: filters that were kept."""

import json
import os
from collections.abc import Mapping
from pathlib import Path

from otsec.errors import UsageError

MOST = 200  # filters of one screen


def place(environment: Mapping[str, str] = os.environ) -> Path:
    """The file: in the XDG state folder."""
    home = environment.get("HOME") or environment.get("USERPROFILE") or "."
    state = environment.get("XDG_STATE_HOME") or str(Path(home, ".local", "state"))
    return Path(state, "otsec", "filters.json")


class Filters:
    """Filters that were kept, by screen and name; a file that cannot be read holds none."""

    def __init__(self, path: Path | None = None) -> None:
        self._path = path or place()

    def of(self, kind: str) -> dict[str, str]:
        """Those of one kind of rows."""
        return dict(self._read().get(kind, {}))

    def keep(self, kind: str, name: str, text: str) -> None:
        """Keep one; another of its name goes."""
        held = self._read()
        mine = held.setdefault(kind, {})
        if name not in mine and len(mine) >= MOST:
            raise UsageError(f"{MOST} filters are kept already; `:forget NAME` lets one go")
        mine[name] = text
        self._write(held)

    def forget(self, kind: str, name: str) -> None:
        """Keep one no longer."""
        held = self._read()
        if held.get(kind, {}).pop(name, None) is None:
            raise UsageError(f"no filter {name!a} was kept")
        self._write(held)

    def _read(self) -> dict[str, dict[str, str]]:
        try:
            held = json.loads(self._path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        if not isinstance(held, dict):
            return {}
        return {
            str(kind): {str(name): str(text) for name, text in mine.items()}
            for kind, mine in held.items()
            if isinstance(mine, dict)
        }

    def _write(self, held: dict[str, dict[str, str]]) -> None:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            part = self._path.with_suffix(".part")
            part.write_text(json.dumps(held, indent=1), encoding="utf-8")
            part.replace(self._path)
        except OSError as error:
            raise UsageError(f"{self._path}: cannot be written: {error.strerror}") from error
