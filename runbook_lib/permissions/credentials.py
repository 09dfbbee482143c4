"""The permissions that runbooks need in the Key Vault."""

from runbook_lib.permissions.model import Permission

_VAULT = "Microsoft.KeyVault/vaults"

READ_SECRETS = Permission(
    on="Key Vault",
    role="Key Vault Secrets User",
    purpose="read the container registry token and the HMAC key; see states and dates of the credentials",
    data_actions=(f"{_VAULT}/secrets/getSecret/action", f"{_VAULT}/secrets/readMetadata/action"),
)
WRITE_SECRETS = Permission(
    on="Key Vault",
    role="Key Vault Secrets Officer",
    purpose="write, disable and recover the secrets of a credential",
    data_actions=(
        f"{_VAULT}/secrets/getSecret/action",
        f"{_VAULT}/secrets/readMetadata/action",
        f"{_VAULT}/secrets/setSecret/action",
        f"{_VAULT}/secrets/update/action",
        f"{_VAULT}/secrets/recover/action",
    ),
)
READ_CERTIFICATE = Permission(
    on="Key Vault",
    role="Key Vault Certificates Officer",
    purpose="see which TLS certificate the vault has",
    data_actions=(f"{_VAULT}/certificates/read",),
)
RENEW_CERTIFICATE = Permission(
    on="Key Vault",
    role="Key Vault Certificates Officer",
    purpose="begin and end the operation that renews the TLS certificate; merge the chain; disable and recover it",
    data_actions=(
        f"{_VAULT}/certificates/read",
        f"{_VAULT}/certificates/create/action",
        f"{_VAULT}/certificates/update/action",
        f"{_VAULT}/certificates/recover/action",
    ),
)
USE_WRAPPING_KEY = Permission(
    on="Key Vault",
    role="Key Vault Crypto Officer",
    purpose="make, read and recover the wrapping key; unwrap a credential in the vault",
    data_actions=(
        f"{_VAULT}/keys/read",
        f"{_VAULT}/keys/create/action",
        f"{_VAULT}/keys/update/action",
        f"{_VAULT}/keys/recover/action",
        f"{_VAULT}/keys/unwrap/action",
    ),
)
