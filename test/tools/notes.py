# SPDX-License-Identifier: Apache-2.0
"""Telling the notes of `yupana` from its errors: both go to standard error."""

NOTE = "yupana: note: "


def split_notes(stderr):
    """The sentences of the notes, and standard error without them."""
    lines = stderr.splitlines(keepends=True)
    notes = [line[len(NOTE):].rstrip("\n") for line in lines if line.startswith(NOTE)]
    return notes, "".join(line for line in lines if not line.startswith(NOTE))


def apart(done):
    """A finished process whose notes stand in `notes` and no longer in `stderr`."""
    done.notes, done.stderr = split_notes(done.stderr)
    return done
