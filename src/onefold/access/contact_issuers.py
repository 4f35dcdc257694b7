"""Which OpenID issuers sign in a workspace's contacts, to whom their tokens are made out, and whose addresses they vouch for (S45).

An issuer of users (`issuers`) is none of these unless it is said here, too. Nothing here commits: the caller's transaction does. Called by
the User API; `contact_issuer_finder` by the Contact API.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

from onefold.access.fetching import check_url
from onefold.access.issuers import LONGEST_TITLE, LONGEST_URL, MOST_ISSUERS, IssuerNotFound
from onefold.errors import InvalidMessage
from onefold.identity.normalise import normalise_email
from onefold.identity.rules import Normalisation
from onefold.records import contact_issuers

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from onefold.records.contact_issuers import ContactIssuerRow, NewContactIssuer
    from onefold.records.store import Connection, Store

    FindContactIssuer = Callable[[str, str], Awaitable[ContactIssuerRow | None]]
    """By workspace and issuer: the provider, if the workspace lets it sign in contacts now."""

LONGEST_ISSUER: Final = 500
"""Characters: with a subject of 255 behind it, an issuer is an identifier, which has at most 1,024 bytes."""
MOST_AUDIENCES: Final = 20
LONGEST_AUDIENCE: Final = 255
MOST_DOMAINS: Final = 100
_AUDIENCE: Final = re.compile(rf"[\x21-\x7e]{{1,{LONGEST_AUDIENCE}}}")
_PLAIN: Final = Normalisation()


class Edit(NamedTuple):
    """What is to be different; None: as it is."""

    title: str | None = None
    audiences: list[str] | None = None
    email_domains: list[str] | None = None
    is_enabled: bool | None = None


def contact_issuer_finder(store: Store) -> FindContactIssuer:
    """How a verifier of ID tokens learns whom a workspace trusts: at every token, so that a removed issuer is out at once."""

    async def find(workspace: str, named: str) -> ContactIssuerRow | None:
        async with store.transaction([workspace]) as connection:
            row = await contact_issuers.find(connection, workspace, named)
        return row if row is not None and row.is_enabled else None

    return find


async def trust(connection: Connection, new: NewContactIssuer) -> ContactIssuerRow:
    """Let an issuer say which contact somebody is. Raises InvalidMessage, AlreadyExists."""
    for url, most in ((new.issuer, LONGEST_ISSUER), (new.jwks_uri, LONGEST_URL)):
        if url is not None and len(check_url(url)) > most:
            raise InvalidMessage(f"this URL has at most {most} characters", code="invalid_url")
    if "?" in new.issuer or "|" in new.issuer:
        raise InvalidMessage("an issuer's URL has no query and no vertical bar", code="invalid_url")
    if len(await contact_issuers.every(connection, new.workspace)) >= MOST_ISSUERS:
        raise InvalidMessage(f"a workspace trusts at most {MOST_ISSUERS} issuers", code="too_many")
    said = new._replace(title=_title(new.title), audiences=_audiences(new.audiences), email_domains=domains_of(new.email_domains))
    return await contact_issuers.insert(connection, said)


async def edit(connection: Connection, workspace: str, issuer: str, wanted: Edit) -> tuple[ContactIssuerRow, ContactIssuerRow]:
    """Change what is said of an issuer; gives it before and after. Raises IssuerNotFound, InvalidMessage."""
    found = await contact_issuers.find(connection, workspace, issuer)
    if found is None:
        raise _missing(workspace, issuer)
    changes = {name: value for name, value in wanted._asdict().items() if value is not None}
    said = found._replace(**changes)
    said = said._replace(title=_title(said.title), audiences=_audiences(said.audiences), email_domains=domains_of(said.email_domains))
    stored = await contact_issuers.update(connection, said)
    if stored is None:
        raise _missing(workspace, issuer)
    return found, stored


async def distrust(connection: Connection, workspace: str, issuer: str) -> None:
    """Let an issuer sign in nobody any more. Raises IssuerNotFound."""
    if not await contact_issuers.delete(connection, workspace, issuer):
        raise _missing(workspace, issuer)


def domains_of(named: Iterable[str]) -> list[str]:
    """Domains in the form in which addresses are compared by them, each once. Raises InvalidMessage."""
    found = {_domain(each) for each in named}
    if len(found) > MOST_DOMAINS:
        raise InvalidMessage(f"an issuer vouches for at most {MOST_DOMAINS} domains", code="too_many")
    return sorted(found)


def domain_of(email: str) -> str | None:
    """The domain of an address, in its ASCII form; None for what is no address."""
    plain = normalise_email(email.strip(), _PLAIN)
    return plain.rpartition("@")[2] if plain is not None else None


def _domain(text: str) -> str:
    found = domain_of(f"a@{text.strip()}") if "@" not in text else None
    if found is None:
        raise InvalidMessage(f"{text!r} is no domain of addresses, such as example.com", code="invalid_domain")
    return found


def _title(text: str) -> str:
    if not text.strip() or len(text) > LONGEST_TITLE or "\0" in text:
        raise InvalidMessage(f"an issuer's title has 1 to {LONGEST_TITLE} characters", code="invalid_title")
    return text


def _audiences(named: Iterable[str]) -> list[str]:
    found = sorted(set(named))
    if not 1 <= len(found) <= MOST_AUDIENCES or not all(_AUDIENCE.fullmatch(each) for each in found):
        told = f"say 1 to {MOST_AUDIENCES} audiences, each of 1 to {LONGEST_AUDIENCE} characters without spaces: the site's client ids"
        raise InvalidMessage(told, code="invalid_audience")
    return found


def _missing(workspace: str, issuer: str) -> IssuerNotFound:
    return IssuerNotFound(f"no contact of workspace {workspace!r} signs in by issuer {issuer!r}")
