"""Imports of images by plain requests to ARM."""

import time
from collections.abc import Mapping
from typing import Any

import requests

from tests.support import oci_client as oci
from tests.support.running_lab import LabUnderTest

REPOSITORY = "vibedata/probe"
API_VERSION = "2025-11-01"
WAIT_SECONDS = 180.0


def url(lab: LabUnderTest) -> str:
    names = lab.control("GET", "/names")
    group = f"/subscriptions/{lab.env['VIBEDATA_SUBSCRIPTION_ID']}/resourceGroups/{lab.env['VIBEDATA_RESOURCE_GROUP']}"
    return f"{group}/providers/Microsoft.ContainerRegistry/registries/{names['customer_registry']}"


def headers(lab: LabUnderTest) -> dict[str, str]:
    return {"Authorization": f"Bearer {oci.identity_token(lab)}"}


def body(lab: LabUnderTest, source_image: str, *target_tags: str, **more: object) -> dict[str, Any]:
    reader = oci.scoped_token(lab)
    source = {
        "registryUri": reader.host,
        "credentials": {"username": reader.username, "password": reader.password},
        "sourceImage": source_image,
    }
    return {"source": source, "targetTags": list(target_tags), **more}


def post(lab: LabUnderTest, sent: Mapping[str, Any]) -> requests.Response:
    path = f"{lab.env['VIBEDATA_ARM_ENDPOINT']}{url(lab)}/importImage?api-version={API_VERSION}"
    return requests.post(path, json=sent, headers=headers(lab), timeout=60)


def wait(lab: LabUnderTest, accepted: requests.Response) -> requests.Response:
    """Poll, faster than the lab asks for, until the operation has ended."""
    assert accepted.status_code == 202, accepted.text
    assert accepted.headers["Retry-After"] == "10"
    deadline = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < deadline:
        answer = requests.get(accepted.headers["Location"], headers=headers(lab), timeout=60)
        if answer.status_code != 202:
            return answer
        time.sleep(0.05)
    raise AssertionError("the operation did not end")
