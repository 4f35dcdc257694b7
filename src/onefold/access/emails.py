"""E-mails of users: the one form that they are found by, and the one that they are counted by."""

from __future__ import annotations

from unicodedata import normalize

from email_validator import EmailNotValidError, validate_email

from onefold.errors import InvalidMessage


def email_of(text: str) -> str:
    """An e-mail as users are found by it. Raises InvalidMessage."""
    try:
        return validate_email(text.strip(), check_deliverability=False).normalized.casefold()
    except EmailNotValidError as error:
        raise InvalidMessage(f"{text!r} is no e-mail address: {error}", code="invalid_email") from error


def folded(email: str) -> str:
    """What an e-mail is counted by: no spelling of it is another try (S34)."""
    local, _, domain = normalize("NFKC", email).casefold().rpartition("@")
    return f"{local.partition('+')[0].replace('.', '') or local}@{'gmail.com' if domain == 'googlemail.com' else domain}"
