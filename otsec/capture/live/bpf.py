"""Filters in the language of tcpdump, compiled for the kernel."""

import ctypes
import re
import shutil
import struct
import subprocess
from ctypes.util import find_library
from typing import Any

from otsec.errors import UsageError

MOST = 4096  # instructions, the kernel's own bound (BPF_MAXINSNS)
WAIT_S = 10.0
ANY_MASK = 0xFFFF_FFFF  # PCAP_NETMASK_UNKNOWN
UNTAGGED = "not (ether[12:2] == 0x8100 or ether[12:2] == 0x88a8 or ether[12:2] == 0x9100)"
ERROR_BYTES = 256  # PCAP_ERRBUF_SIZE


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_uint), ("code", ctypes.c_void_p))


def both(expression: str) -> str:
    """The filter for packets as they are and inside a VLAN tag that is left in the packet.

    The kernel takes the outer tag off before a filter sees the packet, so a plain filter finds
    packets with one tag; those with two still have the inner one, and only what is behind it
    counts, or `not tcp` would find all of them.
    """
    return f"(({expression}) and {UNTAGGED}) or (vlan and ({expression}))"


def names_vlan(expression: str) -> bool:
    """Whether a filter speaks of tags itself, so that it must know that the kernel took them off."""
    return re.search(r"\bvlan\b", expression) is not None


def compiled(expression: str, interface: str) -> bytes:
    """The filter as instructions (struct sock_filter, 8 bytes each); empty for no filter.

    Raises UsageError with what is wrong with it, or with what is needed to compile it.
    """
    if not expression.strip():
        return b""
    library = _library()
    says_vlan = names_vlan(expression)
    if library is not None:
        return _checked(_by_library(library, expression, interface, live=says_vlan))
    if says_vlan:
        raise UsageError("-f: a filter that names `vlan` needs libpcap (Debian: libpcap0.8)")
    return _checked(_by_tcpdump(both(expression)))


def _library() -> Any:
    name = find_library("pcap")
    try:
        return ctypes.CDLL(name) if name else None
    except OSError:
        return None


def _by_library(library: Any, expression: str, interface: str, *, live: bool) -> bytes:
    """Compile with libpcap; ``live``: knowing that tags are no part of the packet any more."""
    library.pcap_open_dead.restype = library.pcap_open_live.restype = ctypes.c_void_p
    library.pcap_geterr.restype = ctypes.c_char_p
    library.pcap_geterr.argtypes = library.pcap_close.argtypes = (ctypes.c_void_p,)
    library.pcap_compile.argtypes = (
        *(ctypes.c_void_p, ctypes.POINTER(_Program), ctypes.c_char_p),
        *(ctypes.c_int, ctypes.c_uint32),
    )
    library.pcap_freecode.argtypes = (ctypes.POINTER(_Program),)
    error = ctypes.create_string_buffer(ERROR_BYTES)
    if live:
        handle = library.pcap_open_live(interface.encode(), 65535, 0, 100, error)
    else:
        handle = library.pcap_open_dead(1, 65535)
    if not handle:
        told = error.value.decode("utf-8", "replace")
        raise UsageError(
            f"-f: a filter that names `vlan` is compiled for {interface}, which fails: {told}"
        )
    program = _Program()
    try:
        text = expression if live else both(expression)
        if library.pcap_compile(handle, ctypes.byref(program), text.encode(), 1, ANY_MASK):
            told = library.pcap_geterr(handle).decode("utf-8", "replace")
            raise UsageError(f"-f: not a filter: {told}")
        code = ctypes.string_at(program.code, program.length * 8)
        library.pcap_freecode(ctypes.byref(program))
        return code
    finally:
        library.pcap_close(handle)


def _by_tcpdump(expression: str) -> bytes:
    """Compile with tcpdump, which prints the instructions."""
    tcpdump = shutil.which("tcpdump")
    if tcpdump is None:
        raise UsageError("-f: filters are compiled by libpcap (Debian: libpcap0.8) or tcpdump")
    done = subprocess.run(  # noqa: S603 - tcpdump of the user's PATH
        [tcpdump, "-ddd", "-y", "EN10MB", expression],
        capture_output=True,
        check=False,
        encoding="utf-8",
        errors="replace",
        stdin=subprocess.DEVNULL,
        timeout=WAIT_S,
    )
    if done.returncode:
        told = done.stderr.strip().rpartition("\n")[2].removeprefix("tcpdump: ")
        raise UsageError(f"-f: not a filter: {told}")
    lines = done.stdout.split("\n")[1:]
    return b"".join(struct.pack("HBBI", *map(int, line.split())) for line in lines if line)


def _checked(code: bytes) -> bytes:
    if len(code) > 8 * MOST:
        raise UsageError(f"-f: the filter is too long: {len(code) // 8:,} of {MOST:,} instructions")
    return code
