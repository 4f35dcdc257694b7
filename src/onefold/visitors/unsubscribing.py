"""Getting no more messages: by a link that names an address by its keyed hash, and works for as long as the address is somebody's.

It needs no sign-in, as the law has it and mail programs expect (RFC 8058), so it does one thing: the address takes no more messages that
its owner did not ask for (`outreach: false`). Called by the pages of links, and by whoever writes such messages.
"""

from __future__ import annotations

import hmac
import re
from base64 import urlsafe_b64encode
from typing import TYPE_CHECKING, Final

from onefold.contacts import identifiers as holding
from onefold.contacts.identifiers import Amendment
from onefold.errors import Refused
from onefold.identity.identifiers import IdentifierKey
from onefold.records.histories import open_now
from onefold.visitors.acting import acting_for
from onefold.visitors.capture import Visit
from onefold.visitors.keyed import Keyed
from onefold.visitors.telling import Address

if TYPE_CHECKING:
    from onefold.records.log import Origin
    from onefold.records.store import Connection, Store
    from onefold.visitors.telling import Teller

UNSUBSCRIBED: Final = "Unsubscribed"
_TOKEN: Final = re.compile(r"([a-z0-9][a-z0-9_-]{0,62})\.([0-9a-f]{32})\.([A-Za-z0-9_-]{43})")


class UnsubscribeRefused(Refused):
    """The link names nobody's address, or was not made here."""

    code = "unsubscribe_refused"


class UnsubscribeLinks:
    """Makes and reads them, under the key of the settings."""

    def __init__(self, secret: bytes, origin: str) -> None:
        self._keyed = Keyed(secret)
        self._origin = origin.rstrip("/")

    def to(self, workspace: str, key: IdentifierKey) -> str:
        """The address of the page, for a message to whoever holds this identifier."""
        return f"{self._origin}/unsubscribe/{workspace}.{key.hex()}.{self._signature(workspace, key)}"

    def read(self, token: str) -> tuple[str, IdentifierKey]:
        """Workspace and identifier that a link names. Raises UnsubscribeRefused."""
        read = _TOKEN.fullmatch(token)
        key = IdentifierKey(bytes.fromhex(read[2])) if read is not None else IdentifierKey(bytes(16))
        if read is None or not hmac.compare_digest(self._signature(read[1], key), read[3]):
            raise UnsubscribeRefused("this link is not whole; take it from the message again")
        return read[1], key

    def _signature(self, workspace: str, key: IdentifierKey) -> str:
        return urlsafe_b64encode(self._keyed.hash("unsubscribe", workspace, key.hex())).decode().rstrip("=")


async def unsubscribe(store: Store, links: UnsubscribeLinks, token: str, origin: Origin, teller: Teller) -> None:
    """Let the address that a link names take no more messages. Again, it changes nothing. Raises UnsubscribeRefused."""
    workspace, key = links.read(token)
    await store.repeated([workspace], lambda connection: _silence(connection, Visit(workspace, None, origin), key, teller))


async def _silence(connection: Connection, visit: Visit, key: IdentifierKey, teller: Teller) -> None:
    found = await open_now(connection, visit.workspace, [key])
    if not found:
        return  # nobody holds it: nobody is written to
    held = found[0]
    by = acting_for(held.contact_id, visit)
    wanted = Amendment(outreach=False)
    done = await holding.amend(connection, visit.workspace, held.contact_id, key, wanted, by, numbers=teller.numbers, shards=teller.shards)
    if done.plan.writes:
        await teller.tell(connection, visit, UNSUBSCRIBED, [Address(held.semantic_type, held.normalised)], assurance="claimed")
