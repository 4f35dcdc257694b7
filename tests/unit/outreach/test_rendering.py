"""What messages say, in every language: S16, and that whatever stands in a title stays a text."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
import pytest

from onefold.errors import InvalidMessage
from onefold.messages.outreach import OutreachRequested
from onefold.messages.times import time_text
from onefold.outreach.rendering import Words, render, spoken
from onefold.outreach.templates import LANGUAGES, TEMPLATES

AT = datetime(2026, 11, 1, 9, 30, tzinfo=UTC)
SERVICE = "Rivers & Mills"
ADDRESS = "ann.lee@example.com"
GIVEN = {"code": "048213", "link": "https://app.example.com/confirm#acme.Zm9sZA"}
IGNORES = {"en": "ignore this message", "de": "ignorieren sie diese nachricht", "fr": "ignorez ce message"}
PURPOSE = {
    "verification_code": {"en": "confirm", "de": "bestätig", "fr": "confirm"},
    "verification_link": {"en": "confirm", "de": "bestätig", "fr": "confirm"},
    "sign_in_link": {"en": "sign in", "de": "anmelden", "fr": "connect"},
    "sign_in_code": {"en": "sign in", "de": "anmelden", "fr": "conne"},
    "new_password_code": {"en": "new password", "de": "neues passwort", "fr": "nouveau mot de passe"},
    "already_registered": {"en": "registered", "de": "registrier", "fr": "inscri"},
    "address_changed": {"en": "address", "de": "adresse", "fr": "adresse"},
    "password_reset": {"en": "new password", "de": "neues passwort", "fr": "nouveau mot de passe"},
    "new_password_link": {"en": "new password", "de": "neues passwort", "fr": "nouveau mot de passe"},
    "password_changed": {"en": "password", "de": "passwort", "fr": "mot de passe"},
}
EVERY = [(name, channel, language) for name, each in TEMPLATES.items() for channel in each.channels for language in LANGUAGES]


def message(template: str, channel: str = "email", language: str = "en", **other: Any) -> OutreachRequested:
    made = OutreachRequested(
        message_id=UUID(int=7),
        workspace="acme",
        at=time_text(AT),
        expires_at=time_text(AT + timedelta(minutes=10)),
        channel=channel,  # type: ignore[arg-type]  # one of the two
        address=ADDRESS,
        template=template,
        language=language,
        service=SERVICE,
        reason="asked_by_owner",
        parameters={name: GIVEN[name] for name in TEMPLATES[template].parameters},
        user_id=UUID(int=8),
    )
    return msgspec.structs.replace(made, **other)


def said(words: Words) -> list[str]:
    """Each way in which it is said."""
    return [words.text] if not words.html else [words.text, words.html.replace("&amp;", "&")]


@pytest.mark.parametrize(("template", "channel", "language"), EVERY)
def test_s16_every_message_names_service_and_purpose_and_says_what_to_do_if_unasked(template: str, channel: str, language: str) -> None:
    """S16: in every template, language and form; and nothing of the person, not even the address that it goes to."""
    words = render(message(template, channel, language))
    assert words.language == language
    for text in said(words):
        assert SERVICE in text
        assert IGNORES[language] in text.lower()
        assert PURPOSE[template][language] in text.lower()
        assert not re.search(r"\b(ann|lee)\b|@", text, re.IGNORECASE)
        assert "{{" not in text
        for name in TEMPLATES[template].parameters:
            assert GIVEN[name] in text
        if TEMPLATES[template].parameters:
            assert re.search(r"\b10 [Mm]inut", text)
    if channel == "email":
        assert SERVICE in words.subject
        assert "\n\n" in words.text
        assert words.html.startswith("<!doctype html>")
        assert f'lang="{language}"' in words.html


def test_no_mail_loads_anything() -> None:
    """Nothing external, no picture, no script: whoever reads is not watched."""
    for template, channel, language in EVERY:
        if channel == "email":
            assert not re.search(r"src=|<img|<script|<link|url\(|@import", render(message(template, language=language)).html)


@pytest.mark.parametrize(
    ("wanted", "found"), [("de", "de"), ("de-AT", "de"), ("DE-at", "de"), ("fr-CA-x", "fr"), ("ja", "en"), ("", "en"), ("den", "en")]
)
def test_a_language_falls_back_to_what_it_is_a_kind_of_and_then_to_english(wanted: str, found: str) -> None:
    assert spoken(wanted) == found


def test_a_title_stays_a_text_wherever_it_stands() -> None:
    """S70: no markup in HTML, no line in a header, no expression of Jinja."""
    hostile = 'Mill</p><script>alert("x")</script>\r\nBcc: all@example.com {{ 7 * 7 }}{{ service.__class__ }}'
    words = render(message("password_reset", service=hostile))
    assert "<script" not in words.html
    assert "&lt;script&gt;" in words.html
    assert "\n" not in words.subject
    assert "\r" not in words.subject
    assert "{{ 7 * 7 }}" in words.text


def test_a_link_cannot_leave_its_attribute() -> None:
    words = render(message("sign_in_link", parameters={"link": 'https://a.example/"onmouseover="x', "code": "048213"}))
    assert 'href="https://a.example/&#34;onmouseover=&#34;x"' in words.html


def test_what_is_good_for_long_is_told_in_hours() -> None:
    assert "24 Stunden" in render(message("verification_link", language="de", expires_at=time_text(AT + timedelta(days=1)))).text


@pytest.mark.parametrize(
    "wrong",
    [{"parameters": {}}, {"template": "nothing", "parameters": {}}, {"template": "life", "parameters": {}}, {"channel": "sms"}],
    ids=["nothing_given", "no_template", "no_template_but_words", "wrong_channel"],
)
def test_what_does_not_fit_is_refused_and_never_sent_half_filled(wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidMessage):
        render(msgspec.structs.replace(message("password_reset"), **wrong))
