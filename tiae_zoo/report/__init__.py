"""Tables and one page for the browser from the results of finished runs; loads no PyTorch."""

from tiae_zoo.report.reading import Result, find_results
from tiae_zoo.report.writing import write_report

__all__ = ["Result", "find_results", "write_report"]
