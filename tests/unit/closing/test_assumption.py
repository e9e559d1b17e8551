"""Reading an assumption: strictly, each problem with its path in the file."""

import pytest

from closing.assumption import read_assumption
from core.errors import BadInput


def read(tmp_path, text):
    path = tmp_path / "assume.toml"
    path.write_text(text)
    return read_assumption(path)


def test_assumption__what_is_left_out_stays_as_it_is(tmp_path):
    found = read(tmp_path, "platform_fee = { rate_bp = 700 }\nself_pay_bp = 2000")
    assert (found.platform_fee.rate_bp, found.platform_fee.monthly_krw, found.self_pay_bp) == (700, None, 2000)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no assumption"),
        ("fee = 3", "assume.toml.fee"),
        ("self_pay_bp = 10001", "assume.toml.self_pay_bp"),
        ("self_pay_bp = 15.5", "assume.toml.self_pay_bp"),
        ('price = [ { meter = "gpu" } ]', "assume.toml.price[1].unit_price_krw"),
        (
            'price = [ { meter = "gpu", class = "x", storage_class = "x", unit_price_krw = 1 } ]',
            "price[1].storage_class",
        ),
        ("self_pay_bp = [", "not valid TOML"),
    ],
)
def test_assumption__a_bad_file_is_refused_with_its_path(tmp_path, text, said):
    with pytest.raises(BadInput, match=r".") as refused:
        read(tmp_path, text)
    assert said in str(refused.value)


def test_assumption__a_file_that_is_not_there_is_bad_input(tmp_path):
    with pytest.raises(BadInput, match="cannot be read"):
        read_assumption(tmp_path / "none.toml")
