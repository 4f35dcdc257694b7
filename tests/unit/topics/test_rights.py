"""Rights on topics as commands; what they are worth at a broker is `tests/integration/topics/test_rights.py`."""

from __future__ import annotations

from onefold.topics.rights import ROLES, as_command, principal, rights


def test_a_right_is_printed_as_a_shell_takes_it() -> None:
    (write,) = rights("collector", prefix="eu.", resolvers="r")
    start = "kafka-acls.sh --bootstrap-server k:9093 --command-config admin.properties --add --allow-principal User:onefold-"
    assert as_command(principal("collector"), write, servers="k:9093") == f"{start}collector --operation Write --topic eu.interactions"
    fence = rights("relay", prefix="", resolvers="r")[-1]
    assert as_command(principal("relay"), fence, servers="k:9093") == (
        f"{start}relay --operation Write --transactional-id onefold-relay- --resource-pattern-type prefixed"
    )


def test_only_the_operator_may_change_topics() -> None:
    """S64."""
    changing = {role for role in ROLES for right in rights(role, prefix="", resolvers="r") if right.operation not in {"Read", "Write"}}
    assert changing == {"operator"}


def test_every_name_carries_the_prefix_of_the_installation() -> None:
    assert all(right.name.startswith("eu.") for role in ROLES for right in rights(role, prefix="eu.", resolvers="r"))
