"""Drives one SDK, in a process of its own whose path holds that SDK's version alone; its code is untouched, only the host is set.

Called by `sdks.drive` with a JSON object on stdin: sdk, host, key, and a scenario. Prints what the SDK said as JSON.
"""

from __future__ import annotations

import importlib
import json
import secrets
import sys
import time
from importlib.metadata import version
from typing import Any

PACKAGES = {"segment": ("segment.analytics", "segment-analytics-python"), "rudder": ("rudderstack.analytics", "rudder-sdk-python")}
MANY = 230
"""More than two batches of a hundred."""


def main() -> None:
    """Read the task, do it, print what came of it."""
    task = json.load(sys.stdin)
    module, package = PACKAGES[task["sdk"]]
    errors: list[dict[str, Any]] = []

    def note(error: Any, batch: list[Any]) -> None:
        errors.append(
            {"status": getattr(error, "status", None), "code": getattr(error, "code", None), "text": str(error), "events": len(batch)}
        )

    client = importlib.import_module(f"{module}.client").Client(
        task["key"], host=task["host"], on_error=note, upload_interval=0.2, max_retries=task.get("retries", 10), **task.get("options", {})
    )
    began = time.monotonic()
    result = SCENARIOS[task["scenario"]](client, importlib.import_module(f"{module}.request"), task)
    client.shutdown()
    json.dump(
        {
            "version": version(package),
            "file": importlib.import_module(module).__file__,
            "errors": errors,
            "result": result,
            "seconds": time.monotonic() - began,
        },
        sys.stdout,
    )


def every_call(client: Any, _request: Any, _task: dict[str, Any]) -> list[str]:
    """Each kind of call once, and many tracks; gives the message ids."""
    messages = [
        client.track(anonymous_id="visitor-1", event="Signed Up", properties={"plan": "pro"}),
        client.identify(
            "user-1", {"email": "Ann@Example.com", "firstName": "Ann", "last_name": "Lee", "seats": 3}, anonymous_id="visitor-1"
        ),
        client.page("user-1", "Docs", "Pricing", {"path": "/pricing"}),
        client.screen("user-1", None, "Home", {"dark": True}),
        client.group("user-1", "acme-ltd", {"email": "info@acme.example"}),
        client.alias("visitor-0", "user-1"),
        *(client.track("user-1", f"Step {n}", anonymous_id="visitor-1") for n in range(MANY)),
    ]
    client.flush()
    return [message["messageId"] for _, message in messages]


def one_track(client: Any, _request: Any, task: dict[str, Any]) -> str:
    """One call, waited for."""
    properties = {"padding": "x" * task["padding"]} if "padding" in task else {}
    _, message = client.track("user-1", "Clicked", properties, message_id=task.get("message_id"))
    client.flush()
    return str(message["messageId"])


def two_requests(client: Any, request: Any, task: dict[str, Any]) -> list[str]:
    """Two calls, each waited for, so that each is a request of its own."""
    return [one_track(client, request, task), one_track(client, request, task)]


def posted(_client: Any, request: Any, task: dict[str, Any]) -> dict[str, Any] | None:
    """A body that the SDK would not make by itself, sent by its own transport: what its error says."""
    padding = {"properties": {"padding": secrets.token_hex(task["padding"] // 2)}} if "padding" in task else {}
    body = task.get("body") or {"batch": [{"type": "track", "event": "big", "userId": "u", **padding}] * task.get("times", 1)}
    try:
        request.post(task["key"], task["host"], **task.get("post", {}), **body)
    except request.APIError as error:
        return {"status": error.status, "code": error.code, "message": error.message}
    return None


SCENARIOS = {"every_call": every_call, "one_track": one_track, "two_requests": two_requests, "posted": posted}

if __name__ == "__main__":
    main()
