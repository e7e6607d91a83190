"""Silences the progress bars and log messages of libraries, which would disturb the progress of a sweep."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from importlib import import_module


@contextlib.contextmanager
def silent(*libraries: str) -> Iterator[None]:
    """Silence transformers, and other ``libraries`` with the same ``utils.logging``, such as diffusers."""
    with contextlib.ExitStack() as stack:
        for library in ("transformers", *libraries):
            logging = import_module(f"{library}.utils.logging")
            stack.callback(logging.set_verbosity, logging.get_verbosity())
            if logging.is_progress_bar_enabled():
                stack.callback(logging.enable_progress_bar)
            logging.disable_progress_bar()
            logging.set_verbosity_error()
        yield
