"""How a workspace validates addresses: the settings, and their row (product.md, section 6).

The model stands here, since users' sign-in and visitors' flows read it and know nothing of one another. Bounds are security.md's (S4, S5,
S15): a code lives 10 minutes and stands 5 attempts at most, and no text goes to a country that is not listed.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, NamedTuple
from urllib.parse import urlsplit

import phonenumbers
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

if TYPE_CHECKING:
    from typing import Self

    from onefold.records.store import Connection

READ = "select settings, version from validation_settings where workspace = $1"
WRITE = """
insert into validation_settings as v (workspace, settings) values ($1, $2)
on conflict (workspace) do update set settings = excluded.settings, version = v.version + 1, updated_at = clock_timestamp()
returning version
"""
LOCK = "select version from validation_settings where workspace = $1 for update"

_RELATIVE = re.compile(r"/(?![/\\])[!-\[\]-~]*")
"""A path on the site itself: a browser takes `//` and `/\\` for another site, and drops control characters."""
_ORIGIN = re.compile(r"https?://[a-z0-9.-]+(:[0-9]{1,5})?")
_TEMPLATES_OF_CODES = ("verification_code", "sign_in_code")
_TEMPLATES_OF_LINKS = ("verification_link", "sign_in_link")

Seconds = Annotated[int, Field(ge=60, le=600)]
LinkSeconds = Annotated[int, Field(ge=300, le=7 * 86_400)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class CodeSettings(_Part):
    """Codes by e-mail."""

    expires_after_seconds: Seconds = Field(default=600, description="How long a code lives.")
    attempts: int = Field(default=5, ge=1, le=5, description="How often a code may be tried; afterwards it is void.")
    template: str | None = Field(default=None, description="What the message is made of; null: what fits the purpose.")

    @field_validator("template")
    @classmethod
    def _brings_a_code(cls, name: str | None) -> str | None:
        return _one_of(name, _TEMPLATES_OF_CODES)


class SmsSettings(_Part):
    """Codes by SMS."""

    expires_after_seconds: Seconds = Field(default=600, description="How long a code lives.")
    attempts: int = Field(default=5, ge=1, le=5, description="How often a code may be tried; afterwards it is void.")
    countries: tuple[str, ...] = Field(default=(), description="Countries (ISO 3166) that texts go to, such as AT; no text goes elsewhere.")
    per_range_and_hour: int = Field(default=10, ge=1, le=1_000, description="Texts to numbers that differ in their last four digits only.")
    per_day: int = Field(default=500, ge=1, le=1_000_000, description="Texts of the workspace: what a day may cost.")

    @field_validator("countries")
    @classmethod
    def _are_countries(cls, countries: tuple[str, ...]) -> tuple[str, ...]:
        found = tuple(dict.fromkeys(each.upper() for each in countries))
        unknown = sorted(set(found) - phonenumbers.SUPPORTED_REGIONS)
        if unknown:
            raise ValueError(f"no countries that have phone numbers: {', '.join(unknown)}; write them as ISO 3166 does, such as AT")
        return found


class LinkSettings(_Part):
    """Magic links, to contacts or to users."""

    expires_after_seconds: LinkSeconds = Field(default=86_400, description="How long a link lives.")
    visits: int | None = Field(
        default=1, ge=1, le=1_000, description="How often a link can be used; null: while it lives. Opening uses nothing up."
    )
    redirect_url: str = Field(
        default="/", max_length=2_000, description="Where it leads: a path of the asking site, or a URL at a listed origin."
    )
    template: str | None = Field(default=None, description="What the message is made of; null: what fits the purpose.")

    @field_validator("template")
    @classmethod
    def _brings_a_link(cls, name: str | None) -> str | None:
        return _one_of(name, _TEMPLATES_OF_LINKS)


class Breaker(_Part):
    """When most of those who ask never come back, something is wrong: then only so many may ask."""

    least_success_percent: int = Field(default=10, ge=0, le=90, description="Of the last hour's challenges; 0 lets everything pass.")
    sample: int = Field(default=100, ge=10, le=1_000, description="From how many challenges on that is judged.")
    then_per_minute: int = Field(
        default=10, ge=1, le=1_000, description="How many may ask then; browsers that proved the address before always may."
    )


class ValidationSettings(_Part):
    """How a workspace validates addresses."""

    otp_email: CodeSettings = CodeSettings()
    otp_sms: SmsSettings = SmsSettings()
    magic_link_contacts: LinkSettings = LinkSettings()
    magic_link_users: LinkSettings = LinkSettings()
    redirect_origins: tuple[str, ...] = Field(
        default=(), max_length=50, description="Origins that links may lead to, such as https://www.example.com."
    )
    breaker: Breaker = Breaker()

    @field_validator("redirect_origins")
    @classmethod
    def _are_origins(cls, origins: tuple[str, ...]) -> tuple[str, ...]:
        wrong = [each for each in origins if not _ORIGIN.fullmatch(each)]
        if wrong:
            raise ValueError(
                f"an origin is scheme, host and perhaps port, in lower case, such as https://www.example.com, and not {wrong[0]!r}"
            )
        return origins

    @model_validator(mode="after")
    def _lead_where_they_may(self) -> Self:
        for link in (self.magic_link_contacts, self.magic_link_users):
            if not may_lead_to(link.redirect_url, self.redirect_origins):
                raise ValueError(
                    f"redirect_url {link.redirect_url!r} is neither a path, such as /welcome, nor a URL at one of redirect_origins"
                )
        return self


class Stored(NamedTuple):
    """Settings, and their version; 0 while they are the defaults."""

    settings: ValidationSettings
    version: int


def may_lead_to(url: str, origins: tuple[str, ...]) -> bool:
    """Whether a redirect may go there: a path of the site itself, or a URL at a listed origin (S73)."""
    if _RELATIVE.fullmatch(url):
        return True
    if not url.isascii() or any(not each.isprintable() or each in " \\" for each in url):
        return False
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return f"{parts.scheme}://{parts.netloc}" in origins


async def read(connection: Connection, workspace: str) -> Stored:
    """The settings in force."""
    row = await connection.fetchrow(READ, workspace)
    return Stored(ValidationSettings.model_validate_json(row["settings"]), row["version"]) if row else Stored(ValidationSettings(), 0)


async def lock(connection: Connection, workspace: str) -> None:
    """Let nobody else change them before this transaction ends."""
    await connection.fetchval(LOCK, workspace)


async def write(connection: Connection, workspace: str, settings: ValidationSettings) -> int:
    """Put settings in force; gives their version."""
    version: int = await connection.fetchval(WRITE, workspace, settings.model_dump_json())
    return version


def _one_of(name: str | None, names: tuple[str, ...]) -> str | None:
    if name is not None and name not in names:
        raise ValueError(f"there is no such template for this; there are {', '.join(names)}")
    return name
