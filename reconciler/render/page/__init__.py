"""The report: one static page that shows every run and sends no request."""

from reconciler.render.page.attention import Reported
from reconciler.render.page.html import report_page

__all__ = ["Reported", "report_page"]
