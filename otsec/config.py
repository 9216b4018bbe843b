"""otsec.yaml: what a site says of itself, read with line-numbered errors.

One file is used, the first of: ``--config``, ``$OTSEC_CONFIG``, ``otsec.yaml`` in the working
folder, ``otsec/otsec.yaml`` in the XDG configuration folders, ``/etc/otsec/otsec.yaml``. Over it
stand ``OTSEC_*`` variables of the environment, over these the command line. Nothing is guessed:
an unknown key, a value of another type and the traps of YAML are mistakes, all told at once.
"""

import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from difflib import get_close_matches
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from otsec.errors import ConfigError, RightsError

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    import yaml

FILE_NAME = "otsec.yaml"
MAX_BYTES = 1 << 20  # a site's file is a few kilobytes; more is another file given by mistake
MAX_MISTAKES = 50  # more are not read
DEFAULT_ORIGIN = "default"
RESERVED = frozenset({"OTSEC_CONFIG", "OTSEC_CAPTURES", "OTSEC_CI"})  # variables, not settings


# ------------------------------------------------------------------------------- what it holds


@dataclass(frozen=True, slots=True)
class Caps:
    """The most that otsec keeps of what packets can make grow; each at least 1.

    Reaching a cap is counted, shown by `otsec health` and never ends a run.
    """

    connections: int = 65_536
    """5-tuples followed at the same time; further ones are counted together, as `many`."""
    conversations: int = 65_536
    """Pairs of client and server with a service, kept in the store."""
    behaviours: int = 100_000
    """Distinct operations on objects, kept in the store."""
    value_cells: int = 500_000
    """Numbered registers, coils and points whose values are kept."""
    cached_messages: int = 16_384
    """Distinct messages held decoded."""
    stations: int = 65_536
    """Pairs of MAC and network address seen as sender."""
    facts: int = 100_000
    """What devices say of themselves, kept in the store."""
    events_per_hour: int = 100
    """Notable events kept one by one of each behaviour in an hour; the rest is counted."""
    gaps: int = 1_000
    """Spans in which the capture was blind, kept in the store."""
    reassembly_bytes: int = 67_108_864
    """Bytes held behind holes; a frame or message is given up when as many go by while it is open."""
    fragments_bytes: int = 4_194_304
    """Memory for fragments of IP datagrams that wait for the rest."""


@dataclass(frozen=True, slots=True)
class Keep:
    """How long a sensor keeps rows that grow with time; each at least 1.

    What is older is summed up by the day before it is deleted; behaviours keep their counts.
    """

    event_days: int = 400
    """Days for which notable events are kept one by one."""
    event_rows: int = 1_000_000
    """Most notable events of a source; beyond, the oldest days are summed up, then deleted."""
    hour_rows: int = 5_000_000
    """Most rows of a source of each table that grows by the hour; beyond, the oldest go."""
    heartbeat_days: int = 31
    """Days for which every heartbeat of a sensor is kept."""


@dataclass(frozen=True, slots=True)
class Point:
    """A capture point: one tap or mirror port with one clock."""

    name: str
    group: str = ""
    """Points of one group see the same network; "" is the one group of the site."""
    files: tuple[str, ...] = ()
    """Captures of this point: files, folders or glob patterns, relative to otsec.yaml."""
    interfaces: tuple[str, ...] = ()
    """Network interfaces that this point listens on."""


@dataclass(frozen=True, slots=True)
class Target:
    """To whom scheduled reports go: by mail, into a folder, or to a webhook; exactly one of these.

    Nothing else is ever connected to. Mail holds counts and no report unless `attach` is `all`.
    """

    name: str
    mail: tuple[str, ...] = ()
    """Addresses that get a mail."""
    sender: str = ""
    """Address from which mail comes."""
    server: str = ""
    """Mail server, NAME:PORT; port 587 where none is named."""
    security: str = "starttls"
    """`starttls`, `tls`, or `none`: then everything, a password too, can be read on the way."""
    user: str = ""
    """Login name at the mail server; empty: none."""
    secret: str = ""
    """File whose first line is the password, or the token of the webhook; only its owner may read it."""
    authority: str = ""
    """File of the certificates (PEM) by which the server's is judged; empty: those of the system."""
    attach: str = "nothing"
    """What of the reports mail or webhook hold: `nothing` but counts, or `all` files."""
    folder: str = ""
    """Folder into which the folder of each run is copied."""
    webhook: str = ""
    """Address that gets a POST of JSON: https, or http where `security` is `none`."""


@dataclass(frozen=True, slots=True)
class StateFrom:
    """The value by which the plant says in which state it is, as `otsec values` lists it."""

    host: str
    """Address of the device that tells it."""
    object: str
    """The element: `holding 9`, `DB10.DBW4 0`."""
    device: str = ""
    """Device behind the address, `unit 3`; left out: whichever."""
    states: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """By state the values that mean it: `3`, `10..19`."""


@dataclass(frozen=True, slots=True)
class Config:
    """The effective configuration; `origins` tells where each setting came from."""

    site: str = "site"
    """Name of the site; addresses of two sites are never mixed."""
    time_zone: str = "UTC"
    """Zone in which times are shown, a name such as Europe/Berlin."""
    store: Path = Path("otsec.db")
    """The store; a relative path counts from the folder of otsec.yaml, else the working folder."""
    alert_budget: int = 1
    """False alerts in a day that the site can bear: what is normal is learned until it is kept."""
    rules: Path | None = None
    """Folder of your own rules, judged beside those that come with otsec."""
    policy: Path | None = None
    """The site's policy of zones and conduits; what goes against it becomes findings."""
    points: Mapping[str, Point] = field(default_factory=dict)
    """Capture points by name."""
    states: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """States of the plant by name, each with its times: `mon-fri 06:00-22:00`."""
    state_from: StateFrom | None = None
    """A value by which the plant says its state; counts more than the times of `states`."""
    caps: Caps = Caps()
    """The most that is kept of what packets can make grow."""
    keep: Keep = Keep()
    """How long a sensor keeps what grows with time."""
    delivery: Mapping[str, Target] = field(default_factory=dict)
    """Where scheduled reports go, by name."""
    keys: Mapping[str, str] = field(default_factory=dict)
    """Keys of the terminal UI by the name of what they do; `?` there shows both."""
    path: Path | None = None  # the file it was read from
    origins: Mapping[str, str] = field(default_factory=dict, compare=False)

    def point(self, name: str) -> Point:
        """The point of that name, or a plain one where the file does not speak of it."""
        return self.points.get(name) or Point(name)

    def zone(self) -> "ZoneInfo":
        """The time zone, checked when the configuration was read."""
        from zoneinfo import ZoneInfo  # noqa: PLC0415 - half of the start-up of `--help`

        return ZoneInfo(self.time_zone)


@dataclass(frozen=True, slots=True)
class Setting:
    """One effective value and where it came from."""

    name: str  # `caps.connections`
    value: str | int | tuple[str, ...]
    origin: str  # default, FILE:LINE, environment NAME, command line OPTION


# ------------------------------------------------------------------------------- values


class _UnusableError(ValueError):
    """A value that its setting cannot take; says what was expected, found and meant."""


Value: TypeAlias = str | int | tuple[str, ...]
Check: TypeAlias = Callable[[str], Value]


def _name(text: str) -> str:
    """A name for people: printable, on one line, not endless."""
    if not text.strip() or not text.isprintable() or len(text) > 100:
        raise _UnusableError(f"expected a name of 1 to 100 printable characters, found {text!a}")
    return text


def _count(text: str) -> int:
    """A whole number of at least 1."""
    if re.fullmatch(r"0[0-7_]+|0o[0-7_]+", text):
        raise _UnusableError(
            f"{text} begins with 0, which YAML reads as octal; write a whole number without it"
        )
    if re.fullmatch(r"[0-9]+(:[0-5]?[0-9])+", text):
        raise _UnusableError(
            f"{text} is read by YAML as a number of base 60; expected a whole number"
        )
    digits = text.replace("_", "")
    if not re.fullmatch(r"[0-9]{1,18}", digits) or int(digits) < 1:
        raise _UnusableError(f"expected a whole number of at least 1, found {text!a}")
    return int(digits)


def _zone(text: str) -> str:
    """A time zone that this system knows."""
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones  # noqa: PLC0415

    try:
        ZoneInfo(text)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        known = available_timezones()
        if not known:
            raise _UnusableError(
                f"this system has no time zones to look {text!a} up in: "
                "install them with `python -m pip install tzdata`"
            ) from None
        cities = {name.rpartition("/")[2].lower(): name for name in sorted(known, reverse=True)}
        meant = _meant(text, known) or _meant(text.lower(), cities)
        hint = f'; did you mean "{cities.get(meant, meant)}"?' if meant else ""
        raise _UnusableError(
            f"expected a time zone such as Europe/Berlin, found {text!a}{hint}"
        ) from None
    return text


DAYS_OF_WEEK = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_DAY = "(?:" + "|".join(DAYS_OF_WEEK) + ")"
_HOUR = "(?:[01][0-9]|2[0-3]):[0-5][0-9]"
_HOURS = re.compile(f"(?:{_DAY}(?:-{_DAY})?(?:,{_DAY}(?:-{_DAY})?)* )?{_HOUR}-({_HOUR}|24:00)")


def _hours(text: str) -> str:
    """Hours of days of the week; they may end on the next day."""
    if not _HOURS.fullmatch(text):
        raise _UnusableError(f'expected times such as "mon-fri 06:00-22:00", found {text!a}')
    return text


def _host(text: str) -> str:
    """An IP or MAC address, as it is written everywhere."""
    if re.fullmatch(r"[0-9A-Fa-f]{2}([:-][0-9A-Fa-f]{2}){5}", text):
        return text.lower().replace("-", ":")
    try:
        return str(ip_address(text))
    except ValueError:
        raise _UnusableError(f"expected an IP or MAC address, found {text!a}") from None


def _element(text: str) -> str:
    """A numbered element."""
    if not re.fullmatch(r"\S(.*\S)? [0-9]{1,18}", _name(text)):
        raise _UnusableError(
            f'expected an element as `otsec values` lists it, such as "holding 9", found {text!a}'
        )
    return text


_NUMBER = r"-?[0-9]{1,18}(?:\.[0-9]{1,18})?"


def _meaning(text: str) -> str:
    """A value, or the least and the greatest of several."""
    if not re.fullmatch(rf"{_NUMBER}(\.\.{_NUMBER})?", text):
        raise _UnusableError(f"expected a value such as 3, or 10..19, found {text!a}")
    low, _, high = text.partition("..")
    if high and float(low) > float(high):
        raise _UnusableError(f"{text} ends before it begins")
    return text


def checked_zone(text: str) -> str:
    """A time zone that this system knows. Raises ConfigError."""
    try:
        return _zone(text)
    except _UnusableError as error:
        raise ConfigError(str(error)) from None


def _address(text: str) -> str:
    """An address of mail; nothing that could begin another header."""
    if not re.fullmatch(r"[!-~]{1,64}@[A-Za-z0-9.\[\]:-]{1,255}", text) or set(text) & set("<>,;"):
        raise _UnusableError(f"expected an address such as otsec@plant.example, found {text!a}")
    return text


def _server(text: str) -> str:
    """NAME or NAME:PORT."""
    found = re.fullmatch(r"([A-Za-z0-9.-]{1,253})(?::(\d{1,5}))?", text)
    if not found or not 0 < int(found[2] or 587) < 65_536:
        raise _UnusableError(f"expected a server such as mail.plant.example:587, found {text!a}")
    return text


def _url(text: str) -> str:
    if not re.fullmatch(r"https?://[!-~]+", text):
        raise _UnusableError(f"expected an address such as https://..., found {text!a}")
    return text


def _one_of(*words: str) -> Check:
    def check(text: str) -> str:
        if text not in words:
            raise _UnusableError(f"expected one of {', '.join(words)}, found {text!a}")
        return text

    return check


def _path(text: str) -> str:
    """A path, not looked at yet."""
    if not text or "\0" in text:
        raise _UnusableError(f"expected a path, found {text!a}")
    return text


def _meant(word: str, known: "Mapping[str, Any] | frozenset[str] | set[str]") -> str:
    """The known word nearest to this one, or ""."""
    return next(iter(get_close_matches(word, sorted(known), n=1, cutoff=0.6)), "")


def did_you_mean(word: str, known: Mapping[str, Any]) -> str:
    """``did you mean "x"?``, or the list of what there is."""
    meant = _meant(word, known)
    return f'did you mean "{meant}"?' if meant else f"known are: {', '.join(known)}"


CAPS: dict[str, Check] = {cap.name: _count for cap in fields(Caps)}
KEEP: dict[str, Check] = {one.name: _count for one in fields(Keep)}
COUNTS = {"caps": CAPS, "keep": KEEP}  # sections of whole numbers
SCALARS: dict[str, Check] = {
    "site": _name,
    "time_zone": _zone,
    "store": _path,
    "alert_budget": _count,
    "rules": _path,
    "policy": _path,
}
POINT: dict[str, Check] = {"group": _name, "files": _path, "interfaces": _name}
POINT_LISTS = frozenset({"files", "interfaces"})
TARGET: dict[str, Check] = {
    "mail": _address,
    "sender": _address,
    "server": _server,
    "security": _one_of("starttls", "tls", "none"),
    "user": _name,
    "secret": _path,
    "authority": _path,
    "attach": _one_of("nothing", "all"),
    "folder": _path,
    "webhook": _url,
}
TARGET_LISTS = frozenset({"mail"})
STATE_FROM: dict[str, Check] = {"host": _host, "object": _element, "device": _name}
_COUNTED = {f"{part}.{name}": check for part in COUNTS for name, check in COUNTS[part].items()}
NUMBERS = frozenset({"alert_budget", *_COUNTED})
TOP: dict[str, Any] = {
    **SCALARS,
    "points": POINT,
    "states": None,
    "state_from": {**STATE_FROM, "states": None},
    "delivery": TARGET,
    "keys": None,
    **COUNTS,
}


def settings() -> dict[str, Check]:
    """Every setting that is one value, by its full name, with its check."""
    return {**SCALARS, **_COUNTED}


def variable(name: str) -> str:
    """The environment variable of a setting: ``caps.gaps`` is ``OTSEC_CAPS_GAPS``."""
    return "OTSEC_" + name.upper().replace(".", "_")


# ------------------------------------------------------------------------------- finding it


def find(explicit: Path | None, environment: Mapping[str, str]) -> Path | None:
    """The file to use; a file that was named is used even if it is not there."""
    if explicit is not None:
        return explicit
    if named := environment.get("OTSEC_CONFIG"):
        return Path(named)
    return next((path for path in places(environment) if path.is_file()), None)


def places(environment: Mapping[str, str]) -> Iterator[Path]:
    """Where otsec.yaml is looked for when nothing names it, in order."""
    yield Path(FILE_NAME)
    home = environment.get("HOME") or environment.get("USERPROFILE") or ""
    own = environment.get("XDG_CONFIG_HOME") or (str(Path(home, ".config")) if home else "")
    system = environment.get("XDG_CONFIG_DIRS") or "/etc/xdg"
    for folder in (own, *system.split(os.pathsep), "/etc"):
        if folder:
            yield Path(folder, "otsec", FILE_NAME)


def load(
    explicit: Path | None = None,
    environment: Mapping[str, str] | None = None,
    overrides: Mapping[str, tuple[Value, str]] | None = None,
) -> Config:
    """The effective configuration.

    `overrides` are settings of the command line: name to (value, option). Raises ConfigError
    with a line for every mistake, RightsError if the file may not be read.
    """
    environment = os.environ if environment is None else environment
    path = find(explicit, environment)
    reading = _Reading(path)
    if path is not None:
        reading.file(text_of(path, "configuration file"))
    for name, check in settings().items():
        if (text := environment.get(variable(name))) is not None:
            reading.text(name, text, check, f"environment {variable(name)}")
    for name, (value, option) in (overrides or {}).items():
        reading.text(name, str(value), settings()[name], f"command line {option}")
    return reading.config()


def unknown_variables(environment: Mapping[str, str]) -> list[str]:
    """A line for each ``OTSEC_*`` variable that is no setting."""
    known = {variable(name): None for name in settings()}
    strange = (name for name in environment if name.startswith("OTSEC_"))
    return [
        f"environment {name}: no such setting; {did_you_mean(name, known)}"
        for name in sorted(strange)
        if name not in known and name not in RESERVED
    ]


def shown(config: Config) -> list[Setting]:
    """Every effective setting in the order of the documentation."""
    rows: list[tuple[str, Value]] = [
        ("site", config.site),
        ("time_zone", config.time_zone),
        ("store", str(config.store)),
        ("alert_budget", config.alert_budget),
        ("rules", "" if config.rules is None else str(config.rules)),
        ("policy", "" if config.policy is None else str(config.policy)),
    ]
    for point in config.points.values():
        rows += [(f"points.{point.name}.{key}", getattr(point, key)) for key in POINT]
    rows += [(f"states.{name}", spans) for name, spans in config.states.items()]
    if (value := config.state_from) is not None:
        rows += [(f"state_from.{key}", getattr(value, key)) for key in STATE_FROM]
        rows += [(f"state_from.states.{name}", told) for name, told in value.states.items()]
    for target in config.delivery.values():
        told = {key: getattr(target, key) for key in TARGET}
        rows += [(f"delivery.{target.name}.{key}", told[key]) for key in told if told[key]]
    for part, names in COUNTS.items():
        rows += [(f"{part}.{name}", getattr(getattr(config, part), name)) for name in names]
    return [Setting(name, value, config.origins.get(name, DEFAULT_ORIGIN)) for name, value in rows]


def text_of(path: Path, what: str) -> str:
    """The text of a file that a person wrote. Raises ConfigError or RightsError."""
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except PermissionError:
        raise RightsError(f"{path}: not allowed to read this {what}") from None
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such {what}") from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
    if len(raw) > MAX_BYTES:
        raise ConfigError(f"{path}: larger than {MAX_BYTES} bytes; is this a {what}?")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{path}:{line}: not UTF-8 text; save the file as UTF-8") from None


# ------------------------------------------------------------------------------- reading it


class _Reading:
    """Collects values with their origin, and mistakes with their place."""

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self.values: dict[str, Value] = {}
        self.origins: dict[str, str] = {}
        self.points: dict[str, Point] = {}
        self.states: dict[str, tuple[str, ...]] = {}
        self.state_from: StateFrom | None = None
        self.delivery: dict[str, Target] = {}
        self.keys: dict[str, str] = {}
        self.mistakes: list[str] = []

    def config(self) -> Config:
        """What was read, unless there was a mistake."""
        if self.mistakes:
            raise ConfigError("\n".join(self.mistakes[:MAX_MISTAKES]))
        plain: dict[str, Any] = {name: self.values[name] for name in SCALARS if name in self.values}
        for name in ("store", "rules", "policy"):
            if name in plain:
                plain[name] = self._beside(name, plain[name])
        return Config(
            **plain,
            points=self.points,
            states=self.states,
            state_from=self.state_from,
            delivery=self.delivery,
            caps=replace(Caps(), **self._counted("caps")),
            keep=replace(Keep(), **self._counted("keep")),
            keys=self.keys,
            path=self.path,
            origins=self.origins,
        )

    def _counted(self, part: str) -> dict[str, Any]:
        """What was said of a section of whole numbers."""
        values = {name: self.values.get(f"{part}.{name}") for name in COUNTS[part]}
        return {name: value for name, value in values.items() if value is not None}

    def _beside(self, name: str, text: str) -> Path:
        """What the file names lies beside the file, all else where the command is run."""
        if self.path is not None and self.origins[name].startswith(f"{self.path}:"):
            return self.path.parent / text
        return Path(text)

    def text(self, name: str, text: str, check: Check, origin: str) -> None:
        """Take a setting from the environment or the command line."""
        try:
            self.values[name] = check(text)
        except _UnusableError as error:
            self.mistakes.append(f"{origin}: {error}")
        else:
            self.origins[name] = origin

    def file(self, text: str) -> None:
        """Take the settings of the file."""
        root = self._compose(text)
        if root is None:  # empty, or comments only
            return
        for key, node in self._entries(root, TOP, "otsec.yaml"):
            if key == "points":
                self._points(node)
            elif key == "states":
                for name, value in self._entries(node, None, "states"):
                    self._list(full := f"states.{name}", value, _hours)
                    if isinstance(spans := self.values.get(full), tuple):
                        self.states[name] = spans
            elif key == "state_from":
                self._state_from(node)
            elif key == "delivery":
                self._targets(node)
            elif key in COUNTS:
                for name, value in self._entries(node, COUNTS[key], key):
                    self._scalar(f"{key}.{name}", value, COUNTS[key][name])
            elif key == "keys":
                for name, value in self._entries(node, None, "keys"):
                    if (told := self._take(value, _name)) is not None:
                        self.keys[name] = str(told)
            else:
                self._scalar(key, node, SCALARS[key])

    def _compose(self, text: str) -> "yaml.Node | None":
        """The tree of the file, with a place for every node."""
        import yaml  # noqa: PLC0415 - 40 ms that commands without a file do not pay

        loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        try:
            node: yaml.Node | None = yaml.compose(text, Loader=loader)
        except yaml.MarkedYAMLError as error:
            self.mistakes.append(self._syntax(text, error))
        except (yaml.YAMLError, RecursionError) as error:
            detail = str(error).partition("\n")[0] or "nested too deep"
            self.mistakes.append(f"{self.path}: not YAML: {detail}")
        else:
            return node
        return None

    def _syntax(self, text: str, error: "yaml.MarkedYAMLError") -> str:
        """A mistake of YAML itself, in words."""
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line, mark.column) if mark else (0, 0)
        place = f"{self.path}:{line + 1}:{column + 1}"
        source = text.splitlines()
        near = source[line] if line < len(source) else ""
        if "\t" in near[: len(near) - len(near.lstrip())] or near[column : column + 1] == "\t":
            return f"{place}: a tab, where YAML wants spaces; replace it by two spaces"
        context = f" {error.context}" if error.context else ""
        return f"{place}: not YAML:{context} {error.problem}".replace("  ", " ")

    def _entries(
        self, node: "yaml.Node", known: Mapping[str, Any] | None, where: str
    ) -> Iterator[tuple[str, "yaml.Node"]]:
        """Keys and values of a mapping; strange and repeated keys are told and left out."""
        if _id(node) == "scalar" and not node.value:
            return  # `caps:` with nothing behind it changes nothing
        if _id(node) != "mapping":
            self._wrong(node, f"expected `name: value` lines in {where}, found {_kind(node)}")
            return
        seen: dict[str, int] = {}
        for key_node, value in node.value:
            key = key_node.value
            if _id(key_node) != "scalar":
                self._wrong(key_node, f"expected a name, found {_kind(key_node)}")
            elif key in seen:
                self._wrong(key_node, f'"{_harmless(key)}" stands twice, first in line {seen[key]}')
            elif known is not None and key not in known:
                hint = did_you_mean(key, known)
                self._wrong(key_node, f'{where} has no "{_harmless(key)}"; {hint}')
            else:
                seen[key] = key_node.start_mark.line + 1
                if known is not None or self._take(key_node, _name) is not None:
                    yield key, value

    def _points(self, node: "yaml.Node") -> None:
        """Points by name, each a mapping of group, files, interfaces."""
        for name, body in self._entries(node, None, "points"):
            found: dict[str, Any] = {}
            for key, value in self._entries(body, POINT, f"point {name}"):
                full = f"points.{name}.{key}"
                if key in POINT_LISTS:
                    self._list(full, value, POINT[key])
                else:
                    self._scalar(full, value, POINT[key])
                if full in self.values:
                    found[key] = self.values[full]
            self.points[name] = Point(name, **found)

    def _state_from(self, node: "yaml.Node") -> None:
        """A device, an element of it, and which values mean which state."""
        found: dict[str, Any] = {}
        states: dict[str, tuple[str, ...]] = {}
        for key, value in self._entries(node, TOP["state_from"], "state_from"):
            if key in STATE_FROM:
                self._scalar(full := f"state_from.{key}", value, STATE_FROM[key])
                found[key] = self.values.get(full)
                continue
            for name, values in self._entries(value, None, "state_from.states"):
                self._list(full := f"state_from.states.{name}", values, _meaning)
                if isinstance(told := self.values.get(full), tuple):
                    states[name] = told
        if lacks := [key for key in ("host", "object") if key not in found]:
            self._wrong(node, f"state_from needs {' and '.join(lacks)} as well")
        elif not states:
            self._wrong(node, "state_from needs states with their values: `cleaning: 3`")
        elif None not in found.values():
            self.state_from = StateFrom(**found, states=states)

    def _targets(self, node: "yaml.Node") -> None:
        """Targets of reports by name; each is one of mail, folder and webhook."""
        for name, body in self._entries(node, None, "delivery"):
            found: dict[str, Any] = {}
            for key, value in self._entries(body, TARGET, f"target {name}"):
                full = f"delivery.{name}.{key}"
                take = self._list if key in TARGET_LISTS else self._scalar
                take(full, value, TARGET[key])
                if full in self.values:
                    found[key] = self.values[full]
            for key in {"folder", "secret", "authority"} & found.keys():
                found[key] = str(self._beside(f"delivery.{name}.{key}", found[key]))
            target = Target(name, **found)
            if "," in name:
                self._wrong(body, f"target {name} has a comma in its name, which --to cannot name")
            if lacks := _lacking(target):
                self._wrong(body, f"target {name} {lacks}")
            self.delivery[name] = target

    def _scalar(self, name: str, node: "yaml.Node", check: Check) -> None:
        """Take one value."""
        value = self._take(node, check)
        if value is not None:
            self._keep(name, node, value)

    def _list(self, name: str, node: "yaml.Node", check: Check) -> None:
        """Take a list of values; one value alone is a list of one."""
        items = node.value if _id(node) == "sequence" else [node]
        taken = [self._take(item, check) for item in items]
        if None not in taken:
            self._keep(name, node, tuple(str(value) for value in taken))

    def _keep(self, name: str, node: "yaml.Node", value: Value) -> None:
        self.values[name] = value
        self.origins[name] = f"{self.path}:{node.start_mark.line + 1}"

    def _take(self, node: "yaml.Node", check: Check) -> Value | None:
        """The checked value of a scalar, or None after telling what is wrong with it."""
        if _id(node) != "scalar":
            self._wrong(node, f"expected one value, found {_kind(node)}")
        elif check is not _meaning and (trap := _trap(node, wants_number=check is _count)):
            self._wrong(node, trap)
        else:
            try:
                return check(node.value)
            except _UnusableError as error:
                self._wrong(node, str(error))
        return None

    def _wrong(self, node: "yaml.Node", what: str) -> None:
        mark = node.start_mark
        self.mistakes.append(f"{self.path}:{mark.line + 1}:{mark.column + 1}: {what}")


def _lacking(target: Target) -> str:
    """What keeps a target from being one; empty: nothing."""
    ways = [key for key in ("mail", "folder", "webhook") if getattr(target, key)]
    if len(ways) != 1:
        return f"needs one of mail, folder and webhook, and has {', '.join(ways) or 'none'}"
    if target.mail and not (target.sender and target.server):
        return "sends mail, and needs sender and server"
    if target.webhook.startswith("http://") and target.security != "none":
        return "posts to http, which everybody on the way can read; write https, or security: none"
    if target.user and not target.secret:
        return "has a user, and needs the file of its secret"
    return ""


READ_AS = {  # what YAML 1.1 makes of words that people mean as text
    "bool": "true or false",
    "int": "a number",
    "float": "a number",
    "timestamp": "a date",
    "null": "nothing",
}


def _trap(node: "yaml.Node", *, wants_number: bool) -> str:
    """What YAML reads a plain word as, if that is not what it looks like."""
    kind = node.tag.rpartition(":")[2]
    text = _harmless(node.value)
    if kind == "null" and not text:
        return "expected a value, found nothing"
    if wants_number:
        return (
            f'expected a whole number of at least 1, found "{text}"; leave the quotes out'
            if kind == "str" and node.value.isdecimal()
            else ""
        )
    if kind in READ_AS:
        return f'YAML reads {text} as {READ_AS[kind]}; write it in quotes: "{text}"'
    return "" if kind == "str" else f"expected text, found the tag {_harmless(node.tag)}"


def _id(node: "yaml.Node") -> str:
    """``scalar``, ``sequence`` or ``mapping``; PyYAML's types leave it out of Node."""
    return str(getattr(node, "id", ""))


def _kind(node: "yaml.Node") -> str:
    """What a node is, in words."""
    words = {"mapping": "`name: value` lines", "sequence": "a list"}
    return words.get(_id(node)) or f'"{_harmless(node.value)}"'


def _harmless(text: str) -> str:
    """Text of the file as an error line may show it."""
    clean = text.encode("unicode_escape").decode() if not text.isprintable() else text
    return clean if len(clean) <= 60 else clean[:57] + "..."
