"""Tag rules applied to the build that is under way: asks the environment and git, where a rule needs them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from ocibuild.ci.context import Context, read_context
from ocibuild.ci.git import git_facts
from ocibuild.ci.program import git_text
from ocibuild.tagging import Flavor, MadeTags, TagMaker, TagRule


def ci_facts(environ: Mapping[str, str]) -> Callable[[Path], Mapping[str, str]]:
    """What gives `ci.*` for a directory."""
    return lambda directory: read_context(environ, lambda: _git_facts(directory)).facts()


def tag_maker(environ: Mapping[str, str], now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> TagMaker:
    """What makes tags for a directory. `now` is what rules call `date`."""

    def make(rules: Sequence[TagRule], flavor: Flavor, directory: Path) -> MadeTags:
        from ocibuild.ci.tag_rules import make_tags  # versions and time zones: most builds do without

        is_plain = flavor.is_plain and all(rule.is_plain for rule in rules)
        context = Context() if is_plain else read_context(environ, lambda: _git_facts(directory))
        return make_tags(rules, flavor, context, now())

    return make


def _git_facts(directory: Path) -> Mapping[str, str]:
    # A clone notes what the remote's HEAD was; a fetch by itself, as CI systems do it, does not.
    head = git_text(directory, "symbolic-ref", "-q", "refs/remotes/origin/HEAD") or ""
    return {**git_facts(directory), "default_branch": head.removeprefix("refs/remotes/origin/")}
