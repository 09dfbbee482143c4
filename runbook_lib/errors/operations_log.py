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
    "Log ingestion does not accept the events, and blob container operations-spool does not either. Or the secret"
    " publisher-acr-token, which proves the waiting events, cannot be read.",
    "Keep this job's output: it has the events. Check the roles in docs/operators.md, and check that the secret"
    " exists.",
    retryable=True,
)
STORED_EVENTS_NOT_DELIVERED = entry(
    "VD-LOG-003",
    "stored events of the operations log cannot be delivered",
    "Blob container operations-spool or secret publisher-acr-token cannot be read, log ingestion refuses a blob"
    " because of its content, or somebody else wrote into the container. After a rotation there is another cause: if"
    " the former version of the secret is disabled, nothing proves the events from before.",
    "Look at the blob that the message names, or check the roles in docs/operators.md. If ingestion refuses a blob,"
    " later runs try it again after all others. A blob that no runbook wrote is never delivered and delays nothing,"
    " and the runs warn of it once: find out who wrote it, and delete it.",
)
