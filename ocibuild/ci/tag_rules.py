"""Tag rules + what began the build -> tags: pure. The semantics are those of docker/metadata-action, for every kind of CI."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from packaging.version import Version

from ocibuild.ci.context import Context
from ocibuild.ci.dates import format_date
from ocibuild.errors import UsageError
from ocibuild.findings import Severity
from ocibuild.oci.reference import parse_tag
from ocibuild.regexes import search
from ocibuild.tagging import Expression, Flavor, Latest, MadeTags, Outcome, RefKind, RuleText, TagRule, TagType

_NUMBER = r"(0|[1-9][0-9]*)"
_PRERELEASE = r"(?:0|[1-9][0-9]*|[0-9]*[a-zA-Z-][0-9a-zA-Z-]*)"
_SEMVER = re.compile(
    rf"v?{_NUMBER}\.{_NUMBER}\.{_NUMBER}(?:-({_PRERELEASE}(?:\.{_PRERELEASE})*))?(?:\+[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?",
    re.ASCII,
)
_NO_TAG_CHARACTERS = re.compile(r"[^a-zA-Z0-9._-]+", re.ASCII)
_FIND_VERSION = "`match` finds the version in a longer git tag; `enable` leaves a rule out"
_MEND_PATTERN = "mend the pattern, if it is meant for such git tags"
_RAW: RuleText = (Expression("raw"),)


class _NotMeantError(Exception):
    """A rule that is not for what is being built gives no tag."""


class _NoTagError(Exception):
    """A rule that was meant for this build gives no tag, for a reason worth telling."""

    def __init__(self, reason: str, hint: str) -> None:
        super().__init__(f"{reason}: the rule gives no tag")
        self.hint = hint


@dataclass(frozen=True, slots=True)
class _Made:
    """What a rule gives: the text of a tag, whether `latest` goes with it in auto mode, and what there is to say of it."""

    text: str
    latest: bool = False
    warning: str = ""


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
    build = _Build(context, now)
    outcomes = [Outcome()] * len(rules)
    tags: dict[str, None] = {}
    latest: bool | None = None
    for number in sorted(range(len(rules)), key=lambda number: -rules[number].priority):
        outcomes[number], goes_with_latest = _apply(rules[number], flavor, build)
        if outcomes[number].tag:
            tags[outcomes[number].tag] = None
            latest = goes_with_latest if latest is None else latest
    if tags and (flavor.latest is Latest.TRUE or (flavor.latest is Latest.AUTO and latest)):
        tags[parse_tag(_latest_tag(flavor, build))] = None
    return MadeTags(tuple(tags), tuple(outcomes))


def sanitized(text: str) -> str:
    """`text` with each run of characters that no tag has made one `-`."""
    return _NO_TAG_CHARACTERS.sub("-", text)


def _apply(rule: TagRule, flavor: Flavor, build: _Build) -> tuple[Outcome, bool]:
    """What becomes of the rule, and whether `latest` goes with it."""
    try:
        made = _made(rule, flavor, build)
        tag = parse_tag(sanitized(made.text))
    except _NotMeantError as reason:
        return Outcome(message=str(reason)), False
    except _NoTagError as reason:
        return Outcome("", str(reason), reason.hint, Severity.WARNING), False
    except UsageError as error:
        return Outcome("", error.what, error.hint or "mend the rule", Severity.ERROR), False
    if made.warning:
        return Outcome(tag, made.warning, _MEND_PATTERN, Severity.WARNING), made.latest
    return Outcome(tag), made.latest


def _made(rule: TagRule, flavor: Flavor, build: _Build) -> _Made:
    enable = build.fill(rule.enable)
    if enable not in ("true", "false"):
        raise UsageError(f"`enable` has to be true or false, not {enable!r}", hint="write an expression that gives one")
    if enable == "false":
        raise _NotMeantError("`enable` is false")
    made = _MAKERS[rule.type](rule, build)
    if not made.text:
        raise _NotMeantError("it comes to an empty text")
    prefix = build.fill(_prefix_of(rule, flavor, build.context))
    suffix = build.fill(flavor.suffix if rule.suffix is None else rule.suffix)
    return replace(made, text=prefix + made.text + suffix)


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


def _schedule(rule: TagRule, build: _Build) -> _Made:
    if "schedule" not in build.context.event:
        raise _NotMeantError("this is no scheduled run")
    return _Made(build.fill(rule.pattern))


def _semver(rule: TagRule, build: _Build) -> _Made:
    raw, warning = _version_text(rule, build)
    match = _SEMVER.fullmatch(raw)
    if match is None:
        raise _NoTagError(f"{raw!r} is not a version of semver.org", _FIND_VERSION)
    major, minor, patch, prerelease = match.groups()
    version = f"{major}.{minor}.{patch}" + (f"-{prerelease}" if prerelease else "")
    names = {"raw": raw, "version": version, "major": major, "minor": minor, "patch": patch}
    return replace(_versioned(rule, build, names, is_stable=not prerelease), warning=warning)


def _pep440(rule: TagRule, build: _Build) -> _Made:
    raw, warning = _version_text(rule, build)
    try:
        version = Version(raw)
    except ValueError:  # InvalidVersion is one; so is a number of thousands of digits
        raise _NoTagError(f"{raw!r} is not a version of PEP 440", _FIND_VERSION) from None
    major, minor, patch = (str(number) for number in (*version.release, 0, 0)[:3])
    names = {"raw": raw, "version": str(version), "major": major, "minor": minor, "patch": patch}
    # Post releases count as unstable too: they are replaced often.
    is_stable = not (version.is_prerelease or version.is_postrelease)
    return replace(_versioned(rule, build, names, is_stable=is_stable), warning=warning)


def _versioned(rule: TagRule, build: _Build, names: Mapping[str, str], *, is_stable: bool) -> _Made:
    if is_stable:
        return _Made(build.fill(rule.pattern, names), latest=True)
    # 1.2 and 1 stay with the last release: of a prerelease there is only its whole version.
    return _Made(names["raw"] if rule.pattern == _RAW else names["version"])


def _version_text(rule: TagRule, build: _Build) -> tuple[str, str]:
    """What is to be read as a version: of the value or the git tag, what `match` finds; and a warning if it finds nothing."""
    text, warning = _given(rule, build), ""
    found = search(rule.regex, text) if rule.regex else None
    if found is not None:
        text = found[1 if found.re.groups else 0] or ""
    elif rule.regex:
        warning = f"{rule.regex.pattern!r} does not match {text!r}: the rule takes all of it"
    return text.replace("/", "-"), warning


def _given(rule: TagRule, build: _Build) -> str:
    """The value of the rule, else the git tag."""
    text = build.fill(rule.value) if rule.value else build.context.tag
    if not text:
        raise _NotMeantError("its `value` is empty" if rule.value else "what is built is no git tag")
    return text


def _match(rule: TagRule, build: _Build) -> _Made:
    text = _given(rule, build)
    assert rule.regex is not None, "a rule of this type has a pattern"
    found = search(rule.regex, text)
    if found is None:
        raise _NoTagError(f"{rule.regex.pattern!r} does not match {text!r}", _MEND_PATTERN)
    if rule.group > found.re.groups or found[rule.group] is None:
        raise _NoTagError(f"{rule.regex.pattern!r} finds no group {rule.group} in {text!r}", _MEND_PATTERN)
    return _Made(found[rule.group], latest=True)


def _edge(rule: TagRule, build: _Build) -> _Made:
    branch, edge = build.context.branch, rule.branch or build.context.default_branch
    if not branch:
        raise _NotMeantError("what is built is no branch")
    if not edge:
        raise _NoTagError("the default branch is not known here", "name it, as `branch=main`")
    if branch != edge:
        raise _NotMeantError(f"the branch is {branch}, not {edge}")
    return _Made("edge")


def _ref(rule: TagRule, build: _Build) -> _Made:
    context = build.context
    text, noun = {
        RefKind.BRANCH: (context.branch, "branch"),
        RefKind.TAG: (context.tag, "git tag"),
        RefKind.PR: (context.change, "pull or merge request"),
    }[rule.event]
    if not text:
        raise _NotMeantError(f"what is built is no {noun}")
    return _Made(text, latest=rule.event is RefKind.TAG)


def _raw(rule: TagRule, build: _Build) -> _Made:
    return _Made(build.fill(rule.value))


def _sha(rule: TagRule, build: _Build) -> _Made:
    if not build.context.commit:
        raise _NotMeantError("the commit is not known")
    return _Made(build.context.commit if rule.long else build.context.short_commit)


_MAKERS: Mapping[TagType, Callable[[TagRule, _Build], _Made]] = {
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
