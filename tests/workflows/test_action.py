"""The action, run as GitHub's runner would run it: a release is built, pushed with its tags, and told to later steps."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml

from tests.cli.program import ROOT
from tests.conftest import StartRegistry
from tests.fake_registry import digest_of
from tests.oracles.markdown import read_markdown
from tests.peers.clients import skopeo
from tests.peers.docker_registry import DockerRegistry
from tests.workflows.conftest import Repository, Runners
from tests.workflows.runner import Job

SPEC = """\
apiVersion: ocibuild/v1
vars: {registry: {env: REGISTRY}, program: hello}
image: "{{ registry }}/octocat/hello"
tags:
  - {type: semver, pattern: "{{version}}"}
  - {type: semver, pattern: "{{major}}.{{minor}}"}
  - {type: ref, event: branch}
platforms: [linux/amd64, linux/arm64]
metadata:
  description: Says hello
  licenses: MIT
  source: https://github.com/octocat/hello
  revision: "{{ git.commit }}"
config: {entrypoint: [/hello]}
layers:
  - name: program
    files: [{copy: hello, to: /hello, mode: "0755"}]
"""
RELEASE = "refs/tags/v1.2.3"
USES = "ocibuild/ocibuild@0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def registry(start_registry: StartRegistry) -> DockerRegistry:
    return start_registry.htpasswd()


@pytest.fixture
def release(repository: Repository) -> Repository:
    """The repository with the tag v1.2.3."""
    repository.commit({"ocibuild.yaml": SPEC, "hello": "#!/bin/sh\necho hello\n"}, tag="v1.2.3")
    return repository


def inspected(registry: DockerRegistry, name: str, what: str = "--raw") -> str:
    """What skopeo has of the image."""
    return skopeo(
        "inspect", "--creds", registry.credentials, what, f"docker://{registry.host}/octocat/hello{name}"
    ).stdout


def run(job: Job, to: DockerRegistry | None = None, **inputs: str) -> Job:
    """The steps that a workflow would have: check out, and use the action with `inputs` and a login for the registry."""
    login = {"registry": to.host, "username": to.username or "", "password": to.password or ""} if to else {}
    given = {**login, **{name.replace("_", "-"): value for name, value in inputs.items()}}
    steps: list[dict[str, Any]] = [{"uses": "actions/checkout@v5"}, {"id": "image", "uses": USES, "with": given}]
    results = job.run(steps, job.contexts, {"REGISTRY": to.host if to else "registry.example"})
    job.outputs = dict(results["image"]["outputs"])
    return job


def test_a_release(new_job: Runners, release: Repository, registry: DockerRegistry) -> None:
    job = run(new_job(RELEASE), registry, push="true")
    assert not job.failed, job.log
    name, digest = f"{registry.host}/octocat/hello", job.outputs["digest"]
    assert job.outputs["image"] == name
    assert job.outputs["ref"] == f"{name}@{digest}"
    assert job.outputs["tags"].splitlines() == [f"{name}:{tag}" for tag in ("1.2.3", "1.2", "latest")]
    assert json.loads(job.outputs["metadata"])["containerimage.digest"] == digest
    commit = release.git("rev-parse", "HEAD")
    expected = {
        "org.opencontainers.image.description": "Says hello",
        "org.opencontainers.image.licenses": "MIT",
        "org.opencontainers.image.source": "https://github.com/octocat/hello",
        "org.opencontainers.image.revision": commit,
    }
    raw = {tag: inspected(registry, f":{tag}") for tag in ("1.2.3", "1.2", "latest")}
    assert {digest_of(text.encode()) for text in raw.values()} == {digest}
    index = json.loads(raw["latest"])
    assert expected.items() <= index["annotations"].items()
    assert [child["platform"]["architecture"] for child in index["manifests"]] == ["amd64", "arm64"]
    for child in index["manifests"]:
        assert expected.items() <= json.loads(inspected(registry, f"@{child['digest']}"))["annotations"].items()
        config = json.loads(inspected(registry, f"@{child['digest']}", "--config"))
        assert expected.items() <= config["config"]["Labels"].items()


def test_summaries_of_two_releases(new_job: Runners, release: Repository, registry: DockerRegistry) -> None:
    job = run(new_job(RELEASE), registry, push="true")
    assert_secret_is_kept(job, registry)
    page = read_markdown(job.summary)
    assert "Built 1 image" in page.text
    assert "Pushed 1 image" in page.text
    assert [f"{registry.host}/octocat/hello", "1.2.3, 1.2, latest"] in [row[:2] for row in page.rows]
    assert {row[0] for row in page.rows} >= {"linux/amd64", "linux/arm64"}
    release.commit({"hello": "#!/bin/sh\necho hello world\n"}, tag="v1.2.4")
    file = job.workspace.parent / "auth.json"
    page = read_markdown(
        run(new_job("refs/tags/v1.2.4", {"REGISTRY_AUTH_FILE": str(file)}), registry, push="true").summary
    )
    assert registry.host in file.read_text(), "a workflow may name the file of its logins"
    assert "Changes against" in page.text
    assert "0 layers kept, 1 new, 1 gone" in page.text
    assert any(row[1:3] == ["manifest", "org.opencontainers.image.revision"] for row in page.rows)


def assert_secret_is_kept(job: Job, registry: DockerRegistry) -> None:
    assert registry.password
    assert registry.password not in job.log + job.summary + str(job.outputs)
    place = job.workspace.parent
    (file,) = place.rglob("*auth*.json")
    assert file == job.temp / "ocibuild-auth.json", "which the runner removes"
    assert file.stat().st_mode & 0o077 == 0
    assert [path.name for path in (place / "home").iterdir()] == [".cache"]


def test_without_push_nothing_is_sent_and_nobody_logs_in(new_job: Runners, release: Repository) -> None:
    job = run(new_job(RELEASE, {"HTTPS_PROXY": "http://127.0.0.1:9"}))
    assert not job.failed, job.log
    assert job.outputs["digest"].startswith("sha256:")
    assert "Log in" not in job.log
    assert "Pushed" not in job.summary


def test_a_wrong_password_ends_the_job_with_a_reason(
    new_job: Runners, release: Repository, registry: DockerRegistry
) -> None:
    job = run(new_job(RELEASE), registry, push="true", password="mistaken")
    assert job.failed
    assert "error:" in job.log
    assert "mistaken" not in job.log
    assert set(job.outputs.values()) == {""}


def test_a_finding_stops_the_build_and_is_an_annotation(new_job: Runners, release: Repository) -> None:
    release.commit({"ocibuild.yaml": SPEC.replace("licenses: MIT", "licenses: Apache 2")}, tag="v2.0.0")
    job = run(new_job("refs/tags/v2.0.0"))
    assert job.failed
    assert "::error file=ocibuild.yaml,line=" in job.log
    assert job.outputs["digest"] == ""
    assert not run(new_job("refs/tags/v2.0.0"), lint="false").failed


HOSTILE = "$(touch owned) `touch owned` ${{ github.token }} '; touch owned; ' \"; touch owned #"


def test_no_input_is_ever_a_script(new_job: Runners, release: Repository, registry: DockerRegistry) -> None:
    job = new_job(RELEASE)
    job.run([{"uses": "actions/checkout@v5"}], job.contexts, {})
    for name in yaml.safe_load((ROOT / "action.yml").read_text())["inputs"]:
        if name in ("lint", "install-only", "working-directory"):  # of the runner, and of its conditions
            continue
        pair = name in ("set", "labels", "annotations")
        login = {"registry": registry.host} if name in ("username", "password") else {}
        given = {**login, name: f"a={HOSTILE}" if pair else HOSTILE}
        job.run([{"uses": USES, "with": given}], job.contexts, {})
        job.failed = False
    assert list(job.workspace.parent.rglob("owned")) == []
    assert "command not found" not in job.log
    assert "syntax error" not in job.log


def test_inputs_of_several_lines(new_job: Runners, repository: Repository) -> None:
    one = SPEC.replace('octocat/hello"', 'octocat/{{ program }}"')
    two = one.replace("octocat/", "hubot/")
    files = {"a/ocibuild.yaml": one, "b/my image.ocibuild.yaml": two, "a/hello": "a", "b/hello": "b"}
    repository.commit({f"images/{name}": text for name, text in files.items()})
    job = run(
        new_job("refs/heads/main"),
        working_directory="images",
        file="a\nb/my image.ocibuild.yaml\n",
        set="program=x\n",
        tags="1\ntype=raw,value=2",
        platforms="linux/amd64,linux/s390x",
        labels="com.example.a=b c\ncom.example.d=e",
        annotations="index:com.example.f=g\n",
    )
    assert not job.failed, job.log
    first, second = json.loads(job.outputs["metadata"])
    assert [platform["platform"] for platform in first["ocibuild.platforms"]] == ["linux/amd64", "linux/s390x"]
    assert job.outputs["digest"].splitlines() == [first["containerimage.digest"], second["containerimage.digest"]]
    names = [f"registry.example/{owner}/x:{tag}" for owner in ("octocat", "hubot") for tag in (1, 2)]
    assert job.outputs["tags"].splitlines() == names


def test_only_what_a_push_changed_is_built(new_job: Runners, repository: Repository) -> None:
    one = SPEC.replace('octocat/hello"', 'octocat/{{ program }}"')
    for name in ("one", "two"):
        repository.commit(
            {f"{name}/ocibuild.yaml": one.replace("program: hello", f"program: {name}"), f"{name}/hello": name}
        )
    repository.commit({"two/hello": "changed"})
    before = repository.git("rev-parse", "HEAD~1")
    steps: list[dict[str, Any]] = [
        {"uses": "actions/checkout@v5", "with": {"fetch-depth": "0"}},
        {"id": "image", "uses": USES, "with": {"file": ".", "changed-since": "${{ github.event.before }}"}},
    ]
    job = new_job("refs/heads/main", {"REGISTRY": "registry.example"}, event={"before": before})
    outputs = job.run(steps, job.contexts, {})["image"]["outputs"]
    assert not job.failed, job.log
    assert outputs["image"] == "registry.example/octocat/two"
    assert "Left out" in job.summary


def test_install_only_puts_ocibuild_on_the_path_and_no_python(new_job: Runners, release: Repository) -> None:
    job = new_job(RELEASE)
    steps: list[dict[str, Any]] = [
        {"id": "image", "uses": USES, "with": {"install-only": True}},
        {"run": 'ocibuild --version\ncommand -v ocibuild\n! command -v python | grep -F "$RUNNER_TEMP"\n'},
    ]
    outputs = job.run(steps, job.contexts, {})["image"]["outputs"]
    assert not job.failed, job.log
    assert "ocibuild, version" in job.log or "ocibuild 0." in job.log
    assert set(outputs.values()) == {""}
