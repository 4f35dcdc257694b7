"""A message in words: subject, plain text and HTML of a mail, or the text of an SMS.

Jinja in its sandbox; what a template needs and is not given is an error; in HTML everything is escaped. Called by `sending`.
"""

from __future__ import annotations

import tomllib
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from jinja2 import FunctionLoader, StrictUndefined, TemplateError
from jinja2.sandbox import SandboxedEnvironment

from onefold.errors import InvalidMessage
from onefold.messages.times import parse_time
from onefold.outreach import templates
from onefold.outreach.templates import LANGUAGES

if TYPE_CHECKING:
    from onefold.messages.outreach import OutreachRequested

_HOUR: Final = 60
_IN_HOURS_FROM: Final = 120
_SPACES: Final = {ord(character): " " for character in "\r\n\t\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029"}


class Words(NamedTuple):
    """What is sent."""

    language: str
    text: str
    subject: str = ""
    html: str = ""


def spoken(wanted: str) -> str:
    """The language that we have for one that is wanted: itself, else what it is a kind of (`de` for `de-AT`), else the first."""
    parts = wanted.lower().split("-")
    found = ("-".join(parts[:length]) for length in range(len(parts), 0, -1))
    return next((each for each in found if each in LANGUAGES), LANGUAGES[0])


def render(message: OutreachRequested) -> Words:
    """The message in words. Raises InvalidMessage for a template that is none, or that the parameters do not fit."""
    language = spoken(message.language)
    template = templates.TEMPLATES.get(message.template)
    if template is None:
        raise InvalidMessage(f"{message.template!r} is no template", code="unknown_template")
    if not set(template.parameters) <= message.parameters.keys():
        raise InvalidMessage(f"the template {message.template} needs {', '.join(template.parameters)}", code="wrong_parameters")
    words = _words(language)[message.template]
    given = {**message.parameters, "service": one_line(message.service), "life": _life(message, language), "language": language}
    try:
        if message.channel == "sms":
            return Words(language, _say(words["sms"], given))
        said = {name: [_say(each, given) for each in words[name]] for name in ("before", "after")}
        subject = one_line(_say(words["subject"], given))
        parts = {**given, **said, "subject": subject, "button": _say(words.get("button", ""), given)}
        text, html = (_environment(escapes=escapes).get_template(name).render(parts) for name, escapes in _LAYOUTS)
    except (TemplateError, KeyError) as error:
        raise InvalidMessage(
            f"the template {message.template} cannot be filled: {type(error).__name__}", code="wrong_parameters"
        ) from error
    return Words(language, text, subject, html)


_LAYOUTS: Final = (("layout.txt.jinja", False), ("layout.html.jinja", True))


def one_line(text: str) -> str:
    """Text that may stand in a header: in one line, without control characters."""
    return "".join(each for each in text.translate(_SPACES) if each.isprintable()).strip()


def _life(message: OutreachRequested, language: str) -> str:
    """How long what it brings is good for, in words."""
    minutes = max(1, round((parse_time(message.expires_at) - parse_time(message.at)).total_seconds() / 60))
    unit, count = ("hours", minutes // _HOUR) if minutes >= _IN_HOURS_FROM else ("minutes", minutes)
    return _say(_words(language)["life"][unit], {"count": count})


def _say(sentence: str, given: dict[str, Any]) -> str:
    return _environment(escapes=False).from_string(sentence).render(given)


@cache
def _environment(*, escapes: bool) -> SandboxedEnvironment:
    return SandboxedEnvironment(autoescape=escapes, undefined=StrictUndefined, loader=FunctionLoader(_read), keep_trailing_newline=True)


def _read(name: str) -> str:
    return files(templates).joinpath(name).read_text(encoding="utf-8")


@cache
def _words(language: str) -> dict[str, Any]:
    return tomllib.loads(_read(f"{language}.toml"))
