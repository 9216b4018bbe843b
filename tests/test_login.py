"""Who acts: named, or logged in, or nobody."""

import getpass

import pytest

from otsec.errors import UsageError
from otsec.login import login, who


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
