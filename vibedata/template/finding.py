"""A fault in the template: its place, the rule, and the remedy."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Finding:
    """One thing that is wrong.

    Attributes:
        file: the file's name, as it was given to the reader.
        line: from 1.
        rule: the rule's short name.
        message: what is wrong.
        remedy: what to do.
    """

    file: str
    line: int
    rule: str
    message: str
    remedy: str

    def __str__(self) -> str:
        """Return the finding as a compiler writes it."""
        return f"{self.file}:{self.line}: {self.rule}: {self.message}. {self.remedy}"
