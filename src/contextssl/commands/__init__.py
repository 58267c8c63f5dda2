"""The commands of ``contextssl``, in one table; what each does lies in a file of its own, which is imported when the command is given."""

from contextssl.commands.registry import COMMANDS, Command, evaluation_by

__all__ = ["COMMANDS", "Command", "evaluation_by"]
