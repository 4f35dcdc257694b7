"""Interactions of tests as the resolver meets them: their visitors named by the bytes of a message."""

from __future__ import annotations

from typing import TYPE_CHECKING

from onefold.messages.codec import encode, skim
from onefold.messages.interactions import InteractionMessage, WireIdentifier

if TYPE_CHECKING:
    from onefold.identity.interaction import Interaction
    from onefold.identity.rules import Rules
    from onefold.index.naming import Naming, Namings


def naming_of(interaction: Interaction, rules: Rules, namings: Namings) -> Naming:
    """How a message with this interaction's identifiers names its visitor."""
    wire = [WireIdentifier(each.semantic_type, each.identifier, each.slug) for each in interaction.identifiers]
    message = skim(encode(InteractionMessage(interaction.event_id, interaction.workspace, interaction.type, identifiers=wire)))
    return namings.under(rules, message, namings.of(message))
