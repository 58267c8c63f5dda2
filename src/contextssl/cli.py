"""The command ``contextssl``: Hydra's ``key=value`` words after a command; what the user can mend is said in one line."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence
from contextlib import nullcontext, suppress

from contextssl.commands import COMMANDS, Command, evaluation_by
from contextssl.config.experiments import EXPERIMENT, EXPERIMENT_OF
from contextssl.config.overrides import experiment_of, given_words, help_text, settings_of
from contextssl.config.own_settings import own_schemas
from contextssl.config.uses import needless, unread
from contextssl.config.words import named, without_blanks
from contextssl.errors import ContextSSLError, SettingsError, nearest, out_of_memory
from contextssl.protocol import PROTOCOLS
from contextssl.system import interruptions
from contextssl.system.console import plain_output, warn
from contextssl.version import __version__

SWEEP = ("-m", "--multirun")
HELP = ("-h", "--help", "help")
# After --help: every setting, whatever is chosen.
EVERYTHING = "all"


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command; returns its exit code: 0, 2 for something that the user can mend, 128 and the number of a signal that ended it (130 for
    Ctrl-C). As a program (without ``arguments``) it ends within ten seconds of a signal, in any case."""
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
            # Whoever read the output has gone, as head does; what Python has yet to print would only say so again.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 141
        except (MemoryError, RuntimeError, OSError) as error:
            if (reason := out_of_memory(error)) is None:
                raise
            _say(f"error: {reason}")
            return 2


def _say(text: str) -> None:
    with suppress(OSError):
        print(f"contextssl: {text}", file=sys.stderr)


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
    # Libraries that are interrupted while they load leave errors of their own; nothing has begun that were worth waiting for.
    with interruptions.deferred(patience=0.0) as signals:
        function = command.function()
    if signals.asked is not None:
        raise signals.error()
    if command.launches:
        return int(function(rest))
    if any(word in SWEEP for word in rest):
        return int(importlib.import_module("contextssl.config.sweep").sweep(name, command.schema, function, rest))
    given = given_words(name, command.schema, rest, command.parts)
    settled = settings_of(name, command.schema, given, command.parts)
    usual = experiment_of(name, given)
    if usual is not None and usual != EXPERIMENT_OF[name] and EXPERIMENT not in given and settled.progress:
        print(f"note: what is not said is as in experiment={usual} (experiment=null takes the paper's defaults)", file=sys.stderr)
    for sentence in needless(name, settled, list(given)):
        warn(sentence)
    return int(function(settled))


def _help(name: str, command: Command, chosen: list[str]) -> str:
    """Of the settings that are read with the words that stand beside ``--help``; of all where they say so."""
    words = named(name, command.schema, command.positional, command.several, [word for word in chosen if word != EVERYTHING])
    words = [word for word in words if "=" in word and not word.lstrip("+~").startswith("hydra")]
    given = given_words(name, command.schema, words, command.parts)
    settled = settings_of(name, command.schema, given, command.parts)
    left_out = {} if EVERYTHING in chosen else unread(name, settled)
    own = own_schemas(command.schema, given, command.parts)
    return help_text(name, command.schema, command.intro, left_out, experiment_of(name, given), settled, own)


def _split(words: list[str]) -> tuple[str, Command, list[str]]:
    """The command's name, of one word or two, the command, and the rest."""
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
    raise SettingsError(f"unknown command {words[0]!r}: {nearest(words[0], COMMANDS)} (contextssl --help says more)")


def overview(names: Sequence[str] | None = None) -> str:
    """What ``contextssl --help`` prints: of all commands, those of installed protocols too, or of some."""
    intros = {name: command.intro for name, command in COMMANDS.items()}
    intros |= {f"evaluate {protocol.name}": protocol.intro for protocol in PROTOCOLS.all()}
    lines = [
        f"contextssl {__version__}: in-context symmetries for self-supervised representations",
        "",
        "usage: contextssl COMMAND key=value …",
        "",
    ]
    lines += [f"  {name:22}{' '.join(intro.split())}" for name, intro in intros.items() if names is None or name in names]
    lines += [
        "",
        "contextssl COMMAND --help lists the settings of a command; -m sweeps over comma-separated values (Hydra's launchers).",
        "Try it: contextssl demo",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
