"""What a browser may be made to do: requests of foreign pages are told apart by Sec-Fetch-Site, Origin and Host."""

import ipaddress
from collections.abc import Iterable
from urllib.parse import urlsplit

from . import errors

_TEXT_MAX = 100  # characters of a client's header that a problem repeats
_NO_HOST = frozenset("@/?#")  # other parts of a URL
_KNOWN_MAX = 64  # spellings of Host remembered


class Origins:
    """Knows the names by which a daemon is asked: where it listens, and `public_url` where a proxy stands before it."""

    def __init__(self, hosts: Iterable[str] = (), public_url: str | None = None) -> None:
        public = urlsplit(public_url) if public_url is not None else None
        self._public_origin = f"{public.scheme}://{public.netloc}".lower() if public is not None else None
        self._names = {"localhost", *(host.lower() for host in hosts)}
        if public is not None and public.hostname is not None:
            self._names.add(public.hostname)
        self._known: set[str] = set()

    def check_site(self, fetch_site: str | None, origin: str | None, host: str | None) -> None:
        """Refuse a request that another site's page makes a browser send; raises CrossSite.

        Browsers say whose page asks: by Sec-Fetch-Site, old ones by Origin. Programs send neither and pass. The rules
        are those of CrossOriginProtection in Go's net/http.
        """
        if fetch_site in ("same-origin", "none"):
            return
        if origin and origin.lower() == self._public_origin:
            return
        if fetch_site:
            raise errors.CrossSite(f"a browser sent this for a page of another site: {fetch_site[:_TEXT_MAX]}")
        if origin and not _is_at(origin, host):
            raise errors.CrossSite(
                f"a browser sent this for a page of {origin[:_TEXT_MAX]}: set public-url if that is this node's own"
            )

    def check_host(self, host: str | None) -> None:
        """Refuse a Host that is none of this daemon's names; raises HostNotAllowed.

        A page whose own name is made to point here (DNS rebinding) is of the same site for a browser: only its Host
        tells. It is always a name, so addresses pass, and so does a client so old that it sends none.
        """
        if host is None or host in self._known:
            return
        if not self._is_own(host):
            raise errors.HostNotAllowed(
                f"{host[:_TEXT_MAX]} is no name of this node: ask by its address, set public-url, or set credentials"
            )
        if len(self._known) < _KNOWN_MAX:
            self._known.add(host)

    def _is_own(self, host: str) -> bool:
        if not _NO_HOST.isdisjoint(host):
            return False
        try:
            name = urlsplit(f"//{host}").hostname
        except ValueError:
            return False
        if name is None:
            return False
        name = name.removesuffix(".")
        return name in self._names or name.endswith(".localhost") or _is_address(name)


def _is_at(origin: str, host: str | None) -> bool:
    """Tell whether an Origin has the host and port of Host; its scheme is not known where a proxy ends TLS."""
    try:
        return host is not None and urlsplit(origin).netloc.lower() == host.lower()
    except ValueError:
        return False


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name.partition("%")[0])
    except ValueError:
        return False
    return True
