"""The one retry layer: what is tried again, when, and how often. A decision is pure; only `Retrier` waits.

It goes around whole operations (a blob with its HEAD, POST and PUT; a manifest), never around their parts, so that attempts
do not multiply.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TypeVar

from ocibuild.errors import NetworkError, OcibuildError
from ocibuild.registry.exchange import Trouble, UnreachableError
from ocibuild.registry.refusal import Refusal, RefusedError

T = TypeVar("T")
Problem = RefusedError | UnreachableError

_TRANSIENT_STATUSES = frozenset({408, 425, 429, 499, 500, 502, 503, 504, 522})
_TRANSIENT_CODES = frozenset({"UNKNOWN", "UNAVAILABLE", "TOOMANYREQUESTS", "INTERNAL_ERROR", "BLOB_UPLOAD_INVALID"})
# The session is gone, not the blob: GHCR loses some in mid-push (jib#4301), and a new POST mends it.
_LOST_SESSION_CODES = frozenset({"BLOB_UPLOAD_UNKNOWN", "BLOB_UPLOAD_INVALID"})
_TRANSIENT_TROUBLES = frozenset({Trouble.TIMEOUT, Trouble.BROKEN, Trouble.UNREACHABLE, Trouble.PROXY})
_DOUBTFUL_TROUBLES = frozenset({Trouble.REFUSED, Trouble.UNKNOWN_HOST})
_DOUBTFUL_ATTEMPTS = 3
_THROTTLE_FLOOR = 1.0
_DURATION_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ns|us|µs|μs|ms|s|m|h)")
_RETRY_AFTER_IN_TEXT = re.compile(rf"retry-after:\s*((?:{_DURATION.pattern})+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often, and how long to wait (seconds). `patience` is the longest Retry-After that is waited for."""

    attempts: int = 6
    first: float = 0.5
    ceiling: float = 30.0
    patience: float = 120.0


@dataclass(frozen=True, slots=True)
class GiveUp:
    """No further attempt; `reason` is for the message, empty where the failure speaks for itself."""

    reason: str = ""


def decide(problem: Problem, failures: int, policy: RetryPolicy, *, draw: float, now: datetime) -> float | GiveUp:
    """Seconds to wait before the next attempt, after `failures` failed ones. `draw` is random in [0, 1)."""
    allowed = _allowed_attempts(problem, policy)
    if failures >= allowed:
        return GiveUp(f"after {failures} attempts" if failures > 1 else "")
    # Full jitter: clients that were refused together do not come back together.
    backoff: float = draw * min(policy.ceiling, policy.first * 2**failures)
    if isinstance(problem, UnreachableError):
        return backoff
    asked = asked_delay(problem.refusal, now)
    if asked is not None and asked > policy.patience:
        return GiveUp(f"the registry asks to wait {asked:.0f} s; at most {policy.patience:.0f} s are waited for")
    if is_throttled(problem):
        return max(_THROTTLE_FLOOR, asked or 0.0) + backoff
    return backoff if asked is None else max(asked, backoff)


def is_throttled(problem: Problem) -> bool:
    """Whether the registry says that requests come too fast; GHCR also says it with 403 (refchecker#67)."""
    if isinstance(problem, UnreachableError):
        return False
    refusal = problem.refusal
    return refusal.status == 429 or (refusal.status == 403 and "rate limit" in refusal.text.lower())


def is_lost_session(problem: Problem) -> bool:
    """Whether an upload session has gone, so that the blob has to be begun again."""
    return isinstance(problem, RefusedError) and bool(_LOST_SESSION_CODES & set(problem.refusal.codes))


def asked_delay(refusal: Refusal, now: datetime) -> float | None:
    """Seconds that the registry asks to wait: Retry-After as seconds or date, or GHCR's Go duration in the message."""
    header = (refusal.retry_after or "").strip()
    if re.fullmatch(r"[0-9]{1,9}", header, re.ASCII):
        return float(header)
    if header and (moment := parse_http_date(header)) is not None:
        # By the registry's own clock where it shows it: the two need not agree.
        return max(0.0, (moment - (parse_http_date(refusal.date or "") or now)).total_seconds())
    match = _RETRY_AFTER_IN_TEXT.search(refusal.text)
    return _parse_duration(match[1]) if match else None


def _allowed_attempts(problem: Problem, policy: RetryPolicy) -> int:
    if isinstance(problem, UnreachableError):
        if problem.trouble in _DOUBTFUL_TROUBLES:
            return min(_DOUBTFUL_ATTEMPTS, policy.attempts)
        return policy.attempts if problem.trouble in _TRANSIENT_TROUBLES else 1
    refusal = problem.refusal
    if is_throttled(problem) or is_lost_session(problem):
        return policy.attempts
    if refusal.status not in _TRANSIENT_STATUSES:
        return 1
    # docker-registry says 500 with [UNKNOWN, MANIFEST_BLOB_UNKNOWN] for what will never work: once more, no oftener.
    return policy.attempts if set(refusal.codes) <= _TRANSIENT_CODES else min(2, policy.attempts)


def parse_http_date(text: str) -> datetime | None:
    """The moment that a Date or Retry-After field names; None where it is no date (RFC 9110 5.6.7)."""
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, TypeError, OverflowError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _parse_duration(text: str) -> float:
    return sum(float(number) * _DURATION_UNITS[unit.lower()] for number, unit in _DURATION.findall(text))


class Retrier:
    """Runs operations until they succeed or are given up. `sleep` may raise to interrupt; `draw` gives numbers in [0, 1)."""

    def __init__(self, policy: RetryPolicy, sleep: Callable[[float], None], draw: Callable[[], float]) -> None:
        self._policy = policy
        self.sleep = sleep
        self._draw = draw

    def run(self, operation: Callable[[], T], give_up: Callable[[Problem, str], OcibuildError]) -> T:
        """What `operation` returns at its first success. Else the error that `give_up` makes of the last problem and the
        reason for which there is no further attempt."""
        failures = 0
        while True:
            try:
                return operation()
            except (RefusedError, UnreachableError) as problem:
                failures += 1
                self.wait_after(problem, failures, give_up)

    def wait_after(self, problem: Problem, failures: int, give_up: Callable[[Problem, str], OcibuildError]) -> None:
        """Wait for the next attempt, or raise what `give_up` makes of the problem."""
        verdict = decide(problem, failures, self._policy, draw=self._draw(), now=datetime.now(UTC))
        if isinstance(verdict, GiveUp):
            raise give_up(problem, verdict.reason) from problem
        self.sleep(verdict)


def stoppable_sleep(stop: threading.Event) -> Callable[[float], None]:
    """A sleep that ends with NetworkError as soon as `stop` is set."""

    def sleep(seconds: float) -> None:
        if stop.wait(seconds):
            raise NetworkError("stopped while waiting to try again")

    return sleep
