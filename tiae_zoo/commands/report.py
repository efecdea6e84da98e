"""`tiae-zoo report`: results of finished runs side by side."""

from __future__ import annotations

import argparse
from pathlib import Path

from tiae_zoo import runs

DESCRIPTION = """\
Merge results of `tiae-zoo test` and `validate` into tables, one for each set of images, with the numbers of the papers
and of masks that know nothing beside them: report.md, report.csv, and report.html, one page with everything inside.

  tiae-zoo report runs/
  tiae-zoo report runs/mask_network_lfw_*/test_0 runs/redo_lfw/test_0 --x data.labelled --metrics iou acc
"""


def main(arguments: list[str]) -> int:
    """Write one report and say where it lies."""
    parser = argparse.ArgumentParser(
        prog="tiae-zoo report", description=DESCRIPTION, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "results", nargs="+", type=Path, metavar="RESULTS", help="results.json files, or folders with runs below"
    )
    parser.add_argument("--output", type=Path, help="new folder for the report (default: runs/report_N)")
    parser.add_argument("--metrics", nargs="+", default=[], metavar="NAME", help="figures to show (default: all)")
    parser.add_argument(
        "--x",
        metavar="KEY",
        help="setting, such as data.labelled, to draw the figures against; results without it become lines",
    )
    options = parser.parse_args(arguments)

    from tiae_zoo.report import find_results, write_report  # loads matplotlib: half a second

    results = find_results(options.results)
    with runs.new_folder(options.output, Path("runs"), "report") as folder:
        tables = write_report(results, folder, options.metrics, options.x)
    print(f"{len(results)} results on {len(tables)} sets of images: see {folder / 'report.html'}")
    return 0
