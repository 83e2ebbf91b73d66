"""Links begin with the address of the settings."""

import pytest

from app.infrastructure import links


@pytest.fixture
def service(monkeypatch):
    monkeypatch.setattr(links, "_address", links._address)
    monkeypatch.setattr(links, "_origins", links._origins)
    links.configure("https://service.example:8443/", ["https://board.example"])


def test_a_secret_in_a_link_stands_where_no_server_sees_it(service):
    assert links.link("/", {"reset": "a b"}) == "https://service.example:8443/#reset=a+b"
    assert links.link("/docs") == "https://service.example:8443/docs"


def test_our_own_pages_and_the_allowed_ones_are_ours(service):
    assert links.host() == "service.example"
    assert links.origins() == ["https://service.example:8443", "https://board.example"]
