"""Hold what was resolved against what the inventor of the visits knows to be true."""

from __future__ import annotations

from typing import TYPE_CHECKING

from onefold.errors import OnefoldError

if TYPE_CHECKING:
    from onefold.installation.demo.visits import Visits
    from onefold.records.store import Store

HELD = """
select c.contact_id, c.type, array_agg(array[i.semantic_type, i.normalised]) as held
from contacts c join identifiers i on i.contact_id = c.contact_id and i.workspace = c.workspace and i.held_until is null
where c.workspace = $1 and c.merged_into is null group by c.contact_id, c.type
"""
SEGMENT = "select count(*) from memberships where workspace = $1 and segment_id = $2 and is_member"


class TruthMissed(OnefoldError):
    """The result is not what the visits must come to."""

    code = "truth_missed"


async def differences(store: Store, workspace: str, visits: Visits) -> list[str]:
    """What is not as it must be, one sentence each; none when every person is one contact of the right type."""
    async with store.transaction([workspace]) as connection:
        rows = await connection.fetch(HELD, workspace)
    found = {frozenset((kind, value) for kind, value in row["held"]): row["type"] for row in rows}
    wrong = []
    for person in visits.people:
        type_ = found.pop(person.identifiers, None)
        if type_ is None:
            wrong.append(f"nobody holds exactly {sorted(person.identifiers)} ({person.story})")
        elif type_ != person.type:
            wrong.append(f"{person.email or min(person.identifiers)[1]} is a {type_}, not a {person.type} ({person.story})")
    wrong.extend(f"a contact holds {sorted(held)}, which is nobody" for held in found)
    return wrong
