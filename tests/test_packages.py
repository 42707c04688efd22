# SPDX-License-Identifier: GPL-3.0-or-later
"""What the Debian packages and the conda recipe say agrees with pyproject.toml; they are built by tools/bare_root."""

from __future__ import annotations

import re
import tomllib

import pytest
import yaml
from conftest import ROOT
from gnuradio import semcom

DEBIAN, CONDA = ROOT / "debian", ROOT / "conda"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
VERSION = semcom.__version__
PLATFORMS = ("linux-64", "linux-aarch64", "osx-arm64")


def pins(*extras: str) -> dict[str, str]:
    """Requirements at run time without and with some extras: name to versions."""
    wanted = [*PROJECT["dependencies"], *(need for extra in extras for need in PROJECT["optional-dependencies"][extra])]
    return dict(re.match(r"([\w-]+)([^;]*)", need).groups() for need in wanted)


def paragraphs() -> dict[str, dict[str, str]]:
    """Binary packages of debian/control: name to fields."""
    found = [dict(re.findall(r"^([\w-]+):((?:.*\n)(?:[ \t].*\n)*)", text + "\n", re.M))
             for text in (DEBIAN / "control").read_text().split("\n\n")]  # fmt: skip
    return {fields["Package"].strip(): fields for fields in found if "Package" in fields}


def test_one_version_everywhere():
    """CMake and pyproject.toml read the module's; test_command compares CITATION.cff."""
    assert PROJECT["dynamic"] == ["version"]
    assert (DEBIAN / "changelog").read_text().startswith(f"gr-semcom ({VERSION}-")
    assert yaml.safe_load((CONDA / "recipe.yaml").read_text())["context"]["version"] == VERSION


def test_the_library_package_has_the_name_of_its_soname():
    # GrVersion makes it of major, minor and VERSION_ABI
    major, minor, _ = VERSION.split(".")
    name = f"libgnuradio-semcom{major}.{minor}.0"
    assert name in paragraphs()
    assert (DEBIAN / f"{name}.install").exists() and (DEBIAN / f"{name}.lintian-overrides").exists()


def test_debian_depends_on_all_that_it_has():
    fields = paragraphs()["gr-semcom"]
    named = {"pillow": "pil"}
    for name in pins("cpu"):
        if name != "constriction":  # not in Debian
            assert f" python3-{named.get(name, name)},\n" in fields["Depends"], name
    for name in pins("sweep").keys() - pins().keys():
        assert f" python3-{name},\n" in fields["Recommends"], name


def test_what_debian_has_not_is_told_with_its_version():
    text = (DEBIAN / "gr-semcom.README.Debian").read_text()
    wanted = pins("radio")
    assert f"pip install constriction{wanted['constriction']} sigmf{wanted['sigmf']}\n" in text


def test_debian_tests_are_there():
    names = re.findall(r"^Tests: (\S+)$", (DEBIAN / "tests/control").read_text(), re.M)
    assert names and all((DEBIAN / "tests" / name).stat().st_mode & 0o111 for name in names)
    assert all(f" {name}" in (ROOT / "tools/debian_packages").read_text() for name in names)


def test_the_recipe_needs_what_pyproject_needs():
    run = yaml.safe_load((CONDA / "recipe.yaml").read_text())["requirements"]["run"]
    names = {need.split()[0] for need in run}
    assert names >= pins("cpu", "radio").keys() - {"constriction"}  # no feedstock of it was found


def test_the_recipe_renders():
    """With rattler-build, conda-forge's own tool."""
    build = pytest.importorskip("rattler_build", reason="pip install '.[conda]'")
    recipe = build.Stage0Recipe.from_file(CONDA / "recipe.yaml")
    for target in PLATFORMS:
        platform = build.PlatformConfig(target_platform=target, build_platform="linux-64", host_platform=target)
        variants = build.VariantConfig.from_file_with_context(
            CONDA / "variants.yaml", build.JinjaConfig(platform=platform)
        )
        rendered = recipe.render(variants, build.RenderConfig(platform=platform))
        assert [made.variant["python"][:4] for made in rendered] == ["3.11", "3.12", "3.13"]
        for made in rendered:
            asked = made.recipe.to_dict()["requirements"]
            assert ("gmp" in asked["host"]) == target.startswith("linux")
            assert (f"cross-python_{target}" in asked["build"]) == (target != "linux-64")
