"""The published schema: complete for editors, and of one mind with the loader."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema.validators import Draft7Validator

from ocibuild.errors import UsageError
from ocibuild.plan import Settings
from ocibuild.schema_files import SPEC, schema_names, schema_text
from ocibuild.spec.items import _READERS

SCHEMA: dict[str, Any] = json.loads(schema_text())


def objects(schema: Any) -> Iterator[dict[str, Any]]:
    """Every schema inside `schema`."""
    if isinstance(schema, dict):
        yield schema
        for value in schema.values():
            yield from objects(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from objects(value)


def test_it_is_a_draft_7_schema_by_name() -> None:
    Draft7Validator.check_schema(SCHEMA)
    assert SCHEMA["$schema"] == "http://json-schema.org/draft-07/schema#"
    assert SPEC in schema_names()
    with pytest.raises(UsageError) as caught:
        schema_text("../pyproject")
    assert SPEC in str(caught.value.hint)


def test_every_property_is_described_and_unknown_ones_are_refused() -> None:
    for schema in objects(SCHEMA):
        if "properties" in schema and isinstance(schema["properties"], dict) and "type" in schema:
            assert schema["additionalProperties"] is False
            assert schema["title"]
            for name, inner in schema["properties"].items():
                target = SCHEMA["definitions"][inner["$ref"].rpartition("/")[2]] if "$ref" in inner else inner
                assert target.get("description"), name


def test_enumerated_values_are_described() -> None:
    for schema in objects(SCHEMA):
        for option in schema.get("oneOf", []) if isinstance(schema.get("oneOf"), list) else []:
            assert "$ref" in option or option.get("description")


def test_every_definition_is_used() -> None:
    used = {schema["$ref"].rpartition("/")[2] for schema in objects(SCHEMA) if isinstance(schema.get("$ref"), str)}
    assert used == set(SCHEMA["definitions"])


def test_every_verb_and_setting_is_in_it() -> None:
    verbs = [ref["$ref"].rpartition("/")[2].removesuffix("Item") for ref in SCHEMA["definitions"]["item"]["oneOf"]]
    assert verbs == list(_READERS)
    assert set(SCHEMA["definitions"]["config"]["properties"]) == set(Settings.__slots__)
    assert {"owner", "file_mode", "dir_mode", "mtime", "xattrs"} <= set(SCHEMA["properties"])


DOCUMENT = {
    "apiVersion": "ocibuild/v1",
    "vars": {"version": 1.1, "token": {"env": "TOKEN", "required": True}},
    "tags": ["{{ version }}", 1.1],
    "platforms": ["linux/amd64", {"platform": "windows/amd64", "os_version": "10.0"}],
    "base": {"linux/amd64": "scratch"},
    "format": "{{ format }}",
    "compression": {"type": "{{ type }}", "level": "{{ level }}"},
    "file_mode": 644,
    "owner": "{{ owner }}",
    "config": {"ports": [8080, "{{ port }}"], "env": {"DEBUG": True}, "healthcheck": {"test": ["NONE"], "retries": 3}},
    "layers": [
        {"files": [{"copy": "a", "to": "{{ to }}", "mode": "{{ mode }}"}, {"directory": True, "to": "/a"}]},
        {"archive": "a.tar", "compression": "gzip"},
        {"foreign": {"digest": "d", "size": 1, "diff_id": "d"}},
    ],
}


def test_editors_accept_templates_and_unquoted_numbers() -> None:
    assert list(Draft7Validator(SCHEMA).iter_errors(DOCUMENT)) == []


@pytest.mark.parametrize(
    "change",
    [
        {"apiVersion": "v1"},
        {"lables": {}},
        {"format": "dokcer"},
        {"owner": "root"},
        {"tags": "latest"},
        {"config": {"cmd": "run"}},
        {"layers": [{"files": [{"copy": "a", "text": "b", "to": "/a"}]}]},
        {"layers": [{"archive": "a", "files": []}]},
        {"labels": {"a": []}},
    ],
)
def test_editors_see_what_is_wrong(change: dict[str, Any]) -> None:
    assert list(Draft7Validator(SCHEMA).iter_errors({**DOCUMENT, **change}))


def test_it_is_found_beside_the_package_or_in_it() -> None:
    root = Path(__file__).parents[2]
    assert schema_text() == (root / "schemas" / "ocibuild.v1.json").read_text()
