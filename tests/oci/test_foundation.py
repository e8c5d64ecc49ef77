"""What everything else stands on: errors, findings, events."""

from __future__ import annotations

import inspect
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocibuild import errors, events
from ocibuild.errors import FindingsError, OcibuildError, RegistryError, SpecError, quoted
from ocibuild.findings import Finding, Place, Severity

CLASSES = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, OcibuildError)]
# The contract with scripts: 0 and 130 are no errors of ours.
EXIT_CODES = {
    "FindingsError": 1,
    "SpecError": 2,
    "UsageError": 2,
    "BuildError": 3,
    "SourceError": 3,
    "TarError": 3,
    "StoreError": 3,
    "RegistryError": 4,
    "NotFoundError": 4,
    "NetworkError": 4,
    "AuthError": 5,
    "IntegrityError": 6,
}


def test_exit_codes_are_the_contract() -> None:
    assert {kind.__name__: kind.exit_code for kind in CLASSES if kind is not OcibuildError} == EXIT_CODES


def test_the_tree_in_the_docstring_is_the_tree() -> None:
    drawn = dict(re.findall(r"(\w+Error) +(\d)", inspect.getdoc(errors) or ""))
    assert {name: int(code) for name, code in drawn.items()} == EXIT_CODES


@pytest.mark.parametrize("kind", [kind for kind in CLASSES if not issubclass(kind, FindingsError)])
def test_an_error_tells_what_where_and_how_to_mend_it(kind: type[OcibuildError]) -> None:
    error = kind("it broke", where="here", hint="mend it")
    assert (str(error), error.what, error.where, error.hint) == ("it broke", "it broke", "here", "mend it")
    assert kind("it broke").where is None
    assert kind("it broke").hint is None


def test_findings_are_carried_in_order() -> None:
    findings = (Finding("b", "second"), Finding("a", "first"))
    for kind in (FindingsError, SpecError):
        assert kind("2 findings", findings).findings == findings


def test_a_registry_error_keeps_what_the_registry_said() -> None:
    error = RegistryError("refused", status=403, codes=("DENIED",))
    assert (error.status, error.codes) == (403, ("DENIED",))
    assert (RegistryError("refused").status, RegistryError("refused").codes) == (None, ())


@given(st.text() | st.integers() | st.lists(st.text()) | st.binary())
def test_what_is_quoted_stands_on_one_line_of_bounded_length(value: object) -> None:
    text = quoted(value)
    assert text.isprintable()
    assert len(text) <= 170
    assert text == repr(value) or text.endswith("...")


@pytest.mark.parametrize("text", ["a\nb", "\x1b]0;title\x07", "\u202egnp.exe", "\ud800", "x" * 10**6, "\x9b31m"])
def test_a_terminal_is_not_taken_over_by_what_is_quoted(text: str) -> None:
    assert quoted(text).isprintable()
    assert len(quoted(text)) <= 170
    quoted(text).encode()


def test_a_place_reads_like_that_of_a_compiler() -> None:
    assert str(Place("ocibuild.yaml", 3, 7)) == "ocibuild.yaml:3:7"
    assert str(Place("ocibuild.yaml", 3)) == "ocibuild.yaml:3"
    assert str(Place("ghcr.io/octocat/hello:1")) == "ghcr.io/octocat/hello:1"


def test_a_finding_is_an_error_unless_it_says_otherwise() -> None:
    assert Finding("rule", "message").is_error
    assert [Finding("rule", "message", severity=severity).is_error for severity in Severity] == [True, False, False]


def test_nobody_has_to_listen() -> None:
    emit: events.Emit = events.silent
    for event in (
        events.Started("task", events.Stage.SEND, "layer", 10),
        events.Advanced("task", -3),
        events.Finished("task", "sent", 10),
        events.Noted("careful", warning=True),
    ):
        emit(event)
