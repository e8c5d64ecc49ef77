"""A layout as a registry."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ocibuild.events import Emit, silent

if TYPE_CHECKING:
    from ocibuild.server.service import Server


@contextmanager
def serve(
    layout: str | Path,
    *,
    host: str = "127.0.0.1",
    port: int = 5000,
    read_only: bool = False,
    allow_remote: bool = False,
    trace: Callable[[str], None] | None = None,
    emit: Emit = silent,
) -> Iterator[Server]:
    """Serve an image layout as a registry at `server.url` until the block ends; `server.wait()` waits for a signal.

    The layout is made where it is missing, unless `read_only`. Port 0 takes a free one; `trace` is given a line for each
    request. For development and tests: no accounts, no TLS, so UsageError for addresses that others reach, unless
    `allow_remote`.
    """
    from ocibuild.server.callers import check_listening_address
    from ocibuild.server.service import serving
    from ocibuild.store.served_layout import ServedLayout

    check_listening_address(host, allow_remote=allow_remote)
    with ExitStack() as stack:
        if read_only:
            storage = ServedLayout.open(layout, emit=emit)
        else:
            storage = ServedLayout.create(layout, emit=emit)
            stack.enter_context(storage.receiving())
        yield stack.enter_context(
            serving(
                storage,
                host=host,
                port=port,
                read_only=read_only,
                allow_remote=allow_remote,
                trace=trace,
                emit=emit,
            )
        )
