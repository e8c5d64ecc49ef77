"""Where credentials are found, in which order, and how they are kept."""

from __future__ import annotations

import base64
import json
import os
import resource
import stat
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ocibuild.errors import AuthError
from ocibuild.oci.reference import parse_reference
from ocibuild.registry.credentials import ANONYMOUS, erase_credential, find_credential, given, store_credential
from ocibuild.registry.secret import Credential, Found, IdentityToken, Login, RegistryToken, Secret

HELPER = """
    #!/bin/sh
    # Keeps what `store` is given in a file per program; answers `get` from it.
    here="$(dirname "$0")/kept-$(basename "$0")"
    case "$1" in
      store) cat > "$here" ;;
      erase) read -r server; rm -f "$here"; echo "$server" >> "$here-erased" ;;
      get)
        read -r server
        if [ "$server" = "broken.test" ]; then echo "the keychain is locked" >&2; exit 1; fi
        if grep -q "\\"$server\\"" "$here" 2>/dev/null; then cat "$here"; else echo "credentials not found in native keychain"; exit 1; fi ;;
    esac
"""


class Machine:
    """A home directory and an environment of its own."""

    def __init__(self, root: Path) -> None:
        self.home = root / "home"
        self.home.mkdir()
        self.bin = root / "bin"
        self.bin.mkdir()
        self.environ = {"HOME": str(self.home), "PATH": f"{self.bin}:/usr/bin:/bin"}

    def write(self, path: str, document: dict[str, Any]) -> Path:
        file = self.home / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch(mode=0o600)
        file.write_text(json.dumps(document))
        return file

    def install_helper(self, name: str) -> None:
        program = self.bin / f"docker-credential-{name}"
        program.write_text(textwrap.dedent(HELPER).strip() + "\n")
        program.chmod(0o755)

    def find(self, reference: str = "ghcr.io/octocat/hello") -> Found:
        return find_credential(parse_reference(reference), environ=self.environ)

    def credential(self, reference: str = "ghcr.io/octocat/hello") -> Credential | None:
        return self.find(reference).credential

    def store(self, host: str, credential: Login | IdentityToken) -> str:
        return store_credential(host, credential, environ=self.environ)

    def erase(self, host: str) -> str | None:
        return erase_credential(host, environ=self.environ)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def entry(user: str, password: str = "p") -> dict[str, str]:
    return {"auth": base64.b64encode(f"{user}:{password}".encode()).decode()}


def login(user: str, password: str = "p") -> Login:
    return Login(user, Secret(password))


def test_nothing_anywhere_is_anonymous(machine: Machine) -> None:
    assert machine.find() == ANONYMOUS


def test_the_sources_have_an_order(machine: Machine) -> None:
    """From the last to the first: each one that is added wins over those before."""
    machine.environ["GITHUB_TOKEN"] = "ghs"
    assert machine.credential() == login("token", "ghs")
    machine.write(".config/containers/auth.json", {"auths": {"ghcr.io": entry("config")}})
    assert machine.credential() == login("config")
    machine.environ["XDG_RUNTIME_DIR"] = str(machine.home / "run")
    machine.write("run/containers/auth.json", {"auths": {"ghcr.io": entry("runtime")}})
    assert machine.credential() == login("runtime")
    machine.write(".docker/config.json", {"auths": {"ghcr.io": entry("docker")}})
    assert machine.credential() == login("docker")
    named = machine.write("named.json", {"auths": {"ghcr.io": entry("named")}})
    machine.environ["REGISTRY_AUTH_FILE"] = str(named)
    assert machine.find() == Found(login("named"), f"{named}, entry ghcr.io")
    assert given("flag", "p")(parse_reference("ghcr.io/x/y")).credential == login("flag")


def test_docker_config_and_xdg_config_home_name_other_directories(machine: Machine) -> None:
    machine.write("elsewhere/config.json", {"auths": {"a.test": entry("docker")}})
    machine.write("settings/containers/auth.json", {"auths": {"b.test": entry("podman")}})
    machine.environ |= {
        "DOCKER_CONFIG": str(machine.home / "elsewhere"),
        "XDG_CONFIG_HOME": str(machine.home / "settings"),
    }
    assert machine.credential("a.test/x") == login("docker")
    assert machine.credential("b.test/x") == login("podman")


@pytest.mark.parametrize(
    "host", ["ghcr.io.evil.test", "evil.test", "containers.octo.ghe.com", "localhost:5000", "docker.io"]
)
def test_the_token_of_github_is_for_ghcr_only(machine: Machine, host: str) -> None:
    machine.environ |= {"GITHUB_TOKEN": "ghs", "GITHUB_ACTOR": "octocat"}
    assert machine.find(f"{host}/x/y") == ANONYMOUS
    assert machine.credential("ghcr.io/x/y") == login("octocat", "ghs")


def test_gitlab_names_its_registry_itself(machine: Machine) -> None:
    machine.environ |= {
        "CI_REGISTRY": "registry.gitlab.test:5050",
        "CI_REGISTRY_USER": "gitlab-ci-token",
        "CI_REGISTRY_PASSWORD": "job",
    }
    assert machine.credential("registry.gitlab.test:5050/group/app") == login("gitlab-ci-token", "job")
    assert machine.find("registry.gitlab.test/group/app") == ANONYMOUS


@pytest.mark.parametrize(
    ("content", "credential"),
    [
        (entry("u", "p:with:colons"), login("u", "p:with:colons")),
        ({"username": "u", "password": "p"}, login("u")),
        ({"identitytoken": "refresh", **entry("00000000-0000-0000-0000-000000000000", "")}, IdentityToken(Secret("refresh"))),
        ({"registrytoken": "bearer"}, RegistryToken(Secret("bearer"))),
        ({"auth": base64.b64encode(b"u:p\0\0").decode()}, login("u")),
        ({}, None),
        ({"auth": ""}, None),
        ({"email": "x@example.com"}, None),
    ],
)  # fmt: skip
def test_entries_of_all_kinds(machine: Machine, content: dict[str, str], credential: Credential | None) -> None:
    machine.write(".docker/config.json", {"auths": {"ghcr.io": content}})
    assert machine.credential() == credential


@pytest.mark.parametrize(
    "key", ["https://index.docker.io/v1/", "index.docker.io", "docker.io", "https://docker.io", "registry-1.docker.io"]
)
def test_docker_hub_goes_by_many_names(machine: Machine, key: str) -> None:
    machine.write(".docker/config.json", {"auths": {key: entry("hub")}})
    assert machine.credential("alpine") == login("hub")
    assert machine.credential("docker.io/octocat/hello") == login("hub")


@pytest.mark.parametrize(
    ("key", "fits"),
    [
        ("https://ghcr.io", True), ("https://ghcr.io/", True), ("http://ghcr.io/v2/", True), ("ghcr.io/octocat/hello", True),
        ("ghcr.io/octocat", True), ("ghcr.io/octo", False), ("ghcr.io:443", False), ("ghcr.io/octocat/hello/more", False),
    ],
)  # fmt: skip
def test_keys_with_schemes_and_paths(machine: Machine, key: str, fits: bool) -> None:
    machine.write(".docker/config.json", {"auths": {key: entry("u")}})
    assert (machine.credential() is not None) is fits


def test_the_longest_path_wins(machine: Machine) -> None:
    keys = {"quay.io": "host", "quay.io/a": "a", "quay.io/a/b": "ab"}
    machine.write(".docker/config.json", {"auths": {key: entry(user) for key, user in keys.items()}})
    users = {ref: machine.credential(ref) for ref in ("quay.io/a/b", "quay.io/a/b/c", "quay.io/a/x", "quay.io/x/b")}
    assert list(users.values()) == [login("ab"), login("ab"), login("a"), login("host")]


def test_a_helper_of_the_host_wins_over_the_store_and_the_store_over_entries(machine: Machine) -> None:
    for name in ("special", "store"):
        machine.install_helper(name)
        kept = {"ServerURL": "ghcr.io", "Username": name, "Secret": "p"}
        (machine.bin / f"kept-docker-credential-{name}").write_text(json.dumps(kept))
    document: dict[str, Any] = {"auths": {"ghcr.io": entry("file")}, "credsStore": "store"}
    machine.write(".docker/config.json", document)
    assert machine.credential() == login("store")
    machine.write(".docker/config.json", {**document, "credHelpers": {"ghcr.io": "special"}})
    assert machine.credential() == login("special")


def test_an_empty_entry_that_a_store_leaves_behind_is_no_answer(machine: Machine) -> None:
    machine.install_helper("store")
    machine.write(".docker/config.json", {"auths": {"ghcr.io": {}}, "credsStore": "store"})
    machine.write(".config/containers/auth.json", {"auths": {"ghcr.io": entry("podman")}})
    assert machine.credential() == login("podman")


def test_a_helper_that_knows_nothing_means_anonymous_and_one_that_fails_is_an_error(machine: Machine) -> None:
    machine.install_helper("store")
    machine.write(".docker/config.json", {"credsStore": "store"})
    assert machine.find() == ANONYMOUS
    with pytest.raises(AuthError, match="docker-credential-store get failed: the keychain is locked"):
        machine.find("broken.test/x")


def test_a_missing_helper_says_how_to_mend_it(machine: Machine) -> None:
    machine.write(".docker/config.json", {"credsStore": "desktop"})
    with pytest.raises(AuthError, match="docker-credential-desktop is not installed") as caught:
        machine.find()
    assert "credsStore" in str(caught.value.hint)


@pytest.mark.parametrize("name", ["../evil", "a b", "-x", "/bin/sh", "a\n", "", 7, ["x"]])
def test_the_name_of_a_helper_is_a_plain_word(machine: Machine, name: Any) -> None:
    machine.write(".docker/config.json", {"credHelpers": {"ghcr.io": name}})
    with pytest.raises(AuthError, match="is not the name of a credential helper"):
        machine.find()


def test_a_helper_may_hand_out_an_identity_token(machine: Machine) -> None:
    machine.install_helper("store")
    kept = {"ServerURL": "ghcr.io", "Username": "<token>", "Secret": "refresh"}
    (machine.bin / "kept-docker-credential-store").write_text(json.dumps(kept))
    machine.write(".docker/config.json", {"credsStore": "store"})
    assert machine.credential() == IdentityToken(Secret("refresh"))


@pytest.mark.parametrize(
    "text",
    [
        "{", "[]", "[" * 100_000, '{"auths": {"ghcr.io": {"auth": "!"}}}', '{"auths": {"ghcr.io": {"auth": "eA=="}}}',
        '{"auths": {"ghcr.io": {"auth": "é"}}}', '{"auths": {"ghcr.io": {"auth": "\\ud800"}}}',
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_understood_is_named(machine: Machine, text: str) -> None:
    file = machine.write(".docker/config.json", {})
    file.write_text(text)
    with pytest.raises(AuthError) as caught:
        machine.find()
    assert caught.value.where == str(file)


@pytest.mark.parametrize("text", ["", "  \n", "{}", '{"auths": []}', '{"auths": {"ghcr.io": 7}}', '{"credHelpers": 7}'])
def test_a_file_without_entries_is_none(machine: Machine, text: str) -> None:
    machine.write(".docker/config.json", {}).write_text(text)
    assert machine.find() == ANONYMOUS


def test_a_secret_that_others_can_read_is_warned_of(machine: Machine) -> None:
    file = machine.write(".docker/config.json", {"auths": {"ghcr.io": entry("u")}})
    assert machine.find().warning is None
    file.chmod(0o644)
    assert "chmod 600" in str(machine.find().warning)


def test_no_secret_is_shown_by_accident() -> None:
    found = Found(Login("u", Secret("hunter2")), "here")
    shown = f"{found} {found!r} {Secret('hunter2')} {IdentityToken(Secret('hunter2'))!r} {[Secret('hunter2')]}"
    assert "hunter2" not in shown


@pytest.fixture
def open_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


@pytest.mark.usefixtures("open_umask")
def test_a_login_is_written_for_its_owner_only(machine: Machine) -> None:
    kept = machine.store("ghcr.io", login("u", "hunter2"))
    file = machine.home / ".docker" / "config.json"
    assert kept == str(file)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert machine.credential() == login("u", "hunter2")
    assert [path.name for path in file.parent.iterdir()] == ["config.json"]


@pytest.mark.usefixtures("open_umask")
def test_a_login_keeps_what_else_is_in_the_file(machine: Machine) -> None:
    before = {
        "psFormat": "x",
        "auths": {"a.test": entry("a"), "https://ghcr.io/v2/": entry("old")},
        "plugins": {"x": {"y": 1}},
    }
    file = machine.write(".docker/config.json", before)
    file.chmod(0o644)
    machine.store("ghcr.io", login("new"))
    assert json.loads(file.read_text()) == {**before, "auths": {"a.test": entry("a"), "ghcr.io": entry("new")}}
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_login_follows_a_link_to_the_real_file(machine: Machine) -> None:
    real = machine.write("dotfiles/docker.json", {"auths": {}})
    (machine.home / ".docker").mkdir()
    (machine.home / ".docker" / "config.json").symlink_to(real)
    machine.store("ghcr.io", login("u"))
    assert (machine.home / ".docker" / "config.json").is_symlink()
    assert json.loads(real.read_text())["auths"] == {"ghcr.io": entry("u")}


def test_a_login_goes_to_the_file_that_is_named(machine: Machine) -> None:
    machine.environ["REGISTRY_AUTH_FILE"] = str(machine.home / "new" / "auth.json")
    machine.store("quay.io", IdentityToken(Secret("refresh")))
    assert machine.credential("quay.io/x/y") == IdentityToken(Secret("refresh"))
    assert not (machine.home / ".docker").exists()


def test_a_login_uses_the_helper_that_is_configured(machine: Machine) -> None:
    machine.install_helper("store")
    file = machine.write(".docker/config.json", {"credsStore": "store"})
    assert "docker-credential-store" in machine.store("docker.io", login("u", "hunter2"))
    kept = json.loads((machine.bin / "kept-docker-credential-store").read_text())
    assert kept == {"ServerURL": "https://index.docker.io/v1/", "Username": "u", "Secret": "hunter2"}
    assert json.loads(file.read_text())["auths"] == {"https://index.docker.io/v1/": {}}
    assert machine.credential("alpine") == login("u", "hunter2")


def test_logout_forgets_every_spelling(machine: Machine) -> None:
    auths = {"https://ghcr.io/v2/": entry("u"), "ghcr.io": entry("u"), "a.test": entry("a")}
    file = machine.write(".docker/config.json", {"auths": auths})
    assert machine.erase("ghcr.io") == str(file)
    assert json.loads(file.read_text())["auths"] == {"a.test": entry("a")}
    assert machine.erase("ghcr.io") is None


def test_logout_asks_the_helper(machine: Machine) -> None:
    machine.install_helper("store")
    machine.write(".docker/config.json", {"credsStore": "store", "auths": {"ghcr.io": {}}})
    assert "docker-credential-store" in str(machine.erase("ghcr.io"))
    assert (machine.bin / "kept-docker-credential-store-erased").read_text() == "ghcr.io\n"


@pytest.fixture
def full_disk() -> Iterator[None]:
    """Files may have no more than ten bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_disk_that_takes_nothing_leaves_the_file_as_it_was(machine: Machine, request: pytest.FixtureRequest) -> None:
    file = machine.write(".docker/config.json", {"auths": {"a.test": entry("a")}})
    before = file.read_bytes()
    request.getfixturevalue("full_disk")
    with pytest.raises(AuthError, match="cannot be written: File too large"):
        machine.store("ghcr.io", login("u"))
    assert file.read_bytes() == before
    assert [path.name for path in file.parent.iterdir()] == ["config.json"]
