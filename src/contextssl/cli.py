"""The command ``contextssl``: a command and ``key=value`` settings; an error that the user can fix is one line."""

from __future__ import annotations

import importlib
import os
import sys
import textwrap
from collections.abc import Sequence
from contextlib import nullcontext, suppress

from contextssl.commands import COMMANDS, Command, evaluation_by
from contextssl.config.bare_words import MULTIRUN, named, without_blanks
from contextssl.config.experiments import EXPERIMENT, EXPERIMENT_OF
from contextssl.config.help import text_width
from contextssl.config.overrides import experiment_of, given_words, help_text, settings_of
from contextssl.config.own_settings import own_schemas
from contextssl.config.uses import needless, unread
from contextssl.errors import ContextSSLError, SettingsError, nearest, one_line, out_of_memory
from contextssl.protocol import PROTOCOLS
from contextssl.system import interruptions
from contextssl.system.console import plain_output, warn
from contextssl.system.files import storage_error
from contextssl.version import __version__

HELP = ("-h", "--help", "help")
# After --help: lists every setting, whatever is chosen.
EVERYTHING = "all"
# Columns before the descriptions of commands.
OVERVIEW_INDENT = 32


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command and returns its exit code: 0; 2 for an error that the user can fix; 128 plus the number of the signal that ended it (130 for
    Ctrl-C). As a program (without ``arguments``) it always ends within ten seconds of a signal.
    """
    with plain_output(), interruptions.command() if arguments is None else nullcontext() as signals:
        try:
            return _dispatch(without_blanks(sys.argv[1:] if arguments is None else arguments))
        except ContextSSLError as error:
            _say(f"error: {error}")
            return 2
        except KeyboardInterrupt as interruption:
            _say(str(interruption) or interruptions.PLAIN)
            if signals is None:
                return 130
            signals.leave()
            return signals.code
        except BrokenPipeError:
            # The reader of the output has ended, as head does; further output would only repeat this error.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 141
        except (MemoryError, RuntimeError, OSError) as error:
            reason = out_of_memory(error)
            if reason is None and isinstance(error, OSError) and error.filename is not None:
                # Of a disk that went away in the middle of something.
                reason = str(storage_error(error, error.filename, "use"))
            if reason is None:
                raise
            _say(f"error: {reason}")
            return 2


def _say(text: str) -> None:
    with suppress(OSError):
        print(f"contextssl: {one_line(text)}", file=sys.stderr)


def _dispatch(words: list[str]) -> int:
    if not words or words[0] in HELP:
        print(overview())
        return 0
    if words[0] == "--version":
        print(f"contextssl {__version__}")
        return 0
    name, command, rest = _split(words)
    if any(word in HELP for word in rest):
        print(_help(name, command, [word for word in rest if word not in HELP]), end="")
        return 0
    rest = named(name, command.schema, command.positional, command.several, rest)
    # Libraries that are interrupted while they load raise errors of their own; there is no work yet to wait for.
    with interruptions.deferred(patience=0.0) as signals:
        function = command.function()
    if signals.asked is not None:
        raise signals.error()
    if command.launches:
        return int(function(rest))
    if any(word in MULTIRUN for word in rest):
        return int(importlib.import_module("contextssl.config.sweep").sweep(name, command.schema, function, rest))
    given = given_words(name, command.schema, rest, command.parts)
    settled = settings_of(name, command.schema, given, command.parts)
    usual = experiment_of(name, given)
    if usual is not None and usual != EXPERIMENT_OF[name] and EXPERIMENT not in given and settled.progress:
        print(f"note: the defaults are those of experiment={usual} (experiment=null: those of the paper)", file=sys.stderr)
    for sentence in needless(name, settled, list(given)):
        warn(sentence)
    return int(function(settled))


def _help(name: str, command: Command, chosen: list[str]) -> str:
    """Help on the settings that are read with the choices given next to ``--help``, or on all settings."""
    words = named(name, command.schema, command.positional, command.several, [word for word in chosen if word != EVERYTHING])
    words = [word for word in words if "=" in word and not word.lstrip("+~").startswith("hydra")]
    given = given_words(name, command.schema, words, command.parts)
    settled = settings_of(name, command.schema, given, command.parts)
    left_out = {} if EVERYTHING in chosen else unread(name, settled)
    own = own_schemas(command.schema, given, command.parts)
    experiment = experiment_of(name, given)
    return help_text(name, command.schema, command.intro, left_out, experiment, settled, own, command.shown_positional)


def _split(words: list[str]) -> tuple[str, Command, list[str]]:
    """The command's name (one word or two), the command, and the remaining words."""
    for count in (2, 1):
        name = " ".join(words[:count])
        if name in COMMANDS:
            return name, COMMANDS[name], words[count:]
    if words[0] == "evaluate" and len(words) > 1 and (command := evaluation_by(words[1])) is not None:
        return f"evaluate {command.protocol}", command, words[2:]
    group = [name for name in COMMANDS if name.startswith(words[0] + " ")]
    if group and (len(words) == 1 or words[1] in HELP):
        print(overview(group))
        raise SystemExit(0 if len(words) > 1 else 2)
    if group:
        raise SettingsError(f"unknown command {' '.join(words[:2])!r}: {nearest(' '.join(words[:2]), group)}")
    raise SettingsError(f"unknown command {words[0]!r}: {nearest(words[0], COMMANDS)} (contextssl --help lists all)")


def overview(names: Sequence[str] | None = None) -> str:
    """The text of ``contextssl --help``: all commands, those of installed protocols included, or some of them."""
    intros = {name: command.intro for name, command in COMMANDS.items()}
    intros |= {f"evaluate {protocol.name}": protocol.intro for protocol in PROTOCOLS.all()}
    lines = [f"contextssl {__version__}: in-context symmetries for self-supervised representations", ""]
    lines += ["usage: contextssl COMMAND key=value …", ""]
    for name, intro in intros.items():
        if names is None or name in names:
            first, *more = textwrap.wrap(" ".join(intro.split()), text_width() - OVERVIEW_INDENT)
            lines += [f"  {name:{OVERVIEW_INDENT - 2}}{first}", *(f"{'':{OVERVIEW_INDENT}}{line}" for line in more)]
    lines += [
        "",
        "contextssl COMMAND --help lists the settings of a command.",
        "contextssl train -m sweeps over comma-separated values.",
        "Try it: contextssl demo",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
