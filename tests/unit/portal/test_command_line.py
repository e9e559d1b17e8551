"""What a command line may hold, whatever the command: UTF-8, and days that there are."""

import json

import pytest
from click.testing import CliRunner

from portal.cli import main


def refused(*arguments: str) -> str:
    """The one message of a usage error, which says the same as JSON."""
    done = CliRunner().invoke(main, [*arguments, "--json"])
    assert done.exit_code == 2, done.exception
    (message,) = json.loads(done.stdout)["messages"]
    assert message in done.stderr
    return message


@pytest.mark.parametrize(
    "arguments", [("trace", "\udcff"), ("invoices", "list", "--programme", "V\udcff"), ("user", "disable", "\udcff")]
)
def test_argument__that_is_no_utf_8_is_refused_as_what_it_is(arguments):
    assert "an argument is not UTF-8" in refused(*arguments)


@pytest.mark.parametrize("day", ["9999-12-31", "0001-01-01"])
def test_day__outside_the_years_of_the_books_is_refused(day):
    for arguments in (("payouts", "list", "--programme", "V25", "--at"), ("invoices", "dunning", "--at")):
        assert "a day of 2000 to 2999" in refused(*arguments, day)
