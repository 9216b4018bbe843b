"""The `:` line: what can be typed there, and what it does."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from otsec.errors import UsageError

if TYPE_CHECKING:
    from otsec.tui.app import OtsecApp


class Command(NamedTuple):
    """One word of the command line."""

    name: str
    about: str
    run: "Callable[[OtsecApp, str], None]"
    words: "Callable[[OtsecApp], Sequence[str]]"  # that may stand behind it


def _nothing(_: "OtsecApp") -> Sequence[str]:
    return ()


def _show(name: str) -> "Callable[[OtsecApp, str], None]":
    return lambda app, rest: app.show(name, rest or None)


def _quit(app: "OtsecApp", _: str) -> None:
    app.exit()


def _stop(app: "OtsecApp", _: str) -> None:
    if app.reading and app.stop_reading is not None:
        app.stop_reading()
    elif not app.stop_asking():
        raise UsageError("stop: nothing is being read, and nothing asked")


def _theme(app: "OtsecApp", rest: str) -> None:
    known = _themes(app)
    found = [name for name in known if rest in {name, name.removeprefix("otsec-")}]
    if not found:
        raise UsageError(f"no theme {rest!a}; there are: {', '.join(known)}")
    app.theme = found[0]


def _themes(app: "OtsecApp") -> Sequence[str]:
    return sorted(app.available_themes)


def _save(app: "OtsecApp", rest: str) -> None:
    app.save_filter(rest)


def _use(app: "OtsecApp", rest: str) -> None:
    app.use_filter(rest)


def _forget(app: "OtsecApp", rest: str) -> None:
    app.forget_filter(rest)


def _saved(app: "OtsecApp") -> Sequence[str]:
    return sorted(app.saved_filters())


def _filter(app: "OtsecApp", rest: str) -> None:
    app.listing().filter_by(rest)


def _sort(app: "OtsecApp", rest: str) -> None:
    name, _, way = rest.partition(" ")
    table = app.listing().table
    if name not in _columns(app):
        raise UsageError(f"no column {name!a}; there are: {', '.join(_columns(app))}")
    descending = {"": None, "up": False, "down": True}.get(way.strip())
    table.sort_by(name, descending=descending)


def _columns(app: "OtsecApp") -> Sequence[str]:
    return [column.name for column in app.listing().columns]


def _choose(app: "OtsecApp", rest: str) -> None:
    names = [name.strip() for name in rest.split(",") if name.strip()]
    unknown = [name for name in names if name not in _columns(app)]
    if unknown or not names:
        raise UsageError(f"no column {', '.join(unknown)!a}; there are: {', '.join(_columns(app))}")
    app.listing().table.choose_columns(names)


def _asset(app: "OtsecApp", rest: str) -> None:
    app.open_asset(rest)


def _export(app: "OtsecApp", rest: str) -> None:
    app.export_to(rest)


def _action(name: str) -> "Callable[[OtsecApp, str], None]":
    def run(app: "OtsecApp", _: str) -> None:
        app.call_later(app.run_action, name)

    return run


def commands(screens: Sequence[tuple[str, str]]) -> dict[str, Command]:
    """All commands by name; ``screens``: name and title of each."""
    told = [
        Command(name, f"show {title}; what stands behind it filters", _show(name), _nothing)
        for name, title in screens
    ]
    told += [
        Command("asset", "all of one device: its name, id, IP or MAC address", _asset, _nothing),
        Command("filter", "filter the rows", _filter, _nothing),
        Command("sort", "COLUMN [up|down]: order the rows", _sort, _columns),
        Command("columns", "A,B,...: show these columns", _choose, _columns),
        Command(
            "export",
            "FILE.csv, .json, .jsonl: write what is shown; FILE.pcapng: its packets",
            _export,
            _nothing,
        ),
        Command("save", "NAME: keep this screen's filter", _save, _saved),
        Command("use", "NAME: filter by what was kept", _use, _saved),
        Command("forget", "NAME: keep a filter no longer", _forget, _saved),
        Command("theme", "NAME: other colours, or none", _theme, _themes),
        Command("utc", "times in UTC, or in the site's zone", _action("app.zone"), _nothing),
        Command("pause", "stop following the store, or go on", _action("app.pause"), _nothing),
        Command(
            "stop",
            "stop reading a capture, or listening, or what this screen asks of the store",
            _stop,
            _nothing,
        ),
        Command("help", "explain this screen", _action("app.explain"), _nothing),
        Command("quit", "leave", _quit, _nothing),
        Command("q", "leave", _quit, _nothing),
    ]
    return {command.name: command for command in told}


def run(app: "OtsecApp", known: dict[str, Command], line: str) -> None:
    """Do what a line says. Raises UsageError if it says nothing."""
    word, _, rest = line.strip().removeprefix(":").partition(" ")
    if not word:
        return
    found = [name for name in known if name == word] or [n for n in known if n.startswith(word)]
    if len(found) != 1:
        near = f"; it may be {', '.join(found)}" if found else f"; there are: {', '.join(known)}"
        raise UsageError(f"no command {word!a}{near}")
    known[found[0]].run(app, rest.strip())


def completions(app: "OtsecApp", known: dict[str, Command], before: str) -> Sequence[str]:
    """What the next word may be."""
    words = before.split()
    if not words:
        return list(known)
    try:
        return known[words[0]].words(app) if words[0] in known else ()
    except UsageError:
        return ()
