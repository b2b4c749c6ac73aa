# SPDX-License-Identifier: Apache-2.0
"""Running a program whose standard error is a terminal."""

import fcntl
import os
import pty
import struct
import subprocess
import termios


def run_on_terminal(words, columns=120, **options):
    """Returns the exit code and everything the program wrote to the terminal."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    process = subprocess.Popen([str(word) for word in words], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                               stderr=theirs, **options)
    os.close(theirs)
    written = b""
    while True:
        try:
            piece = os.read(ours, 65536)
        except OSError:  # The last writer has closed its side.
            break
        if not piece:
            break
        written += piece
    os.close(ours)
    return process.wait(timeout=120), written.decode()
