"""Settings of validation by key, as the command line and the log name them."""

from __future__ import annotations

from typing import Any

import pytest

from onefold.errors import InvalidMessage
from onefold.records.validation_settings import Stored, ValidationSettings
from onefold.workspace.validation import changes_told, edited, flat


def test_a_key_says_something_else_or_follows_the_default_again() -> None:
    present = ValidationSettings()
    wanted = edited(
        present, [("otp_sms.countries", ["at", "DE"]), ("magic_link_users.visits", None), ("redirect_origins", ["https://a.example"])]
    )
    assert (wanted.otp_sms.countries, wanted.magic_link_users.visits, wanted.redirect_origins) == (
        ("AT", "DE"),
        None,
        ("https://a.example",),
    )
    assert edited(wanted, [], ["otp_sms.countries", "magic_link_users.visits", "redirect_origins"]) == present
    told = changes_told(Stored(present, 0), Stored(edited(present, [("otp_sms.countries", ["AT"])]), 1))
    assert told == [{"type": "setting", "slug": "otp_sms.countries", "old_value": [], "new_value": ["AT"]}]


def test_every_setting_has_a_key() -> None:
    assert {"otp_email.attempts", "otp_sms.per_day", "magic_link_contacts.redirect_url", "redirect_origins", "breaker.sample"} <= flat(
        ValidationSettings()
    ).keys()


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("otp_sms", {}),
        ("otp_sms.country", "AT"),
        ("otp_sms.countries", ["XX"]),
        ("otp_email.attempts", 6),
        ("otp_email.expires_after_seconds", 601),
    ],
    ids=["part", "unknown", "country", "attempts", "life"],
)
def test_what_is_no_setting_or_out_of_bounds_is_refused(key: str, value: Any) -> None:
    """S4, S5."""
    with pytest.raises(InvalidMessage, match="otp_"):
        edited(ValidationSettings(), [(key, value)])
