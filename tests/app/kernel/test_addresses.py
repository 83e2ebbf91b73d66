"""Whom an address belongs to, and who may be reached."""

import pytest

from app.kernel.addresses import Declared, is_public, network_of, plain_address
from app.kernel.errors import ConfigurationError


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


# The first and the last address of everything that is not public.
NOT_PUBLIC = """
0.0.0.0 0.255.255.255 10.0.0.0 10.255.255.255 100.64.0.0 100.127.255.255 127.0.0.0 127.255.255.255 169.254.0.0
169.254.169.254 169.254.255.255 172.16.0.0 172.31.255.255 192.0.0.0 192.0.0.8 192.0.0.255 192.0.2.1 192.31.196.1
192.52.193.1 192.88.99.1 192.168.0.0 192.168.255.255 192.175.48.1 198.18.0.0 198.19.255.255 198.51.100.1 203.0.113.1
224.0.0.0 239.255.255.255 240.0.0.0 255.255.255.255
:: ::1 ::127.0.0.1 ::ffff:127.0.0.1 ::ffff:10.0.0.1 ::ffff:0:127.0.0.1 64:ff9b::7f00:1 64:ff9b:1::7f00:1 100::1
2001::1 2001:0:7f00:1::1 2001:1::1 2001:db8::1 2002:7f00:1:: 2002:a00:1:: 2620:4f:8000::1 3fff::1 4000::1 5f00::1
fc00::1 fd00::1 fdff:ffff::1 fe80::1 fe80::1%1 2606:4700::1%1 fec0::1 ff02::1 ff0e::1
"""
PUBLIC = """
1.1.1.1 9.255.255.255 11.0.0.0 100.63.255.255 100.128.0.0 126.255.255.255 128.0.0.0 172.15.255.255 172.32.0.0
192.0.1.0 192.167.255.255 192.169.0.0 198.17.255.255 198.20.0.0 223.255.255.255 ::ffff:1.1.1.1
2001:200:: 2003::1 2606:4700::1111 2a00:1450::1
"""


@pytest.mark.parametrize("address", NOT_PUBLIC.split())
def test_is_not_public(address):
    parsed = plain_address(address)
    assert parsed is not None
    assert not is_public(parsed)


@pytest.mark.parametrize("address", PUBLIC.split())
def test_is_public(address):
    parsed = plain_address(address)
    assert parsed is not None
    assert is_public(parsed)


@pytest.mark.parametrize(
    "text", ["", "localhost", "127.1", "0x7f000001", "0177.0.0.1", "1.2.3.4.5", "2130706433", "[::1]"]
)
def test_what_only_a_resolver_understands_is_no_address(text):
    assert plain_address(text) is None


def test_the_operator_declares_hosts_and_networks():
    declared = Declared.read(["10.1.0.0/16", "127.0.0.1", "Idp.Internal."])
    assert declared.covers("idp.internal", None)
    assert declared.covers("x", plain_address("10.1.255.255"))
    assert declared.covers("x", plain_address("::ffff:127.0.0.1"))
    assert not declared.covers("x.idp.internal", plain_address("10.2.0.0"))
    assert not declared.covers("x", None)


@pytest.mark.parametrize("name", ["10.1.0.1/16", "http://idp.internal", "idp.internal:80", "*.internal", "a b", ""])
def test_what_is_neither_host_nor_network_is_not_declared(name):
    with pytest.raises(ConfigurationError, match="neither a network"):
        Declared.read([name])
