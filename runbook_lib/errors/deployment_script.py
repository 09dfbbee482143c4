"""What the deployment script itself meets, before and after the runbook that it runs. No built runbook needs it."""

from runbook_lib.errors.entry import EXIT_USAGE, entry

NO_PYTHON = entry(
    "VD-SCRIPT-001",
    "no Python is new enough for the deployment script",
    "The script needs Python 3.10 or newer. The image of the Azure CLI has none, or only an older one.",
    "Give module deploymentScript.bicep a newer azCliVersion, and deploy the template again.",
)
INPUTS_MALFORMED = entry(
    "VD-SCRIPT-002",
    "the deployment script cannot read its inputs",
    "VIBEDATA_DEPLOYMENT must be base64 of a JSON object with settings and parameters. Settings have the names that"
    " docs/operators.md lists.",
    "Correct what the template gives to module deploymentScript.bicep, and deploy it again.",
    exit_code=EXIT_USAGE,
)
WHEEL_MISSING = entry(
    "VD-SCRIPT-003",
    "the packages of the release do not lie beside the deployment script",
    "The template must name the wheels of the script's own release. A file with other bytes is never used.",
    "Upload script and wheel from one build (folder deployment-script), and deploy the template again.",
)
WHEEL_UNUSABLE = entry(
    "VD-SCRIPT-004",
    "the Python of the deployment script cannot use the packages of the release",
    "The packages are made for Python 3.10. The image of the Azure CLI has a Python with which they do not work.",
    "Give module deploymentScript.bicep another azCliVersion, or start the deployment as an Automation job:"
    " deploymentJob.bicep.",
)
NO_RESULT = entry(
    "VD-SCRIPT-005",
    "the deployment ended without a result",
    "The process of deploy_instance was killed, or the container ran out of memory or time.",
    "Deploy the template again: it goes on where this deployment ended.",
    retryable=True,
)
