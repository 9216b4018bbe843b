"""Writes the HTTP capture of this folder, with `python generate.py`.

Both sides are those of Python's standard library, with a page that wants a password.
"""

import base64
import http.client
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent / "modbus"), str(HERE.parent / "tls")]
from relay import Relay, put, settle  # noqa: E402 - it stands in another folder
from tape import START, Host, Tape  # noqa: E402

STATION = Host("ews-3", "8c:ec:4b:51:30:15", "10.10.30.15")
DRIVE = Host("drive-web", "00:30:de:4a:30:41", "10.10.30.41")


class Pages(BaseHTTPRequestHandler):
    """A device with a status page, and a setting behind a password."""

    protocol_version = "HTTP/1.1"
    server_version = "GoAhead-Webs/2.5"
    sys_version = ""

    def date_time_string(self, timestamp: float | None = None) -> str:  # noqa: ARG002
        """Always the same."""
        return "Mon, 05 Jan 2026 08:00:00 GMT"

    def _say(self, status: int, body: bytes = b"", *fields: tuple[str, str]) -> None:
        self.send_response(status)
        for name, value in fields:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _answer(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path.startswith("/settings") and "Authorization" not in self.headers:
            self._say(401, b"", ("WWW-Authenticate", 'Basic realm="Drive 41"'))
        elif self.path == "/firmware.bin":
            self._say(200, b"\x7fELF" + bytes(30_000))
        elif self.path == "/files":
            self.send_response(207)
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            self.wfile.write(b"c\r\n<multistatus\r\n2\r\n/>\r\n0\r\n\r\n")
        elif self.path == "/missing":
            self._say(404, b"not here")
        else:
            self._say(200, b"" if self.command == "HEAD" else b"<html>speed 1480 rpm</html>")

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = do_OPTIONS = _answer  # noqa: N815
    do_PATCH = do_TRACE = do_CONNECT = do_PROPFIND = _answer  # noqa: N815

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing."""


ASKED = (
    ("GET", "/status?unit=1", None), ("POST", "/settings", b"speed=1500"),
    ("PUT", "/recipes/7", b"<recipe/>"), ("DELETE", "/recipes/6", None),
    ("OPTIONS", "/recipes", None), ("PATCH", "/recipes/7", b"{}"), ("TRACE", "/", None),
    ("CONNECT", "other.plant.example:443", None), ("PROPFIND", "/files", None),
    ("GET", "/missing", None),
)  # fmt: skip


def main() -> None:
    """Write `peers.pcap`."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Pages)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    relay = Relay(server.server_address[1])

    def ask(*asked: tuple[str, str, bytes | None], **fields: str) -> None:
        client = http.client.HTTPConnection("127.0.0.1", relay.port)
        for method, path, body in asked:
            headers = {"Host": "drive-41.plant.example", "User-Agent": "ToolSuite/4.2", **fields}
            client.request(method, path, body, headers)
            client.getresponse().read()
        client.close()
        settle()

    ask(*ASKED)
    password = base64.b64encode(b"service:not-a-secret").decode()
    ask(("POST", "/settings", b"speed=1500"), Authorization=f"Basic {password}")
    ask(("GET", "/firmware.bin", None))
    ask(("HEAD", "/status", None))
    tape, now = Tape(), START
    for number, said in enumerate(relay.connections):
        now = put(tape, (STATION, DRIVE), (52_000 + number, 80), said, now)
    tape.write(HERE / "peers.pcap")


if __name__ == "__main__":
    main()
