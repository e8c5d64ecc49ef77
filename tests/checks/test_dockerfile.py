"""Labels out of Dockerfiles: what the builder would set, and where it is written."""

from __future__ import annotations

import pytest

from ocibuild.checks.dockerfile.stages import dockerfile_labels
from ocibuild.checks.labels import LabelSet
from ocibuild.checks.profiles import profile_named


def read(text: str) -> LabelSet:
    labels = dockerfile_labels("Dockerfile", text, profile_named("generic"))
    assert labels is not None
    return labels


def values(text: str) -> dict[str, str | None]:
    return {label.key: label.value for label in read("FROM scratch\n" + text).entries}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("LABEL a=b", {"a": "b"}),
        ('label a="b c" d=e', {"a": "b c", "d": "e"}),
        ("LABEL a='$x \"y\"'", {"a": '$x "y"'}),
        ('LABEL "a"=b', {"a": "b"}),
        ("LABEL a=", {"a": ""}),
        ("LABEL a b c", {"a": "b c"}),
        ('LABEL a "b c"  ', {"a": "b c"}),
        ("LABEL a=b=c", {"a": "b=c"}),
        (r"LABEL a=b\ c", {"a": "b c"}),
        (r'LABEL a="say \"hi\" \n"', {"a": 'say "hi" \\n'}),
        ('LABEL a=x"y z"w', {"a": "xy zw"}),
        ("LABEL a=b \\\n  c=d", {"a": "b", "c": "d"}),
        ("LABEL a=b \\\n# a comment\n\n  c=d", {"a": "b", "c": "d"}),
        ('LABEL a="b \\\n  c"', {"a": "b   c"}),
        ("LABEL a=b \\   \n  c=d", {"a": "b", "c": "d"}),
        ("LABEL a=b\r\nLABEL c=d\r\n", {"a": "b", "c": "d"}),
        ("LABEL a=b # c", {"a": "b"}),
        ("ARG v=1\nLABEL a=$v b=${v} c=${v}.0 d=x${v}y", {"a": "1", "b": "1", "c": "1.0", "d": "x1y"}),
        ("ENV v=1\nLABEL a=$v", {"a": "1"}),
        ("ENV v=1 größe=2\nLABEL a=$größe b=$vü c=$v-", {"a": "2", "b": None, "c": "1-"}),
        ("ENV v 1 2\nLABEL a=$v", {"a": "1 2"}),
        ("ARG v=1\nENV v=2\nLABEL a=$v", {"a": "2"}),
        ("ENV v=1\nENV v=2 w=$v\nLABEL a=$w", {"a": "1"}),
        ("ARG v\nLABEL a=$v b=${v:-x} c=${v:+x}", {"a": None, "b": "x", "c": None}),
        ("LABEL a=${v:-x} b=${v-y} c=${v:+z} d=$v", {"a": "x", "b": "y", "c": "", "d": None}),
        ("ENV v=\nLABEL a=${v:-x} b=${v-y} c=${v:+z} d=${v+z}", {"a": "x", "b": "", "c": "", "d": "z"}),
        ("ARG w=2\nLABEL a=${v:-${w:-3}}", {"a": "2"}),
        ("ENV v=1\nLABEL a=${v#x} b=${v%x} c=${v/x/y}", {"a": None, "b": None, "c": None}),
        ("LABEL a=${v b=c", {"a": None, "b": "c"}),
        (r"LABEL a=\$v b=$ c=$$", {"a": "$v", "b": "$", "c": None}),
        ("ARG TARGETARCH\nLABEL a=$TARGETARCH", {"a": None}),
        ("RUN <<EOF\nLABEL a=b\nEOF\nLABEL c=d", {"c": "d"}),
        ("RUN <<-'EOF' cat\n\tLABEL a=b\n\tEOF\nLABEL c=d", {"c": "d"}),
        ("COPY <<one <<two /x/\nLABEL a=b\none\nLABEL a=b\ntwo\nLABEL c=d", {"c": "d"}),
        ("RUN cat <<< text\nLABEL c=d", {"c": "d"}),
        ("RUN <<EOF\nnever closed\nLABEL a=b", {}),
        ("RUN <<'two words'\nLABEL a=b\ntwo words\nLABEL c=d", {"c": "d"}),
        ("RUN cat << EOF\nLABEL a=b\nEOF\nLABEL c=d", {"c": "d"}),
        ("RUN x=$((1<<4)) && echo 'a<<b' \"<<c\"\nLABEL c=d", {"c": "d"}),
        ("RUN echo it's <<EOF\nLABEL c=d", {"c": "d"}),
        ('RUN ["cat", "<<EOF"]\nLABEL c=d', {"c": "d"}),
        ("ONBUILD RUN <<EOF\nLABEL a=b\nEOF\nLABEL c=d", {"c": "d"}),
        ("COPY<< x\nLABEL c=d", {"c": "d"}),
        ("ONBUILD LABEL a=b\nLABEL c=d", {"c": "d"}),
        ("RUN one \\\\\nLABEL c=d", {"c": "d"}),
        ("ENV d=com.example\nLABEL $d.team=blue", {"com.example.team": "blue"}),
    ],
)
def test_a_label_is_what_the_builder_makes_of_it(text: str, expected: dict[str, str | None]) -> None:
    assert values(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("FROM a\nLABEL x=1\nFROM b\nLABEL y=2\n", {"y": "2"}),
        ("FROM a AS base\nLABEL x=1\nFROM base\nLABEL y=2\n", {"x": "1", "y": "2"}),
        ("FROM --platform=linux/amd64 a AS Base\nLABEL x=1\nFROM bAsE as last\n", {"x": "1"}),
        ("FROM a AS base\nENV v=1\nARG w=2\nFROM base\nLABEL x=$v y=$w\n", {"x": "1", "y": None}),
        ("ARG v=1\nFROM a\nLABEL x=$v\n", {"x": None}),
        ("ARG v=1\nFROM a\nARG v\nLABEL x=$v\n", {"x": "1"}),
        ("ARG v=1\nARG w=${v}2\nFROM a\nARG w\nLABEL x=$w\n", {"x": "12"}),
        ("ARG v=1\nFROM a\nARG v=2\nLABEL x=$v\n", {"x": "2"}),
        ("FROM a AS base\nLABEL x=1 y=1\nFROM base\nLABEL x=2\n", {"y": "1", "x": "2"}),
        ("ARG last=dev\nFROM a AS dev\nLABEL x=1\nFROM b AS prod\nLABEL x=2\nFROM $last\n", {"x": "1"}),
        ("# escape=`\nFROM a\nLABEL x=1 `\n  y=c:\\d z=`$e\n", {"x": "1", "y": "c:\\d", "z": "$e"}),
        ("# syntax=docker/dockerfile:1\n#  Escape = `\nFROM a\nLABEL x=1 `\n y=2\n", {"x": "1", "y": "2"}),
        ("# a comment\n# escape=`\nFROM a\nLABEL x=1 \\\n y=2\n", {"x": "1", "y": "2"}),
        ("\ufeffFROM a\nLABEL x=1\n", {"x": "1"}),
    ],
)
def test_the_final_stage_counts_with_what_it_inherits(text: str, expected: dict[str, str | None]) -> None:
    assert {label.key: label.value for label in read(text).entries} == expected


@pytest.mark.parametrize(
    ("text", "complete"),
    [
        ("FROM $base\n", True),  # whatever image that is, none of the file's own labels are its
        ("FROM a AS amd64\nFROM b AS arm64\nFROM $TARGETARCH\n", False),
        ("FROM a AS amd64\nFROM $TARGETARCH AS both\nFROM both\n", False),
        ("FROM a AS amd64\nFROM b\n", True),
    ],
)
def test_labels_of_a_stage_that_an_argument_chooses_are_not_all_known(text: str, complete: bool) -> None:
    assert read(text).complete == complete


@pytest.mark.parametrize("text", ["", "# nothing\n", "LABEL a=b\n", "hello"])
def test_a_file_without_a_stage_has_no_labels(text: str) -> None:
    assert dockerfile_labels("Dockerfile", text, profile_named("generic")) is None


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('LABEL a="b', "a quote in it is not closed"),
        ("LABEL a=b c", "'c' has no `=` right behind it"),
        ("LABEL =b", "'=b' has no `=`"),
        ("LABEL a", "'a' has no `=`"),
        ("LABEL a = b", "'a' has no `=` right behind it"),
        ("LABEL a= b", "'b' has no `=`"),
        ("LABEL", "LABEL names no value"),
        ('LABEL ""=b', "its key is empty"),
        ("ARG e=\nLABEL a=b $e=c", "its key is empty"),
    ],
)
def test_what_the_builder_refuses_is_a_fault_at_its_place(text: str, problem: str) -> None:
    (fault,) = read("FROM scratch\n" + text).broken
    assert problem in fault.message
    assert fault.place.line == 2 + text.count("\n")


@pytest.mark.parametrize(
    "text",
    [
        "LABEL a=" + "${v:-" * 5000 + "x" + "}" * 5000,
        "ENV v0=xxxxxxxx\n" + "".join(f"ENV v{n + 1}=$v{n}$v{n}\n" for n in range(60)) + "LABEL a=$v60",
    ],
    ids=["nested", "doubled"],
)
def test_what_would_fill_any_memory_is_not_worked_out(text: str) -> None:
    assert values(text) == {"a": None}


def test_places_are_those_of_the_text() -> None:
    labels = read('FROM scratch\nLABEL one=1 \\\n      two="a b" \\\n   three="c \\\n  d"\n')
    assert [(str(label.at_key), str(label.place), label.place.width) for label in labels.entries] == [
        ("Dockerfile:2:7", "Dockerfile:2:11", 1),
        ("Dockerfile:3:7", "Dockerfile:3:11", 5),
        ("Dockerfile:4:4", "Dockerfile:4:10", 3),
    ]
    assert labels.entries[1].place.excerpt == '      two="a b" \\'
    assert str(labels.place) == "Dockerfile:1:6"
