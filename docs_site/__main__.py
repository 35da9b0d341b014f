"""Build the documentation as a static site: `make docs`."""

import argparse
import sys
from pathlib import Path

from docs_site.build import BrokenPagesError, build


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m docs_site", description=__doc__)
    parser.add_argument("--output", type=Path, default=Path("site"), help="folder, which is replaced")
    site: Path = parser.parse_args().output
    try:
        build(site)
    except BrokenPagesError as error:
        sys.exit(f"{error}\nThe site was not built.")
    print(f"{site.resolve() / 'index.html'}")  # noqa: T201  # the answer of the command


if __name__ == "__main__":
    main()
