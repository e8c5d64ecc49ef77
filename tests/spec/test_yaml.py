"""YAML: text stays as it is written, and no file makes reading it go wrong, slow or large."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from ocibuild.errors import SpecError
from ocibuild.findings import Finding
from ocibuild.oci.compression import Compressor
from ocibuild.oci.media_type import Compression
from ocibuild.plan import Directory, FilesLayer, ForeignLayer
from ocibuild.spec.load import Overrides, load_plans
from tests.spec.specs import HEAD, facts, findings_of, items_of, plan_of, write

AS_WRITTEN = [
    *("1.10", "0644", "0x1F", "1_000", "22:22", "1e3", ".5", "-0", "+1", ".inf", ".NaN", "0b11", "0o17"),
    *("no", "yes", "on", "off", "true", "false", "True", "null", "~", "Null", "y", "n"),
    *("2024-01-02", "2024-01-02T03:04:05Z", "2024-1-2 3:4:5", "<<", "=", "=x", "1.10.0", "sha256:ab", "a b", "é", "🚀"),
]


@pytest.mark.parametrize("text", AS_WRITTEN)
def test_text_is_taken_as_it_is_written(tmp_path: Path, text: str) -> None:
    plan = plan_of(tmp_path, f"labels: {{value: {text}}}\nconfig: {{cmd: [{text}], env: {{A: {text}}}}}\n")
    assert plan.platforms[0].labels == (("value", text),)
    assert plan.platforms[0].settings.cmd == (text,)
    assert plan.platforms[0].settings.env == (("A", text),)


@pytest.mark.parametrize("key", AS_WRITTEN)
def test_keys_are_text_too(tmp_path: Path, key: str) -> None:
    if key == "<<":
        return  # the one key that other readers of YAML would not take as text
    assert plan_of(tmp_path, f"labels: {{{key}: x}}\n").platforms[0].labels == ((key, "x"),)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufeff\ufffe\uffff"), max_size=40))
@example("{{")
@example("a: b # c")
def test_quoted_text_survives(tmp_path: Path, text: str) -> None:
    if "{{" in text or "{%" in text:
        text = text.replace("{", "(")
    quoted = "'" + text.replace("'", "''") + "'"
    if any(mark in text for mark in "\u2028\u2029\x85"):
        return  # line ends of YAML 1.1, which fold
    assert plan_of(tmp_path, f"labels: {{value: {quoted}}}\n").platforms[0].labels == (("value", text),)


def test_numbers_and_truth_values_are_plain_or_rendered(tmp_path: Path) -> None:
    body = "vars: {level: 9}\ncompression: {type: zstd, level: '{{ level }}'}\nlayers:\n  - files: [{directory: true, to: /a}]\n"
    (layer,) = plan_of(tmp_path, body).platforms[0].layers
    assert isinstance(layer, FilesLayer)
    assert layer.compressor == Compressor(Compression.ZSTD, 9)
    assert layer.items == (Directory("/a"),)
    (finding,) = findings_of(tmp_path, "compression: {type: zstd, level: '9'}\n")
    assert (finding.rule, finding.hint) == ("spec-wrong-type", "write digits only, without quotes")


@pytest.mark.parametrize("size", ["0", "9223372036854775807"])
def test_sizes_are_whole_numbers(tmp_path: Path, size: str) -> None:
    digest = "sha256:" + "0" * 64
    body = f"layers: [{{foreign: {{size: {size}, digest: '{digest}', diff_id: '{digest}'}}}}]\n"
    (layer,) = plan_of(tmp_path, body).platforms[0].layers
    assert isinstance(layer, ForeignLayer)
    assert (layer.size, layer.urls) == (int(size), ())


def test_anchors_and_aliases_of_whole_values(tmp_path: Path) -> None:
    items = items_of(tmp_path, "{text: &greeting hello, to: /a}", "{text: *greeting, to: /b}")
    assert [getattr(item, "content", None) for item in items] == [b"hello", b"hello"]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_line_ends_and_places(tmp_path: Path, end: str) -> None:
    text = end.join([HEAD.strip(), "# é 🚀", "labels: {é: 🚀, a: [x]}", "base: a/b", ""])
    path = write(tmp_path, text)
    with pytest.raises(SpecError) as caught:
        load_plans([path], Overrides(), facts())
    (finding,) = caught.value.findings
    assert str(finding.place) == f"{path}:3:19"
    assert finding.place is not None
    assert finding.place.excerpt == "labels: {é: 🚀, a: [x]}"


def test_a_byte_order_mark_is_dropped(tmp_path: Path) -> None:
    path = write(tmp_path, "\ufeff" + HEAD + "base: a/b\n")
    (plan,) = load_plans([path], Overrides(), facts())
    assert plan.origin is not None
    assert plan.origin.column == 1


HOSTILE = {
    "spec-empty": [b"", b"\n\n", b"# nothing\n", b"---\n---\n...\n", b"\xef\xbb\xbf"],
    "spec-not-utf8": [b"a: \xff", HEAD.encode("utf-16"), b"a: caf\xe9", b"\xed\xa0\x80"],
    "spec-control-character": [b"a: \x00", b"a: \x1b[31m", b"a: \x7f", b"a: b\xef\xbb\xbf"],
    "spec-too-large": [b"#" * ((1 << 20) + 1)],
    "spec-too-deep": [b"[" * 100_000, b"{a: " * 100_000, b"- " * 100_000, b"a:\n" + b" [" * 200],
    "spec-alias-expansion": [
        b"a: &a [x,x,x,x,x,x,x,x,x]\n"
        + b"".join(b"%c: &%c [%s]\n" % (n, n, b",".join([b"*%c" % (n - 1)] * 9)) for n in range(98, 108)),
        b"a: &a " + b"x" * 500_000 + b"\nb: [*a, *a, *a]",
    ],
    "spec-recursive-alias": [b"a: &a [*a]", b"&a {b: *a}", b"&a {b: [{c: *a}]}"],
    "spec-undefined-alias": [b"a: *b", b"a: &a x\n---\nb: *a"],
    "spec-key-not-text": [b"? [a]\n: b", b"{a: b}: c", b"? \n: x", b"a: &a b\n*a : c", b"? " * 1000],
    "spec-tag": [HEAD.encode() + b"base: !!python/object:os.system a/b", HEAD.encode() + b"base: a/b\nlabels: !foo {}"],
}


@pytest.mark.parametrize("rule", HOSTILE)
def test_hostile_files(tmp_path: Path, rule: str) -> None:
    for raw in HOSTILE[rule]:
        path = tmp_path / "ocibuild.yaml"
        path.write_bytes(raw)
        started = time.monotonic()
        with pytest.raises(SpecError) as caught:
            load_plans([path], Overrides(), facts())
        assert rule in [finding.rule for finding in caught.value.findings], raw[:40]
        assert time.monotonic() - started < 5


def test_unreadable_files(tmp_path: Path) -> None:
    for path, rule in ((tmp_path / "none.yaml", "spec-not-found"), (tmp_path / ("x" * 300), "spec-unreadable")):
        with pytest.raises(SpecError) as caught:
            load_plans([path], Overrides(), facts())
        assert [finding.rule for finding in caught.value.findings] == [rule]


def test_messages_are_one_printable_line(tmp_path: Path) -> None:
    body = '"\\e[31mred\\nline": x\nformat: "\\e\\n"\n' + f"{'k' * 1000}: x\n"
    found = findings_of(tmp_path, body)
    assert len(found) == 3
    for finding in found:
        assert finding.message.isprintable()
        assert len(finding.message) < 500


WORDS = st.sampled_from(
    [
        *(
            "apiVersion: ocibuild/v1",
            "layers:",
            "files:",
            "copy: a",
            "to: /b",
            "text: x",
            "vars:",
            "version",
            "image: a/b",
        ),
        *(
            "tags:",
            "platforms:",
            "base:",
            "linux/amd64",
            "mode: 0755",
            "owner: keep",
            "config:",
            "env:",
            "- ",
            ": ",
            ", ",
        ),
        *("{", "}", "[", "]", "{{ ", " }}", "{% ", " %}", "&a ", "*a", "<<: ", "!!", "? ", "~", "#", '"', "'", "é"),
        *("\n", "\n  ", "\n    ", "---\n"),
    ]
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=150)
@given(st.one_of(st.lists(WORDS, max_size=40).map(lambda words: "".join(words).encode()), st.binary(max_size=60)))
def test_whatever_a_file_holds_only_findings_come_of_it(tmp_path: Path, raw: bytes) -> None:
    path = tmp_path / "fuzz.yaml"
    for text in (raw, HEAD.encode() + raw):
        path.write_bytes(text)
        for finding in _findings(path):
            assert finding.place is not None
            assert finding.hint


def _findings(path: Path) -> tuple[Finding, ...]:
    try:
        load_plans([path], Overrides(), facts(git={}))
    except SpecError as error:
        return error.findings
    return ()
