"""`onefold script`: the element of the tracking script, or of the chat, for a key and an address; no server is asked where both are named."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from typer.testing import CliRunner

from onefold.cli.main import app
from onefold.http.collector.script import newest as tracking_script
from onefold.http.contact_api.widget import newest as chat

if TYPE_CHECKING:
    import pytest

KEY = "of_pub_" + "x" * 43
SETTINGS = {
    "ONEFOLD_POSTGRES__URL": "postgresql://127.0.0.1/onefold",
    "ONEFOLD_REDIS__URL": "redis://127.0.0.1/0",
    "ONEFOLD_KAFKA__SERVERS": "127.0.0.1:9092",
    "ONEFOLD_INDEX__SECRET": "ab" * 32,
}


def printed(*words: str) -> dict[str, str]:
    """What the command prints as JSON."""
    done = CliRunner().invoke(app, ["script", "--key", KEY, "--json", *words])
    assert done.exit_code == 0, done.output
    found: dict[str, str] = json.loads(done.stdout)
    return found


def test_it_prints_the_one_or_the_other_with_its_integrity() -> None:
    """S72: the address has the hash of the file in it, and the element its integrity."""
    for words, script, host in (
        ((), tracking_script(), "https://collect.example.com"),
        (("--chat",), chat(), "https://contact.example.com"),
    ):
        told = printed("--url", f"{host}/", *words)
        assert (told["url"], told["integrity"]) == (host + script.path, script.integrity)
        assert f'src="{host}{script.path}" integrity="{script.integrity}"' in told["element"]
        assert KEY in told["element"]
        assert told["policy"] == f"script-src {host}; connect-src {host}"


def test_the_chats_address_is_the_public_one_of_the_contact_api(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {**SETTINGS, "ONEFOLD_CONTACT_API__PUBLIC_URL": "https://contact.example.com/"}.items():
        monkeypatch.setenv(name, value)
    assert printed("--chat")["url"] == f"https://contact.example.com{chat().path}"


def test_the_chat_has_no_stub_and_a_secret_key_is_in_no_page() -> None:
    """S60."""
    for words in (["--key", KEY, "--chat", "--inline"], ["--key", "of_sec_" + "x" * 43, "--chat", "--url", "https://x.example"]):
        assert CliRunner().invoke(app, ["script", *words]).exit_code == 2
