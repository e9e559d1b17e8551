"""A claim's number, and the state that the decisions of its lines make."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.claim_state import claim_number, decided_state, read_number
from core.errors import BadInput

CODES = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,20}", fullmatch=True)


@given(CODES, st.integers(2000, 2999), st.integers(1, 999_999_999))
def test_number__is_read_as_it_is_written(hospital, year, number):
    assert read_number(claim_number(hospital, year, number)) == (hospital, year, number)


@pytest.mark.parametrize(
    "wrong",
    ["", "CLM-H1-2025-12", "INV-H1-2025-000012", "CLM-H1-25-000012", "CLM--2025-000001", "CLM-H1-2025-000001\n"],
)
def test_number__of_another_form_is_refused(wrong):
    with pytest.raises(BadInput, match="청구번호는"):
        read_number(wrong)


@given(st.lists(st.booleans(), min_size=1))
def test_decided_state__is_approved_or_rejected_only_when_every_line_is(accepted):
    state = decided_state(accepted)
    assert (state == "approved", state == "rejected") == (all(accepted), not any(accepted))
