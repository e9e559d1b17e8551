"""Business registration numbers (사업자등록번호, domain.md §8)."""

import re

WEIGHTS = (1, 3, 7, 1, 3, 7, 1, 3, 5)


def is_valid_brn(brn: str) -> bool:
    """Whether `000-00-00000` style text is a number whose check digit holds; all zeros is refused."""
    if not re.fullmatch(r"\d{3}-\d{2}-\d{5}", brn, re.ASCII) or brn == "000-00-00000":
        return False
    digits = [int(digit) for digit in brn.replace("-", "")]
    total = sum(digit * weight for digit, weight in zip(digits[:9], WEIGHTS, strict=True)) + digits[8] * 5 // 10
    return (10 - total % 10) % 10 == digits[9]
