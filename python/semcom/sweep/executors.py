# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a sweep's work is done: in this process, in worker processes of this machine, or on a Dask cluster."""

from __future__ import annotations

import logging
import signal
import threading
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import BadInput, Missing
from ..zoo import onnx
from .tasks import Condition, Encoding, Figures, encode, measure

if TYPE_CHECKING:
    import distributed

TIMEOUT = 10  # seconds for a scheduler to answer
# Dask's own environment also has glibc hand every freed image back to the kernel, to be zeroed page by page when the
# next one is made; and its profiler looks at the workers' stacks 100 times a second
WORKER_SETTINGS = {
    "distributed.nanny.pre-spawn-environ": dict.fromkeys(
        ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"
    ),
    "distributed.worker.profile.enabled": False,
}


@dataclass(frozen=True)
class Task:
    """One image under one condition.

    Attributes
    ----------
    key : str
        Names everything that its result depends on.
    condition : Condition
        The channel, and what is known of it.
    """

    key: str
    condition: Condition


@dataclass(frozen=True)
class Group:
    """All that is measured of one encoded image.

    Attributes
    ----------
    image : str
        Its name.
    rate : str or None
        k/n as text; None for the scheme's own.
    load : callable
        Reads the image, uint8 [H, W, 3]; it is called in the process that runs the sweep.
    encoding : Encoding
        How the image is encoded.
    metrics : tuple of str
        Of ``METRICS``.
    tasks : tuple of Task
        The conditions.
    """

    image: str
    rate: str | None
    load: Callable[[], np.ndarray]
    encoding: Encoding
    metrics: tuple[str, ...]
    tasks: tuple[Task, ...]


Result = tuple[Group, Task, Figures | Exception]
Executor = Callable[[Iterable[Group]], Iterator[Result]]
"""Works on groups; yields each task's figures, in any order, or why there are none."""


def in_process(groups: Iterable[Group]) -> Iterator[Result]:
    """One task after the other in this process; no Dask needed."""
    for group in groups:
        try:
            encoded = encode(group.encoding, group.load(), Path(group.image).stem)
        except Exception as error:  # one image's trouble, of whatever kind, must not end the sweep
            yield from ((group, task, error) for task in group.tasks)
            continue
        for task in group.tasks:
            try:
                figures: Figures | Exception = measure(group.encoding, encoded, task.condition, group.metrics)
            except Exception as error:
                figures = error
            yield group, task, figures


@contextmanager
def dask_workers(count: int) -> Iterator[Executor]:
    """Worker processes on this machine, one thread each.

    Parameters
    ----------
    count : int
        How many, at least 1.

    Yields
    ------
    Executor
        Works as long as the context lasts.

    Raises
    ------
    BadInput
        A count below 1.
    Missing
        Dask is not installed.
    """
    if count < 1:
        raise BadInput(
            f"{count} makes no sense; give 1 or more, or 0 to work without worker processes", field="workers"
        )
    distributed = _distributed()
    import dask

    with dask.config.set(WORKER_SETTINGS), _sigint_is_ours():
        cluster = distributed.LocalCluster(
            n_workers=count,
            threads_per_worker=1,
            processes=True,
            # no dashboard; its server is there nevertheless, at any port: the usual one is another sweep's
            dashboard_address="127.0.0.1:0",
            scheduler_kwargs={"dashboard": False},
            # the workers hold a few images each; a limit guessed from the machine's memory only makes them pause
            memory_limit=0,
            silence_logs=logging.CRITICAL,
        )
    with cluster, distributed.Client(cluster, set_as_default=False) as client:
        yield lambda groups: _on_dask(client, groups)


@contextmanager
def dask_cluster(address: str) -> Iterator[Executor]:
    """The workers of a running Dask scheduler; they need this version of gr-semcom and its weights.

    Parameters
    ----------
    address : str
        Of the scheduler, "tcp://host:8786".

    Yields
    ------
    Executor
        Works as long as the context lasts.

    Raises
    ------
    BadInput
        Nobody answers at the address, or the cluster has no workers.
    Missing
        Dask is not installed.
    """
    distributed = _distributed()
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    try:
        client = distributed.Client(address, timeout=TIMEOUT, set_as_default=False)
    except (OSError, ValueError, TimeoutError):
        raise BadInput(
            f"{address}: no Dask scheduler answers there; name one such as tcp://host:8786", field="cluster"
        ) from None
    with client:
        if not client.scheduler_info()["workers"]:
            raise BadInput(f"the Dask scheduler at {address} has no workers; start some with `dask worker {address}`")
        yield lambda groups: _on_dask(client, groups)


def _distributed() -> Any:
    try:
        import distributed
    except ImportError as error:
        raise Missing(
            f"a sweep over worker processes needs {error.name or 'distributed'}; install it with "
            "pip install '.[sweep]', or work without worker processes"
        ) from None
    return distributed


@contextmanager
def _sigint_is_ours() -> Iterator[None]:
    """Ctrl-C goes to every process of the terminal; workers started here inherit that it is none of theirs."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _alone(function: Callable[..., Any], *args: Any) -> Any:
    """Run a task with one thread: as many workers as cores share the machine."""
    onnx.limit_threads(1)
    return function(*args)


def _on_dask(client: distributed.Client, groups: Iterable[Group]) -> Iterator[Result]:
    from distributed import as_completed

    workers = max(1, len(client.scheduler_info()["workers"]))
    waiting = iter(groups)
    pending: dict[Any, tuple[Group, Task]] = {}
    completed = as_completed(loop=client.loop)
    failed: list[Result] = []

    def feed() -> None:
        # an image for each worker and one to spare, so that an encoding seldom has to move to another worker
        while len(pending) < 4 * workers or len({id(group) for group, _ in pending.values()}) <= workers:
            group = next(waiting, None)
            if group is None:
                return
            try:
                image = group.load()
            except Exception as error:
                failed.extend((group, task, error) for task in group.tasks)
                continue
            encoded = client.submit(_alone, encode, group.encoding, image, Path(group.image).stem, pure=False)
            for task in group.tasks:
                future = client.submit(
                    _alone, measure, group.encoding, encoded, task.condition, group.metrics, pure=False
                )
                pending[future] = (group, task)
                completed.add(future)

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Sending large graph")
        feed()
        yield from _drained(failed)
        for future in completed:
            group, task = pending.pop(future)
            error = future.exception()
            yield group, task, future.result() if error is None else error
            future.release()
            feed()
            yield from _drained(failed)


def _drained(results: list[Result]) -> Iterator[Result]:
    while results:
        yield results.pop()
