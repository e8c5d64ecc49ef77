"""Writes docs/terminal.svg, a picture of a first build and push: run `python docs/make_terminal.py` when what they print has changed.

The commands are run, in an empty directory and against a registry that is started here.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from html import escape
from pathlib import Path

_TARGET = Path(__file__).with_name("terminal.svg")
_ROOT = Path(__file__).resolve().parents[1]
_SHOWN_REGISTRY = "127.0.0.1:5000"
_COMMANDS = (
    "ocibuild init",
    "ocibuild build -j 1",
    f"ocibuild push -j 1 {_SHOWN_REGISTRY}/octocat/hello:0.1.0",
    f"ocibuild ls {_SHOWN_REGISTRY}/octocat/hello",
)
_ELAPSED = re.compile(r" +\d+(\.\d+)?s$", re.MULTILINE)
_PROGRESS = re.compile(r"(layer|blob|manifest|tag)( .*?)( {2,})(built|sent|tagged)(.*)")

_COLUMNS, _CHARACTER, _LINE, _MARGIN, _BAR = 102, 8.43, 19, 18, 34
_STYLE = """
text { font: 14px ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace; fill: #d5dbe3; white-space: pre; }
.prompt { fill: #7d8896; } .typed { fill: #ffffff; font-weight: 600; } .kind { fill: #7fb4ff; } .done { fill: #7ee2a8; }
.result { fill: #ffd479; }
"""


def terminal_picture() -> str:
    """The whole picture."""
    lines = [line for command, output in session() for line in (_typed(command), *map(_printed, output), "")][:-1]
    width = round(_COLUMNS * _CHARACTER + 2 * _MARGIN)
    height = _BAR + len(lines) * _LINE + _MARGIN
    rows = "\n".join(
        f'<text x="{_MARGIN}" y="{_BAR + number * _LINE}">{line}</text>' for number, line in enumerate(lines, 1) if line
    )
    buttons = "".join(
        f'<circle cx="{_MARGIN + 4 + 20 * number}" cy="18" r="6" fill="{colour}"/>'
        for number, colour in enumerate(("#f2665c", "#f4bd4f", "#5bc466"))
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" aria-labelledby="title">\n'
        f'<title id="title">ocibuild build and ocibuild push in a terminal</title>\n<style>{_STYLE}</style>\n'
        f'<rect width="{width}" height="{height}" rx="10" fill="#171c24"/>\n{buttons}\n{rows}\n</svg>\n'
    )


def session() -> list[tuple[str, list[str]]]:
    """Each command, with the lines that it prints."""
    with tempfile.TemporaryDirectory() as directory, _registry(Path(directory)) as registry:
        return [(command, _run(command, Path(directory), registry)) for command in _COMMANDS]


def _run(command: str, place: Path, registry: str) -> list[str]:
    words = command.replace(_SHOWN_REGISTRY, registry).split()[1:]
    done = subprocess.run(  # noqa: S603 - our own words
        [sys.executable, "-m", "ocibuild", *words],
        cwd=place,
        env=_environment(place),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=True,
    )
    return _ELAPSED.sub("", done.stdout).replace(registry, _SHOWN_REGISTRY).splitlines()


def _environment(place: Path) -> dict[str, str]:
    """Nothing of whoever runs this, but where Python finds ocibuild."""
    return {"PATH": os.environ.get("PATH", os.defpath), "PYTHONPATH": str(_ROOT), "HOME": str(place)}


@contextmanager
def _registry(place: Path) -> Iterator[str]:
    """HOST:PORT of a registry on this machine."""
    words = [sys.executable, "-m", "ocibuild", "serve", "--port", "0", "registry"]
    with subprocess.Popen(  # noqa: S603 - our own words
        words, cwd=place, env=_environment(place), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as server:
        assert server.stdout is not None
        try:
            yield server.stdout.readline().strip().removeprefix("http://")
        finally:
            server.terminate()


def _typed(command: str) -> str:
    return _span("prompt", "$ ") + _span("typed", command.replace(" -j 1", ""))


def _printed(line: str) -> str:
    if found := _PROGRESS.fullmatch(line):
        kind, name, gap, state, rest = found.groups()
        return _span("kind", kind) + escape(name + gap) + _span("done", state) + escape(rest)
    return _span("result", line) if "@sha256:" in line else escape(line)


def _span(role: str, text: str) -> str:
    return f'<tspan class="{role}">{escape(text)}</tspan>'


if __name__ == "__main__":
    _TARGET.write_text(terminal_picture(), encoding="utf-8")
