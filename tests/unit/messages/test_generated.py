"""What readers outside are given agrees with what we write and read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

import jsonschema
import msgspec
import pytest

from onefold.messages import cloudevents, topics
from onefold.messages.codec import decode, encode, key_of
from onefold.messages.examples import example
from onefold.messages.generate import FOLDER, MESSAGES, files, main, schema, stale
from onefold.messages.resolved import LineWriter, ResolvedInteraction

if TYPE_CHECKING:
    from collections.abc import Mapping

CHECKOUT = Path(__file__).parents[3]


def validator(topic: str) -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(schema(topic), format_checker=jsonschema.FormatChecker())


def test_generated_files_are_fresh() -> None:
    """C2: generated from the models that validate. If this fails: python -m onefold.messages.generate."""
    assert stale(CHECKOUT / FOLDER) == []


def test_generating_writes_what_is_missing_and_removes_what_is_left_over(tmp_path: Path) -> None:
    (tmp_path / "gone.v1.schema.json").write_text("{}")
    assert main(["--check", "--folder", str(tmp_path)]) == 1
    assert main(["--folder", str(tmp_path)]) == 0
    assert main(["--check", "--folder", str(tmp_path)]) == 0
    assert {path.name for path in tmp_path.iterdir()} == set(files())


@pytest.mark.parametrize("topic", MESSAGES)
def test_every_schema_is_one_and_keeps_its_id(topic: str) -> None:
    jsonschema.Draft202012Validator.check_schema(schema(topic))
    assert schema(topic)["$id"] == f"urn:onefold:message:{topic}:1"


@pytest.mark.parametrize("topic", MESSAGES)
def test_every_example_is_valid_decodes_and_comes_back_the_same(topic: str) -> None:
    validator(topic).validate(json.loads(example(topic)))
    decoded = decode(example(topic), MESSAGES[topic])
    again = json.loads(encode(decoded))
    validator(topic).validate(again)
    assert contains(again, json.loads(example(topic)))


def test_the_example_of_an_interaction_passes_the_door_of_the_resolver() -> None:
    assert key_of(example(topics.INTERACTIONS)).startswith(b"acme:d3a1")


def contains(whole: object, part: object) -> bool:
    """Whether every field of `part` is in `whole`, which may hold more: defaults that were left out."""
    if isinstance(whole, dict) and isinstance(part, dict):
        return all(name in whole and contains(whole[name], value) for name, value in part.items())
    if isinstance(whole, list) and isinstance(part, list):
        return len(whole) == len(part) and all(map(contains, whole, part))
    return whole == part


@pytest.mark.parametrize(
    ("contact_id", "tenure_id", "outcome", "reason"),
    [("9f0b5f43-6a0e-5d3c-8f6f-3a4a1f0a2b01", 7, "seen", None), (None, None, "unresolved", "no_identifier")],
)
def test_a_spliced_message_is_the_message(contact_id: str | None, tenure_id: int | None, outcome: str, reason: str | None) -> None:
    """C2: forwarders preserve fields that they do not know."""
    original = b' {"event_id":"e1","workspace":"acme","type":"page","colour":"bl\\u00fce"}\n'
    value = LineWriter(2, 3, 12).line(
        41, 1_793_525_400_120, contact_id.encode() if contact_id else None, tenure_id, outcome, reason, original
    )
    validator(topics.INTERACTIONS_RESOLVED).validate(json.loads(value))
    found = decode(value, ResolvedInteraction)
    assert (found.generation, found.partition, found.offset, found.epoch) == (2, 3, 41, 12)
    assert found.contact_id == (UUID(contact_id) if contact_id else None)
    assert (found.tenure_id, found.outcome, found.reason, found.at_ms) == (tenure_id, outcome, reason, 1_793_525_400_120)
    assert original in value


def test_a_change_carries_cloudevents_headers_and_a_pass_through_does_not() -> None:
    found = cloudevents.headers(
        topics.CONTACTS_CHANGED, event_id="x", workspace="acme", subject="9f0b", at="2026-11-01T09:30:00.000Z", traceparent="00-a-b-01"
    )
    assert found == {
        "ce_specversion": "1.0",
        "ce_id": "x",
        "ce_source": "/workspaces/acme",
        "ce_type": "onefold.contact.changed.v1",
        "ce_time": "2026-11-01T09:30:00.000Z",
        "ce_subject": "9f0b",
        "ce_dataschema": "urn:onefold:message:contacts.changed:1",
        "content-type": "application/json",
        "traceparent": "00-a-b-01",
    }
    assert set(found) == set(cloudevents.HEADER_TITLES)
    assert set(cloudevents.TYPES) == {topics.CONTACTS_CHANGED, topics.SEGMENTS_MEMBERSHIP, topics.OUTREACH_REQUESTED}


def test_the_asyncapi_document_tells_how_each_topic_is_made() -> None:
    document = json.loads(files()["asyncapi.json"])
    assert document["asyncapi"] == "3.0.0"
    assert set(document["channels"]) == {spec.name for spec in topics.SPECS}
    for spec in topics.SPECS:
        kafka = document["channels"][spec.name]["bindings"]["kafka"]
        assert (kafka["topic"], kafka["partitions"]) == (spec.name, spec.partitions)
        assert set(kafka["topicConfiguration"]) == set(spec.config)
    assert references(document) <= set(files()) | internal(document)


def references(node: object) -> set[str]:
    if isinstance(node, dict):
        own = {str(node["$ref"]).removeprefix("./")} if "$ref" in node else set()
        return own.union(*map(references, node.values()))
    return set().union(*map(references, node)) if isinstance(node, list) else set()


def internal(document: Mapping[str, Mapping[str, object]]) -> set[str]:
    messages = {f"#/components/messages/{spec.name}" for spec in topics.SPECS}
    return {f"#/channels/{name}" for name in document["channels"]} | messages


def test_a_topic_that_wraps_another_takes_larger_messages_than_that() -> None:
    """A6: whatever `interactions` takes must fit into what is made of it, and into the dead letters."""
    size = {spec.name: int(spec.config["max.message.bytes"]) for spec in topics.SPECS}
    assert size[topics.INTERACTIONS] < size[topics.INTERACTIONS_RESOLVED] < size[topics.DEAD_LETTER]
    assert size[topics.DEAD_LETTER] == max(size.values())


def test_structs_are_the_shape_that_the_contract_shows() -> None:
    """product.md, section 5: the fields of the two messages that it shows."""
    names = {field.name for field in msgspec.structs.fields(MESSAGES[topics.CONTACTS_CHANGED])}
    assert {"event_id", "workspace", "contact_id", "version", "at", "cause", "changes", "merged", "merged_into", "contact"} <= names
