"""What reconciliation found: ties between two sides that were derived apart, and the auditors' findings."""

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

LEVELS = ("ERROR", "WARN")


@dataclass(frozen=True, kw_only=True)
class Tie:
    """One line of the reconciliation: two figures that must agree, each with the name of where it was taken from.

    A side is an integer (won, or a count) or an exact decimal text (byte-seconds are longer than the 15 digits that
    Excel keeps). `note` says what the sides are and which lines stand behind a difference.
    """

    name: str
    left_name: str
    left: int | str
    right_name: str
    right: int | str
    note: str = ""

    @property
    def record(self) -> dict[str, int | str]:
        """What the run keeps of it, and `month show` answers."""
        return {name: getattr(self, name) for name in ("name", "left", "right", "difference", "note", "left_name",
                                                       "right_name")}  # fmt: skip

    @classmethod
    def recorded(cls, record: Mapping[str, int | str]) -> "Tie":
        """The tie that a run kept."""
        return cls(**{name: record[name] for name in cls.__dataclass_fields__})

    @property
    def difference(self) -> int | str:
        """Left less right: an integer, or an exact decimal text where a side is one that is not whole."""
        exact = Fraction(self.left) - Fraction(self.right)
        return exact.numerator if exact.denominator == 1 else decimal_text(exact)


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One finding of a check (domain.md §9): `level` ERROR or WARN, `refs` lead to the lines behind it.

    `message` is Korean; `english` says the same where the check is bilingual.
    """

    level: str
    check: str
    message: str
    refs: tuple[str, ...] = ()
    english: str = ""

    def __post_init__(self):
        if self.level not in LEVELS:
            raise ValueError(f"level must be one of {LEVELS}, not {self.level!r}")


def decimal_text(value: Fraction) -> str:
    """An exact decimal text of a fraction whose denominator divides a power of ten. Raises ValueError otherwise."""
    places, scale = 0, 1
    while scale % value.denominator:
        places, scale = places + 1, scale * 10
        if places > 40:
            raise ValueError(f"{value} has no exact decimal text")
    digits = str(abs(value.numerator) * (scale // value.denominator)).rjust(places + 1, "0")
    sign = "-" if value < 0 else ""
    return sign + (f"{digits[:-places]}.{digits[-places:]}" if places else digits)
