"""A column of quantities costs exactly what its rows cost one by one, and what whole fractions say."""

from decimal import Decimal

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from price_samples import oracle, per_unit, prices, quantities, tiered, unhurried

from tally.pricing import Package, Price, currency_of, price_line, stripe_amounts
from tally.pricing.columns import price_lines, price_lines_by
from tally.pricing.errors import AmountTooLarge, QuantityInvalid, UnknownModel

STRIPE_DECIMAL = pl.Decimal(38, 12)


def column(values: list[Decimal] | list[int], dtype: pl.DataType | type[pl.DataType] = STRIPE_DECIMAL) -> pl.DataFrame:
    return pl.DataFrame({"quantity": pl.Series(values, dtype=dtype)})


@unhurried
@given(price=prices(), listed=st.lists(quantities, max_size=8))
def test_columns_rows_and_fractions_agree(price: Price, listed: list[Decimal]) -> None:
    amounts = price_lines(column(listed), price)["amount_minor"]
    assert amounts.dtype == pl.Int64
    assert amounts.to_list() == [price_line(price, quantity).amount_minor for quantity in listed]
    assert amounts.to_list() == [oracle(price, quantity) for quantity in listed]


@unhurried
@given(price=prices(), listed=st.lists(quantities, max_size=8))
def test_columns_and_rows_agree_on_stripes_lines(price: Price, listed: list[Decimal]) -> None:
    amounts = price_lines(column(listed), price, per_tier=True)["amount_minor"].to_list()
    assert amounts == [sum(stripe_amounts(price_line(price, quantity))) for quantity in listed]


@pytest.mark.parametrize("dtype", [pl.Int64, pl.UInt8, pl.Int128, pl.Decimal(10, 2), pl.Decimal(38, 0)])
def test_every_exact_kind_of_column(dtype: pl.DataType) -> None:
    price = tiered("graduated", (10, 3, 7), ("20.5", "2.5", 0), (None, "0.001", 1))
    listed = [0, 9, 10, 11, 20, 21, 200]
    amounts = price_lines(column(listed, dtype), price)["amount_minor"].to_list()
    assert amounts == [price_line(price, quantity).amount_minor for quantity in listed]


def test_tier_edges_of_a_column_finer_and_coarser_than_the_tiers() -> None:
    price = tiered("volume", ("0.0005", 7, 1), ("10.000001", 3, 2), (None, 1, 3))
    listed = [Decimal(text) for text in ("0", "0.0005", "0.000500000001", "10", "10.000001", "10.000001000001")]
    amounts = price_lines(column(listed), price)["amount_minor"].to_list()
    assert amounts == [price_line(price, quantity).amount_minor for quantity in listed]
    coarse = price_lines(column([0, 10, 11], pl.Int64), price)["amount_minor"].to_list()
    assert coarse == [price_line(price, quantity).amount_minor for quantity in (0, 10, 11)]


def test_packages_as_small_as_the_columns_last_decimal() -> None:
    price = Price("package", currency_of("usd"), Decimal(3), package=Package(Decimal("0.001")))
    frame = column([Decimal("0.002"), Decimal("1.5")], pl.Decimal(20, 3))
    assert price_lines(frame, price)["amount_minor"].to_list() == [6, 4500]


@unhurried
@given(listed=st.lists(prices(), min_size=1, max_size=4), data=st.data())
def test_rows_of_many_prices_at_once(listed: list[Price], data: st.DataObject) -> None:
    rows = data.draw(st.lists(st.tuples(st.integers(0, len(listed) - 1), quantities), max_size=8))
    frame = pl.DataFrame(
        {"metric": [f"m{number}" for number, _ in rows], "quantity": [quantity for _, quantity in rows]},
        schema={"metric": pl.String, "quantity": STRIPE_DECIMAL},
    )
    amounts = price_lines_by(frame, {f"m{number}": price for number, price in enumerate(listed)})["amount_minor"]
    assert amounts.to_list() == [price_line(listed[number], quantity).amount_minor for number, quantity in rows]


def test_one_metrics_huge_quantities_do_not_narrow_anothers_price() -> None:
    frame = pl.DataFrame(
        {"metric": ["tokens", "seats"], "quantity": pl.Series([Decimal(10**15), Decimal("2.5")], dtype=STRIPE_DECIMAL)}
    )
    priced = {"tokens": per_unit("0.000000000001"), "seats": per_unit("99999.5"), "unused": per_unit("0.123456789012")}
    assert price_lines_by(frame, priced)["amount_minor"].to_list() == [1000, 249_999]


def test_the_other_columns_and_the_order_stay() -> None:
    frame = pl.DataFrame({"customer_ref": ["b", "a", "b"], "metric": ["calls", "images", "images"], "used": [3, 5, 7]})
    priced = price_lines_by(frame, {"calls": per_unit(2), "images": per_unit(10)}, quantity="used")
    assert priced.drop("amount_minor").equals(frame)
    assert priced["amount_minor"].to_list() == [6, 50, 70]
    assert price_lines_by(frame.clear(), {}, quantity="used").schema["amount_minor"] == pl.Int64


@pytest.mark.parametrize("metric", ["bytes", None])
def test_a_row_without_a_price_is_not_free(metric: str | None) -> None:
    frame = pl.DataFrame({"metric": ["calls", metric], "quantity": [1, 2]})
    with pytest.raises(UnknownModel, match=f"metric: no price for {metric}"):
        price_lines_by(frame, {"calls": per_unit(2)})


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        (pl.Series([1.5]), "is Float64"),
        (pl.Series(["1"]), "is String"),
        (pl.Series([True]), "is Boolean"),
        (pl.Series([1, None]), "is empty in 1 rows"),
    ],
)
def test_columns_that_are_not_exact(values: pl.Series, problem: str) -> None:
    with pytest.raises(QuantityInvalid, match=problem):
        price_lines(pl.DataFrame({"quantity": values}), per_unit(1))


def test_a_column_that_is_not_there() -> None:
    with pytest.raises(QuantityInvalid, match="usage: is no column of quantity"):
        price_lines(column([1]), per_unit(1), quantity="usage")


def test_names_that_are_not_there() -> None:
    with pytest.raises(UnknownModel, match="metric: is no column of quantity"):
        price_lines_by(column([1]), {"calls": per_unit(1)})
    with pytest.raises(UnknownModel, match="metric: no price for calls"):
        price_lines_by(column([1]).with_columns(metric=pl.lit("calls")), {})


def test_negative_rows_are_zero_or_refused() -> None:
    price = tiered("graduated", (10, 1, 5), (None, 2, 0))
    assert price_lines(column([-4, 3]), price)["amount_minor"].to_list() == [5, 8]
    with pytest.raises(QuantityInvalid, match="-4"):
        price_lines(column([-4, 3]), price, negative="refuse")


LARGEST = Decimal("99999999999999999999999999.999999999999")  # Decimal(38, 12)


@pytest.mark.parametrize(
    "price",
    [
        per_unit("0.123456789012"),
        per_unit(1000),
        per_unit(1, maximum=Decimal(2**63)),
        tiered("graduated", (1, 10**25, 0), (None, 1, 0)),
        Price("package", currency_of("usd"), Decimal(1), package=Package(Decimal("1E-12"))),
    ],
)
def test_what_does_not_fit_is_an_error_and_never_wraps(price: Price) -> None:
    with pytest.raises(AmountTooLarge, match="price_line"):
        price_lines(column([LARGEST]), price)
    assert price_line(price, LARGEST).amount_minor == oracle(price, LARGEST)


WIDE_PACKAGE = Package(Decimal("1000000.000000000001"))


@pytest.mark.parametrize(
    ("price", "quantity", "dtype"),
    [
        (per_unit("100.000000000001"), 10**15, STRIPE_DECIMAL),
        (tiered("graduated", (10**15, "100.000000000001", 0), (None, 0, 0)), 1, STRIPE_DECIMAL),
        (Price("package", currency_of("usd"), Decimal("1E-12"), package=WIDE_PACKAGE), 10**27, pl.Int128),
    ],
)
def test_what_fits_in_the_end_but_not_on_the_way_is_an_error_too(
    price: Price, quantity: int, dtype: pl.DataType
) -> None:
    assert price_line(price, quantity).amount_minor < 2**63
    with pytest.raises(AmountTooLarge):
        price_lines(column([quantity], dtype), price)


def test_ends_and_bounds_beyond_every_quantity_do_no_harm() -> None:
    far = 10**29
    price = tiered("graduated", (10, 2, 0), (far, 1, 0), (None, 0, 0), maximum=Decimal(far))
    frame = column([Decimal("0.5"), Decimal(10), Decimal(12)])
    with pytest.raises(AmountTooLarge):  # the third tier's offset is as large as all that the second one costs
        price_lines(frame, price)
    volume = tiered("volume", (10, 2, 0), (far, 1, 0), (None, 0, 0), maximum=Decimal(far))
    assert price_lines(frame, volume)["amount_minor"].to_list() == [1, 20, 12]


@unhurried
@given(price=prices(), quantity=st.decimals(0, LARGEST, places=12))
def test_close_to_the_limit_it_is_exact_or_an_error(price: Price, quantity: Decimal) -> None:
    try:
        [amount] = price_lines(column([quantity]), price)["amount_minor"]
    except AmountTooLarge:
        return
    assert amount == oracle(price, quantity)
