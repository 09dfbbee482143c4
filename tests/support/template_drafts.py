"""A small template without a fault, as texts that a test can change."""

from datetime import date
from pathlib import Path

from tests.support.template import INFRA

TODAY = date(2026, 11, 29)
MAIN = """\
@maxLength(15)
param prefix string
param location string = resourceGroup().location
@secure()
param token string
param images object = {}
module storage 'modules/storage.bicep' = {
  name: 'storage'
  params: {
    prefix: prefix
    location: location
    token: token
  }
}
resource vault 'Microsoft.KeyVault/vaults@2026-02-01' = {
  name: '${prefix}-kv'
  location: location
  properties: {
    tenantId: subscription().tenantId
    sku: { family: 'A', name: 'standard' }
    enableRbacAuthorization: contains(images, 'a')
  }
}
output id string = storage.outputs.id
output vaultName string = vault.name
"""
STORAGE = """\
param prefix string
param location string
@secure()
param token string
var names = ['artifacts', 'locks']
resource account 'Microsoft.Storage/storageAccounts@2026-04-01' = {
  name: '${prefix}storage'
  location: location
  kind: 'StorageV2'
  sku: { name: 'Standard_ZRS' }
}
resource blobs 'Microsoft.Storage/storageAccounts/blobServices@2026-04-01' = {
  parent: account
  name: 'default'
}
resource containers 'Microsoft.Storage/storageAccounts/blobServices/containers@2026-04-01' = [for name in names: {
  parent: blobs
  name: name
  properties: {
    metadata: { secret: replace(token, 'a', 'b') }
  }
}]
output id string = account.id
"""
PARAMETERS = '{"parameters": {"prefix": {"value": "vibedata"}, "token": {"value": "t"}}}'
KIND = "  kind: 'StorageV2'\n"
END = "output id string = account.id\n"
M = "mainTemplate.bicep"


def write(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    (folder / "types").symlink_to(INFRA / "types")


def template() -> dict[str, str]:
    return {M: MAIN, "modules/storage.bicep": STORAGE, "parameters/test.json": PARAMETERS}
