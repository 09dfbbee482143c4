"""The sources of the template keep every rule of the package that can be decided without the compiler."""

import json
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from tests.support.compiled_bicep import compiled
from tests.support.template import INFRA, ROOT, documents
from vibedata.package import located_json
from vibedata.package.contents import PARAMETERS, TEMPLATE, USER_INTERFACE, VIEW, Contents
from vibedata.package.making import with_defaults
from vibedata.package.rules.catalogue import RULES
from vibedata.template.azure_types import types_in
from vibedata.template.check import MAIN
