"""When a delivery is tried again, and what an answer means (S87)."""

from __future__ import annotations

import random
from itertools import pairwise

from streams.posting import MOST_ATTEMPTS, judged, pause_after, rest_after


def test_a_delivery_is_tried_again_later_and_later_for_most_of_a_day_and_then_no_more() -> None:
    dice = random.Random(1)
    pauses = [pause_after(number, dice) for number in range(1, MOST_ATTEMPTS)]
    seconds = [each.total_seconds() for each in pauses if each is not None]
    assert len(seconds) == MOST_ATTEMPTS - 1
    assert 7.5 <= seconds[0] <= 10
    assert all(later > earlier for earlier, later in pairwise(seconds[:7]))
    assert max(seconds) <= 4 * 3_600
    assert 14 * 3_600 < sum(seconds) < 24 * 3_600
    assert pause_after(MOST_ATTEMPTS, dice) is None
    assert len({pause_after(5, dice) for _ in range(10)}) == 10, "jitter: those that failed together do not come together again"


def test_a_silent_receiver_is_left_alone_for_ten_minutes_at_most() -> None:
    dice = random.Random(1)
    assert 1 <= rest_after(0, dice).total_seconds() <= 2
    assert all(300 <= rest_after(number, dice).total_seconds() <= 600 for number in (9, 30, 10_000))


def test_s87_only_2xx_says_that_a_delivery_was_taken() -> None:
    """S87: a redirect is a failure."""
    assert {number: judged(number).result for number in (200, 204, 302, 307, 400, 408, 410, 422, 429, 500, 503, 100)} == {
        200: "delivered", 204: "delivered", 302: "redirected", 307: "redirected", 400: "refused", 408: "failed", 410: "gone",
        422: "refused", 429: "failed", 500: "failed", 503: "failed", 100: "failed",
    }  # fmt: skip
    assert [judged(number).is_silence for number in (302, 400, 410, 429, 500)] == [True, False, False, True, True]
