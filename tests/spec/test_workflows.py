"""What workflows give docker/build-push-action, where it is written literally."""

from __future__ import annotations

from pathlib import Path

from ocibuild.spec.workflows import load_workflow
from tests.spec.specs import write

WORKFLOW = """\
on: push
jobs:
  image:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v4
        with: {labels: a=b}
      - name: build
        uses: docker/build-push-action@v6
        with:
          labels: |
            # who is asked
            com.example.team=blue
            "com.example.list=a,b"
            ${{ steps.meta.outputs.labels }}
            org.opencontainers.image.revision=${{ github.sha }}
            nothing
          annotations: |
            com.example.a=1
            index,manifest:com.example.b=2
          outputs: type=image,push=true,annotation-index.com.example.c=3,annotation.com.example.d=4
"""


def test_literal_labels_and_annotations_are_read_with_their_places(tmp_path: Path) -> None:
    (step,), text, faults = load_workflow(write(tmp_path, WORKFLOW, "ci.yml"))
    assert (text, faults, step.place.line) == (WORKFLOW, (), 9)
    read = [(each.level, each.key, each.value, each.place.line, each.place.column) for each in step.statements]
    assert read == [
        ("labels", "com.example.team", "blue", 13, 13),
        ("labels", "com.example.list", "a,b", 14, 13),
        ("labels", "", None, 15, 13),
        ("labels", "org.opencontainers.image.revision", None, 16, 13),
        ("labels", None, "", 17, 13),
        ("manifest annotations", "com.example.a", "1", 19, 13),
        ("index annotations", "com.example.b", "2", 20, 13),
        ("manifest annotations", "com.example.b", "2", 20, 13),
        ("index annotations", "com.example.c", "3", 21, 20),
        ("manifest annotations", "com.example.d", "4", 21, 20),
    ]


NAMES = """\
jobs:
  image:
    steps:
      - uses: docker/metadata-action@v5
        with:
          images: |
            ghcr.io/${{ github.repository }}
            name=quay.io/Octocat/hello,enable=true
            octocat/hello
          tags: type=raw,value=1
          labels: |
            org.opencontainers.image.version={{version}}
      - uses: docker/build-push-action@v6
        with:
          tags: |
            ghcr.io/octocat/hello:1, ghcr.io/octocat/hello:${{ github.sha }}
            quay.io/octocat/hello:1
          outputs: type=image,"name=octocat/a,octocat/b",push=true
      - {uses: docker/build-push-action@v6, with: {tags: "hello:test", load: "true"}}
"""


def test_literal_names_of_images_are_read_with_their_places(tmp_path: Path) -> None:
    steps, _, _ = load_workflow(write(tmp_path, NAMES, "ci.yml"))
    assert [[(name, place.line) for name, place in step.names] for step in steps] == [
        [("quay.io/octocat/hello", 8), ("octocat/hello", 9)],
        [("ghcr.io/octocat/hello:1", 16), ("quay.io/octocat/hello:1", 17), ("octocat/a", 18), ("octocat/b", 18)],
        [("hello:test", 19)],
    ]
    assert [(one.key, one.value) for one in steps[0].statements] == [("org.opencontainers.image.version", None)]


def test_what_is_no_workflow_says_nothing(tmp_path: Path) -> None:
    for text in ("", "[]", "jobs: []", "jobs: {a: {steps: {}}}", "jobs: {a: {steps: [{uses: [], with: []}]}}"):
        assert load_workflow(write(tmp_path, text, "ci.yml")) == ((), text, ())


def test_broken_yaml_is_a_finding(tmp_path: Path) -> None:
    steps, _, (finding,) = load_workflow(write(tmp_path, "a: [", "ci.yml"))
    assert (steps, finding.rule) == ((), "spec-yaml-syntax")
