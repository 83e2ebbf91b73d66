"""Addresses on the network, whom they belong to, and which of them are anybody's to reach."""

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

from app.kernel.errors import ConfigurationError

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
IPNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network

# Written out, because what Python calls global differs from one version to the next, and 192.0.0.8 passes in some.
# Source: the IANA registries of special-purpose addresses, for IPv4 and for IPv6.
_NOT_PUBLIC_4 = tuple(
    ipaddress.IPv4Network(one)
    for one in (
        "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24",
        "192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24", "192.168.0.0/16", "192.175.48.0/24",
        "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
    )
)  # fmt: skip
_UNICAST_6 = ipaddress.IPv6Network("2000::/3")
# Within it: tunnels to IPv4 addresses (Teredo, 6to4), benchmarks, documentation, and ids that are no addresses.
_NOT_PUBLIC_6 = tuple(
    ipaddress.IPv6Network(one) for one in ("2001::/23", "2001:db8::/32", "2002::/16", "2620:4f:8000::/48", "3fff::/20")
)


def network_of(address: str) -> str:
    """The network that an address counts with: itself, or the /64 an IPv6 subscriber has all of."""
    try:
        parsed = ipaddress.ip_address(address.strip())
    except ValueError:
        return address.strip()[:64]
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        return str(ipaddress.ip_network((int(parsed) >> 64 << 64, 64)))
    return str(parsed)


def plain_address(text: str) -> IPAddress | None:
    """An address as it is meant: an IPv4 one written as IPv6 (``::ffff:…``) is the IPv4 one. None when it is no address."""
    try:
        parsed = ipaddress.ip_address(text)
    except ValueError:
        return None
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped is not None:
        return parsed.ipv4_mapped
    return parsed


def is_public(address: IPAddress) -> bool:
    """Whether an address belongs to the public network: not to this machine, a private network or a special purpose.

    Of IPv6 only what is handed out as unicast is public; so nothing that carries an IPv4 address inside passes.
    """
    if isinstance(address, ipaddress.IPv4Address):
        return not is_within(address, _NOT_PUBLIC_4)
    return address.scope_id is None and address in _UNICAST_6 and not is_within(address, _NOT_PUBLIC_6)


def is_within(address: IPAddress, networks: Iterable[IPNetwork]) -> bool:
    """Whether an address lies in one of the networks."""
    return any(address.version == network.version and address in network for network in networks)


@dataclass(frozen=True, slots=True)
class Declared:
    """What the operator lets us reach besides public servers: hosts by name, and networks."""

    hosts: frozenset[str] = frozenset()
    networks: tuple[IPNetwork, ...] = ()

    @classmethod
    def read(cls, names: Iterable[str]) -> "Declared":
        """From ``10.1.0.0/16``, ``127.0.0.1`` and ``idp.internal``; ``ConfigurationError`` for what is none of these."""
        hosts, networks = set(), []
        for name in names:
            try:
                networks.append(ipaddress.ip_network(name))
            except ValueError:
                if not name or any(sign in name for sign in "/:@ *"):
                    raise ConfigurationError(
                        f"{name!r} is neither a network such as 10.1.0.0/16 nor the name of a host"
                    ) from None
                hosts.add(_plain_host(name))
        return cls(frozenset(hosts), tuple(networks))

    @classmethod
    def of(cls, url: str) -> "Declared":
        """The host of an address that the operator set."""
        return cls(hosts=frozenset({_plain_host(urlsplit(url).hostname or "")}))

    def covers(self, host: str, address: IPAddress | None) -> bool:
        """Whether the operator lets us reach that host, or whatever has that address."""
        return _plain_host(host) in self.hosts or (address is not None and is_within(address, self.networks))


def _plain_host(host: str) -> str:
    return host.rstrip(".").lower()
