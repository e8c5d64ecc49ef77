"""Text of others within Markdown: for comments on pull requests, and for summaries of CI jobs."""

from __future__ import annotations

from ocibuild.cli.messages import printable

_LIMIT = 300


def code(text: str) -> str:
    """`text` as code, in a table's cell too: nothing in it is markup, whoever wrote it. Cut where it is endless."""
    plain = printable(text if len(text) <= _LIMIT else f"{text[:_LIMIT]}...")
    if not plain:
        return ""
    if plain.strip(" ") == plain and not set("`|\\") & set(plain):
        return f"`{plain}`"
    # Renderers differ in how far a backslash goes in a cell. An entity is never markup (CommonMark, 2.5).
    return f"<code>{''.join(char if char.isalnum() else f'&#{ord(char)};' for char in plain)}</code>"
