"""Rules as specs have them, applied to contexts that tests make up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from ocibuild.ci.context import Context
from ocibuild.ci.tag_rules import make_tags
from ocibuild.spec.tag_rules import attributes_of, flavor, plain_rule, tag_rule
from ocibuild.tagging import MadeTags

NOW = datetime(2020, 1, 10, 0, 30, tzinfo=UTC)
COMMIT = "860c1904a1ce19322e91ac35af1ab07466440c37"


def never(text: str) -> str:
    raise AssertionError(f"{text!r} is no template of the spec")


def made(rules: Sequence[str], context: Context, style: Mapping[str, Any] | None = None) -> MadeTags:
    """What rules come to that are written as text; an entry without `=` is a tag."""
    read = [tag_rule(attributes_of(rule), never) if "=" in rule else plain_rule(rule) for rule in rules]
    return make_tags(read, flavor(style or {}, never), context, NOW)


def github(event: str, ref: str, **facts: Any) -> Context:
    """A run of GitHub Actions in a repository whose default branch is `master`."""
    return Context(
        **{"provider": "github", "event": event, "ref": ref, "commit": COMMIT, "default_branch": "master", **facts}
    )


def tagged(tag: str) -> Context:
    """A push of a git tag."""
    return github("push", f"refs/tags/{tag}")
