"""Who acts: named, or logged in, or nobody."""

import getpass
import os

import pytest

from otsec.errors import UsageError
from otsec.login import account, login, who


def test_who_acts(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that is given holds; without one the login name does; an empty one is nobody's."""
    monkeypatch.setattr(getpass, "getuser", lambda: "ann")
    assert (who(" bob "), who(None), login()) == ("bob", "ann", "ann")
    with pytest.raises(UsageError, match="nobody is logged in here; say who you are with --by"):
        who(" ")


@pytest.mark.parametrize("error", [ImportError, KeyError, OSError])
def test_where_nobody_is_logged_in(monkeypatch: pytest.MonkeyPatch, error: type[Exception]) -> None:
    """A container without users has no login name, and acts there need a name."""

    def nobody() -> str:
        raise error("no such user")

    monkeypatch.setattr(getpass, "getuser", nobody)
    assert login() == ""
    with pytest.raises(UsageError, match="nobody is logged in here; start otsec with --by NAME"):
        who(None, "start otsec with --by NAME")


def test_an_account_is_told_by_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """A sensor asks no database of users, which may be a connection: its number must do."""

    def asked() -> str:
        raise AssertionError("a database of users was asked")

    monkeypatch.setattr(getpass, "getuser", asked)
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    number = getattr(os, "getuid", lambda: None)()
    assert account() == ("" if number is None else f"user {number}")
    monkeypatch.setenv("USER", "sensor")
    assert account() == "sensor"
