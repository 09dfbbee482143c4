"""The differences between two instance documents, as lines that people read. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from publisher.instances.document import Instance, document_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """A part of a document with its values before and after, "" for no value.

    The name of a setting is `settings.NAME`.
    """

    part: str
    before: str
    after: str

    def __str__(self) -> str:
        """Return the line. `+` means a new value, `-` a removed value, `~` another value."""
        if not self.before:
            return f"+ {self.part}: {self.after}"
        return f"~ {self.part}: {self.before} -> {self.after}" if self.after else f"- {self.part}: {self.before}"


def differences(before: Instance | None, after: Instance | None) -> tuple[Difference, ...]:
    """Return the differences, in the order of the document. None means no document."""
    former, new = _values(before), _values(after)
    return tuple(
        Difference(part=part, before=former.get(part, ""), after=new.get(part, ""))
        for part in {**former, **new}
        if former.get(part, "") != new.get(part, "")
    )


def as_text(found: Sequence[Difference]) -> str:
    """Return the lines. The last line has the counts."""
    signs = [str(each)[0] for each in found]
    counts = f"{signs.count('+')} to add, {signs.count('~')} to change, {signs.count('-')} to remove"
    return "".join(f"{each}\n" for each in found) + f"{counts}\n"


def _values(instance: Instance | None) -> dict[str, str]:
    if instance is None:
        return {}
    parts = {name: str(value) for name, value in document_of(instance).items() if name != "settings"}
    return parts | {f"settings.{name}": value for name, value in sorted(instance.settings.items())}
