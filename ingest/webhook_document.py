"""The OpenAPI text of the webhook route."""

from ingest.document_parts import REQUEST_ID, Schema, answer, problems
from ingest.webhook_route import PATH

_DESCRIPTION = (
    "For Stripe, not for apps: snapshot and thin events, signed with one of the account's secrets in "
    "`STRIPE_WEBHOOK_SECRETS`. A 2xx means that the event is on disk, once, however often it is sent; `tally webhooks` "
    "shows what became of it. The account is `self` or a connected one's id."
)


def webhook_paths() -> dict[str, Schema]:
    """The operation by path and method."""
    account = {"name": "account", "in": "path", "required": True, "schema": {"type": "string"}}
    signature = {
        "name": "Stripe-Signature",
        "in": "header",
        "required": True,
        "schema": {"type": "string"},
        "description": "The time and the HMAC of the body, as Stripe makes them.",
    }
    operation = {
        "operationId": "ReceiveWebhook",
        "summary": "Take an event from Stripe",
        "description": _DESCRIPTION,
        "tags": ["stripe"],
        "security": [],
        "parameters": [account, signature, REQUEST_ID],
        "requestBody": {"required": True, "content": {"application/json": {"schema": {"type": "object"}}}},
        "responses": {
            "200": answer("It is on disk.", "ReceivedWebhook"),
            **problems(
                {
                    "400": "The signature is missing, wrong or too old; no event; another account's or mode's event.",
                    "404": "No secret is set for this account.",
                    "405": "Only POST is taken.",
                    "408": "The body did not arrive in time.",
                    "413": "The body is too large.",
                    "415": "Compressed in a way that is not taken.",
                    "503": "The database does not answer in time. Stripe sends it again.",
                }
            ),
        },
    }
    return {PATH: {"post": operation}}


def webhook_components() -> dict[str, Schema]:
    """The schema of the answer."""
    received = {
        "type": "object",
        "required": ["received", "duplicate"],
        "properties": {
            "received": {"type": "string", "description": "The event's id."},
            "duplicate": {"type": "boolean", "description": "It was there already."},
        },
    }
    return {"ReceivedWebhook": received}
