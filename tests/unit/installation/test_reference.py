"""Generated pages are fresh, the map is true."""

from __future__ import annotations

import re
from pathlib import Path

from onefold.installation import reference

ROOT = Path(__file__).parents[3]


def test_generated_reference_pages_are_fresh() -> None:
    for path, text in reference.pages().items():
        assert (ROOT / path).read_text(encoding="utf-8") == text, f"{path}: run python -m onefold.installation.reference"


def test_every_path_of_the_map_exists() -> None:
    named = re.findall(r"`((?:src|streams|tests|deploy|docs)/[^`]*)`", (ROOT / "docs/map.md").read_text(encoding="utf-8"))
    assert len(named) > 20
    assert [path for path in named if not (ROOT / path).exists()] == []


def test_every_room_is_on_the_map() -> None:
    text = (ROOT / "docs/map.md").read_text(encoding="utf-8")
    rooms = [path.name for path in (ROOT / "src/onefold").iterdir() if path.is_dir() and path.name != "__pycache__"]
    assert [room for room in rooms if f"src/onefold/{room}/" not in text] == []


def test_links_between_pages_lead_somewhere() -> None:
    pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *ROOT.glob("docs/**/*.md")]
    links = [(page, link) for page in pages for link in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))]
    assert len(links) > 10
    assert [f"{page.name}: {link}" for page, link in links if "://" not in link and not (page.parent / link).exists()] == []
