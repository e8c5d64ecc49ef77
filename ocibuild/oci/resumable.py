"""SHA-256 that can be left and taken up again, by another process too: what was hashed once need not be read again.

Python's hash objects keep their state to themselves. The OpenSSL that they are made with does not: SHA256_CTX is a public
structure (openssl/sha.h). Where Python has no such OpenSSL, or one that answers otherwise than expected, or no ctypes to ask it
with, there is no state to be had, and all else is the same.
"""

from __future__ import annotations

import hashlib
import struct
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ctypes import CDLL
    from hashlib import _Hash

_BLOCK = 64
_CONTEXT_SIZE = 256  # SHA256_CTX has 112 bytes
# Its beginning: the eight words of the hash, the count of bits in two halves, the block that is not full yet, and how much of it is.
_FIELDS = struct.Struct("=8I2I64sI")
_STATE = struct.Struct(">8IQ64s")  # those words, the count of bytes, that block
STATE_SIZE = _STATE.size
# What every SHA-256 begins with (FIPS 180-4, 5.3.3): a library that keeps it otherwise keeps all states otherwise.
_START = _STATE.pack(
    0x6A09E667, 0xBB67AE85, 0x3C6EF372, 0xA54FF53A, 0x510E527F, 0x9B05688C, 0x1F83D9AB, 0x5BE0CD19, 0, b""
)  # fmt: skip


class Sha256:
    """The SHA-256 of what it is fed, from nothing or from a `state` on (`can_resume` has to hold for that)."""

    def __init__(self, state: bytes = b"") -> None:
        self._engine: _OpenSsl | _Hash = _OpenSsl(state) if state or can_resume() else hashlib.sha256()

    def update(self, data: bytes | bytearray | memoryview) -> None:
        """Feed bytes."""
        self._engine.update(data)

    def state(self) -> bytes:
        """What another one goes on from, STATE_SIZE bytes; empty where there is none, without OpenSSL."""
        return self._engine.state() if isinstance(self._engine, _OpenSsl) else b""

    def hexdigest(self) -> str:
        """The hash of all that it was fed, as hexadecimal digits. That ends it: nothing is to be fed or asked afterwards."""
        return self._engine.hexdigest()


@cache
def can_resume() -> bool:
    """Whether states are to be had, and lead to the right hash."""
    try:
        first, second = bytes(range(_BLOCK)) * 2 + b"within a block", b"and the rest"
        begun = _OpenSsl()
        if begun.state() != _START:
            return False
        begun.update(first)
        resumed = _OpenSsl(begun.state())
        resumed.update(bytearray(second))
        return resumed.hexdigest() == hashlib.sha256(first + second).hexdigest()
    except (ImportError, OSError, AttributeError, struct.error):
        return False


class _OpenSsl:
    def __init__(self, state: bytes = b"") -> None:
        import ctypes

        self._ctypes, self._library = ctypes, _library()
        self._context = ctypes.create_string_buffer(_CONTEXT_SIZE)
        self._length = 0
        self._library.SHA256_Init(self._context)
        if state:
            *words, self._length, begun = _STATE.unpack(state)
            bits = self._length * 8
            _FIELDS.pack_into(self._context, 0, *words, bits & 0xFFFFFFFF, bits >> 32, begun, self._length % _BLOCK)

    def update(self, data: bytes | bytearray | memoryview) -> None:
        length = self._ctypes.c_size_t(len(data))
        if isinstance(data, bytearray) and data:  # large ones are hashed where they are
            self._library.SHA256_Update(
                self._context, self._ctypes.byref(self._ctypes.c_char.from_buffer(data)), length
            )
        else:
            self._library.SHA256_Update(self._context, bytes(data), length)
        self._length += len(data)

    def state(self) -> bytes:
        *words, _, _, begun, used = _FIELDS.unpack_from(self._context)
        return _STATE.pack(*words, self._length, begun[:used])

    def hexdigest(self) -> str:
        digest = self._ctypes.create_string_buffer(32)
        self._library.SHA256_Final(digest, self._context)
        return digest.raw.hex()


@cache
def _library() -> CDLL:
    """The OpenSSL that Python's own hashes come from: what is looked up in their module is looked up in its libraries too."""
    import _hashlib
    import ctypes

    library = ctypes.CDLL(_hashlib.__file__)
    library.SHA256_Init.restype = library.SHA256_Update.restype = library.SHA256_Final.restype = ctypes.c_int
    return library
