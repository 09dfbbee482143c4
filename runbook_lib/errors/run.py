"""Failures of a run itself: parameters, settings, identity, the network, the engine, log and output."""

from runbook_lib.errors.entry import EXIT_USAGE, entry

ENTRIES = (
    entry(
        "VD-PARAM-001",
        "unknown parameter",
        "The runbook has no parameter of this name.",
        "Run it with --help to see its parameters.",
        exit_code=EXIT_USAGE,
    ),
    entry(
        "VD-PARAM-002",
        "a parameter has the wrong form",
        "The value is not of the kind that the parameter takes.",
        "Give the parameter a value as the message says.",
        exit_code=EXIT_USAGE,
    ),
    entry(
        "VD-PARAM-003",
        "the parameters cannot be read",
        "The one argument is not the base64url form of a JSON object. Automation splits arguments at spaces and does"
        " not hand JSON on unchanged.",
        "Start the job with `vibedata invoke`, or encode the JSON object as base64url without padding.",
        exit_code=EXIT_USAGE,
    ),
    entry(
        "VD-SETTINGS-001",
        "a setting is missing",
        "Neither the parameters, the environment (VIBEDATA_*) nor the Automation variable vibedata-settings has it, and"
        " it does not follow from the naming prefix.",
        "For runs in Automation, add it to the Automation variable vibedata-settings. For the command vibedata, set"
        " VIBEDATA_ and its name in capitals in the environment.",
        exit_code=EXIT_USAGE,
    ),
    entry(
        "VD-SETTINGS-002",
        "a setting has the wrong form",
        "The value is not of the kind that the setting takes.",
        "Correct it where the message says that it came from.",
        exit_code=EXIT_USAGE,
    ),
    entry(
        "VD-SETTINGS-003",
        "unknown setting",
        "There is no setting of this name.",
        "Take it out, or correct its name; docs/operators.md lists the settings.",
        exit_code=EXIT_USAGE,
    ),
    entry(
        "VD-SETTINGS-004",
        "an address, or whose instance it is, is no parameter of a run",
        "Who may start a job chooses its parameters; the tokens of the managed identity would go wherever they say, and"
        " its reports would tell of another instance.",
        "Leave it out of the parameter settings. An address that is not the convention's, and the instance's identity,"
        " are set in the Automation variable vibedata-settings, or in the environment (VIBEDATA_*).",
        exit_code=EXIT_USAGE,
    ),
    entry(
        "VD-SETTINGS-005",
        "a setting of the publisher's is missing",
        "The environment has no such variable. The publisher's settings come from nowhere else.",
        "Set it in the environment of the command or service. For the lab: `source .lab/lab.env`.",
        exit_code=EXIT_USAGE,
    ),
    entry(
        "VD-IDENTITY-001",
        "no token for the managed identity",
        "The sandbox's identity endpoint is absent, refused, or does not know vibedata-uami.",
        "Check that vibedata-uami is assigned to the Automation account and that setting uami_client_id is its client"
        " id.",
        retryable=True,
    ),
    entry(
        "VD-IDENTITY-002",
        "no login on this machine",
        "Outside Azure Automation the runbook uses the developer's own login, and there is none.",
        "Run `az login`, or `source .lab/lab.env` to use the lab.",
    ),
    entry(
        "VD-NET-001",
        "an Azure service cannot be reached",
        "No connection, a connection that broke, or no answer in time, after all retries.",
        "Check the service's health and the firewall. A cloud sandbox reaches no private endpoint: use a hybrid worker"
        " there.",
        retryable=True,
    ),
    entry(
        "VD-NET-002",
        "an Azure service failed or throttled the request",
        "The service answered with an error, after all retries.",
        "See the status and the service's own words in the message; wait a few minutes and run it again.",
        retryable=True,
    ),
    entry(
        "VD-NET-003",
        "an Azure service refused the request",
        "Its identity lacks a role, the managed application's deny assignment stands in the way, or a role assignment"
        " is younger than 30 minutes.",
        "Check the roles in docs/operators.md. After a new role assignment wait up to 30 minutes.",
        retryable=True,
    ),
    entry(
        "VD-NET-020",
        "the trusted certificate authorities cannot be read",
        "The environment variable names no file of certificates in PEM, and no folder of them.",
        "Correct the path or unset the variable. For the lab: `source .lab/lab.env` while it runs.",
        exit_code=EXIT_USAGE,
    ),
    entry(
        "VD-NET-010",
        "an Azure service does not take the request",
        "It answered with a status that this place does not expect: a resource is absent or in another state, or a"
        " setting names another resource or service.",
        "See the status, the service's code and its own words in the message, and whether the settings name the host"
        " and the resource that are meant; then run it again.",
    ),
    entry(
        "VD-NET-011",
        "an Azure service asks to come back later",
        "What the request is about is being created, deleted, recovered, leased or changed at this moment.",
        "Wait a minute and run it again: what was done stays done.",
        retryable=True,
    ),
    entry(
        "VD-ENGINE-001",
        "a change was made but does not show",
        "After the change the world was read back and held something else.",
        "Run it again; if it stays, somebody else changes the same thing.",
        retryable=True,
    ),
    entry(
        "VD-ENGINE-002",
        "the run was stopped",
        "It was asked to end before all changes were made.",
        "Run it again; it goes on where this one ended.",
        retryable=True,
    ),
    entry(
        "VD-ENGINE-900",
        "an unexpected error",
        "A fault of the suite, or an answer that it does not know.",
        "Send the job's verbose stream, or the correlation id, to the publisher.",
    ),
    entry(
        "VD-LOG-001",
        "the operations log could not be delivered",
        "Log ingestion does not answer, or refuses vibedata-uami: it lacks the role Monitoring Metrics Publisher on the"
        " data collection rule, or the assignment is younger than 30 minutes.",
        "Nothing is lost: the events wait in blob container operations-spool, and the next run of any runbook delivers"
        " them.",
        retryable=True,
    ),
    entry(
        "VD-LOG-002",
        "the operations log could be neither delivered nor stored",
        "Neither log ingestion nor blob container operations-spool takes the events; or secret publisher-acr-token"
        " cannot be read, which proves what waits in the container.",
        "Keep this job's output: the events are in it. Check the roles in docs/operators.md, and that the secret is"
        " there.",
        retryable=True,
    ),
    entry(
        "VD-LOG-003",
        "stored events of the operations log cannot be delivered",
        "Blob container operations-spool or secret publisher-acr-token cannot be read; log ingestion refuses a blob for"
        " what it holds; or somebody else wrote into the container. Where events wait since before a rotation, the"
        " former version of the secret may be disabled: then nothing proves them any more.",
        "Look at the blob that the message names, or at the roles in docs/operators.md. What ingestion refuses is set"
        " aside and tried again after all others. What no runbook wrote is never delivered, holds up nothing, and is"
        " told of once: find out who wrote it, and delete it.",
    ),
    entry(
        "VD-OUTPUT-001",
        "the job's output is full",
        "Automation fails a job that writes more than 1 MiB, so that the rest of the progress is left out.",
        "Read the full record in table VibeData_Operations_CL.",
    ),
)
