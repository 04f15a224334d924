"""A page on this machine, for nobody else: 127.0.0.1, a token in the address, the Host header checked."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from splinegeo import InvalidInputError

from .answers import Source, answer, parse
from .module import page
from .wire import pack

_START = 'start(document.getElementById("explorer"), serverHost("ask"), {}).then((it) => (window.splinegeo = it));'
_LARGEST_QUESTION = 2**16


class ExplorerServer(ThreadingHTTPServer):
    """Serves one page and the answers to its questions; everything else is refused.

    The standard library's server is enough: a page has one question under way at a time, so the newest view is always
    the next to be computed. Questions carry everything that they depend on, so any number of windows can be open.

    Parameters
    ----------
    source : what is looked at
    title : of the page
    port : 0 for any that is free

    Attributes
    ----------
    address : str
        Of the page, with its token. Who does not know the token gets nothing; nor does a page of another site that
        makes a name of its own point to this machine, because the Host header must be that of the address.
    """

    daemon_threads = True

    def __init__(self, source: Source, title: str, port: int = 0) -> None:
        self.source, self.token = source, secrets.token_urlsafe(24)
        self.page = page(title, _START, connect="'self'").encode()
        try:
            super().__init__(("127.0.0.1", port), _Handler)
        except (OSError, OverflowError) as error:
            raise InvalidInputError(f"cannot listen on port {port} of 127.0.0.1: {error}") from error
        self.hosts = {f"127.0.0.1:{self.server_port}", f"localhost:{self.server_port}"}
        self.address = f"http://127.0.0.1:{self.server_port}/{self.token}/"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A window that was closed while it was answered is no error."""


class _Handler(BaseHTTPRequestHandler):
    server: ExplorerServer
    timeout = 60  # seconds that a question may take to arrive

    def do_GET(self) -> None:
        self._reply("", "text/html; charset=utf-8", lambda: self.server.page)

    def do_POST(self) -> None:
        self._reply("ask", "application/octet-stream", self._answer)

    def _answer(self) -> bytes:
        try:
            size = int(self.headers.get("Content-Length", ""))
        except ValueError:
            size = -1
        if not 0 <= size <= _LARGEST_QUESTION:
            return pack(({"refused": f"a question has at most {_LARGEST_QUESTION:,} bytes, and says how many"}, {}))
        try:
            asked = parse(self.rfile.read(size))
        except InvalidInputError as error:
            return pack(({"refused": str(error)}, {}))
        return answer(self.server.source, asked)

    def _reply(self, name: str, kind: str, content: Callable[[], bytes]) -> None:
        status = self._permission(name)
        body = content() if status == HTTPStatus.OK else status.phrase.encode()
        self.send_response(status)
        self.send_header("Content-Type", kind if status == HTTPStatus.OK else "text/plain")
        self.send_header("Content-Length", str(len(body)))
        for header, value in _HEADERS.items():
            self.send_header(header, value)
        self.end_headers()
        self.wfile.write(body)

    def _permission(self, name: str) -> HTTPStatus:
        if self.headers.get("Host") not in self.server.hosts:
            return HTTPStatus.FORBIDDEN
        origin = self.headers.get("Origin")
        if origin is not None and origin.removeprefix("http://") not in self.server.hosts:
            return HTTPStatus.FORBIDDEN
        wanted = f"/{self.server.token}/{name}"
        return HTTPStatus.OK if secrets.compare_digest(self.path.encode(), wanted.encode()) else HTTPStatus.NOT_FOUND

    def log_message(self, format: str, *arguments: Any) -> None:
        """Quiet: the address holds the token."""


_HEADERS = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Resource-Policy": "same-origin",
}
