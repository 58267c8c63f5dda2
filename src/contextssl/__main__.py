"""``contextssl``, and ``python -m contextssl``, which torchrun starts too: the command, which handles signals from the start."""

import signal
import sys


def main() -> int:
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        # Until our handler is set, Ctrl-C ends the process without a traceback.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from contextssl.system import interruptions
    from contextssl.system.first_process import end_with_first

    end_with_first()
    with interruptions.command():
        with interruptions.deferred(patience=0.0):
            from contextssl.cli import main as command
        return command()


if __name__ == "__main__":
    sys.exit(main())
