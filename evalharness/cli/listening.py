"""The address that commands listen on."""

from __future__ import annotations

import argparse
import socket

from evalharness.errors import ConfigError

LOOPBACK = "127.0.0.1"


def add_address_arguments(parser: argparse.ArgumentParser, default_port: int) -> None:
    """Add the options that say where a command listens."""
    host_help = f"address to listen on (default: {LOOPBACK}, only this machine)"
    parser.add_argument("--host", default=LOOPBACK, help=host_help)
    port_help = f"port to listen on, 0 for any (default: {default_port})"
    parser.add_argument("--port", type=_port, default=default_port, help=port_help)


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens.

    Raises:
        ConfigError: The address is not one of this machine, or the port is taken.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ConfigError(f"cannot listen on {host}:{port}: {reason}; choose another --port") from None


def address(listening: socket.socket) -> str:
    """The URL of a socket that listens."""
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _port(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text[:6]) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port, 0 to 65535")
    return int(text)
