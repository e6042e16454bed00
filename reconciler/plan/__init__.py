"""What an apply would do: a pure function of declared runs, ledger and time."""

from reconciler.plan.make import make_plan, plan_environment
from reconciler.plan.values import WORK, Action, FlowCheck, Plan, PlannedRun, Reason, plan_digest

__all__ = [
    "WORK",
    "Action",
    "FlowCheck",
    "Plan",
    "PlannedRun",
    "Reason",
    "make_plan",
    "plan_digest",
    "plan_environment",
]
