# SPDX-License-Identifier: GPL-3.0-or-later
"""ES-ISC Encoder: images into scenes, explainable semantics in few bytes."""

from __future__ import annotations

import pmt

from .. import digital, schemes, values
from ..errors import BadInput
from ..schemes import Conditions
from ..segment.backends import DEFAULT
from . import pdu
from .encoding import encoding_block
from .live import live


class esisc_encoder(encoding_block):
    """Caption, class map with boxes, boundaries and sub-images of each image, as a scene container."""

    def __init__(
        self,
        prompts: str = "",
        purpose: str = "explain",
        budget: int = 5000,
        rate: float = 0.0,
        snr_db: float = 10.0,
        channel: str = "awgn",
        boundaries: bool = True,
        sub_images: int = 3,
        captioner: str = "network",
        codec: str = "avif",
        protection: str = "auto",
        bursts: int = 0,
        sam: str = DEFAULT,
    ):
        """Make the block.

        Parameters
        ----------
        prompts : str
            What the sub-images show, prompts separated by semicolons: ``class:NAME``, ``box:X0,Y0,X1,Y1``,
            ``point:X,Y``, ``mask:FILE``; none: the objects that the segmenter finds.
        purpose : str
            What the scene is for: "explain", "caption", "map", "fidelity" or "perception".
        budget : int
            Bytes of the whole scene, where there is no rate.
        rate : float
            Complex channel uses per real source value that the scene may take, k/n; 0 for so many bytes.
        snr_db : float
            Es/N0 in dB that the choice of MCS reckons with.
        channel : str
            "awgn", "rayleigh" or "rician", likewise.
        boundaries : bool
            Whether B-seg is sent, which needs the weights of SAM.
        sub_images : int
            How many at most.
        captioner : str
            "network", "composed", or another of :mod:`semcom.scene.caption.captioners`.
        codec : str
            Of the sub-images: "avif", "jpeg2000" or "jpeg".
        sam : str
            Which Segment Anything Model finds outlines and follows prompts, as of the SAM Segmenter.
        protection : str
            MCS of text, A-seg and boxes; of colours and B-seg; of S-img, such as "0,2,4"; or "auto", as little
            protection as the SNR allows.
        bursts : int
            Over how many bursts the first two parts are spread at least; 0: 4, and 8 where the channel fades.

        Raises
        ------
        BadInput
            Settings that cannot be.

        Notes
        -----
        Ports: in ``image``; out ``bytes`` (with the key ``plan`` for the Digital Encoder, ``scheme``, ``caption`` and
        ``bytes_NAME`` for each section), ``failed`` and ``status``.
        """
        encoding_block.__init__(self, "ES-ISC Encoder", ["image"], ["bytes"])
        self._scheme = schemes.get("esisc")
        self._options = self._scheme.options(
            {
                "prompts": prompts,
                "purpose": purpose,
                "budget": budget,
                "boundaries": boundaries,
                "sub_images": sub_images,
                "captioner": captioner,
                "codec": codec,
                "protection": protection,
                "bursts": bursts,
                "sam": sam,
            }
        )
        if channel not in digital.CHANNELS:
            known = ", ".join(digital.CHANNELS)
            raise BadInput(f"must be one of {known}, got {values.shown(channel)}", field="channel")
        self._conditions = Conditions(channel=channel)
        self.set_rate(rate)
        self.set_snr_db(snr_db)

    @live
    def set_prompts(self, prompts: str) -> None:
        """Change the prompts while running; they hold from the next image on."""
        self._options = self._scheme.options({**vars(self._options), "prompts": prompts})

    @live
    def set_budget(self, budget: int) -> None:
        """Change the bytes of a scene while running."""
        self._options = self._scheme.options({**vars(self._options), "budget": budget})

    @live
    def set_purpose(self, purpose: str) -> None:
        """Change the purpose while running."""
        self._options = self._scheme.options({**vars(self._options), "purpose": purpose})

    def work_on(self, port: str, msg: pmt.pmt_base, meta: pdu.Meta) -> None:
        """One image -> its scene."""
        sent = self._scheme.encode(pdu.to_image(msg), self._conditions, self._options)
        plan = [digital.ProtectedBytes(part.payload, digital.mcs_of(part.mcs), part.bursts) for part in sent.parts]
        header = sent.header
        keys = {
            "scheme": self._scheme.code, "height": header.height, "width": header.width, "snr_enc": header.snr_enc,
        }  # fmt: skip
        keys |= {"plan": digital.plan_text(plan)} | sent.about
        meta.pop("channels", None)
        self.publish("bytes", pdu.from_bytes(b"".join(part.data for part in plan), meta | keys))
