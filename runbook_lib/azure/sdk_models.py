"""Prepare classes of the generated SDK clients for use by many threads at once.

A model's class computes its fields when it is first used, and no lock protects this (`Model.__new__` in the clients'
`_utils/model_base.py`). Threads that use it first at the same moment fail with "dictionary changed size during
iteration".
"""

from types import ModuleType
from typing import Any


def work_out_fields(models: ModuleType) -> None:
    """Let each model class of a client's `models` compute its fields now, in this one thread."""
    classes: list[Any] = [each for each in vars(models).values() if isinstance(each, type)]
    for model in classes:
        if hasattr(model, "_calculated"):
            model.__new__(model)
