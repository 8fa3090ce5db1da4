"""A finished run as one page of HTML that needs no network: what `gcl report` writes."""

from gcl.report.page import write_report

__all__ = ["write_report"]
