"""Idempotency keys: the first answer of a key is kept, also a 500, and given again to the same request."""

import json
from dataclasses import dataclass

from stripe_sandbox.answers import Answer
from stripe_sandbox.clock import Clock
from stripe_sandbox.errors import StripeError
from stripe_sandbox.settings import Settings
from stripe_sandbox.state import State

MAX_KEY_LENGTH = 255


@dataclass
class IdempotencyKeys:
    state: State
    settings: Settings
    clock: Clock

    def __post_init__(self) -> None:
        self._in_progress: set[tuple[str, str]] = set()

    def begin(self, namespace: str, key: str, fingerprint: str) -> Answer | None:
        """The stored answer, or None after marking the key as in progress."""
        if len(key) > MAX_KEY_LENGTH:
            raise StripeError("Idempotency keys must be at most 255 characters.", type_="idempotency_error")
        if (namespace, key) in self._in_progress:
            raise StripeError(
                "There is currently another in-progress request using this Idempotent Key (that probably means you "
                "submitted twice, and the other request is still going through). Please try again later.",
                status=409,
                type_="idempotency_error",
                code="idempotency_key_in_use",
            )
        row = self.state.row(
            "select * from idempotent_answers where namespace = ? and key = ? and stored_at >= ?",
            (namespace, key, self._oldest_kept()),
        )
        if row is None:
            self._in_progress.add((namespace, key))
            return None
        if row["fingerprint"] != fingerprint:
            raise StripeError(
                f"Keys for idempotent requests can only be used with the same parameters they were first used with. "
                f"Try using a key other than '{key}' if you meant to execute a different request.",
                type_="idempotency_error",
            )
        replayed = {"Original-Request": row["request_id"]}
        if self.settings.replayed_answers_say_so:
            replayed["Idempotent-Replayed"] = "true"
        return Answer(row["status"], row["body"].encode(), {**json.loads(row["headers"]), **replayed})

    def end(self, namespace: str, key: str) -> None:
        self._in_progress.discard((namespace, key))

    def store(self, namespace: str, key: str, fingerprint: str, answer: Answer, request_id: str) -> None:
        self.state.execute(
            "insert or replace into idempotent_answers values (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                namespace,
                key,
                fingerprint,
                answer.status,
                answer.body.decode(),
                json.dumps(answer.headers),
                request_id,
                self.clock.now(),
            ),
        )

    def prune(self) -> None:
        self.state.execute("delete from idempotent_answers where stored_at < ?", (self._oldest_kept(),))

    def _oldest_kept(self) -> float:
        return self.clock.now() - self.settings.idempotency_retention_seconds
