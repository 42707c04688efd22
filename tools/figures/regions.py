# SPDX-License-Identifier: GPL-3.0-or-later
"""Blocks of ``docs/results/coders.md`` about regions, tasks and seconds."""

from __future__ import annotations

from .pages import named
from .results import Record, Results, one
from .words import clauses, each, fewer, listed, paragraph, percent, rounded, spread


@named("coders-region")
def region(results: Results) -> list[str]:
    roi = results["roi"]
    verdicts, skipped = (
        [roi["verdicts"][f"{scheme}, outside {outside}"] for scheme in ("softcast", "semcom")]
        for outside in ("1/32", "skipped")
    )
    needed = dict.fromkeys(rounded(verdict["uses_for_equal_quality"], 2) for verdict in skipped)

    def box(scheme: str, outside: str, metric: str = "roi_psnr_db") -> str:
        return rounded(one(roi, "rows", scheme=scheme, outside=outside, rate="1/12")[metric])

    return paragraph(
        f"On the {roi['pictures']} of 60 VOC pictures with a box under 30 % of the frame, {roi['snr_db']:g} dB, an",
        "importance of 1/32 outside the box gives it the PSNR of the frame sent whole at k/n 1/12 with",
        f"{rounded(verdicts[0]['uses_for_equal_quality'], 2)} (`softcast`) and",
        f"{rounded(verdicts[1]['uses_for_equal_quality'], 2)} (`semcom`) of the channel uses, and",
        f"{listed(each(verdict['more_at_equal_uses_db'] for verdict in verdicts))} dB more at equal uses; with nothing",
        f"sent outside, they need {listed(needed)} of them. The first paper's way, `samsc` on the picture black",
        f"outside, gives the box {box('samsc', 'masked')} dB, `softcast` {box('softcast', 'whole')} and `semcom`",
        f"{box('semcom', 'whole')} of the whole frame, {box('softcast', '1/32')} and {box('semcom', '1/32')} with",
        f"importance; `segsc` {box('segsc', '1/8')} with the rest at an eighth of the rate (frame",
        f"{box('segsc', '1/8', 'psnr_db')}) and {box('segsc', '1/32')} with it at 1/32. With every burst of the rest",
        f"lost, {_lost(roi)} (`python benchmarks/roi.py --voc DIR --out results/roi.json`).",
    )


def _lost(roi: Record) -> str:
    """What becomes of the box when the rest is lost, by scheme."""
    same, less = [], []
    for scheme, label in (
        ("segsc", "`segsc`"),
        ("layers", "`softcast` with `--roi layers`"),
        ("segsc:semcom", "`segsc` by networks, which look at neighbouring patches,"),
    ):
        rows = [one(roi, "rows", scheme=scheme, outside=outside, rate="1/12") for outside in ("1/8", "1/32")]
        losses = [row["roi_psnr_db"] - row["rest_lost"]["roi_psnr_db"] for row in rows]
        if any(losses):
            less.append(f"{label} give it {spread(losses)} dB less")
        else:
            same.append(label)
    kept = [f"{listed(same)} give the box what they gave it, to the last digit"] if same else []
    return clauses(kept + less)


@named("coders-tasks")
def tasks(results: Results) -> list[str]:
    record = results["tasks_5db"]
    original, whole, power, eighth = (
        one(record, "rows", way=way)
        for way in ("original", "semcom whole 1/12", "semcom power 1/24", "semcom power 1/24, 1/8")
    )
    pictures = whole["pictures"]

    def change(task: str) -> str:
        return fewer(round((power[task] - whole[task]) * pictures), "pictures")

    return paragraph(
        f"What a machine still makes of the region at {whole['snr_db']:g} dB, {pictures} VOC pictures",
        "(`results/tasks_5db.json`, which names its command): of the whole frame at k/n 1/12 `semcom` lets A-seg",
        f"recognise {percent(whole['recognition'])} of the regions (of the originals",
        f"{percent(original['recognition'])}) and detect {percent(whole['detection'])}",
        f"({percent(original['detection'])}), and SAM finds them again with an IoU of",
        f"{rounded(whole['resegmentation'], 2)} ({rounded(original['resegmentation'], 2)}). With importance, at half",
        f"the uses, it is {percent(power['recognition'])}, {percent(power['detection'])} and",
        f"{rounded(power['resegmentation'], 2)} (recognised: {change('recognition')}, detected:",
        f"{change('detection')}), and an importance of 1/8 in place of 1/32 around the region makes it",
        f"{percent(eighth['recognition'])}. Other schemes and 1 to 15 dB, 24 pictures: `python benchmarks/tasks.py",
        "--voc DIR --limit 24 --out results/tasks.json`.",
    )


@named("coders-seconds")
def seconds(results: Results) -> list[str]:
    record = results["coders"]
    schemes = ("semcom", "samsc", "softcast")
    both = (f"`{scheme}` {rounded(record['shipped'][scheme]['both_s'], 2)} s" for scheme in schemes)
    speed = (f"{rounded(record['flowgraph_images_per_s'][scheme])} (`{scheme}`)" for scheme in schemes)
    return paragraph(
        f"Encoding and decoding {record['image']} on two cores (`python benchmarks/coders.py --out",
        f"results/coders.json`): {', '.join(both)}, WITT at its paper's size in torch",
        f"{rounded(record['torch']['witt']['both_s'])} s; the running symbol-level flowgraph passes {listed(speed)}",
        "images a second.",
    )
