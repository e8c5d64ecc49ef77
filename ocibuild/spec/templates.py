"""Templates: Jinja in its sandbox, cut down to the language of `template_language`, with a budget of work and of output.

Imports jinja2, as `template_compiler` does: import it only once a template is met.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache, partial
from typing import Any, NoReturn

from jinja2 import StrictUndefined, Template
from jinja2.filters import do_default
from jinja2.runtime import Context, LoopContext, Undefined
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import pass_context

from ocibuild.errors import OcibuildError
from ocibuild.spec.scope import CI_FACTS, GIT_FACTS, Scope, did_you_mean, platform_facts
from ocibuild.spec.template_compiler import COUNTED, JOINED, Compiled, compile_template, newline_of
from ocibuild.spec.template_language import (
    FILTERS,
    JINJA_FILTERS,
    LOOP_FACTS,
    METHODS,
    TESTS,
    Budget,
    TemplateError,
    as_text,
    bounded,
)

OUTPUT_LIMIT = 1 << 20
_ITEM = "items are counted from 0, as in `version.split('.')[0]`"
_BUDGET = "\0budget"  # no template can spell this name


def render(text: str, scope: Scope, budget: Budget, *, is_file: bool = False) -> str:
    """`text` with its expressions evaluated; TemplateError where that is not possible. Line ends are kept.

    `{# comments #}` exist in template files only: in values, `{#` is more often shell than Jinja.
    """
    compiled = _compiled(text, is_file)
    values = _values(compiled.names, scope)
    try:
        budget.spend(compiled.size)
        return _collect(compiled.template, {**values, _BUDGET: budget}, budget)
    except (TemplateError, OcibuildError):
        raise
    except Exception as error:  # an expression can fail in as many ways as Python's operators
        raise TemplateError(
            f"an expression of this template fails: {error}", "look at its values and their kinds"
        ) from error


def _collect(template: Template, values: dict[str, Any], budget: Budget) -> str:
    context = template.new_context(values)
    parts, length = [], 0
    for part in template.root_render_func(context):
        parts.append(part)
        length += len(part)
        if length > OUTPUT_LIMIT:
            raise TemplateError(f"this template gives more than {OUTPUT_LIMIT >> 20} MiB", "`copy` a file that long")
    budget.output -= length
    if budget.output < 0:
        raise TemplateError("the templates of this spec give far too much text", "`copy` long files")
    return "".join(parts)


class _Facts:
    """`platform`, `git` or `ci` in a template: names and values, and nothing else."""

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
        self.filters = {**FILTERS, **dict.fromkeys(JINJA_FILTERS, do_default), COUNTED: _counted, JOINED: _joined}
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
        hint = did_you_mean(attribute, METHODS) or f"text has {', '.join(METHODS)}"
        raise TemplateError(f"`.{attribute}` does not exist here", hint, needle=attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        if isinstance(obj, _Facts) and isinstance(argument, str):
            return obj.get(argument, self.undefined)
        if not isinstance(obj, str | list | tuple) or not isinstance(argument, int):
            raise TemplateError("only an item of a list, or a character of text, can be chosen with [ ]", _ITEM)
        try:
            return obj[argument]
        except IndexError as error:
            raise TemplateError(f"there is no item [{argument}]: there are only {len(obj)}", _ITEM) from error

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
        raise TemplateError("only a list or text can be looped over", "such as `names.split(',')`")
    context.parent[_BUDGET].spend((len(items) + 1) * weight)
    return items


def _joined(items: list[Any]) -> Any:
    return bounded("".join(as_text(bounded(item)) for item in items))


@lru_cache(maxsize=8)
def _environment(newline: str, comments: bool) -> _Environment:
    return _Environment(newline=newline, comments=comments)


@lru_cache(maxsize=512)
def _compiled(text: str, is_file: bool) -> Compiled:
    return compile_template(_environment(newline_of(text), is_file), text)


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
        elif name == "ci":
            values[name] = _Facts("ci", scope.ci(), CI_FACTS)
    return values


def _platform(scope: Scope, line: int) -> _Facts:
    if scope.platform is None:
        hint = "`platform` is known below base, config, labels, layers, unset and the manifest's annotations"
        raise _undefined("`platform` is not known here: this value is the same for all", hint, "platform", line)
    facts = platform_facts(scope.platform)
    return _Facts("platform", facts, tuple(facts))


def _unknown(name: str, scope: Scope, line: int) -> TemplateError:
    hint = did_you_mean(name, scope.names)
    if name == "env":
        hint = "declare what is read of the environment, as `vars: {home: {env: HOME}}`, and write `home`"
    return _undefined(
        f"there is no variable `{name}`", hint or f"declare it under `vars:`, as `{name}: ...`", name, line
    )


def _undefined(message: str, hint: str, name: str, line: int | None = None) -> TemplateError:
    return TemplateError(message, hint, needle=name, line=line, rule="spec-undefined-variable")
