"""Rendered documents as plain values that can be written as YAML or JSON again, for `ocibuild render`."""

from __future__ import annotations

from typing import Any

from ocibuild.plan import Plan
from ocibuild.spec.document import AS_WRITTEN
from ocibuild.spec.nodes import Path
from ocibuild.spec.plans import Rendering
from ocibuild.spec.tag_rules import is_rule
from ocibuild.spec.values import Value

# Where the schema means numbers and truth values; everything else is text, whatever it looks like.
_NUMBERS = (("compression", "level"), ("foreign", "size"), ("healthcheck", "retries"))
_DIRECTORY = "directory"
_DIRECTORY_DEPTH = 5  # layers, index, files, index, directory


def resolved_documents(rendering: Rendering, plan: Plan | None) -> list[dict[str, Any]]:
    """What the document says of the image; one for each platform where that differs. Of tag rules, what they give."""
    documents: list[dict[str, Any]] = []
    names: list[list[str]] = []
    for rendered in rendering.platforms:
        document = _plain({key: value for key, value in rendered.spec.value.items() if key not in AS_WRITTEN}, ())
        if plan is not None and _has_rules(document):
            document["tags"] = list(plan.tags)
            document.pop("flavor", None)
        if document in documents:
            names[documents.index(document)].append(str(rendered.platform))
        else:
            documents.append(document)
            names.append([str(rendered.platform)])
    if len(documents) > 1:
        return [{**document, "platforms": platforms} for document, platforms in zip(documents, names, strict=True)]
    return documents


def _has_rules(document: dict[str, Any]) -> bool:
    tags = document.get("tags") or ()
    return "flavor" in document or any(isinstance(tag, dict) or is_rule(tag) for tag in tags)


def _plain(value: Value, path: Path) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item, (*path, key)) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item, (*path, index)) for index, item in enumerate(value)]
    if path[-2:] in _NUMBERS:
        return int(value)
    if path[-1:] == (_DIRECTORY,) and len(path) == _DIRECTORY_DEPTH:
        return True
    return str(value)
