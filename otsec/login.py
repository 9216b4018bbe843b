"""Who acts here: for the record of what people decide."""

import getpass
import os

from otsec.errors import UsageError


def login() -> str:
    """The login name; empty where there is none, as in a container without users."""
    try:
        return getpass.getuser().strip()
    except (ImportError, KeyError, OSError):
        return ""


def account() -> str:
    """Under which account otsec runs, as the environment tells it; else the number of the user.

    No database of users is asked: that may be a connection, and a sensor makes none.
    """
    told = (os.environ.get(name) for name in ("LOGNAME", "USER", "LNAME", "USERNAME"))
    number = str(os.getuid()) if hasattr(os, "getuid") else ""
    return next(filter(None, told), f"user {number}" if number else "")


def who(given: str | None, how: str = "say who you are with --by") -> str:
    """The name that was given, else the login name.

    ``how``: what to do where nobody is known. Raises UsageError there.
    """
    name = login() if given is None else given.strip()
    if not name:
        raise UsageError(f"nobody is logged in here; {how}")
    return name
