"""What lies here under the name that was looked for on Docker Hub: a layout or an archive may be what is meant."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from ocibuild.errors import OcibuildError, RegistryError, UsageError
from ocibuild.oci.reference import DOCKER_HUB, parse_reference

_TAR_MAGIC, _TAR_MAGIC_AT = b"ustar", 257


@contextmanager
def pointing_nearby() -> Iterator[None]:
    """A failure at Docker Hub says what the arguments of the command name here, before its own hint.

    Only a failure: an image of Docker Hub may well have the name of a layout that it was copied to.
    """
    try:
        yield
    except RegistryError as error:
        found = next(filter(None, map(meant_here, _arguments())), None)
        if found and _is_of_docker_hub(error):
            error.hint = f"{found}; else {error.hint}" if error.hint else found
        raise


def meant_here(text: str) -> str | None:
    """How to write the layout or archive that `text`, as an image of Docker Hub, is the path of; None if there is none."""
    path, colon, name = text.partition("@")[0].partition(":")
    rest = f"{path}{colon}{name}"
    if _is_on_docker_hub(text) and _is_layout(Path(path)):
        return f"there is a directory `{path}` here: for that, write oci:{rest}"
    if _is_on_docker_hub(text) and _is_tar(Path(path)):
        return f"there is an archive `{path}` here: for that, write oci-archive:{rest} or docker-archive:{rest}"
    return None


def _arguments() -> Iterator[str]:
    context = click.get_current_context()
    for param in context.command.params:
        given = context.params.get(param.name or "") if isinstance(param, click.Argument) else None
        every = given if isinstance(given, tuple) else (given,)
        yield from (each for each in every if isinstance(each, str))


def _is_of_docker_hub(error: OcibuildError) -> bool:
    return DOCKER_HUB in f"{error.what} {error.where}"


def _is_on_docker_hub(text: str) -> bool:
    try:
        return parse_reference(text).host == DOCKER_HUB
    except UsageError:
        return False


def _is_layout(path: Path) -> bool:
    try:
        return (path / "oci-layout").is_file()
    except OSError:
        return False


def _is_tar(path: Path) -> bool:
    """Whether it is a plain tar. What is no ordinary file is not opened: a pipe would wait for its writer."""
    try:
        if not path.is_file():
            return False
        with path.open("rb") as file:
            return file.read(_TAR_MAGIC_AT + len(_TAR_MAGIC)).endswith(_TAR_MAGIC)
    except OSError:
        return False
