"""What is counted together, and which numbers texts go to."""

from __future__ import annotations

from datetime import timedelta

import pytest

from onefold.identity.normalise import normalise
from onefold.identity.rules import Normalisation
from onefold.visitors.limits import DestinationRefused, TooManyRequests, check_destination, folded

ANN = "ann@gmail.com"


@pytest.mark.parametrize(
    "spelling",
    ["Ann@Gmail.COM", "a.n.n@gmail.com", "ann+shop@gmail.com", "A.nn+1+2@googlemail.com", "\uff41nn@gmail.com"],
    ids=["case", "dots", "plus", "all", "wide"],
)
def test_s34_no_spelling_of_an_address_is_another_try(spelling: str) -> None:
    """S34: dots, plus tags, case, compatibility forms."""
    normalised = normalise("email", spelling, Normalisation())
    assert normalised is not None
    assert folded("email", normalised) == ANN


def test_s34_a_domain_counts_once_in_either_spelling() -> None:
    """S34: IDN, as it is typed and as it is looked up."""
    both = {
        normalise("email", f"ann@{domain}", Normalisation())
        for domain in ("b\u00fccher.example", "xn--bcher-kva.example", "B\u00dcCHER.example")
    }
    assert None not in both
    assert len({folded("email", str(each)) for each in both}) == 1


def test_different_people_are_counted_apart() -> None:
    assert len({folded("email", each) for each in ("ann@example.com", "anna@example.com", "ann@example.org", "+@example.com")}) == 4
    assert folded("phone", "+436601234567") != folded("phone", "+436601234568")


TEXTED = {"AT": "+436601234567", "DE": "+4915112345678", "US": "+12015550123"}
REFUSED = {
    "premium": "+43900123456",
    "premium_of_germany": "+499001234567",
    "shared_cost": "+43810123456",
    "toll_free": "+43800123456",
    "land_line": "+4315123456",
    "jamaica_looks_american": "+18762101234",
    "satellite": "+881612345678",
    "satellite_of_thuraya": "+8821621110000",
    "international_premium": "+979123456789",
    "another_country": "+33612345678",
}


@pytest.mark.parametrize("country", list(TEXTED))
def test_s15_texts_go_to_mobile_numbers_of_listed_countries(country: str) -> None:
    check_destination(TEXTED[country], [country])
    with pytest.raises(DestinationRefused):
        check_destination(TEXTED[country], sorted(TEXTED.keys() - {country}))
    with pytest.raises(DestinationRefused):
        check_destination(TEXTED[country], [])


@pytest.mark.parametrize("number", list(REFUSED.values()), ids=list(REFUSED))
def test_s15_no_text_goes_to_what_costs_more_or_rings_elsewhere(number: str) -> None:
    """S15: premium rates, shared cost and satellites are where pumped texts pay."""
    with pytest.raises(DestinationRefused):
        check_destination(number, list(TEXTED))


def test_times_are_whole() -> None:
    """A wait that is told is never zero."""
    assert TooManyRequests(timedelta(milliseconds=3)).retry_after_seconds == 1
    assert TooManyRequests(timedelta(seconds=30, microseconds=1)).retry_after_seconds == 31
