"""Archives of which the bytes depend on their files alone."""

import io
from collections.abc import Iterable
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

WHEN = (1980, 1, 1, 0, 0, 0)  # the earliest date that the format knows
UNIX = 3  # the system that wrote it, wherever that was


def zipped(files: Iterable[tuple[str, bytes]]) -> bytes:
    """A ZIP of some files, in their order."""
    out = io.BytesIO()
    with ZipFile(out, "w", ZIP_DEFLATED, compresslevel=6) as archive:
        for name, content in files:
            entry = ZipInfo(name, WHEN)
            entry.create_system, entry.external_attr = UNIX, 0o600 << 16
            entry.compress_type = ZIP_DEFLATED
            archive.writestr(entry, content)
    return out.getvalue()


def settled(archive: bytes) -> bytes:
    """The same ZIP with fixed dates, as office documents are."""
    with ZipFile(io.BytesIO(archive)) as given:
        return zipped((one.filename, given.read(one)) for one in given.infolist())
