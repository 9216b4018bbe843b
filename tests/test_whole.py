"""Files that are whole or not there."""

import os
import stat
import threading
from pathlib import Path

import pytest

from otsec import whole
from otsec.errors import StorageError

pytestmark = pytest.mark.skipif(os.name != "posix", reason="modes, links and pipes of POSIX")


def test_a_new_file_is_its_owners_and_an_old_one_keeps_its_mode(tmp_path: Path) -> None:
    """Whom a report was opened to, as a web server, can read the next one; nobody else."""
    new, old = tmp_path / "new", tmp_path / "old"
    old.write_bytes(b"before, and longer")
    old.chmod(0o644)

    for path in (new, old):
        whole.write(path, b"after")

    assert [path.read_bytes() for path in (new, old)] == [b"after", b"after"]
    assert [stat.S_IMODE(path.stat().st_mode) for path in (new, old)] == [0o600, 0o644]


def test_a_link_stays_one(tmp_path: Path) -> None:
    """What a link leads to is written anew, and the link still leads there."""
    (tmp_path / "monday").write_bytes(b"before")
    (tmp_path / "latest").symlink_to("monday")

    whole.write(tmp_path / "latest", b"after")

    assert (tmp_path / "latest").is_symlink()
    assert (tmp_path / "monday").read_bytes() == b"after"


def test_a_pipe_is_written_to(tmp_path: Path) -> None:
    """What is no file of a disk is not replaced by one."""
    pipe, heard = tmp_path / "pipe", list[bytes]()
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: heard.append(pipe.read_bytes()))
    reader.start()

    whole.write(pipe, b"after")
    reader.join()

    assert (heard, pipe.is_fifo()) == ([b"after"], True)


def test_a_folder_is_none(tmp_path: Path) -> None:
    """Where nothing can be written, that is one line with the name and the reason."""
    with pytest.raises(StorageError, match=f"{tmp_path}: cannot be written: Is a directory"):
        whole.write(tmp_path, b"")
    with pytest.raises(StorageError, match="gone/x: cannot be written: No such file"):
        whole.write(tmp_path / "gone" / "x", b"")
