"""Archives of regular files whose bytes depend on nothing but the files' names and contents."""

from __future__ import annotations

import tarfile
from collections.abc import Iterable

from ocibuild.store.writing import StagedFile

_USTAR_SIZE_LIMIT = 8 * 1024**3


class TarWriter:
    """Writes a tar: no owners, mtime 0, mode 0644. The caller decides on the order, and ends with `finish`."""

    def __init__(self, file: StagedFile) -> None:
        self._file = file

    def add(self, name: str, chunks: Iterable[bytes]) -> None:
        """Appends a file. How large it is need not be known: its header is filled in once its bytes are written."""
        start, unfilled = self._file.position, header(name, 0)
        self._file.write(unfilled)
        for chunk in chunks:
            self._file.write(chunk)
        size = self._file.position - start - len(unfilled)
        self._file.write(bytes(-size % tarfile.BLOCKSIZE))
        self._file.overwrite(start, header(name, size))

    def finish(self) -> None:
        """Appends the end of the archive, padded as every tar writes it."""
        self._file.write(bytes(2 * tarfile.BLOCKSIZE))
        self._file.write(bytes(-self._file.position % tarfile.RECORDSIZE))


def header(name: str, size: int) -> bytes:
    """What stands before a regular file in a tar: one block; three where the last part of the name has over 100 bytes."""
    info = tarfile.TarInfo(name)
    info.size, info.mode = size, 0o644
    # GNU's binary size field fits into the room that was left free; a PAX record would not. Blobs by SHA-512 have long names.
    fits = size < _USTAR_SIZE_LIMIT and len(name.rpartition("/")[2]) <= tarfile.LENGTH_NAME
    return info.tobuf(tarfile.USTAR_FORMAT if fits else tarfile.GNU_FORMAT)
