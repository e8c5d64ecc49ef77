"""Rendered specs as YAML text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence


def as_yaml(documents: Sequence[Mapping[str, object]]) -> str:
    """The documents as one YAML stream that loads to the same values: keys in their order, text that looks like more quoted."""
    import yaml

    return yaml.safe_dump_all(
        documents, sort_keys=False, allow_unicode=True, width=100, explicit_start=len(documents) > 1
    )
