"""What a site says for its controls, in `compliance.yaml`: what no packet tells.

Every key is optional: a metric that needs one which is missing is `not configured`, and says so.
Read as a policy is: all mistakes at once, each with line and column.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from ipaddress import ip_address
from pathlib import Path
from typing import Any, TypeAlias

from otsec.config import Config, text_of
from otsec.detect.model import LEVELS
from otsec.errors import ConfigError
from otsec.inventory.roles import ROLES
from otsec.model import ip_text
from otsec.policy import values
from otsec.policy.document import Document, TooManyError, Value
from otsec.policy.keys import Key
from otsec.policy.problems import Problems, as_text
from otsec.policy.taking import Entries, Taking

FILE_NAME = "compliance.yaml"
KINDS = ("wireless", "safety", "transient", "untrusted", "test", "management")  # a site may lack
STATES = ("open", "mitigated", "fixed", "not_affected")
BACKED_UP = ("plc", "safety_plc", "rtu", "hmi", "scada_server", "historian", "ews")
LOOSEST = {"days": 28.0, "zones_pct": 90.0, "loss_pct": 1.0}  # what rows ask for in any case

FILE = {
    "otsec_compliance": Key("version", "Version of this format: 1.", needed=True),
    "triage": Key("triage", "How soon a finding must be looked at, by its level."),
    "retention": Key("retention", "How long records must be held."),
    "remote": Key("remote", "What remote sessions are held to."),
    "time": Key("time", "Where time may come from, and how far a clock may be off."),
    "certificates": Key("certificates", "Who may sign certificates."),
    "backup": Key("backup", "Where backups go, and how often."),
    "end_of_life": Key("products", "Until when makers support products."),
    "remediation": Key(
        "vulnerabilities", "Known vulnerabilities and when they must be dealt with."
    ),
    "absent": Key("kinds", f"What the site does not have, of {', '.join(KINDS)}."),
    "coverage": Key("coverage", "Stricter thresholds of coverage than rows ask for."),
}
TRIAGE: Mapping[str, Key] = {
    level: Key("duration", f"For findings of level {level}: 4h, 7d.") for level in LEVELS
}
RETENTION = {
    "required_days": Key("number", "Days for which events must be held."),
    "disk_gb": Key("number", "Size of the disk on which sensors record, in gigabytes."),
}
REMOTE = {
    "jump_zone": Key("name", "Zone of the policy through which every remote session must come."),
    "max_session": Key("duration", "The longest session, where its conduit says nothing."),
    "max_concurrent": Key("number", "How many sessions one machine may have at the same time."),
}
TIME = {
    "sources": Key("addresses", "Addresses of clocks that may serve time."),
    "limit": Key("duration", "How far a device's clock may be off (default 1s)."),
}
CERTIFICATES = {
    "authorities": Key("texts", "Words of the issuer's name of certificates that are trusted."),
}
BACKUP = {
    "servers": Key("addresses", "Addresses of the servers that take backups.", needed=True),
    "interval": Key("duration", "The longest time between two transfers.", needed=True),
    "roles": Key("roles", f"Whose backups (default: {', '.join(BACKED_UP)})."),
}
PRODUCT = {
    "vendor": Key("text", "The maker; * stands for anything."),
    "model": Key("text", "The model; * stands for anything."),
    "os": Key("text", "The operating system; * stands for anything."),
    "until": Key("date", "The last day of support.", needed=True),
}
VULNERABILITY = {
    "asset": Key("text", "Name, id or address of the asset.", needed=True),
    "cve": Key("text", "Its identifier.", needed=True),
    "until": Key("date", "By when it must be dealt with.", needed=True),
    "exploited": Key("flag", "Whether it is known to be exploited (CISA KEV)."),
    "state": Key("state", f"One of {', '.join(STATES)} (default open)."),
}
COVERAGE = {
    "days": Key("number", "Least days of capture; rows ask for 28."),
    "zones_pct": Key("number", "Least share of zones seen; rows ask for 90."),
    "loss_pct": Key("number", "Most loss; rows ask for 1."),
}
BLOCKS: Mapping[str, tuple[str, Mapping[str, Key]]] = {  # title of each in the documentation
    "file": ("The file", FILE),
    "triage": ("`triage`", TRIAGE),
    "retention": ("`retention`", RETENTION),
    "remote": ("`remote`", REMOTE),
    "time": ("`time`", TIME),
    "certificates": ("`certificates`", CERTIFICATES),
    "backup": ("`backup`", BACKUP),
    "product": ("An entry of `end_of_life`", PRODUCT),
    "vulnerability": ("An entry of `remediation`", VULNERABILITY),
    "coverage": ("`coverage`", COVERAGE),
}


# ------------------------------------------------------------------------------- what it holds


@dataclass(frozen=True, slots=True)
class Product:
    """Something that its maker supports until a day; * stands for anything."""

    until: date
    vendor: str = "*"
    model: str = "*"
    os: str = "*"


@dataclass(frozen=True, slots=True)
class Vulnerability:
    """One known vulnerability of one asset."""

    asset: str
    cve: str
    until: date
    exploited: bool = False
    state: str = "open"


@dataclass(frozen=True, slots=True)
class Backup:
    """Where backups go."""

    servers: tuple[str, ...]
    interval_s: int
    roles: tuple[str, ...] = BACKED_UP


@dataclass(frozen=True, slots=True)
class Inputs:
    """All that a site says; what it does not say is empty, None or 0."""

    path: Path | None = None  # the file; None: there is none
    triage_s: Mapping[str, int] = field(default_factory=dict)  # by level
    required_days: float | None = None
    disk_gb: float | None = None
    jump_zone: str = ""
    max_session_s: int = 0
    max_concurrent: float | None = None
    time_sources: tuple[str, ...] = ()
    clock_limit_s: int = 1
    authorities: tuple[str, ...] = ()
    backup: Backup | None = None
    products: tuple[Product, ...] = ()
    vulnerabilities: tuple[Vulnerability, ...] | None = None
    absent: frozenset[str] = frozenset()
    coverage: Mapping[str, float] = field(default_factory=dict)

    def how(self, key: str) -> str:
        """What would configure a key, for people."""
        return f"`{key}:` in {self.name}"

    @property
    def name(self) -> str:
        """What reports call the file: where it lies is nobody's business who reads them."""
        return FILE_NAME if self.path is None else self.path.name


# ------------------------------------------------------------------------------- reading it


def find(config: Config) -> Path | None:
    """The file of a site: beside its otsec.yaml, else in the working folder."""
    beside = config.path.parent if config.path is not None else Path()
    path = beside / FILE_NAME
    return path if path.is_file() else None


def load(path: Path | None) -> Inputs:
    """What a file says; all defaults without one. Raises ConfigError naming every mistake."""
    if path is None:
        return Inputs()
    problems = Problems()
    found = Inputs()
    try:
        root = Document(problems).root(text_of(path, "file of controls"))
        found = Inputs() if root is None else _Reader().inputs(root)
    except (TooManyError, RecursionError):
        problems.add(None, "E100", "aliases are laid on top of each other without end")
    if problems.fatal:
        raise ConfigError(as_text(str(path), problems.sorted()).rstrip("\n"))
    return replace(found, path=path)


Read: TypeAlias = dict[str, Any]


class _Reader(Taking):
    """Reads the file."""

    __slots__ = ()

    def inputs(self, root: Value) -> Inputs:
        entries = self._block(root, "compliance", FILE)
        version = entries.get("otsec_compliance")
        if version is not None and version.value.text("otsec_compliance") != "1":
            version.value.wrong(
                "E101", f"otsec_compliance: this otsec reads 1, not {version.value.kind}"
            )
        taken: Read = {
            "triage_s": self._triage(entries),
            **self._retention(entries),
            **self._remote(entries),
            **self._time(entries),
            "authorities": tuple(self._in(entries, "certificates", CERTIFICATES, "authorities")),
            "backup": self._backup(entries),
            "products": tuple(self._products(entries)),
            "coverage": self._coverage(entries),
        }
        if "remediation" in entries:
            taken["vulnerabilities"] = tuple(self._vulnerabilities(entries))
        if "absent" in entries:
            words = (one.one_of("absent", KINDS) for one in entries["absent"].value.items("absent"))
            taken["absent"] = frozenset(word for word in words if word is not None)
        return Inputs(**{key: value for key, value in taken.items() if value is not None})

    def _of(self, entries: Entries, key: str, known: Mapping[str, Key]) -> Entries:
        return self._block(entries[key].value, key, known) if key in entries else {}

    def _in(self, entries: Entries, key: str, known: Mapping[str, Key], inner: str) -> list[str]:
        return self._texts(self._of(entries, key, known), inner, key)

    def _triage(self, entries: Entries) -> dict[str, int]:
        found = self._of(entries, "triage", TRIAGE)
        taken = {level: self._length(found, level, "triage") for level in found}
        return {level: length for level, length in taken.items() if length is not None}

    def _length(self, found: Entries, key: str, where: str) -> int | None:
        length: int | None = self._one(found, key, where, values.duration, "a duration")
        return length

    def _number(self, found: Entries, key: str, where: str) -> float | None:
        number: float | None = self._one(found, key, where, _positive, "a number above 0")
        return number

    def _retention(self, entries: Entries) -> Read:
        found = self._of(entries, "retention", RETENTION)
        return {key: self._number(found, key, "retention") for key in RETENTION}

    def _remote(self, entries: Entries) -> Read:
        found = self._of(entries, "remote", REMOTE)
        return {
            "jump_zone": self._name(found, "jump_zone", "remote"),
            "max_session_s": self._length(found, "max_session", "remote"),
            "max_concurrent": self._number(found, "max_concurrent", "remote"),
        }

    def _time(self, entries: Entries) -> Read:
        found = self._of(entries, "time", TIME)
        return {
            "time_sources": self._addresses(found, "sources", "time"),
            "clock_limit_s": self._length(found, "limit", "time"),
        }

    def _addresses(self, found: Entries, key: str, where: str) -> tuple[str, ...]:
        taken = self._several(found, key, where, _address, "an IP address", code="E109")
        return tuple(address for _, address in taken)

    def _backup(self, entries: Entries) -> Backup | None:
        if "backup" not in entries:
            return None
        found = self._of(entries, "backup", BACKUP)
        interval = self._length(found, "interval", "backup")
        named = found["roles"].value.items("backup: roles") if "roles" in found else []
        roles = [one.one_of("backup: roles", tuple(ROLES)) for one in named]
        servers = self._addresses(found, "servers", "backup")
        return Backup(servers, interval or 0, tuple(role for role in roles if role) or BACKED_UP)

    def _products(self, entries: Entries) -> Iterable[Product]:
        for value in self._listed(entries, "end_of_life"):
            found = self._block(value, "end_of_life", PRODUCT)
            until = self._one(found, "until", "end_of_life", values.day, "a date", code="E407")
            named = {
                key: self._text(found, key, "end_of_life") for key in ("vendor", "model", "os")
            }
            if value.is_map and not any(named.values()):
                value.wrong("E106", "end_of_life: say vendor, model or os")
            if until is not None:
                yield Product(until, **{key: text for key, text in named.items() if text})

    def _vulnerabilities(self, entries: Entries) -> Iterable[Vulnerability]:
        for value in self._listed(entries, "remediation"):
            where = "remediation"
            found = self._block(value, where, VULNERABILITY)
            until = self._one(found, "until", where, values.day, "a date", code="E407")
            exploited = "exploited" in found and found["exploited"].value.flag(
                f"{where}: exploited"
            )
            state = (
                found["state"].value.one_of(f"{where}: state", STATES) if "state" in found else ""
            )
            asset, cve = self._text(found, "asset", where), self._text(found, "cve", where)
            if until is not None:
                yield Vulnerability(asset, cve, until, exploited, state or "open")

    def _listed(self, entries: Entries, key: str) -> list[Value]:
        if key not in entries or entries[key].value.empty:
            return []
        return entries[key].value.items(key)

    def _coverage(self, entries: Entries) -> dict[str, float]:
        """Thresholds that are stricter; a looser one is a mistake."""
        found = self._of(entries, "coverage", COVERAGE)
        taken = {}
        for key, entry in found.items():
            number = self._number(found, key, "coverage")
            if number is None:
                continue
            looser = number > LOOSEST[key] if key == "loss_pct" else number < LOOSEST[key]
            if looser:
                entry.value.wrong(
                    "E107",
                    f"coverage: {key}: {number:g} is looser than {LOOSEST[key]:g}, which rows ask for",
                )
            else:
                taken[key] = number
        return taken


def _positive(text: str) -> float:
    number = float(text) if text.replace(".", "", 1).isdecimal() else 0.0
    if not 0 < number < 1e12:
        raise ValueError("")
    return number


def _address(text: str) -> str:
    try:
        return ip_text(ip_address(text))
    except ValueError:  # its words would stand behind ours, which say the same
        raise ValueError from None
