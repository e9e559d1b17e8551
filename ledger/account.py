"""Account codes: `class` words of the books, then the codes of the parties and projects that the account is about."""


def split_code(code: str) -> tuple[list[str], list[str]]:
    """The words of an account's class, and the codes after them: payable, hospital / H1, P1."""
    parts = code.split(":")
    words = 1 if parts[0] == "deposit" else 2
    return parts[:words], parts[words:]


def class_of(code: str) -> str:
    """The class that control totals are summed by: `payable:hospital` of `payable:hospital:H1:P1`."""
    return ":".join(split_code(code)[0])
