"""What must be true of the settings before a deployment: the jobs read them from the Automation variable."""

from publisher.instances.document import Instance
from runbook_lib.azure.settings import ENVIRONMENT_PREFIX, Settings
from runbook_lib.errors import azure

CLIENT_ID = "uami_client_id"


def require_client_id(settings: Settings, instance: Instance | None) -> None:
    """Check that the settings name the identity of the jobs. The operator's own login does not need it.

    instance: the customer's document, None if the environment gives the settings. Raises RunbookError VD-SETTINGS-001.
    """
    if settings.uami_client_id:
        return
    if instance is None:
        remedy = f"Set {ENVIRONMENT_PREFIX}{CLIENT_ID.upper()} in the environment."
    else:
        edit = f"vibedata instance edit {instance.id} --set settings.{CLIENT_ID}=GUID"
        remedy = f"Add it to the instance document: `{edit}`. If the document is a file, edit the file."
    show = f"az identity show --name vibedata-uami --resource-group {settings.resource_group} --query clientId"
    detail = "the jobs take the client id of vibedata-uami, a GUID"
    raise azure.MISSING_SETTING.error(detail, target=CLIENT_ID, remedy=f"{remedy} `{show}` shows it.")
