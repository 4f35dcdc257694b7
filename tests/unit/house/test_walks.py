"""Every call that the walk through the User API shows is one of a route, by its method, and its body is JSON that the route takes."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import NamedTuple

import pytest
from pydantic import TypeAdapter
from starlette.routing import compile_path

from onefold.http.user_api.app import routes

PAGES = [Path(__file__).parents[3] / "docs/how-to" / name for name in ("user-api.md", "webhooks.md")]
PREFIX = "/api/v1"
SOME_ID = "6b1f0c1e-7c1e-5d7e-9d54-0f6f4c2f9f10"


class Call(NamedTuple):
    """What a line of curl does."""

    method: str
    path: str
    body: object


def shown() -> list[Call]:
    text = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
    blocks = "\n".join(re.findall(r"```sh\n(.*?)```", text, re.DOTALL))
    return [_call(each) for each in re.findall(r"^api (.*?)(?=^api |\Z|^\S)", blocks, re.DOTALL | re.MULTILINE)]


def _call(line: str) -> Call:
    words = shlex.split(re.sub(r"'\$\w+'", SOME_ID, line).replace("\n", " "))
    url = next(each for each in words if each.startswith("$API"))
    body = json.loads(words[words.index("-d") + 1]) if "-d" in words else None
    method = words[words.index("-X") + 1] if "-X" in words else "POST" if body is not None else "GET"
    return Call(method, re.sub(r"\$[A-Z]+", SOME_ID, url.removeprefix("$API").partition("?")[0]), body)


@pytest.mark.parametrize("call", shown(), ids=lambda call: f"{call.method} {call.path}")
def test_every_call_of_the_walk_is_one_of_a_route(call: Call) -> None:
    """Docs are run: method, path, and a body that is valid there."""
    matching = [route for method, path, route in routes() if method == call.method and compile_path(path)[0].match(f"{PREFIX}{call.path}")]
    assert matching, f"no route takes {call.method} {call.path}"
    field = matching[0].body_field
    if call.body is not None:
        assert field is not None
        TypeAdapter[object](field.field_info.annotation or object).validate_python(call.body)


def test_the_page_shows_calls() -> None:
    assert len(shown()) > 25
