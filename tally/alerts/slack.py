"""Slack's incoming webhook: one message a notice."""

import json

from pydantic import SecretStr

from tally.alerts.message import Message
from tally.alerts.posting import post_json

# What Slack's text takes as markup.
_ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})


class Slack:
    """The channel of TALLY_ALERT_SLACK_URL."""

    name = "slack"

    def __init__(self, url: SecretStr, *, allow_private: bool) -> None:
        self._url = url
        self._allow_private = allow_private

    def send(self, message: Message) -> None:
        """As `Channel.send`."""
        text = f"*{message.headline.translate(_ESCAPES)}*\n{message.text.translate(_ESCAPES)}"
        post_json(self._url, json.dumps({"text": text}).encode(), {}, allow_private=self._allow_private)
