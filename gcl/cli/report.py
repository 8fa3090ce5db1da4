"""`gcl report`: a finished run as one page."""

from __future__ import annotations

import json

from gcl.cli.options import Parser


def report_command(arguments: list[str]) -> None:
    parser = Parser("gcl report", description="A finished run as one page that needs no network.")
    parser.add_argument("folder", help="a folder written by gcl train --out")
    parser.add_argument("--out", help="the file (default: report.html in the folder)")
    parser.add_argument(
        "--seed", type=int, help="whose embedding is drawn (default: the first that has ended)"
    )
    parser.add_argument(
        "--no-data",
        action="store_true",
        help="load no data set for labels and colours, and import nothing that the folder names",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    chosen = parser.parse_args(arguments)
    from gcl.report import write_report

    try:
        path = write_report(
            chosen.folder, chosen.out, seed=chosen.seed, with_data=not chosen.no_data
        )
    except ImportError as error:
        raise ValueError(str(error)) from None
    size = path.stat().st_size
    if chosen.json:
        print(json.dumps({"file": str(path), "bytes": size}))
    else:
        print(f"{path} ({size / 1e6:.1f} MB): open it in a browser")
