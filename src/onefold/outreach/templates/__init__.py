"""What can be sent: the templates by name. Their words lie beside this file, one file a language; the layouts put them into mails.

Words name the service and the purpose, and nothing of the person that they go to (security.md, S16).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

    from onefold.messages.outreach import Channel


class Template(NamedTuple):
    """One kind of message."""

    parameters: tuple[str, ...] = ()
    channels: tuple[Channel, ...] = ("email",)
    is_asked_for: bool = True
    """Whether it says what to do for whoever did not ask for it; else, for whoever did not do what it tells of."""


TEMPLATES: Final[Mapping[str, Template]] = {
    "verification_code": Template(("code",), ("email", "sms")),
    "sign_in_code": Template(("code",), ("email", "sms")),
    "new_password_code": Template(("code",), ("email", "sms")),
    "already_registered": Template(("code",), ("email", "sms")),
    "verification_link": Template(("link", "code")),
    "sign_in_link": Template(("link", "code")),
    "address_changed": Template(("link",), ("email", "sms"), is_asked_for=False),
    "password_reset": Template(("link",)),
    "new_password_link": Template(("link",)),
    "password_changed": Template(is_asked_for=False),
}
LANGUAGES: Final = ("en", "de", "fr")
"""The first is what everything falls back to in the end."""
