"""Nothing secret and nothing that acts on a terminal is shown."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocibuild.registry.redact import printable, redact_url


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://r/v2/a/tags/list?n=1&last=x", "https://r/v2/a/tags/list?n=1&last=x"),
        ("https://u:p@r:5000/v2/", "https://r:5000/v2/"),
        ("https://s3/blob?X-Amz-Signature=abc&digest=sha256:1", "https://s3/blob?X-Amz-Signature=REDACTED&digest=sha256:1"),
        ("https://r/token?service=s&scope=repository:a:pull&account=me", "https://r/token?service=s&scope=repository:a:pull&account=REDACTED"),
        ("https://r/?flag&_state=", "https://r/?flag&_state=REDACTED"),
        ("/v2/?mount=1&from=2", "/v2/?mount=1&from=2"),
        ("https://[bad", "an unreadable address"),
    ],
)  # fmt: skip
def test_urls_lose_their_secrets(url: str, shown: str) -> None:
    assert redact_url(url) == shown


def test_control_characters_are_escaped() -> None:
    assert printable("a\x1b]0;title\x07\nb\u202ec") == "a\\x1b]0;title\\x07 b\\u202ec"


@given(st.text(max_size=200))
def test_whatever_a_server_says_stays_on_one_line(text: str) -> None:
    line = printable(text)
    assert line.isprintable() or not any(ord(character) < 32 or 127 <= ord(character) < 160 for character in line)
    assert "\n" not in line


def test_long_texts_are_cut() -> None:
    assert len(printable("x" * 10**6)) < 600
