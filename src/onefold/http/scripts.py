"""Scripts for the pages of sites, as our doors serve them: byte for byte, at an address that never changes and at a plain one.

The address with the hash in it is cached for good, and pages name it with its integrity (S72); the plain one serves the newest for five
minutes at a time. Scripts of earlier releases lie beside the newest, under any other name, since pages go on naming them. Read by the
collector for the tracking script, and by the Contact API for the chat.
"""

from __future__ import annotations

import gzip
from base64 import b64encode
from dataclasses import dataclass
from hashlib import sha384
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping
    from importlib.resources.abc import Traversable

_FOR_GOOD: Final = b"public, max-age=31536000, immutable"
_FOR_A_WHILE: Final = b"public, max-age=300"
_HASH_DIGITS: Final = 16


class Served(NamedTuple):
    """An answer to a request for a script."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes


@dataclass(frozen=True, slots=True)
class Script:
    """One release of a script, ready to be served."""

    content: bytes
    zipped: bytes
    path: str
    """Its own address on the door that serves it."""
    integrity: str
    """For the attribute of that name."""

    def answer(self, path: str, headers: Mapping[bytes, bytes]) -> Served:
        """To a request for it, at this address: whole, zipped, or 304."""
        zips = _takes_gzip(headers.get(b"accept-encoding", b""))
        tag = b'"%s%s"' % (self.integrity[-_HASH_DIGITS:].encode(), b"-gzip" if zips else b"")
        common = [
            (b"cache-control", _FOR_GOOD if path == self.path else _FOR_A_WHILE),
            (b"etag", tag),
            (b"vary", b"accept-encoding"),
            (b"access-control-allow-origin", b"*"),
            (b"cross-origin-resource-policy", b"cross-origin"),
            (b"x-content-type-options", b"nosniff"),
        ]
        if _matches(headers.get(b"if-none-match", b""), tag):
            return Served(304, common, b"")
        body = self.zipped if zips else self.content
        common += [(b"content-type", b"text/javascript; charset=utf-8"), (b"content-length", b"%d" % len(body))]
        return Served(200, common + ([(b"content-encoding", b"gzip")] if zips else []), body)


def scripts_in(folder: Traversable, name: str) -> dict[str, Script]:
    """Every script of the folder by its address; the newest, `NAME.js`, at the plain one, too."""
    found: dict[str, Script] = {}
    for file in folder.iterdir():
        if file.name.endswith(".js"):
            script = _made(file.read_bytes(), name)
            found[script.path] = script
            if file.name == f"{name}.js":
                found[f"/{name}.js"] = script
    return found


def _made(content: bytes, name: str) -> Script:
    digest = sha384(content)
    path = f"/{name}-{digest.hexdigest()[:_HASH_DIGITS]}.js"
    return Script(content, gzip.compress(content, 9, mtime=0), path, f"sha384-{b64encode(digest.digest()).decode()}")


def _takes_gzip(accepted: bytes) -> bool:
    """Whether the caller takes gzip; one that forbids it by `q=0` does not."""
    for each in accepted.lower().split(b","):
        coding, _, quality = each.partition(b";")
        if coding.strip() in {b"gzip", b"*"}:
            return quality.replace(b" ", b"").rstrip(b"0.") != b"q="
    return False


def _matches(tags: bytes, tag: bytes) -> bool:
    return any(each.strip().removeprefix(b"W/") in {tag, b"*"} for each in tags.split(b","))
