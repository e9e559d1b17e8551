"""Claims as a few readable lines of text."""

from pathlib import Path

from billing.claim_form import MOST_LINES
from billing.claim_state import STATES
from billing.claim_upload import Template, Upload
from portal.command import Call
from portal.month_text import table, won
from portal.text import exact

DECISIONS = {"accepted": "인정", "refused": "거절"}
DISPUTES = {"open": "이의신청 중", "upheld": "이의 기각", "corrected": "이의 인정"}


def claimable_text(call: Call, document: dict) -> str:
    """What a hospital can claim yet."""
    say = call.say
    title = f"{document['hospital']} {document['month']}: " + say(
        f"청구할 수 있는 작업 {len(document['lines'])}건, 공급가액 {won(document['supply_krw'])}원",
        f"{len(document['lines'])} works to claim, supply {won(document['supply_krw'])} won",
    )
    return "\n".join([title, *_lines(call, document["lines"])])


def _lines(call: Call, lines: list[dict]) -> list[str]:
    say = call.say
    if not lines:
        return []
    head = [say("작업", "work"), say("과제", "project"), say("종류", "kind"), say("검수일", "accepted"),
            say("결정", "decision"), say("수량", "quantity"), say("공급가액", "supply"),
            say("부가세", "VAT")]  # fmt: skip
    rows = [
        [one["work"], one["project"], one["kind"], one["accepted_on"], _decision(call, one),
         f"{exact(one['quantity'])} {one['unit']}", won(one["supply_krw"]), won(one["vat_krw"])]
        for one in lines
    ]  # fmt: skip
    return [f"  {row}" for row in table([head, *rows], 5)]


def _decision(call: Call, line: dict) -> str:
    found = [(DECISIONS, line.get("decision")), (DISPUTES, line.get("dispute"))]
    return " · ".join(call.say(names[code], code) for names, code in found if code) or "-"


def claims_text(call: Call, found: list[dict]) -> str:
    """The list of claims."""
    say = call.say
    if not found:
        return say("청구가 없습니다.", "No claims.")
    head = [say("청구번호", "number"), say("사업", "programme"), say("월", "month"), say("상태", "state"),
            say("심사 기한", "due"), say("명세", "lines"), say("공급가액", "supply"), say("부가세", "VAT")]  # fmt: skip
    rows = [
        [one["number"], one["programme"], one["month"], say(STATES[one["state"]], one["state"]),
         one["decision_due_on"] or "-", str(one["lines"]), won(one["supply_krw"]), won(one["vat_krw"])]
        for one in found
    ]  # fmt: skip
    return "\n".join(table([head, *rows], 5))


def claim_text(call: Call, document: dict) -> str:
    """One claim: its lines, what speaks against some, evidence, and its way."""
    say = call.say
    state = say(STATES[document["state"]], document["state"])
    lines = [f"{document['number']} · {document['programme']} {document['month']} · {state}"]
    lines += _lines(call, document["lines"])
    lines += [f"  {one['work']}: {one['reason']}" for one in document["lines"] if one["reason"]]
    lines += [f"  {one['id']}  {one['file_name']}  {one['media_type']}  sha256 {one['sha256']}"
              for one in document["evidence"]]  # fmt: skip
    for one in document["transitions"]:
        moved = say(STATES[one["to_state"]], one["to_state"])
        lines.append("  " + "  ".join(filter(None, (one["at"], moved, one["by"], one["reason"]))))
    return "\n".join(lines)


def overdue_text(call: Call, document: dict) -> str:
    """What is past its day, with how many days."""
    say = call.say
    lines = [
        say(f"{one['number']} {one['work']}: 심사 기한 {one['due_on']} 에서 {one['days']}일 지남",
            f"{one['number']} {one['work']}: due on {one['due_on']}, {one['days']} days late")
        for one in document["decisions"]
    ]  # fmt: skip
    lines += [
        say(f"{one['project']} {one['work']}: 검수 기한 {one['due_on']} 에서 {one['days']}일 지남 "
            f"({one['undecided']} {one['unit']})",
            f"{one['project']} {one['work']}: acceptance due on {one['due_on']}, {one['days']} days late "
            f"({one['undecided']} {one['unit']})")
        for one in document["acceptances"]
    ]  # fmt: skip
    return "\n".join(lines) or say("기한이 지난 것이 없습니다.", "Nothing is overdue.")


def template_text(call: Call, made: Template) -> list[str]:
    """How many works a template holds, and how the rest is claimed."""
    say = call.say
    lines = [
        say(f"청구할 수 있는 작업 {made.claimable:,}건 가운데 {made.entered:,}건을 적었습니다.",
            f"{made.entered:,} of {made.claimable:,} works that can be claimed stand in it.")
    ]  # fmt: skip
    if made.claimable > MOST_LINES:
        lines.append(
            say(f"한 파일에 {MOST_LINES}건까지 적습니다. 이 파일을 올린 뒤 양식을 다시 받으면 나머지가 들어 있습니다.",
                f"A file takes {MOST_LINES} works: upload this one, and the next template holds the rest.")
        )  # fmt: skip
    return lines


def upload_text(call: Call, done: Upload) -> str:
    """What became of a sheet without a bad cell."""
    if done.already:
        return call.say("이미 올린 청구입니다. 새로 만들지 않았습니다.", "uploaded before; no other claim was made.")
    return call.say(f"작업 {done.lines:,}건의 청구를 작성했습니다.", f"a claim of {done.lines:,} works was drafted.")


def marked_text(call: Call, done: Upload, marked: Path) -> str:
    """Where the bad cells are shown."""
    count = len(done.findings)
    return call.say(
        f"오류 {count:,}건, 아무것도 반영하지 않았습니다. 고칠 곳을 표시한 파일: {marked}",
        f"{count:,} bad cells, nothing was booked. The marked file: {marked}",
    )
