"""The connections of a rank to the others, for a rank that has failed to close.

A process that waits in a collective of gloo cannot be called back: there is no abort, and a
collective that does not match ends the process. It hears at once of a connection that is gone.
"""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, TypeAlias

import torch.distributed as dist

Ends: TypeAlias = tuple[tuple[Any, ...], tuple[Any, ...]]
_FILES = "/dev/fd"  # on Linux and macOS; elsewhere no connection is found, and none closed
_OVER_A_NETWORK = (socket.AF_INET, socket.AF_INET6)


def ends_here() -> list[Ends]:
    """Both ends, this one first, of all connections of this process over TCP."""
    return [ends for _, ends in _connections()]


def between(own: list[Ends], everywhere: list[list[Ends]], store: Any) -> set[Ends]:
    """Of the own connections those whose other end is another rank's.

    The store's are none of them: over it the ranks tell each other why.

    Args:
        own: of this rank, from `ends_here`.
        everywhere: of all ranks.
        store: of the process group.
    """
    mirrored = {(there, here) for listed in everywhere for here, there in listed}
    while isinstance(store, dist.PrefixStore):
        store = store.underlying_store
    port = getattr(store, "port", None)
    return {ends for ends in own if ends in mirrored and port not in (ends[0][1], ends[1][1])}


def close(connections: set[Ends]) -> None:
    """Ends connections of this process; those that wait for them are told so at once."""
    for number, ends in list(_connections()):
        if ends in connections:
            with suppress(OSError), _socket(number) as found:
                found.shutdown(socket.SHUT_RDWR)


def _connections() -> Iterator[tuple[int, Ends]]:
    for number in map(int, os.listdir(_FILES) if os.path.isdir(_FILES) else []):
        with suppress(OSError), _socket(number) as found:
            if found.type == socket.SOCK_STREAM and found.family in _OVER_A_NETWORK:
                # Of IPv6 there is more to an address, which the other end may not know.
                yield number, (found.getsockname()[:2], found.getpeername()[:2])


def _socket(number: int) -> socket.socket:
    """One more name for an open socket; OSError where it is something else."""
    if not stat.S_ISSOCK(os.fstat(number).st_mode):
        raise OSError(f"{number} is no socket")
    return socket.socket(fileno=os.dup(number))
