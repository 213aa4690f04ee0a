"""What a daemon listens with, and how many clients the limit of open files has room for."""

import resource
import socket

import pytest

from taskpusher.listening import listen
from taskpusher.process import client_connections


def test_accepted_connections_are_probed_as_the_listening_socket_says():
    (listening,) = listen("127.0.0.1:0", to_all=False)
    listening.listen()
    with listening, socket.create_connection(listening.getsockname()):
        accepted, _ = listening.accept()
        with accepted:
            assert accepted.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 60
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 60_000


@pytest.fixture
def files():
    """Sets the limit of open files of this process."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    yield lambda soft: resource.setrlimit(resource.RLIMIT_NOFILE, (soft, before[1]))
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.mark.parametrize(
    ("limit", "connections", "of_two_files"),
    [(8_192, 2_000, 2_000), (4_096, 2_000, 1_790), (2_000, 1_484, 742), (1_024, 512, 256), (256, 128, 64)],
)
def test_calls_and_the_store_keep_their_share_of_open_files(files, limit, connections, of_two_files):
    files(limit)
    assert client_connections(2_000, 4 + 512) == connections
    assert client_connections(2_000, 4 + 512, 2) == of_two_files
