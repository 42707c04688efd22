# SPDX-License-Identifier: GPL-3.0-or-later
"""Blocks of ``docs/results/scenes.md`` about captions, maps, objects and bytes."""

from __future__ import annotations

from .pages import named
from .results import Record, Results
from .words import counted, each, listed, paragraph, percent, rounded, spread, table

SETS = {"coco_val": "COCO", "flickr8k": "Flickr8k"}
WRITERS = {
    "network": "network, its best sentence",
    "composed": "`composed`",
    "default": "default: network where it is believed, else composed",
}
WAYS = {
    "pieces": "connected pieces of A-seg, as before",
    "apart": "told apart by the network",
    "scene": "the same with B-seg's segments, as in a scene",
    "detector": "boxes of YOLOX-nano, which it learnt from",
}
PICTURES = {
    "scene_without_s_img": "rebuilt, without S-img",
    "scene": "rebuilt, with S-img",
    "avif_600": "AVIF, 600 bytes",
    "avif_1500": "AVIF, 1,500",
    "avif_4000": "AVIF, 4,000",
    "avif_8000": "AVIF, 8,000",
    "jpeg_1500": "JPEG, 1,500",
    "jpeg_4000": "JPEG, 4,000",
    "jpeg_8000": "JPEG, 8,000",
}


@named("scenes-captions-of")
def captions_of(results: Results) -> list[str]:
    sets = results["captions"]["sets"]
    return paragraph(
        "Captions beside those that people wrote (`python benchmarks/captions.py --coco DIR --flickr FILE.tar",
        f"--captions FILE.gz --share 5 --out results/captions.json`): {sets['coco_val']['pictures']} photographs of",
        f'COCO, and {sets["flickr8k"]["pictures"]} of the 1,000 of Flickr8k that training held out. "Invents":',
        "captions that name a person, an animal or a vehicle of A-seg's classes that nobody named.",
    )


@named("scenes-captions")
def captions(results: Results) -> list[str]:
    rows = []
    for name, shown_set in SETS.items():
        for writer, label in WRITERS.items():
            row = results["captions"]["sets"][name]["writers"][writer]
            rows.append(
                [
                    shown_set,
                    label,
                    rounded(row["bleu4"], 3),
                    rounded(row["cider_d"], 2),
                    rounded(row["rouge_l"], 3),
                    percent(row["invents"]),
                    rounded(row["bytes"]["mean"], 0),
                ]
            )
    return table(["set", "writer", "BLEU-4", "CIDEr-D", "ROUGE-L", "invents", "bytes"], rows)


@named("scenes-captions-sent")
def captions_sent(results: Results) -> list[str]:
    coco, flickr = (results["captions"]["sets"][name] for name in ("coco_val", "flickr8k"))
    return paragraph(
        f"The network's best sentence is sent of {percent(flickr['network_best'])} of Flickr8k and",
        f"{percent(coco['network_best'])} of",
        f"COCO, another of its three of {percent(flickr['network_other'])} and {percent(coco['network_other'])}."
        f" Of the network's best sentences about COCO {percent(coco['writers']['network']['invents'])} invent",
        "somebody, since it has seen people and dogs and little else; of those that are sent",
        f"{percent(coco['writers']['default']['invents'])}. The network takes",
        f"{spread(s['writers']['network']['seconds'] for s in (coco, flickr))} s of one core for a caption.",
        f"{counted(len(results['captions']['captions']['coco_val'])).capitalize()} of COCO, evenly spread, failures",
        "included:",
    )


@named("scenes-captions-ten")
def captions_ten(results: Results) -> list[str]:
    rows = []
    for row in results["captions"]["captions"]["coco_val"]:
        # the first that wrote what is sent; the network has other sentences than its best
        by = next((writer for writer in ("network", "composed") if row[writer] == row["default"]), "network, another")
        rows.append([row["default"], by, row["network"], row["somebody"]])
    return table(["sent", "by", "the network's best sentence", "somebody"], rows)


@named("scenes-of")
def scenes_of(results: Results) -> list[str]:
    record = results["scenes"]
    coco, voc = (record["sets"][name]["images"] for name in ("coco_val", "voc_test"))
    return paragraph(
        f"Measured on {coco} COCO and {voc} VOC photographs at {'x'.join(map(str, record['size']))},",
        f"{record['pixels_bytes']:,} bytes uncompressed (`python benchmarks/scenes.py --coco DIR --voc DIR --cache DIR",
        "--out results/scenes.json`):",
    )


@named("scenes-bytes")
def bytes_of_scenes(results: Results) -> list[str]:
    both = results["scenes"]["sets"]["both"]
    whole, without = both["scene"], both["scene_without_s_img"]
    return table(
        ["", "with S-img", "without"],
        [
            ["bytes, mean", rounded(whole["bytes"], 0), rounded(without["bytes"], 0)],
            [
                "compression, mean (least)",
                *(
                    f"{rounded(s['compression'], 0)}-fold ({rounded(s['least_compression'], 0)})"
                    for s in (whole, without)
                ),
            ],
        ],
    )


@named("scenes-sections")
def sections(results: Results) -> list[str]:
    sets = results["scenes"]["sets"]
    both, each_set = sets["both"], (sets["coco_val"], sets["voc_test"])
    size = {name: rounded(value, 0) for name, value in both["bytes"].items()}
    above = {name: both["map_bytes"][name]["above_ideal_with_size_and_labels"] for name in ("A-seg", "B-seg")}
    images = sum(s["images"] for s in each_set)
    exact = {name: sum(s["decoded_bit_exact"][name] for s in each_set) for name in ("A-seg", "B-seg")}
    return paragraph(
        f"By section: header {size['header']}, text {size['text']} (composed sentences), A-seg {size['A-seg']}, boxes",
        f"{size['boxes']}, colours {size['colours']}, B-seg {size['B-seg']}, S-img {size['S-img']} bytes. Decoded",
        f"bit-exact: A-seg in {exact['A-seg']}, B-seg in {exact['B-seg']} of {images}; the maps take",
        f"{percent(above['A-seg'], 1)} (A-seg) and {percent(above['B-seg'], 1)} (B-seg) more than the ideal length of",
        "their model, size and list of labels included. (Measured when connected pieces of A-seg were the objects.)",
    )


@named("scenes-maps")
def maps(results: Results) -> list[str]:
    aseg, scenes, bseg = results["aseg"]["sets"], results["scenes"]["sets"], results["bseg"]["coco_val"]
    names = ("voc_test", "coco_val")
    ours = each((aseg[name]["aseg"]["miou"] for name in names), 3)
    snapped = each((scenes[name]["a_seg_miou"]["snapped"] for name in names), 3)
    teacher = each((aseg[name]["teacher"]["miou"] for name in names), 3)
    sent = scenes["coco_val"]["b_seg"]["sent"]
    return paragraph(
        "A-seg against the truth, mIoU of VOC's 21 classes (`benchmarks/segmentation.py`, `results/aseg.json`, which",
        f"states the mapping from COCO's classes): {ours[0]} on VOC and {ours[1]} on COCO, snapped to B-seg",
        f"{listed(snapped)}; the teacher, DeepLabv3, {listed(teacher)}. There are hardly any training maps of",
        f"vehicles, furniture and birds, and it is there that it errs. B-seg as sent, {rounded(sent['segments'], 0)}",
        f"segments, has a boundary F of {rounded(sent['boundary_f'], 2)} against COCO's panoptic outlines, the whole",
        f"partition with {rounded(bseg['segments'], 0)} has {rounded(bseg['boundary_f'], 2)} (`results/bseg.json`).",
    )


@named("scenes-objects-of")
def objects_of(results: Results) -> list[str]:
    record = results["instances"]
    way = record["ways"]["apart"]
    return paragraph(
        f"Objects, on the {way['images']} COCO photographs without an uncounted crowd (`python benchmarks/instances.py",
        '--coco DIR --cache DIR --detector FILE --out results/instances.json`; "within one": of the',
        f"{way['images_with_few']} that show {record['few'].replace('true objects', 'objects of VOC')}):",
    )


@named("scenes-objects")
def objects(results: Results) -> list[str]:
    rows = []
    for way, label in WAYS.items():
        row = results["instances"]["ways"][way]
        keys = ("within_one_of_few", "exact_of_few", "box_recall", "box_precision")
        rows.append([label, *each((row[key] for key in keys), 2)])
    return table(["objects are", "count within one", "exact", "box recall at IoU 0.5", "precision"], rows)


@named("scenes-pictures")
def pictures(results: Results) -> list[str]:
    both = results["scenes"]["sets"]["both"]["pictures"]
    rows = [[_label(both, name, label), *_quality(both[name])] for name, label in PICTURES.items()]
    return table(["picture", "bytes", "PSNR, dB", "MS-SSIM", "ST-LPIPS", "mIoU of its class map with A-seg"], rows)


def _quality(row: Record) -> list[str]:
    return [
        rounded(row["bytes"], 0),
        rounded(row["psnr_db"]),
        rounded(row["ms_ssim"], 3),
        rounded(row["st_lpips"], 3),
        rounded(row["miou_with_sent_map"], 2),
    ]


def _label(both: Record, name: str, label: str) -> str:
    if name != "jpeg_1500":
        return label
    few = both["jpeg_600"]
    return f"{label} (600 are too few for {few['could_not']} of the {few['could_not'] + few['images']})"


@named("scenes-seconds")
def seconds(results: Results) -> list[str]:
    sam, scenes = results["bseg_seconds"], results["scenes"]["sets"]["both"]["seconds"]
    coding = [scenes[f"encoder, {name}"] for name in ("A-seg", "B-seg", "text", "colours", "S-img")]
    aseg, bseg, text, colours, simg = each(coding)
    read, painted = each((scenes["receiver, sections"], scenes["receiver, picture"]))
    return paragraph(
        f"Seconds on two cores: SAM's encoder {rounded(sam['seconds']['embed'])} and everything mode",
        f"{rounded(sam['seconds']['everything'])}, together {rounded(sam['all_stages']['most'])} at most (`python",
        f"benchmarks/boundaries.py --data DIR --time 12 --out results/bseg_seconds.json`, idle); A-seg {aseg}, coding",
        f"of B-seg {bseg}, caption {text}, colours {colours}, S-img {simg}; at the receiver {read} for the sections",
        f"and {painted} for the picture (`results/scenes.json`, medians beside other work).",
    )
