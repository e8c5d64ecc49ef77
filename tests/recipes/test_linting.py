"""lint as a whole: what is read, what is left open, what lets findings pass, and what it may not do."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import date
from pathlib import Path

import pytest

from ocibuild.checks.catalogue import Selection
from ocibuild.checks.profiles import profile_named
from ocibuild.errors import UsageError
from ocibuild.policy import Demand, LabelPolicy
from ocibuild.recipes.lint_files import Kind, files_to_lint
from ocibuild.recipes.linting import LintReport, LintTerms, lint
from ocibuild.spec.load import Facts, Overrides

TODAY = date(2026, 1, 1)
TERMS = LintTerms(TODAY)
HEAD = "apiVersion: ocibuild/v1\n"
SOURCE = "metadata: {source: https://github.com/octocat/hello}\n"
LAYER = "layers: [{files: [{text: hello, to: /etc/motd}]}]\n"
SPEC = HEAD + SOURCE + LAYER


def no_git(directory: Path) -> Mapping[str, str]:
    raise AssertionError("git is not needed")


def write(directory: Path, files: Mapping[str, str]) -> None:
    for name, text in files.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def report(directory: Path, files: Mapping[str, str], terms: LintTerms = TERMS, git=no_git) -> LintReport:  # type: ignore[no-untyped-def]
    write(directory, files)
    return lint([directory], terms, Facts({}, git))


def found(directory: Path, text: str, terms: LintTerms = TERMS, git=no_git) -> list[tuple[str, int | None]]:  # type: ignore[no-untyped-def]
    findings = report(directory, {"ocibuild.yaml": text}, terms, git).findings
    return [(finding.rule, finding.place.line if finding.place else None) for finding in findings]


# what is read


def test_a_directory_is_searched_for_all_that_can_be_linted(tmp_path: Path) -> None:
    files = ("ocibuild.yaml", "a/app.ocibuild.yml", "a/Dockerfile", "b/app.dockerfile", "b/Containerfile.prod",
             "b/Dockerfile-alpine", "b/dockerfile")  # fmt: skip
    others = ("a/compose.yaml", ".hidden/ocibuild.yaml", "a/Dockerfiles.md", ".github/dependabot.yml", "NotDockerfile",
              "c/Dockerfile.j2", "c/Dockerfile.dockerignore", "c/Dockerfile.in", "c/Dockerfile.md", "c/dockerfile.py",
              "c/node_modules/x/Dockerfile", "c/lib/site-packages/x/Dockerfile")  # fmt: skip
    write(tmp_path, dict.fromkeys((*files, ".github/workflows/ci.yml", *others), ""))
    kinds = {path.relative_to(tmp_path).as_posix(): kind for path, kind in files_to_lint([tmp_path]).items()}
    assert kinds == {
        ".github/workflows/ci.yml": Kind.WORKFLOW,
        "a/Dockerfile": Kind.DOCKERFILE,
        "a/app.ocibuild.yml": Kind.SPEC,
        "b/Containerfile.prod": Kind.DOCKERFILE,
        "b/Dockerfile-alpine": Kind.DOCKERFILE,
        "b/dockerfile": Kind.DOCKERFILE,
        "b/app.dockerfile": Kind.DOCKERFILE,
        "ocibuild.yaml": Kind.SPEC,
    }


def test_a_file_that_is_named_is_read_as_what_its_name_tells(tmp_path: Path) -> None:
    names = {"image.yaml": Kind.SPEC, "prod.Dockerfile": Kind.DOCKERFILE, "build/image": Kind.DOCKERFILE,
             "Dockerfile.j2": Kind.DOCKERFILE}  # fmt: skip
    write(tmp_path, dict.fromkeys(names, "FROM scratch\n"))
    assert files_to_lint([tmp_path / name for name in names]) == {tmp_path / name: kind for name, kind in names.items()}


@pytest.mark.parametrize(
    ("first", "second", "lines"),
    [
        ("tags: [x, y]\n", "tags: [z, y]\n", [5]),
        ("tags: [x]\n", "tags: [y]\n", []),
        ("", "", []),  # tags are given to each build
        ("tags: [type=sha]\n", "tags: [type=sha]\n", []),  # what rules give is not known
        ("vars: {v: {env: V}}\ntags: ['{{ v }}']\n", "vars: {v: {env: V}}\ntags: ['{{ v }}']\n", []),
        ("vars: {v: {env: V}}\ntags: ['{{ v }}', y]\n", "tags: [y]\nuser: 1\n", [5, 6]),
        ("tags: [y]\n", "tags: ['{{ p }}', y]\nmatrix: {p: [a, b]}\n", [5]),
        ("", "tags: [y]\nmatrix: {p: [a, b]}\n", [5]),
    ],
)
def test_images_that_would_share_a_name_and_a_tag_are_found(
    tmp_path: Path, first: str, second: str, lines: list[int]
) -> None:
    image = SPEC + "image: ghcr.io/octocat/hello\n"
    given = report(tmp_path, {"a/ocibuild.yaml": image + first, "b/ocibuild.yaml": image + second})
    places = [finding.place for finding in given.findings if finding.place]
    assert [(place.file, place.line) for place in places] == [(str(tmp_path / "b/ocibuild.yaml"), one) for one in lines]
    shared = [finding.message for finding in given.findings if finding.rule == "spec-duplicate-image"]
    assert all("hello:y" in message for message in shared)
    assert bool(shared) == bool(lines)


def test_an_empty_directory_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="nothing to lint"):
        lint([tmp_path], TERMS, Facts({}, no_git))


def test_all_findings_come_at_once_in_order(tmp_path: Path) -> None:
    text = HEAD + "metadata: {source: x, licenses: mit}\nlabels: {a b: c}\n" + LAYER
    both = report(tmp_path, {"b/ocibuild.yaml": text, "a/Dockerfile": "FROM scratch\nLABEL a='\n"}).findings
    places = [(str(one.place).removeprefix(f"{tmp_path}/"), one.rule) for one in both]
    assert places == [
        ("a/Dockerfile:1:6", "source-missing"),
        ("a/Dockerfile:2:7", "label-syntax"),
        ("b/ocibuild.yaml:2:20", "source-not-url"),
        ("b/ocibuild.yaml:2:33", "license-case"),
        ("b/ocibuild.yaml:3:10", "label-key-form"),
    ]


def test_what_is_wrong_with_a_spec_is_told_with_the_rest(tmp_path: Path) -> None:
    text = HEAD + "metadata: {source: x}\nlables: {}\nconfig: {entrypoint: [/none]}\n" + LAYER
    assert found(tmp_path, text) == [("source-not-url", 2), ("spec-unknown-key", 3)]


def test_one_fault_is_told_once(tmp_path: Path) -> None:
    text = (
        HEAD + "platforms: [linux/amd64, linux/arm64]\nmetadata: {source: https://a.invalid/b, created: now}\n" + LAYER
    )
    assert found(tmp_path, text) == [("spec-bad-value", 3)]


def test_what_specs_share_is_told_once(tmp_path: Path) -> None:
    shared = HEAD + "metadata:\n  source: x # ocibuild: ignore[source-not-url] test\n  licenses: mit\n" + LAYER
    spec = HEAD + "extends: ../shared.yaml\n"
    files = {"shared.yaml": shared, "a/ocibuild.yaml": spec, "b/ocibuild.yaml": spec + "labels: {a b: c}\n"}
    done = report(tmp_path, files)
    assert [finding.rule for finding in done.findings] == ["license-case", "label-key-form"]
    assert [finding.rule for finding, _ in done.waived] == ["source-not-url"]
    assert len(done.files) == 2
    hints = [str(finding.hint) for finding in done.findings]
    assert hints[0] == f"write MIT; met in {tmp_path}/a/ocibuild.yaml, {tmp_path}/b/ocibuild.yaml"
    assert "met in" not in hints[1], "it stands in the spec itself"
    assert lint([tmp_path / "a"], TERMS, Facts({}, no_git)).findings[0].hint == "write MIT"


def test_of_a_shared_file_it_is_said_which_specs_lack_a_label(tmp_path: Path) -> None:
    asking = "policy: {labels: {com.example.team: {required: true}}}\n"
    files = {"shared.yaml": HEAD + SOURCE + asking + LAYER}
    for name in "abcdefgh":
        label = "labels: {com.example.team: web}\n" if name in "ac" else ""
        files[f"{name}.ocibuild.yaml"] = f"{HEAD}extends: shared.yaml\n{label}"
    (finding,) = report(tmp_path, files).findings
    names = ", ".join(f"{tmp_path}/{name}.ocibuild.yaml" for name in "bde")
    assert (finding.rule, finding.hint) == ("policy-missing-label", f"add it; met in {names} and 3 more")


def test_files_that_are_no_text_are_findings(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_bytes(b"FROM \xff")
    (tmp_path / "ocibuild.yaml").write_bytes(b"\xff\xfe")
    rules = [finding.rule for finding in lint([tmp_path], TERMS, Facts({}, no_git)).findings]
    assert rules == ["spec-not-utf8", "spec-not-utf8"]


# values that only a build gives


@pytest.mark.parametrize(
    "text",
    [
        "vars: {v: {env: V, required: true}}\nlabels: {com.example.v: '{{ v }}'}\n" + SOURCE,
        "vars: {v: {env: V}}\nmetadata: {source: '{{ v }}'}\n",
        "vars: {v: {description: given in CI}}\nimage: 'ghcr.io/{{ v }}/x'\n" + SOURCE,
        "metadata: {source: 'https://{{ git.repository }}'}\n",
        "vars: {v: '{{ git.tag }}'}\ntags: ['{{ v }}']\n" + SOURCE,
        "vars: {v: {env: V}}\nbase: '{{ v }}'\nconfig: {entrypoint: [/app]}\n" + SOURCE,
        "vars: {v: {env: V}}\nconfig: {entrypoint: ['{{ v }}']}\n" + SOURCE,
        "metadata: {source: 'https://{{ git.repository }}', version: 1.2.3}\ntags: ['{{ git.tag }}']\n",
        "metadata: {source: https://a.invalid/b, version: 1.2.3}\ntags: [2.0.0, 'type=semver,pattern={{version}}']\n",
        "metadata: {source: https://a.invalid/b, version: 1.2.3}\ntags: [2.0.0, {type: sha, format: long}]\n",
    ],
)
def test_values_that_are_not_known_are_left_open(tmp_path: Path, text: str) -> None:
    assert found(tmp_path, HEAD + text + LAYER) == []


def test_an_item_that_is_not_known_leaves_the_files_open(tmp_path: Path) -> None:
    write(tmp_path, {"app.j2": "{{ v }}"})
    for item in ("{template: app.j2, to: /app}", "{text: x, to: '/{{ v }}'}", "{copy: missing, to: /}"):
        layers = f"vars: {{v: {{env: V}}}}\nconfig: {{entrypoint: [/app]}}\nlayers: [{{files: [{item}]}}]\n"
        assert found(tmp_path, HEAD + SOURCE + layers) == [], item


def test_a_base_may_hold_what_the_layers_do_not(tmp_path: Path) -> None:
    text = SPEC + "base: ghcr.io/octocat/base:1\nconfig: {entrypoint: [/app]}\n"
    assert found(tmp_path, text) == []


def test_what_is_known_is_used(tmp_path: Path) -> None:
    text = HEAD + "vars: {v: x}\nmetadata: {source: '{{ v }}'}\n" + LAYER
    assert found(tmp_path, text) == [("source-not-url", 3)]
    given = LintTerms(TODAY, overrides=Overrides(sets={"v": "https://a.invalid/b"}))
    assert found(tmp_path, text, given) == []


def test_git_is_asked_once_a_checkout(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    asked: list[Path] = []

    def git(directory: Path) -> Mapping[str, str]:
        asked.append(directory)
        return {"repository": "octocat/hello"}

    text = HEAD + "metadata: {source: '{{ git.repository }}'}\n" + LAYER
    findings = report(tmp_path, {"a/ocibuild.yaml": text, "b/ocibuild.yaml": text}, git=git).findings
    assert [finding.rule for finding in findings] == ["source-not-url"] * 2
    assert asked == [tmp_path]


NO_REMOTE = {"url": "", "commit": "a" * 40, "commit_date": "2026-01-01T00:00:00Z", "tag": "", "dirty": "false"}
ASKING = LabelPolicy("p", {f"org.opencontainers.image.{key}": Demand(required=True) for key in ("source", "version")})


@pytest.mark.parametrize("git", [{}, {**NO_REMOTE, "repository": ""}], ids=["no checkout", "neither remote nor tag"])
@pytest.mark.parametrize(
    ("metadata", "expected"),
    [
        ("{defaults: git}", []),
        ("{defaults: [source, version]}", []),
        ("{defaults: [source, revision]}", ["policy-missing-label"]),
        ("{defaults: [version], source: ''}", ["policy-missing-label", "source-missing"]),
        ("{defaults: git, source: here}", ["source-not-url"]),
    ],
)
def test_what_git_gives_is_not_missed(
    tmp_path: Path, metadata: str, expected: list[str], git: Mapping[str, str]
) -> None:
    if git:
        (tmp_path / ".git").mkdir()
    text = HEAD + f"metadata: {metadata}\n" + LAYER
    rules = [rule for rule, _ in found(tmp_path, text, LintTerms(TODAY, policy=ASKING), lambda _: git)]
    assert sorted(rules) == expected


def test_what_git_gives_stands_where_it_is_asked_for(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    git = {**NO_REMOTE, "repository": "", "url": "file:///srv/hello"}
    assert found(tmp_path, HEAD + "metadata:\n  title: x\n  defaults: git\n" + LAYER, git=lambda _: git) == [
        ("source-not-url", 4)
    ]


# rules over files


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ("entrypoint: [/bin/app]", []),
        ("entrypoint: [app]", []),
        ("entrypoint: [bin/app]", []),
        ("{workdir: /bin, entrypoint: [./app]}", []),
        ("cmd: [/bin/app]", []),
        ("entrypoint: [/usr/bin/app]", []),  # below a link
        ("entrypoint: [/bin/other]", ["entrypoint-missing"]),
        ("cmd: [other]", []),  # the link may lead to it
        ("cmd: [/bin/other]", ["entrypoint-missing"]),
        ("{env: {PATH: /opt}, entrypoint: [app]}", ["entrypoint-missing"]),
        ("entrypoint: [/bin/plain]", ["entrypoint-not-executable"]),
        ("{env: {PATH: '/etc:/bin'}, entrypoint: [app]}", []),  # /etc/app cannot be executed: the next one counts
        ("entrypoint: []", []),
    ],
)
def test_the_program_is_looked_for_where_a_runtime_would(tmp_path: Path, config: str, expected: list[str]) -> None:
    layers = """\
layers:
  - files:
      - {text: x, to: /bin/app, mode: "0755"}
      - {text: x, to: /bin/plain}
      - {text: x, to: /etc/app}
      - {symlink: ../bin, to: /usr/bin}
"""
    inner = config if config.startswith("{") else f"{{{config}}}"
    assert [rule for rule, _ in found(tmp_path, HEAD + SOURCE + f"config: {inner}\n" + layers)] == expected


@pytest.mark.parametrize(
    ("env", "is_secret"),
    [
        ("API_TOKEN: abc", True),
        ("db_password: abc", True),
        ("X: ghp_" + "a" * 36, True),
        ("DATABASE: postgres://user:pass@db/x", True),
        ("CACHE: redis://:pass@cache/0", True),
        ("API_TOKEN: ''", False),
        ("PASSWORD_FILE: /run/secrets/x", False),
        ("TOKEN_URL: https://auth.invalid/token", False),
        ("SECRET: /run/secrets/x", False),
        ("PUBLIC_API_KEY: abc", False),
        ("TOKEN_LIMIT: abc", False),
        ("PASSWORD_RESET_TIMEOUT_DAYS: abc", False),
        ("SECRET_BACKEND: abc", False),
        ("TOKENIZERS_PARALLELISM: 'false'", False),
        ("MONKEY: abc", False),
    ],
)
def test_secrets_in_the_environment(tmp_path: Path, env: str, is_secret: bool) -> None:
    (tmp_path / "ocibuild.yaml").write_text(SPEC + f"config: {{env: {{{env}}}}}\n")
    findings = lint([tmp_path], TERMS, Facts({}, no_git)).findings
    assert [finding.rule for finding in findings] == ["secret-in-env"] * is_secret
    assert "abc" not in repr(findings)


def test_keys_are_found_in_copied_trees_and_none_outside(tmp_path: Path) -> None:
    key = "-----BEGIN RSA " + "PRIVATE KEY-----\nx\n"
    write(tmp_path, {"secret.pem": key, "app/site/a.pem": "text before\n" + key, "app/site/.ssh/id_rsa": key})
    write(tmp_path, {"app/site/big.pem": key + "x" * 200_000, "app/site/cert.pem": "-----BEGIN CERTIFICATE-----"})
    os.symlink(tmp_path / "secret.pem", tmp_path / "app/site/link.pem")
    os.mkfifo(tmp_path / "app/pipe")
    write(tmp_path, {"app/site/trust.jks": "x", "app/site/key.jks": "x", "app/site/a.py": f"HEADER = '{key.strip()}'"})
    write(tmp_path, {"app/site/a/.npmrc": "//npm.invalid/:_authToken=${TOKEN}", "app/site/b/.npmrc": "_auth=abc"})
    text = HEAD + SOURCE + "layers:\n  - files:\n      - {copy: site/, to: /srv}\n"
    findings = report(tmp_path / "app", {"ocibuild.yaml": text}).findings
    assert [(one.rule, one.message) for one in findings] == [
        ("credential-file", "/srv/.ssh/id_rsa is where a program keeps credentials"),
        ("credential-file", "/srv/b/.npmrc is where a program keeps credentials"),
        ("credential-file", "/srv/key.jks is where a program keeps credentials"),
        ("private-key", "/srv/a.pem holds a private key"),
    ]


def test_layers_that_waste_bytes(tmp_path: Path) -> None:
    layers = """\
layers:
  - {name: one, files: [{text: x, to: /srv/a}, {text: x, to: /srv/b}, {text: "", to: /srv/c}]}
  - {name: two, files: [{text: y, to: /srv/a}, {text: y, to: /srv/c}]}
  - {name: three, files: [{replace: /srv}, {text: z, to: /srv/d}]}
  - {name: four, files: [{remove: /etc}]}
"""
    findings = report(tmp_path, {"ocibuild.yaml": HEAD + SOURCE + layers}).findings
    assert [(one.rule, one.message) for one in findings] == [
        ("layer-shadows", "/srv/a replaces what layer one brings; both are sent"),
        (
            "layer-deletes",
            "/srv/a (and 3 more) is removed here, and still sent with the layer that brings it",
        ),
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("labels: {org.opencontainers.image.description: x}", []),
        (
            "platforms: [linux/amd64, linux/arm64]\nlabels: {org.opencontainers.image.description: x}",
            ["text-not-read"],
        ),
        ("platforms: [linux/amd64, linux/arm64]\nannotations: {index: {org.opencontainers.image.description: x}}", []),
        ("annotations: {manifest-descriptor: {org.opencontainers.image.description: x}}", []),
        ("format: docker\nplatforms: [linux/amd64, linux/arm64]", ["text-not-read"]),  # the source
        ("format: docker", []),
        ("image: quay.io/octocat/x\nannotations: {manifest: {org.opencontainers.image.description: x}}", []),
        ("image: ghcr.io/owner/x", ["image-placeholder"]),
        ("image: registry.example.com/team/x", ["image-placeholder"]),
        ("image: ghcr.io/octocat/owner", []),
        ("image: harbor.octo.invalid/user/x", []),
        ("image: harbor.octo.invalid/your-org/x", ["image-placeholder"]),
        ("tags: [v1.2.3]\nlabels: {org.opencontainers.image.version: 1.2.3}", []),
        ("tags: [1.2.3-alpine, latest]\nlabels: {org.opencontainers.image.version: v1.2.3}", []),
        ("tags: [latest]\nlabels: {org.opencontainers.image.version: 1.2.3}", []),
        ("tags: [1.2.30]\nlabels: {org.opencontainers.image.version: 1.2.3}", ["version-not-tag"]),
        ("config: {user: '1000:1000', ports: [8080, 443]}", ["privileged-port"]),
        ("config: {user: root, ports: [443]}", ["user-not-numeric"]),
        ("config: {volumes: [/etc/motd]}", []),
    ],
)
def test_a_spec_is_of_one_mind_with_itself(tmp_path: Path, text: str, expected: list[str]) -> None:
    assert [rule for rule, _ in found(tmp_path, SPEC + text + "\n")] == expected


# workflows


def test_labels_of_a_workflow_are_checked_and_none_is_missed(tmp_path: Path) -> None:
    step = "uses: docker/build-push-action@v6\n        with:\n          labels: |\n"
    lines = "            org.opencontainers.image.licence=MIT\n            nonsense\n            com.example.ok=1\n"
    text = f"jobs:\n  a:\n    steps:\n      - {step}{lines}"
    findings = report(tmp_path, {".github/workflows/ci.yml": text}).findings
    assert [(one.rule, one.place.line if one.place else None) for one in findings] == [
        ("unknown-oci-key", 7),
        ("label-syntax", 8),
    ]


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ("octocat/hello:1.0", []),
        ("ghcr.io/octocat/hello@sha256:" + "0" * 64, []),
        ("ghcr.io/${{ github.repository }}:latest", []),
        ("ghcr.io/Octocat/hello:latest", ["image-name"]),
        ("ghcr.io/octocat/hello:v1+build", ["image-name"]),
        ("https://ghcr.io/octocat/hello", ["image-name"]),
        ("ghcr.io/OWNER/hello", ["image-placeholder"]),
        ("registry.example.com/team/hello", ["image-placeholder"]),
    ],
)
def test_names_that_a_workflow_gives_an_image(tmp_path: Path, names: str, expected: list[str]) -> None:
    step = f"uses: docker/build-push-action@v6\n        with:\n          tags: {names}\n"
    text = f"jobs:\n  a:\n    steps:\n      - {step}"
    findings = report(tmp_path, {".github/workflows/ci.yml": text}).findings
    assert [(one.rule, one.place.line if one.place else None) for one in findings] == [(rule, 6) for rule in expected]


# terms


def test_rules_are_selected_and_ignored(tmp_path: Path) -> None:
    text = HEAD + "metadata: {source: x, licenses: mit}\nwaivers: [{rule: license-deprecated, reason: test}]\n" + LAYER
    everything = [("source-not-url", 2), ("license-case", 2), ("waiver-unused", 3)]
    assert found(tmp_path, text) == everything
    assert found(tmp_path, text, LintTerms(TODAY, selection=Selection(frozenset({"license-case"})))) == everything[1:2]
    assert found(tmp_path, text, LintTerms(TODAY, selection=Selection(ignore=frozenset({"license-case"})))) == [
        everything[0],
        everything[2],
    ]
    with pytest.raises(UsageError, match="there is no rule 'x'"):
        Selection(ignore=frozenset({"x"}))


def test_the_host_decides_on_the_limits_unless_a_profile_is_named(tmp_path: Path) -> None:
    text = (
        HEAD
        + "image: quay.io/octocat/x\nmetadata: {source: https://a.invalid/b, description: %s}\n" % ("x" * 513)
        + LAYER
    )
    assert found(tmp_path, text) == []
    assert found(tmp_path, text, LintTerms(TODAY, profile=profile_named("ghcr"))) == [("description-too-long", 3)]


def test_a_policy_that_is_given_takes_the_place_of_the_specs(tmp_path: Path) -> None:
    policy = LabelPolicy("given", {"com.example.team": Demand(required=True, description="whom to ask")})
    text = SPEC + "policy: {labels: {com.example.other: {required: true}}}\n"
    files = {"ocibuild.yaml": text, "Dockerfile": "FROM x\nLABEL org.opencontainers.image.source=https://a.invalid/b\n"}
    findings = report(tmp_path, files, LintTerms(TODAY, policy=policy)).findings
    assert {one.message for one in findings} == {"the policy requires the label `com.example.team`"}
    assert [one.hint for one in findings] == ["add it: whom to ask"] * 2


# waivers


@pytest.mark.parametrize(
    ("waiver", "expected"),
    [
        ("{rule: license-case, reason: test}", []),
        ("{rule: license-case, reason: test, expires: 2026-01-01}", []),
        ("{rule: license-case, reason: test, expires: 2025-12-31}", [("license-case", 2), ("waiver-expired", 3)]),
        ("{rule: license-cas, reason: test}", [("license-case", 2), ("waiver-unknown-rule", 3)]),
        ("{rule: layer-too-large, reason: an image is not looked at here}", [("license-case", 2)]),
    ],
)
def test_waivers_of_a_spec(tmp_path: Path, waiver: str, expected: list[tuple[str, int]]) -> None:
    text = HEAD + "metadata: {source: https://a.invalid/b, licenses: mit}\n" + f"waivers: [{waiver}]\n" + LAYER
    assert found(tmp_path, text) == expected


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ("  licenses: mit # ocibuild: ignore[license-case] test\n", []),
        ("  # ocibuild: ignore[license-case] test\n  licenses: mit\n", []),
        ("  # ocibuild: ignore[license-case, license-deprecated] test\n  # more\n  licenses: gpl-3.0\n", []),
        ("  licenses: mit # ocibuild:ignore[license-case]\n", ["license-case", "waiver-without-reason"]),
        ("  licenses: MIT # ocibuild: ignore[license-case] test\n", ["waiver-unused"]),
        ("  # ocibuild: ignore[license-case] test\n  title: x\n  licenses: mit\n", ["waiver-unused", "license-case"]),
        ("  licenses: mit # ocibuild: ignore[nothing] test\n", ["license-case", "waiver-unknown-rule"]),
        ("  title: 'x#ocibuild: ignore[license-case] y'\n", []),
    ],
)
def test_comments_let_findings_of_their_line_pass(tmp_path: Path, lines: str, expected: list[str]) -> None:
    text = HEAD + "metadata:\n  source: https://a.invalid/b\n" + lines + LAYER
    assert [rule for rule, _ in found(tmp_path, text)] == expected


def test_what_is_waived_is_reported_with_its_reason(tmp_path: Path) -> None:
    files = {"Dockerfile": "# ocibuild: ignore[source-missing] for tests only\nFROM scratch\nLABEL a=b\n"}
    done = report(tmp_path, files)
    ((finding, waiver),) = done.waived
    assert (done.findings, finding.rule, waiver.reason) == ((), "source-missing", "for tests only")


CASED = "metadata: {source: https://a.invalid/b, licenses: mit}\n"


def test_the_waivers_of_a_document_are_not_those_of_the_next(tmp_path: Path) -> None:
    waiver = "waivers: [{rule: license-case, reason: test}]\n"
    assert found(tmp_path, HEAD + CASED + LAYER + waiver + "---\n" + HEAD + CASED + LAYER) == [("license-case", 7)]


def test_a_waiver_that_one_image_of_a_matrix_needs_is_used(tmp_path: Path) -> None:
    text = "matrix: {l: [mit, MIT]}\nmetadata: {source: https://a.invalid/b, licenses: '{{ l }}', title: '{{ l }}'}\n"
    waiver = "waivers: [{rule: license-case, reason: test}]\n"
    assert found(tmp_path, HEAD + text + "image: quay.io/octocat/x\ntags: ['{{ l }}']\n" + waiver + LAYER) == []


def test_what_a_shared_file_lets_pass_counts_for_its_own_lines_and_is_never_unused(tmp_path: Path) -> None:
    waived = "metadata:\n  source: https://a.invalid/b\n  licenses: mit # ocibuild: ignore[license-case] test\n"
    shared = HEAD + waived + "waivers: [{rule: placeholder, reason: for those that need it}]\n"
    write(tmp_path, {"shared.yaml": shared})
    spec = HEAD + "extends: shared.yaml\n" + LAYER + "metadata: {title: x}\n"
    assert found(tmp_path, spec) == []
    assert found(tmp_path, spec.replace("title: x", "licenses: mit")) == [("license-case", 4)]
    assert found(tmp_path, spec.replace("title: x", "vendor: <your name>")) == []


def test_a_spec_that_is_wrong_makes_no_waiver_unused(tmp_path: Path) -> None:
    text = HEAD + "lables: {}\nwaivers: [{rule: license-case, reason: test}]\n" + SOURCE + LAYER
    assert found(tmp_path, text) == [("spec-unknown-key", 2)]
