"""`extends`: how files merge, what paths are relative to, and where messages point."""

from __future__ import annotations

from pathlib import Path

import pytest

from ocibuild.errors import SpecError
from ocibuild.plan import Copy, FilesLayer, Plan, Text
from ocibuild.spec.inheritance import DEPTH_LIMIT
from ocibuild.spec.load import Overrides, load_plans, render_specs
from tests.spec.specs import HEAD, NOTHING, facts

BASE = "base: ghcr.io/octocat/base:1\n"


def write(directory: Path, /, **files: str) -> Path:
    """Files by name (`__` for a slash, `.yaml` added), each with the first line of a spec; the path of `spec`."""
    for name, body in files.items():
        path = directory / f"{name.replace('__', '/')}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(HEAD + body)
    return directory / "spec.yaml"


def load(directory: Path, overrides: Overrides = NOTHING, /, **files: str) -> Plan:
    (plan,) = load_plans([write(directory, **files)], overrides, facts())
    return plan


def refusals(directory: Path, /, **files: str) -> list[str]:
    with pytest.raises(SpecError) as caught:
        load(directory, **files)
    return [f"{Path(one.place.file).name}:{one.place.line} {one.message}" for one in caught.value.findings if one.place]


def test_maps_merge_at_every_depth_and_the_rest_replaces(tmp_path: Path) -> None:
    shared = (
        "labels: {team: web, tier: front}\n"
        "platforms: [linux/amd64, linux/arm64]\n"
        "config: {user: '1:1', env: {LANG: C, A: below}, cmd: [a, b]}\n" + BASE
    )
    own = "extends: shared.yaml\nlabels: {tier: back}\nplatforms: [linux/s390x]\nconfig: {env: {A: above}, cmd: [c]}\n"
    (part,) = load(tmp_path, shared=shared, spec=own).platforms
    assert str(part.platform) == "linux/s390x"
    assert dict(part.labels) == {"team": "web", "tier": "back"}
    assert part.settings.env == (("LANG", "C"), ("A", "above"))
    assert (part.settings.user, part.settings.cmd) == ("1:1", ("c",))


def test_later_files_lie_over_earlier_ones_and_files_extend_others(tmp_path: Path) -> None:
    part = load(
        tmp_path,
        top="labels: {a: top, b: top, c: top, d: top}\n" + BASE,
        first="extends: top.yaml\nlabels: {b: first, c: first}\n",
        second="labels: {c: second}\n",
        spec="extends: [first.yaml, second.yaml]\nlabels: {d: own}\n",
    ).platforms[0]
    assert dict(part.labels) == {"a": "top", "b": "first", "c": "second", "d": "own"}


def test_variables_merge_and_inherited_templates_see_them(tmp_path: Path) -> None:
    shared = "vars: {name: {required: true}, registry: ghcr.io}\nimage: '{{ registry }}/octocat/{{ name }}'\n" + BASE
    spec = "extends: shared.yaml\nvars: {name: hello, more: '{{ name }}!'}\nlabels: {more: '{{ more }}'}\n"
    plan = load(tmp_path, shared=shared, spec=spec)
    assert str(plan.image) == "ghcr.io/octocat/hello"
    assert dict(plan.platforms[0].labels) == {"more": "hello!"}
    overrides = Overrides(sets={"registry": "quay.io"})
    assert str(load(tmp_path, overrides, shared=shared, spec=spec).image) == "quay.io/octocat/hello"


def test_paths_stay_relative_to_the_spec(tmp_path: Path) -> None:
    (tmp_path / "app").mkdir()
    (tmp_path / "app/motd.j2").write_text("hello {{ platform.arch }}")
    (tmp_path / "motd.j2").write_text("not this one")
    shared = "layers: [{files: [{copy: dist, to: /srv}, {template: motd.j2, to: /etc/motd}]}]\n"
    file = write(tmp_path, shared=shared, app__ocibuild="extends: ../shared.yaml\n").parent / "app/ocibuild.yaml"
    (plan,) = load_plans([file], NOTHING, facts())
    (layer,) = plan.platforms[0].layers
    assert isinstance(layer, FilesLayer)
    assert layer.context == tmp_path / "app"
    copy, text = layer.items
    assert isinstance(copy, Copy)
    assert copy.source == "dist"
    assert isinstance(text, Text)
    assert text.content == b"hello amd64"


def test_a_policy_is_relative_to_the_file_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "labels.yaml").write_text("labels: {a: {required: true}}\n")
    shared = "policy: labels.yaml\n" + BASE
    plan = load(tmp_path, shared=shared, spec="extends: shared.yaml\n")
    write(tmp_path, web__app__ocibuild="extends: ../../shared.yaml\n", web__own="extends: app/../../shared.yaml\n")
    deeper = [load_plans([tmp_path / name], NOTHING, facts())[0] for name in ("web/app/ocibuild.yaml", "web/own.yaml")]
    assert plan.policy is not None
    assert plan.policy.name == str(tmp_path / "labels.yaml")
    assert [one.policy for one in deeper] == [plan.policy, plan.policy]


def test_no_link_is_followed_to_find_a_policy_beside_a_file(tmp_path: Path) -> None:
    (tmp_path / "labels.yaml").write_text("labels: {a: {required: true}}\n")
    file = write(tmp_path, elsewhere__deep__spec="policy: ../labels.yaml\nextends: ../shared.yaml\n", shared=BASE)
    (tmp_path / "app").symlink_to("elsewhere/deep")
    (plan,) = load_plans([tmp_path / "app" / file.name], NOTHING, facts())
    assert plan.policy is not None
    assert plan.policy.name == str(tmp_path / "labels.yaml")


def test_a_fault_of_a_policy_that_specs_share_is_told_once(tmp_path: Path) -> None:
    (tmp_path / "labels.yaml").write_text("labels: {a: {required: maybe}}\n")
    own = "policy: ../labels.yaml\n" + BASE
    write(tmp_path, one__ocibuild=own + "tags: [one]\n", two__ocibuild=own + "tags: [two]\n")
    with pytest.raises(SpecError) as caught:
        load_plans([tmp_path], NOTHING, facts())
    (finding,) = caught.value.findings
    assert str(finding.place).startswith(f"{tmp_path}/labels.yaml:1:")


def test_inherited_sources_do_not_leave_the_directory_of_the_spec(tmp_path: Path) -> None:
    shared = "layers:\n  - files: [{copy: ../secret, to: /srv}]\n"
    write(tmp_path, shared=shared, app__spec="extends: ../shared.yaml\n")
    with pytest.raises(SpecError) as caught:
        load_plans([tmp_path / "app/spec.yaml"], NOTHING, facts())
    (finding,) = caught.value.findings
    assert finding.place is not None
    assert (finding.place.file, finding.place.line) == (str(tmp_path / "shared.yaml"), 3)
    assert "leaves the directory of the spec" in finding.message


def test_a_plan_knows_the_files_that_it_was_read_from(tmp_path: Path) -> None:
    (tmp_path / "motd.j2").write_text("hello")
    shared = "extends: top.yaml\nlayers: [{files: [{template: motd.j2, to: /etc/motd}]}]\n"
    plan = load(tmp_path, top="labels: {a: b}\n", shared=shared, spec="extends: shared.yaml\n", unrelated="")
    assert [path.name for path in plan.files] == ["motd.j2", "ocibuild.lock", "shared.yaml", "spec.yaml", "top.yaml"]


def test_what_is_rendered_is_whole(tmp_path: Path) -> None:
    file = write(tmp_path, shared="labels: {a: b}\n" + BASE, spec="extends: shared.yaml\ntags: [v1]\n")
    (document,) = render_specs([file], NOTHING, facts())
    assert document == {
        "apiVersion": "ocibuild/v1",
        "labels": {"a": "b"},
        "base": "ghcr.io/octocat/base:1",
        "tags": ["v1"],
    }


def test_several_documents_and_files_may_share_one(tmp_path: Path) -> None:
    file = write(
        tmp_path,
        shared="image: ghcr.io/octocat/{{ name }}\nvars: {name: {required: true}}\n" + BASE,
        spec="extends: shared.yaml\nvars: {name: one}\n---\n" + HEAD + "extends: shared.yaml\nvars: {name: two}\n",
    )
    assert [str(plan.image) for plan in load_plans([file], NOTHING, facts())] == [
        "ghcr.io/octocat/one",
        "ghcr.io/octocat/two",
    ]


def test_what_is_wrong_is_told_where_it_is_written(tmp_path: Path) -> None:
    shared = "format: oci\nlabels:\n  a: '{{ nothing }}'\n" + BASE
    told = refusals(tmp_path, shared=shared, spec="extends: shared.yaml\nfromat: docker\n")
    assert told == [
        "spec.yaml:3 `fromat` is not a key of a spec",
        "shared.yaml:4 there is no variable `nothing`",
    ]


def test_a_diamond_is_no_cycle_and_is_read_once(tmp_path: Path) -> None:
    plan = load(
        tmp_path,
        top="labels: {a: top}\n" + BASE,
        left="extends: top.yaml\n",
        right="extends: top.yaml\nlabels: {a: right}\n",
        spec="extends: [right.yaml, left.yaml]\n",
    )
    assert dict(plan.platforms[0].labels) == {"a": "top"}, "the last file, with all that it extends, is on top"


@pytest.mark.parametrize("too_deep", [False, True])
def test_depth_is_bounded(tmp_path: Path, too_deep: bool) -> None:
    length = DEPTH_LIMIT + too_deep
    files = {f"f{number}": f"extends: f{number + 1}.yaml\n" for number in range(1, length)}
    files[f"f{length}"] = BASE
    if too_deep:
        told = refusals(tmp_path, spec="extends: f1.yaml\n", **files)
        assert f"f{DEPTH_LIMIT}.yaml:2 files extend one another more than {DEPTH_LIMIT} deep here" in told
    else:
        assert load(tmp_path, spec="extends: f1.yaml\n", **files).platforms[0].base is not None


def test_a_link_to_a_file_that_is_extended_already_is_a_cycle(tmp_path: Path) -> None:
    (tmp_path / "again.yaml").symlink_to("spec.yaml")
    (told,) = refusals(tmp_path, spec="extends: again.yaml\n" + BASE)
    assert "leads back to itself" in told


def test_many_files_that_extend_each_other_crosswise_are_no_burden(tmp_path: Path) -> None:
    names = [f"{side}{level}" for level in range(DEPTH_LIMIT) for side in "ab"]
    above = {
        name: f"extends: [a{int(name[1:]) + 1}.yaml, b{int(name[1:]) + 1}.yaml]\nlabels: {{{name}: x}}\n"
        for name in names
        if int(name[1:]) < DEPTH_LIMIT - 1
    }
    top = {f"{side}{DEPTH_LIMIT - 1}": BASE for side in "ab"}
    plan = load(tmp_path, spec="extends: [a0.yaml, b0.yaml]\n", **above, **top)
    assert len(plan.platforms[0].labels) == 2 * (DEPTH_LIMIT - 1)
    assert len(plan.files) == 2 + 2 * DEPTH_LIMIT
