"""TLS is verified by every client of ours: nothing in the code turns it off (S115). Each client against such a server: its own tests."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[3]
OFF = re.compile(
    r"CERT_NONE|CERT_OPTIONAL|check_hostname\s*=\s*False|verify\s*=\s*False|_create_unverified_context|validate_certs\s*=\s*False"
)


def test_no_line_turns_verification_off() -> None:
    """S115."""
    assert OFF.search("context.check_hostname = False")
    files = [
        path for folder in ("src", "streams", "deploy") for path in (ROOT / folder).rglob("*") if path.suffix in {".py", ".sh", ".yml"}
    ]
    assert len(files) > 100
    found = [f"{path}:{number}" for path in files for number, line in enumerate(path.read_text().splitlines(), 1) if OFF.search(line)]
    assert found == []
