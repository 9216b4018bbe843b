"""Signatures and manifests: our own check and OpenSSH's agree, on good folders and changed ones."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from otsec.errors import InputError, RightsError
from otsec.schedule import manifest, sshsig

needs_openssh = pytest.mark.skipif(not shutil.which("ssh-keygen"), reason="needs ssh-keygen")


@pytest.fixture
def key(tmp_path: Path) -> sshsig.Key:
    """A new key in a file."""
    return sshsig.key(tmp_path / "site.key")[0]


@pytest.fixture
def folder(tmp_path: Path, key: sshsig.Key) -> Path:
    """A signed folder of two files."""
    made = tmp_path / "run"
    (made / "tables").mkdir(parents=True)
    (made / "report.json").write_text('{"schema": "otsec-report/1"}\n')
    (made / "tables" / "assets.csv").write_text("address\n10.0.0.1\n")
    manifest.written(made, {"number": 1, "previous": ""}, key)
    return made


def openssh(folder: Path, signers: Path) -> bool:
    """Whether ``ssh-keygen -Y verify`` says that the manifest is as it was signed."""
    words = ["ssh-keygen", "-Y", "verify", "-f", str(signers), "-I", "otsec", "-n", "otsec-report"]
    with (folder / "manifest.json").open("rb") as signed:
        done = subprocess.run(
            [*words, "-s", str(folder / "manifest.json.sig")],
            stdin=signed,
            capture_output=True,
            check=False,
        )
    return done.returncode == 0


def signers(tmp_path: Path, key: sshsig.Key) -> Path:
    """A file of allowed signers."""
    path = tmp_path / "signers"
    path.write_text(f'otsec namespaces="otsec-report" {sshsig.public_line(key.public)}\n')
    return path


def wrong(folder: Path, key: sshsig.Key) -> list[str]:
    """The files of which something does not hold."""
    return [one.file for one in manifest.checked(folder, frozenset({key.public})).wrong]


@needs_openssh
def test_openssh_and_otsec_accept_what_was_signed(
    folder: Path, key: sshsig.Key, tmp_path: Path
) -> None:
    """A folder as it was written passes both checks, and the fingerprint is OpenSSH's."""
    assert wrong(folder, key) == []
    assert openssh(folder, signers(tmp_path, key))
    told = subprocess.run(
        ["ssh-keygen", "-l", "-f", str(tmp_path / "site.key.pub")],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert told.split()[1] == sshsig.fingerprint(key.public)


@needs_openssh
@pytest.mark.parametrize("name", ["manifest.json", "manifest.json.sig"])
@pytest.mark.parametrize("place", [0.3, 0.6, 0.9])
def test_a_changed_byte_fails_both_checks(
    folder: Path, key: sshsig.Key, tmp_path: Path, name: str, place: float
) -> None:
    """One byte of the manifest or of its signature changed: neither otsec nor OpenSSH accepts it."""
    path = folder / name
    raw = bytearray(path.read_bytes())
    at = next(n for n in range(int(len(raw) * place), len(raw)) if chr(raw[n]).isalnum())
    raw[at] = ord("a") if raw[at] != ord("a") else ord("b")
    path.write_bytes(raw)

    assert wrong(folder, key)
    assert not openssh(folder, signers(tmp_path, key))


@needs_openssh
def test_signatures_of_openssh_are_read(folder: Path, key: sshsig.Key, tmp_path: Path) -> None:
    """Our key file works with ``ssh-keygen -Y sign``, and what that signs is accepted here."""
    (folder / "manifest.json.sig").unlink()
    words = ["ssh-keygen", "-Y", "sign", "-q", "-f", str(tmp_path / "site.key")]
    words += ["-n", "otsec-report", str(folder / "manifest.json")]
    subprocess.run(words, check=True, capture_output=True)

    assert wrong(folder, key) == []


def test_a_changed_missing_or_added_file_is_named(folder: Path, key: sshsig.Key) -> None:
    """Each file is compared with the manifest: a byte changed, a file gone, one that was added."""
    (folder / "report.json").write_text('{"schema": "otsec-report/2"}\n')
    (folder / "tables" / "assets.csv").unlink()
    (folder / "note.txt").write_text("x")

    assert wrong(folder, key) == ["report.json", "tables/assets.csv", "note.txt"]


def test_a_link_out_of_the_folder_is_not_followed(
    folder: Path, key: sshsig.Key, tmp_path: Path
) -> None:
    """A link to the same content elsewhere is told; no manifest names a file outside."""
    (tmp_path / "elsewhere").write_bytes((folder / "report.json").read_bytes())
    (folder / "report.json").unlink()
    (folder / "report.json").symlink_to(tmp_path / "elsewhere")
    assert wrong(folder, key) == ["report.json"]

    listed = {"schema": manifest.SCHEMA, "files": [{"name": "../elsewhere"}]}
    (folder / "manifest.json").write_text(json.dumps(listed))
    assert [one.what for one in manifest.checked(folder, frozenset()).wrong][1:] == [
        "is no manifest of otsec"
    ]


def test_another_signer_is_not_trusted(folder: Path, tmp_path: Path) -> None:
    """A folder signed by a key that nobody named fails, with that key's fingerprint."""
    other = sshsig.key(tmp_path / "other.key")[0]

    (told,) = manifest.checked(folder, frozenset({other.public})).wrong

    assert "SHA256:" in told.what
    assert "not trusted" in told.what


def test_a_signature_for_something_else_is_refused(key: sshsig.Key, tmp_path: Path) -> None:
    """The namespace is part of what is signed: a signature of a file is none of a report."""
    path = tmp_path / "a.sig"
    path.write_text(key.sign(b"text", "file"))

    assert sshsig.holds(sshsig.read(path), b"text", "file")
    assert not sshsig.holds(sshsig.read(path), b"text")


def test_a_run_that_was_taken_out_is_told(tmp_path: Path, key: sshsig.Key) -> None:
    """Of runs 1, 2, 3 the second is taken away, or made anew: the third names the place."""
    before = ""
    for number in (1, 2, 3):
        folder = tmp_path / "reports" / str(number)
        folder.mkdir(parents=True)
        (folder / "a.json").write_text(str(number))
        before = manifest.written(folder, {"number": number, "previous": before}, key)

    def told() -> list[str]:
        trusted = frozenset({key.public})
        found = [manifest.checked(one, trusted) for one in manifest.folders(tmp_path / "reports")]
        assert [one.wrong for one in found] == [()] * len(found)
        return [one.what for one in manifest.unlinked(found)]

    assert told() == []
    manifest.written(tmp_path / "reports" / "2", {"number": 2, "previous": "0" * 64}, key)
    assert [text.split()[:3] for text in told()] == [["does", "not", "follow"]] * 2
    shutil.rmtree(tmp_path / "reports" / "2")
    assert told() == ["is run 3; run 2 is missing"]


def test_retired_files_leave_a_signed_word(folder: Path, key: sshsig.Key) -> None:
    """Retention takes the files and keeps the manifest; without the signed word they are missing."""
    manifest.retire(folder, {"time": "2026-11-01T06:00:00Z"}, key)
    found = manifest.checked(folder, frozenset({key.public}))
    assert (found.retired, found.wrong) == (True, ())
    assert sorted(path.name for path in folder.iterdir()) == sorted(manifest.OWN)

    (folder / "retired.json").write_text("{}")
    assert "retired.json" in wrong(folder, key)
    (folder / "retired.json").unlink()
    assert "report.json" in wrong(folder, key)


def test_the_key_is_made_once_and_for_its_owner_only(tmp_path: Path) -> None:
    """The first use makes a key with mode 0600, the next reads it; one that others read is refused."""
    first, fresh = sshsig.key(tmp_path / "k")
    second, again = sshsig.key(tmp_path / "k")
    assert (fresh, again, first.public) == (True, False, second.public)
    assert (tmp_path / "k").stat().st_mode & 0o777 == 0o600
    assert sshsig.trusted(tmp_path / "k.pub") == {first.public}

    (tmp_path / "k").chmod(0o644)
    with pytest.raises(RightsError):
        sshsig.key(tmp_path / "k")


@pytest.mark.parametrize("cut", range(0, 330, 7))
def test_a_signature_cut_anywhere_is_one_line(key: sshsig.Key, tmp_path: Path, cut: int) -> None:
    """Whatever is left of a signature file, or stands twice, is told in one line."""
    path = tmp_path / "a.sig"
    text = key.sign(b"text")
    path.write_text(text[:cut] + text[-len(sshsig.END) - 1 :])

    with pytest.raises(InputError, match=r"^[^\n]+$"):
        sshsig.read(path)
