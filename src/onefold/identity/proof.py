"""What a proof does: which contact is its prover's, whom it joins, and what it takes from whoever merely claimed it (guard 2; R8 to R10).

The prover is on the device that the proof came from. What somebody else merely claimed moves to him (*eviction*), whatever the times; what
somebody else was vouched for makes the two one, and only where a guard forbids that, the later proof takes a proved one. Pure reading, like
`guards`; `attach.evict` carries it out. Called by `policy`, which adds what the event says beside: a proof proves one identifier, and all
else is a claim.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from onefold.identity.assurance import Assurance
from onefold.identity.guards import Gathering, apart_sealed, compatible, gather, held_once, leave_sealed, named_once, take
from onefold.identity.limits import beyond
from onefold.identity.plan import Reason

if TYPE_CHECKING:
    from onefold.identity.contact import Contact
    from onefold.identity.guards import Bound, Case


def gather_proved(case: Case, bounds: list[Bound]) -> Gathering:
    """Sort what a proof and the devices beside it say, which are the `bounds`, around the prover's contact."""
    proved = next((bound for bound in bounds if bound.assurance is Assurance.PROVED), None)
    if proved is None or proved.is_barred or proved.entry.device_bound or proved.holder is None:
        return gather(case, bounds)
    if proved.is_late:
        case, bounds, proved = _as_it_is_now(case, bounds, proved)
    devices, sealed = apart_sealed([bound for bound in bounds if bound is not proved])
    if not _moves(case, proved, devices):
        return gather(case, bounds)
    own = Gathering(named_once(bounds))
    for bound in devices:
        take(case, own, bound)
    leave_sealed(case, own, sealed)
    _bring(case, own, proved)
    return own


def _as_it_is_now(case: Case, bounds: list[Bound], proved: Bound) -> tuple[Case, list[Bound], Bound]:
    """The same with whoever holds the proved identifier today: a proof is no visit, which would be its holder's of then (R10)."""
    tenure = case.work.open_tenure(case.interaction.workspace, proved.identifier.key)
    holder = case.work.contact(tenure.workspace, tenure.contact_id) if tenure is not None else None
    present = proved._replace(tenure=tenure, holder=holder)
    after = [present if bound is proved else bound for bound in bounds]
    return case._replace(bounds=[present if bound is proved else bound for bound in case.bounds]), after, present


def _moves(case: Case, proved: Bound, devices: list[Bound]) -> bool:
    """Whether the proved identifier's contact is not the prover's, and may not become one with it.

    It is the prover's where the device is its own, or where guard 1 keeps it and the device's apart, which is then handed over to it (R9).
    Without a device it is the prover's if it holds nothing else, or was vouched for.
    """
    holder, tenure = proved.holder, proved.tenure
    if holder is None or tenure is None or (proved.is_late and tenure.assurance is Assurance.CLAIMED):
        return False
    device = next((bound.holder for bound in devices if bound.holder is not None), None)
    if device is not None and (device.contact_id == holder.contact_id or _conflict(case, proved, holder, device)):
        return False
    if tenure.assurance is not Assurance.CLAIMED:
        return device is not None and _forbidden(case, proved, device) is not None
    return bool(devices) or holder.summary.total > 1


def _conflict(case: Case, proved: Bound, holder: Contact, device: Contact) -> bool:
    """Guard 1 between the contacts of the proved identifier and of the device."""
    return not compatible(case, Gathering({**held_once(case, holder), **named_once([proved])}), device)


def _forbidden(case: Case, proved: Bound, device: Contact) -> Reason | None:
    """The guard that keeps the contacts of the proved identifier and of the device from becoming one, guard 1 aside."""
    if proved.holder is not None and case.work.are_kept_apart(device, proved.holder):
        return Reason.KEPT_APART
    return Reason.LIMIT if beyond(case.bounds, [device], proved, case.interaction, case.rules) else None


def _bring(case: Case, own: Gathering, proved: Bound) -> None:
    """Let the proved identifier come to the prover's contact."""
    holder, tenure = proved.holder, proved.tenure
    if holder is None or tenure is None:
        return
    if own.holds(holder):  # another of the devices led there
        own.held.append(proved)
    elif tenure.assurance is Assurance.CLAIMED:
        own.evicted.append(proved)
    else:
        _contest(case, own, proved)


def _contest(case: Case, own: Gathering, proved: Bound) -> None:
    """A guard forbids to join whoever was vouched for: the later proof takes a proved one, an asserted one stays (R10)."""
    holder = proved.holder
    others = [each for each in own.joined if holder is not None and not _conflict(case, proved, holder, each)]
    is_apart = holder is not None and any(case.work.are_kept_apart(each, holder) for each in others)
    excesses = () if is_apart else beyond(case.bounds, others, proved, case.interaction, case.rules)
    reason = Reason.LIMIT if excesses else Reason.KEPT_APART
    if excesses:
        own.exceed(*excesses)
    proved_at = proved.tenure.validated_at if proved.tenure is not None else None
    if proved_at is None:
        own.refuse(proved, reason)
    elif case.interaction.at > proved_at:
        own.refuse(proved, reason)
        own.evicted.append(proved)
    else:
        own.leave(reason)
