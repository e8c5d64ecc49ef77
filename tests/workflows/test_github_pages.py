"""The workflows of docs/ci-github.md: linted, and run as they stand, with a ghcr.io that is on this machine."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
import yaml

from tests.cli.program import ROOT, succeed
from tests.docs.internet import Trust, internet
from tests.docs.markdown import File, steps
from tests.fake_registry import BasicAuth, FakeRegistry
from tests.workflows.conftest import TOKEN, Repository, Runners
from tests.workflows.runner import Job, run_workflow

PAGE = (ROOT / "docs/ci-github.md").read_text()
FILES = {step.path: step.text for step in steps(PAGE) if isinstance(step, File)}
WORKFLOWS = {path.rpartition("/")[2]: text for path, text in FILES.items() if path.startswith(".github/workflows/")}
# Fetches pre-commit, and hooks of a release that is not there yet; tests/cli/test_pre_commit.py runs the hooks.
NEEDS_GITHUB = {"checks.yml"}
MAKEFILE = "all:\n\tmkdir -p dist/amd64 dist/arm64\n\techo amd64 >dist/amd64/hello\n\techo arm64 >dist/arm64/hello\n"
NAME = "ghcr.io/octocat/hello"
RELEASE = "refs/tags/v1.2.3"


@pytest.fixture
def ghcr() -> Iterator[FakeRegistry]:
    """A registry that lets nobody in but the token of the workflow."""
    with FakeRegistry(auth=BasicAuth("octocat", TOKEN)) as registry:
        yield registry


class Workflows:
    """`run(name, ref)` runs a workflow of the page for a push of `ref`."""

    def __init__(self, new_job: Runners, variables: Mapping[str, str]) -> None:
        self._new_job = new_job
        self._variables = variables
        self.attested: list[Mapping[str, str]] = []

    def __call__(
        self, name: str, ref: str, event: Mapping[str, str] | None = None, *, on: str = "push"
    ) -> dict[str, list[Job]]:
        def attest(job: Job, inputs: Mapping[str, str]) -> Mapping[str, str]:
            self.attested.append(inputs)
            return {}

        done = run_workflow(
            WORKFLOWS[name],
            lambda _: self._new_job(
                ref, self._variables, name=on, event=event, stand_ins={"actions/attest-build-provenance": attest}
            ),
        )
        for job in (job for jobs in done.values() for job in jobs):
            assert not job.failed, job.log
        return done


@pytest.fixture
def run(new_job: Runners, repository: Repository, ghcr: FakeRegistry, trust: Trust) -> Iterator[Workflows]:
    repository.commit({"ocibuild.yaml": FILES["ocibuild.yaml"], "Makefile": MAKEFILE}, tag="v1.2.3")
    with internet(trust, ghcr.host) as web:
        yield Workflows(new_job, web.environment)


def test_a_release_has_its_tags_and_a_later_step_its_name(
    run: Workflows, repository: Repository, ghcr: FakeRegistry
) -> None:
    (job,) = run("image.yml", RELEASE)["image"]
    tags = ghcr.tags("octocat/hello")
    assert tags.keys() == {"1.2.3", "1.2", "latest"}
    (digest,) = set(tags.values())
    assert f"\n{NAME}@{digest}\n" in job.log
    stored = ghcr.manifest("octocat/hello", "latest")
    assert stored is not None
    assert json.loads(stored.data)["annotations"]["org.opencontainers.image.description"] == "Says hello"
    assert "Pushed 1 image" in job.summary
    here = repository.directory / "here"
    shutil.copytree(job.workspace, here, ignore=shutil.ignore_patterns(".ocibuild"))
    assert succeed("build", "-q", cwd=here, env={"CI": "true"}).digest == digest, "it is what a build here gives"
    run("image.yml", "refs/heads/main")
    assert ghcr.tags("octocat/hello").keys() == {"1.2.3", "1.2", "latest", "main"}


def test_a_pull_request_is_built_and_nothing_leaves_the_runner(
    run: Workflows, repository: Repository, ghcr: FakeRegistry
) -> None:
    repository.git("update-ref", "refs/pull/7/merge", "HEAD")
    (job,) = run("image.yml", "refs/pull/7/merge", on="pull_request")["image"]
    assert "ghcr.io/octocat/hello@sha256:" in job.log
    assert ghcr.requests() == []


def test_provenance_is_asked_for_what_was_pushed(run: Workflows, ghcr: FakeRegistry) -> None:
    run("attested.yml", RELEASE)
    digest = ghcr.tags("octocat/hello")["1.2.3"]
    assert run.attested == [{"subject-name": NAME, "subject-digest": digest, "push-to-registry": "true"}]


def test_runners_for_each_platform_give_what_one_gives(run: Workflows, ghcr: FakeRegistry) -> None:
    jobs = run("matrix.yml", RELEASE)
    assert len(jobs["build"]) == 2
    tags = ghcr.tags("octocat/hello")
    assert tags.keys() == {"1.2.3", "1.2", "latest"}
    assert set(tags.values()) == {jobs["index"][0].outputs["digest"]}
    last_put = [record.path for record in ghcr.requests("PUT", "/v2/octocat/hello/manifests/*")][-3:]
    assert {path.rpartition("/")[2] for path in last_put} == tags.keys(), "tags move last"
    run("image.yml", RELEASE)
    assert set(ghcr.tags("octocat/hello").values()) == set(tags.values())


def test_of_many_images_those_are_built_that_a_push_concerns(
    run: Workflows, repository: Repository, ghcr: FakeRegistry
) -> None:
    spec = "apiVersion: ocibuild/v1\nimage: ghcr.io/octocat/{}\ntags: [v1]\nmetadata: {{source: https://github.com/octocat/hello}}\nlayers: [{{files: [{{copy: file, to: /}}]}}]\n"
    for name in ("one", "two"):
        before = repository.commit({f"images/{name}/ocibuild.yaml": spec.format(name), f"images/{name}/file": name})
    repository.commit({"images/two/file": "changed"})
    (job,) = run("images.yml", "refs/heads/main", {"before": before})["images"]
    assert ghcr.tags("octocat/two").keys() == {"v1"}
    ref = f"ghcr.io/octocat/two@{ghcr.tags('octocat/two')['v1']}"
    assert job.log.splitlines()[-1] == ref
    assert ghcr.requests(path="/v2/octocat/one/*") == []
    repository.commit({"README.md": "of no image"})
    (job,) = run("images.yml", "refs/heads/main", {"before": repository.git("rev-parse", "HEAD~1")})["images"]
    assert "REFS" not in job.log
    assert "ghcr.io/octocat/two@" not in job.log
    (job,) = run("images.yml", "refs/heads/main", {"before": "0" * 40})["images"]
    assert "ghcr.io/octocat/one@" in job.log, "a new branch has no revision before it"


def test_the_commands_by_themselves(run: Workflows, ghcr: FakeRegistry, tmp_path: Path) -> None:
    run("plain.yml", RELEASE)
    assert ghcr.tags("octocat/hello").keys() == {"1.2.3", "1.2", "latest"}


def test_all_workflows_are_run(request: pytest.FixtureRequest) -> None:
    source = Path(__file__).read_text()
    assert {name for name in WORKFLOWS if f'run("{name}"' not in source} == NEEDS_GITHUB


def test_all_inputs_and_outputs_are_described() -> None:
    action = yaml.safe_load((ROOT / "action.yml").read_text())
    assert [name for name in (*action["inputs"], *action["outputs"]) if f"`{name}`" not in PAGE] == []
