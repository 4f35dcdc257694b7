"""Write the files that readers outside need, from the structs: JSON Schema 2020-12 and an AsyncAPI 3 document.

`python -m onefold.messages.generate` writes them below `docs/reference/messages`; with `--check` it writes nothing and exits with 1
where a file is stale. Run by whoever changes a message, and by a test.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any, Final

import msgspec

from onefold.messages import cloudevents, dead_letters, tombstones, topics
from onefold.messages.contacts import ContactChange
from onefold.messages.examples import example
from onefold.messages.interactions import InteractionMessage
from onefold.messages.outreach import OutreachRequested
from onefold.messages.resolved import ResolvedInteraction
from onefold.messages.segments import SegmentMembership

FOLDER: Final = Path("docs/reference/messages")

MESSAGES: Final[dict[str, type[msgspec.Struct]]] = {
    topics.INTERACTIONS: InteractionMessage,
    topics.CONTACTS_CHANGED: ContactChange,
    topics.INTERACTIONS_RESOLVED: ResolvedInteraction,
    topics.SEGMENTS_MEMBERSHIP: SegmentMembership,
    topics.OUTREACH_REQUESTED: OutreachRequested,
}
"""The struct of each topic's values. A dead letter's value is the original's bytes, whatever they are."""

_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"


def files() -> dict[str, str]:
    """Content by file name."""
    found = {f"{topic}.v1.schema.json": _text(schema(topic)) for topic in MESSAGES}
    found["asyncapi.json"] = _text(asyncapi())
    return found


def schema(topic: str) -> dict[str, Any]:
    """The JSON Schema of a topic's messages, whole in itself. Unknown fields are allowed: readers ignore them."""
    (root,), components = msgspec.json.schema_components([MESSAGES[topic]], ref_template="#/$defs/{name}")
    definitions = dict(components)
    own = definitions.pop(root["$ref"].rpartition("/")[2])
    return {"$schema": _DIALECT, "$id": cloudevents.schema_id(topic), **own, "$defs": definitions}


def asyncapi() -> dict[str, Any]:
    """The AsyncAPI 3 document of all topics, with Kafka bindings."""
    specs = {spec.name: spec for spec in topics.SPECS}
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Onefold",
            "version": "1.0.0",
            "description": "Interactions in; contacts, changes, memberships and messages to send out."
            " A deployment may put a prefix before every topic.",
        },
        "defaultContentType": "application/json",
        "channels": {name: _channel(spec) for name, spec in specs.items()},
        "operations": {f"{action} {name}": {"action": action, "channel": {"$ref": f"#/channels/{name}"}} for name, action in _actions()},
        "components": {"messages": {name: _message(spec) for name, spec in specs.items()}},
    }


def _actions() -> list[tuple[str, str]]:
    """What Onefold itself does with each topic."""
    return [(topics.INTERACTIONS, "receive"), (topics.INTERACTIONS, "send"), *((spec.name, "send") for spec in topics.SPECS[1:])]


def _channel(spec: topics.TopicSpec) -> dict[str, Any]:
    return {
        "address": spec.name,
        "title": spec.title,
        "messages": {spec.name: {"$ref": f"#/components/messages/{spec.name}"}},
        "bindings": {
            "kafka": {
                "topic": spec.name,
                "partitions": spec.partitions,
                "topicConfiguration": _typed(spec),
                "bindingVersion": "0.5.0",
            }
        },
    }


def _typed(spec: topics.TopicSpec) -> dict[str, Any]:
    """The topic's settings as the binding types them: it knows few by name and allows any other."""
    typed: dict[str, Any] = {name: int(value) if value.isdigit() else value for name, value in spec.config.items()}
    typed["cleanup.policy"] = [typed["cleanup.policy"]]
    return typed


def _message(spec: topics.TopicSpec) -> dict[str, Any]:
    found: dict[str, Any] = {
        "name": spec.name,
        "title": spec.title,
        "bindings": {"kafka": {"key": {"type": "string", "description": spec.key}, "bindingVersion": "0.5.0"}},
    }
    if spec.name in MESSAGES:
        found["contentType"] = "application/json"
        found["payload"] = {"schemaFormat": "application/schema+json;version=2020-12", "schema": {"$ref": f"./{spec.name}.v1.schema.json"}}
        found["examples"] = [{"name": spec.name, "payload": json.loads(example(spec.name))}]
    else:
        found["contentType"] = "application/octet-stream"
        found["headers"] = _headers(dead_letters.HEADER_TITLES)
    if spec.name in cloudevents.TYPES:
        found["headers"] = _headers(cloudevents.HEADER_TITLES)
        found["headers"]["properties"]["ce_type"]["const"] = cloudevents.TYPES[spec.name]
    if spec.name == topics.CONTACTS_CHANGED:
        found["description"] = "A tombstone has a null value and no headers but these. " + " ".join(
            f"`{name}`: {title}" for name, title in tombstones.HEADER_TITLES.items()
        )
    return found


def _headers(titles: dict[str, str]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {name: {"type": "string", "description": title} for name, title in titles.items()},
        "required": [name for name in titles if name != "traceparent"],
    }


def _text(content: dict[str, Any]) -> str:
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"


def stale(folder: Path) -> list[str]:
    """Names of the files in `folder` that are missing or not what `files` gives, and of those that nothing gives any more."""
    expected = files()
    present = {path.name: path.read_text(encoding="utf-8") for path in folder.glob("*.json")}
    return sorted(name for name in expected.keys() | present.keys() if expected.get(name) != present.get(name))


def main(arguments: list[str] | None = None) -> int:
    """Write the files, or check them."""
    parser = argparse.ArgumentParser(prog="python -m onefold.messages.generate", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing, exit with 1 where a file is stale")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where the files lie (default: %(default)s)")
    asked = parser.parse_args(arguments)
    if asked.check:
        names = stale(asked.folder)
        if names:
            sys.stderr.write(f"stale: {', '.join(names)}; run python -m onefold.messages.generate\n")
        return 1 if names else 0
    asked.folder.mkdir(parents=True, exist_ok=True)
    for name in stale(asked.folder):
        (asked.folder / name).unlink(missing_ok=True)
    for name, text in files().items():
        (asked.folder / name).write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
