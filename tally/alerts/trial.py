"""A test message through every channel: does it arrive?"""

from dataclasses import dataclass
from datetime import UTC, datetime

from tally.alerts.channels import channels
from tally.alerts.message import INSTALLATION, Message, NotDelivered
from tally.settings import Settings


@dataclass(frozen=True)
class Trial:
    """What came of one channel; `fault` is None when the receiver took the message."""

    channel: str
    fault: str | None


def try_channels(settings: Settings) -> list[Trial]:
    """Send one test message through every channel that is set up; needs no database.

    Raises:
        SettingsError: a channel is set up by half; nothing was sent.
    """
    sentence = "This is a test of Tallyledger's alerts. Nothing is wrong."
    message = Message("test", INSTALLATION, 0, 0, "test", "test", sentence, "triggered", datetime.now(UTC))
    tried = []
    for channel in channels(settings):
        try:
            channel.send(message)
        except NotDelivered as error:
            tried.append(Trial(channel.name, str(error)))
        else:
            tried.append(Trial(channel.name, None))
    return tried
