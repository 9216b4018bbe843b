"""The report of a bug: what the developers need, without secrets, in a file only its owner reads."""

import os
import platform
import re
import sys
import tempfile
import traceback
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from otsec import __version__

KEPT_REPORTS = 20  # a command run every minute by a timer must not fill the disk
MAX_CHARACTERS = 200_000  # of one traceback; a recursion error repeats itself
SECRET_WORD = re.compile(r"(?i)pass|secret|token|key|credential|auth")
URL_LOGIN = re.compile(r"(?<=://)[^/\s@]+@")
PACKAGES = ("numpy", "sqlite-utils", "pyyaml", "zstandard")


def write_report(error: BaseException, words: Sequence[str]) -> Path | None:
    """Write the report; the path, or None if it can be written nowhere."""
    text = report(error, words)
    moment = f"{datetime.now(UTC):%Y%m%dT%H%M%S.%f}"
    for folder in _folders():
        path = folder / f"otsec-bug-{moment}-{os.getpid()}.txt"
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
            with os.fdopen(handle, "w", encoding="utf-8", errors="backslashreplace") as file:
                file.write(text)
            _drop_old(folder)
        except OSError:
            continue
        return path
    return None


def report(error: BaseException, words: Sequence[str]) -> str:
    """What the report says."""
    trace = "".join(traceback.format_exception(error))
    if len(trace) > MAX_CHARACTERS:
        half = MAX_CHARACTERS // 2
        trace = f"{trace[:half]}\n... left out ...\n{trace[-half:]}"
    lines = [
        f"otsec {__version__}",
        f"Python {sys.version}",
        f"system {platform.platform()}",
        *(f"{name} {_version(name)}" for name in PACKAGES),
        f"command otsec {' '.join(without_secrets(words))}",
        "",
        URL_LOGIN.sub("***@", trace),
    ]
    return "\n".join(lines)


def without_secrets(words: Sequence[str]) -> list[str]:
    """The command line with the values of options that sound secret, and logins in URLs, masked."""
    shown, hide_next = [], False
    for word in words:
        name, equals, _value = word.partition("=")
        secret = name.startswith("-") and bool(SECRET_WORD.search(name))
        if hide_next and not word.startswith("-"):
            shown.append("***")
        else:
            shown.append(f"{name}=***" if secret and equals else URL_LOGIN.sub("***@", word))
        hide_next = secret and not equals
    return shown


def _folders() -> Iterator[Path]:
    """Where a report may go: the user's state folder, else the folder for temporary files."""
    home = os.environ.get("HOME")
    if state := os.environ.get("XDG_STATE_HOME") or os.environ.get("LOCALAPPDATA"):
        yield Path(state, "otsec")
    elif home:
        yield Path(home, ".local", "state", "otsec")
    yield Path(tempfile.gettempdir())


def _drop_old(folder: Path) -> None:
    """Remove the oldest reports; their names begin with their time."""
    for path in sorted(folder.glob("otsec-bug-*.txt"))[:-KEPT_REPORTS]:
        path.unlink(missing_ok=True)


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
