"""The chat as the Contact API serves it: `assets/onefold-chat.js`, and those of earlier releases beside it as `onefold-chat-VERSION.js`.

It needs no key: everybody gets the same file. Read by `app`, `onefold script --chat` and the demo's site.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from html import escape
from importlib.resources import files
from typing import TYPE_CHECKING, Final

from fastapi import Request  # noqa: TC002 -- FastAPI reads it of the function
from starlette.exceptions import HTTPException
from starlette.responses import Response

from onefold.http.scripts import scripts_in

if TYPE_CHECKING:
    from onefold.http.scripts import Script

NAME: Final = "onefold-chat"
PLAIN_PATH: Final = "/onefold-chat.js"
HASHED_PATH: Final = "/onefold-chat-{digest}.js"


@cache
def scripts() -> dict[str, Script]:
    """Those of this package, by their addresses."""
    return scripts_in(files("onefold.http.contact_api") / "assets", NAME)


def newest() -> Script:
    """The chat of this release."""
    return scripts()[PLAIN_PATH]


async def serve(request: Request) -> Response:
    """The file at this address. Raises HTTPException where there is none."""
    script = scripts().get(request.url.path)
    if script is None:
        raise HTTPException(404)
    served = script.answer(request.url.path, dict(request.scope["headers"]))
    return Response(served.body, served.status, {name.decode(): value.decode() for name, value in served.headers})


@dataclass(frozen=True, slots=True)
class ChatSnippet:
    """What a site puts into its pages, for one Contact API and one public write key."""

    script: Script
    contact_api_url: str
    write_key: str

    @property
    def url(self) -> str:
        """Where this very file is, for good."""
        return self.contact_api_url + self.script.path

    @property
    def element(self) -> str:
        """One element, no inline code."""
        src = f'{escape(self.url)}" integrity="{self.script.integrity}" crossorigin="anonymous'
        return f'<script src="{src}" data-api-key="{escape(self.write_key)}" defer></script>'

    @property
    def policy(self) -> str:
        """What a Content-Security-Policy must let a page do, beside what it does already."""
        return f"script-src {self.contact_api_url}; connect-src {self.contact_api_url}"
