"""What pages call the states: Korean, English, and the look of the badge."""

INVOICE_STATES = {
    "open": ("미납", "Open", ""),
    "partly": ("일부 납부", "Partly paid", "going"),
    "overdue": ("연체", "Overdue", "bad"),
    "paid": ("납부 완료", "Paid", "good"),
    "credit": ("차감", "Credit", ""),
}
CLAIM_STATES = {
    "draft": ("작성 중", "Draft", ""),
    "submitted": ("제출", "Submitted", "going"),
    "approved": ("승인", "Approved", "good"),
    "partly_approved": ("일부 승인", "Partly approved", "warn"),
    "rejected": ("반려", "Rejected", "bad"),
    "withdrawn": ("철회", "Withdrawn", ""),
    "paid": ("지급 완료", "Paid", "good"),
}
