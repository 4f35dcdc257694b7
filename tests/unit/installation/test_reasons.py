"""The page of codes knows every code there is."""

from __future__ import annotations

from enum import StrEnum
from typing import get_args

import pytest

from onefold.identity.identifiers import Reason
from onefold.identity.plan import OutcomeKind
from onefold.installation.reasons import APART, DROPPED, STATES, documented, reasons_page
from onefold.messages.resolved import OutcomeWord
from onefold.ops.explain.shapes import ApartCode
from onefold.records.proposals import State


def test_every_code_is_explained_and_no_other() -> None:
    assert set(DROPPED) == set(get_args(Reason))
    assert set(STATES) == set(get_args(State))
    assert set(APART) == set(get_args(ApartCode))
    assert set(documented(OutcomeKind)) == set(get_args(OutcomeWord))
    page = reasons_page()
    assert "| `kept_apart` | A person keeps the contacts apart. |" in page


class Bare(StrEnum):
    """Nothing stands below its member."""

    ONE = "one"


def test_a_code_that_nothing_explains_is_noticed() -> None:
    with pytest.raises(LookupError, match=r"Bare\.ONE"):
        documented(Bare)
