"""Onefold: resolves interactions into contacts. The map of its rooms: `docs/map.md`."""
