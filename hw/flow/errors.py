"""What may go wrong on the way to a bitstream: with a tool, or with the design."""

from pathlib import Path

from sw.cli import UserError

__all__ = ["DesignError", "NotRoutedError", "ToolAborted", "ToolFailedError", "UnusableToolError"]


class ToolFailedError(UserError):
    """A tool ended with an error: its ``name``, its own line as the ``reason``, and its ``log``."""

    def __init__(self, name: str, reason: str, log: Path):
        super().__init__(f"{name} failed: {reason} (its log: {log})")
        self.name = name
        self.reason = reason
        self.log = log


class UnusableToolError(UserError):
    """A tool that a variable names, or that is installed, is not there or cannot be run."""


class ToolAborted(UserError):  # noqa: N818 (no error of the tool's)
    """A tool was aborted, since it would not have finished."""


class DesignError(UserError):
    """A design cannot be built on its board: it is too large or too slow, or not routed."""


class NotRoutedError(DesignError):
    """No placement that was tried could be routed."""
