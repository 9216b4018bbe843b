"""What a user can act on, and the exit code of each.

Exit codes: 0 fine, 1 findings at or above ``--fail-on``, 2 usage or configuration, 3 input
unreadable or damaged (what came before the damage is kept), 4 permission, 5 storage, 70 a bug
in otsec, 130 interrupted.
"""

from enum import IntEnum


class Exit(IntEnum):
    """Exit codes of the command."""

    FINE = 0
    FINDINGS = 1
    USAGE = 2
    INPUT = 3
    PERMISSION = 4
    STORAGE = 5
    BUG = 70
    INTERRUPTED = 130


class OtsecError(Exception):
    """One line for the user: what, where, what to do."""

    exit = Exit.USAGE


class UsageError(OtsecError):
    """The command line asks for something that does not go together."""


class ConfigError(OtsecError):
    """The configuration cannot be used; the message has one line per mistake."""


class InputError(OtsecError):
    """A capture cannot be read, or not to its end."""

    exit = Exit.INPUT


class RightsError(OtsecError):
    """The system refuses what was asked for."""

    exit = Exit.PERMISSION


class StorageError(OtsecError):
    """The store cannot be opened, read or written."""

    exit = Exit.STORAGE


class WireError(Exception):
    """Bytes of the network that a decoder cannot use; never leaves the pipeline."""


class Truncated(WireError):  # noqa: N818 - the design's word
    """The unit ends before its content does."""


class Malformed(WireError):  # noqa: N818 - the design's word
    """The bytes contradict the standard."""
