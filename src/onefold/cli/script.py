"""`onefold script`: what a site puts into its pages, with the address of whoever serves it, a public write key and the file's integrity.

The tracking script of the collector, or the chat of the Contact API.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from onefold.cli.output import print_json, run, say
from onefold.errors import Refused

if TYPE_CHECKING:
    from onefold.settings import Settings


class NoPublicKey(Refused):
    """The workspace has no live public write key."""

    code = "no_public_key"


def script(
    workspace: Annotated[str, typer.Option(help="Slug of the workspace whose newest live public key is used.")] = "acme",
    key: Annotated[str | None, typer.Option(help="The public write key, else the workspace's newest.", show_default=False)] = None,
    url: Annotated[
        str | None,
        typer.Option(
            help="How browsers reach the collector, or the Contact API; unset, its …__PUBLIC_URL, else where it listens.",
            show_default=False,
        ),
    ] = None,
    *,
    inline: Annotated[bool, typer.Option("--inline", help="With an inline stub, so that calls may stand anywhere in the page.")] = False,
    chat: Annotated[bool, typer.Option("--chat", help="The chat instead, which the Contact API serves.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print as JSON: the snippets, the address, the integrity.")] = False,
) -> None:
    """Print what a site puts into its pages to be tracked, or to have the chat."""
    from onefold.http.collector.script import newest  # noqa: PLC0415 -- a command loads only what it needs
    from onefold.http.collector.snippets import Snippets  # noqa: PLC0415
    from onefold.settings import Settings  # noqa: PLC0415

    if chat and inline:
        raise typer.BadParameter("the chat has no stub: its element may stand anywhere in the page.", param_hint="--inline")
    address = (url or _address(Settings.load(), chat=chat)).rstrip("/")
    shown = _public(key) if key else run(newest_public_key(Settings.load(), workspace))
    if chat:
        _print_chat(address, shown, as_json=json)
        return
    snippets = Snippets(newest(), address, shown)
    if json:
        print_json(
            {
                "url": snippets.url,
                "integrity": snippets.script.integrity,
                "bytes_gzipped": len(snippets.script.zipped),
                "write_key": snippets.write_key,
                "element": snippets.element,
                "inline": snippets.inline,
                "policy": snippets.policy,
            }
        )
        return
    print(snippets.inline if inline else snippets.element)
    say(f"put it into the head of every page; a Content-Security-Policy must allow {snippets.policy}")


def _print_chat(address: str, key: str, *, as_json: bool) -> None:
    from onefold.http.contact_api.widget import ChatSnippet, newest  # noqa: PLC0415

    snippet = ChatSnippet(newest(), address, key)
    if as_json:
        told = {"integrity": snippet.script.integrity, "bytes_gzipped": len(snippet.script.zipped), "write_key": key}
        print_json({"url": snippet.url, **told, "element": snippet.element, "policy": snippet.policy})
        return
    print(snippet.element)
    say(f"put it into the head of every page; a Content-Security-Policy must allow {snippet.policy}")


async def newest_public_key(settings: Settings, workspace: str) -> str:
    """The text of the workspace's newest live public key. Raises NoPublicKey."""
    from onefold import bootstrap  # noqa: PLC0415
    from onefold.records.keys import list_keys  # noqa: PLC0415

    async with bootstrap.store(bootstrap.begin("script", settings)) as store, store.transaction([workspace]) as tx:
        rows = await list_keys(tx, workspace)
    now = datetime.now(UTC)
    for row in reversed(rows):
        if row.kind == "public" and row.is_enabled and row.revoked_at is None and (row.expires_at is None or row.expires_at > now):
            return row.shown
    raise NoPublicKey(f"workspace {workspace} has no live public key; `onefold keys create --kind public` makes one")


def _address(settings: Settings, *, chat: bool) -> str:
    if chat:
        return settings.contact_api.public_url
    collector = settings.collector
    return collector.public_url or f"http://{collector.host}:{collector.port}"


def _public(key: str) -> str:
    """The key, if it may stand in a page at all (S60)."""
    from onefold.access.keys import looks_secret  # noqa: PLC0415

    if looks_secret(key):
        raise typer.BadParameter("a secret key must not stand in a page: everybody can read it there. Name a public one.")
    return key
