"""The errors that a person meets, and the exit code that each ends a command with (contract.md §2)."""


class JeongsanError(Exception):
    """Base of every error that ends a command with a message instead of a traceback."""

    exit_code = 1


class BadInput(JeongsanError):
    """A file, an argument or a setting is wrong: says where, what is wrong and what to do. Exit code 2."""

    exit_code = 2

    def __init__(self, *problems: str):
        super().__init__("\n".join(problems))
        self.problems = problems


class RuleRefused(JeongsanError):
    """A rule refuses what was asked: closed month, limit, other content under a used key. Exit code 3."""

    exit_code = 3


class ServerUnreachable(JeongsanError):
    """A server that is needed cannot be reached. Exit code 4."""

    exit_code = 4
