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
_INSTRUCTIONS = re.compile(rb"(?mi)^[ \t]*(?:FROM|LABEL|ONBUILD)[ \t]")
_LOOK = 1 << 20


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
            files.setdefault(path, _kind(path) or _kind_by_content(path))
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


def _kind_by_content(path: Path) -> Kind:
    """For a file that was named and whose name says nothing. UsageError where nothing could be found in it."""
    if path.suffix in _YAML:
        return Kind.SPEC
    if path.is_file() and os.access(path, os.R_OK):
        with path.open("rb") as file:
            if not _INSTRUCTIONS.search(file.read(_LOOK)):
                raise UsageError(
                    f"{str(path)!r} is no spec, Dockerfile or workflow",
                    hint="a spec is called NAME.yaml, and a Dockerfile has a line with FROM or LABEL",
                )
    return Kind.DOCKERFILE


def _files_below(directory: Path) -> Iterator[Path]:
    for folder, folders, files in os.walk(directory):
        folders[:] = [name for name in folders if name == ".github" or not (name.startswith(".") or name in _OF_OTHERS)]
        yield from (Path(folder, name) for name in files if os.path.isfile(os.path.join(folder, name)))
