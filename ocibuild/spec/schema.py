"""The JSON Schema as the judge of rendered documents; the only module that imports jsonschema, so import it late.

The published schema also serves editors, which see numbers and templates where we see text. `_compile` takes that slack out.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import jsonschema
from jsonschema.protocols import Validator
from jsonschema.validators import Draft7Validator, extend

from ocibuild.schema_files import SPEC, schema_text
from ocibuild.spec.complaints import Breach
from ocibuild.spec.values import Bare, Value

Schema = dict[str, Any]
_INTEGER = re.compile(r"-?(?:0|[1-9][0-9]{0,18})", re.ASCII)
# Every pattern of the schema that templates may stand in for ends with this.
_OR_TEMPLATE = r"|\{[{%]"
# And every list of alternatives that one may stand among has this.
_TEMPLATE = {"$ref": "#/definitions/template"}


def breaches_of(document: Value, definition: str | None = None) -> list[Breach]:
    """Every breach of the spec's schema, or of one of its definitions, in a rendered document."""
    return [_breach(error) for error in _validator(definition).iter_errors(document)]


def _breach(error: Any) -> Breach:
    branches: list[list[Breach]] = [[] for _ in error.validator_value] if error.context else []
    for inner in error.context:
        branches[inner.relative_schema_path[0]].append(_breach(inner))
    return Breach(
        tuple(error.absolute_path),
        "propertyNames" if "propertyNames" in error.absolute_schema_path else error.validator,
        error.validator_value,
        error.schema,
        error.instance,
        tuple(map(tuple, branches)),
    )


@lru_cache(maxsize=2)
def _validator(definition: str | None) -> Validator:
    raw = json.loads(schema_text(SPEC))
    checker = Draft7Validator.TYPE_CHECKER.redefine_many({"integer": _is_integer, "boolean": _is_boolean})
    keywords = {"const": _const, "minimum": _minimum, "maximum": _maximum}
    kind: type[Validator] = extend(Draft7Validator, keywords, type_checker=checker)  # type: ignore[no-untyped-call]
    schema = raw["definitions"][definition] if definition else raw
    return kind(_compile(schema, raw["definitions"]))


def _compile(schema: Any, definitions: Schema) -> Any:
    """`schema` with its references put in place (it has no cycles), and without the slack for templates."""
    if isinstance(schema, list):
        return [_compile(item, definitions) for item in schema if item != _TEMPLATE]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return _compile(definitions[schema["$ref"].rpartition("/")[2]], definitions)
    compiled = {key: _compile(value, definitions) for key, value in schema.items() if key != "definitions"}
    if "allOf" in compiled:  # a reference with a description of its own
        compiled = {**compiled.pop("allOf")[0], **compiled}
    if isinstance(compiled.get("pattern"), str):
        compiled["pattern"] = compiled["pattern"].removesuffix(_OR_TEMPLATE)
    return compiled


def _is_integer(_checker: Any, value: Value) -> bool:
    return isinstance(value, Bare) and _INTEGER.fullmatch(value) is not None


def _is_boolean(_checker: Any, value: Value) -> bool:
    return isinstance(value, Bare) and value in ("true", "false")


def _const(_validator: Any, expected: Any, value: Value, _schema: Schema) -> Iterator[jsonschema.ValidationError]:
    wanted = Bare("true") if expected is True else expected
    if value != wanted or (expected is True and not isinstance(value, Bare)):
        yield jsonschema.ValidationError("const")


def _minimum(validator: Any, least: int, value: Value, _schema: Schema) -> Iterator[jsonschema.ValidationError]:
    if validator.is_type(value, "integer") and int(value) < least:
        yield jsonschema.ValidationError("minimum")


def _maximum(validator: Any, most: int, value: Value, _schema: Schema) -> Iterator[jsonschema.ValidationError]:
    if validator.is_type(value, "integer") and int(value) > most:
        yield jsonschema.ValidationError("maximum")
