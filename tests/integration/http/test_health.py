"""Health and metrics of a role over HTTP (S116: on a port of their own)."""

from __future__ import annotations

import httpx
import pytest

from onefold.errors import ConfigurationError
from onefold.http.health import serving
from onefold.observe import Health, Metrics, ResolverMetrics


@pytest.mark.asyncio
async def test_live_ready_and_metrics_say_what_is() -> None:
    metrics = Metrics()
    ResolverMetrics(metrics).raced("Moved")
    health = Health("resolver", metrics.registry)
    async with serving(health, "127.0.0.1", 0) as port, httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
        assert (await client.get("/live")).status_code == 200
        waiting = await client.get("/ready")
        assert (waiting.status_code, waiting.json()["waiting"]) == (503, {"start": "starting"})
        health.ready("start")
        assert (await client.get("/ready")).json() == {"role": "resolver", "ready": True, "waiting": {}}
        assert 'onefold_resolver_races_total{cause="Moved"} 1.0' in (await client.get("/metrics")).text
        health._ticked -= 60
        assert (await client.get("/live")).status_code == 503
        with pytest.raises(ConfigurationError, match="ONEFOLD_HEALTH__PORT"):
            async with serving(health, "127.0.0.1", port):
                pass
