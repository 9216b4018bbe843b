"""Opening the kernel's ring of received packets: little enough for a process of its own.

Source: Linux, Documentation/networking/packet_mmap.rst and include/uapi/linux/if_packet.h
(TPACKET_V3). The kernel fills blocks of memory that the reader sees too; a block is handed over
when it is full or RETIRE_MS old. Nothing heavy is imported here, nothing of otsec.
"""

import socket
import struct

SOL_PACKET = 263
PACKET_ADD_MEMBERSHIP, PACKET_RX_RING, PACKET_STATISTICS, PACKET_VERSION = 1, 5, 6, 10
PACKET_IGNORE_OUTGOING = 23  # Linux 4.20
PACKET_MR_PROMISC = 1
TPACKET_V3 = 2
ETH_P_ALL = 3

BLOCK_BYTES = 256 << 10  # so many of them that slow traffic, a block each RETIRE_MS, lasts a minute
RING_BYTES = 128 << 20  # seconds of a busy link: a checkpoint takes less
RETIRE_MS = 250
FRAME_BYTES = 2048  # only divides blocks on paper: packets lie behind one another


def listen_on(
    interface: str, program: bytes, ring_bytes: int = RING_BYTES
) -> tuple[socket.socket, bool]:
    """An open ring on an interface, and whether the kernel leaves out what is sent from here.

    ``program`` is a filter (`bpf.compiled`), empty for none. Needs CAP_NET_RAW. Nothing is
    received before all is set, and nothing is ever sent. Raises OSError.
    """
    ring = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)  # protocol 0: deaf until bound
    try:
        ring.setsockopt(SOL_PACKET, PACKET_VERSION, TPACKET_V3)
        blocks = max(ring_bytes // BLOCK_BYTES, 2)
        frames = blocks * BLOCK_BYTES // FRAME_BYTES
        shape = struct.pack("7I", BLOCK_BYTES, blocks, FRAME_BYTES, frames, RETIRE_MS, 0, 0)
        ring.setsockopt(SOL_PACKET, PACKET_RX_RING, shape)
        incoming = True
        try:
            ring.setsockopt(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)
        except OSError:  # an older kernel: `Ring` leaves it out
            incoming = False
        if program:
            attach(ring, program)
        number = socket.if_nametoindex(interface)
        member = struct.pack("iHH8s", number, PACKET_MR_PROMISC, 0, b"")
        ring.setsockopt(SOL_PACKET, PACKET_ADD_MEMBERSHIP, member)
        ring.bind((interface, ETH_P_ALL))
    except BaseException:
        ring.close()
        raise
    return ring, incoming


SO_ATTACH_FILTER = 26
NOTHING = struct.pack("HBBI", 6, 0, 0, 0)  # a program of one instruction: return 0 bytes


def attach(ring: socket.socket, program: bytes) -> None:
    """Let the kernel run a filter over what comes (struct sock_fprog)."""
    import ctypes  # noqa: PLC0415 - half of the start-up of what only reads files

    code = ctypes.create_string_buffer(program, len(program))
    pointer = struct.pack("HP", len(program) // 8, ctypes.addressof(code))
    ring.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, pointer)
