"""Stripe's error envelope, and the errors more than one endpoint raises."""

from typing import Any


class StripeError(Exception):
    """An answer that is not 2xx. `keeps_writes` marks the rare one whose record must outlive the refusal."""

    keeps_writes = False

    def __init__(
        self,
        message: str,
        *,
        status: int = 400,
        type_: str = "invalid_request_error",
        code: str | None = None,
        param: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.headers = headers or {}
        fields = {"message": message, "type": type_, "code": code, "param": param}
        self.body: dict[str, Any] = {"error": {name: value for name, value in fields.items() if value is not None}}


class ParameterError(StripeError):
    """The request never started executing, so no idempotent result is kept for it."""


class DuplicateIdentifier(StripeError):
    """Not swallowed by Stripe: a 400 without a code, which the SDK is told not to retry."""

    keeps_writes = True  # the ledger shows every arrival, also the refused ones

    def __init__(self, identifier: str) -> None:
        super().__init__(
            f"An event already exists with identifier {identifier}.", headers={"stripe-should-retry": "false"}
        )


def missing_resource(kind: str, object_id: str, param: str = "id") -> StripeError:
    noun = kind.rpartition(".")[2].replace("_", " ")
    return StripeError(f"No such {noun}: '{object_id}'", status=404, code="resource_missing", param=param)


def missing_parameter(param: str) -> ParameterError:
    return ParameterError(f"Missing required param: {param}.", code="parameter_missing", param=param)


def invalid(message: str, param: str) -> StripeError:
    return StripeError(message, param=param)


def server_error() -> StripeError:
    return StripeError("An unknown error occurred", status=500, type_="api_error")
