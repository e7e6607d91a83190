"""Which names a request may use: an address never, a name of the web never."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalharness.live.hosts import is_allowed

LABEL = st.from_regex(r"[a-z]([a-z0-9-]{0,10}[a-z0-9])?", fullmatch=True)


@pytest.mark.parametrize(
    ("header", "allowed"),
    [
        ("localhost", True),
        ("LOCALHOST:9000", True),  # a tunnel has another port
        ("127.0.0.1:8090", True),
        ("[::1]:8090", True),
        ("box.example:8090", True),
        ("10.0.0.7", True),  # an address is no name that could be made to point here
        ("evil.example", False),
        ("localhost.evil.example", False),
        ("127.0.0.1.evil.example:8090", False),
        ("evil.example@127.0.0.1", True),
        ("127.0.0.1@evil.example", False),
        ("[::1", False),
        ("", False),
        (None, False),
    ],
)
def test_names_of_this_machine_and_no_others(header: str | None, allowed: bool) -> None:
    assert is_allowed(header, "box.example") is allowed


@given(st.lists(LABEL, min_size=2, max_size=4), st.integers(0, 65535))
def test_no_name_of_the_web_is_allowed(labels: list[str], port: int) -> None:
    assert not is_allowed(f"{'.'.join(labels)}:{port}", "127.0.0.1")


@given(st.ip_addresses(), st.integers(0, 65535))
def test_every_address_is_allowed(address: ipaddress.IPv4Address | ipaddress.IPv6Address, port: int) -> None:
    text = f"[{address}]" if address.version == 6 else str(address)
    assert is_allowed(f"{text}:{port}", "127.0.0.1")
