"""One form for every way to write the same identifier, so that equal people meet (product.md, section 3; R21).

Normalised values are compared; originals are kept elsewhere. Every function gives None for a value that does not parse, and
leaves its own results as they are: normalising twice changes nothing. Called by `identifiers`.

The library decides what an email or a phone number is. Both take tens of microseconds a value, so plain ASCII emails and
E.164 numbers go a fast path of their own; it answers only where it is certain to answer as the library would.

Left out on purpose: look-alike letters stay different (joining them would join strangers), and whether anybody can be reached.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING
from unicodedata import normalize

import phonenumbers
from email_validator import EmailNotValidError, validate_email
from phonenumbers import PhoneMetadata, PhoneNumberFormat, ValidationResult

if TYPE_CHECKING:
    from onefold.identity.rules import Normalisation

_TRIES = 4
"""Rounds until a form is stable: the strangest known values need two; what needs more is no address."""

_EDGES = (
    "\t\n\x0b\x0c\r\x1c\x1d\x1e\x1f \x85\xa0\u1680"
    "\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000"
    "\u061c\u200b\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2060\u2066\u2067\u2068\u2069\ufeff"
)
"""White space as `str.strip` knows it, and the invisible marks that copying from contact lists and spreadsheets leaves at the ends."""


def trim(text: str) -> str:
    """The text without white space and invisible marks at its ends (R21)."""
    return text.strip() if text.isascii() else text.strip(_EDGES)


def normalise(semantic_type: str, text: str, rules: Normalisation) -> str | None:
    """The normalised form of a trimmed value, or None where it does not parse."""
    match semantic_type:
        case "email":
            return normalise_email(text, rules)
        case "phone":
            return normalise_phone(text, rules.phone_region)
        case "uuid":
            return normalise_uuid(text)
        case _:
            return text if text.isascii() else normalize("NFC", text)


_ATOM = r"[a-z0-9_!#$%&'*+\-/=?^`{|}~]+"
_LABEL = r"(?=[^.]{1,63}(?:\.|\Z))[a-z0-9]+(?:-[a-z0-9]+)*"
_SPECIAL = r"(?:arpa|invalid|local|localhost|onion|test)\Z"
_PLAIN_EMAIL = re.compile(rf"{_ATOM}(?:\.{_ATOM})*@(?:{_LABEL}\.)+(?!{_SPECIAL})(?=.*[a-z]\Z){_LABEL}\Z")
"""Never two hyphens in a row after the @ (Punycode has them), and none of the names that the library treats specially."""
_EMAIL_BYTES = 254

_DOTLESS = frozenset({"gmail.com"})
_ALIASES = {"googlemail.com": "gmail.com"}
_PLUS_TAGS = frozenset(
    {
        "gmail.com",
        "outlook.com",
        "hotmail.com",
        "live.com",
        "icloud.com",
        "me.com",
        "mac.com",
        "proton.me",
        "protonmail.com",
        "pm.me",
        "fastmail.com",
    }
)


def normalise_email(text: str, rules: Normalisation) -> str | None:
    """Unicode NFC, domain in its IDNA (ASCII) form, case folded; None for what email-validator refuses.

    Quoted local parts, address literals and display names are refused; names under `.test` are taken, for tests.
    """
    plain = plain_email(text, case_sensitive=rules.email_case_sensitive)
    if plain is None:
        plain = email_by_library(text, case_sensitive=rules.email_case_sensitive)
    if plain is not None and rules.email_provider_rules:
        return _without_provider_tricks(plain)
    return plain


def plain_email(text: str, *, case_sensitive: bool) -> str | None:
    """The fast path: the library's answer for plain ASCII, None where the library must be asked."""
    if len(text) > _EMAIL_BYTES or not text.isascii():
        return None
    lowered = text.lower()
    if (case_sensitive and lowered != text) or not _PLAIN_EMAIL.match(lowered):
        return None
    return lowered


def email_by_library(text: str, *, case_sensitive: bool) -> str | None:
    """What email-validator makes of an address, case folded, until it stays as it is."""
    for _ in range(_TRIES):
        try:
            parsed = validate_email(text, check_deliverability=False, test_environment=True)
        except EmailNotValidError:
            return None
        local = parsed.local_part if case_sensitive else normalize("NFC", normalize("NFD", parsed.local_part).casefold())
        found = f"{local}@{parsed.ascii_domain}"
        if found == text:
            return found
        text = found
    return None


def _without_provider_tricks(email: str) -> str:
    """Dots and plus tags undone where the provider is known to ignore them."""
    local, _, domain = email.rpartition("@")
    domain = _ALIASES.get(domain, domain)
    if domain in _PLUS_TAGS:
        local = local.partition("+")[0] or local
    if domain in _DOTLESS:
        local = normalize("NFC", local.replace(".", ""))
    return f"{local}@{domain}"


def normalise_phone(text: str, region: str | None) -> str | None:
    """E.164; `region` (ISO 3166) is that of national numbers, which without one do not parse.

    A number parses if it is *possible*: its country exists and has numbers of that length. Whether the number is assigned
    changes with every release of the metadata, and must not move identities. Not possible: what can be dialled only locally
    (short codes, numbers without their area code), and a number with an extension, which names a switchboard and not a person.
    """
    if is_plain_phone(text):
        return text
    return phone_by_library(text, region)


def is_plain_phone(text: str) -> bool:
    """The fast path: whether a text is certain to be E.164 already; False where the library must be asked."""
    start = text[1:4]
    if not (start.isascii() and start.isdigit()):
        return False
    pattern = _e164(start)
    return pattern is not None and pattern.match(text) is not None


@lru_cache(maxsize=1_000)
def _e164(start: str) -> re.Pattern[str] | None:
    """What numbers that begin with these digits look like if the library leaves them as they are.

    It takes the country code, strips a national prefix where one matches, and compares the length of the rest with the
    country's possible lengths. So a number of a possible length on which no national prefix matches is its own E.164 form.
    """
    code = next((start[:width] for width in (1, 2, 3) if int(start[:width]) in phonenumbers.COUNTRY_CODE_TO_REGION_CODE), None)
    if code is None or code.startswith("0"):
        return None
    region = phonenumbers.region_code_for_country_code(int(code))
    metadata = PhoneMetadata.metadata_for_region_or_calling_code(int(code), region)
    if metadata is None or metadata.general_desc is None:
        return None
    prefix = metadata.national_prefix_for_parsing
    bare = f"(?!{prefix})" if prefix else ""
    lengths = "|".join(f"[0-9]{{{length}}}" for length in metadata.general_desc.possible_length if length > 1)
    return re.compile(rf"\+{code}{bare}(?:{lengths})\Z")


def phone_by_library(text: str, region: str | None) -> str | None:
    """What phonenumbers makes of a text, in E.164, until it stays as it is."""
    region = region.upper() if region else None
    for _ in range(_TRIES):
        try:
            number = phonenumbers.parse(text, region)
        except phonenumbers.NumberParseException:
            return None
        possible = phonenumbers.is_possible_number_with_reason(number) == ValidationResult.IS_POSSIBLE
        if number.extension or not possible:
            return None
        found = phonenumbers.format_number(number, PhoneNumberFormat.E164)
        if found == text:
            return found
        text = found
    return None


_UUID = re.compile(
    r"(?:urn:uuid:)?(\{)?([0-9a-f]{8})-?([0-9a-f]{4})-?([0-9a-f]{4})-?([0-9a-f]{4})-?([0-9a-f]{12})(?(1)\})",
    re.IGNORECASE | re.ASCII,
)


def normalise_uuid(text: str) -> str | None:
    """The canonical form: lower case, four hyphens; also from braces, a URN, or without hyphens."""
    match = _UUID.fullmatch(text)
    return "-".join(match.groups()[1:]).lower() if match else None
