"""Which addresses a node may connect to: a table of what is special, and the lists of its operator. Pure."""

import re
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

RULE = "hosts (example.com, or .example.com for all below it) and networks (10.0.0.0/8), separated by commas or blanks"


class BadRule(ValueError):
    """An entry of a list is neither a host nor a network."""


def _table(kinds: dict[str, str]) -> tuple[tuple[Network, str], ...]:
    return tuple((ip_network(text), kind) for kind, texts in kinds.items() for text in texts.split())


# Refused always, whatever is allowed: what hands out the credentials of a machine. Most of it is link-local.
_ALWAYS = _table(
    {
        "link-local": "169.254.0.0/16 fe80::/10",
        "cloud metadata": (
            "fd00:ec2::/32 "  # AWS: IMDS ::254, EKS Pod Identity ::23 (AWS EC2 and EKS user guides)
            "fd20:ce::254 "  # Google Compute Engine, IPv6 (Compute Engine docs, metadata server)
            "100.100.100.200 "  # Alibaba Cloud (ECS docs, instance metadata)
            "192.0.0.192 "  # Oracle Cloud Classic
            "168.63.129.16 "  # Azure's WireServer, which hands out certificates of a machine (Azure docs, of this name)
            "fd00:42::42"  # Scaleway, IPv6 (Scaleway docs, metadata API)
        ),
    }
)

# Refused by deny-private: the special-purpose registries of IANA (RFC 6890), less what is reachable by everybody.
# A connection to an unspecified address reaches this machine, so it is as much loopback as 127.0.0.1.
_PRIVATE = _table(
    {
        "loopback": "127.0.0.0/8 0.0.0.0/8 ::1 ::",
        "private": "10.0.0.0/8 172.16.0.0/12 192.168.0.0/16 fc00::/7 fec0::/10 64:ff9b:1::/48",
        "shared": "100.64.0.0/10",
        "multicast": "224.0.0.0/4 ff00::/8",
        "broadcast": "255.255.255.255",
        "reserved": (
            "192.0.0.0/24 192.0.2.0/24 192.88.99.0/24 198.18.0.0/15 198.51.100.0/24 203.0.113.0/24 240.0.0.0/4 "
            "2001::/23 2001:db8::/32 3fff::/20"  # protocol assignments with Teredo, documentation
        ),
    }
)
_GLOBAL = ip_network("2000::/3")  # all that was ever given out of IPv6; the rest is reserved

_MAPPED = ip_network("::ffff:0:0/96")
_NAT64 = ip_network("64:ff9b::/96")
_LAST_32_BITS = (ip_network("::/96"), _MAPPED, ip_network("::ffff:0:0:0/96"), _NAT64)  # compatible, SIIT
_LOCAL_NAT64 = ip_network("64:ff9b:1::/48")  # RFC 8215: the IPv4 address stands where RFC 6052 says for its length
_6TO4 = ip_network("2002::/16")
_TEREDO = ip_network("2001::/32")
_ISATAP = (0x00005EFE, 0x02005EFE)  # bits 64 to 95, RFC 5214

_HOST = re.compile(r"\.?[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*\.?")


class Policy:
    """Says of each address, before it is connected to, whether it is refused."""

    def __init__(self, *, deny_private: bool = False, allow: str = "", deny: str = "") -> None:
        """Take the settings of these names; raises BadRule."""
        self._deny_private = deny_private
        self._allow = _Rules(allow)
        self._deny = _Rules(deny)

    def refusal(self, host: str, address: str) -> str | None:
        """Return why `address`, which `host` stands for, is not connected to; None where it may be.

        An IPv4 address that is written into an IPv6 one is judged as well as that one.
        """
        host = host.lower().rstrip(".")
        whole = ip_address(address.partition("%")[0])
        for form in (whole, *embedded(whole)):
            rule = self._rule_against(host, form)
            if rule is not None:
                inside = f" holds {form}, which" if form != whole else ""
                return f"{whole}{inside} is not called: {rule}"
        return None

    def _rule_against(self, host: str, address: Address) -> str | None:
        kind = _kind(address, _ALWAYS)
        if kind is not None:
            return f"it is {kind}, which no setting allows"
        entry = self._deny.match(host, address)
        if entry is not None:
            return f"the setting deny has {entry}"
        if not self._deny_private or self._allow.match(host, address) is not None:
            return None
        kind = _kind(address, _PRIVATE)
        if kind is None and isinstance(address, IPv6Address) and not _is_given_out(address):
            kind = "reserved"
        return f"it is {kind}, and the setting deny_private is on" if kind is not None else None


class _Rules:
    """A list of hosts and networks."""

    def __init__(self, text: str) -> None:
        self._hosts: set[str] = set()
        self._suffixes: list[str] = []
        self._networks: list[Network] = []
        for entry in text.replace(",", " ").lower().split():
            self._add(entry)

    def _add(self, entry: str) -> None:
        try:
            self._networks.append(ip_network(entry))
        except ValueError as error:
            # what ends in a number was meant to be an address (so do browsers read it), and would match no name
            last = entry.rstrip(".").rpartition(".")[2]
            if _HOST.fullmatch(entry) is None or last.isdigit() or last.startswith("0x"):
                raise BadRule(f"{entry!r}: give {RULE}") from error
            if entry.startswith("."):
                self._suffixes.append(entry.rstrip("."))
            else:
                self._hosts.add(entry.rstrip("."))

    def match(self, host: str, address: Address) -> str | None:
        """Return the entry that names the host or the address."""
        if host in self._hosts:
            return host
        for suffix in self._suffixes:
            if host.endswith(suffix):
                return suffix
        return next((str(network) for network in self._networks if address in network), None)


def embedded(address: Address) -> list[IPv4Address]:
    """Return the IPv4 addresses that an IPv6 address may stand for, by every scheme that there is."""
    if isinstance(address, IPv4Address):
        return []
    bits = int(address)
    found = []
    if bits > 1 and any(address in network for network in _LAST_32_BITS):  # not :: and ::1, which hold none
        found.append(bits)
    elif address in _6TO4:
        found.append(bits >> 80)
    elif address in _TEREDO:
        found += [bits >> 64, ~bits]  # its server, and the client with every bit turned over
    elif address in _LOCAL_NAT64:
        found += [bits, *(_around_the_octet(bits, length) for length in (48, 56, 64))]
    if (bits >> 32) & 0xFFFFFFFF in _ISATAP:
        found.append(bits)
    return [IPv4Address(value & 0xFFFFFFFF) for value in found]


def _around_the_octet(bits: int, length: int) -> int:
    """Return the 32 bits behind a prefix; bits 64 to 71 are left out, by RFC 6052, 2.2."""
    without = (bits >> 64 << 56) | (bits & ((1 << 56) - 1))
    return without >> (120 - length - 32)


def _kind(address: Address, table: tuple[tuple[Network, str], ...]) -> str | None:
    return next((kind for network, kind in table if address in network), None)


def _is_given_out(address: IPv6Address) -> bool:
    return address in _GLOBAL or address in _MAPPED or address in _NAT64
