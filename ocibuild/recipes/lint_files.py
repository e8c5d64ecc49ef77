"""Which files lint reads, and as what: by their names, and in directories by what lies in and below them."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from enum import Enum
from pathlib import Path

from ocibuild.errors import UsageError
from ocibuild.spec.load import is_spec_name

_DOCKERFILE = re.compile(
    r"(?:Docker|Container)file(?:[.-].+)?|(?:docker|container)file|.+\.(?:[Dd]ocker|[Cc]ontainer)file"
)
# What belongs to a Dockerfile, or makes one, and is none.
_BESIDE = (".dockerignore", ".md", ".in", ".j2", ".jinja", ".jinja2", ".tmpl", ".tpl", ".template", ".erb")
_OF_OTHERS = ("node_modules", "site-packages")  # what package managers put there, with files of other projects
_WORKFLOWS = os.path.join(".github", "workflows")
_YAML = (".yaml", ".yml")


class Kind(Enum):
    """What a file is read as."""

    SPEC = "spec"
    DOCKERFILE = "Dockerfile"
    WORKFLOW = "workflow"


def files_to_lint(paths: Sequence[Path]) -> dict[Path, Kind]:
    """The files as given, and all specs, Dockerfiles and workflows in and below the directories, each with its kind."""
    files: dict[Path, Kind] = {}
    for path in paths:
        if not path.is_dir():
            files.setdefault(path, _kind(path) or (Kind.SPEC if path.suffix in _YAML else Kind.DOCKERFILE))
            continue
        found = {file: kind for file in sorted(_files_below(path)) if (kind := _kind(file)) is not None}
        if not found:
            hint = "name a spec, a Dockerfile or a workflow; `ocibuild init` writes a first spec"
            raise UsageError("there is nothing to lint in this directory", where=str(path), hint=hint)
        files.update(found)
    return files


def _kind(path: Path) -> Kind | None:
    if is_spec_name(path.name):
        return Kind.SPEC
    if _DOCKERFILE.fullmatch(path.name) and path.suffix not in _BESIDE:
        return Kind.DOCKERFILE
    is_workflow = path.suffix in _YAML and str(path.absolute().parent).endswith(_WORKFLOWS)
    return Kind.WORKFLOW if is_workflow else None


def _files_below(directory: Path) -> Iterator[Path]:
    for folder, folders, files in os.walk(directory):
        folders[:] = [name for name in folders if name == ".github" or not (name.startswith(".") or name in _OF_OTHERS)]
        yield from (Path(folder, name) for name in files if os.path.isfile(os.path.join(folder, name)))
