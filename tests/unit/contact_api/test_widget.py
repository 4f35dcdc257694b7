"""The chat as it is served: small, cacheable, checkable, without a key; and the element that pages hold."""

from __future__ import annotations

import gzip
import re
from pathlib import Path
from typing import TYPE_CHECKING, cast

import httpx
import pytest

from onefold.http.contact_api.app import make_app
from onefold.http.contact_api.widget import PLAIN_PATH, ChatSnippet, newest

if TYPE_CHECKING:
    from onefold.http.contact_api.door import Parts

SOURCE = Path(__file__).parents[3] / "src/onefold/http/contact_api/assets/onefold-chat.js"
MOST_ZIPPED_BYTES = 12_000
KEY = "of_pub_" + "x" * 43


def test_the_file_is_small_and_holds_nothing_that_a_policy_forbids() -> None:
    """Issue 7, item 4: at most 25 kB gzipped; the page says 12. No text becomes HTML or code."""
    text = SOURCE.read_text(encoding="utf-8")
    assert len(gzip.compress(text.encode(), 9)) <= MOST_ZIPPED_BYTES
    assert newest().content == text.encode()
    assert not re.search(r"innerHTML|outerHTML|insertAdjacent|document\.write|\beval\b|new Function|\.style\b|https?://", text)


def test_every_language_has_every_word() -> None:
    block = SOURCE.read_text(encoding="utf-8").partition("const WORDS = {")[2].partition("\n  };")[0]
    names = [re.findall(r"(\w+): \"", each) for each in re.split(r"\n    \w\w: \{", block)[1:]]
    assert len(names) == 3
    assert names[0] == names[1] == names[2]


@pytest.mark.asyncio
async def test_it_is_served_to_everybody_for_good_or_for_minutes() -> None:
    """S72: versioned and hashed. No key, no cookie, and nothing at other addresses."""
    app = make_app(cast("Parts", None))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="https://contact.test") as client:
        for path, caching in ((newest().path, "public, max-age=31536000, immutable"), (PLAIN_PATH, "public, max-age=300")):
            answer = await client.get(path, headers={"origin": "https://shop.example.com"})
            assert answer.content == newest().content
            assert answer.headers["content-encoding"] == "gzip"
            assert answer.headers["cache-control"] == caching
            assert answer.headers["access-control-allow-origin"] == "*"
            assert answer.headers["content-type"] == "text/javascript; charset=utf-8"
            assert "set-cookie" not in answer.headers
            again = await client.get(path, headers={"if-none-match": answer.headers["etag"]})
            assert (again.status_code, again.content) == (304, b"")
            assert (await client.head(path)).headers["content-length"] == answer.headers["content-length"]
        for path in ("/onefold-chat-0000000000000000.js", "/onefold-chat-.js", "/onefold.js"):
            assert (await client.get(path)).status_code == 404
        assert (await client.post(PLAIN_PATH)).status_code == 405


def test_the_element_names_address_key_and_integrity_and_escapes_them() -> None:
    snippet = ChatSnippet(newest(), "https://contact.example.com", KEY)
    assert f'src="https://contact.example.com{newest().path}" integrity="{newest().integrity}" crossorigin="anonymous"' in snippet.element
    assert f'data-api-key="{KEY}"' in snippet.element
    assert snippet.policy == "script-src https://contact.example.com; connect-src https://contact.example.com"
    assert not re.search(r"<script[^>]*>[^<]", snippet.element)
    assert '"><' not in ChatSnippet(newest(), 'https://x/"><b>', KEY).element
