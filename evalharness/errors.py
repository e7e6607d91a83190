"""The tree of errors.

EvalHarnessError            one clear line for the user; the command line prints it and exits with 2
├── ConfigError             a sweep file or an option is wrong
├── PluginError             no such plugin, or its optional packages are missing
├── StoreError              the store is locked, damaged or cannot be written
├── WeightsError            a checkpoint is missing, incomplete or not what its card says
├── NotFiniteError          a network computed NaN or infinite numbers; a model's sample fails, a scorer's run ends
├── EndpointError           a judge or model cannot be reached, or will not work with this key, name or request
│   └── BudgetError         a budget is spent: what is not drawn or judged yet stays so, the run goes on to its report
└── SampleError             one sample is at fault (a prompt outside the vocabulary, an unreadable image): that sample
                            is marked failed with this reason, the run goes on
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class EvalHarnessError(Exception):
    """The message is one line: what, where, what to do."""


class ConfigError(EvalHarnessError):
    """A sweep file or an option is wrong."""


class PluginError(EvalHarnessError):
    """A plugin does not exist or cannot be imported."""


class StoreError(EvalHarnessError):
    """The store is locked, damaged or cannot be written."""


class WeightsError(EvalHarnessError):
    """A checkpoint is missing, incomplete or not what its card says."""


class NotFiniteError(EvalHarnessError):
    """A network computed NaN or infinite numbers."""


class EndpointError(EvalHarnessError):
    """A judge, or a model behind an address, cannot be reached, or will not work as it is set up."""


class BudgetError(EndpointError):
    """A budget is spent; no failure of any sample."""


class SampleError(EvalHarnessError):
    """One sample cannot be made or scored; the run goes on without it."""


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """``"; did you mean 'x'?"`` for the nearest known word, or the list of known words, or nothing.

    >>> did_you_mean("sed", ["seed", "arms"])
    "; did you mean 'seed'?"
    """
    names = sorted(known)
    near = difflib.get_close_matches(word, names, n=1)
    if near:
        return f"; did you mean {near[0]!r}?"
    return f"; known: {', '.join(names)}" if names else ""
