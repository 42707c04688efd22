# SPDX-License-Identifier: GPL-3.0-or-later
"""Tables and sentences of figures in the pages are those of results/, and what results/ says of itself."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys

import pytest
from conftest import ROOT

sys.path.insert(0, str(ROOT / "tools"))
from figures import BLOCKS, Missing, Results, Unknown, Wrong, filled, lines, pages
from figures.results import one, published
from figures.words import (
    clauses,
    counted,
    fewer,
    listed,
    more,
    of_what,
    outage,
    paragraph,
    percent,
    percent_of,
    ranged,
    rounded,
    scatter,
    shown,
    signed,
    significant,
    spread,
    standing,
    standings,
    table,
)

RESULTS = ROOT / "results"
BLOCK = "<!-- figures: two-ends -->\n\n{}\n\n<!-- figures end -->\n"


def figures(*arguments):
    """Run the script; (exit status, standard output, standard error)."""
    command = [sys.executable, ROOT / "tools" / "figures.py", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout, done.stderr


@pytest.fixture
def checkout(tmp_path):
    """One page with one block, and the results that it is made of."""
    (tmp_path / "results").mkdir()
    shutil.copy(RESULTS / "two_ends.json", tmp_path / "results")
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "page.md").write_text(f"# Page\n\nBefore.\n\n{BLOCK.format('Of 3 images')}\nAfter.\n")
    return tmp_path


def changed(folder, name, change):
    """Results of which one file, or all of a pattern, were measured anew."""
    for file in RESULTS.glob("*.json"):
        record = json.loads(file.read_text())
        if file.match(f"{name}.json"):
            change(record)
        (folder / file.name).write_text(json.dumps(record))
    return Results(folder)


def test_the_pages_are_those_of_the_results():
    assert figures("--check") == (0, "", "")


def test_every_block_is_in_a_page_and_can_be_printed():
    text = "".join(page.read_text() for page in pages(ROOT))
    assert [name for name in BLOCKS if f"<!-- figures: {name} -->" not in text] == []
    status, out, _ = figures("digital-codecs")
    assert (
        status == 0 and out.startswith("| PSNR, dB | 1 dB |") and out in (ROOT / "docs/results/digital.md").read_text()
    )


def test_a_stale_block_is_told_and_filled(checkout):
    root, page = ("--root", checkout), checkout / "docs" / "page.md"
    before = page.read_text()
    told = "figures: docs/page.md: block two-ends is stale, run python tools/figures.py\n"
    assert figures("--check", *root) == (1, "", told)
    assert page.read_text() == before
    assert figures(*root)[0] == 0
    after = page.read_text()
    assert (
        "Of 50 images" in after and after.startswith("# Page\n\nBefore.\n\n<!--") and after.endswith("-->\n\nAfter.\n")
    )
    assert figures("--check", *root) == (0, "", "")
    page.write_text(after.replace("Of 50 images", "Of 51 images"))
    assert figures("--check", *root) == (1, "", told)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (BLOCK.replace("two-ends", "twoends"), "there is no block 'twoends', the blocks are: "),
        (BLOCK.replace("figures end", "figures"), "block two-ends does not end, write <!-- figures end --> behind it"),
        (BLOCK.replace("figures: two-ends", "figures two-ends"), "begins no block, write <!-- figures: NAME -->"),
        (BLOCK.replace("<!-- figures end -->", BLOCK), "block two-ends does not end"),
    ],
)
def test_marks_that_make_no_block_are_told(checkout, text, said):
    (checkout / "docs" / "page.md").write_text(text.replace("{}", "Of 3 images"))
    status, out, error = figures("--check", "--root", checkout)
    assert status == 1 and out == "" and error.startswith("figures: docs/page.md: ") and said in error
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda file: file.unlink(), "results/two_ends.json cannot be read"),
        (lambda file: file.write_text("{"), "results/two_ends.json is no JSON"),
        (lambda file: file.write_text('{"command": 1}'), "results/two_ends.json has no 'runs', there are: command"),
        (lambda file: file.write_text('{"runs": []}'), "results/two_ends.json needs runs that kill nothing"),
        (lambda file: file.write_text('{"runs": 1}'), "the results do not hold what block two-ends needs"),
        (lambda file: file.write_text('{"runs": null}'), "the results do not hold what block two-ends needs"),
    ],
)
def test_results_that_lack_something_are_told(checkout, change, said):
    change(checkout / "results" / "two_ends.json")
    before = (checkout / "docs" / "page.md").read_text()
    for arguments in (["--check"], [], ["two-ends"]):
        status, out, error = figures(*arguments, "--root", checkout)
        assert status == 1 and out == "" and said in error and error.count("\n") == 1
    assert (checkout / "docs" / "page.md").read_text() == before


def test_one_block_that_cannot_be_made_hides_no_other(checkout):
    page = checkout / "docs" / "page.md"
    page.write_text(BLOCK.format("old").replace("two-ends", "sweep-workers") + BLOCK.format("old"))
    lacks = "figures: docs/page.md: results/sweep.json cannot be read, measure it or take its blocks out of the pages\n"
    stale = "figures: docs/page.md: block two-ends is stale, run python tools/figures.py\n"
    assert figures("--check", "--root", checkout) == (1, "", lacks + stale)
    assert figures("--root", checkout)[0] == 1
    assert "old" in page.read_text() and "Of 50 images" in page.read_text()


def test_an_unknown_name_is_told():
    status, out, error = figures("kodac")
    assert status == 1 and out == "" and "there is no block 'kodac', the blocks are: coders-allocation, " in error
    with pytest.raises(Unknown):
        lines("kodac", Results(RESULTS))


def test_a_mark_in_a_fence_or_in_a_line_is_only_shown():
    text = "```\n<!-- figures: x -->\n```\n\nWrite `<!-- figures: NAME -->`.\n"
    assert filled(text, Results(RESULTS)) == (text, [], [])
    with pytest.raises(Wrong):
        filled("<!-- figures: x -->\n", Results(RESULTS))


def test_rows_are_one_or_told():
    record = Results(RESULTS)["roi"]
    assert one(record, "rows", scheme="samsc")["outside"] == "masked"
    with pytest.raises(Missing, match=r"results/roi\.json has 0 rows with scheme jpeg, one is needed"):
        one(record, "rows", scheme="jpeg")
    with pytest.raises(Missing, match=r"several points for one Es/N0 with channel awgn"):
        Results(RESULTS).points("snr_error_semcom", channel="awgn")
    assert published("SwinJSCC, one model")[10] == 34.41
    codecs = Results(RESULTS)["codecs"]
    own = dict(zip(codecs["snr_db"], (float(rounded(p, 2)) for p in codecs["codecs"]["avif"]["psnr_db"]), strict=True))
    assert published("AVIF + capacity") == own
    with pytest.raises(Missing, match="has no curve 'BPG'"):
        published("BPG")


@pytest.mark.parametrize(
    ("point", "text"),
    [
        ({"psnr_db": 31.4812}, "31.5"),
        ({"psnr_db": None}, "-"),
        ({"psnr_db": 31.4812, "standard_error": {"psnr_db": 0.0512}}, "31.5 ± 0.1"),
        ({"psnr_db": 31.4812, "standard_error": {"psnr_db": 1.02}}, "31.5 ± 2.0"),
        ({"psnr_db": 31.4812, "standard_error": {"psnr_db": 0.011}}, "31.5 ± 0.02"),
        ({"psnr_db": 31.4812, "standard_error": {"ms_ssim": 0.011}}, "31.5"),
        ({"psnr_db": 31.4812, "standard_error": {"psnr_db": None}}, "31.5"),
        ({"psnr_db": 31.4812, "standard_error": None}, "31.5"),
        ({"psnr_db": None, "standard_error": {"psnr_db": 0.1}, "pictures": 24, "delivered": 0}, "-"),
        ({"psnr_db": 31.4812, "pictures": 2400, "delivered": 2400}, "31.5"),
        ({"psnr_db": 31.4812, "pictures": 2400, "delivered": 1180}, "31.5 (n 1,180 of 2,400)"),
        (
            {"psnr_db": 31.4812, "standard_error": {"psnr_db": 0.1}, "pictures": 24, "delivered": 23},
            "31.5 ± 0.2 (n 23 of 24)",
        ),
    ],
)
def test_points_are_shown_with_their_interval_and_their_number(point, text):
    assert shown(point) == text


def test_an_outage_is_of_fades_where_they_were_told_apart():
    pictures = {"psnr_outage_db": {"0.1": 25.0, "0.01": None}}
    fades = pictures | {"psnr_fade_outage_db": {"0.1": 26.0, "0.01": 24.0}}
    assert (of_what(pictures), outage(pictures), outage(pictures, "0.01")) == ("pictures", 25.0, None)
    assert (of_what(fades), outage(fades), outage(fades, "0.01")) == ("fades", 26.0, 24.0)
    few = pictures | {"psnr_fade_outage_db": {"0.1": 26.0, "0.01": None}}
    assert (of_what(few), of_what(few, "0.01"), outage(few, "0.01")) == ("fades", "pictures", None)
    assert of_what(pictures | {"psnr_fade_outage_db": None}) == "pictures"


@pytest.mark.parametrize(
    ("share", "count", "text"),
    [
        (0.975, 40, "98 % (87 to 100)"),
        (0, 40, "0 % (0 to 9)"),
        (1, 10, "100 % (72 to 100)"),
        (0.5, 10, "50 % (24 to 76)"),
    ],
)
def test_shares_have_an_interval(share, count, text):
    assert percent_of(share, count) == text


def test_what_the_channel_scatters_is_level():
    sure, unsure = ({"psnr_db": 30.0, "standard_error": {"psnr_db": error}} for error in (0.03, 0.04))
    assert scatter(sure, unsure, 0.5) == pytest.approx(1.96 * 0.05)
    assert scatter(sure, {"psnr_db": 30.0}, 0.5) == 0.5 and scatter(sure, unsure, 0.5, "ms_ssim") == 0.5
    assert (
        scatter(sure | {"standard_error": {"psnr_db": 0.001}}, sure | {"standard_error": {"psnr_db": 0.001}}, 1) == 0.05
    )
    assert standings({1: 0.2, 4: 0.2}, "`b`", {1: 0.3, 4: 0.1}) == "level with `b` at 1 dB, and 0.2 dB ahead at 4 dB"


def test_what_is_measured_anew_shows_in_the_tables(tmp_path):
    def anew(record):
        for point in record["points"]:
            point["standard_error"] = {"psnr_db": 0.1}
            point["psnr_fade_outage_db"] = {"0.1": 20.0, "0.01": 18.0}
            point["delivered"] = point["pictures"] - 1

    def few(record):
        for point in record["points"]:
            point["psnr_fade_outage_db"] = None

    results = changed(tmp_path, "cliff_semcom", anew)
    assert "| `semcom` | 29.0 ± 0.2 (n 47 of 48) |" in "\n".join(lines("digital-awgn", results))
    assert "± its 95 % interval over the draws" in " ".join(lines("digital-cliff-of", results))
    for folder in ("few", "more"):
        (tmp_path / folder).mkdir()
    assert "In the worst 10 % of the fades" in " ".join(lines("digital-verdict", Results(RESULTS)))
    pictures = changed(tmp_path / "few", "rayleigh_semcom", few)
    assert "In the worst 10 % of the pictures" in " ".join(lines("digital-verdict", pictures))
    fading = "\n".join(lines("coders-settings", changed(tmp_path / "more", "rayleigh_*", anew)))
    assert "by 1 % of the fades | 31.5 ± 0.2 (n 239 of 240), 20.0, 18.0 dB" in fading


def test_words_turn_with_the_figures(tmp_path):
    def worse(record):
        for point in record["points"]:
            point["psnr_db"] -= 2

    results = changed(tmp_path, "*_semcom", worse)
    assert "dB ahead of `semcom` at 1 to 20 dB" in " ".join(lines("which-scheme-softcast", results))
    assert "behind `semcom`" in " ".join(lines("which-scheme-softcast", Results(RESULTS)))
    assert "dB behind `softcast` at 1, 4, 7, 10, 13 and 20 dB" in " ".join(lines("coders-semcom", results))
    assert "dB behind adaptive AVIF at 1, 4, 7, 10, 13 and 20 dB" in " ".join(lines("readme-reaches", results))


def test_words_follow_the_sign():
    assert [standing(value) for value in (0.06, -0.06, 0.04, -0.04)] == ["ahead", "behind", "level", "level"]
    assert standing(0.4, 0.5) == "level" and standing(-0.5, 0.5) == "behind"
    assert standings({1: 1.26, 4: 1.14}, "`b`") == "1.3 and 1.1 dB ahead of `b` at 1 and 4 dB"
    assert standings({1: -0.3}, "`b`") == "0.3 dB behind `b` at 1 dB"
    assert standings({-2: 0.01, 1: 0.0}, "`b`") == "level with `b` at -2 and 1 dB"
    apart = {1: 1.3, 4: -0.12, 7: 0.01}
    assert standings(apart, "it") == "1.3 dB ahead of it at 1 dB, 0.1 dB behind at 4 dB, and level at 7 dB"
    assert ranged([0.21, 1.2], "`b`") == "0.2 to 1.2 dB ahead of `b`" and ranged([-1.0]) == "1.0 dB behind"
    assert ranged([0.01, -0.02], "`b`") == "level with `b`"
    assert ranged([-0.5, 1.2], "`b`") == "from 0.5 dB behind to 1.2 dB ahead"
    assert [more(value, "dB") for value in (0.13, -0.13, 0.01)] == ["0.1 dB more", "0.1 dB less", "as much"]
    assert [fewer(value, "pictures") for value in (-3, 2, 0)] == ["3 pictures fewer", "2 pictures more", "as many"]


def test_numbers_are_rounded_as_by_hand():
    assert [rounded(value) for value in (32.25, 0.05, -0.04, -0.25, None)] == ["32.3", "0.1", "0.0", "-0.3", "-"]
    assert rounded(4897.3, 0) == "4,897" and rounded(1.315, 2) == "1.32" and rounded(29.7 - 30.45, 2) == "-0.75"
    assert [signed(value, 2) for value in (0.023, -0.027, 0.001)] == ["+0.02", "-0.03", "0.00"]
    assert [percent(0.525), percent(0.0308, 1), percent(None)] == ["53 %", "3.1 %", "-"]
    assert [significant(value) for value in (0.1019, 0.0695, 0.0438, 0.0996, 12.34)] == [
        "0.10",
        "0.070",
        "0.044",
        "0.10",
        "12",
    ]
    assert spread([0.11, 0.28]) == "0.1 to 0.3" and spread([0.141, 0.139], 2) == "0.14"
    assert listed([1]) == "1" and listed([1, 2, 3]) == "1, 2 and 3" and clauses(["a and b", "c"]) == "a and b, and c"
    assert counted(10) == "ten" and counted(1200) == "1,200"


def test_lines_are_what_markdown_takes_them_for():
    assert table(["", "a"], [["x | y", 1]]) == ["| | a |", "| --- | --- |", "| x \\| y | 1 |"]
    sentence = "AVIF + capacity - 13. # > = " * 40
    made = paragraph(sentence, "the end")
    assert " ".join(made) == f"{' '.join(sentence.split())} the end" and max(map(len, made)) <= 128
    assert not any(line.startswith(("+", "-", "13.", "#", ">", "=")) for line in made)


# Measured before benchmarks named machine and commit. A file that is measured anew leaves this list; none joins it.
WITHOUT_PROVENANCE = {
    "aseg", "bare_root_deb", "codecs", "fec", "modem", "pdu", "scenes", "sweep", "training", "two_ends",
}  # fmt: skip


def says_where(record):
    """A record, or each of its rows, names command, machine and commit; what the command measures names its version."""
    rows = [row for row in record.values() if isinstance(row, dict) and "command" in row] or [record]
    if str(record.get("command")).startswith("semcom "):
        # those of before sweeps named commit and machine are measured anew with the next change of what they measure
        return "version" in record and bool({"images", "pictures"} & record.keys())
    return all(row.get("command") and {"machine", "commit"} <= row.get("provenance", {}).keys() for row in rows)


def test_results_name_command_machine_and_commit():
    records = {
        str(file.relative_to(RESULTS).with_suffix("")): json.loads(file.read_text()) for file in RESULTS.rglob("*.json")
    }
    lacking = {name for name, record in records.items() if not says_where(record)}
    assert lacking - WITHOUT_PROVENANCE == set(), "measure them so that they name command, machine and commit"
    assert WITHOUT_PROVENANCE - lacking == set(), "these name all of it now: take them off the list"
