"""The pipelines of docs/ci-gitlab.md and the template that they include: valid, and run as they stand."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.ci.conftest import IDENTITY
from tests.cli.program import ROOT
from tests.docs.markdown import File, steps
from tests.fake_registry import BasicAuth, FakeRegistry
from tests.peers.programs import SEARCH_PATH, call
from tests.workflows.conftest import Repository, python_without_network
from tests.workflows.gitlab import Job, load, run_pipeline

TEMPLATE = ROOT / "templates/ocibuild.yml"
INCLUDES = {"https://raw.githubusercontent.com/ocibuild/ocibuild/v0.1.0/templates/ocibuild.yml": TEMPLATE}
PAGE = (ROOT / "docs/ci-gitlab.md").read_text()
RELEASE, PLATFORMS, IMAGES, CHECKS = (step.text for step in steps(PAGE) if isinstance(step, File) and step.path == ".gitlab-ci.yml")  # fmt: skip
(SPEC,) = (step.text for step in steps(PAGE) if isinstance(step, File) and step.path == "ocibuild.yaml")
MAKEFILE = "all:\n\tmkdir -p dist/amd64 dist/arm64\n\techo amd64 >dist/amd64/hello\n\techo arm64 >dist/arm64/hello\n"
USER, PASSWORD = "gitlab-ci-token", "glcbt-0123456789abcdef"


@pytest.fixture
def registry() -> Iterator[FakeRegistry]:
    """A project's registry, which lets nobody in but the token of the job."""
    with FakeRegistry(auth=BasicAuth(USER, PASSWORD)) as registry:
        yield registry


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The `bin` of the Python in the image of the jobs, which has ocibuild: installing it for every job takes its time."""
    place = tmp_path_factory.mktemp("image") / "python"
    call(sys.executable, "-m", "venv", "--without-pip", place)
    call(place / "bin/python", "-m", "pip", "install", "--quiet", ROOT, env=python_without_network())
    return place / "bin"


class Pipelines:
    """`run(text, ref)` runs a pipeline for a push of a branch or a tag."""

    def __init__(self, place: Path, repository: Repository, registry: FakeRegistry, python: Path) -> None:
        self._place = place
        self._repository = repository
        self._registry = registry
        self._python = python

    def __call__(self, text: str, ref: str, before: str = "0" * 40, **variables: str) -> dict[str, Job]:
        tag = ref.startswith("v")
        predefined = {
            "CI": "true",
            "GITLAB_CI": "true",
            "CI_PIPELINE_SOURCE": "push",
            "CI_COMMIT_SHA": self._repository.git("rev-parse", f"{ref}^{{commit}}"),
            "CI_COMMIT_BEFORE_SHA": before,
            "CI_COMMIT_REF_NAME": ref,
            **({"CI_COMMIT_TAG": ref} if tag else {"CI_COMMIT_BRANCH": ref}),
            "CI_DEFAULT_BRANCH": "main",
            "CI_PROJECT_PATH": "octocat/hello",
            "CI_PROJECT_URL": "https://gitlab.com/octocat/hello",
            "CI_REGISTRY": self._registry.host,
            "CI_REGISTRY_IMAGE": f"{self._registry.host}/octocat/hello",
            "CI_REGISTRY_USER": USER,
            "CI_REGISTRY_PASSWORD": PASSWORD,
            "OCIBUILD_SOURCE": "ocibuild",
            **variables,
        }
        place = self._place / f"pipeline-{len(list(self._place.glob('pipeline-*')))}"
        return run_pipeline(load(text, INCLUDES), predefined, place, lambda directory: self._prepare(directory, ref))

    def _prepare(self, directory: Path, ref: str) -> dict[str, str]:
        call("git", "clone", "-q", f"file://{self._repository.directory}", directory, env=IDENTITY)
        call("git", "-C", directory, "checkout", "-q", self._repository.git("rev-parse", f"{ref}^{{commit}}"))
        home = directory.with_name(f"{directory.name}-home")
        return {**python_without_network(), "PATH": f"{self._python}:{SEARCH_PATH}", "HOME": str(home)}


@pytest.fixture
def run(tmp_path: Path, repository: Repository, registry: FakeRegistry, python: Path) -> Pipelines:
    files = {"ocibuild.yaml": SPEC, "Makefile": MAKEFILE, ".gitignore": "dist/\n*.json\n*.env\nrefs/\n.ocibuild/\n"}
    repository.commit(files, tag="v1.2.3")
    return Pipelines(tmp_path, repository, registry, python)


def test_a_release_has_its_tags_and_a_later_job_its_name(run: Pipelines, registry: FakeRegistry) -> None:
    jobs = run(RELEASE, "v1.2.3", OCIBUILD_SOURCE=str(ROOT))  # as an archive of a release would be installed
    assert [(name, job.failed) for name, job in jobs.items()] == [("compile", False), ("build-image", False), ("deploy", False)], jobs["build-image"].log  # fmt: skip
    tags = registry.tags("octocat/hello")
    assert tags.keys() == {"1.2.3", "1.2", "latest"}
    assert jobs["deploy"].log == f"{registry.host}/octocat/hello@{tags['latest']}\n"
    assert json.loads(jobs["build-image"].reports["codequality"].read_text()) == []
    metadata = json.loads((jobs["build-image"].directory / "ocibuild.json").read_text())
    assert metadata["containerimage.digest"] == tags["latest"]
    assert PASSWORD not in jobs["build-image"].log


def test_another_branch_is_built_and_not_pushed(run: Pipelines, repository: Repository, registry: FakeRegistry) -> None:
    repository.git("branch", "topic")
    jobs = run(RELEASE, "topic")
    assert "deploy" not in jobs
    assert not jobs["build-image"].failed
    assert registry.requests() == []
    run(RELEASE, "main")
    assert registry.tags("octocat/hello").keys() == {"main"}


def test_a_finding_fails_the_job_and_is_in_the_report(run: Pipelines, repository: Repository) -> None:
    repository.commit({"ocibuild.yaml": SPEC.replace("licenses: MIT", "licenses: Apache 2")})
    jobs = run(RELEASE, "main")
    assert jobs["build-image"].failed
    assert "ocibuild.yaml:" in jobs["build-image"].log
    (finding,) = json.loads(jobs["build-image"].reports["codequality"].read_text())
    assert finding["location"]["path"] == "ocibuild.yaml"
    assert run(CHECKS, "main")["lint"].failed


def test_runners_for_each_platform_give_what_one_gives(run: Pipelines, registry: FakeRegistry) -> None:
    jobs = run(PLATFORMS, "v1.2.3")
    assert list(jobs) == ["platform: [amd64]", "platform: [arm64]", "index"]
    assert not any(job.failed for job in jobs.values()), jobs
    tags = registry.tags("octocat/hello")
    assert tags.keys() == {"1.2.3", "1.2", "latest"}
    run(RELEASE, "v1.2.3")
    assert registry.tags("octocat/hello") == tags


def test_of_many_images_those_are_built_that_a_push_concerns(
    run: Pipelines, repository: Repository, registry: FakeRegistry
) -> None:
    one = "apiVersion: ocibuild/v1\nimage: {}/octocat/{}\ntags: [v1]\nmetadata: {{source: https://gitlab.com/octocat/hello}}\nlayers: [{{files: [{{copy: file, to: /}}]}}]\n"  # fmt: skip
    for name in ("one", "two"):
        spec = one.format(registry.host, name)
        before = repository.commit({f"images/{name}/ocibuild.yaml": spec, f"images/{name}/file": name})
    repository.commit({"images/two/file": "changed"})
    job = run(IMAGES, "main", before)["build-image"]
    assert not job.failed, job.log
    assert registry.tags("octocat/two").keys() == {"v1"}
    assert "octocat/one:v1 is left out" in job.log
    assert registry.requests(path="/v2/octocat/one/*") == []
    assert run(IMAGES, "main")["build-image"].log.count("octocat/one@sha256:") == 1, (
        "a new branch has nothing before it"
    )


def test_all_inputs_and_variables_are_described() -> None:
    header, body = yaml.safe_load_all(TEMPLATE.read_text())
    assert [name for name in header["spec"]["inputs"] if f"| `{name}` |" not in PAGE] == []
    (job,) = body.values()
    options = [name for name in job["variables"] if name.startswith("OCIBUILD_") and name != "OCIBUILD_SOURCE"]
    assert [name for name in options if f"`{name}`" not in PAGE] == []
