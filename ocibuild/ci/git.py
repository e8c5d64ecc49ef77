"""Facts of a git checkout, for templates: `git.commit`, `git.branch` and so on."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping
from pathlib import Path

from ocibuild.errors import UsageError

_TIMEOUT = 30
_REMOTE = re.compile(r"(?:[a-z+]+://)?(?:[^@/]+@)?(?P<host>[^:/]+)(?::\d+)?[:/](?P<path>.+?)(?:\.git)?/?", re.ASCII)


def git_facts(directory: Path) -> Mapping[str, str]:
    """What git knows of the checkout around `directory`. Absent facts (no tag, no remote, a detached HEAD) are empty text.

    Keys: commit, short_commit, commit_date (RFC 3339, UTC), branch, tag (of this very commit), dirty (`true`/`false`),
    host, owner, repository (`owner/name`), url (https, of the remote `origin`). UsageError where there is no checkout.
    """
    commit = _git(directory, "rev-parse", "HEAD")
    if commit is None:
        raise UsageError(
            "there is no git commit here",
            where=str(directory),
            hint="`git.*` needs a checkout with at least one commit, and the git program",
        )
    return {
        "commit": commit,
        "short_commit": commit[:7],
        "commit_date": _git(directory, "log", "-1", "--date=format-local:%Y-%m-%dT%H:%M:%SZ", "--format=%cd") or "",
        "branch": _git(directory, "symbolic-ref", "--short", "-q", "HEAD") or "",
        "tag": (_git(directory, "tag", "--points-at", "HEAD", "--sort=-version:refname") or "").partition("\n")[0],
        "dirty": "true" if _git(directory, "status", "--porcelain", "--untracked-files=no") else "false",
        **_remote(_git(directory, "remote", "get-url", "origin") or ""),
    }


def _remote(url: str) -> dict[str, str]:
    """Where a remote URL (https, ssh, or scp's short form) points; user and password in it are dropped."""
    match = _REMOTE.fullmatch(url)
    if match is None or "/" not in match["path"]:
        return {"host": "", "owner": "", "repository": "", "url": ""}
    host, path = match["host"], match["path"]
    return {"host": host, "owner": path.partition("/")[0], "repository": path, "url": f"https://{host}/{path}"}


def _git(directory: Path, *arguments: str) -> str | None:
    """What `git` prints, or None where it fails or is not there."""
    try:
        done = subprocess.run(  # noqa: S603 - fixed words only
            ["git", "-C", str(directory), *arguments],  # noqa: S607 - git is looked up as any program
            capture_output=True,
            text=True,
            timeout=_TIMEOUT,
            check=False,
            env=_environment(),
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def _environment() -> dict[str, str]:
    # format-local means UTC only if git thinks that it is there; a pager or a prompt would wait for ever.
    import os

    return {**os.environ, "TZ": "UTC", "LC_ALL": "C", "GIT_TERMINAL_PROMPT": "0"}
