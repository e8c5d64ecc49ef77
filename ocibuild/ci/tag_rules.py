"""Tag rules + what began the build -> tags: pure. The semantics are those of docker/metadata-action, for every kind of CI."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from packaging.version import InvalidVersion, Version

from ocibuild.ci.context import Context
from ocibuild.ci.dates import format_date
from ocibuild.errors import UsageError
from ocibuild.oci.reference import parse_tag
from ocibuild.tagging import Expression, Flavor, Latest, MadeTags, Notice, RefKind, RuleText, TagRule, TagType

_NUMBER = r"(0|[1-9][0-9]*)"
_PRERELEASE = r"(?:0|[1-9][0-9]*|[0-9]*[a-zA-Z-][0-9a-zA-Z-]*)"
_SEMVER = re.compile(
    rf"v?{_NUMBER}\.{_NUMBER}\.{_NUMBER}(?:-({_PRERELEASE}(?:\.{_PRERELEASE})*))?(?:\+[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?",
    re.ASCII,
)
_NO_TAG_CHARACTERS = re.compile(r"[^a-zA-Z0-9._-]+", re.ASCII)
_RAW: RuleText = (Expression("raw"),)


class _NoTagError(Exception):
    """A rule that was meant for this build gives no tag, for a reason worth telling."""


@dataclass(frozen=True, slots=True)
class _Made:
    """What a rule gives: the text of a tag, and whether `latest` goes with it in auto mode."""

    text: str
    latest: bool = False


@dataclass(frozen=True, slots=True)
class _Build:
    """What the texts of rules can name."""

    context: Context
    now: datetime

    def fill(self, text: RuleText, names: Mapping[str, str] | None = None) -> str:
        return "".join(part if isinstance(part, str) else self._value(part, names) for part in text)

    def _value(self, expression: Expression, names: Mapping[str, str] | None) -> str:
        context, name = self.context, expression.name
        if names is not None and name in names:
            return names[name]
        if name == "date":
            return format_date(self.now, expression.format, expression.zone)
        if name == "commit_date":
            return format_date(_commit_date(context), expression.format, expression.zone)
        return _names_of(context)[name]


def make_tags(rules: Sequence[TagRule], flavor: Flavor, context: Context, now: datetime) -> MadeTags:
    """The tags that the rules give, in order of priority and then of the list, `latest` last, none twice.

    The first tag alone decides on `latest` in auto mode. A text that is no tag once characters were replaced (too long, or
    with a wrong beginning) is an error of its rule.
    """
    build, notices = _Build(context, now), list[Notice]()
    tags: dict[str, None] = {}
    latest: bool | None = None
    for number in sorted(range(len(rules)), key=lambda number: -rules[number].priority):
        try:
            made = _made(rules[number], flavor, build)
            if made is not None and made.text:
                tags[parse_tag(sanitized(made.text))] = None
                latest = made.latest if latest is None else latest
        except _NoTagError as reason:
            notices.append(Notice(number, str(reason), "the rule gives no tag here"))
        except UsageError as error:
            notices.append(Notice(number, error.what, error.hint or "mend the rule", is_error=True))
    if tags and (flavor.latest is Latest.TRUE or (flavor.latest is Latest.AUTO and latest)):
        tags[parse_tag(_latest_tag(flavor, build))] = None
    return MadeTags(tuple(tags), tuple(sorted(notices, key=lambda notice: notice.rule)))


def sanitized(text: str) -> str:
    """`text` with each run of characters that no tag has made one `-`."""
    return _NO_TAG_CHARACTERS.sub("-", text)


def _made(rule: TagRule, flavor: Flavor, build: _Build) -> _Made | None:
    enable = build.fill(rule.enable)
    if enable not in ("true", "false"):
        raise UsageError(f"`enable` has to be true or false, not {enable!r}", hint="write an expression that gives one")
    made = _MAKERS[rule.type](rule, build) if enable == "true" else None
    if made is None or not made.text:
        return None
    prefix = build.fill(_prefix_of(rule, flavor, build.context))
    suffix = build.fill(flavor.suffix if rule.suffix is None else rule.suffix)
    return _Made(prefix + made.text + suffix, made.latest)


def _prefix_of(rule: TagRule, flavor: Flavor, context: Context) -> RuleText:
    if rule.prefix is not None:
        return rule.prefix
    if rule.type is TagType.REF and rule.event is RefKind.PR:
        return (context.change_prefix,)
    return ("sha-",) if rule.type is TagType.SHA else flavor.prefix


def _latest_tag(flavor: Flavor, build: _Build) -> str:
    prefix = build.fill(flavor.prefix) if flavor.prefix_on_latest else ""
    suffix = build.fill(flavor.suffix) if flavor.suffix_on_latest else ""
    return sanitized(f"{prefix}latest{suffix}")


def _schedule(rule: TagRule, build: _Build) -> _Made | None:
    return _Made(build.fill(rule.pattern)) if "schedule" in build.context.event else None


def _semver(rule: TagRule, build: _Build) -> _Made | None:
    raw = _version_text(rule, build)
    if raw is None:
        return None
    match = _SEMVER.fullmatch(raw)
    if match is None:
        raise _NoTagError(f"{raw!r} is not a version of semver.org")
    major, minor, patch, prerelease = match.groups()
    version = f"{major}.{minor}.{patch}" + (f"-{prerelease}" if prerelease else "")
    names = {"raw": raw, "version": version, "major": major, "minor": minor, "patch": patch}
    return _versioned(rule, build, names, is_stable=not prerelease)


def _pep440(rule: TagRule, build: _Build) -> _Made | None:
    raw = _version_text(rule, build)
    if raw is None:
        return None
    try:
        version = Version(raw)
    except InvalidVersion:
        raise _NoTagError(f"{raw!r} is not a version of PEP 440") from None
    major, minor, patch = (str(number) for number in (*version.release, 0, 0)[:3])
    names = {"raw": raw, "version": str(version), "major": major, "minor": minor, "patch": patch}
    # Post releases count as unstable too: they are replaced often.
    return _versioned(rule, build, names, is_stable=not (version.is_prerelease or version.is_postrelease))


def _versioned(rule: TagRule, build: _Build, names: Mapping[str, str], *, is_stable: bool) -> _Made:
    if is_stable:
        return _Made(build.fill(rule.pattern, names), latest=True)
    # 1.2 and 1 stay with the last release: of a prerelease there is only its whole version.
    return _Made(names["raw"] if rule.pattern == _RAW else names["version"])


def _version_text(rule: TagRule, build: _Build) -> str | None:
    """What is to be read as a version: the value that is given, else the git tag; of it, what `match` finds."""
    given = build.fill(rule.value)
    if not given and not build.context.tag:
        return None
    text = given or build.context.tag.replace("/", "-")
    found = rule.regex.search(text) if rule.regex else None
    if found is None:
        return text
    return found[1 if found.re.groups else 0] or text


def _match(rule: TagRule, build: _Build) -> _Made | None:
    text = build.fill(rule.value) or build.context.tag
    if not text or rule.regex is None:
        return None
    found = rule.regex.search(text)
    if found is None:
        raise _NoTagError(f"{rule.regex.pattern!r} does not match {text!r}")
    if rule.group > found.re.groups or found[rule.group] is None:
        raise _NoTagError(f"{rule.regex.pattern!r} finds no group {rule.group} in {text!r}")
    return _Made(found[rule.group], latest=True)


def _edge(rule: TagRule, build: _Build) -> _Made | None:
    branch, edge = build.context.branch, rule.branch or build.context.default_branch
    return _Made("edge") if branch and branch == edge else None


def _ref(rule: TagRule, build: _Build) -> _Made | None:
    context = build.context
    names = {RefKind.BRANCH: context.branch, RefKind.TAG: context.tag, RefKind.PR: context.change}
    return _Made(names[rule.event], latest=rule.event is RefKind.TAG)


def _raw(rule: TagRule, build: _Build) -> _Made | None:
    return _Made(build.fill(rule.value))


def _sha(rule: TagRule, build: _Build) -> _Made | None:
    return _Made(build.context.commit if rule.long else build.context.short_commit)


_MAKERS: Mapping[TagType, Callable[[TagRule, _Build], _Made | None]] = {
    TagType.SCHEDULE: _schedule,
    TagType.SEMVER: _semver,
    TagType.PEP440: _pep440,
    TagType.MATCH: _match,
    TagType.EDGE: _edge,
    TagType.REF: _ref,
    TagType.RAW: _raw,
    TagType.SHA: _sha,
}


def _names_of(context: Context) -> Mapping[str, str]:
    is_default = context.is_default_branch
    return {
        "branch": context.branch,
        "tag": context.tag,
        "sha": context.short_commit,
        "base_ref": context.base_ref,
        "is_default_branch": "true" if is_default else "false",
        "is_not_default_branch": "false" if is_default else "true",
    }


def _commit_date(context: Context) -> datetime:
    if context.commit_date is None:
        raise UsageError("the date of the commit is not known here", hint="check the source out with git")
    return context.commit_date
