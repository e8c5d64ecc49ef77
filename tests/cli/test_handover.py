"""What build, push and index create leave to later steps of a workflow: outputs, summary, dotenv report, metadata."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.ci.outputs import read_dotenv, read_outputs
from tests.cli.conftest import Cli
from tests.cli.program import write_tree
from tests.fake_registry import FakeRegistry, digest_of
from tests.oracles.markdown import Page, read_markdown

SPEC = """\
apiVersion: ocibuild/v1
vars: {{version: "1.0", text: first}}
image: {host}/team/app
tags: ["{{{{ version }}}}", latest]
platforms: [linux/amd64, linux/arm64]
metadata: {{description: "{description}"}}
layers:
  - {{name: low, files: [{{text: low, to: /etc/low}}]}}
  - {{name: app, files: [{{text: "{{{{ text }}}}", to: /app}}]}}
"""


class Step:
    """The files of a step that runs under GitHub's runner."""

    def __init__(self, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._files = {name: directory / name.lower() for name in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY")}
        monkeypatch.setenv("GITHUB_ACTIONS", "true")
        for name, file in self._files.items():
            monkeypatch.setenv(name, str(file))

    @property
    def outputs(self) -> dict[str, str]:
        return read_outputs(self._files["GITHUB_OUTPUT"])

    @property
    def summary(self) -> str:
        """The summary since it was last read."""
        file = self._files["GITHUB_STEP_SUMMARY"]
        text = file.read_text() if file.exists() else ""
        file.unlink(missing_ok=True)
        return text

    @property
    def page(self) -> Page:
        return read_markdown(self.summary)


@pytest.fixture
def host(project: Path, fake_registry: FakeRegistry) -> str:
    """The registry that the project's image belongs to."""
    write_tree(project, {"ocibuild.yaml": SPEC.format(host=fake_registry.host, description="An app")})
    return fake_registry.host


@pytest.fixture
def step(project: Path, monkeypatch: pytest.MonkeyPatch) -> Step:
    return Step(project, monkeypatch)


def metadata(text: str) -> Any:
    return json.loads(text)


def test_build_and_push_give_the_same_outputs(cli: Cli, host: str, step: Step) -> None:
    digest = cli("build", "-q").digest
    outputs = step.outputs
    assert outputs.keys() == {"digest", "image", "ref", "tags", "metadata"}
    assert outputs["digest"] == digest
    assert outputs["image"] == f"{host}/team/app"
    assert outputs["ref"] == f"{host}/team/app@{digest}"
    assert outputs["tags"] == f"{host}/team/app:1.0\n{host}/team/app:latest"
    assert metadata(outputs["metadata"])["containerimage.digest"] == digest
    assert cli("push", "-q").status == 0
    pushed = step.outputs
    assert {name: pushed[name] for name in ("digest", "image", "ref", "tags")} == {
        name: outputs[name] for name in ("digest", "image", "ref", "tags")
    }


def test_metadata_says_the_same_of_what_was_built_and_pushed(cli: Cli, host: str, project: Path) -> None:
    for platforms in ("linux/amd64,linux/arm64", "linux/amd64"):
        cli("build", "-q", "--platform", platforms, "--metadata-file", "built.json")
        cli("push", "-q", "--platform", platforms, "--metadata-file", "pushed.json")
        built, pushed = (metadata((project / f"{verb}.json").read_text()) for verb in ("built", "pushed"))
        assert {key: built[key] for key in pushed} == pushed
        assert set(built) - set(pushed) == {"ocibuild.writer", "ocibuild.compressors"}
        assert ("containerimage.config.digest" in pushed) == (platforms == "linux/amd64")


def test_several_images_give_a_line_each(cli: Cli, host: str, project: Path, step: Step) -> None:
    other = SPEC.format(host=host, description="Another").replace("team/app", "team/other")
    write_tree(project, {"other.yaml": other})
    lines = cli("build", "-q", "-f", "ocibuild.yaml", "-f", "other.yaml").stdout.splitlines()
    outputs = step.outputs
    assert outputs["ref"].splitlines() == lines
    assert outputs["image"].splitlines() == [f"{host}/team/app", f"{host}/team/other"]
    assert len(outputs["tags"].splitlines()) == 4
    assert [each["containerimage.digest"] for each in metadata(outputs["metadata"])] == outputs["digest"].splitlines()
    rows = step.page.rows
    assert [row[0] for row in rows] == ["image", f"{host}/team/app", f"{host}/team/other"]


def test_an_image_without_a_name_has_a_digest(cli: Cli, project: Path, step: Step) -> None:
    write_tree(project, {"bare.yaml": "apiVersion: ocibuild/v1\nlayers: [{files: [{text: a, to: /a}]}]\n"})
    digest = cli("build", "-q", "-f", "bare.yaml").digest
    outputs = step.outputs
    assert (outputs["digest"], outputs["ref"], outputs["image"], outputs["tags"]) == (digest, digest, "", "")


def test_by_digest_has_a_ref_and_no_tags_for_the_runner_that_merges(
    cli: Cli, host: str, step: Step, fake_registry: FakeRegistry
) -> None:
    refs = []
    for platform in ("linux/amd64", "linux/arm64"):
        if platform == "linux/amd64":
            cli("build", "-q", "--platform", platform, "--push", "--by-digest")
        else:
            cli("build", "-q", "--platform", platform)
            cli("push", "-q", "--by-digest", "--platform", platform)
        assert step.outputs["tags"] == ""
        assert metadata(step.outputs["metadata"])["image.name"] == f"{host}/team/app"
        refs.append(step.outputs["ref"])
    assert "Pushed 1 image" in step.summary
    merged = cli("index", "create", "-q", f"{host}/team/app:1.0", "-t", "latest", "-t", "1.0", *refs)
    text = step.page.text
    assert all(part in text for part in (merged.stdout.strip(), f"{host}/team/app:latest", *refs))
    assert step.outputs["ref"] == merged.stdout.strip()
    assert step.outputs["tags"].splitlines() == [f"{host}/team/app:1.0", f"{host}/team/app:latest"]
    assert fake_registry.tags("team/app") == {"1.0": merged.digest, "latest": merged.digest}
    assert metadata(step.outputs["metadata"])["containerimage.descriptor"]["digest"] == merged.digest


def test_dotenv_is_what_gitlab_reads(cli: Cli, host: str, project: Path) -> None:
    digest = cli("build", "-q", "--dotenv", "built.env").digest
    cli("push", "-q", "--dotenv", "pushed.env")
    expected = {
        "IMAGE_DIGEST": digest,
        "IMAGE_NAME": f"{host}/team/app",
        "IMAGE_REF": f"{host}/team/app@{digest}",
        "IMAGE_TAGS": f"{host}/team/app:1.0 {host}/team/app:latest",
    }
    assert read_dotenv(project / "built.env") == read_dotenv(project / "pushed.env") == expected


def test_a_dotenv_that_gitlab_would_refuse_is_told(cli: Cli, host: str) -> None:
    tags = [word for number in range(99) for word in ("-t", f"a-tag-that-is-rather-long-{number}")]
    assert "image.env is larger than GitLab takes (5120 bytes)" in cli("build", "--dotenv", "image.env", *tags).stderr


def test_the_summary_of_a_first_push(cli: Cli, host: str, step: Step) -> None:
    digest = cli("build", "-q", "--push").digest
    page = step.page
    name = f"{host}/team/app"
    assert "Built 1 image" in page.text
    assert [name, digest, "linux/amd64, linux/arm64"] in [row[:3] for row in page.rows]
    assert "Layers: 2 built." in page.text
    assert "Pushed 1 image" in page.text
    assert [name, "1.0, latest", digest] in [row[:3] for row in page.rows]
    layers = [(row[0], row[1], row[4]) for row in page.rows if len(row) == 5 and row[1] != "layer"]
    assert layers == [
        ("linux/amd64", "low", "sent"),
        ("", "app", "sent"),
        ("linux/arm64", "low", "sent"),
        ("", "app", "sent"),
    ]
    assert "Changes" not in page.text


def test_the_summary_says_what_changes_under_a_tag(
    cli: Cli, host: str, project: Path, step: Step, fake_registry: FakeRegistry
) -> None:
    cli("build", "-q", "--push")
    before = fake_registry.tags("team/app")["latest"]
    write_tree(project, {"ocibuild.yaml": SPEC.format(host=host, description="A | `better` app")})
    cli("build", "-q", "--set", "text=second", "--set", "version=2.0")
    assert "Layers: 1 built, 1 unchanged." in step.summary
    assert cli("push", "-q", "--set", "text=second", "--set", "version=2.0").status == 0
    page = step.page
    assert f"Changes against {before}" in page.text
    assert "linux/arm64: 1 layer kept, 1 new, 1 gone" in page.text
    described = ["org.opencontainers.image.description", "An app", "A | `better` app"]
    assert ["~", "index", *described, ""] in page.rows
    assert ["~", "manifest", *described, "all"] in page.rows, "once for all platforms"
    assert {(row[1], row[4]) for row in page.rows if len(row) == 5} >= {("low", "exists"), ("app", "sent")}


def test_nothing_is_asked_for_a_summary_that_nobody_sees(cli: Cli, host: str, fake_registry: FakeRegistry) -> None:
    cli("build", "-q", "--push")
    cli("build", "-q", "--set", "text=second")
    fake_registry.forget()
    cli("push", "-q", "--set", "text=second")
    assert fake_registry.count("HEAD", "/v2/team/app/manifests/1.0") > 0
    assert fake_registry.count("GET", "/v2/team/app/*") == 0


def test_a_previous_image_that_cannot_be_read_stops_nothing(
    cli: Cli, host: str, step: Step, fake_registry: FakeRegistry
) -> None:
    cli("build", "-q", "--push")
    config = step.outputs["metadata"]
    for platform in metadata(config)["ocibuild.platforms"]:
        fake_registry.contents.existing("team/app").blobs.pop(platform["config"])
    cli("build", "-q", "--set", "text=second")
    done = cli("push", "--set", "text=second")
    assert done.status == 0
    assert "what changes" in done.stderr


HOSTILE = "</code></details><script>alert(1)</script>![x](https://evil.example/) | a | @octocat\n# Title\n`` [y](z)"


def test_hostile_text_is_never_markup(cli: Cli, host: str, project: Path, step: Step) -> None:
    spec = SPEC.format(host=host, description="An app").replace("name: low", "name: '{{ text }}'")
    write_tree(project, {"ocibuild.yaml": spec})
    cli("build", "-q", "--push")
    write_tree(project, {"ocibuild.yaml": spec.replace('"An app"', json.dumps(HOSTILE))})
    assert cli("build", "-q", "--push", "--set", f"text={HOSTILE}").status in (0, 1)
    page = step.page
    tables = {"table", "thead", "tbody", "tr", "th", "td", "code"}
    assert page.elements <= tables | {"h3", "h4", "p", "strong", "details", "summary", "ul", "li"}
    assert {len(row) for row in page.rows} == {4, 5, 6}


def test_a_failure_stands_in_the_summary(cli: Cli, host: str, project: Path, step: Step) -> None:
    long = "x" * 600
    cli("build", "-q", "--annotation", f"index:org.opencontainers.image.description={long}")
    assert cli("push", "-q", "--profile", "ghcr").status == 1
    page = step.page
    assert "Failed" in page.text
    assert any("description" in row[0] for row in page.rows)
    write_tree(project, {"ocibuild.yaml": "apiVersion: ocibuild/v1\nimge: x\n"})
    assert cli("build", "-q").status == 2
    assert "imge" in step.page.text


def test_findings_of_lint_stand_in_the_summary_too(cli: Cli, project: Path, step: Step) -> None:
    write_tree(project, {"Dockerfile": "FROM scratch\n" + "".join(f"LABEL com.docker.{n}=a\n" for n in range(30))})
    cli("lint", "Dockerfile", "--format", "github")
    page = step.page
    assert "in Dockerfile" in page.text
    assert len([row for row in page.rows if row[1] == "reserved-namespace"]) == 30
    cli("lint", "Dockerfile")
    assert step.summary == "", "a run that is for people alone"


def test_what_was_left_out_is_told(cli: Cli, host: str, project: Path, step: Step) -> None:
    from tests.cli.test_changed_since import commit, git

    git("init", "-q", "-b", "main")
    write_tree(project, {".gitignore": "github_*\n"})
    commit()
    assert cli("build", "-q", "--changed-since", "HEAD").status == 0
    assert "Built 0 images" in (text := step.page.text)
    assert f"{host}/team/app:1.0" in text
    assert (step.outputs["digest"], step.outputs["metadata"]) == ("", "[]")


def test_digests_are_those_of_the_registry(cli: Cli, host: str, step: Step, fake_registry: FakeRegistry) -> None:
    cli("build", "-q", "--push")
    stored = fake_registry.manifest("team/app", "latest")
    assert stored is not None
    assert step.outputs["digest"] == digest_of(stored.data)


@pytest.mark.parametrize("option", ["--metadata-file", "--dotenv", "GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY"])
def test_what_cannot_be_handed_over_is_told_before_anything_is_built(
    cli: Cli, host: str, project: Path, step: Step, monkeypatch: pytest.MonkeyPatch, option: str
) -> None:
    lost = str(project / "missing/result")
    given = (option, lost) if option.startswith("--") else ()
    if not given:
        monkeypatch.setenv(option, lost)
    for command in (("build",), ("push",), ("index", "create", "oci:new", "oci:old")):
        done = cli(*command, *given)
        assert (done.status, done.stdout) == (3, "")
        assert f"at: {project}/missing\n" in done.stderr
        assert "hint: check the path" in done.stderr
    assert not (project / ".ocibuild").exists()


def test_results_may_go_where_the_build_puts_its_image(cli: Cli, host: str, project: Path) -> None:
    assert cli("build", "-q", "-o", "oci:out/layout", "--metadata-file", "out/built.json").status == 0
    assert cli("index", "create", "-q", "oci:new", "oci:out/layout", "--dotenv", "new/image.env").status == 0
    assert (project / "out/built.json").exists()
    assert (project / "new/image.env").exists()


def test_a_summary_that_cannot_be_written_hides_no_error(
    cli: Cli, project: Path, step: Step, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(project))
    write_tree(project, {"ocibuild.yaml": "apiVersion: ocibuild/v1\nimge: x\n"})
    done = cli("build", "-q")
    assert done.status == 2
    assert "imge" in done.stderr
