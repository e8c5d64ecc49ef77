"""Bases pinned to digests: in the text of specs, in `ocibuild.lock`, and compared with what tags lead to now."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from ocibuild import api
from ocibuild.errors import NotFoundError, SpecError
from ocibuild.oci.location import RegistryLocation
from tests.fake_registry import MANIFESTS, FakeRegistry, image_of, index_of, layer_of
from tests.oracles.layouts import read_layout
from tests.recipes.support import FACTS, HEAD, Desk, at_registry

OLD = index_of(image_of([layer_of({"a": b"old"})]))
NEW = index_of(image_of([layer_of({"a": b"new"})]))
LAYERS = "layers: [{files: [{text: hello, to: /hello}]}]\n"


@pytest.fixture
def registry(fake_registry: FakeRegistry) -> FakeRegistry:
    """One that holds the base `team/base` as `v1` and `latest`."""
    fake_registry.add_image("team/base", OLD, "v1", "latest")
    return fake_registry


def write(desk: Desk, body: str, name: str = "ocibuild.yaml") -> Path:
    path = desk.directory / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes((HEAD + body).encode())
    return path


def lock(desk: Desk, *files: Path, lockfile: bool = False, **sets: str) -> api.Locked:
    overrides = api.Overrides(sets=sets)
    return api.lock(files or [desk.directory], overrides, FACTS, desk.places, lockfile=lockfile)


def states(desk: Desk, *files: Path) -> tuple[api.BaseState, ...]:
    return api.base_states(files or [desk.directory], api.Overrides(), FACTS, desk.places)


def standings(desk: Desk, *files: Path) -> list[str]:
    return [state.standing.value for state in states(desk, *files)]


def base_of(desk: Desk) -> str:
    (plan,) = api.load([desk.directory / "ocibuild.yaml"], api.Overrides(), FACTS)
    return str(plan.platforms[0].base)


# In place


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("base: BASE:v1", "base: BASE:v1@OLD"),
        ("base: BASE:v1   # why this one", "base: BASE:v1@OLD   # why this one"),
        ('base: "BASE:v1"', 'base: "BASE:v1@OLD"'),
        ("base: 'BASE:v1'", "base: 'BASE:v1@OLD'"),
        ("base: BASE", "base: BASE:latest@OLD"),
        ("base: docker://BASE:v1", "base: docker://BASE:v1@OLD"),
        ("base: BASE:v1@NEW", "base: BASE:v1@OLD"),
        ("base: BASE:v1@OLD", "base: BASE:v1@OLD"),
        ("base: BASE@NEW", "base: BASE@NEW"),
        (
            "base: {linux/amd64: BASE:v1, linux/arm64: scratch}",
            "base: {linux/amd64: BASE:v1@OLD, linux/arm64: scratch}",
        ),
        ("labels: {a: &b 'BASE:v1'}\nbase: *b", "labels: {a: &b 'BASE:v1@OLD'}\nbase: *b"),
        ("# ü\nlabels: {ß: ü}\nbase:\r\n    BASE:v1\r\n", "# ü\nlabels: {ß: ü}\nbase:\r\n    BASE:v1@OLD\r\n"),
        ("base: scratch", "base: scratch"),
    ],
)
def test_the_digest_is_put_behind_the_tag_and_nothing_else_changes(
    desk: Desk, registry: FakeRegistry, before: str, after: str
) -> None:
    def filled(text: str) -> str:
        names = {"BASE": f"{registry.host}/team/base", "OLD": OLD.digest, "NEW": NEW.digest}
        for name, value in names.items():
            text = text.replace(name, value)
        return f"{text}\n{LAYERS}"

    path = write(desk, filled(before))
    locked = lock(desk)
    assert path.read_bytes().decode() == HEAD + filled(after)
    assert locked.changed == (() if before == after else (path,))
    assert lock(desk).changed == (), "a second time there is nothing to do"


def test_platforms_and_documents_are_pinned_in_one_go(desk: Desk, registry: FakeRegistry) -> None:
    base = f"{registry.host}/team/base"
    document = (
        f"tags: [TAG]\nplatforms: [linux/amd64, linux/arm64]\nbase: {{linux/amd64: {base}:v1, linux/arm64: {base}}}\n"
    )
    path = write(desk, document.replace("TAG", "a") + "---\n" + HEAD + document.replace("TAG", "b"))
    lock(desk)
    assert path.read_text().count(f"{base}:v1@{OLD.digest}") == 2
    assert path.read_text().count(f"{base}:latest@{OLD.digest}") == 2
    asked = [record.path for record in registry.requests("HEAD", MANIFESTS)]
    assert sorted(asked) == sorted(set(asked)), "each tag is looked up once"


def test_a_shared_file_is_edited_once_for_all_that_extend_it(desk: Desk, registry: FakeRegistry) -> None:
    shared = write(desk, f"base: {registry.host}/team/base:v1\n", "shared.yaml")
    write(desk, "extends: ../shared.yaml\ntags: [one]\n", "one/ocibuild.yaml")
    write(desk, "extends: ../shared.yaml\ntags: [two]\n", "two/ocibuild.yaml")
    assert lock(desk).changed == (shared,)
    assert shared.read_text() == f"{HEAD}base: {registry.host}/team/base:v1@{OLD.digest}\n"


def test_the_file_keeps_its_mode_its_mark_and_its_link(desk: Desk, registry: FakeRegistry) -> None:
    path = write(desk, f"base: {registry.host}/team/base:v1\n", "real.yaml")
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    path.chmod(0o640)
    link = desk.directory / "ocibuild.yaml"
    link.symlink_to("real.yaml")
    assert lock(desk, link).changed == (path,)
    assert link.is_symlink()
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert path.read_bytes().startswith(b"\xef\xbb\xbfapiVersion")
    assert OLD.digest in path.read_text()


@pytest.mark.parametrize(
    "base",
    ["'HOST/team/{{ name }}:v1'", ">-\n  HOST/team/base:v1", '"HOST/team\\u002fbase:v1"'],
    ids=["template", "block", "escape"],
)
def test_what_has_no_place_for_a_digest_is_refused_and_nothing_is_written(
    desk: Desk, registry: FakeRegistry, base: str
) -> None:
    body = f"vars: {{name: base}}\ntags: [a]\nbase: {base.replace('HOST', registry.host)}\n"
    path = write(desk, f"tags: [b]\nbase: {registry.host}/team/base:v1\n---\n{HEAD}{body}")
    before = path.read_text()
    with pytest.raises(SpecError) as caught:
        lock(desk)
    (finding,) = caught.value.findings
    assert finding.place is not None
    assert finding.place.line == 8
    assert "--lockfile" in str(finding.hint)
    assert path.read_text() == before


def test_what_specs_share_and_has_no_place_for_a_digest_is_told_once(desk: Desk, registry: FakeRegistry) -> None:
    write(desk, f"vars: {{tag: v1}}\nbase: '{registry.host}/team/base:{{{{ tag }}}}'\n", "shared.yaml")
    for name in ("one", "two"):
        write(desk, f"extends: ../shared.yaml\ntags: [{name}]\n", f"{name}/ocibuild.yaml")
    with pytest.raises(SpecError) as caught:
        lock(desk)
    assert len(caught.value.findings) == 1


def test_a_tag_that_is_not_there_is_an_error_and_nothing_is_written(desk: Desk, registry: FakeRegistry) -> None:
    base = f"{registry.host}/team/base"
    path = write(
        desk, f"platforms: [linux/amd64, linux/arm64]\nbase: {{linux/amd64: {base}:v1, linux/arm64: {base}:v9}}\n"
    )
    before = path.read_text()
    with pytest.raises(NotFoundError) as caught:
        lock(desk)
    assert str(caught.value.where).endswith(f"{path}:3:{before.splitlines()[2].rindex(base) + 1}")
    assert path.read_text() == before


# In ocibuild.lock


def test_builds_use_the_digests_of_the_lock_file(desk: Desk, registry: FakeRegistry) -> None:
    spec = f"vars: {{name: base}}\nbase: '{registry.host}/team/{{{{ name }}}}:v1'\n{LAYERS}"
    path = write(desk, spec)
    (file,) = lock(desk, lockfile=True).changed
    assert file == desk.directory / "ocibuild.lock"
    assert file.read_text().splitlines()[1:] == [f"{registry.host}/team/base:v1@{OLD.digest}"]
    assert path.read_text() == HEAD + spec

    registry.add_image("team/base", NEW, "v1")
    desk.build(spec)
    (image,) = read_layout(desk.path())
    assert image.manifest["annotations"]["org.opencontainers.image.base.name"] == f"{registry.host}/team/base:v1"
    assert image.manifest["annotations"]["org.opencontainers.image.base.digest"] == OLD.digest
    assert standings(desk, path) == ["moved"]
    lock(desk)
    assert base_of(desk) == f"{registry.host}/team/base:v1@{NEW.digest}"


def test_what_is_pinned_in_the_spec_stays_pinned_there(desk: Desk, registry: FakeRegistry) -> None:
    base = f"{registry.host}/team/base"
    path = write(desk, f"tags: [a]\nbase: {base}:v1@{NEW.digest}\n---\n{HEAD}tags: [b]\nbase: {base}\n")
    lock(desk, lockfile=True)
    assert path.read_text() == f"{HEAD}tags: [a]\nbase: {base}:v1@{OLD.digest}\n---\n{HEAD}tags: [b]\nbase: {base}\n"
    assert (desk.directory / "ocibuild.lock").read_text().splitlines()[1:] == [f"{base}:latest@{OLD.digest}"]
    plans = api.load([path], api.Overrides(), FACTS)
    assert [str(plan.platforms[0].base) for plan in plans] == [f"{base}:v1@{OLD.digest}", f"{base}:latest@{OLD.digest}"]


def test_a_lock_file_that_is_there_is_used_and_keeps_what_others_need(desk: Desk, registry: FakeRegistry) -> None:
    one = write(desk, f"base: {registry.host}/team/base:v1\n", "one.ocibuild.yaml")
    two = write(desk, f"tags: [two]\nbase: {registry.host}/team/base\n", "two.ocibuild.yaml")
    lock(desk, one, lockfile=True)
    assert [path.name for path in lock(desk, two).changed] == ["ocibuild.lock"]
    names = [
        line.partition("@")[0].rpartition(":")[2]
        for line in (desk.directory / "ocibuild.lock").read_text().splitlines()
    ]
    assert names[1:] == ["latest", "v1"]
    assert lock(desk).changed == ()


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("ghcr.io/octocat/base:1", "is not NAME:TAG@DIGEST"),
        ("ghcr.io/octocat/base:1@sha256:12", "sha256:12"),
        (f"ghcr.io/octocat/base:1@{NEW.digest}", "with another digest"),
    ],
)
def test_a_lock_file_that_cannot_be_right_stops_the_build(desk: Desk, line: str, said: str) -> None:
    path = write(desk, "base: ghcr.io/octocat/base:1\n")
    (desk.directory / "ocibuild.lock").write_text(f"# head\n\nghcr.io/octocat/base:1@{OLD.digest}\n{line}\n")
    with pytest.raises(SpecError) as caught:
        api.load([path], api.Overrides(), FACTS)
    (finding,) = caught.value.findings
    assert finding.place is not None
    assert (Path(finding.place.file).name, finding.place.line) == ("ocibuild.lock", 4)
    assert finding.place.excerpt == line
    assert said in finding.message


# Against the registry


def test_bases_stand_as_their_tags_do(desk: Desk, registry: FakeRegistry) -> None:
    base = f"{registry.host}/team/base"
    bodies = [
        f"{base}:v1",
        f"{base}:v1@{OLD.digest}",
        f"{base}:v1@{NEW.digest}",
        f"{base}@{NEW.digest}",
        "scratch",
        "oci:layout",
    ]
    texts = [f"tags: [t{number}]\nbase: {body}\n{LAYERS}" for number, body in enumerate(bodies)]
    path = write(desk, ("---\n" + HEAD).join(texts))
    found = states(desk)
    assert [state.standing.value for state in found] == ["unpinned", "current", "moved", "fixed"]
    findings = list(api.lock_findings(found))
    assert [finding.rule for finding in findings] == ["base-unpinned", "base-moved"]
    assert [finding.place.excerpt for finding in findings if finding.place] == [
        f"base: {bodies[0]}",
        f"base: {bodies[2]}",
    ]
    assert registry.requests("PUT|POST|PATCH|DELETE") == []
    assert path.read_text() == HEAD + ("---\n" + HEAD).join(texts)


@pytest.mark.parametrize("lockfile", [False, True])
def test_a_base_that_specs_share_is_told_once(desk: Desk, registry: FakeRegistry, *, lockfile: bool) -> None:
    write(desk, f"base: {registry.host}/team/base:v1\n", "shared.yaml")
    for name in ("one", "two"):
        write(desk, f"extends: ../shared.yaml\ntags: [{name}]\n", f"{name}/ocibuild.yaml")
    assert standings(desk) == ["unpinned"]
    locked = lock(desk, lockfile=lockfile)
    assert (len(locked.bases), len(locked.changed)) == (1, 2 if lockfile else 1)
    registry.add_image("team/base", NEW, "v1")
    assert standings(desk) == ["moved"]


def test_an_image_says_what_it_was_built_on(desk: Desk, registry: FakeRegistry) -> None:
    desk.build(f"image: {registry.host}/team/app\ntags: [v1]\nbase: {registry.host}/team/base:v1\n{LAYERS}")
    desk.push()
    for place in (desk.at("oci:layout"), at_registry(f"{registry.host}/team/app:v1")):
        (state,) = api.recorded_bases(place, desk.places)
        assert (str(state.reference), state.standing.value) == (f"{registry.host}/team/base:v1", "current")
    registry.add_image("team/base", NEW, "v1")
    (state,) = api.recorded_bases(desk.at("oci:layout"), desk.places)
    assert (state.standing.value, str(state.pinned), str(state.now)) == ("moved", OLD.digest, NEW.digest)


def test_an_image_from_nothing_records_no_base(desk: Desk, registry: FakeRegistry) -> None:
    desk.build(LAYERS)
    assert api.recorded_bases(desk.at("oci:layout"), desk.places) == ()
    assert isinstance(at_registry("a/b"), RegistryLocation)
