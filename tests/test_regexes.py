"""Regular expressions of people: what is none is told, and none takes forever."""

from __future__ import annotations

import signal
import threading
import time
from datetime import UTC, datetime

import pytest

from ocibuild.checks.label_policy import RULES
from ocibuild.checks.labels import LABELS, Label, LabelSet
from ocibuild.checks.profiles import profile_named
from ocibuild.ci.context import Context
from ocibuild.ci.tag_rules import make_tags
from ocibuild.errors import UsageError
from ocibuild.findings import Place, Severity
from ocibuild.policy import Demand, LabelPolicy
from ocibuild.regexes import SECONDS, fits, parse_regex, search
from ocibuild.spec.tag_rules import attributes_of, tag_rule
from ocibuild.tagging import Flavor

FOREVER, TEXT = "(a+)+$", "a" * 60 + "!"


@pytest.mark.parametrize(
    "pattern", ["(", "[", "a**", "(?P<a>.)(?P<a>.)", "\\", "a{99999999999999999999}", "[[a]", "[a--b]"]
)
def test_what_is_no_expression_is_told(pattern: str) -> None:
    with pytest.raises(UsageError, match="is not a regular expression"):
        parse_regex(pattern)


def test_what_fits_and_what_is_found() -> None:
    regex = parse_regex("v([0-9]+)")
    found = search(regex, "a v12 b")
    assert found is not None
    assert found[1] == "12"
    assert search(regex, "none") is None
    assert (fits(regex, "v12"), fits(regex, "v12 b")) == (True, False)


@pytest.mark.parametrize("look", [search, fits])
def test_none_takes_forever(look: object) -> None:
    assert callable(look)
    handler, began = signal.getsignal(signal.SIGALRM), time.monotonic()
    with pytest.raises(UsageError, match="took more than 2 seconds") as caught:
        look(parse_regex(FOREVER), TEXT)
    assert SECONDS <= time.monotonic() - began < 3 * SECONDS
    assert caught.value.hint
    assert signal.getsignal(signal.SIGALRM) == handler
    assert look(parse_regex("a+!"), TEXT)


def test_a_timer_that_runs_already_goes_on() -> None:
    before = signal.getitimer(signal.ITIMER_REAL)
    signal.setitimer(signal.ITIMER_REAL, 1000)
    try:
        assert fits(parse_regex("a"), "a")
        assert 990 < signal.getitimer(signal.ITIMER_REAL)[0] <= 1000
    finally:
        signal.setitimer(signal.ITIMER_REAL, *before)


def test_other_threads_can_look_too() -> None:
    found: list[bool] = []
    thread = threading.Thread(target=lambda: found.append(fits(parse_regex("a"), "a")))
    thread.start()
    thread.join()
    assert found == [True]


def test_a_tag_rule_that_takes_forever_is_an_error_of_that_rule() -> None:
    moment = datetime(2026, 1, 2, tzinfo=UTC)
    rules = [tag_rule(attributes_of(text), str) for text in (f"type=match,pattern={FOREVER},value={TEXT}", "latest")]
    made = make_tags(rules, Flavor(), Context(), moment)
    assert made.tags == ("latest",)
    assert made.outcomes[0].severity is Severity.ERROR
    assert "took more than 2 seconds" in made.outcomes[0].message


def test_a_policy_that_takes_forever_is_a_finding_of_that_label() -> None:
    """The values may be those of an image that a stranger made."""
    place = Place("x")
    policy = LabelPolicy("policy.yaml", {"a": Demand(pattern=FOREVER)})
    labels = LabelSet(LABELS, (Label("a", TEXT, place, place),), place, profile_named("generic"), policy=policy)
    (fault,) = (fault for rule in RULES for fault in rule.check(labels))
    assert "took more than 2 seconds" in fault.message
