"""The commands of ``contextssl``, in one registry; each runs from a file of its own, imported when the command is given."""

from contextssl.commands.registry import COMMANDS, Command, evaluation_by

__all__ = ["COMMANDS", "Command", "evaluation_by"]
