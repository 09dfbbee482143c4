"""Failures of the operations log and its delivery."""

from runbook_lib.errors.entry import entry

EVENTS_NOT_DELIVERED = entry(
    "VD-LOG-001",
    "the operations log could not be delivered",
    "Log ingestion does not answer, or refuses vibedata-uami: it lacks the role Monitoring Metrics Publisher on the"
    " data collection rule, or the assignment is younger than 30 minutes.",
    "Nothing is lost: the events wait in blob container operations-spool, and the next run of any runbook delivers"
    " them.",
    retryable=True,
)
EVENTS_NOT_STORED = entry(
    "VD-LOG-002",
    "the operations log could be neither delivered nor stored",
    "Neither log ingestion nor blob container operations-spool takes the events; or secret publisher-acr-token"
    " cannot be read, which proves what waits in the container.",
    "Keep this job's output: the events are in it. Check the roles in docs/operators.md, and that the secret is there.",
    retryable=True,
)
STORED_EVENTS_NOT_DELIVERED = entry(
    "VD-LOG-003",
    "stored events of the operations log cannot be delivered",
    "Blob container operations-spool or secret publisher-acr-token cannot be read; log ingestion refuses a blob for"
    " what it holds; or somebody else wrote into the container. Where events wait since before a rotation, the"
    " former version of the secret may be disabled: then nothing proves them any more.",
    "Look at the blob that the message names, or at the roles in docs/operators.md. What ingestion refuses is set"
    " aside and tried again after all others. What no runbook wrote is never delivered, holds up nothing, and is"
    " told of once: find out who wrote it, and delete it.",
)
