# SPDX-License-Identifier: GPL-3.0-or-later
"""The one training loop: seconds or steps, not epochs, are the budget, so that schemes compare at equal cost.

What is trained is a :class:`Task`: a network, its batches, its loss and its evaluation.
"""

from __future__ import annotations

import csv
import ctypes
import io
import json
import math
import signal
import tempfile
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator, PartialState
from accelerate.state import AcceleratorState
from accelerate.utils import broadcast, parse_flag_from_env

from .. import files, plain, values
from ..errors import BadInput, SemcomError
from .checkpoints import BEST, CHECKPOINT, REMEDY, read, read_weights, replace, write_averages
from .figure import MAX_TABLE, draw

RECIPE = "recipe.json"
FIGURE = "quality.svg"

MIN_RATE = 0.02  # where the cosine ends, as a share of the peak
HOUR = 3600.0
MAX_STEPS = 2**53
MAX_LOSSES = 2**22  # between two validations
MAX_WHY = 160  # characters of what a library says
SAVE_EVERY = 60.0  # seconds of the clock on the wall
SPEED_AFTER = 60.0  # seconds of the clock on the wall, until the speed is reported
READ_EVERY = {"cpu": 1, "cuda": 50}  # steps: reading a loss waits for the device, which costs nothing on a processor
COMPILED = {"cuda"}  # devices; on a processor it takes minutes
EXPORT_MARGIN = 1.25, 3.0  # times what was rehearsed, and seconds for the interpreter's start and end
PRECISIONS = ("auto", "no", "bf16")
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of malloc.h
RANK_SEED = 1_000_003  # between the seeds of two processes


Tracker = Callable[[int, dict[str, float]], None]


class Diverged(SemcomError):
    """A training whose loss or weights are no longer finite; what was saved before is kept."""


class Stopped(SemcomError):
    """A training that a signal ended; it is saved.

    Parameters
    ----------
    sentence : str
        Where it is, and how it goes on.
    number : int
        Of the signal; the exit status is 128 more, as shells have it.
    """

    def __init__(self, sentence: str, number: int):
        super().__init__(sentence)
        self.exit_status = 128 + number


@dataclass(frozen=True)
class Settings:
    """What a training is told beside its task.

    Attributes
    ----------
    seconds : float, optional
        Training time, all runs of one folder together, start-up not counted; see ``Task.wall_clock``. An hour, if no
        ``steps`` are given either.
    steps : int, optional
        Steps of all runs of one folder together, in place of ``seconds``: the same on every machine.
    wall : float, optional
        A ``time.monotonic()``: seconds are those of the wall's clock since then, start-up, evaluations and what was
        rehearsed included.
    learning_rate : float, optional
        At its peak; the task's usual one if left out.
    batch : int, optional
        Size of a batch, for each process; the task's usual one if left out.
    threads : int, default 2
        CPU threads.
    seed : int, default 0
        Of weights, data and noise.
    validate_every : float, default 300
        Seconds of training, or with ``steps`` steps, between two rows of ``log.csv``.
    precision : str, default "auto"
        "no", "bf16" (mixed) or "auto": bf16 where the device computes with it.
    start : Path, optional
        Weights that a new training starts from: ``averages.pt`` or a checkpoint, or the folder of one.
    force : bool, default False
        Go on with other data or conditions than before; ``recipe.json`` keeps both.
    """

    seconds: float | None = None
    steps: int | None = None
    wall: float | None = None
    learning_rate: float | None = None
    batch: int | None = None
    threads: int = 2
    seed: int = 0
    validate_every: float = 300.0
    precision: str = "auto"
    start: Path | None = None
    force: bool = False

    @property
    def total(self) -> float:
        """Steps or seconds, whichever count."""
        return self.steps or self.seconds or HOUR

    def check(self) -> None:
        """Refuse what no training can have."""
        for field in ("seconds", "steps", "learning_rate", "batch", "threads", "validate_every"):
            value = getattr(self, field)
            if value is not None and not 0 < value < math.inf:
                raise BadInput(f"{value} must be above 0{'' if value <= 0 else ' and finite'}", field=field)
        if not 0 <= self.seed < 2**32:
            raise BadInput(f"{self.seed} must be 0 or more and below 2^32", field="seed")
        if self.precision not in PRECISIONS:
            raise BadInput(f"{self.precision} is not known; choose {', '.join(PRECISIONS)}", field="precision")
        if self.steps:
            for other, given in (("the clock on the wall", self.wall), ("seconds", self.seconds)):
                if given is not None:
                    raise BadInput(f"{self.steps} cannot be used with {other}; give one of them", field="steps")
            if self.validate_every < 1:
                raise BadInput(f"{self.validate_every} must be 1 or more, steps here", field="validate_every")


class Task(ABC):
    """What a trainer trains.

    Attributes
    ----------
    scheme : str
        Name of what is trained; a checkpoint goes on with the same one only.
    options : dict of str to object
        Arguments of the network's constructor; a checkpoint goes on with the same ones only.
    columns : tuple of str
        Columns of ``log.csv`` beside step and seconds: the training figure and the figures of an evaluation.
    decimals : int
        Of these figures.
    ema : float
        Decay of the moving average of the weights.
    warm_up : int
        Steps until the learning rate is at its peak.
    max_gradient : float
        Norm that gradients are clipped to.
    report_every : int
        Steps between two lines about the training figure.
    wall_clock : bool
        Whether seconds are those of the clock on the wall, evaluations included; otherwise evaluations are not counted,
        and on a CPU seconds are those that the processor spent per thread.
    evaluates_start : bool
        Whether the network is evaluated before the first step.
    cpu_only : bool
        Whether it is trained on the CPU even where there is a GPU.
    usual_batch : int
        Size of a batch, if none is given.
    usual_rate : float
        Peak learning rate, if none is given.
    gpu_batch : int or None
        Size of a batch on a GPU; the learning rate grows with its square root.
    mixes : bool
        Whether it trains as well in bf16 on a processor with matrix units for it.
    """

    scheme: str
    options: dict[str, Any]
    columns: tuple[str, ...]
    decimals: int
    ema: float
    warm_up: int
    max_gradient: float
    usual_batch: int
    usual_rate: float
    gpu_batch: int | None = None
    mixes = False
    report_every = 100
    wall_clock = False
    evaluates_start = False
    cpu_only = False

    @abstractmethod
    def network(self) -> torch.nn.Module:
        """A network of random weights."""

    @abstractmethod
    def load(self, seed: int, device: torch.device) -> str:
        """Read the data.

        Parameters
        ----------
        seed : int
            Of what is drawn from it.
        device : torch.device
            Of the network; what has room on it may be kept there.

        Returns
        -------
        str
            What is worth a line about it; may be empty.
        """

    @abstractmethod
    def recipe(self) -> dict[str, Any]:
        """What ``recipe.json`` says of the task, beside the settings of the loop; the data has been read."""

    def keep(self, out: Path) -> None:  # noqa: B027  most have nothing to keep
        """Put into the folder what the weights are of no use without; the first process does.

        Parameters
        ----------
        out : Path
            The folder.
        """

    def lasting(self, recipe: dict[str, Any]) -> dict[str, Any]:
        """What may not change when a training goes on.

        Parameters
        ----------
        recipe : dict
            As ``recipe.json`` holds it.

        Returns
        -------
        dict of str to object
            Setting -> value.
        """
        return {}

    def stream(self) -> np.random.Generator | None:
        """What the batches are drawn with; the data has been read."""
        return None

    def score(self, figures: list[float]) -> float:
        """One number for an evaluation, more is better: ``best.pt`` is the checkpoint of the highest.

        Parameters
        ----------
        figures : list of float
            What ``evaluate`` gave.

        Returns
        -------
        float
            By default their mean.
        """
        return sum(figures) / len(figures)

    @abstractmethod
    def start(self, net: torch.nn.Module) -> None:
        """Set the weights that a new training starts from; the data has been read.

        Parameters
        ----------
        net : torch.nn.Module
            A new network.
        """

    def usual(self, batch: int | None, device: torch.device) -> tuple[int, float]:
        """Batch and learning rate where they are not given.

        Parameters
        ----------
        batch : int or None
            What is given.
        device : torch.device
            Of the network.

        Returns
        -------
        batch : int
            Crops.
        rate : float
            Peak learning rate.
        """
        if device.type == "cpu" or self.gpu_batch is None:
            return batch or self.usual_batch, self.usual_rate
        size = batch or self.gpu_batch
        return size, self.usual_rate * math.sqrt(size / self.usual_batch)

    @abstractmethod
    def optimizer(self, net: torch.nn.Module, rate: float) -> torch.optim.Optimizer:
        """The optimizer.

        Parameters
        ----------
        net : torch.nn.Module
            Weights that are not to learn are frozen.
        rate : float
            Peak learning rate.

        Returns
        -------
        torch.optim.Optimizer
            A group of parameters with a ``share`` learns at that share of the rate.
        """

    @abstractmethod
    def loss(self, net: torch.nn.Module) -> torch.nn.Module:
        """A module whose ``forward`` takes a batch and gives the loss; it is what gets distributed and autocast.

        Parameters
        ----------
        net : torch.nn.Module
            The network.

        Returns
        -------
        torch.nn.Module
            Its output is a scalar.
        """

    @abstractmethod
    def batch(self, size: int) -> tuple[torch.Tensor, ...]:
        """What ``forward`` of the loss takes; the first tensor is of images.

        Parameters
        ----------
        size : int
            Of the batch.

        Returns
        -------
        tuple of torch.Tensor
            On any device.
        """

    def training_figure(self, loss: float) -> float:
        """The mean loss as it is logged.

        Parameters
        ----------
        loss : float
            Mean over the steps since the last evaluation.

        Returns
        -------
        float
            In the unit of the first column; by default the loss itself.
        """
        return loss

    def training_line(self, figure: float) -> str:
        """The training figure in words.

        Parameters
        ----------
        figure : float
            What ``training_figure`` gave.

        Returns
        -------
        str
            A few words.
        """
        return f"loss {figure:.3f}"

    @abstractmethod
    def evaluate(self, net: torch.nn.Module, device: torch.device) -> list[float]:
        """The figures of ``columns`` but the first, on data that is never trained on.

        Parameters
        ----------
        net : torch.nn.Module
            Of averaged weights.
        device : torch.device
            Of the network.

        Returns
        -------
        list of float
            In the order of the columns.
        """

    @abstractmethod
    def evaluation_line(self, figures: list[float]) -> str:
        """These figures in words.

        Parameters
        ----------
        figures : list of float
            What ``evaluate`` gave.

        Returns
        -------
        str
            A few words.
        """

    def curve(self, column: str) -> str:
        """Name of a column's curve in TensorBoard.

        Parameters
        ----------
        column : str
            One of ``columns``.

        Returns
        -------
        str
            The name; by default that of the column.
        """
        return column


class _Log:
    """``log.csv``, TensorBoard's events beside it where TensorBoard is installed, and a tracker of one's own."""

    def __init__(self, task: Task, out: Path, step: int, report: Callable[[str], None], track: Tracker | None = None):
        self._task, self._track, self._report = task, track, report
        # what a killed run wrote after its last checkpoint is dropped, here and below
        path, kept = out / "log.csv", []
        if step and path.exists():
            kept = [row for row in _table(path, 2 + len(task.columns)) if int(row[0]) <= step]
        text = io.StringIO(newline="")
        csv.writer(text).writerows([["step", "seconds", *task.columns], *kept])
        replace(path, lambda file: file.write(text.getvalue().encode()))
        self._file = path.open("a", newline="")
        self._rows = csv.writer(self._file)
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ModuleNotFoundError:
            self._board = None
            report("TensorBoard is not installed: the figures go to log.csv only")
        else:
            self._board = SummaryWriter(str(out / "tensorboard"), purge_step=step)

    def scalars(self, step: int, values: dict[str, float]) -> None:
        """One point of some curves."""
        if self._board:
            for name, value in values.items():
                self._board.add_scalar(name, value, step)
        if self._track:
            try:
                self._track(step, values)
            except Exception as error:  # whatever somebody's tracker raises, such as a lost network
                self._track = None
                self._report(f"the tracker fails ({type(error).__name__}: {error}): the training goes on without it")

    def training(self, step: int, figure: float, rate: float) -> None:
        """The points between two rows of the table."""
        self.scalars(step, {self._task.curve(self._task.columns[0]): figure, "learning_rate": rate})

    def evaluated(self, step: int, seconds: float, training: float | None, figures: list[float]) -> None:
        """A row of the table."""
        decimals = self._task.decimals
        row = ["" if value is None else round(value, decimals) for value in (training, *figures)]
        self._rows.writerow([step, round(seconds, 1), *row])
        self._file.flush()
        curves = map(self._task.curve, self._task.columns[1:])
        self.scalars(step, dict(zip(curves, figures, strict=True)))

    def close(self) -> None:
        """Flush both."""
        self._file.close()
        if self._board:
            self._board.close()


def is_first_process() -> bool:
    """Whether this is the process that writes, of those that train together."""
    return PartialState().is_main_process


def train(
    task: Task,
    out: Path,
    settings: Settings = Settings(),
    *,
    rehearsed: Callable[[Path, Path], object] | None = None,
    report: Callable[[str], None] = lambda line: None,
    progress: Callable[[float, str], None] = lambda spent, what: None,
    track: Tracker | None = None,
) -> Path:
    """Train what a task says and return its last checkpoint; started again on the same ``out`` it goes on.

    The learning rate follows a cosine over the seconds or steps; an exponential moving average of the weights is what
    is kept for use. ``out`` receives

    - ``last.pt``, every minute, and when SIGINT or SIGTERM ends the training;
    - ``best.pt``, the checkpoint of the best validation;
    - ``averages.pt``, the averaged weights alone as float16, see :mod:`.averages`: small enough to be carried, and
      another training can start from them;
    - ``streams.pt``, the states of the random streams: a training of steps that was stopped goes on as if it had not;
    - ``log.csv``, and ``quality.svg``, its figures over time;
    - ``recipe.json``, the settings, and under ``segments`` also those of the steps before;
    - where TensorBoard is installed, its events under ``tensorboard``.

    Of several processes (``semcom train --processes``, ``accelerate launch``) each draws batches of its own and
    gradients are averaged over all of them; the first process keeps time, evaluates and writes.

    Parameters
    ----------
    task : Task
        What is trained.
    out : Path
        Folder, made if it is not there.
    settings : Settings, optional
        How it is trained.
    rehearsed : callable, optional
        What the caller does when the training has ended: takes a checkpoint and a folder. With ``settings.wall`` it is
        called once before the first step, into a folder that is thrown away, so that there will be time for it.
    report : callable, optional
        Takes a line of what happened.
    progress : callable, optional
        Takes the seconds or steps spent and the state of the last step, after every step.
    track : callable, optional
        Takes a step and figures by name, those that TensorBoard gets: for other trackers.

    Returns
    -------
    Path
        The checkpoint.

    Raises
    ------
    BadInput
        No usable data, or an ``out`` that holds a training of something else.
    Diverged
        The loss is not finite.
    Stopped
        A signal ended the training.
    """
    settings.check()
    if out.exists() and not out.is_dir():
        raise BadInput(f"{out} is no folder; choose another name", field="out")
    cpu = task.cpu_only or parse_flag_from_env("ACCELERATE_USE_CPU") or not torch.cuda.is_available()
    mixed = _mixed_precision(settings.precision, PartialState(cpu).device, task)
    AcceleratorState._reset_state()  # a training before, in this process, may have been of another precision
    accelerator = Accelerator(mixed_precision=mixed, cpu=cpu)
    torch.set_num_threads(settings.threads)
    torch.manual_seed(settings.seed)
    torch.backends.cudnn.benchmark = True  # batches are all of one size
    _keep_freed_memory()
    run = _Run(task, out, accelerator, settings, rehearsed)
    if accelerator.is_main_process:
        run.report, run.progress, run.track = report, progress, track
    net = task.network()
    state = run.stored()
    start = None
    if settings.start and not state:
        start = read_weights(settings.start)
        _check_same(start, task, start["file"])
    # each process draws data and noise of its own; the first those of a training with one process
    other = RANK_SEED * accelerator.process_index
    about_data = task.load(settings.seed + (state["step"] if state else 0) + other, accelerator.device)
    if accelerator.is_main_process:
        run.write_recipe(mixed, state, start)
        task.keep(out)
    if about_data:
        run.report(about_data)
    run.begin(net, state, start)
    if accelerator.process_index:
        torch.manual_seed(settings.seed + other)
    run.go_on_with_streams(state)
    run.to_the_end(first=state is None)
    accelerator.wait_for_everyone()
    accelerator.end_training()
    return run.checkpoint


class _Signals:
    """SIGINT and SIGTERM wait for the end of a step; a second one does not."""

    def __init__(self):
        self.received = 0
        self._before: dict[int, Any] = {}

    def __enter__(self) -> _Signals:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                if signal.getsignal(number) is not signal.SIG_IGN:
                    self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *error: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
        self._before.clear()

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.received = number
        self.__exit__()


class _Run:
    """One process's part in a training: what :func:`train` says, step by step."""

    def __init__(
        self,
        task: Task,
        out: Path,
        accelerator: Accelerator,
        settings: Settings,
        rehearsed: Callable[[Path, Path], object] | None,
    ):
        self.task, self.out, self.checkpoint = task, out, out / CHECKPOINT
        self.settings, self.rehearsed = settings, rehearsed
        self.accelerator, self.device = accelerator, accelerator.device
        self.batch, rate = task.usual(settings.batch, self.device)
        self.rate = settings.learning_rate or rate
        self.report: Callable[[str], None] = lambda line: None
        self.progress: Callable[[float, str], None] = lambda spent, what: None
        self.track: Tracker | None = None
        self.step, self.spent, self.losses = 0, 0.0, []
        self.unread: list[torch.Tensor] = []  # loss and norm of the gradient of steps, still on the device
        self.read_every = READ_EVERY.get(self.device.type, 1)
        self.uncounted: float | None = None  # clock at the first step whose time has not been added
        self.speed: _Speed | None = _Speed()
        self.before = 0.0  # seconds of earlier runs
        self.wall = self.saved = time.monotonic()
        self.signal = self.saved_step = 0
        self.evaluation = self.reserved = self.longest = 0.0  # seconds: of an evaluation, after the end, of a step
        self.best = -math.inf
        self.streams: dict[int, dict[str, Any]] = {}  # by the step of the last checkpoint

    def clock(self) -> float:
        """Seconds: of the processor on a CPU, unless the task counts those of the wall."""
        on_processor = self.device.type == "cpu" and not self.task.wall_clock
        return time.process_time() / self.settings.threads if on_processor else time.monotonic()

    def amount(self) -> float:
        """What is spent of the budget, in its unit."""
        return self.step if self.settings.steps else self.spent

    def share(self) -> float:
        """What is spent of the budget, 1 at its end."""
        return self.amount() / self.settings.total

    def finished(self) -> bool:
        """Whether the budget is spent; where all counts, one more step and what follows it must fit."""
        if self.settings.wall is not None:
            ahead = self.longest + self.evaluation + self.reserved
            return self.spent + ahead > self.settings.total
        return self.share() >= 1

    def stored(self) -> dict[str, Any] | None:
        """The checkpoint that is there; BadInput where it is of something else."""
        if not self.checkpoint.exists():
            return None
        state = read(self.checkpoint)
        _check_same(state, self.task, self.out)
        try:
            values.whole(state.get("step"), "step", 0, MAX_STEPS)
            values.number(state.get("seconds"), "seconds", 0)
            for name in ("net", "ema", "optimizer"):
                values.mapping(state.get(name), name)
        except BadInput as error:
            raise BadInput(f"{self.checkpoint} is no checkpoint of a training: {error}; {REMEDY}") from None
        return state

    def write_recipe(self, mixed: str, state: dict[str, Any] | None, start: dict[str, Any] | None) -> None:
        """Everything that another training of the same needs, and what the steps before were trained with."""
        task, settings = self.task, self.settings
        unit = "steps" if settings.steps else "seconds"
        recipe = {
            "scheme": task.scheme, "options": task.options, **task.recipe(),
            "seconds": None if settings.steps else settings.total, "max_steps": settings.steps,
            "clock": "wall, all" if settings.wall is not None else "wall" if task.wall_clock else "processor",
            "processes": self.accelerator.num_processes, "batch": self.batch, "rate": self.rate,
            "usual": [name for name in ("batch", "learning_rate") if getattr(settings, name) is None],
            "start_from": {key: start[key] for key in ("file", "step")} if start else None,
            "threads": settings.threads,
            "seed": settings.seed, "device": self.device.type, "precision": mixed, "ema": task.ema,
            "schedule": f"cosine over {unit}", "warm_up_steps": task.warm_up, "lowest_rate": MIN_RATE,
            "largest_gradient": task.max_gradient, "validate_every": settings.validate_every,
            "torch": torch.__version__, "accelerate": version("accelerate"),
        }  # fmt: skip
        recipe = json.loads(json.dumps(recipe))  # as it is read again
        segments = self._segments() if state else []
        if segments:
            recipe["start_from"] = segments[0].get("start_from")
            try:
                changed = _differences(task, segments[-1], recipe)
            except (KeyError, TypeError, ValueError, AttributeError) as error:
                raise self._no_recipe(error) from None
            for field, (before, now) in changed.items():
                if not settings.force:
                    raise BadInput(
                        f"{_written(now)} is not what {self.out} was trained with, {_written(before)}; give the same, "
                        "choose another folder, or force it",
                        field=field,
                    )
            # nothing will be trained with these settings
            if (state["step"] if settings.steps else state["seconds"]) >= settings.total:
                return
            if changed:
                self.best = math.inf  # of other data: the next validation decides
        since = {"from_step": state["step"], "from_seconds": round(state["seconds"], 1)} if state else {"from_step": 0}
        last = {key: value for key, value in segments[-1].items() if not key.startswith("from_")} if segments else None
        if last != recipe:
            segments.append(since | recipe)
        self.out.mkdir(parents=True, exist_ok=True)
        text = json.dumps(recipe | {"segments": segments}, indent=2) + "\n"
        replace(self.out / RECIPE, lambda file: file.write(text.encode()))

    def _segments(self) -> list[dict[str, Any]]:
        """The settings of the steps before."""
        path = self.out / RECIPE
        if not path.exists():
            return []
        try:
            recipe = values.mapping(files.read_json(path, "the recipe of a training"), "it")
            if "segments" not in recipe:
                return [{"from_step": 0} | dict(recipe)]
            return [dict(values.mapping(each, "segments")) for each in values.listed(recipe["segments"], "segments")]
        except BadInput as error:
            raise self._no_recipe(error) from None

    def _no_recipe(self, error: Exception) -> BadInput:
        why = plain.line(error, MAX_WHY)
        return BadInput(f"{self.out / RECIPE} is no recipe that can be read ({why}); mend it or choose another folder")

    def begin(self, net: torch.nn.Module, state: dict[str, Any] | None, start: dict[str, Any] | None) -> None:
        """Network, optimiser and average, from the start or where the checkpoint left them."""
        task, best = self.task, self.out / BEST
        if start:
            try:
                net.load_state_dict(start["weights"])
            except RuntimeError:
                raise BadInput(
                    f"{start['file']} holds weights of a network of another structure; start from those of this one"
                ) from None
            self.report(f"starts from the averages of {start['file']}, step {start['step']}")
        elif state is None:
            task.start(net)
        self.net = net.to(self.device, memory_format=torch.channels_last)
        self.optimizer = task.optimizer(self.net, self.rate)
        self.plain_loss = task.loss(self.net)
        self.compiled = self.device.type in COMPILED
        if self.compiled:
            self.plain_loss.compile()
        self.loss_of = self.accelerator.prepare(self.plain_loss)
        self.ema = torch.optim.swa_utils.AveragedModel(self.net, multi_avg_fn=_averaging(task.ema))
        if state:
            self._restore(state)
        if self.accelerator.is_main_process and best.exists():
            if state is None:
                best.unlink()
            else:
                self._keep_best(read(best))
        if self.best == math.inf:
            self.best = -math.inf

    def _restore(self, state: dict[str, Any]) -> None:
        """Where a checkpoint left network, average and optimiser."""
        try:
            self.net.load_state_dict(state["net"])
            self.ema.load_state_dict(state["ema"])
            for saved, group in zip(state["optimizer"]["param_groups"], self.optimizer.param_groups, strict=True):
                saved["fused"] = group.get("fused")  # how a step is computed is no state of it
                _check_settings(saved, group)
            self.optimizer.load_state_dict(state["optimizer"])
            _check_moments(self.optimizer)
        except (KeyError, TypeError, ValueError, RuntimeError, AttributeError, IndexError) as error:
            why = plain.line(_first_line(error), MAX_WHY)
            raise BadInput(f"{self.checkpoint} does not fit what is trained ({why}); {REMEDY}") from error
        self.step, self.spent = state["step"], state["seconds"]
        self.before, self.saved_step = self.spent, self.step

    def _keep_best(self, kept: dict[str, Any]) -> None:
        """The best checkpoint so far, which is exported at the end: of this training, or nothing goes on."""
        _check_same(kept, self.task, self.out / BEST)
        now = self.ema.state_dict()
        shapes = {name: value.shape for name, value in now.items()}
        held = kept.get("ema")
        if not isinstance(held, dict) or {name: getattr(held[name], "shape", None) for name in held} != shapes:
            raise BadInput(f"{self.out / BEST} does not fit what is trained; {REMEDY}")
        if self.best == -math.inf:
            score = kept.get("score", -math.inf)
            if not isinstance(score, float | int) or not score < math.inf:  # false for nan too
                raise BadInput(f"{self.out / BEST} has no score that can be; {REMEDY}")
            self.best = float(score)

    def streams_file(self) -> Path:
        """Where this process keeps the states of its random streams."""
        index = self.accelerator.process_index
        return self.out / (f"streams-{index}.pt" if index else "streams.pt")

    def go_on_with_streams(self, state: dict[str, Any] | None) -> None:
        """The random streams as they were at the checkpoint; those of the seed where it has none."""
        if state is None or not self.streams_file().exists():
            return
        kept = read(self.streams_file()).get(self.step)
        if kept:
            try:
                self.losses = list(values.listed(kept["losses"].tolist(), "losses", MAX_LOSSES))
                _set_random_state(self.task, kept, self.device)
            except (KeyError, TypeError, ValueError, RuntimeError, AttributeError, OverflowError) as error:
                why = plain.line(_first_line(error), MAX_WHY)
                raise BadInput(f"{self.streams_file()} holds no random streams ({why}); move it away") from None
            self.streams = {self.step: kept}

    def _parts(self) -> dict[str, Any]:
        return {
            "scheme": self.task.scheme,
            "options": self.task.options,
            "net": self.net.state_dict(),
            "ema": self.ema.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "step": self.step,
            "seconds": self.spent,
        }

    def save(self) -> None:
        """Write the checkpoint; a killed run never leaves half a file."""
        self._read_losses()
        if not all(bool(value.isfinite().all()) for value in self.net.state_dict().values()):
            raise self._diverged("a weight")
        now = _random_state(self.task, self.device) | {"losses": torch.tensor(self.losses, dtype=torch.float64)}
        # with those of the last checkpoint, should this one not be written
        both = self.streams | {self.step: now}
        self.out.mkdir(parents=True, exist_ok=True)
        replace(self.streams_file(), lambda file: torch.save(both, file))
        if self.accelerator.is_main_process:
            parts = self._parts()
            replace(self.checkpoint, lambda file: torch.save(parts, file))
            write_averages(
                self.out, {key: parts[key] for key in ("scheme", "options", "step", "seconds")}, parts["ema"]
            )
        self.streams = {self.step: now}
        self.saved, self.saved_step = self.wall, self.step

    def _diverged(self, what: str) -> Diverged:
        kept = f"{self.checkpoint} keeps step {self.saved_step}" if self.checkpoint.exists() else "nothing was saved"
        return Diverged(
            f"{what} is not finite after step {self.step}, so the training stopped; {kept}; try a learning rate below "
            f"{self.rate:g}"
        )

    def agreed(self, *mine: float) -> list[float]:
        """The first process's numbers: all stop at the same step and follow the same learning rate."""
        if self.accelerator.num_processes == 1:
            return list(mine)
        return broadcast(torch.tensor(mine, dtype=torch.float64, device=self.device)).tolist()

    def _count(self, begun: float, signals: _Signals) -> None:
        """Add the time since ``begun``."""
        now, since = time.monotonic(), self.settings.wall
        spent = self.spent + (self.clock() - begun) if since is None else self.before + now - since
        mine = (spent, now, signals.received, self.evaluation, self.reserved, self.longest)
        self.spent, self.wall, number, self.evaluation, self.reserved, self.longest = self.agreed(*mine)
        self.signal = int(number)

    def to_the_end(self, first: bool) -> None:
        """All steps, with their evaluations and checkpoints."""
        task = self.task
        log = _Log(task, self.out, self.step, self.report, self.track) if self.accelerator.is_main_process else None
        try:
            with _Signals() as signals:
                if first:
                    self.save()  # what a training that diverges or is stopped early goes on from
                    self._rehearse()
                    if log and task.evaluates_start:
                        self._evaluate(log, None, self.net)
                if self.settings.wall is not None:
                    self._count(0.0, signals)
                if self.finished():
                    self._already_finished(first)
                    return
                self._steps(log, signals)
        finally:
            if log:
                log.close()

    def _already_finished(self, first: bool) -> None:
        """No step is left to be done."""
        if first:
            raise BadInput(
                f"{self.settings.total:g} are over before a step is done, validated and exported; give more",
                field="seconds",
            )
        self.report(f"nothing is left to train: {self.out} is at step {self.step}, {self.spent:.0f} s")

    def _steps(self, log: _Log | None, signals: _Signals) -> None:
        """The steps that are left of the budget."""
        settings = self.settings
        evaluated = self.amount()
        while not self.finished():
            self._step(log, signals)
            due = (
                self.step % int(settings.validate_every) == 0
                if settings.steps
                else (self.amount() - evaluated >= settings.validate_every)
            )
            if due or self.finished():
                self._read_losses()
                figure, begun = self._figure(), self.clock()
                if log:
                    self._evaluate(log, figure, self.ema.module)
                self.losses.clear()
                if self.task.wall_clock or settings.wall is not None:
                    self._count(begun, signals)
                evaluated = self.amount()
                self.save()
            elif self.wall - self.saved >= SAVE_EVERY:
                self.save()
            if self.accelerator.num_processes == 1:
                self.signal = signals.received  # also during the validation
            if self.signal:
                self.save()
                name = signal.Signals(self.signal).name
                raise Stopped(
                    f"{name} received: stopped and saved at step {self.step}; the same command goes on", self.signal
                )

    def _rehearse(self) -> None:
        """Time what the caller does at the end."""
        if self.rehearsed and self.settings.wall is not None and self.accelerator.is_main_process:
            begun = time.monotonic()
            with tempfile.TemporaryDirectory() as folder:
                self.rehearsed(self.checkpoint, Path(folder))
            times, more = EXPORT_MARGIN
            self.reserved = times * (time.monotonic() - begun) + more

    def _step(self, log: _Log | None, signals: _Signals) -> None:
        """One batch."""
        task, wall = self.task, time.monotonic()
        begun = self.clock() if self.uncounted is None else self.uncounted
        warm = min(1.0, (self.step + 1) / task.warm_up)
        cosine = 0.5 * (1 + math.cos(math.pi * min(1.0, self.share())))
        now = self.rate * warm * (MIN_RATE + (1 - MIN_RATE) * cosine)
        for group in self.optimizer.param_groups:
            group["lr"] = now * group.get("share", 1.0)
        images, *truth = task.batch(self.batch)
        images = images.to(self.device, memory_format=torch.channels_last)
        loading = time.monotonic() - wall
        loss = self._backward(images, [tensor.to(self.device) for tensor in truth])
        norm = torch.nn.utils.clip_grad_norm_(self.net.parameters(), task.max_gradient)
        self.unread.append(torch.stack([loss.detach().float(), norm.float()]))
        if self.read_every == 1:
            self._read_losses()  # before weights are spoilt
        self.optimizer.step()
        self.ema.update_parameters(self.net)
        self.step += 1
        if self.step % self.read_every == 0:
            self._read_losses()
        self.longest = max(self.longest, time.monotonic() - wall)
        # agreeing waits for the device too; until then no process sees time go on, which the wall's would not forgive
        alone = self.accelerator.num_processes == 1
        counts = alone or self.step % self.read_every == 0 or self.settings.wall is not None or self.finished()
        self.uncounted = None if counts else begun
        if counts:
            self._count(begun, signals)
        figure = self._figure()
        self.progress(self.amount(), f"step {self.step}  {task.training_line(figure)}")
        if self.speed and self.speed.line(self.batch, loading, time.monotonic() - wall, self.finished()):
            self.report(self.speed.said)
            self.speed = None
        if self.step % task.report_every == 0:
            spent = f"{self.spent:.0f} s" if self.settings.steps else f"{self.spent:.0f}/{self.settings.total:.0f} s"
            whole = f"/{self.settings.steps}" if self.settings.steps else ""
            self.report(f"step {self.step}{whole}  {spent}  {task.training_line(figure)}")
            if log:
                log.training(self.step, figure, now)

    def _backward(self, images: torch.Tensor, truth: list[torch.Tensor]) -> torch.Tensor:
        """The loss, its gradients computed; without compilation where that fails."""
        self.optimizer.zero_grad(set_to_none=True)
        try:
            loss = self.loss_of(images, *truth)
            self.accelerator.backward(loss)
        except Exception as error:  # of a compiler: any
            if not self.compiled:
                raise
            self.report(f"torch.compile failed, so the training goes on without it: {_first_line(error)}")
            self.plain_loss._compiled_call_impl = None
            self.compiled = False
            return self._backward(images, truth)
        return loss

    def _figure(self) -> float:
        """Of the losses since the last evaluation that have been read."""
        return self.task.training_figure(sum(self.losses) / max(1, len(self.losses)))

    def _read_losses(self) -> None:
        """Take the losses off the device; Diverged where one is not finite."""
        if not self.unread:
            return
        values, self.unread = torch.stack(self.unread).tolist(), []
        for loss, norm in values:
            for value, what in ((loss, "the loss"), (norm, "a gradient")):
                if not math.isfinite(value):
                    raise self._diverged(what)
            self.losses.append(loss)

    def _evaluate(self, log: _Log, figure: float | None, net: torch.nn.Module) -> None:
        """Photographs held out, by the average of the weights; the first time by the weights of the start."""
        task, begun = self.task, time.monotonic()
        figures = task.evaluate(net, self.device)
        score = task.score(figures)
        if math.isnan(score):
            raise self._diverged("a figure of the validation")
        log.evaluated(self.step, self.spent, figure, figures)
        self.report(f"{'before training' if figure is None else 'held out'}: {task.evaluation_line(figures)}")
        if not draw(self.out / "log.csv", self.out / FIGURE, task.curve) and figure is None:
            self.report(f"Matplotlib is not installed: {FIGURE} is not drawn")
        if score > self.best:
            self.best = score
            parts = self._parts() | {"score": score}
            replace(self.out / BEST, lambda file: torch.save(parts, file))
        self.evaluation = time.monotonic() - begun


def _keep_freed_memory() -> None:
    """Let glibc keep what a step frees for the next: else the pages of all large tensors are new ones at every step."""
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return  # another C library
    for parameter, value in ((M_MMAP_THRESHOLD, 2**25), (M_TRIM_THRESHOLD, 2**31 - 1)):
        mallopt(parameter, value)


def _averaging(most: float) -> Callable[[list[torch.Tensor], list[torch.Tensor], torch.Tensor], None]:
    """Exponential moving average whose memory grows with the steps taken, up to ``most``: it forgets its start."""

    @torch.no_grad()
    def average(averages: list[torch.Tensor], values: list[torch.Tensor], count: torch.Tensor) -> None:
        decay = min(most, (1 + int(count)) / (10 + int(count)))
        torch._foreach_lerp_(averages, values, 1 - decay)

    return average


def _table(path: Path, columns: int) -> list[list[str]]:
    """The rows of ``log.csv`` below its head."""
    try:
        text = files.read(path, MAX_TABLE, "the log of a training").decode()
        rows = [row for row in list(csv.reader(text.splitlines()))[1:] if row]
        if any(len(row) != columns or not all(math.isfinite(float(cell or 0)) for cell in row) for row in rows):
            raise ValueError(f"its rows must have {columns} numbers")
        [int(row[0]) for row in rows]
    except (ValueError, csv.Error) as error:  # damaged UTF-8 is one as well
        why = plain.line(error, MAX_WHY)
        raise BadInput(f"{path} is no log of this training ({why}); take it away") from None
    return rows


def _check_settings(saved: dict[str, Any], group: dict[str, Any]) -> None:
    """ValueError where the settings of an optimiser are of other kinds than its own."""
    for name, value in group.items():
        kinds = (int, float) if isinstance(value, float) else type(value)
        if name != "params" and not isinstance(saved[name], kinds):
            raise ValueError(f"{name} of its optimiser is {values.shown(saved[name])}")


def _check_moments(optimizer: torch.optim.Optimizer) -> None:
    """ValueError where what an optimiser remembers is of other weights."""
    for parameter, held in optimizer.state.items():
        for name, value in held.items():
            if not isinstance(value, torch.Tensor) or value.shape not in ((), parameter.shape):
                raise ValueError(f"{name} of its optimiser is of other weights")


class _Speed:
    """What the first minute says of the speed, once."""

    def __init__(self):
        self.steps, self.loading, self.whole, self.said = 0, 0.0, 0.0, ""

    def line(self, batch: int, loading: float, whole: float, ended: bool) -> bool:
        """Whether there is something to say after a step, in ``said``: the first step, which warms up, is left out."""
        self.steps += 1
        if self.steps > 1:
            self.loading, self.whole = self.loading + loading, self.whole + whole
        if not self.whole or not (ended or self.whole >= SPEED_AFTER):
            return False
        speed = (self.steps - 1) * batch / self.whole
        self.said = f"{speed:.1f} crops a second in each process, {self.loading / self.whole:.1%} of it in the loader"
        return True


def _first_line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)


def _mixed_precision(precision: str, device: torch.device, task: Task) -> str:
    """What "auto" is: bf16 where matrix products of it have units of their own, and the task has been tried with it."""
    if precision != "auto":
        return precision
    if device.type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported() else "no"
    return "bf16" if task.mixes and torch.cpu.get_capabilities().get("amx_bf16") else "no"


def _check_same(state: dict[str, Any], task: Task, out: Path | str) -> None:
    """Refuse to go on with the training of something else."""
    scheme, options = state.get("scheme", task.scheme), state.get("options", {})
    if (scheme, options) != (task.scheme, task.options):
        raise BadInput(
            f"{out} holds a training of {_named(scheme, options)}, not of {_named(task.scheme, task.options)}; choose "
            "another folder"
        )


def _named(scheme: str, options: dict[str, str]) -> str:
    return " ".join([scheme, *(f"{key}={value}" for key, value in options.items())])


def _differences(task: Task, earlier: dict[str, Any], recipe: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
    """What may not change on going on and did: setting -> (before, now)."""
    before, now = task.lasting(earlier), task.lasting(recipe)
    return {field: (before[field], now[field]) for field in now if before.get(field) not in (None, now[field])}


def _written(value: Any) -> str:
    """A setting in a sentence."""
    return " ".join(map(str, value)) or "none" if isinstance(value, list) else str(value)


def _random_state(task: Task, device: torch.device) -> dict[str, Any]:
    """All streams of random numbers, as a checkpoint can hold them."""
    name, keys, *rest = np.random.get_state()  # a network of one's own may draw from it
    stream = task.stream()
    drawn = {"numpy": [name, keys.tolist(), *rest], "data": stream.bit_generator.state if stream else None}
    state = {"torch": torch.get_rng_state(), "json": json.dumps(drawn)}
    return state | ({"cuda": torch.cuda.get_rng_state(device)} if device.type == "cuda" else {})


def _set_random_state(task: Task, state: dict[str, Any], device: torch.device) -> None:
    """Go on with the streams where they were."""
    drawn = files.json_of(state["json"].encode(), "what a checkpoint says of random streams")
    name, keys, *rest = drawn["numpy"]
    np.random.set_state((name, np.array(keys, np.uint32), *rest))
    stream = task.stream()
    if stream and drawn["data"]:
        stream.bit_generator.state = drawn["data"]
    torch.set_rng_state(state["torch"])
    if device.type == "cuda" and "cuda" in state:
        torch.cuda.set_rng_state(state["cuda"], device)
