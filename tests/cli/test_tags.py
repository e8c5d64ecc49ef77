"""`ocibuild tags`, and rules in a job: what is built and pushed is what the rules say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ocibuild.spec.scope import CI_FACTS
from tests.ci.conftest import Checkout, checkout, empty_checkout
from tests.cli.conftest import Cli
from tests.cli.program import write_tree
from tests.fake_registry import FakeRegistry

__all__ = ["checkout", "empty_checkout"]  # fixtures

SPEC = """\
apiVersion: ocibuild/v1
image: registry.example/team/app
tags:
  - type=semver,pattern={{version}}
  - type=semver,pattern={{major}}.{{minor}}
  - type=ref,event=branch
  - type=ref,event=pr
  - {type: sha, enable: "{{is_default_branch}}"}
layers: [{files: [{text: hello, to: /hello}]}]
"""


@pytest.fixture
def released(checkout: Checkout, monkeypatch: pytest.MonkeyPatch) -> Checkout:
    """A checkout with a spec, of a commit that is tagged v1.2.3, and the working directory of the test."""
    write_tree(checkout.directory, {"ocibuild.yaml": SPEC, ".gitignore": ".ocibuild/\n"})
    checkout.commit("spec")
    checkout("tag", "v1.2.3")
    monkeypatch.chdir(checkout.directory)
    return checkout


def run_of(monkeypatch: pytest.MonkeyPatch, directory: Path, event: str, ref: str, **payload: Any) -> None:
    """From here on, this is a run of GitHub Actions."""
    path = directory.parent / "event.json"
    path.write_text(json.dumps({"repository": {"default_branch": "main"}, **payload}))
    said = {"ACTIONS": "true", "EVENT_NAME": event, "REF": ref, "SHA": "c" * 40, "EVENT_PATH": str(path)}
    for name, value in {**said, "REPOSITORY": "team/app"}.items():
        monkeypatch.setenv(f"GITHUB_{name}", value)


@pytest.mark.parametrize(
    ("event", "ref", "tags"),
    [
        ("push", "refs/tags/v2.0.0", "2.0.0 2.0 latest"),
        ("push", "refs/tags/v2.0.0-rc.1", "2.0.0-rc.1"),
        ("release", "refs/tags/v2.0.0", "2.0.0 2.0 latest"),
        ("push", "refs/heads/main", "main sha-ccccccc"),
        ("push", "refs/heads/feature/x", "feature-x"),
        ("pull_request", "refs/pull/7/merge", "pr-7"),
        ("schedule", "refs/heads/main", "main sha-ccccccc"),
        ("workflow_dispatch", "refs/heads/feature/x", "feature-x"),
    ],
)
def test_a_workflow_of_github(
    cli: Cli, released: Checkout, monkeypatch: pytest.MonkeyPatch, event: str, ref: str, tags: str
) -> None:
    run_of(monkeypatch, released.directory, event, ref)
    done = cli("tags")
    assert (done.status, done.stdout.split(), done.stderr) == (0, tags.split(), "")


@pytest.mark.parametrize(
    ("variables", "tags"),
    [
        ({"CI_COMMIT_TAG": "v2.0.0"}, "2.0.0 2.0 latest"),
        ({"CI_COMMIT_BRANCH": "main", "CI_DEFAULT_BRANCH": "main"}, "main sha-cccccccc"),
        ({"CI_MERGE_REQUEST_IID": "7"}, "mr-7"),
    ],
)
def test_a_pipeline_of_gitlab(
    cli: Cli, released: Checkout, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], tags: str
) -> None:
    for name, value in {"GITLAB_CI": "true", "CI_COMMIT_SHA": "c" * 40, **variables}.items():
        monkeypatch.setenv(name, value)
    assert cli("tags").stdout.split() == tags.split()


def test_a_checkout(cli: Cli, released: Checkout) -> None:
    assert cli("tags").stdout == "1.2.3\n1.2\nlatest\n"
    released("checkout", "-q", "-b", "feature/x")
    released.commit("more")
    assert cli("tags").stdout == "feature-x\n"


def test_verbose_says_what_became_of_each_rule(cli: Cli, released: Checkout) -> None:
    done = cli("tags", "-v")
    assert done.stdout == "1.2.3\n1.2\nlatest\n"
    assert done.stderr.splitlines() == [
        "type=semver,pattern={{version}}: 1.2.3",
        "type=semver,pattern={{major}}.{{minor}}: 1.2",
        "type=ref,event=branch: no tag, what is built is no branch",
        "type=ref,event=pr: no tag, what is built is no pull or merge request",
        "type=sha,enable={{is_default_branch}}: no tag, `enable` is false",
        "flavor: latest",
    ]


def test_json_has_tags_rules_and_what_they_were_made_of(cli: Cli, released: Checkout) -> None:
    document = cli("tags", "--json").json
    (image,) = document["images"]
    assert document["schemaVersion"] == 1
    assert (image["name"], image["version"]) == ("registry.example/team/app", "1.2.3")
    assert image["tags"] == ["1.2.3", "1.2", "latest"]
    assert image["references"] == [f"registry.example/team/app:{tag}" for tag in image["tags"]]
    assert image["rules"][0] == {"rule": "type=semver,pattern={{version}}", "tag": "1.2.3", "reason": None}
    assert image["rules"][2]["tag"] is None
    assert image["rules"][2]["reason"] == "what is built is no branch"
    assert set(image["context"]) == set(CI_FACTS)
    assert image["context"]["tag"] == "v1.2.3"


def test_a_spec_without_rules_needs_no_git(cli: Cli, project: Path) -> None:
    assert cli("tags", "--set", "version=2").stdout == "2\nlatest\n"
    (image,) = cli("tags", "--json").json["images"]
    assert (image["context"], image["version"]) == (None, "1.0")
    assert cli("tags", "-t", "3", "-v").stderr == "3: 3\n"


def test_rules_outside_of_ci_and_git_say_what_they_lack(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_tree(tmp_path, {"ocibuild.yaml": SPEC})
    monkeypatch.chdir(tmp_path)
    done = cli("tags")
    assert (done.status, done.stdout) == (2, "")
    assert "there is no git commit here [spec-tag-rule]" in done.stderr
    asked = cli("tags", "-t", "type=sha")
    assert asked.stderr.startswith("--tag: error: there is no git commit here")
    assert "tag rules need the git program, and a checkout" in done.stderr


def test_no_rule_for_this_build_is_no_error_until_there_is_a_push(
    cli: Cli, released: Checkout, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_of(monkeypatch, released.directory, "merge_group", "refs/merge/x")
    assert (cli("tags").status, cli("tags").stdout) == (0, "")
    assert cli("build", "-q").status == 0
    done = cli("push", "-q")
    assert done.status == 2
    assert "there is no tag to push: no rule of `tags` gives one here" in done.stderr
    assert "`ocibuild tags -v` says why" in done.stderr


def test_a_git_tag_that_is_no_version_is_told_once_a_rule(
    cli: Cli, released: Checkout, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_of(monkeypatch, released.directory, "push", "refs/tags/nightly")
    done = cli("build", "-q")
    assert done.status == 0
    assert done.stderr.count("'nightly' is not a version of semver.org: the rule gives no tag [spec-tag-rule]") == 2
    assert "ocibuild.yaml:4:5: warning" in done.stderr


def test_several_images_are_told_apart(cli: Cli, released: Checkout) -> None:
    two = SPEC.replace("team/app", "team/{{ name }}").replace("\n", "\nmatrix: {name: [one, two]}\n", 1)
    (released.directory / "ocibuild.yaml").write_text(two)
    bare = SPEC.replace("image: registry.example/team/app\n", "")
    write_tree(released.directory, {"bare.yaml": bare, "none.yaml": SPEC.replace("semver", "pep440,enable=false")})
    done = cli("tags", "-v", "-f", "ocibuild.yaml", "-f", "bare.yaml", "-f", "none.yaml")
    tags = ["1.2.3", "1.2", "latest"]
    named = [f"registry.example/team/{name}:{tag}" for name in ("one", "two") for tag in tags]
    assert done.stdout.splitlines() == named + tags
    assert "registry.example/team/two:1.2.3: flavor: latest" in done.stderr
    assert [image["name"] for image in cli("tags", "--json").json["images"]] == [
        "registry.example/team/one",
        "registry.example/team/two",
    ]


def test_what_is_built_and_pushed_has_the_tags_of_the_rules(
    cli: Cli, released: Checkout, fake_registry: FakeRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = released.directory / "ocibuild.yaml"
    spec.write_text(spec.read_text().replace("registry.example", fake_registry.host))
    run_of(monkeypatch, released.directory, "push", "refs/tags/v2.0.0")
    built = cli("build", "-q").digest
    index = json.loads((released.directory / ".ocibuild/layout/index.json").read_text())
    named = [entry["annotations"] for entry in index["manifests"]]
    assert sorted(names["org.opencontainers.image.ref.name"] for names in named) == ["2.0", "2.0.0", "latest"]
    assert sorted(names["io.containerd.image.name"] for names in named) == [
        f"{fake_registry.host}/team/app:{tag}" for tag in ("2.0", "2.0.0", "latest")
    ]
    assert cli("push", "-q").digest == built
    assert set(fake_registry.tags("team/app")) == {"2.0", "2.0.0", "latest"}


def test_a_release_takes_over_the_layers_of_the_one_before(
    cli: Cli, released: Checkout, fake_registry: FakeRegistry, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    spec = released.directory / "ocibuild.yaml"
    spec.write_text(spec.read_text().replace("registry.example", fake_registry.host))
    outcomes = []
    for number in ("1", "2"):  # on two runners, which share nothing
        run_of(monkeypatch, released.directory, "push", f"refs/tags/v{number}.0.0")
        place = tmp_path / number
        done = cli("build", "--push", "-o", f"oci:{place / 'layout'}", "--cache-dir", place / "cache")
        outcomes += [line.split()[-2] for line in done.stderr.splitlines() if line.startswith("layer ")]
    assert outcomes == ["built", "published"]


def test_tag_options_decide_before_rules(cli: Cli, released: Checkout, monkeypatch: pytest.MonkeyPatch) -> None:
    assert cli("tags", "-t", "mine").stdout == "mine\n"
    monkeypatch.setenv("OCIBUILD_TAG", "type=ref,event=tag\n\n  mine  \n")
    assert cli("tags").stdout == "v1.2.3\nmine\nlatest\n"
    assert cli("tags", "-t", "type=sha,prefix=,format=long").stdout.strip() == released("rev-parse", "HEAD")


@pytest.mark.parametrize(
    ("source", "remotes", "warns"),
    [
        ("https://github.com/team/app", {"origin": "git@github.com:team/app.git"}, False),
        ("https://github.com/Team/App.git", {"origin": "https://github.com/team/app"}, False),
        ("https://github.com/team/app/tree/main/images", {"origin": "https://github.com/team/app"}, False),
        ("https://github.com/team/other", {"origin": "https://github.com/team/app"}, True),
        ("https://github.com/team/application", {"origin": "https://github.com/team/app"}, True),
        ("https://github.com/team/app", {"origin": "https://u:pw@git.example/fork/app", "upstream": "https://github.com/team/app"}, False),
        ("https://github.com/team/app", {"origin": "/srv/git/app.git"}, False),
        ("https://github.com/team/app", {}, False),
        ("https://app.example/", {"origin": "https://github.com/team/app"}, False),
    ],
)  # fmt: skip
def test_a_source_that_is_no_remote_is_a_warning(
    cli: Cli, released: Checkout, source: str, remotes: dict[str, str], warns: bool
) -> None:
    (released.directory / "ocibuild.yaml").write_text(SPEC.replace("tags:", f"metadata: {{source: {source!r}}}\ntags:"))
    for name, url in remotes.items():
        released("remote", "add", name, url)
    done = cli("build", "-q")
    assert done.status == 0
    assert ("spec-source-not-remote" in done.stderr) is warns
    assert ("ocibuild.yaml:3:20: warning" in done.stderr) is warns
    assert "pw" not in done.stderr
