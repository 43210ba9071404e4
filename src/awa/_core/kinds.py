"""The kind of a job from the name of its argument class: the stable string that selects a handler.

The derivation is part of the public contract; `awa` in any other language must agree on it.
"""

from __future__ import annotations

from functools import lru_cache


@lru_cache(maxsize=1024)
def kind_of(class_name: str) -> str:
    """CamelCase to snake_case: `ProcessV2Import` is `process_v2_import`.

    An underscore goes before an upper-case letter when the previous character is lower-case or a
    digit, or when the previous is upper-case and the next is lower-case
    (`SMTPEmail` is `smtp_email`).
    """
    parts: list[str] = []
    for at, letter in enumerate(class_name):
        if at and letter.isupper() and _starts_word(class_name, at):
            parts.append("_")
        parts.append(letter.lower())
    return "".join(parts)


def _starts_word(name: str, at: int) -> bool:
    before = name[at - 1]
    after = name[at + 1 : at + 2]
    return before.islower() or before.isdigit() or (before.isupper() and after.islower())
