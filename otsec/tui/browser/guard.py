"""Who may come in: whoever has the link, from a page of ours, under a name of ours.

A server on loopback is reached by every program of the machine and by every page that a browser on
it shows. So three things are asked of each request, and each is needed:

- The name it was sent to (Host) is this machine's: else a name of somebody's own, turned to
  127.0.0.1 after the page was loaded, would make a foreign page one of ours (DNS rebinding).
- The page it comes from (Origin) is ours: browsers let any page open a WebSocket anywhere.
- The cookie is one that was given for the link. The link works once: what a shell's or a browser's
  history keeps of it, or somebody saw over a shoulder, opens nothing.
"""

from collections.abc import Callable
from hmac import compare_digest
from secrets import token_urlsafe

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler, Middleware

SECRET_BYTES = 32
NAMES = ("127.0.0.1", "localhost")
TOKEN = "token"  # noqa: S105 - its name in the link
# xterm writes its colours and sizes into <style>; nothing else may come from anywhere but here.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; font-src 'self'; "
    "img-src 'self' data:; connect-src 'self' {sockets}; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
HEADERS = {
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Referrer-Policy": "no-referrer",
    "Server": "otsec",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
STRANGE_NAME = "otsec answers only to the names of this machine: open the link that it printed.\n"
STRANGE_PAGE = "otsec answers only to its own page.\n"
NO_LINK = (
    "otsec: open the link that `otsec serve` printed last; each works once.\n"
    "It prints another one when one was used.\n"
)


class Guard:
    """Lets in whoever has the link."""

    def __init__(self, port: int, tell: Callable[[str], None]) -> None:
        """``tell``: is given each new link."""
        self._hosts = frozenset(f"{name}:{port}" for name in NAMES)
        self._sockets = " ".join(f"ws://{host}" for host in sorted(self._hosts))
        self._cookie = f"otsec-{port}"  # browsers do not tell ports apart
        self._base, self._tell = f"http://{NAMES[0]}:{port}/", tell
        self._token = token_urlsafe(SECRET_BYTES)  # known to nobody until a link is told
        self._seats: set[str] = set()

    def renew(self) -> None:
        """Make and tell a link that was not used yet."""
        self._token = token_urlsafe(SECRET_BYTES)
        self._tell(f"{self._base}?{TOKEN}={self._token}")

    def middleware(self) -> Middleware:
        """What stands before every handler."""

        @web.middleware
        async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
            return self._refused(request) or self._admitted(request) or await handler(request)

        return check

    def _refused(self, request: web.Request) -> web.Response | None:
        """A refusal where the request was sent to another name, or by another page."""
        if request.headers.getall(hdrs.HOST, []) not in [[host] for host in self._hosts]:
            return _no(STRANGE_NAME)
        told = request.headers.getall(hdrs.ORIGIN, [])
        socket = hdrs.UPGRADE in request.headers
        if (told or socket) and told != [f"http://{request.headers[hdrs.HOST]}"]:
            return _no(STRANGE_PAGE)
        return None

    def _admitted(self, request: web.Request) -> web.Response | None:
        """A seat for the link, a refusal without either; None: it has a seat."""
        told = request.query.get(TOKEN, "")
        if request.path == "/" and told and compare_digest(told.encode(), self._token.encode()):
            seat = token_urlsafe(SECRET_BYTES)
            self._seats.add(seat)
            self.renew()
            # The answer leads away from the link, so that it stays in no history.
            response = web.Response(status=303, headers={hdrs.LOCATION: "/"})
            response.set_cookie(self._cookie, seat, httponly=True, samesite="Strict", path="/")
            return response
        seat = request.cookies.get(self._cookie, "")
        known = any(compare_digest(seat.encode(), one.encode()) for one in self._seats)
        return None if known else _no(NO_LINK)

    async def sign(self, _: web.Request, response: web.StreamResponse) -> None:
        """What every answer tells the browser not to do."""
        response.headers.update(HEADERS)
        response.headers["Content-Security-Policy"] = POLICY.format(sockets=self._sockets)


def _no(text: str) -> web.Response:
    return web.Response(status=403, text=text)
