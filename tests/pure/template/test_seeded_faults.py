"""Each rule finds its fault, in a small template, and says in which file and line."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.template_drafts import END, KIND, TODAY, M, template, write
from vibedata.template import check, language, literals, reader, resource_types, symbols
from vibedata.template.check import check_folder


@dataclass(frozen=True, kw_only=True)
class Fault:
    """In `file`, `old` becomes `new`. The rule finds it at the line of `new` that has `at`."""

    rule: str
    old: str
    new: str
    at: str
    file: str = "modules/storage.bicep"
    message: str = ""


STORAGE_TYPE = "'Microsoft.Storage/storageAccounts@2026-04-01'"
ACCOUNT = f"resource account {STORAGE_TYPE} = {{\n  name: '${{prefix}}storage'\n"
SERVICES = "'Microsoft.Storage/storageAccounts/blobServices@2026-04-01'"
PLACE = "  location: location\n  kind"
FAULTS = [
    Fault(rule="syntax", old=KIND, new="  kind: 'StorageV2\n", at="kind", message="a text has no end"),
    Fault(rule="syntax", old=KIND, new="  kind 'StorageV2'\n", at="kind", message="':' is missing"),
    Fault(rule="syntax", old=END, new=END + "output\n", at="output\n"),
    Fault(rule="template-language-2", old=END, new=END + "type a = string\n", at="type a"),
    Fault(rule="template-language-2", old=END, new=END + "func f() string => 'a'\n", at="func"),
    Fault(rule="template-language-2", old=END, new=END + "import * as a from 'a.bicep'\n", at="import"),
    Fault(rule="template-language-2", old=END, new=END + "extension kubernetes\n", at="extension"),
    Fault(rule="template-language-2", old=END, new=END + "assert a = true\n", at="assert"),
    Fault(rule="template-language-2", old="var names =", new="var names array =", at="var names"),
    Fault(rule="template-language-2", old=END, new=END + "param more string[]\n", at="more"),
    Fault(rule="template-language-2", old=END, new=END + "param more string?\n", at="more"),
    Fault(rule="template-language-2", old=END, new=END + "param more 'a' | 'b'\n", at="more"),
    Fault(rule="template-language-2", old=END, new=END + "param more {\n  a: string\n}\n", at="more"),
    Fault(rule="template-language-2", old=END, new=END + "param more [\n  string\n]\n", at="more"),
    Fault(rule="template-language-2", old=END, new="output id { a: string } = account.id\n", at="output"),
    Fault(rule="template-language-2", old=END, new="@secure()\n" + END, at="output"),
    Fault(rule="template-language-2", old="  name: 'storage'\n", new="", at="module", file=M),
    Fault(rule="template-language-2", old="resource account", new="@retryOn(['a'])\nresource account", at="retryOn"),
    Fault(rule="template-language-2", old=END, new=END + "output all array = map(containers, c => c.id)\n", at="all"),
    Fault(rule="template-language-2", old=END, new=END + "output all array = containers\n", at="all"),
    Fault(rule="syntax", old="'${prefix}storage'", new="(prefix.?a ?? 'b')", at="prefix.?a"),
    Fault(rule="known-too-late", old="'${prefix}-kv'", new="'${storage.outputs.id}-kv'", at="-kv", file=M),
    Fault(rule="symbol", old="'${prefix}storage'", new="'${prefx}storage'", at="prefx"),
    Fault(rule="symbol", old="for name in names", new="for name in nmes", at="nmes"),
    Fault(rule="symbol", old="replace(", new="swap(", at="swap"),
    Fault(rule="symbol", old="storage.outputs.id", new="storage.outputs.name", at="outputs.name", file=M),
    Fault(rule="symbol", old="replace(token, 'a', 'b')", new="toLower('${token}${newGuid()}')", at="newGuid"),
    Fault(
        rule="symbol-twice",
        old=END,
        new="resource again "
        + STORAGE_TYPE
        + " = {\n  name: '${prefix}storage'\n  location: location\n"
        + KIND
        + "  sku: { name: 'Standard_ZRS' }\n}\n"
        + END,
        at="resource again",
        message="deployed twice",
    ),
    Fault(rule="symbol-twice", old=END, new="var prefix = 'a'\n" + END, at="var prefix"),
    Fault(rule="unused", old=END, new="var more = 1\n" + END, at="var more"),
    Fault(rule="unused", old=END, new="param more int = 1\n" + END, at="param more"),
    Fault(rule="unused", old=END, new=END + "output more string = prefix\n", at="output more"),
    Fault(rule="module", old="    token: token\n", new="", at="module", file=M, message="lacks parameter token"),
    Fault(rule="module", old="    token: token\n", new="    token: token\n    a: 1\n", at="a: 1", file=M),
    Fault(rule="module", old="modules/storage.bicep", new="modules/no.bicep", at="no.bicep", file=M),
    Fault(rule="module", old="@secure()\nparam token", new="param token", at="token: token", message="not secure"),
    Fault(
        rule="type", old="    location: location\n    token", new="    location: 1\n    token", at="location: 1", file=M
    ),
    Fault(rule="type", old="param images object = {}", new="param images object = []", at="images object", file=M),
    Fault(rule="type", old=END, new="output id int = account.id\n", at="output id"),
    Fault(rule="type", old="param images", new="@minLength(1)\nparam images", at="@minLength", file=M),
    Fault(rule="type", old="param images", new="@minLength('1')\nparam images", at="@minLength", file=M),
    Fault(rule="type", old=END, new=END + "@maxLength(a)\nparam a string = 'b'\n", at="@maxLength(a)"),
    Fault(rule="type", old="var names", new="@batchSize(1)\nvar names", at="@batchSize"),
    Fault(rule="type", old=END, new=END + "@allowed(['a'])\nparam a string = 'b'\n", at="@allowed"),
    Fault(rule="image-tag", old=KIND, new=KIND + "  extra: { image: 'a.azurecr.io/b:1.0' }\n", at="b:1.0"),
    Fault(rule="image-tag", old=KIND, new=KIND + "  extra: { image: '${prefix}/b:latest' }\n", at="latest"),
    Fault(rule="image-tag", old=KIND, new=KIND + "  extra: { image: '${prefix}@sha256:00' }\n", at="sha256"),
    Fault(rule="image-tag", old=KIND, new=KIND + "  extra: { linuxFxVersion: 'DOCKER|${prefix}/b:1' }\n", at="DOCKER"),
    Fault(rule="location", old=PLACE, new="  location: 'westeurope'\n  kind", at="westeurope"),
    Fault(
        rule="location",
        old="  location: location\n  kind",
        new="  location: resourceGroup().location\n  kind",
        at="Group",
    ),
    Fault(rule="location", old="param location", new="@allowed(['a'])\nparam location", at="param location", file=M),
    Fault(
        rule="location",
        old=ACCOUNT + "  location: location\n",
        new=f"var here = 'westeurope'\n{ACCOUNT}  location: here\n",
        at="var here",
    ),
    Fault(rule="location", old=PLACE, new="  location: true ? 'westeurope' : location\n  kind", at="westeurope"),
    Fault(
        rule="location",
        old="param location string =",
        new="param location string = 'a' //",
        at="param location",
        file=M,
    ),
    Fault(rule="host", old=KIND, new=KIND + "  tags: { a: 'HTTPS://api.example/' }\n", at="HTTPS"),
    Fault(rule="host", old=KIND, new=KIND + "  tags: { a: '${prefix}.azurecr.io' }\n", at="azurecr"),
    Fault(rule="host", old=KIND, new=KIND + "  tags: { a: '${prefix}.blob.core.windows.net' }\n", at="windows"),
    Fault(rule="host", old=KIND, new=KIND + "  tags: { a: 'https://api.example/' }\n", at="https"),
    Fault(rule="secret-output", old=END, new=END + "output more string = token\n", at="more"),
    Fault(
        rule="secret-output", old=END, new=END + "output more string = hidden\nvar hidden = 'a${token}'\n", at="more"
    ),
    Fault(rule="secret-output", old="param token string", new="param token string = 'a'", at="param token", file=M),
    Fault(rule="secret-output", old=END, new=END + "output more string = account.listKeys().keys\n", at="more"),
    Fault(
        rule="secret-output", old=END, new=END + "output more string = account.properties.ConnectionString\n", at="more"
    ),
    Fault(rule="secret-output", old=END, new=END + "output more string = account['primaryKey']\n", at="more"),
    Fault(
        rule="scope",
        old="  name: 'storage'\n",
        new="  name: 'storage'\n  scope: resourceGroup('a')\n",
        at="scope",
        file=M,
    ),
    Fault(rule="name", old="'${prefix}-kv'", new="'vibedata-kv'", at="resource vault", file=M),
    Fault(rule="resource-type", old=STORAGE_TYPE, new="'Microsoft.Storage/accounts@2026-04-01'", at="accounts"),
    Fault(
        rule="resource-type",
        old=STORAGE_TYPE,
        new="'Microsoft.Storage/StorageAccounts@2026-04-01'",
        at="StorageAccounts@",
    ),
    Fault(rule="api-version", old=STORAGE_TYPE, new="'Microsoft.Storage/storageAccounts@2023-05-01'", at="2023-05-01"),
    Fault(rule="api-version", old=SERVICES, new=SERVICES.replace("04-01", "04-01-preview"), at="preview"),
    Fault(rule="resource-body", old=KIND, new="  kind: 'StorageV3'\n  sort: 1\n", at="sort", message="is not known"),
    Fault(rule="resource-body", old=KIND, new="", at="resource account", message="kind is missing"),
    Fault(rule="resource-body", old=KIND, new="  kind: 'storageV2'\n", at="kind", message="takes"),
    Fault(rule="resource-body", old=KIND, new="  kind: 2\n", at="kind", message="takes string"),
    Fault(rule="resource-body", old="'${prefix}storage'", new="'${prefix}-storage'", at="-storage", message="match"),
    Fault(rule="resource-body", old="metadata:", new="metaData:", at="metaData", message="it is metadata"),
    Fault(rule="resource-body", old="metadata:", new="hasLegalHold: true\n    metadata:", at="Hold", message="Azure's"),
    Fault(rule="resource-body", old="['artifacts'", new="['a'", at="name: name", message="3 to 63"),
    Fault(rule="resource-body", old="family: 'A', ", new="", at="sku", file=M, message="sku.family is missing"),
    Fault(rule="resource-body", old="-kv'", new="-a-name-for-a-key-vault'", at="key-vault", file=M, message="3 to 24"),
    Fault(rule="resource-body", old="storage'\n", new="storageaccount'\n", at="'${prefix}s", message="3 to 24"),
    Fault(rule="evaluation", old="'Standard_ZRS'", new="(names[0] ?? 'a')", at="??", message="operator"),
    Fault(
        rule="evaluation", old="  kind:", new="  dependsOn: [blobs]\n  kind:", at="resource account", message="itself"
    ),
    Fault(rule="parameter-file", old='{"value": "t"}', new='{"values": "t"}', at="prefix", file="parameters/test.json"),
    Fault(rule="evaluation", old="replace(token, 'a', 'b')", new="'${token}${names[7]}'", at="names[7]"),
]


def named(fault: Fault) -> str:
    return f"{fault.rule}-{fault.new.strip().splitlines()[-1][:40] if fault.new.strip() else 'left-out'}"


def test_without_a_fault_nothing_is_found(tmp_path: Path) -> None:
    write(tmp_path, template())
    assert [str(each) for each in check_folder(tmp_path, today=TODAY)] == []


@pytest.mark.parametrize("fault", FAULTS, ids=named)
def test_a_fault_is_found_where_it_is(tmp_path: Path, fault: Fault) -> None:
    files = template()
    assert fault.old in files[fault.file]
    files[fault.file] = files[fault.file].replace(fault.old, fault.new, 1)
    write(tmp_path, files)
    findings = [each for each in check_folder(tmp_path, today=TODAY) if each.rule == fault.rule]
    assert findings
    lines = {
        (name, number)
        for name, text in files.items()
        for number, line in enumerate(text.splitlines(keepends=True), start=1)
        if fault.at in line
    }
    there = [each for each in findings if (each.file, each.line) in lines and fault.message in str(each)]
    assert there, f"{sorted(lines)}: {[str(each) for each in findings]}"
    assert all(each.remedy for each in findings)


def test_a_file_that_no_module_is_is_found(tmp_path: Path) -> None:
    write(tmp_path, {**template(), "modules/more.bicep": "output a string = 'b'\n"})
    (finding,) = check_folder(tmp_path, today=TODAY)
    assert (finding.file, finding.rule) == ("modules/more.bicep", "unused")


def test_every_rule_has_a_fault() -> None:
    rules = {
        *(reader.SYNTAX, reader.LANGUAGE, language.TOO_LATE, check.EVALUATION, check.PARAMETER_FILE),
        *(symbols.UNKNOWN, symbols.UNUSED, symbols.TWICE, symbols.UNFIT, symbols.MODULE),
        *(check.IMAGE_TAG, literals.LOCATION, literals.HOST, literals.SECRET, literals.SCOPE, literals.NAME),
        *(resource_types.UNKNOWN_TYPE, resource_types.OLD_VERSION, resource_types.WRONG_BODY),
    }
    assert {fault.rule for fault in FAULTS} == rules
