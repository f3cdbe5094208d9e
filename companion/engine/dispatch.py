"""From missing rows to rows on disk: jobs are sent to the cluster, a bounded number at
a time, and what comes back is written."""

import collections
import contextlib
import itertools
import math
import pickle
import queue
import sys
import time
from concurrent.futures import CancelledError
from typing import NamedTuple

from companion.engine import cluster, progress, rowprocess, rows
from companion.engine.asked import FailedRow, FinishedRow

# Fewest and most jobs that are out for each thread of the cluster: the next one, and a
# dozen where jobs are short.
JOBS_PER_THREAD = (2, 16)
# Seconds of work that are out for each thread, where that is more jobs than the fewest.
WORK_PER_THREAD = 0.1
# Jobs whose seconds say how short they are.
JOBS_TIMED = 20
# Seconds until the cluster is asked again how many threads it has.
THREADS_HOLD = 2
# How often a job is sent again when the workers that held it or its data die, and a
# sweep begun when its scheduler goes away.
TRIES = 3


class Job(NamedTuple):
    """What a worker computes in one go: rows of one setting.

    Attributes:
        keys: of the rows; more than one only in a batched sweep.
        tries: how often it has been sent again.
    """

    keys: list
    tries: int = 0


def compute(asked, sweep, program):
    """Computes what is missing; each row is on disk before it counts as done.

    Args:
        asked: :class:`companion.engine.asked.AskedRows`, completed here.
        sweep: dict of what the rows have in common, written once into the store.
        program: :class:`companion.engine.rowprocess.Program`.

    Raises:
        ConnectionError: if the scheduler cannot be reached, or is lost several times.
        OSError: if rows cannot be written.
    """
    with progress.shown(asked) as show:
        for _ in range(TRIES):
            try:
                with rows.reservations(asked.folder) as reservations:
                    _compute(asked, sweep, program, reservations, show)
                return
            except ConnectionResetError as error:
                # The jobs that were out are lost with the scheduler: send them again.
                lost = error
        raise lost


def _compute(asked, sweep, program, reservations, show):
    """Computes what is missing, with one client on one scheduler."""
    client = cluster.client()
    waiting = collections.deque(_jobs(asked, program.batched))
    sent = _SentJobs(client)
    room = _Room(client)
    try:
        with _scheduler_errors():
            sender = _Sender(client, asked.tasks, program)
        while waiting or sent.jobs:
            with _scheduler_errors():
                next_jobs = _take(waiting, room.free(len(sent.jobs)))
                ours, others = _reserve(asked, next_jobs, reservations)
                waiting.extend(others)
                sent.add(sender.send(ours))
                answers = sent.answers()
            results, again = _sorted(answers)
            waiting.extend(again)
            room.note(results)
            asked.keep(sweep, _outcomes(results))
            for job, _ in results:
                for key in job.keys:
                    reservations.release(key)
            show()
    except BaseException:
        cluster.abandon(list(sent.jobs))
        raise


@contextlib.contextmanager
def _scheduler_errors():
    """Turns what Dask raises when a scheduler goes away into one kind of error."""
    from distributed.comm import CommClosedError

    try:
        yield
    # OSError has TimeoutError and a refused connection among its kinds.
    except (CommClosedError, CancelledError, OSError) as error:
        has_number = getattr(error, "errno", None) is not None
        if has_number and not isinstance(error, ConnectionError):
            # It is the store's own: a file that cannot be read.
            raise
        raise ConnectionResetError(
            "the Dask scheduler went away; the finished rows are safe, run again"
        ) from error


def _jobs(asked, batched):
    """The missing rows as jobs: one a row, or one a setting."""
    keys = asked.missing()
    if not batched:
        return [Job([key]) for key in keys]
    groups = itertools.groupby(keys, lambda key: id(asked.tasks[key].setting))
    return [Job(list(group)) for _, group in groups]


def _take(waiting, count):
    """Removes the next jobs from those that wait, up to ``count``."""
    return [waiting.popleft() for _ in range(min(len(waiting), count))]


def _reserve(asked, jobs, reservations):
    """Reserves the rows of jobs.

    Returns:
        ``(ours, others)``: the jobs as far as this process has reserved their rows, and
        as far as another process is at work on them. Rows that another process has
        brought to an end are in neither.
    """
    keys = itertools.chain.from_iterable(job.keys for job in jobs)
    reserved = {key for key in keys if reservations.reserve(key)}
    # A process writes its rows before it releases them: now they are known here.
    asked.refresh()
    ours = []
    others = []
    for job in jobs:
        to_compute = []
        to_wait_for = []
        for key in job.keys:
            if not asked.is_missing(key):
                if key in reserved:
                    reservations.release(key)
            elif key in reserved:
                to_compute.append(key)
            else:
                to_wait_for.append(key)
        if to_compute:
            ours.append(job._replace(keys=to_compute))
        if to_wait_for:
            others.append(job._replace(keys=to_wait_for))
    return ours, others


class _Sender:
    """Sends jobs to the workers; the program goes out once, and again if it is lost."""

    def __init__(self, client, tasks, program):
        self.client = client
        self.tasks = tasks
        self.program = program
        self.program_sent = None
        self.gpu_resources = cluster.gpu_resources()

    def send(self, jobs):
        """Yields each job with its future as soon as it is sent."""
        if not jobs:
            return
        self._send_program()
        by_device = {}
        for job in jobs:
            device = self.tasks[job.keys[0]].device
            by_device.setdefault(device, []).append(job)
        for device, group in by_device.items():
            yield from zip(group, self._send_to(device, group))

    def _send_program(self):
        """Gives the program to all workers, unless they have it."""
        if self.program_sent is not None and self.program_sent.status == "finished":
            return
        if not self.client.nthreads():
            address = self.client.scheduler.address
            print(f"waiting for the first worker of {address}", file=sys.stderr)
        self.client.wait_for_workers(1)
        (self.program_sent,) = self.client.scatter(
            [self.program], broadcast=True, hash=False
        )

    def _send_to(self, device, jobs):
        """The futures of jobs for one type of device."""
        seeds = [[self.tasks[key].seed for key in job.keys] for job in jobs]
        settings = [self.tasks[job.keys[0]].setting for job in jobs]
        return self.client.map(
            rowprocess.compute,
            seeds,
            settings,
            program=self.program_sent,
            device=device,
            pure=False,
            resources=self.gpu_resources if device == "cuda" else None,
        )


class _SentJobs:
    """The jobs that are out.

    No name may hold on to a future after its answer: the scheduler would have it
    computed again if the worker that holds its result died.

    Attributes:
        jobs: dict from future to :class:`Job`.
    """

    def __init__(self, client):
        self.client = client
        self.jobs = {}
        self.ended = queue.SimpleQueue()

    def add(self, sent):
        """Notes jobs and their futures."""
        for job, future in sent:
            self.jobs[future] = job
            future.add_done_callback(self.ended.put)

    def answers(self):
        """Waits a moment for jobs to end, and takes those that have.

        Returns:
            List of jobs with what came of each: ``Finished`` or ``Failed``; a
            ``KilledWorker`` where workers died of it; None where it was lost.

        Raises:
            CancelledError: the client has lost its scheduler.
        """
        futures = self._take_ended()
        if self.client.status != "running":
            raise CancelledError
        finished = [future for future in futures if future.status == "finished"]
        answers = []
        for future, content in zip(finished, self.client.gather(finished)):
            answers.append((self.jobs.pop(future), pickle.loads(content)))
        for future in set(futures).difference(finished):
            answers.append((self.jobs.pop(future), _error(future)))
        return answers

    def _take_ended(self):
        futures = []
        with contextlib.suppress(queue.Empty):
            futures.append(self.ended.get(timeout=0.1))
            while True:
                futures.append(self.ended.get_nowait())
        return futures


def _error(future):
    """The ``KilledWorker`` of a future, None if it has no error; another is raised."""
    from distributed import KilledWorker

    if future.status != "error":
        return None
    error = future.exception()
    if not isinstance(error, KilledWorker):
        raise error
    return error


def _sorted(answers):
    """What came of jobs, and what is to be done again.

    Returns:
        ``(results, again)``: pairs of a job and ``Finished`` or ``Failed``; and jobs,
        because one was lost, or one by one because a batch failed.
    """
    results = []
    again = []
    for job, answer in answers:
        if answer is None and job.tries < TRIES:
            again.append(job._replace(tries=job.tries + 1))
        elif answer is None or isinstance(answer, Exception):
            said = "the workers that held this row died, one after another"
            failed = rowprocess.Failed(f"ChildProcessError: {said}", str(answer))
            results.append((job, failed))
        elif _hides_a_seed(job, answer):
            again.extend(Job([key]) for key in job.keys)
        else:
            results.append((job, answer))
    return results, again


def _hides_a_seed(job, answer):
    """Whether a batch failed and does not say which of its seeds it was."""
    failed = isinstance(answer, rowprocess.Failed)
    return failed and len(job.keys) > 1 and answer.time_limit is None


def _outcomes(results):
    """The rows of results, by their keys."""
    outcomes = {}
    for job, result in results:
        if isinstance(result, rowprocess.Failed):
            row = FailedRow(result.error, result.traceback, result.time_limit)
            outcomes |= dict.fromkeys(job.keys, row)
            continue
        for key, values in zip(job.keys, result.rows):
            outcomes[key] = FinishedRow(values, result.seconds, result.machine)
    return outcomes


class _Room:
    """How many jobs may be out: more for each thread where jobs are short."""

    def __init__(self, client):
        self.client = client
        self.seconds = collections.deque(maxlen=JOBS_TIMED)
        self.threads = 0
        self.counted = -math.inf

    def free(self, out):
        """How many jobs may be sent now, where so many are out."""
        return max(0, self._jobs_per_thread() * self._threads() - out)

    def note(self, results):
        """Notes how long jobs took."""
        for job, result in results:
            if isinstance(result, rowprocess.Finished):
                self.seconds.append(len(job.keys) * result.seconds)

    def _jobs_per_thread(self):
        fewest, most = JOBS_PER_THREAD
        if not self.seconds:
            return fewest
        mean = sum(self.seconds) / len(self.seconds)
        jobs = math.ceil(WORK_PER_THREAD / max(mean, 1e-9))
        return max(fewest, min(most, jobs))

    def _threads(self):
        """Threads of the cluster, which may grow and shrink."""
        now = time.monotonic()
        if now - self.counted > THREADS_HOLD:
            self.threads = max(1, sum(self.client.nthreads().values()))
            self.counted = now
        return self.threads
