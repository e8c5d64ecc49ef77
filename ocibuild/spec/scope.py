"""What the templates of a spec can name: its variables, `platform`, `git` and `ci`."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from ocibuild.oci.platform import Platform

GIT_FACTS = ("branch", "commit", "commit_date", "dirty", "owner", "repository", "short_commit", "tag")
CI_FACTS = (
    *("base_ref", "branch", "change", "commit", "default_branch", "event", "is_default_branch", "owner", "provider"),
    *("ref", "repository", "run_id", "run_url", "short_commit", "tag", "url"),
)
NAMESPACES = ("platform", "git", "ci")
# What the nearest name is looked for among, and the longest that one is looked for.
_MOST_NAMES, _LONGEST_SLIP = 2000, 100


@dataclass(frozen=True, slots=True)
class Scope:
    """Values by name. `unset` variables are declared and have no value; using a `faulty` one was complained about already.

    `platform` is None where a value is the same for every platform. `git` and `ci` are asked only when a template names
    them.
    """

    variables: Mapping[str, str]
    git: Callable[[], Mapping[str, str]]
    ci: Callable[[], Mapping[str, str]] = dict
    unset: frozenset[str] = frozenset()
    faulty: frozenset[str] = frozenset()
    platform: Platform | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """Every name that a template may use here."""
        return (*self.variables, *self.unset, *self.faulty, "platform", "git", "ci")


def platform_facts(platform: Platform) -> dict[str, str]:
    """What `platform.NAME` gives; empty text for what a platform does not have."""
    return {
        "os": platform.os,
        "arch": platform.architecture,
        "architecture": platform.architecture,
        "variant": platform.variant or "",
        "os_version": platform.os_version or "",
    }


def did_you_mean(name: str, known: Collection[str]) -> str | None:
    """A hint at the known name that is nearest to `name`, None if none is near, or the search would take too long."""
    if len(name) > _LONGEST_SLIP or len(known) > _MOST_NAMES:
        return None
    near = difflib.get_close_matches(name, sorted(known), 1, 0.6) or difflib.get_close_matches(
        name.lower(), sorted(known), 1, 0.6
    )
    return f"did you mean `{near[0]}`?" if near else None
