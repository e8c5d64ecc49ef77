"""Makes a directory once for all test runs and all of their processes."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path

from filelock import FileLock

CACHE = Path(__file__).parents[2] / ".cache" / "corpora"


def made_once(name: str, recipe: str, make: Callable[[Path], None], cache: Path = CACHE) -> Path:
    """The directory `name` as `make` fills it. Another `recipe` (the text it depends on) makes it anew.

    It is filled under another name and renamed, so that one which was interrupted is never taken for a finished one.
    """
    cache.mkdir(parents=True, exist_ok=True)
    key = hashlib.sha256(recipe.encode()).hexdigest()[:12]
    finished, unfinished = cache / name / key, cache / name / "unfinished"
    with FileLock(cache / f"{name}.lock"):
        if not finished.exists():
            shutil.rmtree(cache / name, ignore_errors=True)
            unfinished.mkdir(parents=True)
            make(unfinished)
            unfinished.rename(finished)
    return finished
