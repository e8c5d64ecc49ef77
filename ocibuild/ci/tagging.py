"""Tag rules applied to the build that is under way: asks the environment and git, where a rule needs them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from ocibuild.ci.context import Context, read_context
from ocibuild.ci.git import git_facts
from ocibuild.ci.program import git_text
from ocibuild.tagging import Flavor, MadeTags, TagMaker, TagRule

GitFacts = Callable[[Path], Mapping[str, str]]


def ci_facts(environ: Mapping[str, str], git: GitFacts = git_facts) -> Callable[[Path], Mapping[str, str]]:
    """What gives `ci.*` for a directory."""
    return lambda directory: _context(environ, git, directory).facts()


def tag_maker(
    environ: Mapping[str, str], git: GitFacts = git_facts, now: Callable[[], datetime] = lambda: datetime.now(UTC)
) -> TagMaker:
    """What makes tags for a directory. `now` is what rules call `date`."""

    def make(rules: Sequence[TagRule], flavor: Flavor, directory: Path) -> MadeTags:
        from ocibuild.ci.tag_rules import make_tags  # versions and time zones: most builds do without

        is_plain = flavor.is_plain and all(rule.is_plain for rule in rules)
        return make_tags(rules, flavor, Context() if is_plain else _context(environ, git, directory), now())

    return make


def _context(environ: Mapping[str, str], git: GitFacts, directory: Path) -> Context:
    def facts() -> Mapping[str, str]:
        # A clone notes what the remote's HEAD was; a fetch by itself, as CI systems do it, does not.
        head = git_text(directory, "symbolic-ref", "-q", "refs/remotes/origin/HEAD") or ""
        return {**git(directory), "default_branch": head.removeprefix("refs/remotes/origin/")}

    return read_context(environ, facts)
