"""Sessions: who worked on what, from where, through whom, and what was done."""

from collections import Counter

from otsec.health.verdict import counted
from otsec.reports.document import Document, Key, Section, Table, columns
from otsec.reports.frame import framed
from otsec.reports.subject import Subject
from otsec.sessions.model import Session

COLUMNS = columns(
    ("begin", "Begin", "time"), ("length", "Length", "duration"), ("kind", "Kind"),
    ("protocol", "Protocol"), ("client", "From"), ("server", "On"), ("account", "Account", "list"),
    ("login", "Login"), ("deeds", "Did", "list"), ("chain", "Way", "list"),
    ("changes", "Changes", "number"),
    ("remote", "Remote*"), ("outside", "From outside*"), ("outcome", "Refused*"),
    ("sure", "Sure of the way*", "number"), ("end", "End*", "time"), ("active", "Goes on*"),
    ("bytes", "Bytes*", "bytes"), ("extent", "Begin and end known by*"),
    ("connections", "Connections*", "number"), ("packet", "First packet*", "number"),
    ("point", "Point*"), ("id", "Id*"),
)  # fmt: skip


def gather(subject: Subject) -> Document:
    """The report."""
    found = subject.sessions
    remote = [one for one in found if one.remote]
    outside = [one for one in found if one.client.outside]
    clear = [one for one in found if one.authentication in {"none", "clear"}]
    refused = [one for one in found if one.outcome]
    changing = [one for one in remote if one.changes]
    keys = (
        Key("remote sessions", len(remote), f"of {counted(len(found), 'session')}"),
        Key("from outside", len(outside), "from public addresses", grave=bool(outside)),
        Key("changed a device", len(changing), "of the remote ones", grave=bool(changing)),
        Key("nobody asked who", len(clear), "no login, or one in clear text"),
        Key("refused", len(refused), "logins that failed"),
        Key("going on", sum(one.active for one in found), "when the capture ended"),
    )  # fmt: skip
    return framed(
        subject,
        "sessions",
        "Remote access and sessions",
        keys,
        (
            Section("remote", "Remote access", (told("remote", "", remote,
                "No remote session was seen; encrypted tunnels that no mirror port copies hide them."),)),
            Section("ways", "Ways through several hosts", (_ways(found),)),
            Section("sessions", "Every session", (_kinds(found), told(
                "sessions", "Sessions", found, "No session was seen."))),
        ),
    )  # fmt: skip


def told(name: str, title: str, found: list[Session], empty: str) -> Table:
    """Those that change devices first, then those from outside, then the newest."""
    ordered = sorted(
        found, key=lambda one: (-one.changes, not one.client.outside, -one.first_time, one.id)
    )
    return Table(
        name,
        title,
        COLUMNS,
        tuple(
            (one.first_time, one.duration_us, one.kind, one.protocol,
             one.client.name + (" (outside)" if one.client.outside else ""), one.server.name,
             one.account, one.authentication + (", refused" if one.outcome else ""),
             tuple(deed.text for deed in one.deeds[:6]), one.chain if one.path else (), one.changes,
             _flag(one.remote), _flag(one.client.outside), one.outcome, one.chain_confidence,
             one.last_time, _flag(one.active), _bytes(one), one.extent, one.connections,
             one.first_packet, one.point, one.id)
            for one in ordered
        ),
        empty=empty,
        reading="Those that changed devices first." if found else "",
    )  # fmt: skip


def _flag(value: bool) -> str:  # noqa: FBT001 - a word for it
    return "yes" if value else ""


def _bytes(one: Session) -> int | None:
    if one.bytes_out is None or one.bytes_in is None:
        return None
    return one.bytes_out + one.bytes_in


def _ways(told: list[Session]) -> Table:
    """Chains of sessions, as they are thought."""
    rows = [
        (one.first_time, one.chain, one.chain_confidence, one.protocol,
         "; ".join(reason for step in one.path for reason in step.reasons), one.changes)
        for one in sorted(told, key=lambda one: (-one.changes, -one.first_time, one.id))
        if one.path
    ]  # fmt: skip
    return Table(
        "ways",
        "",
        columns(("begin", "Begin", "time"), ("way", "Way", "list"), ("sure", "Sure", "number"),
                ("protocol", "Last step by"), ("reason", "Why it is thought"),
                ("changes", "Changes", "number")),
        tuple(rows),
        empty="No session is thought to have gone through another one.",
        reading="A way is thought, not seen: a session began on a host while one was open to it."
        if rows
        else "",
    )  # fmt: skip


def _kinds(told: list[Session]) -> Table:
    found = Counter((one.kind, one.protocol, one.authentication) for one in told)
    rows = sorted(((*key, count) for key, count in found.items()), key=lambda row: (-row[3], row))
    return Table(
        "kinds",
        "By kind, protocol and login",
        columns(("kind", "Kind"), ("protocol", "Protocol"), ("login", "Login"),
                ("sessions", "Sessions", "number")),
        tuple(rows),
        empty="",
        most=40,
    )  # fmt: skip
