"""What the audit of a stack's frames has to say to whoever runs a job."""

from __future__ import annotations

from typing import Any

MOST_NOTES = 10
"""Notes that are shown unasked."""


def notes_of(stack: Any) -> list[str]:
    """What the audit of the frames has to say."""
    audit = stack.attrs.get("audit") or {}
    notes = [f"skipped {item['name']}: {item['problem']}" for item in audit.get("skipped", [])]
    return notes + [f"note: {text}" for text in audit.get("warnings", [])]


def shown(notes: list[str], *, verbose: bool) -> list[str]:
    """The notes for people: all of them when they want more, else the first."""
    if verbose or len(notes) <= MOST_NOTES:
        return notes
    return [*notes[:MOST_NOTES], f"and {len(notes) - MOST_NOTES} more such notes; --verbose shows all"]
