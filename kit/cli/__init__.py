"""The command line: reads arguments, calls one workflow, prints. Results go to stdout, everything else to stderr."""

import signal


def main() -> None:
    """The console script."""
    # While kit only loads there is nothing to clean up, and Ctrl-C would come out of some import with its traceback.
    if signal.getsignal(signal.SIGINT) == signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from kit.cli import app

    app.main()
