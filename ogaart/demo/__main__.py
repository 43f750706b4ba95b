"""Serve the demo's site until Ctrl-C: ``python -m ogaart.demo [--port N] [--delay S] [--copies N]``."""

import argparse
import sys
import time

from ogaart.demo.server import DemoSite


def main() -> None:
    """Serve as the command line states, and print the address."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=8090, help="on 127.0.0.1; 0 takes a free one")
    parser.add_argument("--delay", type=float, default=0.05, help="Crawl-delay in seconds that robots.txt states")
    parser.add_argument("--copies", type=int, default=1, help="how many times as large")
    arguments = parser.parse_args()
    with DemoSite(arguments.port, arguments.delay, arguments.copies) as site:
        sys.stdout.write(f"{site.base}/art-search-advanced?field_art_type_tid[]=9&sort_by=created&sort_order=ASC\n")
        sys.stdout.flush()
        try:
            while True:
                time.sleep(3600)
        except KeyboardInterrupt:
            return


if __name__ == "__main__":
    main()
