"""Facts of a git checkout, for templates: `git.commit`, `git.branch` and so on."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from ocibuild.ci.program import git_text
from ocibuild.errors import UsageError

_WEB = frozenset({"http", "https"})
# Plumbing, here and below: no setting of the user can make it print something else.
_TAGS = ("for-each-ref", "--points-at=HEAD", "--sort=-version:refname", "--format=%(refname:lstrip=2)", "refs/tags")
_SCHEMES = _WEB | {"ssh", "git", "git+ssh", "ssh+git"}  # git-clone(1), GIT URLS


def git_facts(directory: Path) -> Mapping[str, str]:
    """What git knows of the checkout around `directory`. Absent facts (no tag, no remote, a detached HEAD) are empty text.

    Keys: commit, short_commit, commit_date (RFC 3339, UTC), branch, tag (of this very commit; the highest version if it has
    several), dirty (`true`/`false`), host, owner, repository (`owner/name`), url (https, of the remote `origin`).
    UsageError where there is no checkout.
    """
    commit = git_text(directory, "rev-parse", "--verify", "HEAD")
    if commit is None:
        raise UsageError(
            "there is no git commit here",
            where=str(directory),
            hint="`git.*` and most tag rules need the git program, and a checkout with a commit that `git status` accepts",
        )
    return {
        "commit": commit,
        "short_commit": commit[:7],
        "commit_date": _date(git_text(directory, "rev-list", "-1", "--format=%ct", commit) or ""),
        "branch": git_text(directory, "symbolic-ref", "--short", "-q", "HEAD") or "",
        "tag": _first_line(git_text(directory, *_TAGS)),
        "dirty": "true" if git_text(directory, "status", "--porcelain", "--untracked-files=no") else "false",
        **_remote(git_text(directory, "remote", "get-url", "origin") or ""),
    }


def remote_pages(directory: Path) -> tuple[str, ...]:
    """The https URL of each remote of the checkout around `directory`, as far as they have one."""
    lines = (git_text(directory, "remote", "-v") or "").splitlines()  # NAME, a tab, URL (fetch)
    pages = (page_of(line.partition("\t")[2].rpartition(" ")[0]) for line in lines)
    return tuple(dict.fromkeys(page for page in pages if page))


def page_of(url: str) -> str:
    """The https URL of the repository that a URL, of whatever kind git takes, leads to; empty where that cannot be told."""
    return _remote(url)["url"]


def _date(answer: str) -> str:
    """RFC 3339 from what rev-list prints: a line with the commit, a line with seconds."""
    try:
        moment = datetime.fromtimestamp(int(answer.rpartition("\n")[2]), UTC)
    except (ValueError, OverflowError):  # no date, or one that whoever made the commit made up
        return ""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _first_line(text: str | None) -> str:
    return (text or "").partition("\n")[0]


def _remote(url: str) -> dict[str, str]:
    """Where a remote URL (https, ssh, or scp's short form) points; user and password in it are dropped.

    All are empty for a local path, and where a secret might be left: with an `@` after the first slash.
    """
    parts = _parsed(url)
    host = parts.netloc.rpartition("@")[2].lower()
    path = parts.path.strip("/").removesuffix(".git").rstrip("/")
    plain = parts.scheme in _SCHEMES and not (parts.query or parts.fragment or "@" in path)
    name = re.sub(r":[0-9]*$", "", host)
    if not plain or not name or "/" not in path:
        return {"host": "", "owner": "", "repository": "", "url": ""}
    # The port of ssh is not that of the web page.
    site = host if parts.scheme in _WEB else name
    return {"host": name, "owner": path.partition("/")[0], "repository": path, "url": f"https://{site}/{path}"}


def _parsed(url: str) -> SplitResult:
    """The URL taken apart, scp's `[USER@]HOST:PATH` as the ssh URL that it stands for; empty where it is none."""
    if "://" not in url:
        host, colon, path = url.partition(":")
        # No colon, or a slash before it: a path on this machine. Two colons: the name of a remote helper.
        url = f"ssh://{host}/{path}" if colon and "/" not in host and not path.startswith(":") else ""
    try:
        return urlsplit(url)
    except ValueError:
        return urlsplit("")
