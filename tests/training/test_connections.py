"""Connections between ranks: found by both ends, and closed."""

import socket
from contextlib import ExitStack
from types import SimpleNamespace

from torch import distributed as dist

from gcl.training.connections import between, close, ends_here


def connected(stack):
    """Both ends of a connection, as sockets of this process."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        here = stack.enter_context(socket.create_connection(server.getsockname()))
        there = stack.enter_context(server.accept()[0])
    for end in (here, there):
        end.settimeout(5)
    return here, there


def ends_of(here):
    return here.getsockname(), here.getpeername()


def test_only_what_another_rank_has_the_other_end_of_is_closed():
    with ExitStack() as stack:
        mine, theirs = connected(stack)
        alone, nobodys = connected(stack)
        stored, of_the_store = connected(stack)
        own = ends_here()
        assert {ends_of(end) for end in (mine, theirs, alone, nobodys)} <= {*own}
        store = SimpleNamespace(port=stored.getpeername()[1])
        # Rank 1 has the other ends of two of the connections.
        other = [ends_of(theirs), ends_of(of_the_store)]
        listed = [ends_of(end) for end in (mine, alone, stored)]
        found = between(listed, [listed, other], store)
        assert found == {ends_of(mine)}
        close(found)
        assert theirs.recv(1) == b""  # the end of it, at once
        for one, another in ((alone, nobodys), (stored, of_the_store)):
            one.sendall(b"x")
            assert another.recv(1) == b"x"


def test_the_store_is_found_behind_its_prefixes():
    with ExitStack() as stack:
        mine, theirs = connected(stack)
        store = dist.TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
        before = {*ends_here()}
        client = dist.TCPStore("127.0.0.1", store.port, is_master=False)
        new = [ends for ends in ends_here() if ends not in before]
        assert len(new) == 2
        everywhere = [[ends_of(mine), *new], [ends_of(theirs), *new]]
        prefixed = dist.PrefixStore("0", dist.PrefixStore("1", client))
        assert between(everywhere[0], everywhere, prefixed) == {ends_of(mine)}


def test_what_is_no_connection_is_left_alone(tmp_path):
    with open(tmp_path / "file", "w") as file, socket.create_server(("127.0.0.1", 0)) as server:
        listening = server.getsockname()
        assert all(here != listening for here, _ in ends_here())
        close({(listening, listening)})
        file.write("x")
        with socket.create_connection(listening, timeout=5):
            pass
