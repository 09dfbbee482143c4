"""Classes of the generated SDK clients that many threads use at once.

A model's class works out its fields when it is first used, and no lock guards that (`Model.__new__` in the clients'
`_utils/model_base.py`): threads that come to it at once fail with "dictionary changed size during iteration".
"""

from types import ModuleType
from typing import Any


def work_out_fields(models: ModuleType) -> None:
    """Let each model class of a client's `models` work out its fields now, in this one thread."""
    classes: list[Any] = [each for each in vars(models).values() if isinstance(each, type)]
    for model in classes:
        if hasattr(model, "_calculated"):
            model.__new__(model)
