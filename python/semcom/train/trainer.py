# SPDX-License-Identifier: GPL-3.0-or-later
"""The one training loop: seconds, not epochs, are the budget, so that schemes compare at equal cost.

What is trained is a :class:`Task`: a network, its batches, its loss and its evaluation.
"""

from __future__ import annotations

import csv
import json
import math
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator, PartialState
from accelerate.utils import broadcast, parse_flag_from_env

from ..errors import BadInput

CHECKPOINT = "last.pt"

MIN_RATE = 0.02  # where the cosine ends, as a share of the peak
SAVE_EVERY = 120.0  # seconds of training
PRECISIONS = ("auto", "no", "bf16")
RANK_SEED = 1_000_003  # between the seeds of two processes


class Task(ABC):
    """What a trainer trains.

    Attributes
    ----------
    scheme : str
        Name of what is trained; a checkpoint goes on with the same one only.
    options : dict of str to str
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
    """

    scheme: str
    options: dict[str, str]
    columns: tuple[str, ...]
    decimals: int
    ema: float
    warm_up: int
    max_gradient: float
    report_every = 100
    wall_clock = False
    evaluates_start = False
    cpu_only = False

    @abstractmethod
    def network(self) -> torch.nn.Module:
        """A network of random weights."""

    @abstractmethod
    def load(self, seed: int) -> str:
        """Read the data.

        Parameters
        ----------
        seed : int
            Of what is drawn from it.

        Returns
        -------
        str
            What is worth a line about it; may be empty.
        """

    @abstractmethod
    def recipe(self) -> dict[str, Any]:
        """What ``recipe.json`` says of the task, beside the settings of the loop; the data has been read."""

    @abstractmethod
    def start(self, net: torch.nn.Module) -> None:
        """Set the weights that a new training starts from; the data has been read.

        Parameters
        ----------
        net : torch.nn.Module
            A new network.
        """

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
    def batch(self) -> tuple[torch.Tensor, ...]:
        """What ``forward`` of the loss takes; the first tensor is of images."""

    @abstractmethod
    def training_figure(self, loss: float) -> float:
        """The mean loss as it is logged.

        Parameters
        ----------
        loss : float
            Mean over the steps since the last evaluation.

        Returns
        -------
        float
            In the unit of the first column.
        """

    @abstractmethod
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

    @abstractmethod
    def curve(self, column: str) -> str:
        """Name of a column's curve in TensorBoard.

        Parameters
        ----------
        column : str
            One of ``columns``.

        Returns
        -------
        str
            The name.
        """


class _Log:
    """``log.csv``, and TensorBoard's events beside it where TensorBoard is installed."""

    def __init__(self, task: Task, out: Path, step: int, report: Callable[[str], None]):
        self._task = task
        new = not (out / "log.csv").exists()
        self._file = (out / "log.csv").open("a", newline="")
        self._rows = csv.writer(self._file)
        if new:
            self._rows.writerow(["step", "seconds", *task.columns])
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ModuleNotFoundError:
            self._board = None
            report("TensorBoard is not installed: the figures go to log.csv only")
        else:
            # what a killed run wrote after its last checkpoint is dropped
            self._board = SummaryWriter(str(out / "tensorboard"), purge_step=step)

    def scalar(self, name: str, value: float, step: int) -> None:
        """One point of one TensorBoard curve."""
        if self._board:
            self._board.add_scalar(name, value, step)

    def training(self, step: int, figure: float, rate: float) -> None:
        """The points between two rows of the table."""
        self.scalar(self._task.curve(self._task.columns[0]), figure, step)
        self.scalar("learning_rate", rate, step)

    def evaluated(self, step: int, seconds: float, training: float | None, figures: list[float]) -> None:
        """A row of the table."""
        decimals = self._task.decimals
        row = ["" if value is None else round(value, decimals) for value in (training, *figures)]
        self._rows.writerow([step, round(seconds, 1), *row])
        self._file.flush()
        for column, value in zip(self._task.columns[1:], figures, strict=True):
            self.scalar(self._task.curve(column), value, step)

    def close(self) -> None:
        """Flush both."""
        self._file.close()
        if self._board:
            self._board.close()


def is_first_process() -> bool:
    """Whether this is the process that writes, of those that ``accelerate launch`` started."""
    return PartialState().is_main_process


def train(
    task: Task,
    out: Path,
    *,
    seconds: float,
    rate: float,
    threads: int,
    seed: int,
    validate_every: float,
    precision: str = "no",
    report: Callable[[str], None] = lambda line: None,
    progress: Callable[[float, str], None] = lambda spent, what: None,
) -> Path:
    """Train what a task says and return its last checkpoint; started again on the same ``out`` it goes on.

    The learning rate follows a cosine over the seconds; an exponential moving average of the weights is what is kept
    for use. ``out`` receives ``last.pt``, ``log.csv``, ``recipe.json`` and, where TensorBoard is installed, its events
    under ``tensorboard``.

    Under ``accelerate launch`` (``torchrun`` for several processes on CPUs) every process draws batches of its own and
    gradients are averaged over all of them; the first process keeps time, evaluates and writes.

    Parameters
    ----------
    task : Task
        What is trained.
    out : Path
        Folder, made if it is not there.
    seconds : float
        Training time, all runs of this ``out`` together, start-up not counted; see ``Task.wall_clock``.
    rate : float
        Peak learning rate.
    threads : int
        CPU threads.
    seed : int
        Of weights, data and noise.
    validate_every : float
        Seconds of training between two rows of ``log.csv``.
    precision : str, default "no"
        "no", "bf16" (mixed) or "auto": bf16 on a GPU that has it.
    report : callable, optional
        Takes a line of what happened.
    progress : callable, optional
        Takes the seconds spent and the state of the last step, after every step.

    Returns
    -------
    Path
        The checkpoint.

    Raises
    ------
    BadInput
        No usable data, or an ``out`` that holds a training of something else.
    """
    cpu = task.cpu_only or parse_flag_from_env("ACCELERATE_USE_CPU") or not torch.cuda.is_available()
    mixed = _mixed_precision(precision, PartialState(cpu).device)
    accelerator = Accelerator(mixed_precision=mixed, cpu=cpu)
    torch.set_num_threads(threads)
    torch.manual_seed(seed)
    torch.backends.cudnn.benchmark = True  # batches are all of one size
    run = _Run(task, out, accelerator, seconds, rate, validate_every, threads)
    if accelerator.is_main_process:
        run.report, run.progress = report, progress
    net = task.network()
    state = run.stored()
    # each process draws data and noise of its own; the first those of a training with one process
    other = RANK_SEED * accelerator.process_index
    about_data = task.load(seed + (state["step"] if state else 0) + other)
    if accelerator.is_main_process:
        run.write_recipe(seed, mixed)
    if about_data:
        run.report(about_data)
    run.begin(net, state)
    if accelerator.process_index:
        torch.manual_seed(seed + other)
    run.to_the_end(first=state is None)
    accelerator.wait_for_everyone()
    accelerator.end_training()
    return run.checkpoint


class _Run:
    """One process's part in a training: what :func:`train` says, step by step."""

    def __init__(
        self,
        task: Task,
        out: Path,
        accelerator: Accelerator,
        seconds: float,
        rate: float,
        validate_every: float,
        threads: int,
    ):
        self.task, self.out, self.checkpoint = task, out, out / CHECKPOINT
        self.seconds, self.rate, self.validate_every, self.threads = seconds, rate, validate_every, threads
        self.accelerator, self.device = accelerator, accelerator.device
        self.report: Callable[[str], None] = lambda line: None
        self.progress: Callable[[float, str], None] = lambda spent, what: None
        self.step, self.spent, self.losses = 0, 0.0, []

    def clock(self) -> float:
        """Seconds: of the processor on a CPU, unless the task counts those of the wall."""
        on_processor = self.device.type == "cpu" and not self.task.wall_clock
        return time.process_time() / self.threads if on_processor else time.monotonic()

    def stored(self) -> dict[str, Any] | None:
        """The checkpoint that is there; BadInput where it is of something else."""
        if not self.checkpoint.exists():
            return None
        state = torch.load(self.checkpoint, map_location=self.device, weights_only=True)
        _check_same(state, self.task, self.out)
        return state

    def write_recipe(self, seed: int, mixed: str) -> None:
        """Everything that another training of the same needs."""
        task = self.task
        recipe = {
            "scheme": task.scheme, "options": task.options, **task.recipe(), "seconds": self.seconds,
            "processes": self.accelerator.num_processes, "rate": self.rate, "threads": self.threads, "seed": seed,
            "device": self.device.type, "precision": mixed, "ema": task.ema, "schedule": "cosine over seconds",
            "warm_up_steps": task.warm_up, "lowest_rate": MIN_RATE, "largest_gradient": task.max_gradient,
            "validate_every": self.validate_every, "torch": torch.__version__, "accelerate": version("accelerate"),
        }  # fmt: skip
        self.out.mkdir(parents=True, exist_ok=True)
        (self.out / "recipe.json").write_text(json.dumps(recipe, indent=2) + "\n")

    def begin(self, net: torch.nn.Module, state: dict[str, Any] | None) -> None:
        """Network, optimiser and average, from the start or where the checkpoint left them."""
        task = self.task
        if state is None:
            task.start(net)
        self.net = net.to(self.device, memory_format=torch.channels_last)
        self.optimizer = task.optimizer(self.net, self.rate)
        self.loss_of = self.accelerator.prepare(task.loss(self.net))
        self.ema = torch.optim.swa_utils.AveragedModel(self.net, multi_avg_fn=_averaging(task.ema))
        if state:
            self.net.load_state_dict(state["net"])
            self.ema.load_state_dict(state["ema"])
            self.optimizer.load_state_dict(state["optimizer"])
            self.step, self.spent = state["step"], state["seconds"]

    def save(self) -> None:
        """Write the checkpoint; a killed run never leaves half a file."""
        if not self.accelerator.is_main_process:
            return
        parts = {
            "scheme": self.task.scheme,
            "options": self.task.options,
            "net": self.net.state_dict(),
            "ema": self.ema.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "step": self.step,
            "seconds": self.spent,
        }
        unfinished = self.checkpoint.with_suffix(".part")
        torch.save(parts, unfinished)
        unfinished.replace(self.checkpoint)

    def agreed(self, mine: float) -> float:
        """All processes stop at the same step and follow the same learning rate."""
        if self.accelerator.num_processes == 1:
            return mine
        return broadcast(torch.tensor(mine, dtype=torch.float64, device=self.device)).item()

    def to_the_end(self, first: bool) -> None:
        """All steps, with their evaluations and checkpoints."""
        task = self.task
        log = _Log(task, self.out, self.step, self.report) if self.accelerator.is_main_process else None
        try:
            if log and task.evaluates_start and first:
                figures = task.evaluate(self.net, self.device)
                log.evaluated(0, 0, None, figures)
                self.report(f"before training: {task.evaluation_line(figures)}")
            evaluated = saved = self.spent
            while self.spent < self.seconds:
                figure = self._step(log)
                if self.spent - evaluated >= self.validate_every or self.spent >= self.seconds:
                    self._evaluate(log, figure)
                    evaluated = saved = self.spent
                    self.save()
                elif self.spent - saved >= SAVE_EVERY:
                    saved = self.spent
                    self.save()
            self.save()
        finally:
            if log:
                log.close()

    def _step(self, log: _Log | None) -> float:
        """One batch; the figure of the losses since the last evaluation."""
        task, begun = self.task, self.clock()
        warm = min(1.0, (self.step + 1) / task.warm_up)
        cosine = 0.5 * (1 + math.cos(math.pi * min(1.0, self.spent / self.seconds)))
        now = self.rate * warm * (MIN_RATE + (1 - MIN_RATE) * cosine)
        for group in self.optimizer.param_groups:
            group["lr"] = now * group.get("share", 1.0)
        images, *truth = task.batch()
        images = images.to(self.device, memory_format=torch.channels_last)
        loss = self.loss_of(images, *(tensor.to(self.device) for tensor in truth))
        self.optimizer.zero_grad(set_to_none=True)
        self.accelerator.backward(loss)
        torch.nn.utils.clip_grad_norm_(self.net.parameters(), task.max_gradient)
        self.optimizer.step()
        self.ema.update_parameters(self.net)
        self.losses.append(loss.item())
        self.step += 1
        self.spent = self.agreed(self.spent + (self.clock() - begun))
        figure = task.training_figure(sum(self.losses) / len(self.losses))
        self.progress(self.spent, f"step {self.step}  {task.training_line(figure)}")
        if self.step % task.report_every == 0:
            self.report(f"step {self.step}  {self.spent:.0f}/{self.seconds:.0f} s  {task.training_line(figure)}")
            if log:
                log.training(self.step, figure, now)
        return figure

    def _evaluate(self, log: _Log | None, figure: float) -> None:
        """Photographs held out, by the average of the weights."""
        task, begun = self.task, self.clock()
        if log:
            figures = task.evaluate(self.ema.module, self.device)
            log.evaluated(self.step, self.spent, figure, figures)
            self.report(f"held out: {task.evaluation_line(figures)}")
        self.losses.clear()
        if task.wall_clock:
            self.spent = self.agreed(self.spent + (self.clock() - begun))


def _averaging(most: float) -> Callable[[list[torch.Tensor], list[torch.Tensor], torch.Tensor], None]:
    """Exponential moving average whose memory grows with the steps taken, up to ``most``: it forgets its start."""

    @torch.no_grad()
    def average(averages: list[torch.Tensor], values: list[torch.Tensor], count: torch.Tensor) -> None:
        decay = min(most, (1 + int(count)) / (10 + int(count)))
        torch._foreach_lerp_(averages, values, 1 - decay)

    return average


def _mixed_precision(precision: str, device: torch.device) -> str:
    if precision not in PRECISIONS:
        raise BadInput(f"{precision} is not known; choose {', '.join(PRECISIONS)}", field="precision")
    if precision == "auto":
        return "bf16" if device.type == "cuda" and torch.cuda.is_bf16_supported() else "no"
    return precision


def _check_same(state: dict[str, Any], task: Task, out: Path) -> None:
    """Refuse to go on with the training of something else."""
    scheme, options = state.get("scheme", task.scheme), state.get("options", {})
    if (scheme, options) != (task.scheme, task.options):
        raise BadInput(
            f"{out} holds a training of {_named(scheme, options)}, not of {_named(task.scheme, task.options)}; choose "
            "another folder"
        )


def _named(scheme: str, options: dict[str, str]) -> str:
    return " ".join([scheme, *(f"{key}={value}" for key, value in options.items())])
