"""What the environment says of the network: proxies, certificates, headers. It is checked before it is used."""

from __future__ import annotations

import ipaddress
import os
import re
import ssl
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from evalharness.errors import ConfigError

CERTIFICATES = ("SSL_CERT_FILE", "SSL_CERT_DIR")
HEADERS = ("OPENAI_ORG_ID", "OPENAI_PROJECT_ID")
"""Variables that the client of OpenAI sends as headers, to whatever endpoint."""
PROXY_SCHEMES = ("http", "https")


@dataclass(frozen=True, slots=True)
class Proxy:
    """A proxy, and the environment variable that names it."""

    variable: str
    url: str

    @property
    def shown(self) -> str:
        """The proxy for messages, without user and password."""
        return f"the proxy {without_credentials(self.url)} of {self.variable}"


def without_credentials(url: str) -> str:
    """A URL as it may be printed, without user name and password.

    >>> without_credentials("https://me:secret@example.org/a")
    'https://example.org/a'
    """
    return re.sub(r"^([^/?#]*//)?[^/?#]*@", r"\1", url)


def proxy_for(url: str) -> Proxy | None:
    """The proxy through which an address is asked; none for addresses of this machine.

    Raises:
        ConfigError: The environment names a proxy that cannot be used.
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    if _is_this_machine(host) or urllib.request.proxy_bypass_environment(host):  # type: ignore[attr-defined]
        return None
    for name in (f"{parts.scheme}_proxy", f"{parts.scheme}_proxy".upper(), "all_proxy", "ALL_PROXY"):
        if value := os.environ.get(name, "").strip():
            return _checked_proxy(name, value)
    return None


def check_surroundings(url: str) -> Proxy | None:
    """Check what the environment says of calls to an address.

    Returns:
        The proxy through which it is asked.

    Raises:
        ConfigError: Something of it cannot be used; the message names the variable.
    """
    proxy = proxy_for(url)
    for name in HEADERS:
        value = os.environ.get(name, "")
        if not value.isascii() or (value and not value.isprintable()):
            raise ConfigError(f"{name} holds characters that no header can have; set it anew, or unset it")
    if urlsplit(url).scheme == "https":
        certificates()
    return proxy


def certificates() -> ssl.SSLContext:
    """The certificates that servers are checked by: those of ``SSL_CERT_FILE`` and ``SSL_CERT_DIR``, or the usual ones.

    Raises:
        ConfigError: They cannot be read.
    """
    file, folder = (os.environ.get(name) or None for name in CERTIFICATES)
    if file is not None and not Path(file).is_file():
        raise ConfigError(f"SSL_CERT_FILE names {file}, which is no file; name one with certificates, or unset it")
    if folder is not None and not Path(folder).is_dir():
        raise ConfigError(f"SSL_CERT_DIR names {folder}, which is no folder; name one with certificates, or unset it")
    try:
        if file is None and folder is None:
            import certifi

            return ssl.create_default_context(cafile=certifi.where())
        return ssl.create_default_context(cafile=file, capath=folder)
    except (ssl.SSLError, OSError) as error:
        name, value = next((name, os.environ[name]) for name in CERTIFICATES if os.environ.get(name))
        raise ConfigError(
            f"{name} names {value}, which holds no certificates ({error}); name others, or unset it"
        ) from None


def settings() -> Iterator[tuple[str, str]]:
    """The variables that are set, with their values as they may be shown."""
    names = [f"{scheme}_proxy" for scheme in ("http", "https", "all", "no")]
    for name in [*names, *(name.upper() for name in names), *CERTIFICATES, *HEADERS]:
        if value := os.environ.get(name, ""):
            yield name, without_credentials(value)


def _checked_proxy(name: str, value: str) -> Proxy:
    url = value if "://" in value else f"http://{value}"
    try:
        parts = urlsplit(url)
        usable = parts.scheme in PROXY_SCHEMES and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable or not url.isascii() or not url.isprintable():
        shown = without_credentials(value)
        raise ConfigError(
            f"{name} names {shown!r}, which is no http proxy; name one such as http://host:8080, or unset it"
        )
    return Proxy(name, url)


def _is_this_machine(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
