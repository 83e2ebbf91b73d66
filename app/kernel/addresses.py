"""Addresses on the network, and whom they belong to."""

import ipaddress


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
