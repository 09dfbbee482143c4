"""The permissions that runbooks need in the customer's container registry."""

from runbook_lib.permissions.model import Permission

_REGISTRY = "Microsoft.ContainerRegistry/registries"

IMPORT_IMAGES = Permission(
    on="container registry",
    role="Container Registry Data Importer and Data Reader",
    purpose="import images and artifacts by digest; read their digests back",
    actions=(f"{_REGISTRY}/importImage/action",),
    data_actions=(f"{_REGISTRY}/repositories/content/read",),
)
READ_IMAGES = Permission(
    on="container registry",
    role="Container Registry Data Importer and Data Reader",
    purpose="read the installed release and its artifacts",
    data_actions=(f"{_REGISTRY}/repositories/content/read",),
)
