"""The unit of a map's values, in the one place that all formats have for text: the description."""

from __future__ import annotations

import re

_SENTENCE = re.compile(r"\bvalues in ([^\s<>&]{1,40})")


def unit_sentence(unit: str) -> str:
    """What the description of a written map says.

    Examples
    --------
    >>> unit_sentence("micrometer")
    'values in micrometer'
    """
    return f"values in {unit}"


def unit_in(description: object) -> str | None:
    """The unit that a description, or the XML around it, speaks of; None when it speaks of none.

    Examples
    --------
    >>> unit_in("<Description>values in micrometer</Description>")
    'micrometer'
    """
    found = _SENTENCE.search(description) if isinstance(description, str) else None
    return found[1] if found else None
