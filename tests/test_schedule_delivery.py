"""Delivery: what leaves, to whom, and that nothing is lost when the other side is away."""

import json
import threading
from collections.abc import Iterator
from email import message_from_bytes, policy
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from socketserver import StreamRequestHandler, TCPServer
from typing import Any

import pytest
from test_schedule_running import Clock, add, daily, produce

from otsec.cli import main
from otsec.config import Target, load
from otsec.errors import ConfigError, Exit
from otsec.schedule import delivering, manifest, running
from otsec.store import Store, open_store
from otsec.store.schedules import deliveries

DEVICE = "press-7"


class Mail(StreamRequestHandler):
    """A mail server that takes one message a connection, or refuses who is unknown."""

    def handle(self) -> None:
        """Speak as little SMTP as smtplib needs."""
        self.wfile.write(b"220 here\r\n")
        while line := self.rfile.readline():
            word = line[:4].upper()
            if word == b"DATA":
                self.wfile.write(b"354 go on\r\n")
                lines = []
                while (text := self.rfile.readline()) != b".\r\n":
                    lines.append(text)
                self.server.got.append(b"".join(lines))  # type: ignore[attr-defined]
            if word == b"RCPT" and b"nobody@" in line:
                self.wfile.write(b"550 unknown\r\n")
            else:
                self.wfile.write(b"250 ok\r\n")
            if word == b"QUIT":
                return


class Hook(BaseHTTPRequestHandler):
    """A webhook that answers what it is told to."""

    def do_POST(self) -> None:
        """Take what is posted."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.got.append((dict(self.headers), json.loads(body)))  # type: ignore[attr-defined]
        self.send_response(self.server.answers.pop(0))  # type: ignore[attr-defined]
        self.send_header("Location", "http://127.0.0.1:1/elsewhere")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Nothing."""


def serving(kind: Any, handler: Any) -> Iterator[Any]:
    """A server of this machine in a thread."""
    with kind(("127.0.0.1", 0), handler) as server:
        server.got, server.answers = [], []
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def post() -> Iterator[Any]:
    """A mail server."""
    yield from serving(TCPServer, Mail)


@pytest.fixture
def hook() -> Iterator[Any]:
    """A webhook."""
    yield from serving(HTTPServer, Hook)


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


def sent(store: Store, target: Target | None, clock: Clock) -> tuple[str, str]:
    """State and error behind one pass."""
    delivering.work(store, {} if target is None else {"there": target}, clock)
    (one,) = deliveries(store)
    return one.state, one.error


def mailed(post: Any, **more: Any) -> Target:
    """The mail server as a target."""
    return Target(
        "there",
        mail=more.pop("mail", ("kim@plant.example",)),
        sender="otsec@plant.example",
        server=f"127.0.0.1:{post.server_address[1]}",
        security="none",
        **more,
    )


def test_mail_holds_counts_and_no_report(store: Store, post: Any) -> None:
    """By default a mail has counts and the manifest's hash: no file, no name of a device."""
    assert sent(store, mailed(post), Clock("2026-05-01T06:02")) == ("sent", "")

    (raw,) = post.got
    message = message_from_bytes(raw, policy=policy.default)
    assert message["Subject"] == "[TLP:AMBER] otsec s: health 2026-04-30"
    assert "Open findings: 3" in message.get_body().get_content()
    assert not list(message.iter_attachments())
    assert DEVICE not in raw.decode()


def test_files_are_attached_only_when_told(store: Store, post: Any) -> None:
    """With `attach: all` every file, the manifest and its signature go along, as they are."""
    sent(store, mailed(post, attach="all"), Clock("2026-05-01T06:02"))

    message = message_from_bytes(post.got[0], policy=policy.default)
    names = [one.get_filename() for one in message.iter_attachments()]
    assert names == ["a.json", f"{DEVICE}.csv", "manifest.json", "manifest.json.sig"]


def test_a_refused_address_is_told_and_tried_again(store: Store, post: Any) -> None:
    """A recipient whom the server does not know keeps the delivery waiting, with the reason."""
    target = mailed(post, mail=("kim@plant.example", "nobody@plant.example"))
    state, error = sent(store, target, Clock("2026-05-01T06:02"))

    assert (state, error) == ("waiting", "refused by the server: nobody@plant.example")


def test_a_server_that_is_away_loses_nothing(store: Store, post: Any) -> None:
    """Refused connections are tried again with longer and longer pauses, until it is there."""
    away = mailed(post)
    clock = Clock("2026-05-01T06:02")
    gone = Target(
        "there", mail=away.mail, sender=away.sender, server="127.0.0.1:1", security="none"
    )
    assert sent(store, gone, clock)[0] == "waiting"
    assert sent(store, away, clock)[0] == "waiting"  # its pause is not over
    assert post.got == []
    clock.now += 61 * 10**9

    assert sent(store, away, clock) == ("sent", "")
    assert sent(store, away, clock) == ("sent", "")
    assert len(post.got) == 1


def test_killed_behind_the_send_it_comes_again_under_the_same_name(
    store: Store, post: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cut short before the store knows: the mail comes twice, with one Message-ID to tell it by."""
    clock = Clock("2026-05-01T06:02")
    with monkeypatch.context() as patch:

        def die(*_: Any) -> None:
            raise KeyboardInterrupt

        patch.setattr(delivering.kept, "put_deliveries", die)
        with pytest.raises(KeyboardInterrupt):
            sent(store, mailed(post), clock)
    assert sent(store, mailed(post), clock) == ("sent", "")

    assert len({message_from_bytes(one)["Message-ID"] for one in post.got}) == 1
    assert len(post.got) == 2


def test_a_webhook_gets_counts_and_its_redirects_are_not_followed(
    store: Store, hook: Any, tmp_path: Path
) -> None:
    """JSON with counts and a token; an answer that points elsewhere, or an error, is no delivery."""
    token = tmp_path / "token"
    token.write_text("s3cret\n")
    token.chmod(0o600)
    address = f"http://127.0.0.1:{hook.server_address[1]}/x"
    target = Target("there", webhook=address, security="none", secret=str(token))
    clock = Clock("2026-05-01T06:02")
    hook.answers += [302, 500, 204]
    states = []
    for _ in range(3):
        states.append(sent(store, target, clock))
        clock.now += 3600 * 10**9

    assert states == [
        ("waiting", "the webhook answered 302"),
        ("waiting", "the webhook answered 500"),
        ("sent", ""),
    ]
    headers, body = hook.got[2]
    assert headers["Authorization"] == "Bearer s3cret"
    assert len({one["Idempotency-Key"] for one, _ in hook.got}) == 1
    assert body["manifest"]["counts"] == {"Open findings": 3}
    assert DEVICE not in json.dumps(body)


def test_a_secret_that_others_read_is_not_used(store: Store, hook: Any, tmp_path: Path) -> None:
    """A token in a file that others may read is refused, and nothing is sent."""
    token = tmp_path / "token"
    token.write_text("s3cret\n")
    token.chmod(0o644)
    target = Target(
        "there", webhook=f"http://127.0.0.1:{hook.server_address[1]}/", secret=str(token)
    )

    assert "can be read by others" in sent(store, target, Clock("2026-05-01T06:02"))[1]
    assert hook.got == []


def test_a_folder_gets_the_whole_run_once(store: Store, tmp_path: Path) -> None:
    """The copy verifies as the original does, and is not written anew when it is there."""
    target = Target("there", folder=str(tmp_path / "share"))
    assert sent(store, target, Clock("2026-05-01T06:02")) == ("sent", "")

    (folder,) = manifest.folders(tmp_path / "share")
    words = ["report", "verify", str(tmp_path / "share"), "-q", "--db", str(store.path)]
    assert main(words) == Exit.FINE
    (folder / "a.json").write_text("changed")
    assert main(words) == Exit.FINDINGS


def test_what_was_changed_since_it_was_signed_is_not_sent(store: Store, tmp_path: Path) -> None:
    """A manifest that differs from the one in the store keeps the report here, and says so."""
    (folder,) = manifest.folders(tmp_path / "reports")
    with (folder / manifest.NAME).open("a") as file:
        file.write(" ")

    _, error = sent(
        store, Target("there", folder=str(tmp_path / "share")), Clock("2026-05-01T06:02")
    )

    assert "was changed since it was signed" in error


def test_a_target_that_is_gone_is_told(store: Store) -> None:
    """A delivery to a target that otsec.yaml no longer names waits, and says why."""
    assert sent(store, None, Clock("2026-05-01T06:02")) == (
        "waiting",
        "otsec.yaml names no such target any more",
    )


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("mail: [a@b.example]", "3:5: target x sends mail, and needs sender and server"),
        ("folder: a\n    webhook: https://h.example/", "3:5: target x needs one of"),
        ("security: tls", "3:5: target x needs one of mail, folder and webhook, and has none"),
        ("webhook: http://h.example/", "3:5: target x posts to http"),
        ("webhook: ftp://h.example/", "3:14: expected an address such as https://"),
        ('mail: "a@b.example\\nBcc: c@d.example"', "3:11: expected an address such as"),
        ("folder: a\n    security: ssl", "4:15: expected one of starttls, tls, none"),
        ("foldr: a", 'target x has no "foldr"; did you mean "folder"?'),
        ("folder: a\n    user: kim", "3:5: target x has a user, and needs the file"),
    ],
)
def test_mistakes_of_targets_are_told_by_line(tmp_path: Path, text: str, told: str) -> None:
    """A target that could not deliver is a mistake of the configuration, with its line."""
    path = tmp_path / "otsec.yaml"
    path.write_text(f"delivery:\n  x:\n    {text}\n")

    with pytest.raises(ConfigError) as error:
        load(path, {})

    assert told in str(error.value)


def test_a_schedule_names_targets_that_exist(tmp_path: Path) -> None:
    """`schedule add --to` takes targets of otsec.yaml and names the nearest of others."""
    (tmp_path / "otsec.yaml").write_text("delivery:\n  office:\n    folder: share\n")
    open_store(tmp_path / "a.db").close()
    words = ["--config", str(tmp_path / "otsec.yaml"), "schedule", "add", "a", "daily", "health"]
    words += ["-q", "--db", str(tmp_path / "a.db"), "--to"]

    assert main([*words, "offce"]) == Exit.USAGE
    assert main([*words, "office"]) == Exit.FINE
    assert load(tmp_path / "otsec.yaml", {}).delivery["office"].folder == str(tmp_path / "share")
