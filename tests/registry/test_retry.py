"""What is tried again, after how long, and how often."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocibuild.errors import NetworkError
from ocibuild.registry.exchange import Request, Trouble, UnreachableError
from ocibuild.registry.refusal import Refusal, RefusedError
from ocibuild.registry.retry import GiveUp, Problem, Retrier, RetryPolicy, asked_delay, decide, stoppable_sleep

NOW = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)
POLICY = RetryPolicy()
SECONDARY_LIMIT = "You have exceeded a secondary rate limit. Please wait a few minutes before you try again."


def refused(status: int, **facts: Any) -> RefusedError:
    return RefusedError(Refusal("PUT", "https://r/v2/", status, **facts))


def unreachable(trouble: Trouble) -> UnreachableError:
    return UnreachableError(trouble, "words", Request("GET", "https://r/v2/"), sent=False)


def attempts(problem: Problem) -> int:
    """How often an operation runs that always ends so."""
    count = 0
    while True:
        count += 1
        if isinstance(decide(problem, count, POLICY, draw=0.5, now=NOW), GiveUp):
            return count


@pytest.mark.parametrize("status", [408, 425, 429, 499, 500, 502, 503, 504, 522])
def test_passing_states_are_tried_again(status: int) -> None:
    assert attempts(refused(status)) == 6


@pytest.mark.parametrize("status", [301, 400, 401, 403, 404, 405, 409, 413, 415, 416, 501, 505])
def test_final_answers_are_not(status: int) -> None:
    assert attempts(refused(status)) == 1


@pytest.mark.parametrize(
    ("problem", "expected"),
    [
        (refused(500, codes=("UNKNOWN", "MANIFEST_BLOB_UNKNOWN")), 2),
        (refused(500, codes=("UNKNOWN",)), 6),
        (refused(404, codes=("BLOB_UPLOAD_UNKNOWN",)), 6),
        (refused(400, codes=("BLOB_UPLOAD_INVALID",)), 6),
        (refused(404, codes=("NAME_UNKNOWN",)), 1),
        (refused(403, text=SECONDARY_LIMIT), 6),
        (refused(403, text="permission_denied: write_package"), 1),
        (unreachable(Trouble.BROKEN), 6),
        (unreachable(Trouble.TIMEOUT), 6),
        (unreachable(Trouble.UNREACHABLE), 6),
        (unreachable(Trouble.REFUSED), 3),
        (unreachable(Trouble.UNKNOWN_HOST), 3),
        (unreachable(Trouble.CERTIFICATE), 1),
        (unreachable(Trouble.TLS), 1),
        (unreachable(Trouble.MALFORMED), 1),
    ],
)
def test_attempts_depend_on_what_happened(problem: Problem, expected: int) -> None:
    assert attempts(problem) == expected


@given(st.integers(1, 5), st.floats(0, 1, exclude_max=True))
def test_backoff_is_full_jitter_between_nothing_and_30_seconds(failures: int, draw: float) -> None:
    wait = decide(refused(503), failures, POLICY, draw=draw, now=NOW)
    assert isinstance(wait, float)
    assert 0 <= wait <= min(30, 0.5 * 2**failures)


@pytest.mark.parametrize(
    ("facts", "seconds"),
    [
        ({"retry_after": "2"}, 2),
        ({"retry_after": "0"}, 0),
        ({"retry_after": "Sun, 01 Mar 2026 12:00:07 GMT"}, 7),
        ({"retry_after": "Sun, 01 Mar 2026 11:00:00 GMT"}, 0),
        ({"retry_after": "Sun, 01 Mar 2026 12:00:07 GMT", "date": "Sun, 01 Mar 2026 12:00:04 GMT"}, 3),
        ({"text": "retry-after: 880.092µs, allowed: 44000/minute"}, 880.092e-6),
        ({"text": "retry-after: 880.092\u03bcs, allowed: 44000/minute"}, 880.092e-6),
        ({"text": "retry-after: 10.3ms, allowed: 2000/minute"}, 10.3e-3),
        ({"text": "Retry-After: 1m30s, allowed: 1/minute"}, 90),
        ({"text": "slow down"}, None),
        ({"retry_after": "soon"}, None),
        ({"retry_after": "-1"}, None),
        ({"retry_after": "9" * 400}, None),
        ({"retry_after": "Sun, 01 Mar 20262 12:00:07 GMT"}, None),
    ],
)
def test_what_a_registry_asks_for(facts: dict[str, str], seconds: float | None) -> None:
    asked = asked_delay(Refusal("GET", "https://r/", 429, **facts), NOW)  # type: ignore[arg-type]
    assert asked == (None if seconds is None else pytest.approx(seconds))


def test_throttling_waits_a_second_at_least() -> None:
    tiny = refused(429, text="retry-after: 880.092µs, allowed: 44000/minute")
    assert decide(tiny, 1, POLICY, draw=0.0, now=NOW) == 1.0
    assert decide(refused(403, text=SECONDARY_LIMIT), 1, POLICY, draw=0.0, now=NOW) == 1.0


def test_what_is_asked_for_is_waited_for() -> None:
    wait = decide(refused(503, retry_after="100"), 1, POLICY, draw=0.0, now=NOW)
    assert wait == 100


def test_nobody_waits_longer_than_the_patience_and_the_figure_is_told() -> None:
    verdict = decide(refused(429, retry_after="121"), 1, POLICY, draw=0.0, now=NOW)
    assert verdict == GiveUp("the registry asks to wait 121 s; at most 120 s are waited for")


def test_an_operation_runs_until_it_succeeds() -> None:
    problems: list[Problem] = [refused(503), unreachable(Trouble.BROKEN)]
    waits: list[float] = []

    def operation() -> str:
        if problems:
            raise problems.pop()
        return "done"

    retrier = Retrier(POLICY, waits.append, lambda: 0.5)
    assert retrier.run(operation, lambda problem, reason: AssertionError()) == "done"  # type: ignore[arg-type, return-value]
    assert waits == [0.5, 1.0]


def test_other_errors_pass_through_at_once() -> None:
    def operation() -> str:
        raise KeyError("local")

    with pytest.raises(KeyError):
        Retrier(POLICY, lambda _: pytest.fail("it waited"), lambda: 0.5).run(
            operation, lambda problem, reason: NetworkError(reason)
        )


def test_a_sleep_can_be_stopped() -> None:
    stop = threading.Event()
    stop.set()
    with pytest.raises(NetworkError, match="stopped"):
        stoppable_sleep(stop)(3600)
