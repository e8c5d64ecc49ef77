"""Templates: Jinja in its sandbox, cut down to the language of `template_language`, with a budget of work and of output.

The only module that imports jinja2; import it only once a template is met.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any, NoReturn

from jinja2 import StrictUndefined, Template, TemplateSyntaxError, nodes
from jinja2.filters import do_default
from jinja2.meta import find_undeclared_variables
from jinja2.runtime import Context, LoopContext, Undefined
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import pass_context

from ocibuild.errors import OcibuildError
from ocibuild.spec.scope import GIT_FACTS, Scope, did_you_mean, platform_facts
from ocibuild.spec.template_language import (
    FILTERS,
    JINJA_FILTERS,
    LOOP_FACTS,
    METHODS,
    NODES,
    REFUSED,
    TESTS,
    TemplateError,
    as_text,
    bounded,
)

OUTPUT_LIMIT = 1 << 20
_WORK_LIMIT = 1_000_000
_OUTPUT_BUDGET = 1 << 25
_BUDGET = "\0budget"  # no template can spell these two names
_COUNTED = "\0counted"
_JOINED = "\0joined"
_LANGUAGE = "there are variables, text, numbers, `~`, `+`, `-`, comparisons, if, for, set, filters and methods of text"


@dataclass(slots=True)
class Budget:
    """What all templates of one spec may use up together: evaluated nodes, and characters written."""

    work: int = _WORK_LIMIT
    output: int = _OUTPUT_BUDGET

    def spend(self, work: int) -> None:
        self.work -= work
        if self.work < 0:
            raise TemplateError("the loops of this spec's templates take too long", "loop over fewer values")


def render(text: str, scope: Scope, budget: Budget, *, is_file: bool = False) -> str:
    """`text` with its expressions evaluated; TemplateError where that is not possible. Line ends are kept.

    `{# comments #}` exist in template files only: in values, `{#` is more often shell than Jinja.
    """
    template, names, size = _compile(text, is_file)
    values = _values(names, scope)
    try:
        budget.spend(size)
        return _collect(template, {**values, _BUDGET: budget}, budget)
    except (TemplateError, OcibuildError):
        raise
    except Exception as error:  # an expression can fail in as many ways as Python's operators
        raise TemplateError(f"an expression of this template fails: {error}") from error


def _collect(template: Template, values: dict[str, Any], budget: Budget) -> str:
    context = template.new_context(values)
    parts, length = [], 0
    for part in template.root_render_func(context):
        parts.append(part)
        length += len(part)
        if length > OUTPUT_LIMIT:
            raise TemplateError(f"this template gives more than {OUTPUT_LIMIT >> 20} MiB")
    budget.output -= length
    if budget.output < 0:
        raise TemplateError("the templates of this spec give far too much text")
    return "".join(parts)


class _Facts:
    """`platform` or `git` in a template: names and values, and nothing else."""

    def __init__(self, name: str, values: Mapping[str, str], known: tuple[str, ...]) -> None:
        self.name, self.values, self.known = name, values, known

    def get(self, key: str, missing: Callable[..., Undefined]) -> Any:
        if key in self.values:
            return self.values[key]
        full = f"{self.name}.{key}"
        if key not in self.known:
            near = did_you_mean(key, (*self.known, *self.values))
            raise _undefined(f"`{full}` does not exist", near or f"there are {', '.join(self.known)}", full)
        return missing(name=full)


class _Missing(StrictUndefined):
    """A name without a value: an error on any use but `default` and `is defined`."""

    __slots__ = ()

    def _fail_with_undefined_error(self, *_: Any, **__: Any) -> NoReturn:
        name = str(self._undefined_name)
        hint = f"write `{name} | default('...')` where it may be missing"
        if "." not in name:
            hint = f"give it a `default` under `vars`, or pass --set {name}=VALUE"
        raise _undefined(f"`{name}` has no value", hint, name)

    __iter__ = __str__ = __len__ = __eq__ = __ne__ = __bool__ = __hash__ = _fail_with_undefined_error
    __add__ = __radd__ = __sub__ = __rsub__ = __getitem__ = __lt__ = __gt__ = __le__ = __ge__ = (
        _fail_with_undefined_error
    )
    __int__ = __neg__ = __contains__ = __call__ = _fail_with_undefined_error

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        self._fail_with_undefined_error()


class _Environment(ImmutableSandboxedEnvironment):
    """Jinja's sandbox with our language: nothing is reachable but text, lists and the facts that a spec declares."""

    intercepted_binops = frozenset(["+", "-"])

    def __init__(self, *, newline: str, comments: bool) -> None:
        super().__init__(
            undefined=_Missing,
            optimized=False,  # nothing is evaluated before it is checked and counted
            cache_size=0,
            keep_trailing_newline=True,
            newline_sequence=newline,
            finalize=as_text,
            comment_start_string="{#" if comments else "\0{#",
            comment_end_string="#}" if comments else "#}\0",
        )
        self.globals.clear()
        self.filters = {**FILTERS, **dict.fromkeys(JINJA_FILTERS, do_default), _COUNTED: _counted, _JOINED: _joined}
        self.tests = {name: self.tests[name] for name in TESTS}

    def getattr(self, obj: Any, attribute: str) -> Any:
        if isinstance(obj, _Facts):
            return obj.get(attribute, self.undefined)
        if isinstance(obj, str) and attribute in METHODS:
            return partial(METHODS[attribute], obj)
        if isinstance(obj, LoopContext) and attribute in LOOP_FACTS:
            return getattr(obj, attribute)
        if isinstance(obj, Undefined):
            return getattr(obj, attribute)
        raise TemplateError(f"`.{attribute}` does not exist here", did_you_mean(attribute, METHODS), needle=attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        if isinstance(obj, _Facts) and isinstance(argument, str):
            return obj.get(argument, self.undefined)
        if not isinstance(obj, str | list | tuple) or not isinstance(argument, int):
            raise TemplateError("only an item of a list, or a character of text, can be chosen with [ ]")
        try:
            return obj[argument]
        except IndexError as error:
            raise TemplateError(f"there is no item [{argument}]: there are only {len(obj)}") from error

    def call(self, context: Context, obj: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: ARG002 - Jinja's signature
        return bounded(obj(*args, **kwargs))

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:  # noqa: ARG002 - as above
        if isinstance(left, str) and isinstance(right, str) and operator == "+":
            return bounded(left + right)
        if isinstance(left, int) and isinstance(right, int):
            return bounded(left + right if operator == "+" else left - right)
        as_text(left), as_text(right)  # complains of what is missing
        raise TemplateError(
            f"`{operator}` needs two numbers here", "use `~` to join text, and `| int` to make a number"
        )


@pass_context
def _counted(context: Context, items: Any, weight: int) -> Any:
    if not isinstance(items, str | list | tuple):
        as_text(items)
        raise TemplateError("only a list or text can be looped over")
    context.parent[_BUDGET].spend((len(items) + 1) * weight)
    return items


def _joined(items: list[Any]) -> Any:
    return bounded("".join(as_text(bounded(item)) for item in items))


@lru_cache(maxsize=8)
def _environment(newline: str, comments: bool) -> _Environment:
    return _Environment(newline=newline, comments=comments)


@lru_cache(maxsize=512)
def _compile(text: str, is_file: bool) -> tuple[Template, tuple[tuple[str, int], ...], int]:
    """The compiled template, the names it uses with their lines, and its size in nodes. TemplateError where it is no template."""
    environment = _environment(_newline_of(text), is_file)
    try:
        tree = environment.parse(text)
        size = _check(tree)
        names = tuple((name, _line_of_name(tree, name)) for name in sorted(find_undeclared_variables(tree)))
        code = environment.compile(_guarded(tree))
        return Template.from_code(environment, code, {}), names, size
    except TemplateSyntaxError as error:
        message, hint = (
            f"this is not a template: {error.message}",
            "write `{{ '{{' }}` where two braces are meant as text",
        )
        culprit = _culprit(environment, text)
        raise TemplateError(message, hint, needle=culprit, line=error.lineno, rule="spec-template-syntax") from error
    except (RecursionError, MemoryError, SyntaxError) as error:
        raise TemplateError("this template is nested too deeply") from error
    except ValueError as error:
        raise TemplateError("a number in this template is too large") from error


def _culprit(environment: _Environment, text: str) -> str | None:
    """The first expression that is wrong by itself, if one is: Jinja tells lines only."""
    for match in re.finditer(r"\{\{.*?\}\}", text, re.DOTALL):
        try:
            environment.parse(match[0])
        except TemplateSyntaxError:
            return match[0]
    return None


def _newline_of(text: str) -> str:
    # Jinja writes one kind of line end; a template that mixes them would not come out as it was written.
    kinds = set(re.findall("\r\n|\r|\n", text))
    if len(kinds) > 1:
        raise TemplateError("this template mixes kinds of line ends", "end every line the same way")
    return kinds.pop() if kinds else "\n"


def _check(tree: nodes.Template) -> int:
    size = 0
    for node in _descend(tree):
        size += 1
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
        raise TemplateError(
            f"there is no test `{node.name}`", did_you_mean(node.name, TESTS), needle=node.name, line=node.lineno
        )
    if isinstance(node, nodes.Call) and not isinstance(node.node, nodes.Getattr):
        raise TemplateError("only methods of text can be called", "such as `version.split('.')`", line=node.lineno)
    if isinstance(node, nodes.Const):
        bounded(node.value)


def _guarded(tree: nodes.Template) -> Any:
    """`tree`, with every loop counted and every `~` bounded. Jinja has no hook for either."""
    for loop in list(tree.find_all(nodes.For)):
        weight = sum(1 for _ in _descend(loop))
        loop.iter = _filter(loop.iter, _COUNTED, [nodes.Const(weight, lineno=loop.lineno)])
    return _join_concats(tree)


def _join_concats(node: Any) -> Any:
    for field_name, value in node.iter_fields():
        if isinstance(value, list):
            value[:] = [_join_concats(item) if isinstance(item, nodes.Node) else item for item in value]
        elif isinstance(value, nodes.Node):
            setattr(node, field_name, _join_concats(value))
    if isinstance(node, nodes.Concat):
        return _filter(nodes.List(node.nodes, lineno=node.lineno), _JOINED, [])
    return node


def _filter(node: Any, name: str, arguments: list[nodes.Expr]) -> nodes.Filter:
    return nodes.Filter(node, name, arguments, [], None, None, lineno=node.lineno)


def _line_of_name(tree: nodes.Template, name: str) -> int:
    return min((node.lineno for node in tree.find_all(nodes.Name) if node.name == name), default=1)


def _values(names: tuple[tuple[str, int], ...], scope: Scope) -> dict[str, Any]:
    values: dict[str, Any] = {}
    unknown = [_unknown(name, scope, line) for name, line in names if name not in scope.names]
    if unknown:
        unknown[0].further = tuple(unknown[1:])
        raise unknown[0]
    for name, line in names:
        if name in scope.faulty:
            raise TemplateError(f"`{name}` has no value", silent=True)
        if name in scope.variables:
            values[name] = bounded(scope.variables[name])
        elif name == "platform":
            values[name] = _platform(scope, line)
        elif name == "git":
            values[name] = _Facts("git", scope.git(), GIT_FACTS)
    return values


def _platform(scope: Scope, line: int) -> _Facts:
    if scope.platform is None:
        hint = "`platform` is known below base, config, labels, layers, unset and the manifest's annotations"
        raise _undefined("`platform` is not known here: this value is the same for all", hint, "platform", line)
    facts = platform_facts(scope.platform)
    return _Facts("platform", facts, tuple(facts))


def _unknown(name: str, scope: Scope, line: int) -> TemplateError:
    hint = did_you_mean(name, scope.names)
    return _undefined(
        f"there is no variable `{name}`", hint or f"declare it under `vars:`, as `{name}: ...`", name, line
    )


def _undefined(message: str, hint: str, name: str, line: int | None = None) -> TemplateError:
    return TemplateError(message, hint, needle=name, line=line, rule="spec-undefined-variable")
