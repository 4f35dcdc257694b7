"""Send the visits: two SDKs in processes of their own, and the proofs straight to the topic."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import sys
from typing import TYPE_CHECKING

from onefold.errors import ConfigurationError, OnefoldError
from onefold.installation.demo.visits import of
from onefold.messages.codec import encode
from onefold.messages.interactions import InteractionMessage, WireIdentifier, WireProof, interaction_key
from onefold.messages.times import time_text
from onefold.messages.topics import INTERACTIONS
from onefold.topics.producer import IdempotentProducer

if TYPE_CHECKING:
    from collections.abc import Iterable

    from onefold.bootstrap import Role
    from onefold.installation.demo.visits import Call, Visits

PACKAGES = {"segment": "segment", "rudder": "rudderstack"}


class SendingFailed(OnefoldError):
    """An SDK could not deliver what it was given."""

    code = "sending_failed"


def require_sdks() -> None:
    """Raise ConfigurationError where the SDKs are not installed."""
    missing = [name for name, package in PACKAGES.items() if importlib.util.find_spec(package) is None]
    if missing:
        raise ConfigurationError(
            "the demo drives the packages segment-analytics-python and rudder-sdk-python, which are not installed here;"
            " `./dev demo` installs them, or `pip install segment-analytics-python rudder-sdk-python`"
        )


async def send(visits: Visits, role: Role, *, workspace: str, url: str, public_key: str, secret_key: str) -> None:
    """Send everything, all senders at once. Raises SendingFailed, LogUnavailable."""
    await asyncio.gather(
        _drive("segment", url, public_key, of(visits, "browser")),
        _drive("rudder", url, secret_key, of(visits, "backend")),
        _prove(role, workspace, of(visits, "topic")),
    )


async def _drive(sdk: str, url: str, key: str, calls: Iterable[Call]) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "onefold.installation.demo.sender",
        sdk,
        url,
        key,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        said, complaints = await process.communicate("".join(_line(call) for call in calls).encode())
    except asyncio.CancelledError:
        process.kill()
        await process.wait()
        raise
    failed = json.loads(said)["failed"] if process.returncode == 0 else None
    if failed != 0:
        tail = complaints.decode(errors="replace").strip()[-2_000:]
        raise SendingFailed(f"the {sdk} SDK failed ({failed} events not delivered, exit {process.returncode}): {tail}")


def _line(call: Call) -> str:
    values = {
        "kind": call.kind,
        "at": call.at.isoformat(),
        "anonymous_id": call.anonymous_id,
        "user_id": call.user_id,
        "name": call.name,
        "traits": call.traits,
    }
    return json.dumps(values) + "\n"


async def _prove(role: Role, workspace: str, calls: Iterable[Call]) -> None:
    """What a server that has checked a one-time code would produce."""
    records: list[tuple[bytes | None, bytes | None]] = []
    for call in calls:
        email = call.traits["email"]
        message = InteractionMessage(
            event_id=f"otp-{call.anonymous_id}",
            workspace=workspace,
            type="identify",
            channel="server",
            assurance="proved",
            proof=WireProof("email", email, "otp"),
            occurred_at=time_text(call.at),
            identifiers=[WireIdentifier("anonymous_token", call.anonymous_id), WireIdentifier("email", email)],
        )
        records.append((interaction_key(message), encode(message)))
    async with IdempotentProducer(role.kafka) as producer:
        await producer.send_many(INTERACTIONS, records)
