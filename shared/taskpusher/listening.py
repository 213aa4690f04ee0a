"""Where a daemon listens: HOST:PORT to sockets, and a socket to its URL."""

import errno
import ipaddress
import socket

from .connections import end_half_open

BACKLOG = 1_024
PORT_MAX = 65_535


class BadAddress(Exception):
    """The address does not fit; the text says which and what to do."""


class CannotListen(Exception):
    """The address is taken, or not this machine's."""


def split_address(address: str) -> tuple[str, int]:
    """Return host and port of HOST:PORT; raises BadAddress."""
    host, _, port_text = address.rpartition(":")
    host = host.strip("[]")
    if not host or not port_text.isascii() or not port_text.isdigit() or int(port_text) > PORT_MAX:
        raise BadAddress(f"address: {address} is not HOST:PORT")
    return host, int(port_text)


def listen(address: str, *, to_all: bool) -> list[socket.socket]:
    """Return bound sockets for every address that HOST:PORT names; raises BadAddress or CannotListen.

    Only `to_all` other machines are let in.
    """
    host, asked_port = split_address(address)
    try:
        found = socket.getaddrinfo(host, asked_port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, OverflowError, UnicodeError) as error:  # the last one of names that are none
        raise BadAddress(f"address: {address} cannot be resolved: {error}") from error
    if not to_all:
        for *_, sockaddr in found:
            if not ipaddress.ip_address(str(sockaddr[0]).partition("%")[0]).is_loopback:
                raise BadAddress(
                    f"address: {address} can be reached from other machines: set basicauth, tokens or insecure"
                )
    sockets: list[socket.socket] = []
    for family, kind, protocol, _, sockaddr in dict.fromkeys(found):
        sock = socket.socket(family, kind, protocol)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        end_half_open(sock)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        port = sockets[0].getsockname()[1] if sockets else sockaddr[1]  # port 0: the same one for all addresses
        try:
            sock.bind((sockaddr[0], port, *sockaddr[2:]))
        except OSError as error:
            sock.close()
            if sockets and error.errno != errno.EADDRINUSE:
                continue  # localhost names ::1 also where there is no IPv6
            raise CannotListen(f"cannot listen on {address}: {error.strerror or error}") from error
        sockets.append(sock)
    return sockets


def url_of(sock: socket.socket) -> str:
    """Return the URL of a bound socket."""
    host, port = sock.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
