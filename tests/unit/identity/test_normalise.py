"""One form for every spelling of the same identifier (product.md, section 3; R21; poison 29), and fast paths that equal the library."""

from __future__ import annotations

import phonenumbers
import pytest
from email_validator import EmailNotValidError, validate_email
from hypothesis import example, given, settings
from hypothesis import strategies as st

from onefold.identity.normalise import (
    email_by_library,
    is_plain_phone,
    normalise,
    normalise_email,
    normalise_phone,
    normalise_uuid,
    phone_by_library,
    plain_email,
    trim,
)
from onefold.identity.rules import Normalisation

PLAIN = Normalisation()
CASED = Normalisation(email_case_sensitive=True)
PROVIDER = Normalisation(email_provider_rules=True)
GERMAN = Normalisation(phone_region="DE")
EVERY_RULE = (PLAIN, CASED, PROVIDER, GERMAN, Normalisation("US", email_case_sensitive=True, email_provider_rules=True))

TYPES = ("email", "phone", "uuid", "oauth", "user_id", "device_id", "anonymous_token", "loyalty_card")

WORDS = st.text(alphabet="abzABZ019.+-_'!#\"\\ ()<>[]", max_size=12)
INTERNATIONAL = st.text(alphabet="aZé\u0301ßİıſK\u212aжΑας中\u0345١א.+\u200b\u202e\u00ad", max_size=8)
LABELS = st.one_of(
    st.text(alphabet="abzAZ09-", min_size=1, max_size=8),
    st.sampled_from(
        ["xn--bcher-kva", "xn--", "a--b", "ab--c", "bücher", "faß", "BÜCHER", "ⅷ", "中文", "אב", "a" * 63, "a" * 64, "1", "_x", "ａ"]
    ),
)
ENDS = st.one_of(
    st.sampled_from(
        ["com", "COM", "de", "c", "test", "local", "localhost", "invalid", "onion", "arpa", "example", "c0m", "co1", "1", "xn--p1ai", "рф"]
    ),
    LABELS,
)
DOMAINS = st.builds(lambda labels, end: ".".join([*labels, end]), st.lists(LABELS, max_size=4), ENDS)
PROVIDERS = st.sampled_from(["gmail.com", "GoogleMail.com", "outlook.com", "proton.me", "example.com"])
EMAILS = st.builds(
    "{}{}{}".format, st.one_of(WORDS, INTERNATIONAL), st.sampled_from(["@", "@", "@", "@", "@@", ""]), st.one_of(DOMAINS, PROVIDERS)
)

CODES = st.sampled_from(sorted(phonenumbers.COUNTRY_CODE_TO_REGION_CODE))
E164 = st.builds("+{}{}".format, CODES, st.text(alphabet="0123456789", min_size=1, max_size=15))
REGIONS = st.sampled_from([None, "DE", "US", "IT", "AR", "MX", "de", "XX"])
PHONES = st.one_of(
    E164,
    st.from_regex(r"[+0-9 ()/.\-]{1,20}(?: ?(?:x|ext\.?) ?[0-9]{1,4})?", fullmatch=True),
    st.builds("+{} (0) {}".format, CODES, st.text(alphabet="0123456789 -", min_size=5, max_size=14)),
    st.text(alphabet="+0123456789٠١٩０９abcx;=tel:-", max_size=20),
)
ANY_TEXT = st.one_of(EMAILS, PHONES, st.text(max_size=40), st.uuids().map(str), st.uuids().map(lambda each: f"{{{each.hex}}}"))


def _email(text: str) -> str | None:
    return normalise_email(text, PLAIN)


@pytest.mark.parametrize(
    ("text", "normalised"),
    [
        ("Ann@Example.com", "ann@example.com"),
        ("ANN.Smith+Shop@EXAMPLE.co.uk", "ann.smith+shop@example.co.uk"),
        ("ann@BÜCHER.de", "ann@xn--bcher-kva.de"),
        ("ann@xn--bcher-kva.de", "ann@xn--bcher-kva.de"),
        ("ann@bu\u0308cher.de", "ann@xn--bcher-kva.de"),
        ("rene\u0301@example.com", "ren\u00e9@example.com"),
        ("REN\u00c9@example.com", "ren\u00e9@example.com"),
        ("Straße@example.com", "strasse@example.com"),
        ("a.n.n+x@gmail.com", "a.n.n+x@gmail.com"),
        ("ann@shop.test", "ann@shop.test"),
    ],
)
def test_spellings_of_one_email_meet(text: str, normalised: str) -> None:
    assert _email(text) == normalised


@pytest.mark.parametrize(
    "text",
    [
        "ann",
        "ann@",
        "@example.com",
        "ann@@example.com",
        "ann@b@example.com",
        '"ann"@example.com',
        '"an n"@example.com',
        "Ann <ann@example.com>",
        "ann@[127.0.0.1]",
        "ann@localhost",
        "ann@example",
        "ann@example.com.",
        "ann@-example.com",
        "ann@exa_mple.com",
        "ann..lee@example.com",
        "ann lee@example.com",
        "ann\u202e@example.com",
        "ann\u200b@example.com",
        "ann@1.2.3.4",
        "a" * 310 + "@example.com",
    ],
)
def test_what_is_no_email_does_not_parse(text: str) -> None:
    """R21, poison 29: it does not resolve."""
    assert _email(text) is None


def test_look_alike_letters_stay_different() -> None:
    """Poison 29: joining them would join strangers."""
    assert _email("\u0430nn@example.com") != _email("ann@example.com")
    assert normalise("user_id", "\u0430nn", PLAIN) != normalise("user_id", "ann", PLAIN)


def test_a_workspace_can_keep_the_case_before_the_at() -> None:
    assert normalise_email("Ann@Example.COM", CASED) == "Ann@example.com"


@pytest.mark.parametrize(
    ("text", "normalised"),
    [
        ("A.n.n+shop@gmail.com", "ann@gmail.com"),
        ("ann@googlemail.com", "ann@gmail.com"),
        ("a.n.n+shop@outlook.com", "a.n.n@outlook.com"),
        ("a.n.n+shop@example.com", "a.n.n+shop@example.com"),
        ("+shop@gmail.com", "+shop@gmail.com"),
    ],
)
def test_provider_tricks_are_undone_only_on_demand_and_only_where_known(text: str, normalised: str) -> None:
    assert normalise_email(text, PROVIDER) == normalised
    assert normalise_email(text, PLAIN) == text.lower()


@given(text=EMAILS, case_sensitive=st.booleans())
@example(text="Info@example.com", case_sensitive=True)
@example(text="a@axn--b.com", case_sensitive=False)
@example(text=f"a@{'b' * 63}.{'c' * 63}.{'d' * 63}.{'e' * 57}.com", case_sensitive=False)
@settings(max_examples=1_000, deadline=None)
def test_the_fast_path_of_emails_equals_the_library(text: str, case_sensitive: bool) -> None:
    """Issue 3: where the fast path answers at all, it answers as the library does."""
    plain = plain_email(text, case_sensitive=case_sensitive)
    if plain is not None:
        assert plain == email_by_library(text, case_sensitive=case_sensitive)


@given(text=EMAILS)
@settings(max_examples=300, deadline=None)
def test_the_library_decides_what_an_email_is(text: str) -> None:
    """The loop until the form is stable refuses nothing that the library takes, but what folding makes too long."""
    try:
        validate_email(text, check_deliverability=False, test_environment=True)
    except EmailNotValidError:
        assert _email(text) is None
    else:
        assert _email(text) is not None


@pytest.mark.parametrize("text", ["ann@example.com", "Ann.Smith+shop@Mail.Example.co.uk", "a_b-c@xy-z.io", "1@2.com", "o'neil@example.com"])
def test_common_emails_take_the_fast_path(text: str) -> None:
    assert plain_email(text, case_sensitive=False) == text.lower()


@pytest.mark.parametrize(
    ("text", "region", "normalised"),
    [
        ("+4915112345678", None, "+4915112345678"),
        ("+49 (0)151 1234-5678", None, "+4915112345678"),
        ("0151 12345678", "DE", "+4915112345678"),
        ("0151 12345678", "de", "+4915112345678"),
        ("0049 151 12345678", "DE", "+4915112345678"),
        ("tel:+49-151-12345678", None, "+4915112345678"),
        ("+٤٩١٥١١٢٣٤٥٦٧٨", None, "+4915112345678"),
        ("(202) 555-0123", "US", "+12025550123"),
        ("+1 555 123 4567", None, "+15551234567"),
        ("+39 06 1234567", None, "+39061234567"),
        ("+1 900 555 0123", None, "+19005550123"),
        ("+800 1234 5678", None, "+80012345678"),
    ],
)
def test_spellings_of_one_phone_number_meet(text: str, region: str | None, normalised: str) -> None:
    """R21; poison 29: non-ASCII digits are digits, a premium number is a number."""
    assert normalise_phone(text, region) == normalised


@pytest.mark.parametrize(
    ("text", "region"),
    [
        ("0151 12345678", None),
        ("0151 12345678", "XX"),
        ("phone", "DE"),
        ("+", "DE"),
        ("+999 123456789", "DE"),
        ("110", "DE"),
        ("+49 110", None),
        ("555-0123", "US"),
        ("+1 555 0123", None),
        ("+49 30 123456 ext. 12", None),
        ("+49 30 123456 x12", "DE"),
        ("+4915112345678901234", None),
        ("1" * 300, "DE"),
    ],
)
def test_what_is_no_phone_number_of_a_person_does_not_parse(text: str, region: str | None) -> None:
    """R21; poison 29: no region, short codes, numbers without their area code, extensions of a switchboard."""
    assert normalise_phone(text, region) is None


@given(text=E164, region=REGIONS)
@settings(max_examples=1_000, deadline=None)
def test_the_fast_path_of_phones_equals_the_library(text: str, region: str | None) -> None:
    """Issue 3: what the fast path calls E.164, the library leaves as it is, whatever the default region."""
    if is_plain_phone(text):
        assert phone_by_library(text, region) == text


@given(text=PHONES)
@settings(max_examples=300, deadline=None)
def test_the_fast_path_of_phones_takes_nothing_else(text: str) -> None:
    if is_plain_phone(text):
        assert phone_by_library(text, None) == text


def test_the_fast_path_agrees_on_every_country_and_length() -> None:
    """Every country code with every length and first digit, and the library's own examples, nearly all of them fast."""
    for code in phonenumbers.COUNTRY_CODE_TO_REGION_CODE:
        for first in "0123456789":
            for length in range(4, 16, 2):
                text = f"+{code}{first}{'234567890123456'[: length - 1]}"
                if is_plain_phone(text):
                    assert phone_by_library(text, None) == text
    examples = [phonenumbers.example_number_for_type(region, kind) for region in phonenumbers.SUPPORTED_REGIONS for kind in (0, 1)]
    texts = [phonenumbers.format_number(each, phonenumbers.PhoneNumberFormat.E164) for each in examples if each is not None]
    assert [text for text in texts if normalise_phone(text, None) != text] == []
    assert sum(is_plain_phone(text) for text in texts) > 0.95 * len(texts)


@pytest.mark.parametrize(
    "text",
    [
        "5B7E0000-1111-4222-8333-444455556666",
        "5b7e0000111142228333444455556666",
        "{5b7e0000-1111-4222-8333-444455556666}",
        "urn:uuid:5b7e0000-1111-4222-8333-444455556666",
    ],
)
def test_spellings_of_one_uuid_meet(text: str) -> None:
    assert normalise_uuid(text) == "5b7e0000-1111-4222-8333-444455556666"


@pytest.mark.parametrize(
    "text", ["5b7e", "{5b7e0000-1111-4222-8333-444455556666", "5b7e0000_1111_4222_8333_44445555666", "g" * 32, "٠" * 32]
)
def test_what_is_no_uuid_does_not_parse(text: str) -> None:
    assert normalise_uuid(text) is None


@pytest.mark.parametrize("semantic_type", ["oauth", "user_id", "device_id", "anonymous_token", "loyalty_card"])
def test_other_types_are_compared_as_they_are_in_nfc(semantic_type: str) -> None:
    assert normalise(semantic_type, "https://issuer.example|Ab 1", PLAIN) == "https://issuer.example|Ab 1"
    assert normalise(semantic_type, "Rene\u0301", PLAIN) == "Ren\u00e9"


def test_white_space_and_invisible_marks_are_trimmed() -> None:
    """R21: spreadsheets leave byte order marks, contact lists leave directional ones."""
    assert trim("\ufeff ann@example.com\u200b\r\n") == "ann@example.com"
    assert trim("\u202a+4915112345678\u202c") == "+4915112345678"
    assert trim(" \t ") == ""


@given(semantic_type=st.sampled_from(TYPES), text=ANY_TEXT, rules=st.sampled_from(EVERY_RULE))
@example(semantic_type="email", text="e.\u0301x@gmail.com", rules=PROVIDER)
@example(semantic_type="email", text="\u0345ab@example.com", rules=PLAIN)
@example(semantic_type="phone", text="+52155123456", rules=PLAIN)
@settings(max_examples=1_000, deadline=None)
def test_normalising_twice_changes_nothing(semantic_type: str, text: str, rules: Normalisation) -> None:
    """product.md, section 3. Trimming is part of it."""
    once = normalise(semantic_type, trim(text), rules)
    if once is not None:
        assert normalise(semantic_type, trim(once), rules) == once
