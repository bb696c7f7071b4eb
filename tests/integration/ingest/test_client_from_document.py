"""A client that knows the document and nothing else gets its usage in, and sees it again."""

import json
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from door_caller import Caller

from tally.api_keys import SCOPES, create_key


class Client:
    """Builds each request from /docs/openapi.json: address, headers, body and what the answer must look like."""

    def __init__(self, base_url: str, key: str) -> None:
        self.base_url = base_url
        self.key = key
        self.document = httpx.get(f"{base_url}/docs/openapi.json").json()
        self.operations = {
            operation["operationId"]: (method, path, operation)
            for path, item in self.document["paths"].items()
            for method, operation in item.items()
        }

    def schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        """The schema, looked up when it is a reference."""
        name = schema.get("$ref", "").rpartition("/")[2]
        return self.document["components"]["schemas"][name] if name else schema

    def media_types(self, name: str) -> list[str]:
        return list(self.operations[name][2]["requestBody"]["content"])

    def example(self, name: str, media_type: str) -> Any:
        content = self.operations[name][2]["requestBody"]["content"][media_type]
        if "examples" in content:
            return next(iter(content["examples"].values()))["value"]
        return content["example"] if "example" in content else self.schema(content["schema"])["example"]

    def call(
        self, name: str, media_type: str | None = None, body: Any = None, query: Any = None, **values: str
    ) -> dict[str, Any]:
        method, path, operation = self.operations[name]
        headers = {}
        for requirement in operation.get("security", []):
            (scheme,) = (self.document["components"]["securitySchemes"][known] for known in requirement)
            assert (scheme["type"], scheme["scheme"]) == ("http", "bearer")
            headers["Authorization"] = f"Bearer {self.key}"
        content = None
        if media_type is not None:
            headers["Content-Type"] = media_type
            content = body if isinstance(body, str) else json.dumps(body)
        url = self.base_url + path.format(**values)
        answer = httpx.request(method, url, params=query, content=content, headers=headers)
        named = operation["responses"][str(answer.status_code)]
        schema = self.schema(named["content"][answer.headers["content-type"]]["schema"])
        said: dict[str, Any] = answer.json()
        assert answer.status_code < 300, said
        assert set(schema["required"]) <= set(said)
        return said


@pytest.fixture
def client(door: Caller) -> Client:
    return Client(str(door.http.base_url).rstrip("/"), create_key(door.connection, "acme", "client", SCOPES))


def now_in(text: str) -> str:
    """The example with its one made-up value put right: when it happens."""
    return text.replace("2026-01-31T23:59:59.123456Z", datetime.now(UTC).isoformat())


def test_every_example_body_is_taken_as_it_stands(client: Client, door: Caller) -> None:
    media_types = client.media_types("PostEvents")
    assert len(media_types) == 4
    for media_type in media_types:
        example = client.example("PostEvents", media_type)
        body = now_in(example if isinstance(example, str) else json.dumps(example))
        assert client.call("PostEvents", media_type, body)["accepted"] == 1
    assert len(door.landed()) == 4


def test_what_was_posted_can_be_found_page_by_page(client: Client) -> None:
    example = json.loads(now_in(json.dumps(client.example("PostEvents", "application/json"))))
    events = [{**example, "idempotency_key": f"k-{number}"} for number in range(5)]
    client.call("PostEvents", "application/json", {"events": events})
    found: list[str] = []
    query = {"customer_ref": example["customer_ref"], "limit": 2}
    while True:
        page = client.call("ListEvents", query=query)
        found += [shown["idempotency_key"] for shown in page["events"]]
        if page["next_cursor"] is None:
            break
        query["cursor"] = page["next_cursor"]
    assert sorted(found) == [f"k-{number}" for number in range(5)]
    (one,) = client.call("GetEvent", key="k-3")["events"]
    assert one["quantity"] == example["quantity"]
    assert one["properties"] == example["properties"]


def test_keys_are_made_rotated_listed_and_revoked(client: Client) -> None:
    (media_type,) = client.media_types("CreateKey")
    made = client.call("CreateKey", media_type, client.example("CreateKey", media_type))
    rotated = client.call("RotateKey", media_type, client.example("RotateKey", media_type), key_id=made["key_id"])
    assert rotated["replaces"] == made["key_id"]
    assert client.call("RevokeKey", key_id=rotated["key_id"])["revoked"]
    listed = {key["key_id"]: key for key in client.call("ListKeys")["keys"]}
    assert listed[rotated["key_id"]]["revoked_at"] is not None
    assert listed[made["key_id"]]["expires_at"] is not None
