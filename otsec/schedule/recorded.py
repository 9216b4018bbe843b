"""What the record of acts tells of settings and reports, beside what people decide."""

import hashlib
import json
import platform
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from otsec.config import Config, shown
from otsec.errors import OtsecError
from otsec.login import account
from otsec.store import Store, open_store
from otsec.store.acts import Act, RecordAct, every_act, record


def act(
    kind: RecordAct, now: int, who: str, what: str, before: str = "", after: str = "", why: str = ""
) -> Act:
    """An act that is about no asset and no finding."""
    return Act(0, now, who, kind, "", what, before, after, why, account(), platform.node())


def configuration(store: Store, config: Config, now: int) -> None:
    """Record the settings in effect if they differ from those that were recorded last.

    Policy and rules are told by hash. Secrets stand in files of their own, never in otsec.yaml.
    """
    said = dict(_said(config))
    known = [one for one in every_act(store) if one.kind == "config"]
    before = known[-1].after if known else ""
    after = json.dumps(said, ensure_ascii=False, sort_keys=True)
    if before == after:
        return
    old: dict[str, object] = json.loads(before) if before else {}
    changed = sorted(name for name in {*old, *said} if old.get(name) != said.get(name))
    why = f"changed: {', '.join(changed)}" if old else "the first that was seen"
    what = str(config.path or "no otsec.yaml")
    record(store, [act("config", now, account() or "otsec", what, before, after, why)])


def settings(store: Store, config: Config) -> None:
    """The same where a file says them: who reads a capture into a store of its own has none."""
    if config.path is not None:
        configuration(store, config, time.time_ns())


def _said(config: Config) -> Iterator[tuple[str, object]]:
    for one in shown(config):
        yield one.name, list(one.value) if isinstance(one.value, tuple) else one.value
    if config.policy is not None:
        yield "policy SHA-256", _digest([config.policy])
    if config.rules is not None:
        yield "rules SHA-256", _digest(sorted(config.rules.rglob("*.y*ml")))


def _digest(paths: list[Path]) -> str:
    found = hashlib.sha256()
    for path in paths:
        try:
            found.update(hashlib.sha256(path.read_bytes()).digest())
        except OSError:
            found.update(b"cannot be read")
    return found.hexdigest()


def exported(path: Path, kinds: str, files: Mapping[str, str], now: int) -> None:
    """Record reports that a person had written: the hash over names and SHA-256 of all files.

    A store that cannot be written, as on a medium that is read only, stays as it is.
    """
    digest = hashlib.sha256()
    for name, of_file in sorted(files.items()):
        digest.update(f"{of_file}  {name}\n".encode())  # as sha256sum writes it
    who = account() or "nobody who is logged in"
    names = ", ".join(sorted(files))
    with suppress(OtsecError), open_store(path, create=False) as store:
        record(store, [act("export", now, who, kinds, "", digest.hexdigest(), names)])
