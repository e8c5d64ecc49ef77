"""push: checks before any request, then blobs, manifests, tags; what is there already is not sent again."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest

from ocibuild import api
from ocibuild.errors import AuthError, FindingsError, IntegrityError, NotFoundError, RegistryError
from ocibuild.events import Stage
from ocibuild.oci.blobs import Outcome
from ocibuild.oci.codec import encode
from ocibuild.oci.descriptor import Descriptor
from ocibuild.oci.digest import sha256
from ocibuild.oci.media_type import OCI_CONFIG, OCI_FOREIGN_LAYER, OCI_LAYER, OCI_MANIFEST
from ocibuild.oci.reference import parse_reference
from ocibuild.store.layout import Layout
from tests.fake_registry import BLOBS, MANIFESTS, SESSIONS, UPLOADS, FakeRegistry, error
from tests.recipes.conftest import OpenDesk
from tests.recipes.support import Desk, for_registry, records, rules

MULTI = "platforms: [linux/amd64, linux/arm64]\n"
SECOND = "  - {name: second, files: [{text: second, to: /second}]}\n"


def store_image(layout: Layout, *layers: Descriptor, **annotations: str) -> Descriptor:
    """An image whose layers are only described."""
    config = {
        "os": "linux",
        "architecture": "amd64",
        "rootfs": {"type": "layers", "diff_ids": ["sha256:" + "0" * 64] * len(layers)},
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": layout.put_bytes(encode(config), OCI_CONFIG).to_json(),
        "layers": [layer.to_json() for layer in layers],
        "annotations": annotations,
    }
    return layout.put_bytes(encode(manifest), OCI_MANIFEST)


# The way of an image


def test_what_was_built_arrives_and_is_named(desk: Desk, fake_registry: FakeRegistry) -> None:
    (built,) = desk.build(MULTI + for_registry(fake_registry, tags="v1, latest"))
    (pushed,) = desk.push()
    digest = str(built.descriptor.digest)
    assert fake_registry.tags("team/app") == {"v1": digest, "latest": digest}
    assert str(pushed.reference) == f"{fake_registry.host}/team/app@{digest}"
    assert pushed.tags == ("v1", "latest")
    assert pushed.transferred.sent_bytes == sum(descriptor.size for descriptor, _ in pushed.transferred.outcomes)
    assert fake_registry.open_sessions == 0


def test_blobs_come_before_manifests_children_before_the_index_and_tags_last(
    desk: Desk, fake_registry: FakeRegistry
) -> None:
    (built,) = desk.build(MULTI + for_registry(fake_registry))
    desk.push()
    puts = [record for record in records(fake_registry) if record.method == "PUT"]
    stored = [record.path.rpartition("/")[2] for record in puts if "/manifests/" in record.path]
    assert all("/blobs/uploads/" in record.path for record in puts[:4])
    assert stored == [*(str(image.descriptor.digest) for image in built.images), str(built.descriptor.digest), "v1"]
    last = records(fake_registry)[-1]
    assert (last.method, last.path, last.status) == ("HEAD", "/v2/team/app/manifests/v1", 200)


def test_a_plan_for_one_platform_pushes_that_image_out_of_an_index(desk: Desk, fake_registry: FakeRegistry) -> None:
    spec = MULTI + for_registry(fake_registry)
    (built,) = desk.build(spec)
    desk.load(spec, platforms=("linux/arm64",))
    (pushed,) = desk.push()
    assert pushed.reference.digest == built.images[1].descriptor.digest
    assert fake_registry.tags("team/app") == {"v1": str(built.images[1].descriptor.digest)}


def test_an_image_for_other_platforms_than_the_plan_is_not_pushed(desk: Desk, fake_registry: FakeRegistry) -> None:
    """Neither one that was built for another, nor an index with more than is wanted now."""
    spec = MULTI + for_registry(fake_registry)
    for built, wanted in ((("linux/amd64",), ("linux/arm64",)), ((), ("linux/amd64", "linux/riscv64"))):
        desk.build(spec, platforms=built)
        desk.load(spec, platforms=wanted)
        with pytest.raises(NotFoundError, match=f"and wanted is {', '.join(wanted)}"):
            desk.push()
    assert records(fake_registry) == []
    desk.build(spec, platforms=("linux/amd64",))
    desk.load(spec)  # what is there is pushed, as by runners that build a platform each
    assert len(desk.push()) == 1


def test_each_digest_travels_once(desk: Desk, fake_registry: FakeRegistry) -> None:
    """The layer that both platforms share, too."""
    desk.build(MULTI + for_registry(fake_registry) + SECOND)
    desk.push()
    bodies = [record.body_digest for record in fake_registry.requests("PUT", SESSIONS)]
    assert len(bodies) == len(set(bodies)) == 5  # two layers of their own, one shared, two configs


def test_a_second_push_sends_nothing(new_desk: OpenDesk, fake_registry: FakeRegistry) -> None:
    first = new_desk()
    first.build(MULTI + for_registry(fake_registry, tags="v1, latest"))
    first.push()
    assert first.done(Stage.TAG) == [("v1", "tagged"), ("latest", "tagged")]
    fake_registry.forget()
    second = new_desk()
    (pushed,) = second.push()
    assert {outcome for _, outcome in pushed.transferred.outcomes} == {Outcome.EXISTS}
    assert pushed.transferred.sent_bytes == 0
    assert {record.method for record in records(fake_registry)} == {"HEAD"}
    assert fake_registry.count("HEAD", BLOBS) == 4
    assert fake_registry.count("HEAD", MANIFESTS) == 3 + 2  # each by digest, and each tag
    assert second.done(Stage.TAG) == [("v1", "unchanged"), ("latest", "unchanged")]


def test_layers_have_the_names_of_the_spec_in_progress(desk: Desk, fake_registry: FakeRegistry) -> None:
    desk.build(for_registry(fake_registry) + SECOND)
    desk.push()
    subjects = [subject for subject, _ in desk.done(Stage.SEND)]
    assert {"app", "second"} < set(subjects)
    assert desk.done(Stage.TAG) == [("v1", "tagged")]


@pytest.mark.parametrize("by_digest", [False, True])
def test_of_several_images_each_line_of_progress_names_its_own(
    desk: Desk, fake_registry: FakeRegistry, by_digest: bool
) -> None:
    names = {"one": "1", "two": "2, latest"}
    desk.build(*(for_registry(fake_registry, f"team/{name}", tags) + SECOND for name, tags in names.items()))
    desk.push(by_digest=by_digest)
    one, two = ("one", "two") if by_digest else ("one:1", "two:2")
    sent = [subject for subject, _ in desk.done(Stage.SEND)]
    assert len(sent) == 6
    assert {f"{one} app", f"{one} second", f"{two} app", f"{two} second"} < set(sent)
    assert [subject.split()[0] for subject, _ in desk.done(Stage.MANIFEST)] == [one, two]
    assert [subject for subject, _ in desk.done(Stage.TAG)] == ([] if by_digest else ["one:1", "two:2", "two:latest"])


def test_one_image_that_goes_to_two_repositories_needs_no_name_in_progress(
    desk: Desk, fake_registry: FakeRegistry
) -> None:
    desk.build(for_registry(fake_registry))
    desk.push(f"{fake_registry.host}/a/app:1", f"{fake_registry.host}/b/app:1")
    assert desk.done(Stage.TAG) == [("1", "tagged")] * 2
    assert [subject for subject, _ in desk.done(Stage.SEND)].count("app") == 2


def test_progress_adds_up_to_the_size_of_each_blob(desk: Desk, fake_registry: FakeRegistry) -> None:
    fake_registry.on("PUT", SESSIONS).reset_after(10)
    desk.build(for_registry(fake_registry))
    desk.events.clear()
    desk.push()
    steps = desk.advanced()
    assert len(steps) == 2
    assert all(total == done for total, done in steps.values())


@pytest.mark.parametrize("of", ["oci-archive:image.tar", "docker-archive:image.tar"])
def test_archives_are_pushed_as_layouts_are(desk: Desk, fake_registry: FakeRegistry, of: str) -> None:
    (built,) = desk.build(for_registry(fake_registry), to=of)
    (pushed,) = desk.push(of=of)
    assert fake_registry.tags("team/app") == {"v1": str(pushed.reference.digest)}
    # A docker-archive has no manifest and no packed layers: it is another manifest over the same config.
    same = pushed.reference.digest == built.descriptor.digest
    assert same is of.startswith("oci-archive")
    assert fake_registry.blob("team/app", str(built.images[0].config_descriptor.digest)) is not None


def test_uploads_run_side_by_side(desk: Desk, fake_registry: FakeRegistry) -> None:
    """As many as `jobs` allows: each PUT waits here until four of them are under way."""
    layers = "".join(f"  - {{name: l{n}, files: [{{text: '{n}', to: /{n}}}]}}\n" for n in range(7))
    desk.build(f"image: {fake_registry.host}/team/app\ntags: [v1]\nlayers:\n{layers}")
    four = threading.Barrier(4)
    fake_registry.on("PUT", SESSIONS, times=8).call(lambda _: four.wait(timeout=10))
    desk.push()
    assert not four.broken
    assert fake_registry.connections >= 4


# Checks


def test_findings_stop_a_push_before_any_request(desk: Desk, fake_registry: FakeRegistry) -> None:
    desk.build(f"metadata: {{description: {'x' * 513}}}\n{for_registry(fake_registry)}")
    with pytest.raises(FindingsError) as caught:
        desk.push()
    assert rules(caught.value.findings) == ["description-too-long", "description-too-long"]
    assert "not pushed" in caught.value.what
    assert fake_registry.connections == 0


@pytest.mark.parametrize(
    ("layer", "rule"),
    [
        (Descriptor(f"{OCI_LAYER}+gzip", sha256(b"large"), 10**10 + 1), "layer-too-large"),
        (Descriptor(f"{OCI_FOREIGN_LAYER}+gzip", sha256(b"foreign"), 100), "foreign-layer-without-urls"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_no_registry_would_take_is_not_offered(
    desk: Desk, fake_registry: FakeRegistry, layer: Descriptor, rule: str
) -> None:
    layout = Layout.create(desk.path())
    image = store_image(layout, layer)
    with pytest.raises(FindingsError) as caught:
        api.push(image, layout, [parse_reference(f"{fake_registry.host}/team/app:v1")], desk.places)
    assert rules(caught.value.findings) == [rule]
    assert fake_registry.connections == 0


POLICY = "policy: {labels: {com.example.team: {required: true, enum: [web]}}}\n"
LONG_LICENSES = f"labels: {{org.opencontainers.image.licenses: {'x' * 257}}}\n"


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        (POLICY, ["policy-missing-label"]),
        (POLICY + "labels: {com.example.team: data}\n", ["policy-bad-value"]),
        (POLICY + "labels: {com.example.team: web}\n", []),
        (POLICY + "waivers: [{rule: policy-missing-label, reason: it is for all}]\n", []),
        (POLICY + "waivers: [{rule: policy-missing-label, reason: it was new, expires: 2020-01-01}]\n",
         ["policy-missing-label"]),
        (LONG_LICENSES + "waivers: [{rule: licenses-too-long, reason: our registry shows none}]\n", []),
    ],
)  # fmt: skip
def test_a_push_keeps_to_the_policy_and_the_waivers_of_its_spec(
    desk: Desk, fake_registry: FakeRegistry, spec: str, expected: list[str]
) -> None:
    desk.build(MULTI + spec + for_registry(fake_registry))
    assert [finding.rule for plan in desk.plan() for finding in plan.findings] == expected
    fake_registry.forget()
    if not expected:
        desk.push()
        return
    with pytest.raises(FindingsError, match="is not pushed: the image breaks the policy of its spec") as caught:
        desk.push()
    assert rules(caught.value.findings) == expected
    assert records(fake_registry) == []


def test_one_bad_image_stops_the_good_ones_beside_it(desk: Desk, fake_registry: FakeRegistry) -> None:
    bad = f"metadata: {{licenses: {'x' * 257}}}\n{for_registry(fake_registry, 'team/bad')}"
    desk.build(for_registry(fake_registry), bad)
    with pytest.raises(FindingsError, match="team/bad is not pushed"):
        desk.push()
    assert fake_registry.connections == 0


def test_the_profile_of_the_terms_counts(desk: Desk, fake_registry: FakeRegistry) -> None:
    strict = api.profile_named("generic")
    desk.build(f"metadata: {{description: short}}\n{for_registry(fake_registry)}")
    with pytest.raises(FindingsError, match="breaks the rules of profile strict"):
        desk.push(profile=replace(strict, name="strict", description_length=3))
    assert fake_registry.connections == 0


# What goes wrong


def test_a_refused_blob_leaves_no_manifest_and_no_tag(desk: Desk, fake_registry: FakeRegistry) -> None:
    fake_registry.quirk("POST", UPLOADS).reply(error(403, "DENIED"))
    desk.build(for_registry(fake_registry))
    with pytest.raises(AuthError):
        desk.push()
    assert fake_registry.count("PUT", MANIFESTS) == 0
    # Layer or config: what has not begun when the other is refused is left undone.
    assert "failed" in {outcome for _, outcome in desk.done(Stage.SEND)}


def test_a_blob_that_a_registry_loses_is_sent_again(desk: Desk, fake_registry: FakeRegistry) -> None:
    """Garbage collection between HEAD and PUT: the registry itself says which manifest it cannot take."""
    desk.build(for_registry(fake_registry))
    fake_registry.on("PUT", MANIFESTS).reply(error(400, "MANIFEST_BLOB_UNKNOWN"))
    (pushed,) = desk.push()
    assert fake_registry.tags("team/app") == {"v1": str(pushed.reference.digest)}
    bodies = [record.body_digest for record in fake_registry.requests("PUT", SESSIONS, status=201)]
    assert len(bodies) == 2 * len(set(bodies)) == 4
    assert any("they are sent again" in warning for warning in desk.warnings)


def test_a_registry_that_keeps_losing_blobs_is_given_up(desk: Desk, fake_registry: FakeRegistry) -> None:
    desk.build(for_registry(fake_registry))
    fake_registry.on("PUT", MANIFESTS, times=None).reply(error(400, "MANIFEST_BLOB_UNKNOWN"))
    with pytest.raises(RegistryError):
        desk.push()
    assert fake_registry.count("PUT", MANIFESTS) == 2


def test_a_blob_that_was_damaged_on_the_disk_is_noticed(desk: Desk, fake_registry: FakeRegistry) -> None:
    (built,) = desk.build(for_registry(fake_registry))
    blob = desk.path("layout/blobs/sha256") / built.images[0].layers[0].digest.encoded
    damaged = bytearray(blob.read_bytes())
    damaged[-1] ^= 1
    blob.chmod(0o644)
    blob.write_bytes(damaged)
    with pytest.raises(IntegrityError):
        desk.push()
    assert fake_registry.tags("team/app") == {}
    assert fake_registry.count("PUT", MANIFESTS) == 0
    assert fake_registry.open_sessions == 0


def test_a_tag_that_somebody_else_moves_meanwhile_is_noticed(desk: Desk, fake_registry: FakeRegistry) -> None:
    other = fake_registry.add_manifest("team/app", b"{}", OCI_MANIFEST)
    tags = fake_registry.contents.repository("team/app").tags
    fake_registry.quirk("PUT", "/v2/*/manifests/v1").call(lambda _: tags.update(v1=other))
    desk.build(for_registry(fake_registry))
    with pytest.raises(IntegrityError, match="was put, but points to") as caught:
        desk.push()
    assert "somebody else" in (caught.value.hint or "")
