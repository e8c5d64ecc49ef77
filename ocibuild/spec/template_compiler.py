"""Template text -> code that is safe to run: only nodes of the language, loops counted, joined text bounded."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice
from typing import Any, NamedTuple

from jinja2 import Environment, Template, TemplateSyntaxError, nodes
from jinja2.meta import find_undeclared_variables

from ocibuild.spec.scope import did_you_mean
from ocibuild.spec.template_language import FILTERS, JINJA_FILTERS, NODES, REFUSED, TESTS, TemplateError, bounded

# The filters that `compile_template` puts into the code. No template can spell their names.
COUNTED = "\0counted"
JOINED = "\0joined"
_LANGUAGE = "there are variables, text, numbers, `~`, `+`, `-`, comparisons, if, for, set, filters and methods of text"
_BRACES = "write `{{ '{{' }}` where two braces are meant as text"
_SIMPLER = "write a simpler one"
_SIZE_LIMIT = 20_000  # nodes; compiling one of 1 MiB that is nothing but short expressions would take a gigabyte
_CULPRITS = 100  # expressions that are tried one by one when Jinja does not say which one is wrong


class Compiled(NamedTuple):
    """A template, the names that it needs (each with the line of its first use), and its size in nodes."""

    template: Template
    names: tuple[tuple[str, int], ...]
    size: int


def compile_template(environment: Environment, text: str) -> Compiled:
    """`text` as code. TemplateError where it is no template, or goes beyond the language."""
    try:
        tree = environment.parse(text)
        size = _check(tree)
        lines = _lines_of_names(tree)
        names = tuple((name, lines.get(name, 1)) for name in sorted(find_undeclared_variables(tree)))
        code = environment.compile(_guarded(tree))
        return Compiled(Template.from_code(environment, code, {}), names, size)
    except TemplateSyntaxError as error:
        message, culprit = f"this is not a template: {error.message}", _culprit(environment, text)
        hint = _mending(error.message or "")
        raise TemplateError(message, hint, needle=culprit, line=error.lineno, rule="spec-template-syntax") from error
    except (RecursionError, MemoryError, SyntaxError) as error:
        raise TemplateError("this template is nested too deeply", _SIMPLER) from error
    except ValueError as error:
        raise TemplateError("a number in this template is too large", _SIMPLER) from error


def _mending(message: str) -> str:
    """What helps against that error of Jinja's."""
    if unclosed := re.search(r"needs to be closed is '(\w+)'", message):
        return f"close it with `{{% end{unclosed[1]} %}}`"
    if ", expected 'end of print statement'" in message:
        return f"close the expression with `}}}}`, or {_BRACES}"
    return _BRACES


def _culprit(environment: Environment, text: str) -> str | None:
    """The first expression that is wrong by itself, if one is: Jinja tells lines only."""
    for match in islice(re.finditer(r"\{\{.*?(?:\}\}|\Z)", text, re.DOTALL), _CULPRITS):
        try:
            environment.parse(match[0])
        except TemplateSyntaxError:
            return match[0]
        except RecursionError:  # it is wrong in another way, which is not the one that is being told
            continue
    return None


def newline_of(text: str) -> str:
    """The line end of `text`. TemplateError where there are several kinds."""
    # Jinja writes one kind of line end; a template that mixes them would not come out as it was written.
    kinds = set(re.findall("\r\n|\r|\n", text))
    if len(kinds) > 1:
        raise TemplateError("this template mixes kinds of line ends", "end every line the same way")
    return kinds.pop() if kinds else "\n"


def _check(tree: nodes.Template) -> int:
    size = 0
    for node in _descend(tree):
        size += 1
        if size > _SIZE_LIMIT:
            raise TemplateError(
                f"this template has more than {_SIZE_LIMIT} expressions and texts", "split it over several"
            )
        _check_node(node)
    return size


def _descend(node: nodes.Node) -> Iterator[nodes.Node]:
    stack = [node]
    while stack:
        current = stack.pop()
        yield current
        stack.extend(current.iter_child_nodes())


def _check_node(node: nodes.Node) -> None:
    kind = type(node).__name__
    if kind not in NODES or (isinstance(node, nodes.For) and node.recursive):
        what = REFUSED.get(kind, "this kind of expression")
        raise TemplateError(f"{what} is not part of the template language", _LANGUAGE, line=node.lineno)
    if isinstance(node, nodes.Filter) and node.name not in (*FILTERS, *JINJA_FILTERS):
        hint = did_you_mean(node.name, (*FILTERS, *JINJA_FILTERS)) or f"there are {', '.join(sorted(FILTERS))}"
        raise TemplateError(f"there is no filter `{node.name}`", hint, needle=node.name, line=node.lineno)
    if isinstance(node, nodes.Test) and node.name not in TESTS:
        hint = did_you_mean(node.name, TESTS) or "there are defined, undefined, string and number"
        raise TemplateError(f"there is no test `{node.name}`", hint, needle=node.name, line=node.lineno)
    if isinstance(node, nodes.Call) and not isinstance(node.node, nodes.Getattr):
        raise TemplateError("only methods of text can be called", "such as `version.split('.')`", line=node.lineno)
    if isinstance(node, nodes.Const):
        bounded(node.value)


def _guarded(tree: nodes.Template) -> Any:
    """`tree`, with every loop counted and every `~` bounded. Jinja has no hook for either."""
    for loop in list(tree.find_all(nodes.For)):
        weight = sum(1 for _ in _descend(loop))
        loop.iter = _filter(loop.iter, COUNTED, [nodes.Const(weight, lineno=loop.lineno)])
    return _join_concats(tree)


def _join_concats(node: Any) -> Any:
    for field_name, value in node.iter_fields():
        if isinstance(value, list):
            value[:] = [_join_concats(item) if isinstance(item, nodes.Node) else item for item in value]
        elif isinstance(value, nodes.Node):
            setattr(node, field_name, _join_concats(value))
    if isinstance(node, nodes.Concat):
        return _filter(nodes.List(node.nodes, lineno=node.lineno), JOINED, [])
    return node


def _filter(node: Any, name: str, arguments: list[nodes.Expr]) -> nodes.Filter:
    return nodes.Filter(node, name, arguments, [], None, None, lineno=node.lineno)


def _lines_of_names(tree: nodes.Template) -> dict[str, int]:
    """The line of the first use of each name."""
    return dict(sorted(((node.name, node.lineno) for node in tree.find_all(nodes.Name)), key=lambda use: -use[1]))
