"""Talk with the service manager over its local socket (sd_notify(3)); nothing without one."""

import os
import socket
import time
from contextlib import suppress


class Manager:
    """The service manager that started this process, if one did."""

    def __init__(self) -> None:
        self.address = os.environ.get("NOTIFY_SOCKET", "")
        every = os.environ.get("WATCHDOG_USEC", "0")
        self.every_s = int(every) / 2e6 if every.isdecimal() else 0.0  # twice as often as asked
        self._due = 0.0

    def tell(self, text: str) -> None:
        """``READY=1``, ``STATUS=...``, ``STOPPING=1``, ``RELOADING=1``."""
        if not self.address.startswith(("/", "@")):
            return
        address = "\0" + self.address[1:] if self.address[0] == "@" else self.address
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as way:
            way.sendto(text.encode(), address)

    def alive(self) -> None:
        """Feed the watchdog, where there is one."""
        now = time.monotonic()
        if self.every_s and now >= self._due:
            self._due = now + self.every_s
            self.tell("WATCHDOG=1")
