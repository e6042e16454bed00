"""Pictures of what a forge shows: the comment on a pull request, and the summary of an apply's job.

Real commands write both, in a repository with a remote and a gateway; a renderer of GitHub's
Markdown turns them into a page, and Chromium draws it.
"""

import re
from pathlib import Path

import cmarkgfm  # type: ignore[import-untyped] # it has no types
import pytest
from cmarkgfm.cmark import Options  # type: ignore[import-untyped] # the same

from reconciler.sandbox import FlowOptions, Sandbox, SandboxOptions, Status, run_sandbox
from tests.backfills.running import always_alike
from tests.environments import make_setting
from tests.page.chromium import Page, file_url
from tests.repositories import PROJECT, commit, git, isolate

PLACE = PROJECT / "docs" / "pictures"
PICTURES = ("comment.png", "summary.png")
_WIDTH = 960
_GATEWAY = "https://apim.example.test"
_STYLE = """\
body { font: 14px/1.5 "Liberation Sans", Arial, sans-serif; margin: 16px 20px; color: #1f2328 }
h3 { font-size: 18px; margin: 0 0 12px; padding-bottom: 6px; border-bottom: 1px solid #d1d9e0 }
table { border-collapse: collapse; margin-bottom: 12px }
td, th { border: 1px solid #d1d9e0; padding: 6px 13px; text-align: left; vertical-align: top }
tr:nth-child(2n) td { background: #f6f8fa }
code { background: #eff1f3; border-radius: 6px; padding: 2px 5px; font-size: 85% }
details { margin: 8px 0 }
"""
_CONFIGURATION = """\
version: 1
environments:
  prod:
    manifests: triggers
    state: state/prod
    gateway: {{url: "{url}", orgId: o15504745674071, userId: u1641803, timezone: GMT+8}}
    limits: {{maxRunsPerApply: {limit}}}
"""
_SOLAR = """\
apiVersion: reconciler/v1
kind: Backfill
metadata: {{name: solar-june, description: Recompute June with the new irradiance model}}
spec:
  flowId: 4102
  businessDates: {{from: 2024-06-01, to: 2024-06-{last}, every: 1d}}
  parameters: {{MODEL: irradiance-7}}
  suspend: true
"""
_WIND = """\
apiVersion: reconciler/v1
kind: Backfill
metadata: {{name: wind-march, description: Reprocess March after the SCADA outage}}
spec:
  flowId: 3377
  businessDates: {{from: 2024-03-01, to: 2024-03-{last}, every: 1d}}
  matrix: {{SITE: [{sites}]}}
  parameters: {{MODE: full}}
  stagger: 1m
"""


def pictures_of(page: Page, folder: Path) -> dict[str, bytes]:
    """Both, as PNG."""
    found = {}
    for name, markdown in zip(PICTURES, _markdown(folder), strict=True):
        file = folder / f"{name}.html"
        html = cmarkgfm.github_flavored_markdown_to_html(markdown, Options.CMARK_OPT_UNSAFE)
        head = f"<!doctype html><meta charset=utf-8><title>{name}</title><style>{_STYLE}</style>"
        file.write_text(f"{head}{html}", encoding="utf-8")
        page.look(_WIDTH, 100)
        page.open(file_url(file))
        page.look(_WIDTH, page.value("document.documentElement.scrollHeight"))
        found[name] = page.picture()
    return found


def _markdown(folder: Path) -> tuple[str, str]:
    ends = (Status.SUCCESS, Status.FAIL, Status.SUCCESS, Status.SUCCESS, Status.SUCCESS)
    sandbox = Sandbox(SandboxOptions(flows={3377: FlowOptions(ends=ends, run_seconds=0.0)}))
    with pytest.MonkeyPatch.context() as patch, run_sandbox(sandbox) as url:
        isolate(patch, folder)
        files = {"triggers/solar/june.yaml": _SOLAR.format(last=30)}
        setting = make_setting(
            folder / "team", url, sandbox, files | _configured(_GATEWAY, limit=200)
        )
        many = ", ".join(f"cn-{site:02d}" for site in range(1, 41))
        commit(setting.clone, _configured(_GATEWAY, limit=1500) | _change(sites=many, last=31))
        comment = setting.run("plan", "--format", "markdown").stdout
        few = _configured(url, limit=200) | _change(sites="cn-01, cn-02", last="02")
        commit(setting.clone, few)
        git(setting.clone, "push", "--quiet", "origin", "HEAD:main")
        summary = setting.run("apply", "--wait", "--format", "markdown", "--timeout", "60s").stdout
    return comment, re.sub(r"127\.0\.0\.1:\d+", "apim.example.test", always_alike(summary))


def _configured(url: str, *, limit: int) -> dict[str, str]:
    return {"reconciler.yaml": _CONFIGURATION.format(url=url, limit=limit)}


def _change(*, sites: str, last: int | str) -> dict[str, str]:
    wind = _WIND.format(sites=sites, last=last)
    return {"triggers/wind/march.yaml": wind, "triggers/solar/june.yaml": _SOLAR.format(last="03")}
