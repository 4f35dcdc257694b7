"""How sure we are that an identifier is the visitor's (product.md, section 4).

Ordered: a greater assurance may do whatever a smaller one may.
"""

from __future__ import annotations

from enum import IntEnum


class Assurance(IntEnum):
    """The strength of one interaction, of one tenure, or of a value that a contact holds."""

    CLAIMED = 0
    """Came with a public write key: a form, a widget, the tracking script."""
    ASSERTED = 1
    """Came with a secret key, from a server that produces to the topic, or under a signed token."""
    PROVED = 2
    """Our own code or link, a trusted OAuth issuer, a channel that proves the number."""
    DECIDED = 3
    """A named user with a reason. Exists only as an action of a user (R19)."""

    @property
    def word(self) -> str:
        """The word that messages and pages show."""
        return _WORDS[self]

    @classmethod
    def of(cls, word: str) -> Assurance:
        """The assurance called `word`; ValueError for any other text."""
        try:
            return _BY_WORD[word]
        except KeyError:
            raise ValueError(f"{word!r} is no assurance: use claimed, asserted, proved or decided") from None


_WORDS = tuple(each.name.lower() for each in Assurance)
"""Of 200 listed identifiers each says its own: asking the enumeration for its name took a twelfth of a large contact's message."""
_BY_WORD = {each.word: each for each in Assurance}
