"""Whether Stripe can tell what it dropped and what became final: signing secrets for each account and mode."""

from collections.abc import Iterator

from tally.doctor.patient import Patient, secret
from tally.doctor.result import Result, ok, warning, wrong
from tally.errors import SettingsError, StripeModeError
from tally.stripe.account import open_account
from tally.webhook_secrets import webhook_secrets

CHECK = "webhooks"
_ACCOUNTS = "select distinct account from tally.push_mappings where active order by account"


def webhooks(patient: Patient) -> Iterator[Result]:
    """Accounts that counters go to, without a secret of their mode."""
    try:
        held = webhook_secrets(patient.settings)
    except SettingsError as error:
        yield wrong(CHECK, str(error), "docs/webhooks.md")
        return
    names = ["self"] if patient.connection is None else [name for (name,) in patient.rows(_ACCOUNTS)]
    if not names or not secret(patient.settings.stripe_api_key):
        yield ok(CHECK, f"nothing is pushed; secrets of {len(held)} accounts are set")
        return
    without = []
    for name in names:
        try:
            account = open_account(patient.settings, name)
        except StripeModeError:
            continue  # said by the check of the keys
        account.close()
        if not any(given.livemode == account.livemode for given in held.get(name, ())):
            without.append(f"{name} ({account.mode})")
    if without:
        found = (
            f"no signing secret for {', '.join(without)}: what Stripe drops is learnt when totals are read, hours later"
        )
        yield warning(CHECK, found, "STRIPE_WEBHOOK_SECRETS; docs/webhooks.md")
    else:
        yield ok(CHECK, f"signing secrets for {', '.join(names)}")
