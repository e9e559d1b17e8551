"""SLURM accounting rows for the tests of metering, by hand."""

from metering.sacct import HEADERLESS

PLAIN = {
    "jobid": "100", "jobidraw": "100", "cluster": "gpu1", "partition": "h100", "qos": "normal", "account": "lab1",
    "group": "g", "gid": "1000", "user": "u", "uid": "1000", "submit": "2025-11-10T00:00:00",
    "eligible": "2025-11-10T00:00:00", "start": "2025-11-10T00:00:00", "end": "2025-11-10T01:00:00",
    "elapsed": "01:00:00", "exitcode": "0:0", "state": "COMPLETED", "nnodes": "1", "ncpus": "8", "reqcpus": "8",
    "reqmem": "64G", "reqtres": "billing=8,cpu=8,gres/gpu=2,mem=64G",
    "alloctres": "billing=8,cpu=8,gres/gpu=2,gres/gpu:h100=2,mem=64G,node=1", "timelimit": "1-00:00:00",
    "nodelist": "n01", "jobname": "train",
}  # fmt: skip
MAP = '[project]\nlab1 = "P1"\nlab2 = "P2"\n[model]\nh100 = "H100"\n'


def row(number: int | None = None, columns=HEADERLESS, **cells: str) -> bytes:
    """One row of accounting: 2 GPUs and 8 cores for an hour, except for the named cells."""
    names = {} if number is None else {"jobid": str(number), "jobidraw": str(number)}
    found = {**PLAIN, **names, **cells}
    return "|".join(found[name] for name in columns).encode()
