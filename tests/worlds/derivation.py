"""Months of a programme derived a second time (domain.md §0, §4 to §10): nothing of the product in it."""

from collections import Counter, defaultdict
from fractions import Fraction

from tests.worlds.known import Known, day_of, day_start_us
from tests.worlds.life import Limits, last_day, lines_of
from tests.worlds.parts import BP, Books, Figures, Item, Terms, difference, largest_remainder, smax, split
from tests.worlds.usage import Lines, Prices, bounds_us, month_of, months, price, usage_charges


class Programme:
    """One programme's months in order: `run` a month, `pay` rows of a payments file."""

    def __init__(self, registry: dict):
        self.books = Books()
        self.limits = Limits()
        self.references = set()
        self.deposited = Counter()
        self.refer(registry)
        self.books.balances["budget:appropriation"] -= self.current_krw
        self.books.balances["budget:available"] += self.current_krw
        self.committed = Counter()

    def refer(self, registry: dict) -> None:
        """Takes reference data, or its later version: amendments of a closed month count from the first open one."""
        self.registry = registry
        [self.programme] = registry["programme"]
        self.parties = {one["code"]: one for one in registry["party"]}
        self.projects = {one["code"]: one for one in registry["project"]}
        self.prices = Prices(registry)
        self.metered = Lines(registry)
        after = month_of(bounds_us(self.books.locked[-1])[1]) if self.books.locked else ""
        self.limits.refer(registry, after)

    @property
    def current_krw(self) -> int:
        moved = sum(one["krw"] for one in self.programme.get("transfer", []))
        return self.programme["appropriation_krw"] + self.programme.get("carry_in_krw", 0) + moved

    def terms(self, month: str) -> list[Terms]:
        """Every agreement line, as in force in a month."""
        categories = {one["code"]: one for one in self.programme["category"]}
        found = []
        for agreement in self.registry["agreement"]:
            company = self.parties[self.projects[agreement["project"]]["company"]]
            for line, _, _ in lines_of(agreement):
                category = categories[line["category"]]
                operators = line["supplier"] == self.programme.get("operator")
                granted = self.programme.get("funding") == "company"
                found.append(
                    Terms(
                        code=line["code"],
                        project=agreement["project"],
                        supplier=line["supplier"],
                        taxed=category.get("tax", "taxable") == "taxable",
                        voucher=category.get("voucher", True),
                        rate_bp=line.get("self_pay_bp", self.programme["self_pay_bp"].get(company["size"])),
                        limit_krw=self.limits.krw(line["code"], month),
                        company_pays=agreement["over_limit"] == "company_pays",
                        paid_to="company" if granted else "operator" if operators else "hospital",
                    )
                )
        return found

    def pay(self, row: dict) -> None:
        """Books one row of a payments file, once per channel and reference."""
        known = (row["channel"], row["reference"])
        account, krw = row["account"], row["amount_krw"]
        if known in self.references or not self._payable(account):
            return
        self.references.add(known)
        purse = {"bank": "cash:bank", "agency": "receivable:agency", "stripe": "cash:stripe"}[row["channel"]]
        balances = self.books.balances
        if account.startswith("advance:"):
            purse = "agency:advance"
        incoming = account.startswith(("receivable:", "deposit:", "cash:"))
        balances[account] += -krw if incoming else krw
        balances[purse] += krw if incoming else -krw
        if account.startswith("deposit:"):
            self.deposited[account.removeprefix("deposit:")] += krw

    def _payable(self, account: str) -> bool:
        parts = account.split(":")
        if parts[0] == "deposit":
            return any(
                one["project"] == parts[1] and one["self_pay_mode"] == "deposit" for one in self.registry["agreement"]
            )
        if parts[0] == "advance" and self.programme.get("funding") == "company":
            return False  # the agency pays no hospital
        return parts[-1] in self.projects or account in ("payable:operator", "cash:stripe") or parts[-1] in self.parties

    def items(self, known: Known, month: str) -> list[Item]:
        """Accepted work of service months up to this one, at the price of the day performed."""
        weights = {(one["modality"], one["unit"]): Fraction(one["weight"]) for one in self.programme.get("weight", [])}
        found = []
        for work, decision, quantity in known.accepted:
            data, at = known.data[work], known.data[decision]["at"]
            if month_of(at) > month:
                continue
            line, _, _ = known.lines[data["project"], data["line"]]
            names = {name: data.get(name) for name in ("work", "unit", "grade", "modality", "project")}
            _, rate = self.prices.on(day_of(data["performed"]), line["supplier"], "preparation", **names)
            weight = weights.get((data.get("modality"), data["unit"]), Fraction(0))
            found.append(
                Item(
                    key=decision,
                    work=work,
                    project=data["project"],
                    line=data["line"],
                    at=at,
                    rated_krw=price(quantity, rate),
                    contribution=quantity * weight * Fraction(self.parties[line["supplier"]].get("quality", "1")),
                )
            )
        return found + self._permit_fees(month)

    def _permit_fees(self, month: str) -> list[Item]:
        """The fee of a permit is supply of its line on the day of approval."""
        return [
            Item(
                kind="permit",
                key=("permit", one["code"]),
                work=("permit", one["code"]),
                project=one["project"],
                line=one["line"],
                at=day_start_us(one["approved_on"]),
                rated_krw=one["fee_krw"],
                contribution=Fraction(0),
            )
            for one in self.registry.get("permit", [])
            if one.get("fee_krw") and one["approved_on"].strftime("%Y-%m") <= month
        ]

    def run(self, known: Known, month: str) -> dict:
        """Settles a month; its figures in the shape of `month show`."""
        books, terms = self.books, self.terms(month)
        items = self.items(known, month)
        used = usage_charges(known, self.prices, self.metered, self.programme.get("operator"), month)
        items += [self._metered(one) for one in used if one["line"]]
        self._confirm()
        by_line = {one.code: one for one in terms}
        self._fund(items, by_line)
        charges, vat = Counter(), Counter()
        for one in (one for one in used if not one["line"]):
            key = (one["kind"], one["project"], one["month"], one["name"])
            charges[key] += one["krw"]
            vat[key] += one["krw"] // 10
        lines = {one.code: Counter() for one in terms}
        served = Counter()
        keys = self._charge_keys(items)
        for item in items:
            key = (item.kind, item.project, item.service or month_of(item.at), keys[item.key])
            if item.service:  # usage of a line and of none may have one name
                key = (*key, item.line)
            tax = item.charged_krw // 10 if by_line[item.line].taxed else 0
            charges[key] += item.charged_krw
            vat[key] += tax
            served[item.project, key[2]] += item.charged_krw
            lines[item.line].update(supply_krw=item.charged_krw, vat_krw=tax, funded=item.funded_krw)
            lines[item.line]["held_krw"] += item.rated_krw - item.charged_krw
        for key, krw in self._fees(served, month).items():
            charges[key], vat[key] = krw, krw // 10
        for one in terms:
            split(lines[one.code], one)
        self._pass_through(used)
        figures = self._book(month, terms, charges, vat, lines, items)
        for item in items:
            if item.charged_krw:
                books.place.setdefault((item.key, item.line), len(books.locked))
        works = [item for item in items if not item.service]
        books.bare |= {(item.key, item.line): "/" not in keys[item.key].split("/", 1)[1] for item in works}
        books.locked.append(month)
        return figures

    def _metered(self, one: dict) -> Item:
        """A service month's usage as supply of its line; its place is the month's end."""
        return Item(
            kind=one["kind"],
            name=one["name"],
            service=one["month"],
            key=one["key"],
            work=one["key"],
            project=one["project"],
            line=one["line"]["code"],
            at=bounds_us(one["month"])[1],
            rated_krw=one["krw"],
            contribution=Fraction(0),
        )

    def _pass_through(self, used: list[dict]) -> None:
        """The operator owes infrastructure firms the cost price of all that was used."""
        costs = Counter()
        for one in used:
            costs[one["payee"]] += one["cost_krw"]
        for firm, krw in difference(costs, self.books.costs).items():
            if krw:
                self._post({"payable:operator": krw, f"payable:infra:{firm}": -krw})
        self.books.costs = costs

    def _confirm(self) -> None:
        for agreement in self.registry["agreement"]:
            if self.deposited[agreement["project"]] >= agreement.get("deposit_krw", 0):
                self.books.confirmed.add(agreement["code"])

    def _fund(self, items: list[Item], by_line: dict[str, Terms]) -> None:
        """Sets funded and charged won: in order, up to each line's Smax and the project's price cap."""
        of_line = {line["code"]: one["code"] for one in self.registry["agreement"] for line, _, _ in lines_of(one)}
        caps = {one["code"]: one.get("price_cap_krw") for one in self.programme["tier"]}
        room = {code: smax(one) for code, one in by_line.items()}
        cap_room = {code: caps[one["tier"]] for code, one in self.projects.items()}
        late = len(self.books.locked)
        for item in sorted(items, key=lambda one: (self.books.place.get((one.key, one.line), late), one.at, one.key)):
            if of_line[item.line] not in self.books.confirmed:
                continue
            line = by_line[item.line]
            if not line.voucher:
                item.charged_krw = item.rated_krw
                continue
            bounds = [one for one in (room[item.line], cap_room[item.project]) if one is not None]
            item.funded_krw = min([item.rated_krw, *bounds])
            for left, name in ((room, item.line), (cap_room, item.project)):
                if left[name] is not None:
                    left[name] -= item.funded_krw
            item.charged_krw = item.rated_krw if line.company_pays else item.funded_krw

    def _charge_keys(self, items: list[Item]) -> dict[tuple, str]:
        """LINE/work for the first acceptance, LINE/work/acceptance for others; what was booked keeps its form."""
        taken = {item.work for item in items if self.books.bare.get((item.key, item.line))}
        keys = {item.key: item.name for item in items if item.service}
        for item in sorted((one for one in items if not one.service), key=lambda one: (one.at, one.key)):
            bare = self.books.bare.get((item.key, item.line))
            if bare is None:
                bare = item.work not in taken
                taken.add(item.work)
            keys[item.key] = f"{item.line}/{item.work[1]}" + ("" if bare else f"/{item.key[1]}")
        return keys

    def _fees(self, served: Counter, month: str) -> Counter:
        """The platform fee of each project and service month up to this one."""
        fee = self.programme.get("platform_fee", {})
        fees = Counter()
        for (project, service), krw in served.items():
            fees["fee", project, service, "platform"] += krw * fee.get("rate_bp", 0) // BP
        touched = set()
        for agreement in self.registry["agreement"]:
            last = min(month, last_day(agreement).strftime("%Y-%m"))
            first = agreement["starts"].strftime("%Y-%m")
            if first <= last:
                touched |= {(agreement["project"], service) for service in months(first, last)}
        for project, service in touched:
            fees["fee", project, service, "platform"] += fee.get("monthly_krw", 0)
        return fees

    def _book(self, month, terms, charges, vat, lines, items) -> dict:
        """Books what differs from what was booked, and tells it."""
        books, of_line = self.books, {one.code: one for one in terms}
        delta, delta_vat = difference(charges, books.charges), difference(vat, books.vat)
        moved = {code: difference(figures, books.lines[code]) for code, figures in lines.items()}
        shown = Figures()
        for code, one in moved.items():
            self._settle(of_line[code], one, shown)
        for key in delta:
            self._charge_operator(key, delta[key], delta_vat[key], shown)
        self._offset(moved, of_line)
        draws = self._draw(lines, of_line)
        incentive = self._share(charges, items, of_line, shown.matrix)
        for code, krw in incentive["shares"].items():
            shown.hospitals[code]["incentive_krw"] += krw
        companies = defaultdict(Counter)
        for project, krw in shown.owed.items():
            companies[self.projects[project]["company"]].update(total_krw=krw, due_krw=krw - draws[project])
        books.charges, books.vat, books.lines = charges, vat, defaultdict(Counter, lines)
        named = defaultdict(lambda: (0, 0, False))
        for key in delta:
            krw, tax, _ = named[key[:4]]
            named[key[:4]] = (krw + delta[key], tax + delta_vat[key], key[2] < month)
        names = ("supply_krw", "voucher_krw", "self_pay_krw", "excess_krw", "vat_krw")
        return {
            "charges": {key: one for key, one in named.items() if one[0] or one[1]},
            "lines": {
                code: {name: one[name] for name in names} | {"held_krw": lines[code]["held_krw"]}
                for code, one in moved.items()
            },
            "matrix": shown.matrix,
            "company": companies,
            "hospital": shown.hospitals,
            "incentive": incentive,
            "budget": self._budget(month, of_line, moved),
            "sources": self._sources(lines, moved),
        }

    def _settle(self, line: Terms, one: Counter, shown: Figures) -> None:
        """A line's month: its books, its place in the matrix, what company and hospital see of it."""
        own = one["self_pay_krw"] + one["excess_krw"] + one["vat_krw"]
        use = "operator_usage" if line.paid_to == "operator" else line.supplier
        shown.matrix["voucher"][use] += one["voucher_krw"]
        shown.matrix["self_pay"][use] += one["self_pay_krw"]
        shown.matrix["company_direct"][use] += one["excess_krw"] + one["vat_krw"]
        executed = {f"budget:executed:{line.project}": one["voucher_krw"]}
        if line.paid_to == "company":  # it pays its suppliers itself
            grant = one["voucher_krw"]
            self._post({"receivable:agency": grant, f"payable:company:{line.project}": -grant} | executed)
            return
        if line.paid_to == "operator":
            shown.owed[line.project] += own
            company = f"receivable:company:{line.project}"
            grant = one["voucher_krw"]
            self._post({"receivable:agency": grant, company: own, "payable:operator": -own - grant} | executed)
            return
        shown.owed[line.project] += own
        hospital = shown.hospitals[line.supplier]
        hospital.update({name: one[name] for name in ("supply_krw", "vat_krw", "voucher_krw")}, from_company_krw=own)
        self._post(
            {
                "receivable:agency": one["voucher_krw"],
                f"receivable:company:{line.project}": own,
                f"payable:hospital:{line.supplier}:{line.project}": -own - one["voucher_krw"],
            }
            | executed
        )

    def _charge_operator(self, key: tuple, krw: int, tax: int, shown: Figures) -> None:
        """What the operator charges: GPU, storage, platform fee."""
        kind, project = key[:2]
        company = f"receivable:company:{project}"
        if kind == "fee":
            self._post({company: krw + tax, "income:platform_fee": -krw, "vat:operator": -tax})
            shown.matrix["company_direct"]["platform_fee"] += krw + tax
        elif kind in ("gpu", "storage") and len(key) == 4:
            self._post({company: krw + tax, "payable:operator": -krw - tax})
            shown.matrix["company_direct"]["operator_usage"] += krw + tax
        else:
            return
        shown.owed[project] += krw + tax

    def _sources(self, lines: dict[str, Counter], moved: dict[str, Counter]) -> dict:
        """What each source of funds executed of every line's voucher, now and before."""
        weights = {one["code"]: Fraction(one["share_bp"]) for one in self.programme.get("source", [])}
        executed, before = Counter(), Counter()
        for code, one in lines.items():
            executed.update(largest_remainder(one["voucher_krw"], weights))
            before.update(largest_remainder(one["voucher_krw"] - moved[code]["voucher_krw"], weights))
        return {
            code: {"executed_krw": executed[code], "executed_month_krw": executed[code] - before[code]}
            for code in weights
        }

    def _offset(self, moved: dict[str, Counter], of_line: dict[str, Terms]) -> None:
        """The month's vouchers of a hospital and project, as far as the agency has advanced them."""
        vouchers = Counter()
        for code, one in moved.items():
            if of_line[code].paid_to == "hospital":
                vouchers[f"{of_line[code].supplier}:{of_line[code].project}"] += one["voucher_krw"]
        for key, krw in vouchers.items():
            offset = max(0, min(krw, self.books.balances[f"advance:hospital:{key}"]))
            self.books.offset[key] += offset
            self._post({f"payable:hospital:{key}": offset, f"advance:hospital:{key}": -offset})
            self._post({"agency:advance": offset, "receivable:agency": -offset})

    def _post(self, postings: dict[str, int]) -> None:
        for account, krw in postings.items():
            self.books.balances[account] += krw

    def _draw(self, lines: dict[str, Counter], of_line: dict[str, Terms]) -> Counter:
        """Deposits cover self-pay as far as they reach, as a difference of totals; by project."""
        books, owed = self.books, Counter()
        modes = {one["project"]: one["self_pay_mode"] for one in self.registry["agreement"]}
        for code, one in lines.items():
            owed[of_line[code].project] += one["self_pay_krw"]
        draws = Counter()
        for project, krw in owed.items():
            if modes[project] == "deposit":
                reached = max(0, min(krw, self.deposited[project]))
                draws[project] = reached - books.drawn[project]
                books.drawn[project] = reached
                self._post({f"deposit:{project}": draws[project], f"receivable:company:{project}": -draws[project]})
        return draws

    def _share(self, charges: Counter, items: list[Item], of_line: dict[str, Terms], matrix: dict) -> dict:
        """The month's pool, its largest-remainder shares, and what is carried."""
        books, setting = self.books, self.programme.get("incentive", {})
        fees = sum(krw for key, krw in charges.items() if key[0] == "fee")
        if setting.get("monthly_krw"):
            pool, payer, column = setting["monthly_krw"], "payable:operator", "operator_usage"
        else:
            pool = fees * setting.get("share_bp", 0) // BP - books.pools_krw
            payer, column = "income:platform_fee", "platform_fee"
        books.pools_krw += pool
        matrix["company_direct"]["incentive_pool"] += pool
        matrix["company_direct"][column] -= pool
        self._post({payer: pool, "incentive:pool": -pool})
        reached = defaultdict(Fraction)
        for item in items:
            if item.contribution and item.charged_krw == item.rated_krw:
                reached[of_line[item.line].supplier] += item.contribution
        for code in reached.keys() | books.contribution.keys():
            books.waiting[code] += reached[code] - books.contribution[code]
        books.contribution = reached
        ready = pool + books.carried_krw
        shares = largest_remainder(ready, {code: one for code, one in books.waiting.items() if one > 0})
        for code, krw in shares.items():
            books.waiting[code] = Fraction(0)
            self._post({"incentive:pool": krw, f"payable:incentive:{code}": -krw})
        books.carried_krw = ready - sum(shares.values())
        return {
            "pool_krw": pool,
            "distributed_krw": sum(shares.values()),
            "carried_krw": books.carried_krw,
            "shares": shares,
        }

    def _budget(self, month: str, of_line: dict[str, Terms], moved: dict[str, Counter]) -> dict:
        """The budget at the month's end; a project that closes gives back what it has not executed."""
        books = self.books
        limits = Counter()
        for one in of_line.values():
            limits[one.project] += one.limit_krw
        for code, one in self.projects.items():
            if min(one.get("closes", "9999"), self.limits.releases.get(code, "9999")) <= month:
                books.closed.add(code)
        executed = {code: books.balances[f"budget:executed:{code}"] for code in self.projects}
        committed = {code: 0 if code in books.closed else limits[code] - executed[code] for code in self.projects}
        for code, krw in committed.items():
            books.balances[f"budget:committed:{code}"] = krw
        available = self.current_krw - sum(executed.values()) - sum(committed.values())
        books.balances["budget:available"] = available
        last = bounds_us(month)[1]
        dated = {
            name: sum(one["krw"] for one in self.programme.get(name, []) if day_start_us(one["on"]) < last)
            for name in ("grant_received", "interest")
        }
        return {
            "appropriation_krw": self.programme["appropriation_krw"],
            "current_krw": self.current_krw,
            "received_krw": dated["grant_received"],
            "executed_krw": sum(executed.values()),
            "executed_month_krw": sum(one["voucher_krw"] for one in moved.values()),
            "committed_krw": sum(committed.values()),
            "available_krw": available,
            "balance_krw": self.current_krw - sum(executed.values()),
            "interest_krw": dated["interest"],
        }

    def balances(self) -> dict[str, int]:
        """Every account that is not zero."""
        return {account: krw for account, krw in self.books.balances.items() if krw}
