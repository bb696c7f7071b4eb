"""Alerts: what is wrong is recorded once, told to people, taken on, put off and ended. See docs/alerts.md."""

from tally.alerts.alert import STATES, Alert, Delivery, HistoryRow, NoSuchAlert, alert_of, history_of, list_alerts
from tally.alerts.channels import channels
from tally.alerts.evaluation import Evaluation, evaluate, report
from tally.alerts.lifecycle import AlertIsOver, acknowledge, resolve, snooze
from tally.alerts.looking import DAGSTER_KINDS, look
from tally.alerts.message import INSTALLATION, NotDelivered
from tally.alerts.outage import tell_of_outage
from tally.alerts.trial import Trial, try_channels
from tally.alerts.usage import UsageRule, list_rules
from tally.alerts.watchers import DAGSTER, LOOP, looked_within

__all__ = [
    "DAGSTER",
    "DAGSTER_KINDS",
    "INSTALLATION",
    "LOOP",
    "STATES",
    "Alert",
    "AlertIsOver",
    "Delivery",
    "Evaluation",
    "HistoryRow",
    "NoSuchAlert",
    "NotDelivered",
    "Trial",
    "UsageRule",
    "acknowledge",
    "alert_of",
    "channels",
    "evaluate",
    "history_of",
    "list_alerts",
    "list_rules",
    "look",
    "looked_within",
    "report",
    "resolve",
    "snooze",
    "tell_of_outage",
    "try_channels",
]
