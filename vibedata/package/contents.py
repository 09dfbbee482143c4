"""The contents of a package: the JSON files by their names in the zip, and the other files."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from vibedata.package.located_json import Document, Path
from vibedata.template.azure_types import Types

# Names in the zip. Partner Center wants these files in the zip's root, and compares their names with the capitals.
TEMPLATE = "mainTemplate.json"
USER_INTERFACE = "createUiDefinition.json"
VIEW = "viewDefinition.json"
# Not in the zip: the publisher's values, which become defaults of the template.
PARAMETERS = "parameters"
# Not in the zip: Azure's type definitions.
TYPES = "types"


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """The package before it is packed.

    Attributes:
        documents: The JSON files that could be read, by their names.
        artifacts: The sizes in bytes of the other files of the zip, by their names in it.
        types: Azure's type definitions. It is empty if there are none.
        today: The day for which the age of api-versions is computed.
    """

    documents: Mapping[str, Document]
    artifacts: Mapping[str, int]
    types: Types
    today: date

    def has(self, needs: frozenset[str]) -> bool:
        """Tell whether all parts that a rule needs are there."""
        parts = {*self.documents, *([TYPES] if self.types.known else [])}
        return needs <= parts

    def place(self, name: str, path: Path) -> tuple[str, int | None]:
        """Return the file and the line of a value. A file that is not JSON has no lines."""
        document = self.documents.get(name)
        return (name, None) if document is None else (document.file, document.line(path))
