"""The colours of the report: text can be read on whatever it stands, by day and by night."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import ocibuild.report

STYLE = (Path(ocibuild.report.__file__).parent / "page.css").read_text("utf-8")
DAY, NIGHT, *_ = re.findall(r":root \{(.*?)\}", STYLE, re.DOTALL)
ENOUGH = 4.5  # WCAG 2.2, 1.4.3: text of normal size


def colours(block: str) -> dict[str, str]:
    return dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", block))


def luminance(colour: str) -> float:
    channels = (int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5))
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("palette", [colours(DAY), colours(NIGHT)], ids=["day", "night"])
def test_text_can_be_read(palette: dict[str, str]) -> None:
    grounds = [name for name in palette if name in ("paper", "panel") or re.fullmatch(r"c\d", name)]
    assert len(grounds) == 10
    pairs = [("text", ground) for ground in grounds]
    pairs += [
        (name, ground) for name in ("quiet", "accent", "added", "removed", "changed") for ground in ("paper", "panel")
    ]
    assert [pair for pair in pairs if contrast(*(palette[name] for name in pair)) < ENOUGH] == []


def test_the_contrast_of_black_and_white_is_known() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
