"""The tracking script as the collector serves it: `assets/onefold.js`, and those of earlier releases beside it as `onefold-VERSION.js`.

Read by `app`, `onefold script` and the demo's site.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Final

from onefold.http.scripts import scripts_in

if TYPE_CHECKING:
    from onefold.http.scripts import Script

NAME: Final = "onefold"
PLAIN_PATH: Final = "/onefold.js"


@cache
def scripts() -> dict[str, Script]:
    """Those of this package, by their addresses."""
    return scripts_in(files("onefold.http.collector") / "assets", NAME)


def newest() -> Script:
    """The script of this release."""
    return scripts()[PLAIN_PATH]
