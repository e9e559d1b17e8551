"""Random worlds: reference data, and what becomes known before each close, from one seed."""

from dataclasses import dataclass, field
from datetime import date, timedelta
from random import Random

from tests.worlds.amending import amend_at_first, later_changes, widened
from tests.worlds.happenings import happenings

MONTHS = ("2025-11", "2025-12", "2026-01")
CLOSES = ("2025-12-03", "2026-01-05", "2026-02-04")
LOADED = "2025-10-01T09:00:00+09:00"
MODALITIES = (("imaging", "study"), ("text", "record"), ("omics", "case"))
WORKS = (("study", "study", "imaging"), ("record", "record", "text"), ("case", "case", "omics"), ("hour", "hour", None))
MODELS = ("A100", "H100", "B200")


@dataclass(kw_only=True)
class Era:
    """What comes before one close: reference data that is loaded again, files for each ingest call, deposits."""

    month: str
    close: str
    changes: list = field(default_factory=list)  # (agreement, amendment or termination, whether after the events)
    calls: list = field(default_factory=list)  # each a list of files, each a list of raw lines
    deposits: list = field(default_factory=list)


@dataclass(kw_only=True)
class World:
    """A seed's world."""

    seed: int
    registry: dict
    eras: list[Era]


def world(seed: int) -> World:
    """The world of a seed."""
    rng = Random(seed)
    registry = _registry(rng)
    eras = [Era(month=month, close=close) for month, close in zip(MONTHS, CLOSES, strict=True)]
    life = Random(f"life {seed}")
    amend_at_first(life, registry)
    changes = later_changes(life, registry, MONTHS)
    sent = happenings(rng, widened(registry, changes))
    for number, era in enumerate(eras):
        raw = [line for known, line in sent if known == number]
        rng.shuffle(raw)
        era.calls, era.changes = _batches(rng, raw), changes[number]
    for agreement in registry["agreement"]:
        _deposits(rng, agreement, eras)
    return World(seed=seed, registry=registry, eras=eras)


def _batches(rng: Random, raw: list[str]) -> list[list[list[str]]]:
    """The lines in files, the files in calls; some files are one JSON array, some come twice."""
    cuts = sorted(rng.sample(range(len(raw) + 1), k=min(len(raw), rng.randint(0, 4))))
    files = [raw[a:b] for a, b in zip([0, *cuts], [*cuts, len(raw)], strict=True)]
    calls: list[list[list[str]]] = [[]]
    for one in filter(None, files):
        if rng.random() < 0.5:
            calls.append([])
        calls[-1].append(one)
    return [one for one in calls if one]


def _deposits(rng: Random, agreement: dict, eras: list[Era]) -> None:
    """The agreed sum in parts, some late, some never complete, a few paid beyond it."""
    left = agreement.get("deposit_krw", 0)
    if rng.random() < 0.15:
        left += rng.randint(1, 500_000)
    while left > 0 and rng.random() < 0.93:
        part = left if rng.random() < 0.5 else rng.randint(1, left)
        rng.choices(eras, weights=[6, 3, 1])[0].deposits.append((f"deposit:{agreement['project']}", part))
        left -= part


def _brn(number: int) -> str:
    digits = [int(one) for one in f"{100 + number % 800:03d}{10 + number % 80:02d}{1000 + number * 37 % 8999:04d}"]
    total = sum(d * w for d, w in zip(digits, (1, 3, 7, 1, 3, 7, 1, 3, 5), strict=True)) + digits[8] * 5 // 10
    text = "".join(map(str, [*digits, (10 - total % 10) % 10]))
    return f"{text[:3]}-{text[3:5]}-{text[5:]}"


def _party(number: int, code: str, kind: str, **more) -> dict:
    return {
        "code": code,
        "kind": kind,
        "name": f"기관 {code}",
        "brn": _brn(number),
        "representative": "대표자",
        "address": "서울특별시",
        "business_type": "서비스",
        "business_item": "데이터",
        **more,
    }


def _registry(rng: Random) -> dict:
    hospitals = [f"H{n:02d}" for n in range(1, rng.randint(2, 4))]
    companies = [f"C{n}" for n in range(1, rng.randint(2, 4))]
    projects = [f"P{n}" for n in range(1, rng.randint(2, 4))]
    fixed = {"monthly_krw": rng.randint(1, 900_001), "source": "operator"}
    programme = {
        "code": "W-2025",
        "name": "사업",
        "ministry": "MOHW",
        "type": "활용",
        "agency": "KHIS",
        "operator": "OP",
        "fiscal_year": 2025,
        "appropriation_krw": 3_000_000_000,
        "carry_in_krw": rng.choice([0, 0, 1_234_567]),
        "self_pay_bp": {"small": rng.choice([1500, 1500, 1000, 3333]), "medium": rng.choice([2500, 2500, 6667])},
        "platform_fee": rng.choice(
            [{"rate_bp": 500}, {"rate_bp": rng.randint(0, 999), "monthly_krw": 77_777}, {"monthly_krw": 100_001}]
        ),
        "incentive": rng.choice([{"share_bp": 4000}, {"share_bp": rng.randint(0, 10_000)}, fixed]),
        "settlement_closes_on": rng.choice([date(2026, 3, 31)] * 4 + [date(2026, 1, 20)]),
        "tier": [
            {"code": "plain", "grant_cap_krw": 200_000_000, "slots": 9},
            {"code": "price", "price_cap_krw": rng.randint(3_000_000, 60_000_000)},
            {"code": "both", "grant_cap_krw": 150_000_000, "price_cap_krw": rng.randint(3_000_000, 60_000_000)},
        ],
        "category": [
            {"code": "processing", "name": "가공", "voucher": True, "tax": "taxable"},
            {"code": "free", "name": "면세", "voucher": True, "tax": "exempt"},
            {"code": "export", "name": "영세", "voucher": True, "tax": "zero"},
            {"code": "direct", "name": "직접", "voucher": False, "tax": "taxable"},
            {"code": "gpu", "name": "GPU", "meter": "gpu", "tax": rng.choice(["taxable", "taxable", "exempt"])},
            {"code": "disk", "name": "저장", "meter": "storage", "voucher": rng.random() < 0.8},
        ],
        "weight": [
            {"modality": "imaging", "unit": "study", "weight": rng.choice(["3", "0.333"])},
            {"modality": "text", "unit": "record", "weight": "0.2"},
            *([{"modality": "omics", "unit": "case", "weight": "10"}] if rng.random() < 0.7 else []),
        ],
        "transfer": [{"on": date(2025, 9, 30), "krw": rng.choice([-1_000_000, 5_000_000]), "reason": "증감"}]
        if rng.random() < 0.3
        else [],
        "grant_received": [
            {"on": date(2025, rng.randint(10, 12), 28), "krw": 900_000_000},
            {"on": date(2026, 1, 31), "krw": 1_000_000},
        ],
        "interest": [{"on": date(2025, 11, 30), "krw": 11}, {"on": date(2025, 12, 1), "krw": rng.randint(1, 999)}],
    }
    programme |= _funding(rng)
    agreements, permits, places = [], [], []
    for number, code in enumerate(projects, start=1):
        agreements.append(_agreement(rng, number, code, hospitals, deposits=programme["funding"] == "hospital"))
        permits += _permits(rng, agreements[-1], hospitals)
        places.append(
            {
                "code": code,
                "programme": "W-2025",
                "company": rng.choice(companies),
                "tier": rng.choice(["plain", "plain", "price", "both"]),
                "title": f"과제 {code}",
                "modalities": ["imaging", "text", "omics"],
                "channel": rng.choice(["stripe", "bank"]),
                "grant_krw": 150_000_000,
                **({"closes": rng.choice(MONTHS)} if rng.random() < 0.3 else {}),
            }
        )
    return {
        "programme": [programme],
        "party": [
            _party(1, "MOHW", "ministry"),
            _party(2, "KHIS", "agency"),
            _party(3, "OP", "operator"),
            _party(4, "I1", "infra"),
            _party(5, "I2", "infra"),
            *(
                _party(10 + n, code, "company", size=rng.choice(["small", "medium"]))
                for n, code in enumerate(companies)
            ),
            *(
                _party(50 + n, code, "hospital", quality=rng.choice(["0.95", "0.9", "1", "0.777"]))
                for n, code in enumerate(hospitals)
            ),
        ],
        "project": places,
        "permit": permits,
        "agreement": agreements,
        "price_book": _books(rng, hospitals, projects),
    }


def _funding(rng: Random) -> dict:
    """Who the grant is paid to, and the funds that share it."""
    found = {"funding": rng.choice(["hospital"] * 4 + ["company"])}
    if rng.random() < 0.4:
        cuts = sorted(rng.sample(range(1, 10_000), rng.randint(0, 2)))
        shares = [high - low for low, high in zip([0, *cuts], [*cuts, 10_000], strict=True)]
        found["source"] = [
            {"code": f"S{number}", "name": f"재원 {number}", "share_bp": share} for number, share in enumerate(shares)
        ]
    return found


def _metered(rng: Random, number: int, hospitals: list[str]) -> list[dict]:
    """Lines whose supply is usage: the operator's as a rule, or of a hospital's own machines."""
    return [
        {
            "code": f"L{number}{index}",
            "supplier": rng.choice(["OP", "OP", "OP", rng.choice(hospitals)]),
            "category": category,
            "grant_limit_krw": rng.randint(100_000, 20_000_000),
            **({"self_pay_bp": rng.choice([0, 10_000, rng.randint(1, 9_999)])} if rng.random() < 0.25 else {}),
        }
        for index, category in ((8, "gpu"), (9, "disk"))
        if rng.random() < 0.3
    ]


def _agreement(rng: Random, number: int, project: str, hospitals: list[str], *, deposits: bool) -> dict:
    lines = []
    for index in range(1, rng.randint(2, 4)):
        line = {
            "code": f"L{number}{index}",
            "supplier": rng.choice(hospitals),
            "category": rng.choices(["processing", "free", "export", "direct"], weights=[6, 2, 1, 1])[0],
            "grant_limit_krw": rng.randint(700_000, 30_000_000),
        }
        if rng.random() < 0.25:
            line["self_pay_bp"] = rng.choice([0, 10_000, 1, 9_999, rng.randint(1, 9_999)])
        lines.append(line)
    lines += _metered(rng, number, hospitals)
    deposit = deposits and rng.random() < 0.4
    agreement = {
        "code": f"A{number}",
        "project": project,
        "starts": date(2025, rng.choice([10, 10, 11]), rng.randint(1, 20)),
        "ends": rng.choice([date(2026, 3, 31), date(2026, 3, 31), date(2026, 1, 15), date(2025, 12, 20)]),
        "self_pay_mode": "deposit" if deposit else "arrears",
        "over_limit": rng.choice(["hold", "hold", "company_pays"]),
        "line": lines,
        **({"deposit_krw": rng.randint(500_000, 6_000_000)} if deposit else {}),
    }
    day = date(2025, 12, rng.randint(1, 20))
    if rng.random() < 0.4 and day <= agreement["ends"]:
        limits = {
            line["code"]: line["grant_limit_krw"] + rng.randint(0, 3_000_000) for line in lines if rng.random() < 0.6
        }
        if limits:
            agreement["amendment"] = [{"effective": day, "reason": "증액", "limits": limits}]
    return agreement


def _permits(rng: Random, agreement: dict, hospitals: list[str]) -> list[dict]:
    project = agreement["project"]
    if rng.random() < 0.5:
        return []
    permits = []
    for number in range(1, rng.randint(2, 4)):
        permit = {
            "code": f"DRB-{project}-{number}",
            "project": project,
            "kind": rng.choice(["drb", "irb"]),
            "approved_on": date(2025, 10, 1) + timedelta(days=rng.choice([0, 0, 50])),
        }
        if rng.random() < 0.5:
            permit["hospital"] = rng.choice(hospitals)
        if rng.random() < 0.6:
            permit["expires_on"] = permit["approved_on"] + timedelta(days=rng.choice([30, 90, 400]))
        if rng.random() < 0.3:
            line = rng.choice([one for one in agreement["line"] if one["category"] not in ("gpu", "disk")])
            permit |= {"fee_krw": rng.choice([500_000, 1_000_001]), "line": line["code"], "hospital": line["supplier"]}
        permits.append(permit)
    return permits


def _books(rng: Random, hospitals: list[str], projects: list[str]) -> list[dict]:
    def operator(low: int) -> list[dict]:
        return [
            *({"meter": "gpu", "model": model, "unit_price_krw": rng.randint(low, 11_000)} for model in MODELS),
            *(
                {"meter": "storage", "class": name, "unit_price_krw": rng.randint(90, 300)}
                for name in ("standard", "fast")
            ),
        ]

    books = [{"code": "OP-1", "supplier": "OP", "effective_from": date(2025, 9, 1), "rate": operator(4000)}]
    for number in range(2, rng.randint(2, 5)):
        day = date(2025, rng.choice([10, 11, 12]), 1) + timedelta(days=rng.randint(0, 29))
        rates = operator(3000)
        books.append(
            {
                "code": f"OP-{number}",
                "supplier": "OP",
                "effective_from": day + timedelta(days=number),
                "rate": rng.sample(rates, rng.randint(1, len(rates))),
            }
        )
    if rng.random() < 0.3:
        books[0]["rate"].append(
            {"meter": "gpu", "model": "H100", "project": rng.choice(projects), "unit_price_krw": 3333}
        )
    if rng.random() < 0.3:
        tiers = [
            {"up_to": "12.5", "unit_price_krw": 7001},
            {"up_to": 40, "unit_price_krw": 5003},
            {"unit_price_krw": 999},
        ]
        place = rng.choice(books)["rate"]
        place[:] = [one for one in place if one.get("model") != "B200"] + [
            {"meter": "gpu", "model": "B200", "tiers": tiers}
        ]
    if rng.random() < 0.3:
        rng.choice(books)["rate"][0]["minimum_krw"] = rng.randint(1, 90_000)
    for rate in (rate for book in books for rate in book["rate"]):
        if rng.random() < 0.3:
            rate |= {"payee": rng.choice(["I1", "I2"]), "cost_price_krw": rng.randint(0, 9_000)}
    for hospital in hospitals:
        for number, day in enumerate(
            [date(2025, 9, 1), *([date(2025, 11, rng.randint(1, 30))] if rng.random() < 0.5 else [])]
        ):
            rates = [
                {"meter": "preparation", "work": work, "unit": unit, "unit_price_krw": rng.randint(1_000, 60_000)}
                for work, unit, _ in WORKS
            ]
            if rng.random() < 0.4:
                rates.append(
                    {
                        "meter": "preparation",
                        "work": "study",
                        "unit": "study",
                        "modality": "imaging",
                        "unit_price_krw": 54_321,
                    }
                )
            rates += operator(2000)
            books.append({"code": f"{hospital}-{number}", "supplier": hospital, "effective_from": day, "rate": rates})
    days = {(one["supplier"], one["effective_from"]) for one in books}
    return (
        books
        if len(days) == len(books)
        else [
            one
            for n, one in enumerate(books)
            if (one["supplier"], one["effective_from"]) not in {(b["supplier"], b["effective_from"]) for b in books[:n]}
        ]
    )


def toml(registry: dict) -> str:
    """The registry as a file."""
    tables = []
    for kind, objects in registry.items():
        for one in objects:
            tables.append(f"[[{kind}]]\n" + "".join(f"{name} = {_value(value)}\n" for name, value in one.items()))
    return "\n".join(tables)


def _value(value) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f'"{name}" = {_value(one)}' for name, one in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(_value(one) for one in value) + "]"
    if isinstance(value, bool):
        return "true" if value else "false"
    return f'"{value}"' if isinstance(value, str) else str(value)
