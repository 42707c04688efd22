# SPDX-License-Identifier: GPL-3.0-or-later
"""Scheme ``segsc``: the region of interest and the rest by coders of their own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..jscc.allocation import REGIONS
from ..zoo import weights
from ..zoo.weights import USUAL_VARIANT
from .allocated import AllocatedScheme, AllocatingCoder
from .options import Options, option

CLOSED_FORM, NETWORKS = "softcast", "semcom"


@dataclass(frozen=True)
class SegSCOptions(Options):
    """Options of scheme ``segsc``.

    Attributes
    ----------
    region_coder : str
        "softcast" or "semcom".
    """

    region_coder: str = option(
        CLOSED_FORM,
        "what codes each region: softcast, the closed form, or semcom, networks",
        label="Coder of the regions",
        choices=(CLOSED_FORM, NETWORKS),
        words={CLOSED_FORM: "Closed form (softcast)", NETWORKS: "Networks (semcom)"},
        live=True,
        several=True,
    )


class SegSC(AllocatedScheme):
    """Separate coders for the region of interest and the rest, and the mask before them; k/n from 1/768 to 1/6.

    Of the paper are the division by a segmentation into regions of interest and of no interest, coders of their own
    with different rates for them, and the mask with which the receiver puts the picture together. Its coders are
    convolutional networks. Ours are joint coders over the 16x16 patches of a region alone, in closed form or by
    networks: a fifth of the frame takes a fifth of the uses at the same rate. There may be up to seven regions, one
    for each importance; k/n of each is in proportion to its importance, and its power is its own. The mask is the map
    of cells, which travels as bits before the symbols, protected as that of ``softcast``, and is counted. Where all
    pixels count alike the whole frame is one region.
    """

    name = "segsc"
    code = 4
    title = "SegSC (region and rest apart)"
    reference = (
        "Wu et al., Semantic segmentation-based semantic communication system for image transmission, Digital "
        "Communications and Networks, 2023"
    )
    Options = SegSCOptions
    rates = (1 / 768, 1 / 6)
    regions_apart = True
    divided = REGIONS

    def coder(self, variant: str) -> AllocatingCoder:
        """Of the regions; the variants of the weights are the coders."""
        if variant == NETWORKS:
            from ..jscc.semcom import semcom

            return semcom(USUAL_VARIANT)
        from ..jscc.softcast import softcast

        return softcast()

    def variant(self, options: Any) -> str:
        """The coder that the options ask for."""
        return CLOSED_FORM if options is None else options.region_coder

    def variants(self) -> dict[str, int]:
        """The closed form, and the networks where they are."""
        from ..jscc.neural import variants

        known = {CLOSED_FORM: weights.identifier([weights.sha256("softcast_klt")])}
        networks = variants(NETWORKS)
        return known | ({NETWORKS: networks[USUAL_VARIANT]} if USUAL_VARIANT in networks else {})

    def label(self, options: SegSCOptions) -> str:
        """Only the coder that is not the usual one."""
        return "" if options.region_coder == CLOSED_FORM else options.region_coder
