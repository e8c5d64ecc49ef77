"""Examples of hypothesis have no deadline here: the machine may be shared, and none of these tests is about time."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("no-deadline", deadline=None)
settings.load_profile("no-deadline")
