"""The kinds of reports: who reads each, and how one is made."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib import import_module

from otsec.errors import UsageError
from otsec.reports.document import Document, mapped
from otsec.reports.redaction import Redaction
from otsec.reports.since import compared
from otsec.reports.subject import Subject


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind; the module of its name has `gather(subject) -> Document`."""

    name: str
    reader: str
    about: str


KINDS: dict[str, Kind] = {
    one.name: one
    for one in (
        Kind("executive", "management", "two pages: risk, time, what to do first"),
        Kind("evidence", "auditors", "one framework: what speaks for and against each control"),
        Kind("inventory", "asset owners", "every device, what is known of it and what is not"),
        Kind("segmentation", "network engineers", "zones and conduits: allowed, violated, unused"),
        Kind("changes", "operations", "what changed devices, and what is new in the network"),
        Kind("findings", "analysts", "what is wrong, worst first, and what was decided"),
        Kind("sessions", "who grants access", "who worked on what, from where, and what was done"),
        Kind("health", "who runs the sensors", "what capture points saw, and what they could not"),
        Kind("assessment", "clients of a consultant", "all of a site on one page"),
        Kind("incident", "responders", "one finding or incident: its course, hosts and packets"),
    )
}
NAMED = {"segmentation": "policy", "evidence": "framework", "incident": "about"}
OPTIONS = {"policy": "--policy FILE", "framework": "--framework NAME", "about": "--finding ID"}


def needs(kind: str) -> str:
    """The option that a kind cannot be made without; empty: none."""
    return OPTIONS[NAMED[kind]] if kind in NAMED else ""


def made(
    subject: Subject, kind: str, clean: Callable[[str], str], redaction: Redaction | None = None
) -> Document:
    """A report, harmless to read, redacted if that is wanted, and compared with the last one."""
    if kind in NAMED and not getattr(subject.order, NAMED[kind]):
        raise UsageError(f"report {kind}: say {needs(kind)}")
    gather: Callable[[Subject], Document] = import_module(f"otsec.reports.{kind}").gather
    document = gather(subject)
    if redaction is not None:
        document = replace(mapped(document, redaction.text), redacted=redaction.kinds)
    return compared(mapped(document, clean), subject.order.last)
