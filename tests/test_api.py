"""The library's table of contents: every name is there when it is asked for, and nothing is imported before."""

from __future__ import annotations

import ast
import inspect
import subprocess
import sys

import pytest

from ocibuild import api


@pytest.mark.parametrize("name", api.__all__)
def test_every_name_is_what_the_imports_for_type_checkers_say(name: str) -> None:
    value = getattr(api, name)
    imported = {
        alias.asname or alias.name: (node.module, alias.name)
        for node in ast.walk(ast.parse(inspect.getsource(api)))
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    module, original = imported.get(name, ("ocibuild.api", name))
    assert module is not None
    assert value is getattr(sys.modules[module], original)


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'biuld'"):
        _ = api.biuld  # type: ignore[attr-defined]


def test_importing_it_imports_no_recipe() -> None:
    code = "import sys, ocibuild.api; print([name for name in sys.modules if name.startswith('ocibuild.recipes')])"
    done = subprocess.run((sys.executable, "-c", code), capture_output=True, text=True, check=False, timeout=60)
    assert done.stdout == "[]\n", done.stderr
