"""The report: one static page that shows every run, and asks nobody for anything."""

from reconciler.render.page.html import report_page
from reconciler.render.page.told import Reported

__all__ = ["Reported", "report_page"]
