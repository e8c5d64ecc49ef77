"""`matrix`: one document, an image for each combination of values."""

from __future__ import annotations

from pathlib import Path

import pytest

from ocibuild.errors import SpecError
from ocibuild.oci.location import RegistryLocation
from ocibuild.spec.load import Overrides, load_plans, render_specs
from tests.spec.specs import HEAD, NOTHING, facts, findings_of, load, write

TWO = """\
vars: {registry: ghcr.io, name: "app-{{ variant }}"}
matrix: {python: ["3.12", "3.13"], variant: [slim, full]}
image: "{{ registry }}/octocat/{{ name }}"
tags: ["{{ python }}"]
base: docker.io/library/python:{{ python }}-{{ variant }}
"""


def test_every_combination_is_an_image_the_last_variable_changing_fastest(tmp_path: Path) -> None:
    plans = load(tmp_path, TWO)
    assert [str(reference) for plan in plans for reference in plan.references] == [
        "ghcr.io/octocat/app-slim:3.12",
        "ghcr.io/octocat/app-full:3.12",
        "ghcr.io/octocat/app-slim:3.13",
        "ghcr.io/octocat/app-full:3.13",
    ]
    bases = [plan.platforms[0].base for plan in plans]
    assert all(isinstance(base, RegistryLocation) for base in bases)
    assert [str(base).rpartition(":")[2] for base in bases] == ["3.12-slim", "3.12-full", "3.13-slim", "3.13-full"]


def test_set_gives_one_value_in_place_of_the_list(tmp_path: Path) -> None:
    plans = load(tmp_path, TWO, Overrides(sets={"python": "3.14"}))
    assert [plan.tags for plan in plans] == [("3.14",), ("3.14",)]
    (plan,) = load(tmp_path, TWO, Overrides(sets={"vars.python": "3.12", "variant": "slim"}))
    assert str(plan.image) == "ghcr.io/octocat/app-slim"


def test_values_are_taken_as_written(tmp_path: Path) -> None:
    plans = load(
        tmp_path,
        "matrix: {v: [1.10, 010, no, \"x y\"]}\nimage: r/a\ntags: [\"{{ v | replace(' ', '-') }}\"]\nbase: r/b:1\n",
    )
    assert [plan.tags for plan in plans] == [("1.10",), ("010",), ("no",), ("x-y",)]


def test_layers_that_do_not_depend_on_the_matrix_are_equal(tmp_path: Path) -> None:
    one, two = load(
        tmp_path,
        "matrix: {v: [a, b]}\nimage: r/a\ntags: ['{{ v }}']\n"
        "layers: [{files: [{text: same, to: /same}]}, {files: [{text: '{{ v }}', to: /own}]}]\n",
    )
    assert one.platforms[0].layers[0] == two.platforms[0].layers[0]
    assert one.platforms[0].layers[1] != two.platforms[0].layers[1]


def test_a_mistake_is_told_once_however_many_images_meet_it(tmp_path: Path) -> None:
    (finding,) = findings_of(tmp_path, TWO + "labels: {a: '{{ nothing }}'}\n")
    assert finding.rule == "spec-undefined-variable"


def test_a_matrix_may_be_inherited_and_narrowed(tmp_path: Path) -> None:
    write(tmp_path, HEAD + TWO, "shared.yaml")
    plans = load(tmp_path, "extends: shared.yaml\nmatrix: {variant: [debug]}\n")
    assert [str(plan.references[0]) for plan in plans] == [
        "ghcr.io/octocat/app-debug:3.12",
        "ghcr.io/octocat/app-debug:3.13",
    ]


def test_render_shows_each_image(tmp_path: Path) -> None:
    documents = render_specs([write(tmp_path, HEAD + TWO)], NOTHING, facts())
    assert [document["tags"] for document in documents] == [["3.12"], ["3.12"], ["3.13"], ["3.13"]]
    assert all("matrix" not in document for document in documents)


def test_images_of_a_matrix_and_of_other_documents_do_not_share_names(tmp_path: Path) -> None:
    file = write(tmp_path, f"{HEAD}{TWO}---\n{HEAD}image: ghcr.io/octocat/app-slim\ntags: ['3.12']\nbase: r/b:1\n")
    with pytest.raises(SpecError) as caught:
        load_plans([file], NOTHING, facts())
    (finding,) = caught.value.findings
    assert "is also that of the image at" in finding.message
