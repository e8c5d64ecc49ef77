"""What began this build: the ref, the commit and the event, from GitHub's environment, from GitLab's, or else from git."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from ocibuild.errors import OcibuildError

GITHUB, GITLAB = "github", "gitlab"
_HEADS, _TAGS = "refs/heads/", "refs/tags/"
_CHANGE = re.compile(r"refs/(?:pull|merge-requests)/(.+?)(?:/(?:merge|head))?")
# Events that GitHub only ever runs on the default branch, whatever their ref says.
_OF_DEFAULT_BRANCH = re.compile("create|discussion|issues|schedule")
_SHORT = {GITLAB: 8}  # digits of a short commit, where it is not 7
GitFacts = Callable[[], Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class Context:
    """The facts. Empty text is what is not known or does not apply; `provider` is empty outside CI.

    `ref` is a full one: refs/heads/..., refs/tags/..., refs/pull/N/merge or refs/merge-requests/N/head. `base_ref` is the
    branch that a pull request goes to, or that a tag was pushed from, where the event says so.
    """

    provider: str = ""
    event: str = ""
    ref: str = ""
    commit: str = ""
    base_ref: str = ""
    default_branch: str = ""
    commit_date: datetime | None = None
    repository: str = ""
    url: str = ""
    run_id: str = ""
    run_url: str = ""
    short_length: int = 7

    @property
    def branch(self) -> str:
        return self.ref.removeprefix(_HEADS) if self.ref.startswith(_HEADS) else ""

    @property
    def tag(self) -> str:
        return self.ref.removeprefix(_TAGS) if self.ref.startswith(_TAGS) else ""

    @property
    def change(self) -> str:
        """The number of the pull or merge request."""
        match = _CHANGE.fullmatch(self.ref)
        return match[1] if match else ""

    @property
    def change_prefix(self) -> str:
        """What a tag for a pull or merge request begins with."""
        return "mr-" if self.provider == GITLAB else "pr-"

    @property
    def short_commit(self) -> str:
        return self.commit[: self.short_length]

    @property
    def is_default_branch(self) -> bool:
        on_default = self.provider == GITHUB and _OF_DEFAULT_BRANCH.search(self.event)
        return bool(on_default) or bool(self.branch and self.branch == self.default_branch)

    def facts(self) -> Mapping[str, str]:
        """The same as text by name: `ci.*` in templates."""
        return {
            "provider": self.provider,
            "event": self.event,
            "ref": self.ref,
            "branch": self.branch,
            "tag": self.tag,
            "change": self.change,
            "commit": self.commit,
            "short_commit": self.short_commit,
            "base_ref": self.base_ref,
            "default_branch": self.default_branch,
            "is_default_branch": "true" if self.is_default_branch else "false",
            "repository": self.repository,
            "owner": self.repository.partition("/")[0],
            "url": self.url,
            "run_id": self.run_id,
            "run_url": self.run_url,
        }


def read_context(environ: Mapping[str, str], git: GitFacts) -> Context:
    """What began this build. In CI git is asked only for what the environment does not say, and need not know it."""
    if environ.get("GITHUB_ACTIONS") == "true":
        context = _github(environ, _payload(environ))
    elif environ.get("GITLAB_CI") == "true":
        context = _gitlab(environ)
    else:
        return _with_length(_of_git(git()), environ)
    with suppress(OcibuildError):
        context = _completed(context, git())
    return _with_length(context, environ)


def _github(environ: Mapping[str, str], payload: Mapping[str, Any]) -> Context:
    event, ref, commit = (environ.get(f"GITHUB_{name}", "") for name in ("EVENT_NAME", "REF", "SHA"))
    repository, server = environ.get("GITHUB_REPOSITORY", ""), environ.get("GITHUB_SERVER_URL", "https://github.com")
    url = f"{server}/{repository}" if repository else ""
    run = environ.get("GITHUB_RUN_ID", "")
    number = _said(payload, "number")
    if event == "pull_request_target" and number:  # its ref is the branch that the request goes to
        ref = f"refs/pull/{number}/merge"
    if event.startswith("pull_request") and environ.get("DOCKER_METADATA_PR_HEAD_SHA", "").lower() == "true":
        commit = _said(payload, "pull_request", "head", "sha") or commit
    pushed = _said(payload, "head_commit", "id")
    return Context(
        provider=GITHUB,
        event=event,
        ref=ref,
        commit=commit,
        base_ref=_base_ref(ref, payload) or environ.get("GITHUB_BASE_REF", ""),
        default_branch=_said(payload, "repository", "default_branch"),
        commit_date=_time(_said(payload, "head_commit", "timestamp")) if commit == pushed else None,
        repository=repository,
        url=url,
        run_id=run,
        run_url=f"{url}/actions/runs/{run}" if url and run else "",
    )


def _base_ref(ref: str, payload: Mapping[str, Any]) -> str:
    if ref.startswith(_TAGS):
        return _said(payload, "base_ref").removeprefix(_HEADS)
    return _said(payload, "pull_request", "base", "ref") if _CHANGE.fullmatch(ref) else ""


def _payload(environ: Mapping[str, str]) -> Mapping[str, Any]:
    """The event as GitHub wrote it down; nothing where there is no such file."""
    try:
        with open(environ.get("GITHUB_EVENT_PATH", ""), encoding="utf-8") as file:
            payload = json.load(file)
    except (OSError, ValueError, RecursionError):
        return {}
    return payload if isinstance(payload, dict) else {}


def _said(payload: Mapping[str, Any], *keys: str) -> str:
    value: Any = payload
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return str(value) if isinstance(value, str | int) else ""


def _gitlab(environ: Mapping[str, str]) -> Context:
    def said(name: str) -> str:
        return environ.get(f"CI_{name}", "")

    if said("COMMIT_TAG"):
        ref = _TAGS + said("COMMIT_TAG")
    elif said("MERGE_REQUEST_IID"):
        ref = f"refs/merge-requests/{said('MERGE_REQUEST_IID')}/head"
    else:
        branch = said("COMMIT_BRANCH") or said("COMMIT_REF_NAME")
        ref = _HEADS + branch if branch else ""
    return Context(
        provider=GITLAB,
        event=said("PIPELINE_SOURCE"),
        ref=ref,
        commit=said("COMMIT_SHA"),
        base_ref=said("MERGE_REQUEST_TARGET_BRANCH_NAME"),
        default_branch=said("DEFAULT_BRANCH"),
        commit_date=_time(said("COMMIT_TIMESTAMP")),
        repository=said("PROJECT_PATH"),
        url=said("PROJECT_URL"),
        run_id=said("PIPELINE_ID"),
        run_url=said("PIPELINE_URL"),
    )


def _of_git(facts: Mapping[str, str]) -> Context:
    """A commit that has a tag is taken for that tag, on a branch too: releases are made by hand that way."""
    tag, branch = facts["tag"], facts["branch"]
    ref = _TAGS + tag if tag else _HEADS + branch if branch else ""
    return _completed(Context(ref=ref, commit=facts["commit"]), facts)


def _completed(context: Context, facts: Mapping[str, str]) -> Context:
    """With what git knows too."""
    is_same = context.commit == facts["commit"]
    return replace(
        context,
        default_branch=context.default_branch or facts["default_branch"],
        commit_date=context.commit_date or (_time(facts["commit_date"]) if is_same else None),
        repository=context.repository or facts["repository"],
        url=context.url or facts["url"],
    )


def _time(text: str) -> datetime | None:
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        return None
    return time if time.tzinfo else None


def _with_length(context: Context, environ: Mapping[str, str]) -> Context:
    asked = environ.get("DOCKER_METADATA_SHORT_SHA_LENGTH", "")
    length = int(asked) if asked.isdecimal() and 1 <= int(asked) <= 64 else _SHORT.get(context.provider, 7)
    return replace(context, short_length=length)
