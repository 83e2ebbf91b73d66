"""Whom an address belongs to."""

import pytest

from app.kernel.addresses import network_of


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::1", "2001:db8:1:2::/64"),
        ("", ""),
        ("testclient", "testclient"),
        ("x" * 300, "x" * 64),
    ],
)
def test_an_address_counts_with_its_subscribers_network(address, network):
    assert network_of(address) == network
