"""The Globus CLI as its users run it, with canned answers in place of the network.

Nothing leaves this machine: requests are answered here as Globus Auth, Transfer and the GCS Manager of one endpoint
answer them (globus-cli, tests/files/api_fixtures at 2f516eb). What the endpoint is set to is in the file
$CANNED_ENDPOINT, which an update changes as GCS changes it; the bodies of updates are added to $CANNED_UPDATES.
"""

import json
import os
import sys
from pathlib import Path

import requests
from requests.adapters import HTTPAdapter

STATE = Path(os.environ["CANNED_ENDPOINT"])
UPDATES = Path(os.environ["CANNED_UPDATES"])
MANAGER = "https://abc.xyz.data.globus.org"
NUMBERS = ("max_concurrency", "preferred_concurrency", "max_parallelism", "preferred_parallelism")


def token(request):
    scope = "urn:globus:auth:scope:transfer.api.globus.org:all"
    return 200, {
        "access_token": "canned",
        "expires_in": 3600,
        "other_tokens": [],
        "resource_server": "transfer.api.globus.org",
        "scope": scope,
        "token_type": "Bearer",
    }


def introspect(request):
    return 200, {
        "DATA_TYPE": "endpoint",
        "entity_type": "GCSv5_endpoint",
        "gcs_manager_url": MANAGER,
        "id": json.loads(STATE.read_text())["id"],
    }


def result(endpoint):
    return 200, {
        "DATA_TYPE": "result#1.0.0",
        "code": "success",
        "data": [endpoint],
        "detail": "success",
        "has_next_page": False,
        "http_response_code": 200,
    }


def show(request):
    return result(json.loads(STATE.read_text()))


def update(request):
    """What the schema of an endpoint says: the four numbers go with `custom`, and only with it."""
    sent = json.loads(request.body)
    with UPDATES.open("a") as updates:
        updates.write(json.dumps(sent) + "\n")
    given = [number for number in NUMBERS if isinstance(sent.get(number), int)]
    if len(given) != (len(NUMBERS) if sent.get("network_use") == "custom" else 0):
        return 422, {"DATA_TYPE": "result#1.0.0", "code": "invalid", "message": "network_use", "http_response_code": 422}
    endpoint = json.loads(STATE.read_text())
    if sent.get("network_use", "custom") != "custom":
        endpoint = {name: value for name, value in endpoint.items() if name not in NUMBERS}
    endpoint.update((name, value) for name, value in sent.items() if name != "DATA_TYPE")
    STATE.write_text(json.dumps(endpoint))
    return result(endpoint)


ANSWERS = {
    ("POST", "https://auth.globus.org/v2/oauth2/token"): token,
    ("GET", "https://transfer.api.globus.org/v0.10/endpoint/" + json.loads(STATE.read_text())["id"]): introspect,
    ("GET", MANAGER + "/api/endpoint"): show,
    ("PATCH", MANAGER + "/api/endpoint"): update,
}


def send(self, request, **options):
    status, document = ANSWERS[request.method, request.url.split("?")[0]](request)
    answer = requests.Response()
    answer.status_code, answer.url, answer.request = status, request.url, request
    answer.headers["Content-Type"] = "application/json"
    answer._content = json.dumps(document).encode()
    return answer


HTTPAdapter.send = send

from globus_cli import main  # noqa: E402  (the transport comes first)

sys.argv[0] = "globus"
main()
