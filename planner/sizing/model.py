"""The sizing model: what to buy, how many, ordered when. A Pyomo MIP without any hours.

Index order: option, period, place. Periods are build months, expansion years and the operating period; places are
the operating blocks inside a period. Money in thousand USD.

Variables
    bought[o,k]      units of option o ordered by its k-th order day, cumulative     integer (or divisible)
    sets[o,p]        smallest firm additions of o that carry load (one unit, a pair, 4 to make 3) integer
    groups[o,p]      groups those sets are in, each with its spares                   integer
    energised[i,p]   racks or nodes of compute option i that run                      integer
    more_units[k,p]  whether more scalable units of a counted fabric run than its k-th step of top-layer switches serves
    nodes_in_racks[i,r,p] nodes of i in racks of r, where there are several kinds of racks     integer
    blocks[p]        commissioning blocks completed                                   integer
    present[j,p]     whether generator type j stands                                  binary
    substation[p]    whether import goes through the substation                       binary
    islands[p]       islands of generators, each with its spares, where the case says how large one is  integer
    grid[p], firm_generation[p], heat_assigned[...]                                   MW
    link[p,c]        linking vector of the operating blocks, the same in every place of a period
    edge[p,k,c]      its components that belong to one place: state of charge before and after, parts of a month
                     c of edge and peak ends in "#" and the number of its path, but for the first
    energy[p,y,c]    those that belong to a year of a period: energy left of batteries that fade       MWh
    peak[p,t,c]      what month t has as one number: peaks of a ratchet, and billed ones where it is several blocks
    cost[p,k]        operating cost of a place, above the cuts; with scenarios the expectation of
    path_cost[p,k,w] the same on path w
    value_at_risk, excess[w] of operation over the horizon, and what a path costs beyond it, where risk is asked for
    returned[o,p]    units of what is rented that have gone back by a period          integer (or divisible)
    standing_by[o,p] units of a generator that stand by, and are not on duty          integer
    duty[j,p]        whether any of such a type is on duty                            binary
    billed[o,t]      units of it whose rent is due in a month
    fires[j,p]       units that fire before the air permit, where its date is freed to see what is in the way
    fed[j,l,p], unfed[l,p] firm MW of generator j that gas feeds where the largest units of l are lost      MW
    permitted[j,p]   energy the air permit allows generator j, where the case takes an enforceable cap       GWh/year
    first_charge[i,p] energy that new units of battery i bring to their reserve       MWh
    held_mw[i,p], held_up_mwh[i,p], held_down_mwh[i,p]  what batteries keep back in every hour: see `held`

Constraints (each under this name in the model and the LP file)
    bought_in_order          cumulative orders never fall
    bought_multiple          orders come in the vendor's multiples
    returned_*, rent_*       what is rented: see `rent`
    standing_by_stands       what stands by is there
    sets_in_service          units in service cover the sets that carry load and the spares of their groups
    sets_in_groups           no group holds more sets than it may
    sets_stay, blocks_stay   what serves load alone stays as it is between the periods that matter (`dates`)
    energised_on_site        racks run after delivery, installation and burn-in
    energised_stay           racks that run keep running
    stage_capacity           firm capacity of a position covers the design load there
    top_layer_units          the steps of a fabric's top layer follow its units
    nodes_racked             every node that runs stands in a rack in use
    fitting                  every few kinds of compute fit into the enclosures that take one of them
    ride_through             UPS batteries carry their load for the minutes asked
    commissioned_blocks      design IT power fits the completed blocks
    settled_racks            of that, racks that have run since before the start need no block
    commissioned_equipment   a block is tested on equipment that stands
    commissioning_crews      no more blocks in any stretch of time than crews can do
    grid_step                import limit of the date
    grid_through_substation  import limited by firm transformers and bays
    firm_source              grid and firm generation cover the design load, solar, wind and batteries zero
    firm_generation_*        generation less its largest units
    permits                  nothing fires before the air permit
    firm_gas                 firm generation on gas within what its supply feeds
    potential_to_emit        what could be emitted in a year within the permit, by pollutant
    supply_quarter           deliveries within the vendor's allocation
    budget                   cumulative cash, operation included
    site_limit               areas, noise and stored fuel of what stands (`site_limits`)
    water_design_day         make-up of the design day within the permit
    milestone                compute running by a date, net of spares
    linking                  the linking vector from the counts
    shared_peak              billed peaks of several blocks are no less than the minimum take and the ratchet's
    shared_allowance         parts of a month's tiers and availability add up to the month's
    edges                    state of charge between blocks
    ratchet                  the highest promised peak of the eleven months before
    caps                     the blocks' allowances of a year within its annual limit; of any 12 months within
                             the permitted energy
    path_excess              excess of a path over the value at risk
    held                     what batteries keep back for swings and for the largest unit
    reserves                 energy held for events within the energy of what stands; a free component of the vector
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import pyomo.environ as pyo

from planner.case.case import Case
from planner.case.schema import Milestone
from planner.case.swing import SwingLimits
from planner.families.battery import Battery
from planner.finance import discount_factor
from planner.ledger import Cash, operating_weights
from planner.operation.blocks import Plant
from planner.sizing.dates import Dates, dates_of
from planner.sizing.money import Money
from planner.sizing.options import USD_PER_KUSD, Option, options_of
from planner.sizing.rent import Billed, Hire
from planner.sizing.shared import SharedCost
from planner.sizing.water import water_rows


@dataclass
class Sizing:
    """The Pyomo model with what is needed to read it."""

    case: Case
    plant: Plant
    options: tuple[Option, ...]
    model: pyo.ConcreteModel
    periods: range
    constant_kusd: float  # present value of the flows no decision changes
    forced_compute_kusd: float  # proven least cost of the compute every plan must buy
    design: dict[tuple[str, int], Any]  # (position, period) -> design load expression
    capacity_of: Callable[[str, int], Any]  # firm capacity expression of a position in a period
    running: Callable[[Milestone, int], Any]  # what runs in a milestone's measure, net of spares
    energised_units: Callable[[Option, int], Any]  # units switched on, with the spares of their groups
    standing: Callable[[str, int], Any]  # no-load losses of a power stage in a period, MW
    loaded_units: Callable[[Option, int], Any]  # those of them that share the load
    dates: Dates  # the periods that matter
    committed_om: list[tuple[str, Cash]]  # fixed O&M of what is already bought
    # States of charge between states: edge in the year, MWh per unit of its bounds, the bounds, the reserve below it.
    edges: list[tuple[Any, str, float, tuple[Any, ...], Any]]
    shared_costs: list[SharedCost]  # billed peaks of months that are several blocks
    first_charge: Callable[[Battery, int], Any]  # energy that units of a battery bring in a period
    swing_limits: Callable[[int], SwingLimits]  # of the load, in a period
    smoothing_loss_mw: Callable[[int], Any]  # of batteries, in a period
    start_h: float  # until the generator that starts slowest carries load
    hires: list[Hire]  # rent and returns
    billed: list[Billed]  # columns of rent that is due
    risk_kusd: Any = 0.0  # what risk adds to the expected cost
    levels: dict[str, Any] = field(default_factory=dict)  # objective name -> expression

    def option(self, key: str) -> Option:
        """Option by key."""
        return next(o for o in self.options if o.key == key)


def build_sizing(
    plant: Plant, *, relax: Iterable[str] = (), milestones: bool = True, dates: Dates | None = None
) -> Sizing:
    """Build the sizing model of a case.

    relax: names of LIMITS that get a slack, for explaining an infeasible case; the objective is then the
    slacks, and every period matters. milestones=False leaves the milestones out (max_gpus by a date). dates:
    periods that matter, by default those of the case.
    """
    case = plant.case
    m = pyo.ConcreteModel(name="sizing")
    dates = dates or (Dates.all_of(case) if relax else dates_of(plant))
    options = options_of(plant, dates)
    s = Money(case, plant, options, m, set(relax), dates)
    s.counts()
    s.compute_rows()
    s.stages()
    s.commissioning()
    s.sources()
    s.supply()
    s.site_limits()
    water_rows(s)
    if milestones:
        s.milestones()
    s.linking()
    s.money()
    sizing = Sizing(
        case,
        plant,
        options,
        m,
        s.periods,
        s.constant_kusd,
        s.forced_compute_kusd(),
        s.design,
        s.firm_capacity,
        s.running,
        s.energised_units,
        s.standing,
        s.loaded_units,
        dates,
        s.committed_om(),
        s.edges,
        s.shared_costs,
        s.first_charge,
        s.swing_limits,
        s.smoothing_loss_mw,
        s.start_h(),
        s.hires,
        s.billed,
    )
    _objectives(s, sizing)
    return sizing


def _objectives(s: Money, sizing: Sizing) -> None:
    """Level expressions: `cost` always; `gpus` or `date` first where the case asks for them."""
    m, case = s.m, s.case
    weights = operating_weights(case)
    cost = sum(order.cost_kusd * s.newly(o, k) for o in s.options for k, order in enumerate(o.orders))
    cost = cost + sum(weights[state] * m.cost[state] for state in s.states)
    cost = cost + sum(weights[shared.period, shared.place] * shared.kusd for shared in s.shared_costs)
    sizing.risk_kusd = s.risk(weights)
    cost = cost + sizing.risk_kusd
    rate, base = case.input.finance.discount_rate, case.timeline.start
    cost = cost + sum(discount_factor(rate, day, base) * usd * mwh for day, usd, mwh in s.first_charges())
    cost = cost + sum(discount_factor(rate, h.on, base) * h.usd / USD_PER_KUSD * h.units for h in s.hires)
    objective = case.input.objective
    if s.relax:
        sizing.levels["slack"] = sum(m.slack[name, p] for name in s.relax for p in range(s.last + 2))
    elif objective.kind == "max_gpus":
        assert objective.by is not None
        p = case.timeline.period_of(objective.by)
        sizing.levels["gpus"] = sum(r.gpus * m.energised[r.item.id, p] for r in s.plant.racks)
    elif objective.kind == "earliest":
        sizing.levels["date"] = sum(1 - m.reached[p] for p in s.periods)
    sizing.levels["cost"] = cost
    m.objective = pyo.Objective(expr=cost)
