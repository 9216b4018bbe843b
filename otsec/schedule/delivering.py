"""Reports on their way: by mail, into a folder, to a webhook; nothing is lost on the way.

What waits stands in the store, in the transaction that took the report down as written; it is
taken off when the other side has confirmed. Killed in between it is sent again under the same
name (`Message-ID`, `Idempotency-Key`, folder), by which the other side can tell that it has it.
"""

import hashlib
import json
import os
import shutil
import smtplib
import ssl
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from email.message import EmailMessage
from http.client import HTTPException
from pathlib import Path
from typing import Any

from otsec.config import Target
from otsec.errors import OtsecError, RightsError, UsageError
from otsec.nanoseconds import SECOND_NS
from otsec.schedule import manifest
from otsec.store import Store
from otsec.store import schedules as kept
from otsec.store.schedules import Delivery, Run

MOST_TRIES = 12  # with the pauses below four days
FIRST_NS, LONGEST_NS = 60 * SECOND_NS, 12 * 3600 * SECOND_NS
TIMEOUT_S = 30
MOST_BYTES = 20 << 20  # of attached files; what mail servers take
SECRET_BYTES = 4096
PORTS = {"tls": 465}  # else 587, the port of submission (RFC 6409 3.1)


@dataclass(frozen=True, slots=True)
class Sent:
    """What came of one try."""

    schedule: str
    due: int
    target: str
    error: str  # empty: it arrived


@dataclass(frozen=True, slots=True)
class Parcel:
    """A run to be sent."""

    run: Run
    folder: Path
    manifest: Mapping[str, Any]

    @property
    def name(self) -> str:
        """What makes it the same parcel: the run, by its manifest."""
        return f"{self.run.schedule}-{self.folder.name}-{self.run.manifest[:16]}"


def work(store: Store, targets: Mapping[str, Target], now: Callable[[], int]) -> list[Sent]:
    """Try all that waits and whose time has come, the oldest first."""
    tried = []
    runs = {(one.schedule, one.due): one for one in kept.runs(store)}
    for one in kept.deliveries(store):
        if one.state == "waiting" and one.next_try <= now():
            error = _tried(runs[one.schedule, one.due], targets.get(one.target))
            kept.put_deliveries(store, [_after(one, error, now())])
            tried.append(Sent(one.schedule, one.due, one.target, error))
    return tried


def _after(one: Delivery, error: str, now: int) -> Delivery:
    tries = one.tries + 1
    if not error:
        return one._replace(state="sent", tries=tries, ended=now, next_try=0, error="")
    if tries >= MOST_TRIES:
        return one._replace(state="failed", tries=tries, ended=now, error=error)
    pause = min(FIRST_NS * 4 ** (tries - 1), LONGEST_NS)
    return one._replace(tries=tries, next_try=now + pause, error=error)


def _tried(run: Run, target: Target | None) -> str:
    """Send it; why it did not arrive, or nothing."""
    if target is None:
        return "otsec.yaml names no such target any more"
    try:
        send(parcel(run), target)
    except (OtsecError, OSError, smtplib.SMTPException, HTTPException, ValueError) as error:
        text = str(error) or type(error).__name__
        return " ".join(text.split())[:500]
    return ""


def parcel(run: Run) -> Parcel:
    """The run as it lies in its folder. Raises UsageError if it was changed since it was signed."""
    folder = Path(run.folder)
    raw = (folder / manifest.NAME).read_bytes()
    if hashlib.sha256(raw).hexdigest() != run.manifest:
        raise UsageError(f"{folder}: was changed since it was signed; nothing is sent")
    return Parcel(run, folder, json.loads(raw))


def send(what: Parcel, target: Target) -> None:
    """Send a parcel; whatever goes wrong is an exception."""
    way = next(key for key in WAYS if getattr(target, key))
    WAYS[way](what, target)


# ------------------------------------------------------------------------------------ ways


def _to_folder(what: Parcel, target: Target) -> None:
    """Copy the folder; it has its name only when it is whole."""
    into = Path(target.folder) / what.run.schedule
    whole = into / what.folder.name
    if whole.exists():
        if manifest.digest(whole / manifest.NAME)[0] == what.run.manifest:
            return  # an earlier try that was cut short behind the rename
        raise UsageError(f"{whole}: is there already, and is another report")
    part = into / f".{what.folder.name}.part"
    shutil.rmtree(part, ignore_errors=True)
    into.mkdir(parents=True, exist_ok=True)
    shutil.copytree(what.folder, part)
    for one in part.rglob("*"):
        if one.is_file():
            with one.open("rb+") as file:
                os.fsync(file.fileno())
    part.rename(whole)


def _by_mail(what: Parcel, target: Target) -> None:
    name, _, port = target.server.partition(":")
    number = int(port or PORTS.get(target.security, 587))
    context = _context(target)
    make: Any = smtplib.SMTP
    more: dict[str, Any] = {}
    if target.security == "tls":
        make, more = smtplib.SMTP_SSL, {"context": context}
    message = mail(what, target)
    server = make(name, number, timeout=TIMEOUT_S, **more)
    try:
        if target.security == "starttls":
            server.starttls(context=context)
        if target.user:
            server.login(target.user, _secret(target))
        refused = server.send_message(message)
    finally:
        with suppress(smtplib.SMTPException, OSError):  # how it says goodbye changes nothing
            server.quit()
    if refused:  # some took it: it counts as sent only when all did
        raise UsageError(f"refused by the server: {', '.join(sorted(refused))}")


def _context(target: Target) -> ssl.SSLContext:
    """Certificates are checked, and that they are of the server's name."""
    if not target.authority:
        return ssl.create_default_context()
    try:
        return ssl.create_default_context(cafile=target.authority)
    except ssl.SSLError:
        raise UsageError(f"{target.authority}: holds no certificate (PEM)") from None


def mail(what: Parcel, target: Target) -> EmailMessage:
    """The mail: counts, and the files only where `attach` says so."""
    message = EmailMessage()
    message["From"] = target.sender
    message["To"] = ", ".join(target.mail)
    about = what.manifest
    tlp = f"[TLP:{about.get('tlp', 'AMBER')}] "
    kinds = ", ".join(about.get("kinds", []))
    message["Subject"] = tlp + _line(f"otsec {about.get('site', '')}: {kinds} {what.run.period}")
    message["Message-ID"] = f"<{what.name}@{target.sender.rpartition('@')[2]}>"
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no answers by machines
    message.set_content("\n".join(notice(what)))
    if target.attach == "all":
        for path, content in _attached(what):
            kind, sub = KINDS.get(path.suffix, ("application", "octet-stream"))
            message.add_attachment(
                content, maintype=kind, subtype=sub, filename=path.name, disposition="attachment"
            )
    return message


KINDS = {
    ".pdf": ("application", "pdf"),
    ".json": ("application", "json"),
}


def notice(what: Parcel) -> Iterator[str]:
    """What is told without a report: names and counts, no address and no device."""
    about = what.manifest
    yield f"Site: {_line(str(about.get('site', '')))}"
    yield f"Reports: {', '.join(about.get('kinds', []))}"
    yield f"Period: {what.run.period or 'all'}"
    yield f"Due: {about.get('due', '')}"
    if (late := about.get("late_seconds", 0)) >= 3600:
        yield f"Produced late, by {late // 3600} h {late % 3600 // 60} min"
    for name, value in about.get("counts", {}).items():
        yield f"{_line(str(name))}: {value}"
    yield f"Files: {len(about.get('files', []))}"
    yield f"Run {what.run.number}, manifest SHA-256 {what.run.manifest}"
    yield f"Folder: {what.run.schedule}/{what.folder.name}"


def _line(text: str) -> str:
    """Text on one line; a name cannot begin a header."""
    return " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())[:200]


def _attached(what: Parcel) -> Iterator[tuple[Path, bytes]]:
    names = [one["name"] for one in what.manifest["files"]]
    paths = [what.folder / name for name in [*names, manifest.NAME, manifest.SIGNATURE]]
    size = sum(path.stat().st_size for path in paths)
    if size > MOST_BYTES:
        raise UsageError(f"{size:,} bytes, more than {MOST_BYTES:,}, which mail can hold")
    for path in paths:
        yield path, path.read_bytes()


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """otsec connects to what the configuration names, and to nothing that the other side names."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


def _to_webhook(what: Parcel, target: Target) -> None:
    import base64  # noqa: PLC0415

    told: dict[str, Any] = {
        "schema": "otsec-notice/1",
        "text": "\n".join(notice(what)),
        "run": what.name,
        "manifest": what.manifest,
    }
    if target.attach == "all":
        told["files"] = {
            path.relative_to(what.folder).as_posix(): base64.b64encode(content).decode()
            for path, content in _attached(what)
        }
    else:
        told["manifest"] = {key: value for key, value in what.manifest.items() if key != "files"}
    headers = {"Content-Type": "application/json", "Idempotency-Key": what.name}
    if target.secret:
        headers["Authorization"] = f"Bearer {_secret(target)}"
    request = urllib.request.Request(  # noqa: S310 - the configuration takes http and https only
        target.webhook, json.dumps(told).encode(), headers, method="POST"
    )
    opener = urllib.request.build_opener(
        _NoRedirect, urllib.request.ProxyHandler({}),
        urllib.request.HTTPSHandler(context=_context(target)),
    )  # fmt: skip
    try:
        with opener.open(request, timeout=TIMEOUT_S) as answer:
            answer.read(1)
    except urllib.error.HTTPError as error:
        error.close()
        raise UsageError(f"the webhook answered {error.code}") from None


def _secret(target: Target) -> str:
    """The first line of the secret's file, which nobody else may read."""
    path = Path(target.secret)
    if os.name == "posix" and path.stat().st_mode & 0o077:
        raise RightsError(f"{path}: can be read by others; `chmod 600 {path}`")
    with path.open(encoding="utf-8") as file:
        return file.read(SECRET_BYTES).partition("\n")[0].strip()


WAYS: dict[str, Callable[[Parcel, Target], None]] = {
    "mail": _by_mail,
    "folder": _to_folder,
    "webhook": _to_webhook,
}
