"""Who acts here: for the record of what people decide."""

import getpass

from otsec.errors import UsageError


def login() -> str:
    """The login name; empty where there is none, as in a container without users."""
    try:
        return getpass.getuser().strip()
    except (ImportError, KeyError, OSError):
        return ""


def who(given: str | None, how: str = "say who you are with --by") -> str:
    """The name that was given, else the login name.

    ``how``: what to do where nobody is known. Raises UsageError there.
    """
    name = login() if given is None else given.strip()
    if not name:
        raise UsageError(f"nobody is logged in here; {how}")
    return name
