"""A process that drives one SDK, its code untouched, only the host set: `python -m onefold.installation.demo.sender segment HOST KEY`.

Reads calls as JSON Lines from standard input, makes them, flushes, and prints how many the SDK reported as failed.
"""

from __future__ import annotations

import importlib
import json
import sys
from datetime import datetime
from typing import Any

PACKAGES = {"segment": "segment.analytics.client", "rudder": "rudderstack.analytics.client"}
QUEUE = 100_000
"""The SDKs drop silently what exceeds their queue of 10,000."""


def main() -> None:
    """Make every call on standard input."""
    sdk, host, key = sys.argv[1:]
    failed: list[int] = []
    client = importlib.import_module(PACKAGES[sdk]).Client(
        key, host=host, max_queue_size=QUEUE, upload_interval=0.1, on_error=lambda _error, batch: failed.append(len(batch))
    )
    for line in sys.stdin:
        make(client, json.loads(line))
    client.shutdown()
    print(json.dumps({"failed": sum(failed)}))  # noqa: T201 -- read by whoever started it


def make(client: Any, call: dict[str, Any]) -> None:
    """One call, at the time that it says."""
    common = {"anonymous_id": call["anonymous_id"], "timestamp": datetime.fromisoformat(call["at"])}
    if call["kind"] == "identify":
        client.identify(user_id=call["user_id"], traits=call["traits"], **common)
    elif call["kind"] == "page":
        client.page(name=call["name"], properties={"path": f"/{call['name'].lower()}"}, **common)
    else:
        client.track(event=call["name"], **common)


if __name__ == "__main__":
    main()
