"""Mail to a real server (aiosmtpd): TLS and STARTTLS, logins, certificates that are not trusted."""

import shutil
import ssl
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from test_schedule_delivery import DEVICE, sent
from test_schedule_running import Clock, add, daily, produce

from otsec.config import Target
from otsec.schedule import running
from otsec.store import Store, open_store
from otsec.store.schedules import deliveries

aiosmtpd = pytest.importorskip("aiosmtpd.controller")
AuthResult = pytest.importorskip("aiosmtpd.smtp").AuthResult

# What the server thinks of a login inside TLS from the first byte on: it knows STARTTLS alone.
pytestmark = pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")
NOW = "2026-05-01T06:02"
PASSWORD = "correct horse"  # noqa: S105 - of this test's server


@dataclass
class Box:
    """What a server got: who logged in, over what, and the mails."""

    mails: list[bytes] = field(default_factory=list)
    logins: list[tuple[bytes, bytes]] = field(default_factory=list)
    encrypted: list[bool] = field(default_factory=list)

    async def handle_DATA(  # noqa: N802 - its name
        self, server: Any, _session: Any, envelope: Any
    ) -> str:
        """Take a mail."""
        self.mails.append(envelope.content)
        self.encrypted.append(server.transport.get_extra_info("sslcontext") is not None)
        return "250 OK"

    def judge(self, _server: Any, _session: Any, _envelope: Any, _how: str, told: Any) -> Any:
        """Let in who knows the password."""
        self.logins.append((told.login, told.password))
        return AuthResult(success=told.password == PASSWORD.encode(), handled=False)


class Anywhere(aiosmtpd.Controller):  # type: ignore[misc]
    """A controller at a port that is free; its own knocks at the port that it was told."""

    def _trigger_server(self) -> None:
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()


@dataclass
class Server:
    """A server of this machine."""

    box: Box
    port: int


def certificate(folder: Path, name: str, *, days: int = 30) -> tuple[Path, Path]:
    """A certificate that signs itself, for an address or a name, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    about = x509.IPAddress(IPv4Address(name)) if name[0].isdigit() else x509.DNSName(name)
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(now - timedelta(days=60))
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName([about]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, SHA256())
    )
    paths = folder / f"{name}{days}.pem", folder / f"{name}{days}.key"
    paths[0].write_bytes(made.public_bytes(Encoding.PEM))
    paths[1].write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return paths


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., tuple[Server, Path]]]:
    """Starts servers; gives each with its certificate."""
    with ExitStack() as stack:

        def start(security: str, name: str = "127.0.0.1", **more: Any) -> tuple[Server, Path]:
            own, key = certificate(tmp_path, name, **more)
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(own, key)
            box = Box()
            said: dict[str, Any] = {"authenticator": box.judge, "auth_required": security != "none"}
            if security == "tls":
                said |= {"ssl_context": context, "auth_require_tls": False}
            elif security == "starttls":
                said |= {"tls_context": context, "require_starttls": True}
            else:
                said |= {"auth_require_tls": False}
            found = Anywhere(box, hostname="127.0.0.1", port=0, **said)
            found.start()
            stack.callback(found.stop)
            return Server(box, found.port), own

        yield start


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A store with one report, on its way to `there`."""
    with open_store(tmp_path / "a.db") as made:
        add(made, daily(tmp_path, targets="there"))

        def with_name(task: Any) -> Any:
            (task.folder / f"{DEVICE}.csv").write_text(DEVICE)
            return {**produce(task), "counts": {"Open findings": 3}}

        running.work(made, with_name, Clock("2026-05-01T06:01"))
        yield made


def target(folder: Path, server: Server, security: str, **more: Any) -> Target:
    """The server as a target, with its password in a file."""
    secret = folder / "secret"
    secret.write_text(f"{more.pop('password', PASSWORD)}\n")
    secret.chmod(0o600)
    given: dict[str, Any] = {
        "mail": ("kim@plant.example",),
        "sender": "otsec@plant.example",
        "server": f"127.0.0.1:{server.port}",
        "security": security,
        "user": "otsec",
        "secret": str(secret),
        **more,
    }
    return Target("there", **given)


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_mail_goes_encrypted_behind_a_login(
    security: str, store: Store, serve: Any, tmp_path: Path
) -> None:
    """A server with a certificate of the plant's own authority gets it once, the password inside TLS."""
    server, own = serve(security)
    told = target(tmp_path, server, security, authority=str(own), attach="all")

    assert sent(store, told, Clock(NOW)) == ("sent", "")
    assert sent(store, told, Clock(NOW)) == ("sent", "")
    (mail,) = server.box.mails
    message = message_from_bytes(mail, policy=policy.default)
    assert server.box.encrypted == [True]
    assert server.box.logins == [(b"otsec", PASSWORD.encode())]
    assert "Open findings: 3" in message.get_body(("plain",)).get_content()  # type: ignore[union-attr]
    assert f"{DEVICE}.csv" in [one.get_filename() for one in message.iter_attachments()]


@pytest.mark.parametrize("security", ["starttls", "tls"])
@pytest.mark.parametrize(
    ("name", "days", "trusted", "why"),
    [
        ("127.0.0.1", 30, False, "self-signed certificate"),
        ("mail.plant.example", 30, True, "IP address mismatch"),
        ("127.0.0.1", -1, True, "certificate has expired"),
    ],
)
def test_a_bad_certificate_is_refused_and_nothing_is_lost(
    *, security: str, name: str, days: int, trusted: bool, why: str,
    store: Store, serve: Any, tmp_path: Path,
) -> None:  # fmt: skip
    """Of a stranger, of another name, run out: no login and no mail leave, and it stays waiting."""
    server, own = serve(security, name, days=days)
    more = {"authority": str(own)} if trusted else {}
    state, error = sent(store, target(tmp_path, server, security, **more), Clock(NOW))

    assert state == "waiting"
    assert why in error
    assert server.box == Box()
    right, own = serve(security)
    later = Clock("2026-05-01T06:10")
    assert sent(store, target(tmp_path, right, security, authority=str(own)), later) == ("sent", "")
    assert len(right.box.mails) == 1


def test_a_server_that_does_not_speak_tls_gets_nothing(
    store: Store, serve: Any, tmp_path: Path
) -> None:
    """Without STARTTLS neither password nor mail are sent, unless the settings say so."""
    server, _ = serve("none")
    state, error = sent(store, target(tmp_path, server, "starttls"), Clock(NOW))
    assert state == "waiting"
    assert "STARTTLS" in error
    assert server.box == Box()

    plain = target(tmp_path, server, "none")
    assert sent(store, plain, Clock("2026-05-01T06:10")) == ("sent", "")
    assert server.box.encrypted == [False]


def test_a_wrong_password_keeps_the_spool(store: Store, serve: Any, tmp_path: Path) -> None:
    """It is told without the password, tried again, and given up only after twelve tries."""
    server, own = serve("starttls")
    wrong = target(tmp_path, server, "starttls", authority=str(own), password="wrong")  # noqa: S106
    clock = Clock(NOW)
    for number in range(1, 12):
        state, error = sent(store, wrong, clock)
        assert (state, deliveries(store)[0].tries) == ("waiting", number)
        assert "535" in error
        assert "wrong" not in error
        clock.now += 13 * 3600 * 10**9
    assert sent(store, wrong, clock)[0] == "failed"
    assert server.box.mails == []


def test_an_authority_that_is_none_is_told(store: Store, serve: Any, tmp_path: Path) -> None:
    """A file without certificates, or none at all, keeps the mail here with one line."""
    server, own = serve("tls")
    bad = tmp_path / "bad.pem"
    bad.write_text("no certificate")
    told = target(tmp_path, server, "tls", authority=str(bad))
    assert sent(store, told, Clock(NOW)) == ("waiting", f"{bad}: holds no certificate (PEM)")
    shutil.copy(own, bad)
    assert sent(store, told, Clock("2026-05-01T06:10")) == ("sent", "")
