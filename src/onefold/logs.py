"""What a process writes to its log: one line of JSON for each thing said, of fields that are listed here, by type (S95 to S98).

Event names are static, data is in fields. A field that is not listed, or whose value is not of its kind, is not written. Of free text,
which only our own errors are, what looks like an address, a number or a credential is masked; of others' exceptions the class and the
lines stay, and not what they say, which may be anybody's value. `bootstrap.begin` calls it once for each process; tests hold every call
of a logger to the list.
"""

from __future__ import annotations

import logging
import re
import sys
import traceback
from typing import TYPE_CHECKING, Any, Final, Literal

import structlog

from onefold.errors import OnefoldError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from types import TracebackType
    from typing import TextIO

    from onefold.observe import Log

_LONGEST: Final = 2_000
_NAME: Final = re.compile(r"[\w.:/-]{1,200}")
_MASKS: Final = (
    (re.compile(r"[^\s@\"'<>()\[\],;=]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63})*"), "[address]"),
    (re.compile(r"\+\d[\d ()/-]{5,20}\d"), "[number]"),
    (re.compile(r"\bof_[a-z]{3}_[\w-]{1,200}"), "[key]"),
    (re.compile(r"\beyJ[\w-]{1,2000}\.[\w.-]{1,4000}"), "[token]"),
)


def _name(value: object) -> object:
    """A word of ours, an id, the name of a class."""
    return value if isinstance(value, str) and _NAME.fullmatch(value) else f"[{type(value).__name__}]"


def _names(value: object) -> object:
    return [_name(each) for each in value] if isinstance(value, list) else _name(value)


def _number(value: object) -> object:
    return value if isinstance(value, int | float) else f"[{type(value).__name__}]"


def _said(value: object) -> object:
    """What one of our own errors says."""
    return masked(value) if isinstance(value, str) else f"[{type(value).__name__}]"


def _settings(value: object) -> object:
    """Masked by its maker, which types secrets."""
    return value if isinstance(value, dict) else f"[{type(value).__name__}]"


FIELDS: Final[Mapping[str, Callable[[object], object]]] = {
    **dict.fromkeys(("event", "reason"), _said),
    **dict.fromkeys(("level", "timestamp", "role", "workspace", "code", "error", "kind", "topic", "channel", "host"), _name),
    **dict.fromkeys(("fate", "why", "result", "limit", "semantic_type"), _name),
    **dict.fromkeys(("request_id", "event_id", "message_id", "job", "webhook"), _name),
    **dict.fromkeys(("where",), _names),
    **dict.fromkeys(("partition", "offset", "shard", "port", "health_port", "status", "attempts", "times", "days", "seconds"), _number),
    **dict.fromkeys(("parts_dropped", "events_forgotten", "erasures_purged", "deliveries"), _number),
    "settings": _settings,
}
"""Every field that a line may hold, and what becomes of its value."""

_OF_STRUCTLOG: Final = frozenset({"exception", "exc_info", "stack_info", "_record", "_from_structlog", "_logger", "_name"})
_TRACEBACKS: Final = structlog.processors.ExceptionRenderer(structlog.tracebacks.ExceptionDictTransformer(show_locals=False))
"""Where it happened, without the local variables, which hold people's values (I14, S96)."""


def set_up_logs(level: str, style: Literal["json", "console"], **bound: Any) -> Log:
    """Send structured lines to standard error; gives the process's logger, with `bound` on every line."""
    renderer: Any = structlog.processors.JSONRenderer()
    if style == "console":
        renderer = structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=_plain)
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        *((_TRACEBACKS, _without_what_others_say) if style == "json" else ()),
        _only_listed,
        _without_control_characters,
    ]
    number = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        # Looked up anew for each logger: a stream that was replaced and closed since would raise where something is only said.
        logger_factory=lambda *_: structlog.WriteLogger(sys.stderr),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(processor=renderer, foreign_pre_chain=shared))
    logging.basicConfig(handlers=[handler], level=max(number, logging.WARNING), force=True)
    log: Log = structlog.get_logger().bind(**bound)
    return log


def masked(text: str) -> str:
    """The text without what looks like an address, a number that can be called, a key or a token; bounded."""
    text = text[:_LONGEST]
    for pattern, instead in _MASKS:
        text = pattern.sub(instead, text)
    return text


def _only_listed(_logger: Any, _method: str, event: dict[str, Any]) -> dict[str, Any]:
    for key, value in event.items():
        if key not in _OF_STRUCTLOG:
            kind = FIELDS.get(key)
            event[key] = kind(value) if kind is not None else "[not listed]"
    return event


def _without_what_others_say(_logger: Any, _method: str, event: dict[str, Any]) -> dict[str, Any]:
    """Of exceptions that are not ours, the class and the lines: Postgres, say, quotes the row that it refuses."""
    ours = {each.__name__ for each in _all_ours(OnefoldError)}
    chains = [event.get("exception") or []]
    while chains:
        for each in chains.pop():
            each["exc_value"] = masked(str(each["exc_value"])) if each["exc_type"] in ours else ""
            each["exc_notes"], each["syntax_error"] = [], None
            chains.extend(each["exceptions"])
    return event


def _plain(stream: TextIO, failure: tuple[type[BaseException], BaseException, TracebackType | None]) -> None:
    """The same for people: the chain of causes, each with its lines."""
    error: BaseException | None = failure[1]
    while error is not None:
        stream.write("".join(traceback.format_tb(error.__traceback__)))
        said = f": {masked(str(error))}" if isinstance(error, OnefoldError) else ""
        stream.write(f"{type(error).__name__}{said}\n")
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def _all_ours(kind: type[OnefoldError]) -> Iterator[type[OnefoldError]]:
    yield kind
    for each in kind.__subclasses__():
        yield from _all_ours(each)


def _without_control_characters(_logger: Any, _method: str, event: dict[str, Any]) -> dict[str, Any]:
    """A line stays a line, whatever a foreign text holds (S98)."""
    for key, value in event.items():
        if isinstance(value, str) and not value.isprintable() and key != "exception":
            event[key] = value.encode("unicode_escape").decode("ascii")
    return event
