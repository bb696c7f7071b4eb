"""What every request goes through: keys, accounts, versions, form bodies, and the checks by the contract."""

from typing import Any

import pytest
import stripe
from sandbox_shop import Shop

from stripe_sandbox.errors import ParameterError
from stripe_sandbox.form_encoding import decode_form


def test_nested_form_keys_become_nested_objects() -> None:
    tree = decode_form(
        "items[0][price]=p1&items[0][metadata][a]=1&items[1][price]=p2&expand[]=x&empty=&a%5Bb%5D=%C3%A9"
    )
    assert tree == {
        "items": {"0": {"price": "p1", "metadata": {"a": "1"}}, "1": {"price": "p2"}},
        "expand": {"0": "x"},
        "empty": "",
        "a": {"b": "é"},
    }


@pytest.mark.parametrize("text", ["a[b=1", "[a]=1", "a=1&a[b]=2", "a[b]c=1"])
def test_malformed_form_keys_are_refused(text: str) -> None:
    with pytest.raises(ParameterError):
        decode_form(text)


def test_an_unknown_parameter_is_named(shop: Shop) -> None:
    with pytest.raises(stripe.InvalidRequestError) as caught:
        shop.v1.customers.create({"name": "a", "nick": "b"})
    assert (caught.value.http_status, caught.value.code, caught.value.param) == (400, "parameter_unknown", "nick")


def test_an_unknown_nested_parameter_is_named_with_its_path(shop: Shop) -> None:
    with pytest.raises(stripe.InvalidRequestError) as caught:
        shop.meter(value_settings={"event_payload_key": "value", "unit": "GB"})
    assert caught.value.param == "value_settings[unit]"


def test_a_missing_parameter_is_named(shop: Shop) -> None:
    with pytest.raises(stripe.InvalidRequestError) as caught:
        shop.v1.billing.meter_events.create({"event_name": "a"})
    assert (caught.value.code, caught.value.param) == ("parameter_missing", "payload")


@pytest.mark.parametrize(
    ("params", "code", "param"),
    [
        ({"frozen_time": "noon"}, "parameter_invalid_integer", "frozen_time"),
        ({"frozen_time": {"a": 1}}, "parameter_invalid_integer", "frozen_time"),
        ({"frozen_time": 5, "name": {"a": 1}}, "parameter_invalid_string", "name"),
    ],
)
def test_a_parameter_of_another_type_is_refused(shop: Shop, params: dict[str, Any], code: str, param: str) -> None:
    with pytest.raises(stripe.InvalidRequestError) as caught:
        shop.v1.test_helpers.test_clocks.create(params)
    assert (caught.value.code, caught.value.param) == (code, param)


def test_an_enum_lists_its_choices(shop: Shop) -> None:
    with pytest.raises(stripe.InvalidRequestError, match="must be one of count, last, sum"):
        shop.meter(formula="max")


def test_what_stripe_has_but_the_sandbox_has_not_is_refused_as_such(shop: Shop) -> None:
    with pytest.raises(stripe.InvalidRequestError) as caught:
        shop.v1.customers.create({"tax_exempt": "exempt"})
    assert caught.value.code == "parameter_not_in_sandbox"


@pytest.mark.parametrize("key", ["nonsense", "pk_test_1", "sk_other_1"])
def test_a_key_of_no_known_shape_is_refused(shop: Shop, key: str) -> None:
    with pytest.raises(stripe.AuthenticationError) as caught:
        shop.client(key).v1.customers.list()
    assert caught.value.http_status == 401


def test_live_test_and_connected_accounts_see_only_their_own(shop: Shop) -> None:
    ids = {
        "test": shop.client("sk_test_a").v1.customers.create().id,
        "live": shop.client("sk_live_a").v1.customers.create().id,
        "connected": shop.client("rk_test_b", stripe_account="acct_7").v1.customers.create().id,
    }
    clients = {
        "test": shop.client("rk_test_other"),
        "live": shop.client("sk_live_other"),
        "connected": shop.client("sk_test_a", stripe_account="acct_7"),
    }
    for name, client in clients.items():
        assert [customer.id for customer in client.v1.customers.list()] == [ids[name]]
        assert client.v1.customers.retrieve(ids[name]).livemode == (name == "live")
    with pytest.raises(stripe.InvalidRequestError) as caught:
        clients["test"].v1.customers.retrieve(ids["live"])
    assert (caught.value.http_status, caught.value.code) == (404, "resource_missing")


def test_every_answer_names_its_request_and_version(shop: Shop) -> None:
    answer = shop.v1.customers.create().last_response
    assert answer is not None
    assert answer.headers["request-id"].startswith("req_")
    assert answer.headers["stripe-version"] == stripe.api_version
    with pytest.raises(stripe.InvalidRequestError) as caught:
        shop.v1.customers.retrieve("cus_none")
    assert str(caught.value.request_id).startswith("req_")


def test_a_malformed_version_is_refused(shop: Shop) -> None:
    with pytest.raises(stripe.InvalidRequestError, match="API version"):
        shop.client(stripe_version="latest").v1.customers.list()


def test_an_unknown_address_is_a_404(shop: Shop) -> None:
    with pytest.raises(stripe.InvalidRequestError) as caught:
        shop.v1.coupons.list()
    assert caught.value.http_status == 404


def test_lists_page_forwards_and_backwards(shop: Shop) -> None:
    made = [shop.v1.customers.create().id for _ in range(7)]
    newest_first = made[::-1]
    assert [customer.id for customer in shop.v1.customers.list({"limit": 3}).auto_paging_iter()] == newest_first
    before = shop.v1.customers.list({"limit": 3, "ending_before": newest_first[5]})
    assert ([customer.id for customer in before.data], before.has_more) == (newest_first[2:5], True)
    assert shop.v1.customers.list().has_more is False
    for limit in (0, 101):
        with pytest.raises(stripe.InvalidRequestError):
            shop.v1.customers.list({"limit": limit})
    with pytest.raises(stripe.InvalidRequestError):
        shop.v1.customers.list({"starting_after": "cus_none"})


def test_expansion_replaces_ids_and_shows_tiers(shop: Shop) -> None:
    tiers = [{"up_to": 10, "unit_amount": 5}, {"up_to": "inf", "unit_amount": 3}]
    price = shop.metered_price(shop.meter(), billing_scheme="tiered", tiers_mode="graduated", tiers=tiers)
    subscription = shop.subscribe(shop.customer(shop.clock()), price)
    assert "tiers" not in shop.v1.prices.retrieve(price.id)
    expand = ["customer.test_clock", "items.data.price.tiers", "items.data.price.product", "latest_invoice"]
    expanded = shop.v1.subscriptions.retrieve(subscription.id, {"expand": expand})
    assert expanded.customer.test_clock.frozen_time
    shown = expanded["items"].data[0].price
    assert [tier.up_to for tier in shown.tiers or []] == [10, None]
    assert shown.product.name == "api_calls"
    with pytest.raises(stripe.InvalidRequestError, match="cannot be expanded"):
        shop.v1.prices.retrieve(price.id, {"expand": ["meter"]})
