"""A small runbook that writes blobs, for tests of what all runbooks share. As a module it runs as a job's process."""

import sys
from dataclasses import dataclass, field

from azure.core.exceptions import ResourceNotFoundError

from runbook_lib.callbacks.delivery import Callbacks
from runbook_lib.change import Action, ActionKind, NoChange, Plan
from runbook_lib.context import Context
from runbook_lib.run.parameters import CommonParameters
from runbook_lib.runbook import Runbook, main

CONTAINER = "artifacts"
CANARY = "canary-9d8c7b/sample-secret"


@dataclass(frozen=True, kw_only=True)
class Parameters(CommonParameters):
    blobs: str = field(default="", metadata={"help": "names; commas within a stage, semicolons between stages"})


def _read(context: Context, name: str) -> str | None:
    try:
        return context.clients.blob_service.get_blob_client(CONTAINER, name).download_blob().readall().decode()
    except ResourceNotFoundError:
        return None


def observe(context: Context, parameters: Parameters) -> dict[str, tuple[int, str | None]]:
    context.redactor.learn(CANARY)
    stages = [stage.split(",") for stage in parameters.blobs.split(";")]
    return {name: (number, _read(context, name)) for number, names in enumerate(stages) for name in names}


def plan(facts: dict[str, tuple[int, str | None]]) -> Plan:
    return Plan(
        changes=tuple(_write(stage).change(name, name, found, f"content of {name}")
                      for name, (stage, found) in facts.items() if found != f"content of {name}"),
        unchanged=tuple(NoChange(name, "holds it already") for name, (_, found) in facts.items()
                        if found == f"content of {name}"),
    )  # fmt: skip


def _write(stage: int) -> ActionKind[str]:
    return ActionKind("write", stage)


def actions(context: Context, facts: dict[str, tuple[int, str | None]]) -> list[Action[str]]:
    def make(name: str) -> None:
        if name == "leaky":
            raise LookupError(f"with {CANARY} in it")
        blob = context.clients.blob_service.get_blob_client(CONTAINER, name)
        blob.upload_blob(f"content of {name}".encode(), overwrite=True)

    stages = {stage for stage, _ in facts.values()}
    return [Action(_write(stage), make, lambda name: _read(context, name)) for stage in stages]


RUNBOOK = Runbook(
    name="sample", summary="write blobs", parameters=Parameters, observe=observe, plan=plan, actions=actions,
    callbacks=Callbacks(release_version=lambda _: "2026.11.0"),
)  # fmt: skip

if __name__ == "__main__":
    sys.exit(main(RUNBOOK))
