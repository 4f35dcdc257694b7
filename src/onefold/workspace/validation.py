"""How a workspace validates addresses: look at the settings, and change them (product.md, section 6).

What they mean is said in `records.validation_settings`. Called by the User API and by `onefold validation`, which open the transaction and
write the log.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from pydantic import ValidationError

from onefold.errors import InvalidMessage, VersionConflict
from onefold.records import rules_versions, validation_settings
from onefold.records.store import Moved
from onefold.records.validation_settings import Stored, ValidationSettings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from onefold.records.store import Connection

OBJECT_TYPE: Final = "validation"
"""Of its entries in the log."""


async def show(connection: Connection, workspace: str) -> Stored:
    """The settings in force, and their version. Raises WorkspaceNotFound."""
    await rules_versions.present_rules(connection, workspace)
    return await validation_settings.read(connection, workspace)


async def change(
    connection: Connection, workspace: str, wanted: ValidationSettings, *, if_version: int | None = None
) -> tuple[Stored, Stored]:
    """Put these settings in the place of all; gives what held before, and what holds now.

    Raises VersionConflict where another version than `if_version` is in force, and Moved where somebody set the first ones meanwhile.
    """
    await validation_settings.lock(connection, workspace)
    before = await show(connection, workspace)
    if if_version is not None and before.version != if_version:
        raise VersionConflict(f"the validation settings are at version {before.version} by now, not at {if_version}: look again")
    if before.settings == wanted:
        return before, before
    version = await validation_settings.write(connection, workspace, wanted)
    if version != before.version + 1:  # a row that is not there yet cannot be locked
        raise Moved("somebody else set them meanwhile")
    return before, Stored(wanted, version)


def edited(present: ValidationSettings, keys: Sequence[tuple[str, Any]], unset: Sequence[str] = ()) -> ValidationSettings:
    """The settings with keys, such as `otp_sms.countries`, that say something else, or follow the default again. Raises InvalidMessage."""
    document = present.model_dump(mode="json")
    defaults = flat(ValidationSettings())
    for key, value in (*((each, defaults.get(each)) for each in unset), *keys):
        if key not in defaults:
            raise InvalidMessage(f"there is no setting {key!r}; there are {', '.join(sorted(defaults))}", code="unknown_setting")
        part, _, name = key.rpartition(".")
        (document[part] if part else document)[name] = value
    try:
        return ValidationSettings.model_validate(document)
    except ValidationError as error:
        told = [f"{'.'.join(str(part) for part in each['loc'])}: {each['msg']}" for each in error.errors()]
        raise InvalidMessage("; ".join(told), code="invalid_settings") from error


def flat(settings: ValidationSettings) -> Mapping[str, Any]:
    """Every setting by its key."""
    found: dict[str, Any] = {}
    for name, value in settings.model_dump(mode="json").items():
        found |= {f"{name}.{inner}": each for inner, each in value.items()} if isinstance(value, dict) else {name: value}
    return found


def changes_told(before: Stored, after: Stored) -> list[dict[str, object]]:
    """What became different, as the log says it."""
    old, new = flat(before.settings), flat(after.settings)
    return [{"type": "setting", "slug": key, "old_value": old[key], "new_value": new[key]} for key in new if old[key] != new[key]]
