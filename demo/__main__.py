"""`python -m demo [--lang ko|en]`."""

import argparse
import sys

from demo.run import run
from demo.service import CommandFailed


def main() -> int:
    """Runs the demo; the exit code is that of the last command that failed, or 1 where something is not reconciled."""
    parser = argparse.ArgumentParser(prog="python -m demo", description="2025년 사업을 넉 달치 정산합니다.")
    parser.add_argument("--lang", choices=("ko", "en"), default="ko")
    try:
        return run(parser.parse_args().lang)
    except CommandFailed as failure:
        print(failure, file=sys.stderr)
        return failure.exit_code


if __name__ == "__main__":
    sys.exit(main())
