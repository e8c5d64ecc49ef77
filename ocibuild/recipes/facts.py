"""What specs may know of the world: the environment, git, and what began the build."""

from __future__ import annotations

from collections.abc import Mapping

from ocibuild.ci.git import git_facts
from ocibuild.ci.tagging import ci_facts, tag_maker
from ocibuild.spec.load import Facts


def facts_of(environ: Mapping[str, str]) -> Facts:
    """All facts that there are, those of the CI run out of `environ`; git is asked only where a spec needs it."""
    return Facts(environ, git_facts, ci_facts(environ), tag_maker(environ))
