"""The user's cache: where it is, what it holds, making it smaller."""

from __future__ import annotations

from pathlib import Path

from ocibuild.store.cache_care import Usage, prune, usage

__all__ = ["Usage", "cache_directory", "prune", "usage"]


def cache_directory() -> Path:
    """Where this user's programs keep what can be made again (on Linux: XDG_CACHE_HOME or ~/.cache)."""
    from platformdirs import user_cache_path

    return user_cache_path("ocibuild", appauthor=False)
