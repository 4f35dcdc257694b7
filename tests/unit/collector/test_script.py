"""The tracking script as it is served: small, cacheable, checkable; and the snippets that pages hold."""

from __future__ import annotations

import base64
import gzip
import hashlib
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from onefold.http.collector.script import NAME, PLAIN_PATH, newest, scripts
from onefold.http.collector.snippets import METHODS, Snippets
from onefold.http.scripts import scripts_in
from tests.support.asking import PUBLIC, ask

if TYPE_CHECKING:
    from onefold.http.scripts import Served

SOURCE = Path(__file__).parents[3] / "src/onefold/http/collector/assets/onefold.js"
MOST_ZIPPED_BYTES = 6_000
GZIP = {b"accept-encoding": b"br, gzip;q=0.8"}


def headers_of(answer: Served) -> dict[bytes, bytes]:
    return dict(answer.headers)


def test_the_script_is_small() -> None:
    """Issue 7, item 4: at most 6 kB gzipped, as it stands in the repository."""
    assert len(gzip.compress(SOURCE.read_bytes(), 9)) <= MOST_ZIPPED_BYTES
    assert newest().content == SOURCE.read_bytes()


def test_its_own_address_is_cached_for_good_and_the_plain_one_for_minutes() -> None:
    """S72: versioned and hashed. The address is made of the content, so it may never change."""
    script = newest()
    assert hashlib.sha384(script.content).hexdigest()[:16] in script.path
    for path, caching in ((script.path, b"public, max-age=31536000, immutable"), (PLAIN_PATH, b"public, max-age=300")):
        headers = headers_of(scripts()[path].answer(path, {}))
        assert headers[b"cache-control"] == caching
        assert headers[b"content-type"] == b"text/javascript; charset=utf-8"
        assert headers[b"x-content-type-options"] == b"nosniff"
        assert headers[b"cross-origin-resource-policy"] == b"cross-origin"
        assert headers[b"access-control-allow-origin"] == b"*"
        assert headers[b"vary"] == b"accept-encoding"


@pytest.mark.parametrize(
    ("accepted", "zipped"),
    [
        (b"", False),
        (b"br", False),
        (b"gzip", True),
        (b"br, gzip;q=0.8", True),
        (b"*", True),
        (b"gzip;q=0", False),
        (b"gzip; q=0.00", False),
    ],
)
def test_it_comes_zipped_where_the_caller_takes_that(accepted: bytes, zipped: bool) -> None:
    answer = newest().answer(PLAIN_PATH, {b"accept-encoding": accepted})
    headers = headers_of(answer)
    assert headers.get(b"content-encoding") == (b"gzip" if zipped else None)
    assert (gzip.decompress(answer.body) if zipped else answer.body) == newest().content
    assert int(headers[b"content-length"]) == len(answer.body)


def test_a_caller_that_has_it_gets_it_no_second_time() -> None:
    """By a tag for each form of it, as given or weak, alone or in a list."""
    plain, zipped = (headers_of(newest().answer(PLAIN_PATH, each))[b"etag"] for each in ({}, GZIP))
    assert plain != zipped
    for tags in (plain, b"W/" + plain, b'"other", ' + plain, b"*"):
        assert newest().answer(PLAIN_PATH, {b"if-none-match": tags}).status == 304
    assert newest().answer(PLAIN_PATH, {b"if-none-match": zipped}).status == 200
    assert newest().answer(PLAIN_PATH, {b"if-none-match": zipped, **GZIP}).status == 304


@pytest.mark.asyncio
async def test_the_collector_serves_it_without_a_key_or_a_cookie_and_nothing_at_other_addresses() -> None:
    """S57, S61."""
    for path in (PLAIN_PATH, newest().path):
        reply = await ask(path, method="GET", key=None, headers={"if-none-match": "*"})
        assert reply.status == 304
        assert "set-cookie" not in reply.headers
    assert (await ask("/onefold-0000000000000000.js", method="GET", key=None)).status == 404


def test_scripts_of_earlier_releases_keep_their_addresses(tmp_path: Path) -> None:
    """A page names an address with an integrity for as long as nobody edits it."""
    (tmp_path / "onefold.js").write_text("new")
    (tmp_path / "onefold-0.0.9.js").write_text("old")
    found = scripts_in(tmp_path, NAME)
    assert sorted(each.content for each in found.values()) == [b"new", b"new", b"old"]
    assert found[PLAIN_PATH].content == b"new"


def test_the_snippets_name_collector_key_and_integrity_and_escape_them() -> None:
    digest = base64.b64encode(hashlib.sha384(SOURCE.read_bytes()).digest()).decode()
    snippets = Snippets(newest(), "https://collect.example.com", PUBLIC)
    for text in (snippets.element, snippets.inline):
        assert f'src="https://collect.example.com{newest().path}" integrity="sha384-{digest}" crossorigin="anonymous"' in text
        assert PUBLIC in text
    assert not re.search(r"<script[^>]*>[^<]", snippets.element)
    assert '"><' not in Snippets(newest(), 'https://x/"><b>', PUBLIC).element


def test_the_stub_knows_every_call_of_the_script() -> None:
    """What a page calls before the script is there."""
    source = SOURCE.read_text(encoding="utf-8")
    assert all(re.search(rf"\b{method}\b[(:]", source) for method in METHODS)


def test_the_script_names_no_other_host_and_runs_no_text() -> None:
    """S72, and a Content-Security-Policy without `unsafe-eval`."""
    source = SOURCE.read_text(encoding="utf-8")
    assert not re.search(r"https?://|\beval\b|new Function|innerHTML|document\.write|createElement", source)


def test_nobodys_identity_is_taken_from_the_address_of_the_page() -> None:
    """S52: unlike analytics.js, which reads ajs_uid and its kin from the query string; the campaign is all that is read there."""
    source = SOURCE.read_text(encoding="utf-8")
    assert re.findall(r"ajs_\w+", source) == ["ajs_anonymous_id", "ajs_user_id", "ajs_group_id", "ajs_user_traits", "ajs_group_properties"]
    assert source.count("URLSearchParams") == 1
