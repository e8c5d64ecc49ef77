"""What the registry answers when it does not do what was asked (distribution-spec, "Error Codes")."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Code(StrEnum):
    """The error codes of the specification that occur here, and UNKNOWN, which its predecessor had for the server's faults."""

    BLOB_UNKNOWN = "BLOB_UNKNOWN"
    BLOB_UPLOAD_INVALID = "BLOB_UPLOAD_INVALID"
    BLOB_UPLOAD_UNKNOWN = "BLOB_UPLOAD_UNKNOWN"
    DENIED = "DENIED"
    DIGEST_INVALID = "DIGEST_INVALID"
    MANIFEST_BLOB_UNKNOWN = "MANIFEST_BLOB_UNKNOWN"
    MANIFEST_INVALID = "MANIFEST_INVALID"
    MANIFEST_UNKNOWN = "MANIFEST_UNKNOWN"
    NAME_INVALID = "NAME_INVALID"
    NAME_UNKNOWN = "NAME_UNKNOWN"
    SIZE_INVALID = "SIZE_INVALID"
    UNSUPPORTED = "UNSUPPORTED"
    UNKNOWN = "UNKNOWN"


@dataclass(frozen=True, slots=True)
class Reason:
    """One item of an error reply."""

    code: Code
    message: str
    detail: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """The item as the specification has it."""
        return {"code": self.code.value, "message": self.message, **({"detail": self.detail} if self.detail else {})}


class Refusal(Exception):  # noqa: N818 - it is no error of this program, but an answer
    """An answer of a status from 400, with its reasons, and the headers that go with it."""

    def __init__(self, status: int, *reasons: Reason, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(status, *(reason.message for reason in reasons))
        self.status = status
        self.reasons: Sequence[Reason] = reasons
        self.headers = dict(headers or {})


def refuse(
    status: int,
    code: Code,
    message: str,
    detail: Mapping[str, Any] | None = None,
    *,
    headers: Mapping[str, str] | None = None,
) -> Refusal:
    """A refusal for one reason, to be raised."""
    return Refusal(status, Reason(code, message, detail or {}), headers=headers)
