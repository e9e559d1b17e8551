"""An agreement through its life, as the file tells it: lines with their days, last day, limits in force by month."""

from datetime import date, timedelta

DAY = timedelta(days=1)


def amendments_of(agreement: dict) -> list[dict]:
    """Its amendments in the order in which they take effect."""
    return sorted(agreement.get("amendment", []), key=lambda one: one["effective"])


def last_day(agreement: dict) -> date:
    """Its last day, as extended or terminated."""
    ends = max([agreement["ends"], *(one["ends"] for one in agreement.get("amendment", []) if "ends" in one)])
    return min(ends, agreement["terminated"]["on"]) if "terminated" in agreement else ends


def lines_of(agreement: dict) -> list[tuple[dict, date, date]]:
    """Every line with its first and last day: signed, added by an amendment, ended by one."""
    amendments, last = amendments_of(agreement), last_day(agreement)
    ended = {code: one["effective"] - DAY for one in amendments for code in one.get("end_lines", [])}
    found = [(line, agreement["starts"]) for line in agreement["line"]]
    found += [(line, one["effective"]) for one in amendments for line in one.get("line", [])]
    return [(line, first, min(last, ended.get(line["code"], last))) for line, first in found]


class Limits:
    """Grant limits by line and month, and the month whose run releases what a termination frees. What was loaded of a
    closed month counts from the first open one."""

    def __init__(self):
        self.steps = {}
        self.releases = {}

    def refer(self, registry: dict, after: str) -> None:
        """Takes reference data, or its later version; `after`: the first open month."""
        for agreement in registry["agreement"]:
            for line in agreement["line"]:
                self.steps.setdefault(line["code"], {"": ("", line["grant_limit_krw"])})
            for one in amendments_of(agreement):
                added = {line["code"]: line["grant_limit_krw"] for line in one.get("line", [])}
                for code, krw in (one.get("limits", {}) | added).items():
                    since = max(one["effective"].strftime("%Y-%m"), after)
                    self.steps.setdefault(code, {"": ("", 0)}).setdefault(str(one["effective"]), (since, krw))
            if "terminated" in agreement:
                month = max(agreement["terminated"]["on"].strftime("%Y-%m"), after)
                self.releases.setdefault(agreement["project"], month)

    def krw(self, line: str, month: str) -> int:
        """The limit in force in a month."""
        return max(one for one in self.steps[line].values() if one[0] <= month)[1]
