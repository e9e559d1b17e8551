"""`python -m bench [--full] [NAME…]`: runs the benchmarks of those names, or all, and prints one table."""

import importlib
import sys

from bench.table import Row, render

BENCHMARKS = ("intake", "consume", "books", "month", "statements")
FULL = "--full"  # the long ones as well: 10^7 events through the broker


def main(wanted: list[str]) -> int:
    """Runs the wanted benchmarks, or all; each module's `rows()` yields table rows as it measures them."""
    full = FULL in wanted
    wanted = [name for name in wanted if name != FULL]
    unknown = set(wanted) - set(BENCHMARKS)
    if unknown:
        print(
            f"{', '.join(sorted(unknown))}: 이런 측정은 없습니다 (no such benchmark): {', '.join(BENCHMARKS)}",
            file=sys.stderr,
        )
        return 2
    rows: list[Row] = []
    for name in wanted or BENCHMARKS:
        print(f"▸ bench {name} …", file=sys.stderr, flush=True)
        module = importlib.import_module(f"bench.{name}")
        for row in module.rows(full=True) if full and name == "consume" else module.rows():
            print(f"    {row.what}: {row.result} {row.ratio} {row.growth}".rstrip(), file=sys.stderr, flush=True)
            rows.append(row)
    print(render(rows))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
