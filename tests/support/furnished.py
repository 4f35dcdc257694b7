"""Workspaces with something of everything, made through the API itself; what each thing's id is, by its kind (`tests.support.operations`)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from uuid import UUID

from msgspec import structs

from onefold.access.identity_keys import create_identity_key
from onefold.identity.contact import ContactId
from onefold.identity.plan import Proposed, Reason
from onefold.installation.demo.sample import sample_seed
from onefold.records import proposals
from tests.support.worlds import event

if TYPE_CHECKING:
    from collections.abc import Mapping

    import httpx

    from onefold.records.store import Store
    from tests.support.apis import Api

SEVERAL = {"title_2": "Other side", "cardinality_1": "many", "cardinality_2": "many"}
RELATIONSHIPS = (
    ("knows", "contacts", "contacts"),
    ("about", "documents", "contacts"),
    ("works-at", "contacts", "organizations"),
    ("signed", "contacts", "documents"),
)
DEFINED: Mapping[str, tuple[str, dict[str, Any]]] = {
    "profile": ("profiles", {"object_type": "contacts", "data": {}}),
    "taxonomy": ("taxonomies", {"object_type": "contacts", "data": {}}),
    "other_taxonomy": ("taxonomies", {"object_type": "contacts", "data": {}}),
    "tag": ("tags", {"data": {}}),
    "other_tag": ("tags", {"data": {}}),
    "relationship": (
        "relationships",
        {"object_type": "users", "data": {**SEVERAL, "object_type_2": "users", "alias_1": "mentor", "alias_2": "pupil"}},
    ),
    "workflow": ("workflows", {"object_type": "contacts", "data": {"steps": [{"slug": "first", "title": "First"}]}}),
    "document_template": ("document-templates", {"data": {}}),
}
ISSUER = "https://id.example.com"
PARK = """
insert into parked (workspace, partition, "offset", event_id, limits, types, identifier_keys, contact_id, message, at, appended_at)
values ($1, 0, $2, 'e1', '{values_per_type}', '{email}', '{}', gen_random_uuid(), $3, now(), now())
"""
QUARANTINE = """
insert into quarantine (workspace, identifier_key, semantic_type, identifier, normalised, contacts, event_id, partition, "offset", since)
values ($1, decode(md5($2), 'hex'), 'email', $2, $2, 50, 'e1', 0, 1, now())
"""
PARKED_AT = {"acme": 1, "twin": 2}
LINES = {"content-type": "application/jsonl"}


async def furnish(api: Api, key: str, workspace: str, word: str) -> dict[str, str]:
    """A workspace with something of everything, the same in every workspace but for a word in its titles, names and texts; gives ids."""
    async with api.client(key) as client:
        ids = await describe(api, client, workspace, word)
        return {**ids, **await records(api.store, client, workspace, "one", word)}


async def describe(api: Api, client: httpx.AsyncClient, workspace: str, word: str) -> dict[str, str]:
    """What a workspace has beside its records: definitions, users, keys, jobs and the like."""
    await post(client, "/seeds", {"items": _sample(word)})
    for number, (slug, one, other) in enumerate(RELATIONSHIPS):
        data = {**SEVERAL, "object_type_2": other, "alias_1": f"one_{number}", "alias_2": f"other_{number}"}
        body = {"slug": slug, "title": f"{slug} {word}", "object_type": one, "data": data}
        await post(client, "/relationships", body)
    ids = {}
    await post(client, "/document-templates", {"slug": "papers", "title": f"Papers {word}", "data": {}})
    for kind, (plural, body) in DEFINED.items():
        made = await post(client, f"/{plural}", {"slug": kind.replace("_", "-"), "title": f"{kind} {word}", **body})
        ids[kind] = made["id"]
    user = await api.user("journey_manager", workspace=workspace, email=f"{word.lower()}@example.com")
    async with api.signed_in(user) as signed_in:
        (session,) = (await signed_in.get("/me")).json()["sessions"]
    await post(client, "/issuers", {"issuer": ISSUER, "title": f"Issuer {word}"})
    await post(client, "/contact-issuers", {"issuer": ISSUER, "title": f"Issuer {word}", "audiences": ["site"]})
    async with api.store.transaction([workspace]) as connection:
        identity_key = (await create_identity_key(connection, workspace, f"Identity {word}")).row.key_id
        await connection.execute(PARK, workspace, PARKED_AT[workspace], word.encode())
        await connection.execute(QUARANTINE, workspace, f"{word}-quarantined@example.com")
    files = {name: await _upload(client, "/imports", f'{{"last_name": "{word}"}}') for name in ("job", "open_job")}
    webhook = await post(client, "/webhooks", {"title": f"Hook {word}", "url": "https://hooks.example.com/in"})
    delivery = await post(client, f"/webhooks/{webhook['webhook_id']}/test", {})
    return {
        **ids,
        **files,
        "webhook": webhook["webhook_id"],
        "delivery": delivery["delivery_id"],
        "document_job": await _upload(client, "/documents/seeds/files?template=papers", "{}"),
        "user": str(user.user_id),
        "session": session["session_id"],
        "identity_key": str(identity_key),
        "parked": f"0/{PARKED_AT[workspace]}",
        "key": (await post(client, "/keys", {"kind": "public", "title": f"Shop {word}"}))["key_id"],
    }


async def records(store: Store, client: httpx.AsyncClient, workspace: str, who: str, word: str) -> dict[str, str]:
    """Records that are the caller's: contacts, organizations, documents, activities, a proposal."""
    ids = {}
    for kind in ("contact", "other_contact", "absorbed", "survivor", "proposed", "other_proposed"):
        given = [{"semantic_type": "email", "identifier": f"{who}-{kind}@example.com"}]
        made = await post(client, "/contacts", {"last_name": f"{kind} {word}", "identifiers": given})
        ids[kind] = made["id"]
    ids["email"] = f"{who}-{word}-only@example.com".lower()
    held = await post(client, f"/contacts/{ids['contact']}/identifiers", {"semantic_type": "email", "identifier": ids["email"]})
    ids["identifier"] = held["identifiers"][0]["identifier_id"]
    await post(client, "/contacts/merge", {"survivor": ids["survivor"], "absorbed": ids["absorbed"]})
    for kind in ("organization", "other_organization"):
        made = await post(client, "/organizations", {"slug": f"{who}-{kind}".replace("_", "-"), "title": f"{kind} {word}"})
        ids[kind] = made["organization_id"]
    for kind in ("document", "other_document"):
        body = {"slug": f"{who}-{kind}".replace("_", "-"), "title": f"{kind} {word}", "template": "papers", "contact_id": ids["contact"]}
        ids[kind] = (await post(client, "/documents", body))["id"]
    body = {"object_type": "contacts", "object_id": ids["contact"], "type": "comments", "content": f"called {word}"}
    ids["activity"] = (await post(client, "/activities", body))["activity_id"]
    ids["proposal"] = await propose(store, workspace, ids["proposed"], ids["other_proposed"])
    ids["other_proposal"] = await propose(store, workspace, ids["proposed"], ids["survivor"])
    return ids


async def propose(store: Store, workspace: str, *pair: str) -> str:
    """An open proposal of two contacts."""
    one, other = sorted((ContactId(UUID(each)) for each in pair), key=lambda each: each.int)
    async with store.transaction([workspace]) as connection:
        now = await connection.fetchval("select now()")
        seen = structs.replace(event("email:both@example.com", workspace=workspace), appended_at=now)
        await proposals.propose(connection, [Proposed(workspace, one, other, Reason.POLICY, "email", seen)])
    return str(proposals.proposal_id(one, other))


async def post(client: httpx.AsyncClient, path: str, body: Any) -> Any:
    """What a call that succeeds answers."""
    answer = await client.post(path, json=body)
    assert answer.is_success, f"{path}: {answer.text}"
    return answer.json()


async def _upload(client: httpx.AsyncClient, path: str, text: str) -> str:
    answer = await client.post(path, content=text.encode(), headers=LINES)
    assert answer.is_success, f"{path}: {answer.text}"
    job_id: str = answer.json()["job_id"]
    return job_id


def _sample(word: str) -> list[dict[str, Any]]:
    """The structure of the sample, and some of its contacts, with a word in every title and last name."""
    items = sample_seed()
    contacts = [each for each in items if each["object_type"] == "contacts" and '"contacts\\"' not in json.dumps(each)]
    found = [each for each in items if each["object_type"] != "contacts"] + contacts[:3]
    for each in found:
        for name in {"title", "last_name"} & each["data"].keys():
            each["data"][name] = f"{each['data'][name]} {word}"
    return found
