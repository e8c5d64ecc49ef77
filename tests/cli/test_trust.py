"""What registries say is data: no terminal acts on it. What is secret stays secret, however much is shown."""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path

import pytest

from ocibuild.cli.messages import printable
from tests.cli.conftest import Cli
from tests.cli.program import write_tree
from tests.fake_registry import BasicAuth, BearerAuth, FakeRegistry, TokenService, image_of
from tests.fake_registry.manifests import OCI_MANIFEST
from tests.fake_registry.messages import entry, error

EVIL = "a\x1b]0;owned\x07b\x9b2Jc\r\u202ed\u2066"
PASSWORD = "s3cret-pässword"


def without_control_characters(text: str) -> bool:
    return all(char == "\n" or char.isprintable() for char in text)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain ü 漢 text", "plain ü 漢 text"),
        ("\x1b[31m", "\\x1b[31m"),
        ("a\nb\tc\r", "a\\nb\\tc\\r"),
        ("\x9b", "\\x9b"),
        ("\u202e\u2066", "\\u202e\\u2066"),
        ("\udc80", "\\udc80"),
    ],
)
def test_printable_text_has_nothing_to_act_on(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_annotations_and_labels_are_escaped(cli: Cli, fake_registry: FakeRegistry) -> None:
    fake_registry.add_image("team/app", image_of(annotations={"org.opencontainers.image.title": EVIL}), "1")
    name = f"{fake_registry.host}/team/app:1"
    text = cli("inspect", name).stdout
    assert without_control_characters(text)
    assert "owned" in text
    assert cli("inspect", "--json", name).stdout.isascii()


def test_tags_are_escaped(cli: Cli, fake_registry: FakeRegistry) -> None:
    fake_registry.add_image("team/app", image_of(), EVIL)
    done = cli("ls", f"{fake_registry.host}/team/app")
    assert without_control_characters(done.stdout)
    assert without_control_characters(done.stderr)


def test_error_texts_of_registries_are_escaped(cli: Cli, fake_registry: FakeRegistry) -> None:
    fake_registry.quirk("GET|HEAD", "*").reply(error(403, entry("DENIED", EVIL)))
    done = cli("digest", "-v", f"{fake_registry.host}/team/app:1")
    assert done.status == 5
    assert without_control_characters(done.stderr)


def test_what_is_no_document_is_escaped(cli: Cli, fake_registry: FakeRegistry) -> None:
    fake_registry.add_manifest("team/app", f'{{"schemaVersion": 2, "{EVIL}": '.encode(), OCI_MANIFEST, "1")
    done = cli("inspect", f"{fake_registry.host}/team/app:1")
    assert done.status == 6
    assert without_control_characters(done.stderr)


def test_a_spec_cannot_act_on_the_terminal_of_who_lints_it(cli: Cli, project: Path) -> None:
    write_tree(project, {"evil.yaml": f'apiVersion: ocibuild/v1\nname{EVIL!r}: 1\ntags: ["\\e]0;x\\a"]\n'})
    done = cli("build", "-f", "evil.yaml")
    assert done.status == 2
    assert without_control_characters(done.stderr)


@pytest.fixture
def secrets() -> list[str]:
    """The password in the forms in which it travels."""
    pair = base64.b64encode(f"alice:{PASSWORD}".encode()).decode()
    return [PASSWORD, pair, pair.rstrip("=")]


@pytest.mark.parametrize("kind", ["basic", "token"])
def test_no_secret_is_shown_at_the_highest_verbosity(
    cli: Cli, project: Path, fake_registry: FakeRegistry, monkeypatch: pytest.MonkeyPatch, secrets: list[str], kind: str
) -> None:
    tokens = TokenService(users={"alice": PASSWORD})
    fake_registry.auth = BasicAuth("alice", PASSWORD) if kind == "basic" else BearerAuth(tokens)
    auths = {"auths": {fake_registry.host: {"username": "alice", "password": PASSWORD}}}
    write_tree(project, {"docker/config.json": json.dumps(auths)})
    monkeypatch.setenv("DOCKER_CONFIG", str(project / "docker"))
    assert cli("build", "-q").status == 0
    said = ""
    for arguments in (
        ["push", "-vv", f"{fake_registry.host}/team/app:1"],
        ["pull", "-vv", "-o", "oci:got", f"{fake_registry.host}/team/app:1"],
        ["digest", "-vv", f"{fake_registry.host}/team/other:1"],
        ["doctor", "-vv", f"{fake_registry.host}/team/app"],
    ):
        done = cli(*arguments)
        said += done.stdout + done.stderr
    assert "GET http" in said, "the trace was shown"
    issued = [record.headers.get("Authorization") or "" for record in fake_registry.requests()]
    bearers = {value.partition(" ")[2] for value in issued if value}
    assert bearers
    for secret in (*secrets, *bearers):
        assert secret not in said


def test_login_keeps_the_secret_to_itself(
    cli: Cli, project: Path, fake_registry: FakeRegistry, monkeypatch: pytest.MonkeyPatch, secrets: list[str]
) -> None:
    fake_registry.auth = BasicAuth("alice", PASSWORD)
    monkeypatch.setenv("DOCKER_CONFIG", str(project / "docker"))
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{PASSWORD}\n"))
    done = cli("login", "-v", "-u", "alice", "--password-stdin", fake_registry.host)
    assert (done.status, done.stdout) == (0, "")
    assert f"logged in to {fake_registry.host} as alice; stored in " in done.stderr
    kept = project / "docker/config.json"
    assert kept.stat().st_mode & 0o777 == 0o600
    assert fake_registry.host in json.loads(kept.read_text())["auths"]
    assert not [secret for secret in secrets if secret in done.stderr]
    gone = cli("logout", fake_registry.host)
    assert f"logged out of {fake_registry.host}" in gone.stderr
    assert fake_registry.host not in kept.read_text()
    assert "no stored credentials" in cli("logout", fake_registry.host).stderr


def test_a_wrong_password_is_not_stored(
    cli: Cli, project: Path, fake_registry: FakeRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_registry.auth = BasicAuth("alice", PASSWORD)
    monkeypatch.setenv("DOCKER_CONFIG", str(project / "docker"))
    monkeypatch.setattr("sys.stdin", io.StringIO("wrong-one\n"))
    done = cli("login", "-u", "alice", "--password-stdin", fake_registry.host)
    assert done.status == 5
    assert "wrong-one" not in done.stderr
    assert not (project / "docker/config.json").exists()


@pytest.mark.parametrize("options", [[], ["-u", "alice", "--password-stdin"]])
def test_login_refuses_what_is_no_registry_before_it_asks_for_a_secret(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, options: list[str]
) -> None:
    stdin = io.StringIO(f"{PASSWORD}\n")
    monkeypatch.setattr("sys.stdin", stdin)
    done = cli("login", *options, "127.0.0.1:9/team")
    assert done.status == 2
    assert "hint: credentials belong to the whole host: 127.0.0.1:9\n" in done.stderr
    assert stdin.tell() == 0


def test_login_without_a_terminal_says_how_else(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    done = cli("login", "127.0.0.1:9")
    assert done.status == 2
    assert "hint: use --username NAME and --password-stdin" in done.stderr
