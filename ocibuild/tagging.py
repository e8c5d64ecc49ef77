"""Rules that make tags out of what began a build, as values: what a spec says, and what becomes of it. No YAML, no git, no I/O.

The rules are those of docker/metadata-action, as far as its documentation and its source tell them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from ocibuild.findings import Severity


class TagType(StrEnum):
    """What a rule makes a tag of."""

    SCHEDULE = "schedule"
    SEMVER = "semver"
    PEP440 = "pep440"
    MATCH = "match"
    EDGE = "edge"
    REF = "ref"
    RAW = "raw"
    SHA = "sha"


PRIORITIES = {
    TagType.SCHEDULE: 1000,
    TagType.SEMVER: 900,
    TagType.PEP440: 900,
    TagType.MATCH: 800,
    TagType.EDGE: 700,
    TagType.REF: 600,
    TagType.RAW: 200,
    TagType.SHA: 100,
}


class RefKind(StrEnum):
    """What a ref names."""

    BRANCH = "branch"
    TAG = "tag"
    PR = "pr"


class Latest(StrEnum):
    """Whether the tag `latest` is added: `auto` leaves it to the rule that gives the first tag."""

    AUTO = "auto"
    TRUE = "true"
    FALSE = "false"


# What the text of a rule can name: of a version in the patterns of semver and pep440, of the build everywhere else.
VERSION_NAMES = ("raw", "version", "major", "minor", "patch")
BUILD_NAMES = ("branch", "tag", "sha", "base_ref", "is_default_branch", "is_not_default_branch")
# These take a format: `{{date 'YYYYMMDD' tz='Europe/Berlin'}}`.
DATE_NAMES = ("date", "commit_date")


@dataclass(frozen=True, slots=True)
class Expression:
    """`{{name}}` in the text of a rule; a date has a format and a time zone."""

    name: str
    format: str = ""
    zone: str = "UTC"


RuleText = tuple[str | Expression, ...]


@dataclass(frozen=True, slots=True)
class TagRule:
    """One rule. Which fields count depends on the type; `prefix` and `suffix` None take those of the flavor.

    `regex` is the pattern of `match`, and the `match` of semver and pep440. `long` asks for the whole name of the commit.
    """

    type: TagType
    value: RuleText = ()
    pattern: RuleText = ()
    regex: re.Pattern[str] | None = None
    group: int = 0
    branch: str = ""
    event: RefKind = RefKind.BRANCH
    long: bool = False
    enable: RuleText = ("true",)
    priority: int = 0
    prefix: RuleText | None = None
    suffix: RuleText | None = None

    @property
    def texts(self) -> tuple[RuleText, ...]:
        return (self.value, self.pattern, self.enable, self.prefix or (), self.suffix or ())

    @property
    def is_plain(self) -> bool:
        """Whether it always gives the same tag, wherever it is built."""
        return self.type is TagType.RAW and all(isinstance(part, str) for text in self.texts for part in text)


@dataclass(frozen=True, slots=True)
class Flavor:
    """What goes for all rules: `latest`, and what stands before and behind each tag (of `latest` only if so said)."""

    latest: Latest = Latest.AUTO
    prefix: RuleText = ()
    suffix: RuleText = ()
    prefix_on_latest: bool = False
    suffix_on_latest: bool = False

    @property
    def is_plain(self) -> bool:
        """Whether it adds the same, wherever the image is built."""
        return all(isinstance(part, str) for part in (*self.prefix, *self.suffix))


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a rule: its tag; or, where that is empty, why it gives none.

    `severity` is that of what there is to say: INFO for a rule that was not meant for this build, WARNING for one that was,
    ERROR for one that can give no tag.
    """

    tag: str = ""
    message: str = ""
    hint: str = ""
    severity: Severity = Severity.INFO


@dataclass(frozen=True, slots=True)
class MadeTags:
    """The tags, the most important one first; and what became of each rule, in the order of the rules."""

    tags: tuple[str, ...]
    outcomes: tuple[Outcome, ...] = ()


@dataclass(frozen=True, slots=True)
class Ruling:
    """An entry of `tags`, as people write it, and the tag that it gave; or, where that is empty, why it gave none."""

    entry: str
    tag: str = ""
    reason: str = ""


# Makes tags for what is in a directory. UsageError where the rules need what is not known there.
TagMaker = Callable[[Sequence[TagRule], Flavor, Path], MadeTags]
