"""The template for tests: its files, and the result of a deployment with each file of parameters."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from vibedata.template.check import MAIN, read_parameters
from vibedata.template.evaluation import snapshot
from vibedata.template.reader import read_folder
from vibedata.template.syntax import Document
from vibedata.template.values import Place, Snapshot

ROOT = Path(__file__).parents[2]
INFRA = ROOT / "infra"
FILES = sorted(INFRA.rglob("*.bicep"))
PARAMETERS: Mapping[str, Mapping[str, Any]] = read_parameters(INFRA)[0]


@cache
def documents() -> Mapping[str, Document]:
    """Return each file of the template, by its path below infra/."""
    read, unread = read_folder(INFRA)
    assert unread == ()
    return {document.file: document for document in read}


@cache
def deployed(name: str = "testSubscription") -> Snapshot:
    """Return what a deployment with a file of parameters makes."""
    return snapshot(documents(), MAIN, PARAMETERS[name], Place())
