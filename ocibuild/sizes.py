"""Numbers of bytes as people read them."""

from __future__ import annotations


def human_size(size: int) -> str:
    """`size` bytes in SI units, as docker shows them: 1.84kB, 91.7MB."""
    if size < 1000:
        return f"{size}B"
    value = float(size)
    for unit in ("kB", "MB", "GB"):
        value /= 1000
        if value < 999.5:
            return f"{value:.3g}{unit}"
    return f"{value / 1000:.3g}TB"
