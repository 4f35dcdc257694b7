"""The sample site, `deploy/demo`: static pages on a port of this machine, with the elements of tracking script and chat put into each.

It stands for a customer's site, so it knows nothing of ours but these elements, and has a Content-Security-Policy as strict as one can have
with them. Called by `onefold up`.
"""

from __future__ import annotations

import re
import threading
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

FOLDER: Final = Path("deploy/demo")
"""In a checkout."""
_PLACE: Final = b"<!-- onefold -->"
_FILE: Final = re.compile(r"/([a-z]+\.(?:html|css|js))")
_KINDS: Final = {".html": "text/html", ".css": "text/css", ".js": "text/javascript"}


@contextmanager
def sample_site(folder: Path, elements: str, *urls: str) -> Iterator[str]:
    """Its address, for as long as the block runs; pages load scripts from these `urls`, and call them.

    Files are read at each request, so that they can be edited meanwhile.
    """
    ours = " ".join(urls)
    policy = f"default-src 'self'; script-src 'self' {ours}; connect-src {ours}; frame-ancestors 'none'"

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            found = _FILE.fullmatch("/index.html" if path == "/" else path)
            file = folder / found[1] if found else None
            if file is None or not file.is_file():
                self.send_error(HTTPStatus.NOT_FOUND)
                return
            body = file.read_bytes().replace(_PLACE, elements.encode())
            self.send_response(HTTPStatus.OK)
            for name, value in (
                ("Content-Type", f"{_KINDS[file.suffix]}; charset=utf-8"),
                ("Content-Length", str(len(body))),
                ("Content-Security-Policy", policy),
                ("X-Content-Type-Options", "nosniff"),
                ("Cache-Control", "no-cache"),
            ):
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """The roles' logs are what the terminal is for."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
