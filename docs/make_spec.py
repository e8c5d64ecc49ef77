"""Writes docs/spec.md from the JSON Schema and docs/spec-example.yaml: run `python docs/make_spec.py` when one has changed."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from ocibuild.spec.template_language import FILTERS, JINJA_FILTERS, LOOP_FACTS, METHODS, TESTS

_HERE = Path(__file__).parent
_TARGET = _HERE / "spec.md"
_HEAD = """# The spec

Every key of an `ocibuild.yaml`, version `ocibuild/v1`. This file is made by `docs/make_spec.py` from the schema, which
`ocibuild schema` prints; editors complete keys when the first line of a spec names it.

Only `apiVersion`, and a base or a layer, are needed. An unknown key is an error. Where it says *text*, numbers and words
such as `no` are taken as they are written. Templates (`{{ version }}`) stand in texts; see [below](#templates).

## By example

Four images, as documents of one file:

```yaml
"""
_TAIL = """## Templates

Templates are Jinja in a sandbox, in text values only: YAML is read first, so no value can change the structure. There are
the spec's variables, and

| name | is |
| --- | --- |
| `platform.os`, `platform.arch`, `platform.variant`, `platform.os_version` | the platform that the image is built for |
| `git.commit`, `git.short_commit`, `git.commit_date`, `git.branch`, `git.tag`, `git.dirty` | the checkout that holds the spec |
| `git.owner`, `git.repository` | from the URL of the remote `origin` |
| `ci.NAME` | [what began the build](tags.md#what-is-built): event, branch, tag, commit, run, on GitHub, on GitLab and elsewhere |

An undefined name is an error. YAML scalars mean what they look like: `1.10`, `0644`, `no` and dates stay text.
`ocibuild render` shows what a spec means once all templates are filled in.

With `version` 1.2.3-rc.1, on linux/amd64:

| template | gives |
| --- | --- |
| `v{{ version }}` | `v1.2.3-rc.1` |
| `{{ version.split("-")[0] }}` | `1.2.3` |
| `{{ version.split(".")[:2] \\| join(".") }}` | `1.2` |
| `{{ version \\| replace(".", "_") \\| upper }}` | `1_2_3-RC_1` |
| `{{ "edge" if "-" in version else "stable" }}` | `edge` |
| `{% if version.startswith("1.") %}one{% else %}other{% endif %}` | `one` |
| `{% for name in ["a", "b"] %}{{ loop.index }}{{ name }}{% endfor %}` | `1a2b` |
| `{{ "x86_64" if platform.arch == "amd64" else "aarch64" }}` | `x86_64` |
| `{{ platform.variant or "none" }}` | `none` |

Of Jinja there are `if`, `for`, `set`, comparisons, `and`, `or`, `not`, `in`, `~`, `+`, `-`, lists and slices. There is nothing
that reads files or makes much text of little: no `include`, no macros, no `*`, no `format`.

LANGUAGE

## How files are joined

What a spec says lies over what it `extends`: maps (`vars`, `labels`, `config` and its `env`, ...) merge by key, lists and
scalars replace. Of several files, later ones lie over earlier ones. The paths of `extends` and `policy` are relative to the
file that they stand in; all other paths are relative to the spec, wherever they are written, since nothing outside its
directory gets into an image. Messages point to the file that is meant. A directory of specs is searched for `ocibuild.yaml` and
`NAME.ocibuild.yaml`, so a file that is only extended is called otherwise.

A file may hold several documents, `-f` may be repeated or name a directory: each document is an image of its own. See
[many-images.md](many-images.md).

## Over a base

`env` and `labels` merge with those of the base, `ports` and `volumes` add. `entrypoint` without `cmd` drops the base's
`cmd`, as in a Dockerfile; everything else replaces. `unset` takes away. The base's name and digest are recorded in
`org.opencontainers.image.base.name` and `.digest`.
"""
_DEFAULT = re.compile(r" ?If nothing is said: (.+?)\.?$")
_LONGEST = 90


@dataclass(frozen=True, slots=True)
class Row:
    """A key of an object."""

    path: str
    kind: str
    meaning: str
    default: str
    example: str


@dataclass(frozen=True, slots=True)
class Section:
    """An object of the spec with its keys."""

    title: str
    meaning: str
    rows: list[Row]


def spec_page() -> str:
    """The whole page."""
    example = _example_text().partition("\n")[2]
    language = "\n".join(
        f"- {title}: {', '.join(f'`{name}`' for name in sorted(names) if name.isidentifier())}"
        for title, names in (
            ("Filters", (*FILTERS, *JINJA_FILTERS)),
            ("Tests, behind `is`", TESTS),
            ("Methods of text", METHODS),
            ("Facts of a loop, as `loop.NAME`", LOOP_FACTS),
        )
    )
    reference = "\n".join(map(_shown, sections()))
    return f"{_HEAD}{example}```\n\n{reference}\n{_TAIL.replace('LANGUAGE', language)}"


def sections() -> list[Section]:
    """The objects of a spec, in the order of the schema."""
    schema = json.loads((_HERE.parent / "schemas/ocibuild.v1.json").read_text("utf-8"))
    examples = Examples(list(yaml.compose_all(_example_text(), Loader=yaml.SafeLoader)))
    return list(_Walk(schema["definitions"], examples).sections(schema))


def _example_text() -> str:
    return (_HERE / "spec-example.yaml").read_text("utf-8")


def _shown(section: Section) -> str:
    table = ["| key | type | meaning | default | example |", "| --- | --- | --- | --- | --- |"]
    table += [
        f"| `{row.path}` | {row.kind} | {_cell(row.meaning)} | {_cell(row.default)} | {_code(row.example)} |"
        for row in section.rows
    ]
    return "\n".join([f"## {section.title}", "", section.meaning, "", *table, ""])


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _code(text: str) -> str:
    return f"`{_cell(text)}`" if text else ""


class _Walk:
    def __init__(self, definitions: dict[str, Any], examples: Examples) -> None:
        self._definitions = definitions
        self._examples = examples
        self._titles: dict[int, str] = {}

    def sections(self, node: dict[str, Any], path: tuple[str, ...] = ()) -> Iterator[Section]:
        """The section of an object, then those of the objects in it. An object that is used at several places has one section."""
        title = self._title(node, path)
        inner: list[tuple[dict[str, Any], tuple[str, ...]]] = []
        rows = []
        for key, value in node["properties"].items():
            at = (*path, key)
            rows.append(self._row(value, at, is_required=key in node.get("required", ())))
            inner += [
                (form, place)
                for form, place in self._objects(value, at)
                if self._title(form, place).startswith(_name(place))
            ]
        yield Section(title, node["description"], rows)
        for form, place in inner:
            yield from self.sections(form, place)

    def _title(self, node: dict[str, Any], path: tuple[str, ...]) -> str:
        """The heading of an object; what was seen first at another place keeps the heading of that."""
        name, title = _name(path), node["title"].replace("`", "")
        new = "Keys" if not path else name if name == title else f"{name}: {title}"
        return self._titles.setdefault(id(node), new)

    def _row(self, node: dict[str, Any], path: tuple[str, ...], *, is_required: bool) -> Row:
        text = self._description(node)
        default = _DEFAULT.search(text)
        said = default[1] if default else "(needed)" if is_required else ""
        meaning = f"{_DEFAULT.sub('', text)} {self._choices_explained(node)}".strip()
        return Row(_name(path), self._kind(node, path), meaning, said, self._example(node, path))

    def _description(self, node: dict[str, Any]) -> str:
        return node.get("description") or self._description(self._resolved(node))

    def _choices_explained(self, node: dict[str, Any]) -> str:
        choices = self._choices(node)
        return " ".join(f"`{choice['const']}`: {choice['description']}" for choice in choices if len(choices) > 1)

    def _example(self, node: dict[str, Any], path: tuple[str, ...]) -> str:
        shown = self._examples.at(path)
        if shown is None or len(shown) > _LONGEST:
            return next((str(form["examples"][0]) for form in self._alternatives(node) if "examples" in form), "")
        return shown

    def _resolved(self, node: dict[str, Any]) -> dict[str, Any]:
        while True:
            if "$ref" in node:
                node = self._definitions[node["$ref"].rpartition("/")[2]]
            elif "allOf" in node:
                (node,) = node["allOf"]
            else:
                return node

    def _alternatives(self, node: dict[str, Any]) -> list[dict[str, Any]]:
        """The forms that a value may have, templates left out: any text may be one."""
        node = self._resolved(node)
        if "anyOf" in node or ("oneOf" in node and not self._choices(node)):
            forms = [form for one in node.get("anyOf") or node["oneOf"] for form in self._alternatives(one)]
            return [form for form in forms if form.get("title") != "template"]
        return [node]

    def _choices(self, node: dict[str, Any]) -> list[dict[str, Any]]:
        return [one for one in self._resolved(node).get("oneOf", ()) if "const" in one]

    def _kind(self, node: dict[str, Any], path: tuple[str, ...]) -> str:
        return " or ".join(dict.fromkeys(self._kind_of_one(form, path) for form in self._alternatives(node)))

    def _kind_of_one(self, node: dict[str, Any], path: tuple[str, ...]) -> str:
        if choices := self._choices(node):
            return " or ".join(f"`{choice['const']}`" for choice in choices)
        if "const" in node:
            return f"`{json.dumps(node['const'])}`"
        match node.get("type"):
            case "array":
                return f"list of: {self._kind(node['items'], (*path, '[]'))}"
            case "object" if isinstance(node.get("additionalProperties"), dict):
                return f"map of: {self._kind(node['additionalProperties'], (*path, 'NAME'))}"
            case "object":
                return f"[{node['title'].replace('`', '')}](#{_anchor(self._title(node, path))})"
            case "boolean":
                return "`true` or `false`"
            case "integer":
                return "number"
        return "text"

    def _objects(self, node: dict[str, Any], path: tuple[str, ...]) -> Iterator[tuple[dict[str, Any], tuple[str, ...]]]:
        """The objects with keys of their own that a value may be, or hold."""
        for form in self._alternatives(node):
            if "properties" in form:
                yield form, path
            elif form.get("type") == "array":
                yield from self._objects(form["items"], (*path, "[]"))
            elif isinstance(form.get("additionalProperties"), dict):
                yield from self._objects(form["additionalProperties"], (*path, "NAME"))


def _anchor(title: str) -> str:
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")


def _name(path: tuple[str, ...]) -> str:
    return ".".join(path).replace(".[]", "[]")


class Examples:
    """What the example spec has at a path; `[]` and `NAME` stand for any item."""

    def __init__(self, documents: list[yaml.Node]) -> None:
        self._documents = documents

    def at(self, path: tuple[str, ...]) -> str | None:
        found = [node for document in self._documents for node in _at(document, path)]
        return _in_one_line(found[0]) if found else None


def _at(node: yaml.Node, path: tuple[str, ...]) -> Iterator[yaml.Node]:
    if not path:
        yield node
    elif isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if path[0] in ("NAME", key.value):
                yield from _at(value, path[1:])
    elif isinstance(node, yaml.SequenceNode) and path[0] == "[]":
        for value in node.value:
            yield from _at(value, path[1:])


def _in_one_line(node: yaml.Node) -> str:
    for inner in _below(node):
        if isinstance(inner, yaml.CollectionNode):
            inner.flow_style = True
    return yaml.serialize(node, width=10_000).removesuffix("...\n").strip()


def _below(node: yaml.Node) -> Iterator[yaml.Node]:
    yield node
    children = node.value if isinstance(node, yaml.CollectionNode) else ()
    for child in children:
        for each in child if isinstance(child, tuple) else (child,):
            yield from _below(each)


if __name__ == "__main__":
    _TARGET.write_text(spec_page(), encoding="utf-8")
