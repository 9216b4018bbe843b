"""Files that are whole or not there: of a run that is killed, or finds the disk full, no half."""

import os
import stat
from contextlib import suppress
from pathlib import Path
from tempfile import NamedTemporaryFile

from otsec.errors import StorageError


def write(path: Path, data: bytes) -> None:
    """Write a file in the place of the one that is there, or leave that as it was.

    Only its owner may read a new one; an old one keeps its mode, and a link leads where it led.
    What is no file of a disk (a pipe, a terminal) is written to. Raises StorageError.
    """
    try:
        if path.exists() and not path.is_file():
            path.write_bytes(data)
        else:
            _replace(path.resolve(), data)
    except OSError as error:
        raise StorageError(f"{path}: cannot be written: {error.strerror}") from error


def _replace(path: Path, data: bytes) -> None:
    part = NamedTemporaryFile(dir=path.parent, prefix=".otsec-", delete=False)  # noqa: SIM115 - closed below
    try:
        with part:
            if path.exists():
                os.chmod(part.name, stat.S_IMODE(path.stat().st_mode))  # noqa: PTH101 - of a name
            part.write(data)
            part.flush()
            os.fsync(part.fileno())  # or a power cut leaves the new name and no content
        Path(part.name).replace(path)
    except BaseException:
        with suppress(OSError):
            Path(part.name).unlink()
        raise
