"""What a site puts into its pages to be tracked: one element without inline code, or a stub for calls made before the script is there.

Pure. `onefold script` prints it; the demo's site is made with it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from onefold.http.scripts import Script

METHODS: Final = ("load", "page", "screen", "track", "identify", "group", "alias", "reset", "ready", "setAnonymousId", "consent")
"""Calls that may be made before the script is there; it makes them up for it."""


@dataclass(frozen=True, slots=True)
class Snippets:
    """The snippets for one collector and one public write key."""

    script: Script
    collector_url: str
    write_key: str

    @property
    def url(self) -> str:
        """Where this very script is, for good."""
        return self.collector_url + self.script.path

    @property
    def element(self) -> str:
        """One element, no inline code; counts the page by itself."""
        return f'<script src="{self._src}" data-write-key="{escape(self.write_key)}" defer></script>'

    @property
    def inline(self) -> str:
        """With a stub, so that calls may stand anywhere in the page. Needs a nonce or a hash under a Content-Security-Policy."""
        stub = (
            "(function(o){"
            f"{json.dumps(' '.join(METHODS))}.split(' ').forEach(function(m){{"
            "o[m]=o[m]||function(){o.push([m].concat([].slice.call(arguments)))}})"
            "})(window.onefold=window.onefold||[]);"
        )
        given = json.dumps({"host": self.collector_url})
        calls = f"onefold.load({json.dumps(self.write_key)}, {given});\nonefold.page();"
        return f'<script>\n{stub}\n{calls}\n</script>\n<script src="{self._src}" async></script>'

    @property
    def policy(self) -> str:
        """What a Content-Security-Policy must let a page do, beside what it does already."""
        return f"script-src {self.collector_url}; connect-src {self.collector_url}"

    @property
    def _src(self) -> str:
        return f'{escape(self.url)}" integrity="{self.script.integrity}" crossorigin="anonymous'
