"""What a case says of its whole power chain: power factors, harmonics, the rooms it stands in, ride-through."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from planner.case.base import Finite, Positive, Rule, Strict, require, suggest
from planner.case.item import POWER_STAGES


class PowerChain(Strict):
    """Defaults leave ratings as the catalog gives them. What is absent takes the site's grid.power_factor."""

    power_factor: dict[str, Annotated[Finite, Field(gt=0.5, le=1)]] = {}  # by stage, of what it delivers
    # F_HL of IEEE C57.110: sum h^2 I_h^2 / sum I_h^2 of the load current; server supplies with correction: 1.0 to 1.3
    harmonic_loss_factor: Annotated[Finite, Field(ge=1, le=50)] = 1.0
    electrical_room_c: Annotated[Finite, Field(ge=0, le=60)] = 30.0  # where UPS and LV gear stand [judgement]
    ride_through_minutes: Positive | None = None  # the UPS batteries carry their load without any source

    @model_validator(mode="after")
    def _stages(self) -> PowerChain:
        found = []
        for stage in self.power_factor:
            if stage not in POWER_STAGES:
                remedy = suggest(stage, POWER_STAGES, "write one of " + ", ".join(POWER_STAGES))
                found.append(Rule("unknown stage", remedy, ("power_factor", stage)))
        require(found)
        return self
