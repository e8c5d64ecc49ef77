"""The architecture as a test: who may import whom, counting lazy and type-only imports too.

A module may import only what stands to the right of its own name. Packages in the middle of the star never import
each other: they meet through the protocols of `ocibuild.oci.blobs`, and only `ocibuild.api` joins them.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

FOUNDATION = {"errors", "findings", "events"}
STAR = {"spec", "layers", "store", "registry", "checks", "ci", "image", "server"}
# The name of each package or module right below `ocibuild`, and the ones that it may import besides itself.
# `ocibuild` itself (`__version__`) is open to all, and so it imports nothing.
MAY_IMPORT: dict[str, set[str]] = {
    "ocibuild": set(),
    "errors": FOUNDATION,
    "findings": FOUNDATION,
    "events": FOUNDATION,
    "oci": FOUNDATION,
    # What people demand of labels, and what they let pass.
    "policy": {"findings"},
    # Rules that make tags, as values.
    "tagging": FOUNDATION,
    "plan": FOUNDATION | {"oci", "policy", "tagging"},
    # Where the JSON Schemas are, in a wheel and in a checkout.
    "schema_files": FOUNDATION,
    # Work on many things at once.
    "threads": set(),
    # Regular expressions of people, looked for within a bounded time.
    "regexes": {"errors"},
    # Copies an image between any reader and any sink.
    "transfer": {"errors", "events", "oci", "graph", "threads"},
    # Manifests and configs below a name, read through the ports.
    "graph": FOUNDATION | {"oci"},
    # A layout and the registries that hold the blobs it lacks, as one reader.
    "borrowing": {"errors", "oci"},
    # Numbers of bytes as people read them.
    "sizes": set(),
    # The files of images, from the tars of layers.
    "tree": {"errors", "sizes", "oci"},
    # What differs between two images, as values.
    "differences": {"errors", "oci", "graph", "tree"},
    # An image as an HTML page.
    "report": {"findings", "sizes", "oci", "graph", "tree", "differences"},
    # Base images, and the documents of a plan over them.
    "bases": FOUNDATION | {"oci", "plan", "graph", "image"},
    "assembly": FOUNDATION | {"oci", "plan", "image", "bases"},
    **{
        name: FOUNDATION | {"oci", "policy", "plan", "tagging", "graph", "schema_files", "threads", "regexes"}
        for name in STAR
    },
    # Where all of them are joined, a verb a module; and its table of contents.
    "recipes": FOUNDATION
    | STAR
    | {"oci", "policy", "plan", "graph", "threads", "transfer", "borrowing", "bases", "assembly", "tree", "differences"}
    | {"report"},
    "api": FOUNDATION
    | STAR
    | {"oci", "policy", "plan", "schema_files", "graph", "assembly", "recipes"}
    | {"tree", "differences"},
    "cli": FOUNDATION | {"ocibuild", "oci", "plan", "api", "sizes"},
    "__main__": {"cli"},
}
# The only places (modules or packages) where each of these may be imported.
FENCES: dict[str, set[str]] = {
    "click": {"cli"},
    "rich": {"cli"},
    "yaml": {"spec"},
    "jinja2": {"spec"},
    "httpx": {"registry"},
    **{name: {"oci.compression"} for name in ("gzip", "bz2", "lzma", "deflate", "zstandard")},
    "blake3": {"oci.digest"},
    # `oci.tar_format` takes Adler-32 from it, the fastest sum of bytes there is, and compresses nothing.
    "zlib": {"oci.compression", "oci.tar_format"},
}
# These may be imported anywhere, but in one module.
IN_ONE_MODULE = {"jsonschema"}
# What `ocibuild --version` must not pay for.
SLOW = ("httpx", "jinja2", "jsonschema", "rich")


@dataclass(frozen=True, slots=True)
class Import:
    """`importer` (a module of ocibuild, without that prefix) imports `imported` (a full name)."""

    importer: str
    imported: str

    def __str__(self) -> str:
        return f"{self.importer} imports {self.imported}"

    @property
    def sibling(self) -> str | None:
        """What of ocibuild is imported, without that prefix; None for a foreign package."""
        first, _, rest = self.imported.partition(".")
        return (rest or "ocibuild") if first == "ocibuild" else None


def sources(package: Path = ROOT / "ocibuild") -> dict[str, str]:
    """The text of each module by its name below `ocibuild`; `ocibuild` is the package itself."""
    found = {}
    for file in sorted(package.rglob("*.py")):
        name = ".".join(file.relative_to(package).with_suffix("").parts).removesuffix("__init__").rstrip(".")
        found[name or "ocibuild"] = file.read_text()
    return found


def imports_of(modules: Mapping[str, str]) -> list[Import]:
    """Every import statement anywhere in the modules: at the top, in functions, under TYPE_CHECKING."""
    return [
        Import(name, target)
        for name, text in modules.items()
        for node in ast.walk(ast.parse(text))
        for target in _targets(node, modules)
    ]


def _targets(node: ast.AST, modules: Mapping[str, str]) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        assert node.level == 0, "relative imports hide what is imported: write the full name"
        base = node.module or ""
        for alias in node.names:
            # `from package import module` imports the module, `from module import name` that module.
            submodule = f"{base}.{alias.name}"
            yield submodule if submodule.removeprefix("ocibuild.") in modules else base


def _top(name: str) -> str:
    return name.partition(".")[0]


def _is_within(name: str, places: set[str]) -> bool:
    return any(name == place or name.startswith(f"{place}.") for place in places)


def broken_rules(modules: Mapping[str, str]) -> list[str]:
    """Every import that the tables above do not allow, as a sentence."""
    imports = imports_of(modules)
    unknown = [f"{name} has no place in MAY_IMPORT" for name in sorted({_top(m) for m in modules} - MAY_IMPORT.keys())]
    inward = [
        str(one)
        for one in imports
        if one.sibling is not None
        and _top(one.sibling) not in MAY_IMPORT.get(_top(one.importer), set()) | {_top(one.importer), "ocibuild"}
    ]
    fenced = [
        str(one)
        for one in imports
        if (places := FENCES.get(_top(one.imported))) is not None and not _is_within(one.importer, places)
    ]
    return unknown + inward + fenced + list(_scattered(imports))


def _scattered(imports: list[Import]) -> Iterator[str]:
    for package in sorted(IN_ONE_MODULE):
        importers = sorted({one.importer for one in imports if _top(one.imported) == package})
        if len(importers) > 1:
            yield f"{' and '.join(importers)} import {package}"


def cycles(modules: Mapping[str, str]) -> list[str]:
    """Each ring of modules that import one another, as `a -> b -> a`."""
    graph: dict[str, set[str]] = {name: set() for name in modules}
    for one in imports_of(modules):
        if one.sibling in graph and one.sibling != one.importer:
            graph[one.importer].add(one.sibling)
    found: list[str] = []
    finished: set[str] = set()

    def visit(name: str, path: tuple[str, ...]) -> None:
        if name in path:
            found.append(" -> ".join((*path[path.index(name) :], name)))
        elif name not in finished:
            for other in sorted(graph[name]):
                visit(other, (*path, name))
            finished.add(name)

    for name in sorted(graph):
        visit(name, ())
    return found


def test_modules_import_only_what_the_architecture_allows() -> None:
    assert broken_rules(sources()) == []


def test_no_modules_import_one_another_in_a_ring() -> None:
    assert cycles(sources()) == []


@pytest.mark.parametrize("package", SLOW)
def test_version_does_not_pay_for(package: str) -> None:
    command = (sys.executable, "-X", "importtime", "-m", "ocibuild", "--version")
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, cwd=ROOT)
    assert done.returncode == 0, done.stderr[-500:]
    # `import time:  self [us] | cumulative | name`, indented by depth.
    imported = {_top(line.rpartition("|")[2].strip()) for line in done.stderr.splitlines() if "|" in line}
    assert "ocibuild" in imported
    assert package not in imported


LEGAL = {
    "ocibuild": "__version__ = '1'",
    "errors": "from ocibuild.findings import Finding",
    "findings": "from dataclasses import dataclass",
    "oci": "",
    "oci.blobs": "from ocibuild.errors import IntegrityError",
    "oci.compression": "import zlib, deflate",
    "registry": "import httpx\nfrom ocibuild import __version__\nfrom ocibuild.oci import blobs",
    "registry.auth": "from ocibuild.registry.transport import send",
    "registry.transport": "def f():\n    import jsonschema",
    "layers": "from ocibuild.plan import Plan",
    "plan": "from ocibuild.oci.blobs import Reader",
    "api": "from ocibuild.registry import auth\nimport ocibuild.layers",
    "cli": "import click\nfrom rich.table import Table\nfrom ocibuild import api",
}


@pytest.mark.parametrize(
    ("module", "text", "expected"),
    [
        ("layers", "import os", []),
        ("layers", "from ocibuild.registry import auth", ["layers imports ocibuild.registry.auth"]),
        ("layers", "import ocibuild.registry.auth as a", ["layers imports ocibuild.registry.auth"]),
        ("layers", "def f():\n    from ocibuild import registry", ["layers imports ocibuild.registry"]),
        ("layers", "if TYPE_CHECKING:\n    import ocibuild.store", ["layers imports ocibuild.store"]),
        ("oci.blobs", "from ocibuild.plan import Plan", ["oci.blobs imports ocibuild.plan"]),
        ("plan", "from ocibuild import api", ["plan imports ocibuild.api"]),
        ("cli", "from ocibuild.registry.auth import login", ["cli imports ocibuild.registry.auth"]),
        ("ocibuild", "from ocibuild.api import build", ["ocibuild imports ocibuild.api"]),
        ("transfer", "from ocibuild.plan import Plan", ["transfer imports ocibuild.plan"]),
        ("registry.transport", "import rich.table", ["registry.transport imports rich.table"]),
        ("layers", "import gzip", ["layers imports gzip"]),
        ("oci.compression_levels", "import zlib", ["oci.compression_levels imports zlib"]),
        ("spec.schema", "import jsonschema", ["registry.transport and spec.schema import jsonschema"]),
        ("helpers", "", ["helpers has no place in MAY_IMPORT"]),
    ],
)
def test_each_breach_is_seen(module: str, text: str, expected: list[str]) -> None:
    assert broken_rules(LEGAL) == []
    assert broken_rules({**LEGAL, module: text}) == expected


def test_rings_are_seen() -> None:
    assert cycles(LEGAL) == []
    ring = {
        "registry.transport": "from ocibuild.registry import client",
        "registry.client": "import ocibuild.registry.auth",
    }
    assert cycles({**LEGAL, **ring}) == ["registry.auth -> registry.transport -> registry.client -> registry.auth"]
