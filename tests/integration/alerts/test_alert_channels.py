"""Channels against real receivers: what arrives, how it is signed, and what is refused before anything is sent."""

import hashlib
import hmac
import json
import socket
import threading
import time
from collections.abc import Callable
from email import message_from_string

import httpcore
import pytest
from alert_receivers import SECRET, HttpReceiver, MailReceiver

from tally.alerts import channels, outside, try_channels
from tally.alerts.outside import AddressRefused
from tally.errors import SettingsError
from tally.settings import Settings


@pytest.fixture
def settings_for() -> Callable[..., Settings]:
    """Channels need no database."""
    return lambda **variables: Settings.model_validate(variables)


def test_every_channel_delivers_and_the_signature_is_good(
    settings_for: Callable[..., Settings], receiver: HttpReceiver, mailbox: MailReceiver
) -> None:
    settings = settings_for(
        TALLY_ALERT_SLACK_URL=f"{receiver.url}/slack",
        TALLY_ALERT_WEBHOOK_URL=f"{receiver.url}/hook?team=billing",
        TALLY_ALERT_WEBHOOK_SECRET=SECRET,
        TALLY_ALERT_EMAIL_TO="a@example.com, b@example.com",
        TALLY_ALERT_EMAIL_FROM="tally@example.com",
        TALLY_SMTP_URL=f"smtp+plain://127.0.0.1:{mailbox.port}",
        TALLY_ALERT_ALLOW_PRIVATE="on",
    )
    assert [(trial.channel, trial.fault) for trial in try_channels(settings)] == [
        ("slack", None), ("webhook", None), ("email", None),
    ]  # fmt: skip
    slack, hook = receiver.posts
    assert json.loads(slack.body)["text"].startswith("*[test] all tenants: test (test)*\nThis is a test")
    assert (hook.path, json.loads(hook.body)["type"]) == ("/hook?team=billing", "alert.test")
    # As a receiver would check it, from the documentation alone.
    stamp, signed = (part.split("=")[1] for part in hook.headers["Tally-Signature"].split(","))
    expected = hmac.new(SECRET.encode(), stamp.encode() + b"." + hook.body, hashlib.sha256).hexdigest()
    assert hmac.compare_digest(signed, expected)
    assert abs(int(stamp) - time.time()) < 60
    [(sender, recipients, text)] = mailbox.mails
    assert (sender, recipients) == ("tally@example.com", ["a@example.com", "b@example.com"])
    assert message_from_string(text)["Subject"] == "[test] all tenants: test (test)"


def test_a_redirect_is_not_followed_and_a_refusal_says_no_address_and_no_secret(
    settings_for: Callable[..., Settings], receiver: HttpReceiver, mailbox: MailReceiver
) -> None:
    receiver.answers += [(302, {"Location": f"{receiver.url}/elsewhere"})]
    mailbox.refuses = "550 nobody here"
    settings = settings_for(
        TALLY_ALERT_WEBHOOK_URL=f"{receiver.url}/hook-of-ours",
        TALLY_ALERT_WEBHOOK_SECRET=SECRET,
        TALLY_ALERT_EMAIL_TO="a@example.com",
        TALLY_ALERT_EMAIL_FROM="tally@example.com",
        TALLY_SMTP_URL=f"smtp+plain://127.0.0.1:{mailbox.port}",
        TALLY_ALERT_ALLOW_PRIVATE="on",
    )
    webhook, mail = try_channels(settings)
    assert webhook.fault == "answered 302"
    assert mail.fault is not None
    assert [post.path for post in receiver.posts] == ["/hook-of-ours"]
    assert mailbox.mails == []
    for said in (str(webhook), str(mail), repr(settings)):
        assert "hook-of-ours" not in said
        assert SECRET not in said


def test_mail_without_tls_is_sent_only_where_the_setting_says_so(
    settings_for: Callable[..., Settings], mailbox: MailReceiver
) -> None:
    people = {"TALLY_ALERT_EMAIL_TO": "a@example.com", "TALLY_ALERT_EMAIL_FROM": "tally@example.com"}
    [trial] = try_channels(settings_for(**people, TALLY_SMTP_URL=f"smtp://user:hunter22@127.0.0.1:{mailbox.port}"))
    assert trial.fault is not None
    assert "hunter22" not in trial.fault
    assert mailbox.mails == []
    with pytest.raises(SettingsError, match="without TLS"):
        channels(settings_for(**people, TALLY_SMTP_URL="smtp+plain://user:hunter22@127.0.0.1"))


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1", "localhost", "[::1]", "0.0.0.0", "10.1.2.3", "172.16.0.1", "192.168.0.9", "169.254.169.254",
        "100.64.0.1", "[fe80::1]", "[fd00::1]", "[::ffff:127.0.0.1]", "[64:ff9b::7f00:1]", "[2002:7f00:1::]",
        "2130706433", "0x7f.1", "224.0.0.1", "255.255.255.255", "[::127.0.0.1]",
    ],
)  # fmt: skip
def test_addresses_that_are_not_public_are_refused_before_anything_is_sent(host: str, receiver: HttpReceiver) -> None:
    port = receiver.url.rpartition(":")[2]
    with pytest.raises(AddressRefused):
        outside.post(f"https://{host}:{port}/", b"{}", {}, allow_private=False)
    assert receiver.posts == []


def test_a_name_that_changes_its_mind_is_judged_where_the_connection_is_made(
    monkeypatch: pytest.MonkeyPatch, receiver: HttpReceiver
) -> None:
    """DNS rebinding: public at the first look, loopback at the second. The only look is the connection's own."""
    port = int(receiver.url.rpartition(":")[2])
    looks: list[str] = []

    def rebinding(host: str, *_: object, **__: object) -> list[object]:
        looks.append(host)
        address = "93.184.215.14" if len(looks) == 1 else "127.0.0.1"
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

    connected: list[object] = []

    def no_network(address: object, *_: object, **__: object) -> socket.socket:
        connected.append(address)
        raise OSError("this machine has no way there")

    monkeypatch.setattr(socket, "getaddrinfo", rebinding)
    monkeypatch.setattr(socket, "create_connection", no_network)
    with pytest.raises(httpcore.ConnectError):
        outside.post(f"https://changes.example:{port}/", b"{}", {}, allow_private=False)
    assert (looks, connected) == (["changes.example"], [("93.184.215.14", port)])
    with pytest.raises(AddressRefused):
        outside.post(f"https://changes.example:{port}/", b"{}", {}, allow_private=False)


def test_http_without_tls_needs_the_setting(receiver: HttpReceiver) -> None:
    with pytest.raises(AddressRefused, match="https"):
        outside.post(f"{receiver.url}/", b"{}", {}, allow_private=False)


def test_a_receiver_that_drips_is_left_within_the_time_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outside, "TIMEOUT_SECONDS", 0.6)
    with socket.create_server(("127.0.0.1", 0)) as server:

        def drip() -> None:
            peer, _ = server.accept()
            with peer:
                for byte in b"HTTP/1.1 200 OK\r\nX-Slow: " + b"a" * 200:
                    try:
                        peer.sendall(bytes([byte]))
                    except OSError:
                        return
                    time.sleep(0.05)

        thread = threading.Thread(target=drip)
        thread.start()
        began = time.monotonic()
        with pytest.raises(httpcore.TimeoutException):
            outside.post(f"http://127.0.0.1:{server.getsockname()[1]}/", b"{}", {}, allow_private=True)
        assert time.monotonic() - began < 2
        thread.join()


@pytest.mark.parametrize(
    ("variables", "named"),
    [
        ({"TALLY_ALERT_WEBHOOK_URL": "https://example.com"}, "TALLY_ALERT_WEBHOOK_SECRET"),
        ({"TALLY_ALERT_WEBHOOK_URL": "https://example.com", "TALLY_ALERT_WEBHOOK_SECRET": "short"}, "SECRET"),
        ({"TALLY_ALERT_EMAIL_TO": "a@example.com"}, "TALLY_SMTP_URL"),
    ],
)
def test_a_channel_set_up_by_half_names_the_variable(
    settings_for: Callable[..., Settings], variables: dict[str, str], named: str
) -> None:
    with pytest.raises(SettingsError, match=named):
        channels(settings_for(**variables))


def test_empty_variables_are_no_channel(settings_for: Callable[..., Settings]) -> None:
    assert channels(settings_for(TALLY_ALERT_SLACK_URL="", TALLY_ALERT_WEBHOOK_URL="", TALLY_ALERT_EMAIL_TO="")) == []
