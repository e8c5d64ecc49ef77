"""The 25 acceptance cases as a user meets them, by their numbers: through the command, at the highest verbosity.

What each part does in detail is tested beside it (`tests/registry/test_acceptance_*.py` and others). Here every run has to end
with the right exit code, without a traceback, and without a password, what it is coded as, or a token in any output.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import socket
import stat
import subprocess
import tarfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest

from tests.cli.program import Done, command, environment, ocibuild
from tests.fake_registry import (
    BLOBS,
    MANIFESTS,
    SESSIONS,
    TAGS,
    UPLOADS,
    BearerAuth,
    FakeRegistry,
    Recorder,
    Request,
    TokenService,
    error,
    has_header,
    has_query,
    same_target_on,
)
from tests.fake_registry.fixtures import Run, Tls
from tests.fake_registry.rules import Rule
from tests.oracles.layouts import image_for, read_layout
from tests.peers.clients import Podman, skopeo, umoci
from tests.peers.docker_registry import DockerRegistry

MIB = 1 << 20
USER, PASSWORD = "octocat", "correct-horse-battery"
THREE = """layers:
  - {name: one, files: [{text: one, to: /one}]}
  - {name: two, files: [{copy: data.bin, to: /data.bin}]}
  - {name: three, files: [{text: three, to: /three}]}
"""
METADATA = "metadata: {source: 'https://example.test/app', description: An app, licenses: MIT}\n"


@dataclass
class Desk:
    """A directory with a spec, which is also the home of somebody whom the registry knows."""

    directory: Path
    tokens: TokenService | None = None

    def spec(self, text: str, name: str = "ocibuild.yaml") -> None:
        (self.directory / name).write_text(f"apiVersion: ocibuild/v1\n{text}")

    def run(self, *arguments: str, status: int = 0, env: dict[str, str] | None = None, stdin: str = "") -> Done:
        done = ocibuild(*arguments, "-vv", cwd=self.directory, env=env, stdin=stdin)
        assert done.status == status, f"{arguments}: {done.status}\n{done.stdout}{done.stderr}"
        pair = f"{USER}:{PASSWORD}".encode()
        hidden = [PASSWORD, base64.b64encode(pair).decode(), base64.b64encode(PASSWORD.encode()).decode()]
        for secret in (*hidden, *(self.tokens.issued if self.tokens else ())):
            assert secret not in done.stdout + done.stderr
        return done

    def layout(self, name: str = ".ocibuild/layout") -> Path:
        return self.directory / name


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    (tmp_path / "data.bin").write_bytes(os.urandom(1000))
    return Desk(tmp_path)


@pytest.fixture
def app(desk: Desk, fake_registry: FakeRegistry) -> Desk:
    """An image of three layers, built for the fake registry, which asks who is there."""
    desk.tokens = log_in(desk, fake_registry)
    desk.spec(f"image: {fake_registry.host}/team/app\ntags: ['1']\n{THREE}")
    desk.run("build")
    return desk


def log_in(desk: Desk, registry: FakeRegistry, **facts: Any) -> TokenService:
    """Let the registry ask for tokens, with a placeholder for a scope, and keep the password where docker does."""
    tokens = TokenService(users={USER: PASSWORD})
    registry.auth = BearerAuth(tokens, **{"scope": "repository:user/image:pull", **facts})
    home = desk.directory / ".docker"
    home.mkdir(exist_ok=True)
    auth = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
    (home / "config.json").write_text(json.dumps({"auths": {registry.host: {"auth": auth}}}))
    (home / "config.json").chmod(0o600)
    return tokens


def files(directory: Path) -> dict[str, bytes]:
    """The content of every file of a layout but its lock."""
    found = (path for path in directory.rglob("*") if path.is_file() and path.name != ".ocibuild.lock")
    return {str(path.relative_to(directory)): path.read_bytes() for path in found}


# Building


def test_01_the_same_bytes_under_other_circumstances(desk: Desk, tmp_path_factory: pytest.TempPathFactory) -> None:
    desk.spec(f"tags: [v]\n{THREE}")
    epoch = {"SOURCE_DATE_EPOCH": "1000000000"}
    desk.run("build", "-o", "oci:out", env=epoch)
    other = Desk(tmp_path_factory.mktemp("elsewhere"))
    (other.directory / "data.bin").write_bytes((desk.directory / "data.bin").read_bytes())
    other.spec(f"tags: [v]\n{THREE}")
    umask = os.umask(0o077)
    try:
        other.run("build", "-o", "oci:out", "-j", "7", env={**epoch, "TZ": "Asia/Tokyo", "PYTHONHASHSEED": "7"})
    finally:
        os.umask(umask)
    assert files(desk.layout("out")) == files(other.layout("out"))
    (image,) = read_layout(desk.layout("out"))
    assert image.config["created"] == "2001-09-09T01:46:40Z"
    assert {entry.mtime for layer in image.layers for entry in layer.entries()} == {1000000000}


@pytest.mark.peer("docker-registry", "skopeo", "umoci", "podman")
def test_02_every_reader_takes_the_image(desk: Desk, docker_registry: DockerRegistry, podman: Podman) -> None:
    name = f"{docker_registry.host}/acceptance/two"
    desk.spec(f"image: {name}\ntags: [v]\n{THREE}")
    built = desk.run("build").digest
    assert desk.run("push").digest == built
    podman.pull(f"{name}@{built}")
    umoci("unpack", "--rootless", "--image", f"{desk.layout()}:v", desk.directory / "bundle")
    assert (desk.directory / "bundle/rootfs/three").read_text() == "three"
    assert json.loads(skopeo("inspect", f"docker://{name}:v").stdout)["Digest"] == built


def test_03_digests_sizes_and_history_agree(desk: Desk) -> None:
    desk.spec(f"tags: [v]\n{THREE}")
    desk.run("build", "-o", "oci:out")
    (image,) = read_layout(desk.layout("out"))
    diff_ids = []
    for layer in image.layers:
        with layer.uncompressed() as plain:
            diff_ids.append(f"sha256:{hashlib.sha256(plain.read()).hexdigest()}")
    assert image.config["rootfs"]["diff_ids"] == diff_ids
    history = [entry for entry in image.config["history"] if not entry.get("empty_layer")]
    assert len(history) == len(image.layers) == 3


def test_04_a_removal_is_a_whiteout_before_its_siblings(desk: Desk) -> None:
    desk.spec("tags: [v]\nlayers:\n  - {name: a, files: [{remove: /etc/gone}, {text: x, to: /etc/+first}]}\n")
    desk.run("build", "-o", "oci:out")
    (image,) = read_layout(desk.layout("out"))
    assert [entry.name for entry in image.layers[0].entries()] == ["etc", "etc/.wh.gone", "etc/+first"]
    (desk.directory / "tree").mkdir()
    (desk.directory / "tree/.wh.x").touch()
    desk.spec("tags: [v]\nlayers:\n  - {name: a, files: [{copy: tree, to: /}]}\n")
    assert ".wh." in desk.run("build", status=3).stderr


def test_05_hard_links_stay_in_their_layer(desk: Desk) -> None:
    (desk.directory / "a").mkdir()
    (desk.directory / "a/one").write_text("content")
    (desk.directory / "a/two").hardlink_to(desk.directory / "a/one")
    desk.spec(
        "tags: [v]\nlayers:\n  - {name: a, files: [{copy: a, to: /a}]}\n  - {name: b, files: [{copy: a/two, to: /b}]}\n"
    )
    desk.run("build", "-o", "oci:out")
    (image,) = read_layout(desk.layout("out"))
    first, second = ([(entry.name, entry.type) for entry in layer.entries()] for layer in image.layers)
    assert first == [("a", tarfile.DIRTYPE), ("a/one", tarfile.REGTYPE), ("a/two", tarfile.LNKTYPE)]
    assert second == [("b", tarfile.REGTYPE)]


def test_06_metadata_stands_at_every_level_and_within_its_limits(desk: Desk, fake_registry: FakeRegistry) -> None:
    head = f"image: {fake_registry.host}/team/app\ntags: [v]\nplatforms: [linux/amd64, linux/arm64]\n"
    desk.spec(f"{head}{METADATA}{THREE}")
    desk.run("build", "-o", "oci:out")
    images = read_layout(desk.layout("out"))
    prefix, wanted = "org.opencontainers.image.", {"An app", "MIT", "https://example.test/app"}
    for platform in ("linux/amd64", "linux/arm64"):
        image = image_for(images, platform)
        for level in (image.config["config"]["Labels"], image.manifest["annotations"], image.indexes[0]["annotations"]):
            assert {level[prefix + key] for key in ("description", "licenses", "source")} == wanted
    for key, length in (("description", 513), ("licenses", 257)):
        desk.spec(f"{head}metadata: {{{key}: {'x' * length}}}\n{THREE}")
        desk.run("build", "-q")
        assert f"{key}" in desk.run("push", status=1).stderr
    assert fake_registry.count() == 0


def test_07_the_docker_format_says_what_it_cannot_say(desk: Desk) -> None:
    desk.spec(f"tags: [v]\nformat: docker\nplatforms: [linux/amd64, linux/arm64]\n{METADATA}{THREE}")
    digest = desk.run("build", "-o", "oci:out").digest
    blobs = desk.layout("out") / "blobs/sha256"
    index = json.loads((blobs / digest.removeprefix("sha256:")).read_bytes())
    documents = [index, *(json.loads((blobs / child["digest"][7:]).read_bytes()) for child in index["manifests"])]
    assert all("docker" in text for text in json.dumps(documents).split('"') if text.startswith("application/vnd."))
    assert "annotations" not in json.dumps(documents)
    for extra in ("compression: zstd\n", "annotations: {manifest: {a: b}}\n"):
        desk.spec(f"tags: [v]\nformat: docker\n{extra}{THREE}")
        assert "docker" in desk.run("build", status=2).stderr


@pytest.mark.peer("docker-registry", "skopeo")
def test_08_a_layout_keeps_its_other_images(desk: Desk, docker_registry: DockerRegistry) -> None:
    for tag, text in (("a", "1"), ("b", "2"), ("a", "3")):
        desk.spec(f"tags: [{tag}]\nlayers: [{{files: [{{text: '{text}', to: /x}}]}}]\n")
        digest = desk.run("build", "-o", "oci:out").digest
    names = [entry["tag"] for entry in desk.run("ls", "oci:out", "--json").json["images"]]
    assert names == ["a", "b"]
    target = f"docker://{docker_registry.host}/acceptance/eight:a"
    skopeo("copy", f"oci:{desk.layout('out')}:a", target)
    assert json.loads(skopeo("inspect", target).stdout)["Digest"] == digest


# Pushing


@pytest.mark.peer("docker-registry")
def test_09_only_what_is_new_travels(desk: Desk, docker_registry: DockerRegistry) -> None:
    desk.spec(f"image: {docker_registry.host}/acceptance/nine\ntags: [v]\n{THREE}")
    sent = []
    for change in (None, None, "changed"):
        if change:
            (desk.directory / "data.bin").write_text(change)
        desk.run("build")
        (pushed,) = desk.run("push", "--json").json["pushed"]
        sent.append(sum(blob["outcome"] == "sent" for blob in pushed["blobs"]))
    assert sent == [4, 0, 2]


def test_10_blobs_manifests_tags(app: Desk, fake_registry: FakeRegistry) -> None:
    fake_registry.on("PUT", SESSIONS, skip=2).reply(error(403, "DENIED"))
    app.run("push", status=5)
    assert fake_registry.count("PUT", MANIFESTS) == 0
    fake_registry.forget()
    app.run("push")
    puts = [record for record in fake_registry.requests("PUT", "*") if record.status == 201]
    kinds = ["manifest" if "/manifests/" in record.path else "blob" for record in puts]
    assert kinds == sorted(kinds)
    assert puts[-1].path.endswith("/manifests/1")


@pytest.mark.parametrize("location", ["relative", "absolute"])
def test_11_opaque_queries_survive(app: Desk, fake_registry: FakeRegistry, location: Any) -> None:
    fake_registry.settings.opaque_query = "_state={state}&x=a%2Fb%3d&y=%7B%7D+%20"
    fake_registry.settings.exact_query, fake_registry.settings.location = True, location
    app.run("push")
    assert all(put.query.count("digest=") == 1 for put in fake_registry.requests("PUT", SESSIONS))


@pytest.mark.parametrize(("status", "outcome"), [(201, "mounted"), (202, "sent"), (401, "sent")])
def test_12_mounts(app: Desk, fake_registry: FakeRegistry, status: int, outcome: str) -> None:
    app.run("push", f"{fake_registry.host}/team/base:1")
    app.spec(f"image: {fake_registry.host}/team/app\ntags: ['2']\nbase: {fake_registry.host}/team/base:1\n{THREE}")
    app.run("build")
    if status == 202:
        fake_registry.settings.mount = "off"
    if status == 401:
        fake_registry.quirk("POST", UPLOADS, where=has_query("mount")).reply(error(401, "UNAUTHORIZED"))
    (pushed,) = app.run("push", "--json").json["pushed"]
    assert [blob["outcome"] for blob in pushed["blobs"]].count(outcome) >= 3


def test_13_tokens_are_for_the_real_repository_and_few(app: Desk, fake_registry: FakeRegistry) -> None:
    layers = "".join(f"  - {{name: l{n}, files: [{{text: '{n}', to: /{n}}}]}}\n" for n in range(20))
    app.spec(f"image: {fake_registry.host}/team/app\ntags: ['1']\nlayers:\n{layers}")
    app.run("build")
    app.run("push")
    assert app.tokens is not None
    scopes = [token.scopes for token in app.tokens.asked]
    assert scopes
    assert len(scopes) == len(set(scopes)) <= 2
    assert all(scope.startswith("repository:team/app:") for each in scopes for scope in each)


def test_14_a_token_that_dies_is_renewed_once(app: Desk, fake_registry: FakeRegistry) -> None:
    assert app.tokens is not None
    (app.directory / "data.bin").write_bytes(os.urandom(50 * MIB))
    app.run("build")
    fake_registry.on("POST", UPLOADS).call(app.tokens.expire_tokens)
    app.run("push")
    assert fake_registry.tags("team/app")


@pytest.mark.parametrize("spelled", ["2", "date"])
def test_15_throttling_is_waited_for(app: Desk, fake_registry: FakeRegistry, spelled: str) -> None:
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=4), usegmt=True)
    fake_registry.on("PUT", MANIFESTS).respond(429, {"Retry-After": date if spelled == "date" else spelled})
    app.run("push")


def test_15_throttling_for_ever_ends(app: Desk, fake_registry: FakeRegistry) -> None:
    fake_registry.on("POST", UPLOADS, times=None).respond(429, {"Retry-After": "7200"})
    assert "7200" in app.run("push", status=4).stderr


def test_16_resets_lead_to_new_sessions(app: Desk, fake_registry: FakeRegistry) -> None:
    (app.directory / "data.bin").write_bytes(os.urandom(50 * MIB))
    digest = app.run("build").digest
    fake_registry.on("PUT", SESSIONS, times=2, where=_is_large).reset_after(30 * MIB)
    app.run("push")
    assert fake_registry.tags("team/app") == {"1": digest}
    assert fake_registry.count("PATCH") == 0


def _is_large(request: Request) -> bool:
    return int(request.headers.get("Content-Length") or 0) > 40 * MIB


# Pulling


@pytest.fixture
def pushed(app: Desk, fake_registry: FakeRegistry) -> tuple[Desk, str]:
    """The image in the registry, and its name there."""
    (app.directory / "data.bin").write_bytes(os.urandom(3 * MIB))
    app.run("build")
    app.run("push")
    fake_registry.forget()
    return app, f"{fake_registry.host}/team/app:1"


@pytest.mark.parametrize(
    "damage", [lambda r: r.flip_byte(10), lambda r: r.drop_last_bytes(1), lambda r: r.append_bytes(b"x")]
)
@pytest.mark.parametrize("path", [MANIFESTS, BLOBS])
def test_17_damage_is_noticed_and_leaves_nothing(
    pushed: tuple[Desk, str], fake_registry: FakeRegistry, path: str, damage: Callable[[Rule], Any]
) -> None:
    desk, name = pushed
    damage(fake_registry.quirk("GET", path))
    desk.run("pull", name, "-o", "oci:pulled", status=6)
    desk.run("pull", name, "-o", "oci-archive:pulled.tar", status=6)
    assert not (desk.directory / "pulled.tar").exists()
    index = desk.layout("pulled") / "index.json"
    assert not index.exists() or json.loads(index.read_bytes())["manifests"] == []


@pytest.mark.parametrize("habit", ["range", "ignored", "wrong", "416"])
def test_18_a_cut_is_carried_on(pushed: tuple[Desk, str], fake_registry: FakeRegistry, habit: str) -> None:
    desk, name = pushed
    fake_registry.on("GET", BLOBS).cut_response(2 * MIB)
    rule = fake_registry.quirk("GET", BLOBS, where=has_header("Range"))
    match habit:
        case "ignored":
            rule.ignoring("Range")
        case "wrong":
            rule.header("Content-Range", "bytes 0-9/10")
        case "416":
            rule.respond(416)
        case _:
            pass
    desk.run("pull", name, "-o", "oci:pulled")
    assert read_layout(desk.layout("pulled"))


@pytest.mark.parametrize("lie", ["type", "both"])
def test_19_contradictions_are_refused(pushed: tuple[Desk, str], fake_registry: FakeRegistry, lie: str) -> None:
    desk, name = pushed
    if lie == "type":
        fake_registry.quirk("GET|HEAD", MANIFESTS).content_type("application/vnd.oci.image.index.v1+json")
    else:
        manifest = fake_registry.manifest("team/app", "1")
        assert manifest is not None
        document = json.loads(manifest.data) | {"manifests": []}
        media_type = "application/vnd.oci.image.manifest.v1+json"
        fake_registry.add_manifest("team/app", json.dumps(document).encode(), media_type, "1")
    desk.run("pull", name, "-o", "oci:pulled", status=6)


def test_20_pages_of_tags(pushed: tuple[Desk, str], fake_registry: FakeRegistry) -> None:
    desk, name = pushed
    repository, tags = name.rpartition(":")[0], [f"t{number:03}" for number in range(250)]
    for start, last in ((0, None), (100, "a"), (200, "b")):
        link = f'<list?last={"ab"[start // 100]}>; rel="next"' if start < 200 else ""
        body = json.dumps({"tags": tags[start : start + 100][::-1]}).encode()
        fake_registry.on("GET", TAGS, where=_page_after(last)).respond(200, {"Link": link}, body)
    assert desk.run("ls", repository).stdout.splitlines() == tags
    circle = {"Link": '</v2/team/app/tags/list?last=x>; rel="next"'}
    fake_registry.on("GET", TAGS, times=None).respond(200, circle, b'{"tags": ["x"]}')
    desk.run("ls", repository, status=4)


def _page_after(last: str | None) -> Callable[[Request], bool]:
    return lambda request: request.value("last") == last


# Security


def test_21_no_credentials_for_others(pushed: tuple[Desk, str], fake_registry: FakeRegistry, running: Run) -> None:
    desk, name = pushed
    other = running(Recorder(401))
    other.quirk("*", "*").challenge('Bearer realm="https://evil.test/token",service="x"')
    fake_registry.quirk("GET", BLOBS).redirect(same_target_on(other.url))
    done = ocibuild("pull", name, "-o", "oci:pulled", "-vv", cwd=desk.directory)
    assert done.status in (4, 5)
    assert other.count("GET") > 0
    other.assert_no_credentials()


@pytest.mark.parametrize(
    "realm", ["http://{registry}/token", "https://169.254.169.254/x", "https://127.0.0.1:{other}/t"]
)
def test_22_hostile_realms_see_nothing(desk: Desk, running: Run, fake_tls: Tls, recorder: Recorder, realm: str) -> None:
    registry = running(FakeRegistry(tls=fake_tls.server))
    place = realm.format(registry=registry.host, other=recorder.port)
    desk.tokens = log_in(desk, registry, realm=place)
    trust = {"OCIBUILD_CA_CERT": str(fake_tls.authority)}
    assert "token server" in desk.run("digest", f"{registry.host}/team/app:1", status=4, env=trust).stderr
    recorder.assert_untouched()
    assert desk.tokens.asked == []


def test_23_login(desk: Desk, fake_registry: FakeRegistry) -> None:
    tokens = desk.tokens = TokenService(users={USER: PASSWORD})
    fake_registry.auth = BearerAuth(tokens)
    config = desk.directory / ".docker/config.json"
    config.parent.mkdir()
    config.write_text('{"psFormat": "kept"}')
    login = ("login", fake_registry.host, "-u", USER, "--password-stdin")
    desk.run(*login, stdin="wrong\n", status=5)
    assert json.loads(config.read_text()) == {"psFormat": "kept"}
    umask = os.umask(0)
    try:
        desk.run(*login, stdin=f"{PASSWORD}\n")
    finally:
        os.umask(umask)
    assert json.loads(config.read_text())["psFormat"] == "kept"
    desk.spec(f"image: {fake_registry.host}/team/app\ntags: [v]\n{THREE}")
    desk.run("build", "--push")
    ocibuild("logout", fake_registry.host, cwd=desk.directory)
    assert json.loads(config.read_text()) in ({"psFormat": "kept"}, {"psFormat": "kept", "auths": {}})


def test_23_a_new_file_is_for_its_owner_only(desk: Desk, fake_registry: FakeRegistry) -> None:
    desk.tokens = TokenService(users={USER: PASSWORD})
    fake_registry.auth = BearerAuth(desk.tokens)
    desk.run("login", fake_registry.host, "-u", USER, "--password-stdin", stdin=f"{PASSWORD}\n")
    mode = (desk.directory / ".docker/config.json").stat().st_mode
    assert stat.S_IMODE(mode) == 0o600


@pytest.mark.parametrize("source", ["link", "../outside", "fifo", "socket"])
def test_24_nothing_from_outside_the_context(desk: Desk, source: str) -> None:
    tree = desk.directory / "tree"
    tree.mkdir()
    (tree / "link").symlink_to("/etc/passwd")
    with _socket_at(tree / "socket"):
        os.mkfifo(tree / "fifo")
        named = source if source.startswith("..") else f"tree/{source}"
        desk.spec(f"tags: [v]\nlayers: [{{files: [{{copy: {named}, to: /x}}]}}]\n")
        desk.run("build", status=2 if source.startswith("..") else 3)
        desk.spec("tags: [v]\nlayers: [{files: [{copy: tree, to: /, exclude: [fifo, socket]}]}]\n")
        desk.run("build", "-o", "oci:out")
    (image,) = read_layout(desk.layout("out"))
    (entry,) = image.layers[0].entries()
    assert (entry.type, entry.linkname) == (tarfile.SYMTYPE, "/etc/passwd")


@contextmanager
def _socket_at(path: Path) -> Iterator[None]:
    with socket.socket(socket.AF_UNIX) as server:
        here = Path.cwd()
        os.chdir(path.parent)  # the name of a socket has at most 107 bytes
        try:
            server.bind(path.name)
        finally:
            os.chdir(here)
        yield


def test_25_ten_builds_at_once(desk: Desk) -> None:
    for number in range(10):
        desk.spec(f"tags: [t{number}]\nlayers: [{{files: [{{text: '{number}', to: /x}}]}}]\n", f"{number}.yaml")
    running = [
        subprocess.Popen(
            command("build", "-q", "-f", f"{number}.yaml", "-o", "oci:out"),
            cwd=desk.directory,
            env=environment(desk.directory),
            stdout=subprocess.DEVNULL,
        )
        for number in range(10)
    ]
    index = desk.layout("out") / "index.json"
    while any(process.poll() is None for process in running):
        if index.exists():
            json.loads(index.read_bytes())
    assert [process.wait() for process in running] == [0] * 10
    assert sorted(name for image in read_layout(desk.layout("out")) for name in image.names) == [
        f"t{n}" for n in range(10)
    ]
