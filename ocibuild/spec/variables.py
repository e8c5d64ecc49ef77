"""The `vars` of a spec: their values, from --set, from the environment where one asks for it, or from their defaults."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from ocibuild.errors import OcibuildError
from ocibuild.spec.document import Document, complain, render_text
from ocibuild.spec.matrix import matrix_names
from ocibuild.spec.nodes import MapNode, Node, Path, ScalarNode, child
from ocibuild.spec.scope import NAMESPACES, Scope
from ocibuild.spec.template_language import TEXT_LIMIT, TemplateError
from ocibuild.spec.values import is_template

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
# Words of Jinja, which no expression can use as names.
_WORDS = ("and", "else", "false", "for", "if", "in", "is", "loop", "none", "not", "or", "true", "False", "None", "True")
VARIABLES_LIMIT = 1000
_UNUSABLE = (*NAMESPACES, *_WORDS)


@dataclass(frozen=True, slots=True)
class _Declaration:
    name: str
    path: Path
    default: ScalarNode | None = None
    default_path: Path = ()
    env: str | None = None
    required: bool = False
    malformed: bool = False


def declared_names(document: Document) -> tuple[str, ...]:
    """The names that --set may use for this document."""
    return (*matrix_names(document), *_variables(document))


def _variables(document: Document) -> tuple[str, ...]:
    node = document.root.entries.get("vars")
    return tuple(node.entries) if isinstance(node, MapNode) else ()


def scope_of(
    document: Document,
    sets: Mapping[str, str],
    environ: Mapping[str, str],
    git: Callable[[], Mapping[str, str]],
    ci: Callable[[], Mapping[str, str]],
) -> Scope:
    """What the document's templates can name. Complains of required variables without a value.

    --set decides before the environment, and that before the default; an empty environment variable counts as none, as CI
    systems set those for secrets that do not exist. A default may use the variables above it, those of the matrix, `git` and `ci`.
    """
    of_matrix = matrix_names(document)
    faulty = frozenset(name for name in of_matrix if name not in document.matrix)
    scope = Scope(variables=dict(document.matrix), git=git, ci=ci, faulty=faulty)
    for name in of_matrix:
        _check_name(document, ("matrix", name))
    declared = _variables(document)
    if len(declared) > VARIABLES_LIMIT:
        message = f"`vars` has {len(declared)} variables, and {VARIABLES_LIMIT} is the limit"
        document.ledger.add("spec-bad-value", message, document.key_place(("vars",)), "split the spec over several")
    for name in declared[:VARIABLES_LIMIT]:
        declaration = _declaration(document.root.entries["vars"], name)
        _check_name(document, declaration.path)
        if name in of_matrix:
            message = f"`{name}` is a variable of `matrix` already"
            document.ledger.add("spec-matrix", message, document.key_place(declaration.path), "keep one of the two")
            continue
        scope = _with_value(document, scope, declaration, sets, environ)
    return scope


def _check_name(document: Document, path: Path) -> None:
    if path[-1] in _UNUSABLE:
        message = f"a variable cannot be called `{path[-1]}`: that name has a meaning in templates"
        document.ledger.add("spec-bad-value", message, document.key_place(path), "choose another name")


def _with_value(
    document: Document, scope: Scope, declaration: _Declaration, sets: Mapping[str, str], environ: Mapping[str, str]
) -> Scope:
    name = declaration.name
    try:
        value = _value(document, scope, declaration, sets, environ)
    except (TemplateError, OcibuildError) as error:
        complain(document, declaration.default_path, error)
        return replace(scope, faulty=scope.faulty | {name})
    if value is not None and len(value) > TEXT_LIMIT:
        message = f"the value of `{name}` is longer than {TEXT_LIMIT} characters"
        document.ledger.add(
            "spec-bad-value", message, document.place(declaration.path), "put long text into a template file"
        )
    elif value is not None:
        return replace(scope, variables={**scope.variables, name: value})
    elif declaration.required:
        _complain_of_missing(document, declaration)
    elif not declaration.malformed:
        return replace(scope, unset=scope.unset | {name})
    return replace(scope, faulty=scope.faulty | {name})


def _value(
    document: Document, scope: Scope, declaration: _Declaration, sets: Mapping[str, str], environ: Mapping[str, str]
) -> str | None:
    if declaration.name in sets:
        return sets[declaration.name]
    if declaration.env and environ.get(declaration.env):
        return environ[declaration.env]
    if declaration.default is None:
        return None
    text = declaration.default.text
    return render_text(document, scope, text) if is_template(text) else text


def _complain_of_missing(document: Document, declaration: _Declaration) -> None:
    name = declaration.name
    or_env = f", or set the environment variable {declaration.env}" if declaration.env else ""
    document.ledger.add(
        "spec-required-variable",
        f"the variable `{name}` is required and has no value",
        document.key_place(declaration.path),
        f"pass --set {name}=VALUE{or_env}",
    )


def _declaration(variables: Node, name: str) -> _Declaration:
    node, path = child(variables, name), ("vars", name)
    if isinstance(node, ScalarNode):
        default = None if node.is_nothing else node
        return _Declaration(name, path, default, path, malformed=node.is_nothing)
    if not isinstance(node, MapNode):
        return _Declaration(name, path, malformed=True)
    given, env, required = (node.entries.get(key) for key in ("default", "env", "required"))
    return _Declaration(
        name,
        path,
        default=given if isinstance(given, ScalarNode) and not given.is_nothing else None,
        default_path=(*path, "default"),
        env=env.text if isinstance(env, ScalarNode) else None,
        required=isinstance(required, ScalarNode) and required.plain and required.text == "true",
        malformed=any(not isinstance(value, ScalarNode) for value in node.entries.values()),
    )
