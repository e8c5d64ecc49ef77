"""The part of the schema of SARIF 2.1.0 that we write, closed: a property that we should not write is an error here too."""

from __future__ import annotations

from typing import Any


def _object(required: list[str], **properties: Any) -> dict[str, Any]:
    return {"type": "object", "required": required, "properties": properties, "additionalProperties": False}


def _list(items: dict[str, Any], least: int = 0) -> dict[str, Any]:
    return {"type": "array", "items": items, "minItems": least}


_TEXT = {"type": "string", "minLength": 1}
_MESSAGE = _object(["text"], text=_TEXT)
_LEVEL = {"enum": ["none", "note", "warning", "error"]}
_NUMBER = {"type": "integer", "minimum": 1}
_RULE = _object(
    ["id"],
    id=_TEXT,
    shortDescription=_MESSAGE,
    fullDescription=_MESSAGE,
    help=_MESSAGE,
    defaultConfiguration=_object([], level=_LEVEL),
)
_DRIVER = _object(["name"], name=_TEXT, semanticVersion=_TEXT, rules={**_list(_RULE), "uniqueItems": True})
_REGION = _object(
    ["startLine"],
    startLine=_NUMBER,
    startColumn=_NUMBER,
    endLine=_NUMBER,
    endColumn=_NUMBER,
    snippet=_object(["text"], text={"type": "string"}),
)
_PHYSICAL = _object(
    ["artifactLocation"],
    artifactLocation=_object(["uri"], uri={"type": "string", "pattern": r"^[A-Za-z0-9._~/%-]+$"}),
    region=_REGION,
)
_LOGICAL = _object(["fullyQualifiedName"], fullyQualifiedName=_TEXT, kind=_TEXT)
_LOCATION = _object([], physicalLocation=_PHYSICAL, logicalLocations=_list(_LOGICAL, 1))
_SUPPRESSION = _object(
    ["kind"],
    kind={"enum": ["inSource", "external"]},
    status={"enum": ["accepted", "underReview", "rejected"]},
    justification=_TEXT,
)
_RESULT = _object(
    ["message", "ruleId", "ruleIndex"],
    ruleId=_TEXT,
    ruleIndex={"type": "integer", "minimum": 0},
    level=_LEVEL,
    message=_MESSAGE,
    locations=_list(_LOCATION, 1),
    suppressions=_list(_SUPPRESSION, 1),
)
_RUN = _object(
    ["tool"],
    tool=_object(["driver"], driver=_DRIVER),
    columnKind={"enum": ["utf16CodeUnits", "unicodeCodePoints"]},
    results=_list(_RESULT),
)
SARIF = _object(
    ["version", "runs"],
    **{"$schema": {"type": "string", "format": "uri"}},
    version={"const": "2.1.0"},
    runs=_list(_RUN, 1),
)
