"""What an identity token does for the calls of one request: which token goes with which call, and what it raises to *asserted*.

The token of a call is its own `context.identityToken`, else that of the batch's context, else the header's. It is taken out of the call
whatever the key, so that none ever lies on the topic (S97). A token that does not count leaves its calls what they are without one,
*claimed*, and the answer says why: to refuse them would cost events and gain nothing, since whoever holds a public key may leave the token
away. A key that requires tokens refuses what names a person otherwise (S50, enforce mode), on every path. Called by `intake`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from onefold.access import identity_tokens
from onefold.access.identity_tokens import Identity, InvalidToken
from onefold.http.collector.refusals import EventRefused
from onefold.http.collector.translate import as_text
from onefold.messages.interactions import WireIdentifier

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from onefold.access.keys import WriteKey
    from onefold.messages.interactions import InteractionMessage

    VerifyIdentity = Callable[[str, str], Awaitable[Identity]]
    """`Verifier.verify`: of a workspace and a token."""

HEADER: Final = b"x-identity-token"
FIELD: Final = "identityToken"
ASSERTED: Final = "asserted"
NOBODY_NAMED: Final = "nobody_named"
"""A call of a visitor before the sign-in, in a batch with one after it: not what the token is for, and no mistake either."""
SOMEONE_ELSE: Final = "token_for_someone_else"
SENTENCES: Final = {
    **identity_tokens.SENTENCES,
    SOMEONE_ELSE: "The call's `userId`, or its `anonymousId` where the token names one, is not that of the identity token.",
}
"""Why a token does nothing for a call, with what it says to the developer who sent it."""
_DEVICE_BOUND: Final = frozenset({"anonymous_token", "device_id"})


def taken_out(holder: dict[str, Any] | None) -> object:
    """The token in a call or in a batch's root, taken out of its context; None where there is none."""
    context = holder.get("context") if holder else None
    return context.pop(FIELD, None) if type(context) is dict else None


class Tokens:
    """The tokens of one request, each of which is verified once."""

    def __init__(self, verify: VerifyIdentity, key: WriteKey, for_all: object) -> None:
        """`for_all` is the token of calls that bring none of their own."""
        self._verify = verify
        self._key = key
        self._for_all = for_all
        self._verified: dict[str, Identity | InvalidToken] = {}

    async def of(self, call: dict[str, Any]) -> Identity | InvalidToken | None:
        """What the call's token says; takes it out of the call. None without one, and under a secret key, which asserts by itself."""
        own = taken_out(call)
        token = self._for_all if own is None else own
        if token is None or self._key.secret:
            return None
        text = token if isinstance(token, str) else ""
        if text not in self._verified:
            try:
                self._verified[text] = await self._verify(self._key.workspace, text)
            except InvalidToken as invalid:
                self._verified[text] = invalid
        return self._verified[text]


def result(message: InteractionMessage, shown: Identity | InvalidToken) -> str:
    """Raise the interaction as far as the token goes; `asserted`, `nobody_named`, or one of SENTENCES where it does nothing."""
    if isinstance(shown, InvalidToken):
        return shown.code
    texts = {(each.semantic_type, as_text(each.identifier)) for each in message.identifiers}
    present = {semantic_type for semantic_type, _ in texts}
    if "user_id" not in present:
        return NOBODY_NAMED
    if ("user_id", shown.user_id) not in texts:
        return SOMEONE_ELSE
    if shown.anonymous_id is not None and ("anonymous_token", shown.anonymous_id) not in texts:
        return SOMEONE_ELSE
    message.assurance = "asserted"
    message.asserts = [WireIdentifier(kind, value) for kind, value in _named(shown) if kind in present]
    return ASSERTED


def require(message: InteractionMessage, message_id: object) -> None:
    """Under a key that requires tokens: raise EventRefused where the call names a person otherwise than its token does."""
    named = {(each.semantic_type, each.identifier) for each in message.asserts or ()}
    for each in message.identifiers:
        text = as_text(each.identifier)
        if each.semantic_type not in _DEVICE_BOUND and text is not None and (each.semantic_type, text) not in named:
            raise EventRefused("identity_token_required", message_id=message_id)


def _named(shown: Identity) -> list[tuple[str, str]]:
    pairs = (("user_id", shown.user_id), ("email", shown.email), ("phone", shown.phone), ("anonymous_token", shown.anonymous_id))
    return [(kind, value) for kind, value in pairs if value is not None]
