"""What is told about an alert, the same through every channel."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, Protocol

from tally.errors import TallyError

Notice = Literal["triggered", "reminder", "resolved", "test"]
INSTALLATION = "*"
_HEADLINES = {"triggered": "wrong", "reminder": "still wrong", "resolved": "over", "test": "test"}


@dataclass(frozen=True)
class Message:
    """One notice of one alert. By `delivery_id`, which stays when it is sent again, a receiver knows repeats."""

    notice: Notice
    tenant_id: str
    alert_id: int
    delivery_id: int
    kind: str
    subject: str
    sentence: str
    state: str
    triggered_at: datetime
    resolved_at: datetime | None = None

    @property
    def headline(self) -> str:
        """One line: `[wrong] acme: ticks_lag (ledger)`."""
        whose = "all tenants" if self.tenant_id == INSTALLATION else self.tenant_id
        return f"[{_HEADLINES[self.notice]}] {whose}: {self.kind} ({self.subject})"

    @property
    def text(self) -> str:
        """The sentence, since when, and what to do about the alert."""
        since = f"Since {self.triggered_at:%Y-%m-%d %H:%M:%S}Z"
        if self.notice == "test":
            return self.sentence
        if self.resolved_at is not None:
            return f"{self.sentence}\n{since}, over at {self.resolved_at:%Y-%m-%d %H:%M:%S}Z."
        todo = f"`tally alerts ack {self.alert_id}`, `tally alerts snooze {self.alert_id} 2h`"
        return f"{self.sentence}\n{since}. {todo}"

    def document(self) -> dict[str, Any]:
        """As the webhook sends it; times in ISO 8601."""
        return {
            "type": f"alert.{self.notice}",
            "delivery_id": self.delivery_id,
            "tenant_id": None if self.tenant_id == INSTALLATION else self.tenant_id,
            "alert_id": self.alert_id,
            "kind": self.kind,
            "subject": self.subject,
            "sentence": self.sentence,
            "state": self.state,
            "triggered_at": self.triggered_at.isoformat(),
            "resolved_at": self.resolved_at.isoformat() if self.resolved_at else None,
        }


class NotDelivered(TallyError):
    """A channel did not take a message: why, without addresses and secrets. `retry_after`: seconds, if asked for."""

    def __init__(self, why: str, retry_after: int | None = None) -> None:
        super().__init__(why)
        self.retry_after = retry_after


class Channel(Protocol):
    """A way to tell people."""

    @property
    def name(self) -> str: ...

    def send(self, message: Message) -> None:
        """Hand the message over; returns when the receiver has taken it.

        Raises:
            NotDelivered: it may or may not have arrived.
        """
