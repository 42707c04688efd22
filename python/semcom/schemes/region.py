# SPDX-License-Identifier: GPL-3.0-or-later
"""The region of interest: what of an image matters, and what a sender makes of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from ..errors import BadInput
from ..segment.prompts import MAX_REGIONS, count_regions, join_prompts
from . import registry
from .base import Scheme

TREATMENTS = ("whole", "masked", "power", "skip", "layers")


@dataclass(frozen=True)
class Region:
    """Prompts that define a region of interest, and what is done with it.

    Attributes
    ----------
    prompts : tuple of str
        Text forms of the prompts.
    roi : str
        Of ``TREATMENTS``: "whole" only measures it, "masked" sends the image black outside, with "power" the rest
        counts less, with "skip" nothing, and "layers" is as "power" with parts of their own for region and rest.
    background : float
        Importance of what is outside the region, 0 to 1, with "power" and "layers"; with "skip" it is 0.
    levels : bool
        Whether each prompt is a region of its own, of which the first counts most and each further one half as much.
    """

    prompts: tuple[str, ...] = ()
    roi: str = "whole"
    background: float = 0.1
    levels: bool = False

    @property
    def weighed(self) -> bool:
        """Whether the encoder is told what matters."""
        return self.roi in ("power", "skip", "layers")

    @property
    def outside(self) -> float:
        """Importance outside the region."""
        return 0.0 if self.roi == "skip" else self.background

    def implied(self, scheme: Scheme) -> Region:
        """The same with "layers" for a scheme that sends regions apart whatever is said."""
        return replace(self, roi="layers") if scheme.regions_apart and self.prompts and self.roi == "whole" else self

    def options(self, scheme: Scheme, given: Mapping[str, Any]) -> dict[str, Any]:
        """The options of a scheme by name, with those that do this with the region.

        Parameters
        ----------
        scheme : Scheme
            That is sent.
        given : mapping
            Its options as they were given.

        Returns
        -------
        dict of str to object
            All of them.

        Raises
        ------
        BadInput
            Settings that do not go together.
        """
        options = dict(given)
        if self.roi not in TREATMENTS:
            raise BadInput(f"{self.roi} is not known; choose {', '.join(TREATMENTS)}", field="roi")
        if not 0 <= self.background <= 1:
            raise BadInput(f"{self.background:g} is out of range; choose 0 to 1", field="background")
        if self.roi != "whole":
            self._check_used(scheme)
        if self.roi == "layers":
            options |= _layers(scheme)
        if self.levels:
            self._check_levels()
        if scheme.takes_prompts:
            options.setdefault("prompts", join_prompts(self.prompts))
        if self.roi == "masked" and scheme.masked_variant and not options.get("variant"):
            options["variant"] = scheme.masked_variant
        scheme.options(options)
        return options

    def _check_used(self, scheme: Scheme) -> None:
        """Refuse what cannot be done with the region."""
        if not self.prompts:
            raise BadInput(f"{self.roi} needs prompts that say what matters, such as point:220,150", field="roi")
        if scheme.takes_prompts:
            raise BadInput(
                f"{self.roi} cannot be used with scheme {scheme.name}, which sends what the prompts say; leave it out",
                field="roi",
            )
        if self.weighed and not scheme.takes_importance:
            able = ", ".join(s.name for s in registry.schemes().values() if s.takes_importance)
            raise BadInput(
                f"{self.roi} cannot be used with scheme {scheme.name}, which treats all pixels alike; choose {able}",
                field="roi",
            )

    def _check_levels(self) -> None:
        """Refuse regions that do not count by different amounts."""
        if not self.weighed:
            raise BadInput(f"mean nothing with {self.roi}; choose power, skip or layers for the ROI", field="levels")
        regions = count_regions(self.prompts)
        if regions > MAX_REGIONS:
            raise BadInput(f"are at most {MAX_REGIONS}, got {regions} prompts; leave some out", field="levels")
        if self.outside >= (limit := 0.5 ** (regions - 0.5)):
            raise BadInput(
                f"{self.outside:g} is not less than the last of {regions} regions counts; choose less than {limit:.2g}",
                field="background",
            )


def importance_of(mask: np.ndarray, outside: float) -> np.ndarray:
    """What each pixel counts.

    Parameters
    ----------
    mask : uint8 [H, W]
        255 in what matters most, 0 outside.
    outside : float
        Importance there, 0 to 1.

    Returns
    -------
    float64 [H, W]
        In [0, 1].
    """
    return np.where(mask > 0, mask / 255, outside)


def can_layer(scheme: Scheme) -> bool:
    """Whether the scheme sends regions apart where it is asked to."""
    return any(item.name == "layers" for item in fields(scheme.Options))


def _layers(scheme: Scheme) -> dict[str, bool]:
    """The options that make a scheme send regions apart; BadInput where none do."""
    if scheme.regions_apart:
        return {}
    if can_layer(scheme):
        return {"layers": True}
    able = ", ".join(s.name for s in registry.schemes().values() if s.regions_apart or can_layer(s))
    raise BadInput(
        f"layers cannot be used with scheme {scheme.name}, which has no part of its own for a region; choose {able}",
        field="roi",
    )
