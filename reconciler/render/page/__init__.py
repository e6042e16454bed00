"""The report: one static page that shows every run, and asks nobody for anything."""

from reconciler.render.page.attention import Reported
from reconciler.render.page.html import report_page

__all__ = ["Reported", "report_page"]
