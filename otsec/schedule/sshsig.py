"""Signatures that ``ssh-keygen -Y verify`` checks, without ssh-keygen: SSHSIG with Ed25519.

The format is that of PROTOCOL.sshsig of OpenSSH. What is signed is the SHA-512 of a file under a
namespace, so that a signature made for reports is good for nothing else.
"""

import base64
import binascii
import hashlib
import os
import re
import secrets
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from otsec.errors import InputError, RightsError, StorageError, UsageError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

NAMESPACE = "otsec-report"
KEY_TYPE = b"ssh-ed25519"
MAGIC = b"SSHSIG"
VERSION = 1
HASH = "sha512"
HASHES = {"sha256": hashlib.sha256, "sha512": hashlib.sha512}  # PROTOCOL.sshsig 2: these two
BEGIN, END = "-----BEGIN SSH SIGNATURE-----", "-----END SSH SIGNATURE-----"
WIDTH = 70  # characters a line, as ssh-keygen writes it
MOST_BYTES = 1 << 16  # of a key or signature file; a real one has some hundred


@dataclass(frozen=True, slots=True)
class Signature:
    """A signature as read from its file."""

    public: bytes  # 32 bytes
    namespace: str
    hash: str
    signature: bytes  # 64 bytes


def _string(content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + content


def _strings(content: bytes, where: str) -> list[bytes]:
    """The strings that fill the content. Raises InputError where they do not."""
    found, place = [], 0
    while place < len(content):
        head = content[place : place + 4]
        size = int.from_bytes(head, "big")
        place += 4 + size
        if len(head) < 4 or place > len(content):
            raise InputError(f"{where}: is cut short")
        found.append(content[place - size : place])
    return found


def _public_blob(public: bytes) -> bytes:
    return _string(KEY_TYPE) + _string(public)


def _public_of(blob: bytes, where: str) -> bytes:
    parts = _strings(blob, where)
    if len(parts) != 2 or parts[0] != KEY_TYPE or len(parts[1]) != 32:
        raise InputError(f"{where}: holds no Ed25519 key")
    return parts[1]


def _signed(message: bytes, namespace: str, name: str) -> bytes:
    """What the key signs (PROTOCOL.sshsig 2): the hash of the message, not the message."""
    parts = (namespace.encode(), b"", name.encode(), HASHES[name](message).digest())
    return MAGIC + b"".join(map(_string, parts))


# ---------------------------------------------------------------------------------- keys


class Key:
    """A private key of a site; the file is one that ssh-keygen reads, too."""

    def __init__(self, private: "Ed25519PrivateKey") -> None:
        self._private = private
        self.public = private.public_key().public_bytes_raw()

    def sign(self, message: bytes, namespace: str = NAMESPACE) -> str:
        """The armored signature of a message."""
        signature = self._private.sign(_signed(message, namespace, HASH))
        blob = MAGIC + struct.pack(">I", VERSION)
        for part in (
            _public_blob(self.public),
            namespace.encode(),
            b"",
            HASH.encode(),
            _string(KEY_TYPE) + _string(signature),
        ):
            blob += _string(part)
        return _armored(blob)


def _armored(blob: bytes) -> str:
    text = base64.b64encode(blob).decode("ascii")
    lines = [text[at : at + WIDTH] for at in range(0, len(text), WIDTH)]
    return "\n".join([BEGIN, *lines, END, ""])


def key(path: Path) -> tuple[Key, bool]:
    """The key in a file, made where there is none; whether it is new.

    Beside it lies what others need to check signatures, as NAME.pub. Two programs that make the
    key at the same time end with the same one.
    """
    fresh = not path.exists()
    if fresh:
        _make(path)
    made = _read(path)
    public = path.with_name(path.name + ".pub")
    if not public.exists():
        _write_new(public, f"{public_line(made.public)} {NAMESPACE}\n".encode(), 0o644)
    return made, fresh


def _make(path: Path) -> None:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import (  # noqa: PLC0415 - 60 ms
        Ed25519PrivateKey,
    )
    from cryptography.hazmat.primitives.serialization import (  # noqa: PLC0415
        Encoding,
        NoEncryption,
        PrivateFormat,
    )

    content = Ed25519PrivateKey.generate().private_bytes(
        Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()
    )
    _write_new(path, content, 0o600)


def _write_new(path: Path, content: bytes, mode: int) -> None:
    """Write a file whole or not at all; one that is there already stays."""
    part = path.with_name(f"{path.name}.{secrets.token_hex(4)}.new")
    try:
        handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with open(handle, "wb") as file:  # noqa: PTH123 - of a handle
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        _put(part, path)
    except OSError as error:
        raise StorageError(f"{path}: cannot be written: {error.strerror}") from error
    finally:
        part.unlink(missing_ok=True)


def _put(part: Path, path: Path) -> None:
    """Give a file its name unless there is one: a link, unlike a rename, never replaces."""
    try:
        os.link(part, path)
    except FileExistsError:
        return
    except OSError:  # a file system without links, as on a memory stick
        if not path.exists():
            part.rename(path)


def _read(path: Path) -> Key:
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric.ed25519 import (  # noqa: PLC0415
        Ed25519PrivateKey,
    )
    from cryptography.hazmat.primitives.serialization import (  # noqa: PLC0415
        load_ssh_private_key,
    )

    if os.name == "posix" and path.stat().st_mode & 0o077:
        raise RightsError(
            f"{path}: the key of signatures can be read by others; `chmod 600 {path}`, or make a "
            "new one if somebody did"
        )
    try:
        private = load_ssh_private_key(_content(path), None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise UsageError(f"{path}: is no SSH key without a password") from None
    if not isinstance(private, Ed25519PrivateKey):
        raise UsageError(f"{path}: is no Ed25519 key")
    return Key(private)


def _content(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(MOST_BYTES)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None


def public_line(public: bytes) -> str:
    """The key as it stands in a .pub file."""
    return f"{KEY_TYPE.decode()} {base64.b64encode(_public_blob(public)).decode()}"


def fingerprint(public: bytes) -> str:
    """The key as people compare it; what `ssh-keygen -l` shows."""
    digest = hashlib.sha256(_public_blob(public)).digest()
    return "SHA256:" + base64.b64encode(digest).decode().rstrip("=")


def trusted(path: Path) -> frozenset[bytes]:
    """The Ed25519 keys in a .pub or an allowed_signers file. Raises InputError without any."""
    found = set()
    for number, line in enumerate(_content(path).decode("utf-8", "replace").splitlines(), 1):
        if line.startswith("#"):
            continue
        if match := re.search(r"(?:^|\s)ssh-ed25519\s+([A-Za-z0-9+/=]+)", line):
            where = f"{path}:{number}"
            found.add(_public_of(_decoded(match[1], where), where))
    if not found:
        raise InputError(f"{path}: names no Ed25519 key (ssh-ed25519 ...)")
    return frozenset(found)


# ------------------------------------------------------------------------------- checking


def _decoded(text: str, where: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise InputError(f"{where}: is not base64") from None


def read(path: Path) -> Signature:
    """A signature. Raises InputError where the file holds none."""
    text = _content(path).decode("ascii", "replace").replace("\r\n", "\n")
    lines = text.split("\n")
    if lines[0] != BEGIN or lines[-2:] != [END, ""]:
        raise InputError(f"{path}: is no SSH signature")
    blob = _decoded("".join(lines[1:-2]), str(path))
    if _armored(blob) != text:  # bits that base64 leaves unused are bytes that can be changed
        raise InputError(f"{path}: is not as ssh-keygen writes it")
    head = MAGIC + struct.pack(">I", VERSION)
    parts = _strings(blob[len(head) :], str(path)) if blob.startswith(head) else []
    inner = _strings(parts[4], str(path)) if len(parts) == 5 else []
    if len(inner) != 2 or inner[0] != KEY_TYPE or len(inner[1]) != 64:
        raise InputError(f"{path}: is no SSH signature by an Ed25519 key")
    name = parts[3].decode("ascii", "replace")
    if name not in HASHES:
        raise InputError(f"{path}: hash {name!a} is none of {', '.join(HASHES)}")
    return Signature(
        _public_of(parts[0], str(path)), parts[1].decode("utf-8", "replace"), name, inner[1]
    )


def holds(signature: Signature, message: bytes, namespace: str = NAMESPACE) -> bool:
    """Whether the signature is of this message, under this namespace."""
    from cryptography.exceptions import InvalidSignature  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric.ed25519 import (  # noqa: PLC0415
        Ed25519PublicKey,
    )

    if signature.namespace != namespace:
        return False
    public = Ed25519PublicKey.from_public_bytes(signature.public)
    try:
        public.verify(signature.signature, _signed(message, namespace, signature.hash))
    except InvalidSignature:
        return False
    return True
