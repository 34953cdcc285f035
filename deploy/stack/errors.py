"""What can go wrong with the embedded stack, each error one sentence that says what to do.

StackError
├── BinariesMissing     a program that the stack runs isn't installed
├── StateError          the state folder can't be used
│   ├── StateUnreadable state.json is damaged, gone, or from a newer Stepwell
│   ├── StateUnwritable the folder can't be made or written
│   └── StateBusy       another process holds the folder
├── InitFailed          initdb refused to make a cluster
├── PartFailed          a part didn't become ready, or ended while it started
├── StartFailed         the detached supervisor didn't become ready
└── Interrupted         a signal came before the supervisor had begun
"""

from __future__ import annotations


class StackError(Exception):
    """The embedded stack can't do what was asked; the message is for the person at the terminal."""


class BinariesMissing(StackError):
    """A program that the stack runs isn't installed."""


class StateError(StackError):
    """The state folder can't be used."""


class StateUnreadable(StateError):
    """The folder's state.json is damaged, gone, or written by a newer Stepwell."""


class StateUnwritable(StateError):
    """The folder can't be made or written."""


class StateBusy(StateError):
    """Another living process holds the folder's lock."""


class InitFailed(StackError):
    """PostgreSQL's initdb refused to make a cluster."""


class PartFailed(StackError):
    """A part ended while it started, or wasn't ready within its limit."""


class StartFailed(StackError):
    """The detached supervisor ended, or wasn't ready within its limit."""


class Interrupted(StackError):
    """A signal asked the supervisor to stop before it had begun."""
