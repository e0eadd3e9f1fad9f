"""Audit of scenarios: every path has its own dispatch, and expectation and risk are what the paths cost."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from planner.audit.base import Checks, Tables, says
from planner.audit.money import Key, present_worth
from planner.case.case import Case


def on_paths(checks: Checks, case: Case, tables: Tables) -> list[Tables]:
    """The tables with the dispatch of each path alone."""
    if not case.scenarios:
        return [tables]
    if "scenario" not in tables.dispatch:
        checks.true("scenarios", False, "dispatch does not say which scenario a row belongs to")
        return [tables for _ in case.scenarios]
    named = tables.dispatch.scenario
    names = [path.name for path in case.scenarios]
    strange = sorted(set(named) - set(names))
    checks.true("scenarios", not strange, f"dispatch has rows of no scenario: {strange[:3]}")
    return [
        replace(tables, dispatch=tables.dispatch[named == name].drop(columns="scenario").reset_index(drop=True))
        for name in names
    ]


def audit_scenarios(checks: Checks, case: Case, tables: Tables, paths: list[dict[Key, float]]) -> float:
    """Costs of every path over the horizon; returns what risk adds to the expected cost. [USD]"""
    if not case.scenarios:
        return 0.0
    costs = np.array([sum(usd * present_worth(case, key[0]) for key, usd in bills.items()) for bills in paths])
    likely = np.array([path.probability for path in case.scenarios])
    shown = tables.summary.get("scenarios", [])
    named = [(str(row["name"]), float(row["probability"])) for row in shown]
    wanted = [(path.name, path.probability) for path in case.scenarios]
    checks.true("scenarios", named == wanted, "plan.json must hold every scenario of the case once, in order")
    if named != wanted:
        return 0.0
    tolerance = 1e-6 * np.abs(costs) + 1.0
    claimed = [float(row["operation_usd"]) for row in shown]
    checks.equal("scenario cost", "USD", claimed, costs, tolerance, lambda i: f"operation in {wanted[i][0]}")
    sums = [sum(row["lines_usd"].values()) for row in shown]
    checks.equal("scenario cost", "USD", sums, claimed, tolerance, lambda i: f"lines of {wanted[i][0]}")
    expected = float(costs @ likely)
    margin = 1e-6 * abs(expected) + 1.0
    checks.equal(
        "expected cost",
        "USD",
        tables.summary["operation_expected_usd"],
        expected,
        margin,
        says("operation_expected_usd"),
    )
    risk = case.input.risk
    if risk is None:
        return 0.0
    cvar = _mean_of_dearest(costs, likely, 1.0 - risk.cvar_alpha)
    said = tables.summary["risk"]
    same = said["cvar_alpha"] == risk.cvar_alpha and said["weight"] == risk.weight
    checks.true("risk", same, "cvar_alpha and weight must be those of the case")
    if said["operation_cvar_usd"] is not None:
        checks.equal("risk", "USD", said["operation_cvar_usd"], cvar, 2 * margin / max(risk.weight, 1e-3), says("CVaR"))
    added = risk.weight * (cvar - expected)
    checks.equal("risk", "USD", said["added_to_objective_usd"], added, 2 * margin, says("added_to_objective_usd"))
    return added


def _mean_of_dearest(costs: np.ndarray, likely: np.ndarray, share: float) -> float:
    """Mean cost of the dearest share of the probability, a path on its edge taken in part.

    >>> _mean_of_dearest(np.array([1.0, 5.0, 3.0]), np.array([0.5, 0.1, 0.4]), 0.2)
    4.0
    """
    left, total = share, 0.0
    for i in np.argsort(-costs):
        taken = min(left, float(likely[i]))
        total, left = total + taken * float(costs[i]), left - taken
    return total / share
