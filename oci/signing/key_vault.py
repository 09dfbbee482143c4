"""Sign with a key that never leaves its Key Vault."""

from typing import TYPE_CHECKING

from runbook_lib.basics.redaction import whole_words
from runbook_lib.errors import azure, build
from runbook_lib.network.failures import as_runbook_error

if TYPE_CHECKING:
    from azure.keyvault.keys.crypto import CryptographyClient

# An error shows at most this number of characters of the vault's own words.
MAX_WORDS = 300


class KeyVaultSigner:
    """Lets a Key Vault sign. It needs only the right to sign with the key.

    `client` is the client of the key. `algorithm` is the name that both JWS and Key Vault have for the algorithm.
    """

    def __init__(self, *, client: "CryptographyClient", algorithm: str) -> None:
        self._client = client
        self._algorithm = algorithm

    def sign(self, digest: bytes) -> bytes:
        """Return the vault's signature over a digest.

        Raises RunbookError VD-TRUST-053 (the vault does not sign), VD-NET-*, and azure.core's errors if the vault
        cannot be reached.
        """
        from azure.core.exceptions import HttpResponseError
        from azure.keyvault.keys.crypto import SignatureAlgorithm

        try:
            # A second signature does no harm, so a request whose answer was lost is repeated.
            return self._client.sign(SignatureAlgorithm(self._algorithm), digest, repeatable=True).signature
        except HttpResponseError as error:
            named = as_runbook_error(error)
            if named is not None and not named.is_(azure.REQUEST_REFUSED, azure.REQUEST_NOT_TAKEN):
                raise named from error
            words = whole_words(f"status {error.status_code}: {error.message}", MAX_WORDS)
            raise build.VAULT_DOES_NOT_SIGN.error(words, target=self._client.key_id or "") from error
