"""Outputs and summaries: what the runner reads is what was meant, whatever it is."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st

from ocibuild.ci.dotenv import dotenv
from ocibuild.ci.github_files import SUMMARY_LIMIT, put_outputs, put_summary, takes_summary
from tests.ci.outputs import read_dotenv, read_outputs

# What ends a line for the runner: no value of ours has others.
TEXT = st.text(st.characters(exclude_categories=("Cs", "Cc", "Zl", "Zp")) | st.just("\n"))


def environ(directory: Path) -> dict[str, str]:
    return {
        "GITHUB_ACTIONS": "true",
        "GITHUB_OUTPUT": str(directory / "output"),
        "GITHUB_STEP_SUMMARY": str(directory / "summary"),
    }


@settings(max_examples=50)
@given(value=TEXT)
def test_any_text_comes_back(value: str) -> None:
    with TemporaryDirectory() as directory:
        put_outputs({"one": value, "two": "x"}, environ(Path(directory)))
        assert read_outputs(Path(directory) / "output") == {"one": value, "two": "x"}


def test_no_value_can_end_its_block(tmp_path: Path) -> None:
    delimiters = iter(["guessed", "other"])
    value = "a\nguessed\nevil<<EOF\nx\nEOF"
    put_outputs({"metadata": value}, environ(tmp_path), lambda: next(delimiters))
    assert read_outputs(tmp_path / "output") == {"metadata": value}


def test_what_stands_there_stays(tmp_path: Path) -> None:
    (tmp_path / "output").write_text("mine=1")  # without the end of its line, as `printf` leaves it
    put_outputs({"digest": "sha256:1"}, environ(tmp_path))
    put_outputs({"tags": "a\nb"}, environ(tmp_path))
    assert read_outputs(tmp_path / "output") == {"mine": "1", "digest": "sha256:1", "tags": "a\nb"}


def test_outside_of_github_nothing_is_written(tmp_path: Path) -> None:
    for changes in ({"GITHUB_ACTIONS": "false"}, {"GITHUB_OUTPUT": "", "GITHUB_STEP_SUMMARY": ""}):
        outside = {**environ(tmp_path), **changes}
        put_outputs({"digest": "x"}, outside)
        put_summary("x", outside)
        assert not takes_summary(outside)
    assert list(tmp_path.iterdir()) == []


def test_summaries_add_up_and_stay_within_the_limit(tmp_path: Path) -> None:
    assert takes_summary(environ(tmp_path))
    put_summary("first\n", environ(tmp_path))
    put_summary("| é | row |\n" * 100_000, environ(tmp_path))
    put_summary("never seen\n" * 10, environ(tmp_path))
    raw = (tmp_path / "summary").read_bytes()
    assert len(raw) <= SUMMARY_LIMIT
    text = raw.decode()
    assert text.startswith("\nfirst\n\n| é | row |\n")
    assert set(text.splitlines()[3:-1]) == {"| é | row |", ""}, "cut between lines"
    assert text.endswith("_The rest is left out: a summary may have 1 MiB._\n")


def test_dotenv_has_one_line_a_variable(tmp_path: Path) -> None:
    (tmp_path / "image.env").write_text(dotenv({"IMAGE_REF": "a@b\nc@d", "IMAGE_TAGS": "", "IMAGE_NAME": " x\n"}))
    assert read_dotenv(tmp_path / "image.env") == {"IMAGE_REF": "a@b c@d", "IMAGE_TAGS": "", "IMAGE_NAME": "x"}
