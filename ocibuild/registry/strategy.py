"""How a blob's bytes are sent, and what to try when a registry does not take them that way."""

from __future__ import annotations

from enum import IntEnum

from ocibuild.registry.exchange import Trouble, UnreachableError
from ocibuild.registry.refusal import RefusedError
from ocibuild.registry.retry import Problem, is_lost_session

_REFUSES_THE_FORM = frozenset({404, 405, 413, 416})
_TOO_SLOW = frozenset({408, 504})
_BREAKS_BEFORE_CHUNKS = 3


class Strategy(IntEnum):
    """Each next one is for registries that refuse the one before it: a PUT of the whole blob; a PATCH of the whole
    without Content-Range, then a PUT; PATCHes of chunks, then a PUT."""

    WHOLE = 0
    STREAM = 1
    CHUNKS = 2


def refuses_the_form(problem: Problem) -> bool:
    """Whether a registry has nothing against a blob, but against the way it came."""
    return (
        isinstance(problem, RefusedError)
        and problem.refusal.status in _REFUSES_THE_FORM
        and not is_lost_session(problem)
    )


class Ways:
    """The strategies for one blob. `current` is the one to use; `is_lesson` whether it suits other blobs better, too."""

    def __init__(self, first: Strategy) -> None:
        self.current = first
        self.is_lesson = False
        self._refused: set[Strategy] = set()
        self._breaks = 0

    @property
    def line_is_bad(self) -> bool:
        """Whether connections have broken so often that none should be trusted for long."""
        return self._breaks >= _BREAKS_BEFORE_CHUNKS

    def learn(self, problem: Problem) -> bool:
        """Choose a strategy after `problem` ended a transfer. True where it may be tried at once: the registry is well, it
        only wants the blob in another form."""
        if refuses_the_form(problem):
            self._refused.add(self.current)
            return self._change(self._next())
        if _is_too_slow(problem):
            self._change(self._next())
        elif isinstance(problem, UnreachableError):
            self._breaks += 1
            if self.line_is_bad and Strategy.CHUNKS not in self._refused:
                # The line does not last for the whole blob; that says nothing about the registry.
                self.current = Strategy.CHUNKS
        return False

    def _next(self) -> Strategy | None:
        later = [strategy for strategy in Strategy if strategy > self.current]
        others = [strategy for strategy in Strategy if strategy < self.current]
        return next((strategy for strategy in (*later, *others) if strategy not in self._refused), None)

    def _change(self, strategy: Strategy | None) -> bool:
        if strategy is None or strategy is self.current:
            return False
        self.current, self.is_lesson = strategy, True
        return True


def _is_too_slow(problem: Problem) -> bool:
    if isinstance(problem, UnreachableError):
        return problem.trouble is Trouble.TIMEOUT and problem.sent
    return problem.refusal.status in _TOO_SLOW
