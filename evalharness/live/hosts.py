"""Which names a request may use for this machine.

A page of the web can give its own name the address of this machine, and would then be answered as if it belonged here
(DNS rebinding). It cannot do so without its name in the header ``Host``.
"""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit


def is_allowed(header: str | None, listening: str) -> bool:
    """Whether a request is answered.

    Args:
        header: the value of ``Host``.
        listening: the address or name that the server was told to listen on.

    >>> is_allowed("localhost:9000", "127.0.0.1"), is_allowed("127.0.0.1", "127.0.0.1"), is_allowed("[::1]:80", "::1")
    (True, True, True)
    >>> is_allowed("evil.example:8090", "127.0.0.1"), is_allowed(None, "127.0.0.1")
    (False, False)
    """
    if not header:
        return False
    try:
        name = urlsplit(f"//{header}").hostname or ""
    except ValueError:
        return False
    if name in ("localhost", listening.lower()):
        return True
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
