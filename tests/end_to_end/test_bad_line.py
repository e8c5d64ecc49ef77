"""A push over a line that drops every 30 MB, to a registry that throttles."""

from __future__ import annotations

import os
from pathlib import Path

from tests.cli.program import succeed
from tests.fake_registry import SESSIONS, UPLOADS, FakeRegistry
from tests.registry.bad_line import bad_line

MB = 10**6


def test_a_push_over_a_line_that_drops_and_throttles(tmp_path: Path, fake_registry: FakeRegistry) -> None:
    sizes = {"large": 70 * MB, "middle": 25 * MB, "small": 5 * MB}
    for name, size in sizes.items():
        (tmp_path / name).write_bytes(os.urandom(size))
    fake_registry.on("POST", UPLOADS).respond(429, {"Retry-After": "1"})
    fake_registry.on("PUT", SESSIONS).respond(429, {"Retry-After": "1"})
    with bad_line(fake_registry.host, 30 * MB, over_all=True) as line:
        layers = "".join(f"  - {{name: {name}, files: [{{copy: {name}, to: /{name}}}]}}\n" for name in sizes)
        text = f"apiVersion: ocibuild/v1\nimage: {line.host}/team/app\ntags: ['1']\nlayers:\n{layers}"
        (tmp_path / "ocibuild.yaml").write_text(text)
        digest = succeed("build", cwd=tmp_path).digest
        assert succeed("push", "-vv", cwd=tmp_path).digest == digest
        assert line.breaks >= 3
    assert fake_registry.tags("team/app") == {"1": digest}
    stored: set[str] = set()
    for record in fake_registry.requests("PUT|POST|PATCH", "*"):
        wanted = record.request.values("digest")
        assert not stored & set(wanted), "a blob that was stored is sent again"
        if record.status == 201 and "/blobs/uploads/" in record.path:
            stored |= set(wanted)
    assert len(stored) == 4
