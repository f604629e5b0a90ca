"""What the whole suite needs of its own process."""

from __future__ import annotations

import signal

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell starts what it runs in the background deaf to Ctrl-C, and every command under test would inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
