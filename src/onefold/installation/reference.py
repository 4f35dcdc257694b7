"""Reference pages that are written from the code: `python -m onefold.installation.reference [--check]`.

Settings and codes from their docstrings, metrics from their definitions, roles from the permission matrix, the schemas of RULES.json, of
simulated runs, of explanations and of exports from their models.
A test checks that the pages are fresh.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from onefold import observe
from onefold.access import matrix
from onefold.access.matrix import Scope
from onefold.contacts import export_shapes
from onefold.identity import rules_document
from onefold.installation.reasons import reasons_page
from onefold.ops.explain import shapes as explained
from onefold.ops.simulate import shapes as simulated
from onefold.settings import described
from onefold.topics.rights import ROLES, principal, rights

PAGES = Path("docs/reference")


def settings_page() -> str:
    """Every variable, its default and its meaning."""
    rows = "\n".join(f"| `{each.variable}` | {_default(each.default)} | {_cell(each.text)} |" for each in described())
    return (
        "# Settings\n\n<!-- written by python -m onefold.installation.reference -->\n\n"
        "All settings come from the environment. `onefold settings show` prints those in force, secrets masked. Lists are JSON.\n\n"
        f"| Variable | Default | Meaning |\n|---|---|---|\n{rows}\n"
    )


def metrics_page() -> str:
    """Every metric of every role."""
    lines = []
    for role, kinds in observe.METRICS_BY_ROLE.items():
        metrics = observe.Metrics()
        for kind in kinds:
            kind(metrics)
        lines.append(f"\n## {role}\n\n| Metric | Type | Labels | Says |\n|---|---|---|---|")
        for each in metrics.defined:
            name = each.name + ("_total" if each.type == "counter" else "")
            lines.append(f"| `{name}` | {each.type} | {', '.join(each.labels) or '-'} | {_cell(each.text)} |")
    return (
        "# Metrics\n\n<!-- written by python -m onefold.installation.reference -->\n\n"
        "Each role serves them in Prometheus' format on `/metrics` of its health port.\n" + "\n".join(lines) + "\n"
    )


_SIGNS = {Scope.EVERYTHING: "all", Scope.FOLLOWED: "owned, followed", Scope.OWNED: "owned", Scope.NOTHING: "-"}


def roles_page() -> str:
    """Who may do what, from the permission matrix."""
    head = " | ".join(matrix.TITLES[role] for role in matrix.TITLES)
    lines = [
        f"| {resource} | {action} | " + " | ".join(_SIGNS[matrix.scope([role], resource, action)] for role in matrix.TITLES) + " |"
        for resource, actions in matrix.ACTIONS.items()
        for action in actions
    ]
    fields = [
        f"- {matrix.TITLES[role]}: {', '.join(sorted(names))} of {resource}"  # type: ignore[index]  # roles are its keys
        for role, resources in matrix.UNWRITABLE.items()
        for resource, names in resources.items()
    ]
    return (
        "# Roles\n\n<!-- written by python -m onefold.installation.reference -->\n\n"
        "Who may do what. What no cell allows is refused. A user with several roles has the widest of their cells. `archive` is the first"
        " delete and restoring, `destroy` the second delete; `account` is one's own user, password and sessions. *owned* reaches what the"
        " caller owns, *owned, followed* also what they follow.\n\n"
        f"| Resource | Action | {head} |\n|---|---|" + "---|" * len(matrix.TITLES) + "\n" + "\n".join(lines) + "\n\n"
        "## Fields\n\nFields that a role reads and may not write, unless another role of the same user may:\n\n" + "\n".join(fields) + "\n"
    )


def rights_page() -> str:
    """What each role may do at the broker."""
    rows = [
        f"| `{principal(role)}` | {right.operation} | {right.resource} | `{right.name}{'*' if right.prefixed else ''}` |"
        for role in ROLES
        for right in rights(role, prefix="", resolvers="onefold-resolver")
    ]
    return (
        "# Rights on topics\n\n<!-- written by python -m onefold.installation.reference -->\n\n"
        "What each role may do at the broker, and no more; a role that is not named does not speak to Kafka. Names without the"
        " installation's prefix. `onefold topics rights` prints these for an installation, `onefold topics grant` gives them;"
        " `docs/how-to/kafka.md` says how.\n\n| Principal | Operation | On | Name |\n|---|---|---|---|\n" + "\n".join(rows) + "\n"
    )


def pages() -> dict[Path, str]:
    """Each page with its text."""
    return {
        PAGES / "settings.md": settings_page(),
        PAGES / "metrics.md": metrics_page(),
        PAGES / "reasons.md": reasons_page(),
        PAGES / "roles.md": roles_page(),
        PAGES / "topic-rights.md": rights_page(),
        PAGES / "rules.schema.json": _json(rules_document.schema()),
        PAGES / "explain.schema.json": _json(explained.schema()),
        PAGES / "simulate.schema.json": _json(simulated.schema()),
        PAGES / "export.schema.json": _json(export_shapes.schema()),
    }


def main() -> None:
    """Write the pages, or with `--check` say which are stale."""
    stale = [path for path, text in pages().items() if not path.is_file() or path.read_text(encoding="utf-8") != text]
    if "--check" in sys.argv[1:]:
        if stale:
            sys.exit(f"stale: {', '.join(map(str, stale))}; run python -m onefold.installation.reference")
        return
    for path, text in pages().items():
        path.write_text(text, encoding="utf-8")


def _json(schema: dict[str, Any]) -> str:
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def _default(text: str) -> str:
    return text if text in {"required", "unset"} else f"`{text}`"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


if __name__ == "__main__":
    main()
