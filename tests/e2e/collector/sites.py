"""A small web site for a browser, as customers have one: pages with a strict Content-Security-Policy, under any name of `.example`."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


class Page(NamedTuple):
    """What a path answers."""

    body: str
    kind: str = "text/html"
    policy: str | None = None


class Site(NamedTuple):
    """A site that runs; pages may be added to it."""

    port: int
    pages: dict[str, Page]

    def url(self, path: str, host: str = "shop.example") -> str:
        """A page's address under a name of the site."""
        return f"http://{host}:{self.port}{path}"


@contextmanager
def serving(pages: Mapping[str, Page]) -> Iterator[Site]:
    """The site, for as long as the block runs."""
    site: dict[str, Page] = dict(pages)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            page = site.get(self.path.partition("?")[0])
            body = page.body.encode() if page else b""
            self.send_response(200 if page else 404)
            self.send_header("Content-Type", f"{page.kind if page else 'text/plain'}; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            if page and page.policy:
                self.send_header("Content-Security-Policy", page.policy)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield Site(server.server_address[1], site)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
