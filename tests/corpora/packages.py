"""What application images are full of: installed Python packages, and a tree of very many small JavaScript files."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.corpora.cache import made_once
from tests.peers.programs import call, require

# About 350 MB in 12,000 files: shared objects of tens of megabytes, sources, bytecode.
PYTHON = ("numpy", "scipy", "pandas", "django")
# About 470 MB in 57,000 files, most of them of a few hundred bytes, and the links of node_modules/.bin.
JAVASCRIPT = (
    "@mui/icons-material@5",
    "aws-sdk@2",
    "core-js@3",
    "date-fns@3",
    "lodash@4",
    "next@14",
    "rxjs@7",
    "typescript@5",
    "webpack@5",
)
INSTALL_WITHIN = 900.0


def python_packages() -> Path:
    """The four packages and what they need, as `pip install --target` leaves them."""
    return made_once("python", f"{sys.version_info[:2]} {PYTHON}", _install_python)


def javascript_packages() -> Path:
    """A project directory with its `node_modules`. Needs npm."""
    require("npm", "it comes with Node.js")
    return made_once("javascript", " ".join(JAVASCRIPT), _install_javascript)


def _install_python(directory: Path) -> None:
    options = ("--quiet", "--disable-pip-version-check", "--only-binary", ":all:", "--target", directory)
    call(sys.executable, "-m", "pip", "install", *options, *PYTHON, timeout=INSTALL_WITHIN)


def _install_javascript(directory: Path) -> None:
    # Without optional packages: they are compilers for each platform, large and not what this tree is for.
    quiet = ("--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error")
    options = ("--prefix", directory, "--legacy-peer-deps", "--omit=optional")
    call("npm", "install", *quiet, *options, *JAVASCRIPT, timeout=INSTALL_WITHIN)
