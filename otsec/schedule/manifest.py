"""The manifest of a folder of reports: what lies in it, chained to the one before, and signed.

``manifest.json`` names each file with its SHA-256, ``manifest.json.sig`` signs it. `previous` is
the hash of the manifest of the run before, of whatever schedule: a folder that was taken out or
made later is told. Files that retention took away are named by a signed ``retired.json``.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from otsec import whole
from otsec.errors import InputError
from otsec.schedule import sshsig

SCHEMA = "otsec-manifest/1"
NAME, SIGNATURE = "manifest.json", "manifest.json.sig"
RETIRED, RETIRED_SIGNATURE = "retired.json", "retired.json.sig"
OWN = frozenset({NAME, SIGNATURE, RETIRED, RETIRED_SIGNATURE})
MOST_BYTES = 16 << 20  # of a manifest
PIECE = 1 << 20


@dataclass(frozen=True, slots=True)
class Wrong:
    """What does not hold of one file."""

    folder: Path
    file: str
    what: str


@dataclass(frozen=True, slots=True)
class Checked:
    """What came of checking one folder."""

    folder: Path
    files: int
    signer: bytes  # the public key; empty: there is no readable signature
    digest: str  # of the manifest; empty: there is none
    previous: str
    chain: int  # its number in the chain, from 1; 0: it stands alone
    retired: bool
    manifest: Mapping[str, Any]
    wrong: tuple[Wrong, ...]


def digest(path: Path) -> tuple[str, int]:
    """SHA-256 and size of a file, read in pieces."""
    found, size = hashlib.sha256(), 0
    with path.open("rb") as file:
        while piece := file.read(PIECE):
            found.update(piece)
            size += len(piece)
    return found.hexdigest(), size


def written(folder: Path, about: Mapping[str, Any], key: sshsig.Key) -> str:
    """Write manifest and signature of the files that lie in the folder; gives its hash."""
    files = []
    for path in _files(folder):
        found, size = digest(path)
        files.append({"name": path.relative_to(folder).as_posix(), "sha256": found, "size": size})
    return _sign(folder, NAME, {"schema": SCHEMA, **about, "files": files}, key)


def retire(folder: Path, about: Mapping[str, Any], key: sshsig.Key) -> None:
    """Take the files away; manifest and signature stay, and a signed word that they were retired."""
    manifest, _ = digest(folder / NAME)
    _sign(folder, RETIRED, {"schema": SCHEMA, "manifest": manifest, **about}, key)
    for path in _files(folder):
        path.unlink()
    for path in sorted(folder.rglob("*"), reverse=True):
        if path.is_dir():
            path.rmdir()


def _sign(folder: Path, name: str, content: Mapping[str, Any], key: sshsig.Key) -> str:
    """Write a JSON file and its signature so that they outlast a power cut."""
    text = json.dumps(content, ensure_ascii=False, indent=1, sort_keys=True) + "\n"
    raw = text.encode("utf-8")
    for file, what in ((name, raw), (f"{name}.sig", key.sign(raw).encode("ascii"))):
        whole.write(folder / file, what)
    return hashlib.sha256(raw).hexdigest()


def _files(folder: Path) -> list[Path]:
    """All files but those of the manifest itself, by name."""
    found = (path for path in folder.rglob("*") if path.is_symlink() or not path.is_dir())
    return sorted(path for path in found if path.relative_to(folder).as_posix() not in OWN)


# ------------------------------------------------------------------------------- checking


def folders(root: Path) -> list[Path]:
    """The folder itself if it has a manifest, else all below it that have one."""
    if not root.is_dir():
        raise InputError(f"{root}: no such folder")
    if (root / NAME).exists():
        return [root]
    found = sorted(path.parent for path in root.rglob(NAME))
    if not found:
        raise InputError(f"{root}: holds no {NAME}; it was not written by a schedule")
    return [one for one in found if not one.name.startswith(".")]


def checked(folder: Path, signers: frozenset[bytes]) -> Checked:
    """Check one folder: signature, signer, and every file by its hash."""
    raw = _raw(folder / NAME)
    signer, wrong = _signer(folder, NAME, raw, signers)
    manifest = _manifest(raw)
    if manifest is None:
        wrong.append(Wrong(folder, NAME, "is no manifest of otsec"))
        return Checked(folder, 0, signer, "", "", 0, retired=False, manifest={}, wrong=tuple(wrong))
    found = hashlib.sha256(raw).hexdigest()
    retired = (folder / RETIRED).exists()
    if retired:
        wrong += _of_retirement(folder, found, signers)
    wrong += _of_files(folder, manifest["files"], retired=retired)
    return Checked(
        folder=folder,
        files=len(manifest["files"]),
        signer=signer,
        digest=found,
        previous=str(manifest.get("previous", "")),
        chain=_number(manifest.get("number")),
        retired=retired,
        manifest=manifest,
        wrong=tuple(wrong),
    )


def unlinked(found: Sequence[Checked]) -> list[Wrong]:
    """Where the chain over several folders does not hold; its first may lie elsewhere."""
    wrong = []
    chain = sorted((one for one in found if one.chain), key=lambda one: one.chain)
    for before, one in pairwise(chain):
        if one.chain == before.chain:
            wrong.append(Wrong(one.folder, NAME, f"has the number of {before.folder}: {one.chain}"))
        elif one.chain != before.chain + 1:
            wrong.append(
                Wrong(one.folder, NAME, f"is run {one.chain}; run {before.chain + 1} is missing")
            )
        elif one.previous != before.digest:
            wrong.append(Wrong(one.folder, NAME, f"does not follow {before.folder}"))
    return wrong


def _number(value: object) -> int:
    return value if isinstance(value, int) and value > 0 else 0


def _raw(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            raw = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None
    if len(raw) > MOST_BYTES:
        raise InputError(f"{path}: larger than {MOST_BYTES} bytes; is this a manifest?")
    return raw


def _signer(
    folder: Path, name: str, raw: bytes, signers: frozenset[bytes]
) -> tuple[bytes, list[Wrong]]:
    """Who signed a file, and what is wrong with that."""
    try:
        signature = sshsig.read(folder / f"{name}.sig")
    except InputError as error:
        return b"", [Wrong(folder, f"{name}.sig", str(error).rpartition(": ")[2])]
    if not sshsig.holds(signature, raw):
        return signature.public, [Wrong(folder, name, "was changed: the signature does not hold")]
    if signature.public not in signers:
        who = sshsig.fingerprint(signature.public)
        return signature.public, [Wrong(folder, name, f"is signed by {who}, who is not trusted")]
    return signature.public, []


def _manifest(raw: bytes) -> dict[str, Any] | None:
    try:
        found = json.loads(raw)
    except (ValueError, RecursionError):
        return None
    right = isinstance(found, dict) and found.get("schema") == SCHEMA
    if not right or not isinstance(files := found.get("files"), list):
        return None
    shaped = all(
        isinstance(one, dict) and isinstance(one.get("name"), str) and _inside(one["name"])
        for one in files
    )
    return found if shaped else None


def _inside(name: str) -> bool:
    """Whether the name stays within the folder: a manifest may come from anybody."""
    parts = name.split("/")
    return bool(name) and not {"", ".", ".."} & set(parts) and "\\" not in name and "\0" not in name


def _of_retirement(folder: Path, manifest: str, signers: frozenset[bytes]) -> list[Wrong]:
    raw = _raw(folder / RETIRED)
    _, wrong = _signer(folder, RETIRED, raw, signers)
    try:
        named = json.loads(raw).get("manifest")
    except (ValueError, AttributeError, RecursionError):
        named = None
    if named != manifest:
        wrong.append(Wrong(folder, RETIRED, "is of another manifest"))
    return wrong


def _of_files(folder: Path, files: Sequence[dict[str, Any]], *, retired: bool) -> list[Wrong]:
    wrong = []
    there = {path.relative_to(folder).as_posix(): path for path in _files(folder)}
    for one in files:
        path = there.pop(one["name"], None)
        if path is None:
            if not retired:
                wrong.append(Wrong(folder, one["name"], "is missing"))
        elif path.is_symlink() or not path.is_file():
            wrong.append(Wrong(folder, one["name"], "is no plain file"))
        elif (found := digest(path)) != (one.get("sha256"), one.get("size")):
            size = "" if found[1] == one.get("size") else f", {found[1]} bytes"
            wrong.append(Wrong(folder, one["name"], f"was changed (SHA-256 {found[0][:16]}{size})"))
    wrong += [Wrong(folder, name, "is not in the manifest") for name in there]
    return wrong
