"""Images that are honest enough for the oracle: a tar, its diff_id, a config."""

from __future__ import annotations

import io
import tarfile
from dataclasses import dataclass
from typing import Any

from tests.server.support import CONFIG, LAYER, MANIFEST, descriptor_of, digest_of, encoded


@dataclass(frozen=True)
class Picture:
    """An image: its manifest, and all blobs that it names."""

    manifest: dict[str, Any]
    blobs: tuple[bytes, ...]

    @property
    def descriptor(self) -> dict[str, Any]:
        return descriptor_of(encoded(self.manifest), MANIFEST)


def picture(name: str, content: bytes = b"", architecture: str = "amd64") -> Picture:
    """A runnable image with one uncompressed layer of one file, `name`."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        member = tarfile.TarInfo(name)
        member.size = len(content)
        tar.addfile(member, io.BytesIO(content))
    layer = buffer.getvalue()
    config = encoded(
        {
            "os": "linux",
            "architecture": architecture,
            "rootfs": {"type": "layers", "diff_ids": [digest_of(layer)]},
            "history": [{"created_by": "test"}],
        }
    )
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": descriptor_of(config, CONFIG),
        "layers": [descriptor_of(layer, LAYER)],
    }
    return Picture(manifest, (config, layer))
