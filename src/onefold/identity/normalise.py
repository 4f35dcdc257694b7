"""Normalised forms of identifiers: what is compared (product.md, section 3; R21, R22)."""

from __future__ import annotations

import unicodedata
from uuid import UUID

import phonenumbers
from email_validator import EmailNotValidError, validate_email

from onefold.identity.rules import Normalisation


def normalise(semantic_type: str, text: str, normalisation: Normalisation) -> str | None:
    """The normalised value, or None where it does not parse. Normalising twice changes nothing."""
    value = unicodedata.normalize("NFC", text.strip())
    if semantic_type == "email":
        return _email(value, normalisation)
    if semantic_type == "phone":
        return _phone(value, normalisation.phone_region)
    if semantic_type == "uuid":
        try:
            return str(UUID(value))
        except ValueError:
            return None
    return value


def _email(value: str, normalisation: Normalisation) -> str | None:
    try:
        found = validate_email(value, check_deliverability=False)
    except EmailNotValidError:
        return None
    local = found.local_part if normalisation.email_case_sensitive else found.local_part.casefold()
    return f"{local}@{found.domain}"


def _phone(value: str, region: str | None) -> str | None:
    try:
        number = phonenumbers.parse(value, region)
    except phonenumbers.NumberParseException:
        return None
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164) if phonenumbers.is_possible_number(number) else None
