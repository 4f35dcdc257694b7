"""How dead letters, plans and what was done with them are shown. What they hold is hostile: escapes are spelled out (poison 36)."""

from __future__ import annotations

import base64
import sys
from typing import TYPE_CHECKING, Any

from onefold.cli.output import print_json, print_table, say, visible
from onefold.messages.dead_letters import HEADER_TITLES, REASON

if TYPE_CHECKING:
    from onefold.ops.dead_letters import Letter, Overview
    from onefold.ops.redrive import Plan, Tally
    from onefold.records.jobs import HeldJob, Job

SHOWN_CHARACTERS = 4_000


def print_overview(found: Overview, *, json: bool) -> None:
    """Letters, and how many there are of each kind."""
    totals = _kinds(found.totals)
    if json:
        print_json({"letters": [_brief(letter) for letter in found.letters], "totals": totals, "matching": found.totals.total()})
        return
    rows = [
        (each.letter_id, each.at, each.error_code, _attempts(each), _lay_at(each), _decided(each), _reason(each)) for each in found.letters
    ]
    print_table(["id", "given up", "class", "attempts", "lay at", "decided", "reason"], rows)
    then = "onefold dead-letters show ID; its cause mended: onefold dead-letters redrive --class CODE" if rows else "onefold doctor"
    title = f"\n{len(rows)} of {found.totals.total()} shown"
    print_table(["class", "topic", "letters"], [tuple(each.values()) for each in totals], title=title, then=then)


def print_letter(letter: Letter, *, json: bool) -> None:
    """One letter: where it lay, what was wrong, its headers, and what it says, as far as it can be read."""
    value = letter.record.value
    if json:
        print_json(_in_full(letter))
        return
    headers = [("header " + name, _text(each)) for name, each in letter.record.headers if name not in HEADER_TITLES]
    said = [(name.removeprefix("dead_letter_").replace("_", " "), text) for name, text in letter.said.items()]
    decided = [("decided", _decided(letter))] if letter.decision is not None else []
    rows = [("id", letter.letter_id), ("given up", letter.at), *decided, *said, ("key", _text(letter.record.key)), *headers]
    print_table(["dead letter", ""], rows)
    if value is None:
        say("\nits value is null")
    else:
        text = visible(_text(value) or "", breaks=True)
        sys.stdout.write("\n" + text[:SHOWN_CHARACTERS] + "\n")
        if len(text) > SHOWN_CHARACTERS:
            say(f"… {len(value)} bytes in all; --raw gives them")
    if letter.decision is None:
        say(f"\nnext: its cause mended: onefold dead-letters redrive {letter.letter_id}; or onefold dead-letters drop {letter.letter_id}")


def print_raw(letter: Letter) -> None:
    """The original bytes as they are; on a terminal with everything that it would obey spelled out."""
    value = letter.record.value
    if value is None:
        say("its value is null")
    elif sys.stdout.isatty():
        sys.stdout.write(visible(_text(value) or "", breaks=True) + "\n")
    else:
        sys.stdout.buffer.write(value)


def print_plan(plan: Plan, found: Tally, doing: str, *, json: bool) -> None:
    """What a redrive or a drop would do."""
    if json:
        print_json(
            {"executed": False, "letters": found.letters, "kinds": _kinds(found.by_kind), "kept": found.kept_count, "kept_why": found.kept}
        )
        return
    rows = [tuple(each.values()) for each in _kinds(found.by_kind)]
    title = f"{found.letters} dead letters to {doing}" + (f", at most {plan.per_second} a second" if plan.per_second else "")
    then = "the same with --execute; nothing was done yet" if found.letters else "onefold dead-letters list --all"
    print_table(["class", "topic", "letters"], rows, title=title, then=then)
    _say_kept(found.kept_count, found.kept)


def say_begun(job: Job) -> None:
    """What to do if it is interrupted."""
    say(f"job {job.job_id} began; if it is interrupted: onefold dead-letters redrive --resume {job.job_id}")


def print_redriven(held: HeldJob, *, json: bool) -> None:
    """What a redrive did."""
    redriven, kept = held.progress.get("redriven", 0), held.progress.get("kept", 0)
    why: dict[str, str] = held.progress.get("kept_why", {})
    if json:
        print_json({"executed": True, "job": held.job.job_id, "letters": redriven, "kept": kept, "kept_why": why})
        return
    say(f"{redriven} dead letters lie on their topics again; resolvers take them in their turn\nnext: onefold dead-letters list")
    _say_kept(kept, why)


def _say_kept(count: int, why: dict[str, str]) -> None:
    if count:
        say(f"\n{count} stay where they are:")
    for letter_id, text in why.items():
        say(f"  {letter_id}: {visible(text)}")
    if count > len(why):
        say(f"  and {count - len(why)} more")


def _kinds(counts: Any) -> list[dict[str, Any]]:
    return [{"class": kind, "topic": topic, "letters": count} for (kind, topic), count in sorted(counts.items())]


def _brief(letter: Letter) -> dict[str, Any]:
    decision = letter.decision
    return {
        "id": str(letter.letter_id),
        "at": letter.at,
        "class": letter.error_code,
        "reason": _reason(letter),
        "attempts": letter.death.attempts if letter.death is not None else None,
        "topic": letter.origin_topic,
        "origin": letter.death.origin if letter.death is not None else None,
        "decision": decision.decision if decision is not None else None,
    }


def _in_full(letter: Letter) -> dict[str, Any]:
    value = letter.record.value
    return {
        **_brief(letter),
        "decision": letter.decision,
        "key": _text(letter.record.key),
        "headers": [[name, _text(each)] for name, each in letter.record.headers],
        "value": _text(value),
        "value_base64": base64.b64encode(value).decode() if value is not None else None,
    }


def _attempts(letter: Letter) -> object:
    return letter.death.attempts if letter.death is not None else None


def _lay_at(letter: Letter) -> str:
    return letter.death.origin if letter.death is not None else letter.origin_topic


def _decided(letter: Letter) -> str | None:
    decision = letter.decision
    if decision is None:
        return None
    where = f" to {decision.redriven_topic}/{decision.redriven_partition}/{decision.redriven_offset}" if decision.redriven_topic else ""
    return f"{decision.decision}{where} by {decision.actor}"


def _reason(letter: Letter) -> str:
    return letter.said.get(REASON, "")


def _text(raw: bytes | None) -> str | None:
    """As UTF-8; what is none is spelled out."""
    return raw.decode(errors="backslashreplace") if raw is not None else None
