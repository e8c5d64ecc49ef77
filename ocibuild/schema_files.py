"""The JSON Schemas that ocibuild publishes, by name: in a wheel they are package data, in a checkout they lie at the top."""

from __future__ import annotations

from pathlib import Path

from ocibuild.errors import UsageError

SPEC = "ocibuild.v1"
_PACKAGE = Path(__file__).resolve().parent
_DIRECTORY = next((place for place in (_PACKAGE / "schemas", _PACKAGE.parent / "schemas") if place.is_dir()), _PACKAGE)


def schema_names() -> tuple[str, ...]:
    """The names that `schema_text` knows, in order."""
    return tuple(sorted(file.name.removesuffix(".json") for file in _DIRECTORY.glob("*.json")))


def schema_text(name: str = SPEC) -> str:
    """The JSON text of a schema. UsageError, with the names there are, for any other name."""
    if name not in schema_names():
        raise UsageError(f"there is no schema {name!r}", hint=f"there are {', '.join(schema_names())}")
    return (_DIRECTORY / f"{name}.json").read_text("utf-8")
