"""The one process with rights: it opens rings on interfaces and hands over their descriptors.

It is forked before anything else is done, keeps CAP_NET_RAW alone, and knows three things: receive
a request, open a ring, send the descriptor. It never reads a packet. It stays, so that an
interface that vanished can be opened again.
"""

import contextlib
import errno
import json
import os
import signal
import socket
from typing import NoReturn, Self

from otsec.errors import OtsecError, RightsError, UsageError
from otsec.packet_socket import listen_on
from otsec.processes import end_with_parent
from otsec.sensor import rights

MOST = 256 << 10  # bytes of a request: a filter has at most 32 KiB, told in hexadecimal digits
WAIT_S = 10.0  # for the kernel to make a ring


class Opener:
    """The process that opens rings, as the one that reads them sees it."""

    def __init__(self) -> None:
        here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.process = os.fork()
        if self.process == 0:
            here.close()
            _serve(there)
        there.close()
        here.settimeout(WAIT_S)
        self._pipe = here
        self._refused = here.recv(MOST).decode()  # what it says of itself, "" where all is well
        if self._refused:
            self.close()
            raise RightsError(self._refused)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *problem: object) -> None:
        self.close()

    def open(self, interface: str, program: bytes, ring_bytes: int) -> tuple[socket.socket, bool]:
        """An open ring, and whether it leaves out what is sent from here (`listen_on`).

        Raises OSError with the kernel's reason.
        """
        asked = {"interface": interface, "program": program.hex(), "ring_bytes": ring_bytes}
        self._pipe.send(json.dumps(asked).encode())
        answer, numbers, _, _ = socket.recv_fds(self._pipe, MOST, 1)
        if not answer:
            raise OSError(errno.EPIPE, "the process that opens interfaces has ended")
        told = json.loads(answer)
        if not numbers:
            raise OSError(told["errno"], told["reason"], interface)
        return socket.socket(fileno=numbers[0]), bool(told["incoming"])

    def close(self) -> None:
        """End the process."""
        self._pipe.close()  # which it sees
        with contextlib.suppress(ChildProcessError):
            os.waitpid(self.process, 0)


def _serve(pipe: socket.socket) -> NoReturn:
    """What the process does until the other one is gone."""
    code = 1
    try:
        end_with_parent(signal.SIGTERM)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)  # it ends with the one that reads
        _close_all_but(pipe.fileno())
        refused = ""
        try:
            if not rights.may_listen():
                raise RightsError(rights.NEEDED)
            rights.become(rights.NOBODY, rights.NOBODY)
            rights.keep_only(1 << rights.CAP_NET_RAW)
        except (OSError, OtsecError) as error:
            refused = str(error)
        pipe.send(refused.encode())
        while not refused and (request := pipe.recv(MOST)):
            _answer(pipe, request)
        code = 0
    except OSError:
        pass  # the other one is gone
    finally:
        os._exit(code)


def _answer(pipe: socket.socket, request: bytes) -> None:
    asked = json.loads(request)
    try:
        ring, incoming = listen_on(
            asked["interface"], bytes.fromhex(asked["program"]), asked["ring_bytes"]
        )
    except OSError as error:
        told = {"errno": error.errno or 0, "reason": error.strerror or str(error)}
        pipe.send(json.dumps(told).encode())
        return
    with ring:
        answer = json.dumps({"incoming": incoming}).encode()
        socket.send_fds(pipe, [answer], [ring.fileno()])


def _close_all_but(kept: int) -> None:
    """Nothing of the other process stays open here but the way to it and standard error."""
    os.closerange(3, kept)
    os.closerange(kept + 1, os.sysconf("SC_OPEN_MAX"))
    nowhere = os.open(os.devnull, os.O_RDWR)
    os.dup2(nowhere, 0)
    os.dup2(nowhere, 1)
    os.close(nowhere)


def refusal(error: OSError, interface: str) -> OtsecError | None:
    """Why an interface cannot be opened, where trying again does not help; else None."""
    if error.errno in {errno.EPERM, errno.EACCES}:
        return RightsError(f"{interface}: {rights.NEEDED}")
    if error.errno == errno.ENOMEM:
        return UsageError(f"{interface}: no memory for the ring; make it smaller by --buffer")
    if error.errno in {errno.EINVAL, errno.ENOPROTOOPT, errno.EPIPE}:
        return UsageError(f"{interface}: the kernel refuses the ring: {error.strerror}")
    return None
