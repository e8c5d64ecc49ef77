"""What specs may know of the world: the environment, git, and what began the build."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from ocibuild.ci.git import git_facts
from ocibuild.ci.tagging import ci_facts, tag_maker
from ocibuild.spec.load import Facts


def facts_of(environ: Mapping[str, str]) -> Facts:
    """All facts that there are, those of the CI run out of `environ`. Git is asked where a spec needs it, once a directory."""
    git = cache(git_facts)  # seven runs of a program, for templates, for metadata and for tags alike
    return Facts(environ, git, ci_facts(environ, git), tag_maker(environ, git))
