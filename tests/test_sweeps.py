"""Sweeps on real processes on loopback: what is killed, cut off, full or changed, and what the rows say then."""

import ctypes
import errno
import functools
import io
import json
import math
import os
import shutil
import signal
import subprocess
import sys
import textwrap
import threading
import time
import types
from pathlib import Path

import cloudpickle
import dask
import distributed
import numpy
import pandas
import pytest
import scipy.stats
import torch

import kdlib
from companion import sweeps
from companion.engine import asked, cluster, codekeys, dispatch, identity, rows
from companion.press import provenance
from kdlib import intervals
from processes import PATIENCE, alive, descendants, hears_interrupts, python, until


@pytest.fixture(scope="module", autouse=True)
def _no_cluster_left():
    yield
    cluster.close()


@pytest.fixture
def log(tmp_path):
    return str(tmp_path / "calls")


def calls(log):
    """The seeds that rows were begun for, in order."""
    return [int(line) for line in Path(log).read_text().split()] if Path(log).exists() else []


def stored(folder):
    """Finished rows on disk as {seed: values}."""
    return {record["seed"]: record["values"] for record in rows.read(folder)[0] if "values" in record}


def noted(seed, log, pause=0.0):
    with open(log, "a") as file:
        file.write(f"{seed}\n")
    time.sleep(pause)
    return {"square": seed**2}


def mixed(seed):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(96, 96, generator=generator)
    return {"loss": (x @ x.T).logsumexp(0).mean(), "curve": [0.1, 1 / 3, -0.0], "nan": math.nan, "inf": -math.inf,
            "text": "a\nb", "weights": x @ x, "half": numpy.float32(0.1), "nothing": None, "yes": True}


def test_rows_come_back_exactly_and_are_computed_once(tmp_path, log):
    first = sweeps.run_sweep(mixed, [{}], store=tmp_path / "s", seeds=3)
    again = sweeps.run_sweep(mixed, [{}], store=tmp_path / "s", seeds=3)
    pandas.testing.assert_frame_equal(first, again)
    assert list(first.columns) == ["seed", *mixed(0), "seconds"]
    torch.set_num_threads(1)
    expected = mixed(1)
    row = first.iloc[1]
    assert row.loss == expected["loss"].item() and row.half == float(numpy.float32(0.1))
    assert row.curve == [0.1, 1 / 3, -0.0] and math.copysign(1, row.curve[2]) == -1
    assert math.isnan(row.nan) and row.inf == -math.inf and row.text == "a\nb" and row.nothing is None and row.yes
    assert row.weights.dtype == numpy.float32 and (row.weights == expected["weights"].numpy()).all()
    frame = sweeps.run_sweep(noted, sweeps.grid(log=[log], pause=[0.0, 0.01]), store=tmp_path / "s", seeds=[5, 3])
    assert [*zip(frame.pause, frame.seed)] == [(0.0, 5), (0.0, 3), (0.01, 5), (0.01, 3)]
    sweeps.run_sweep(noted, sweeps.grid(log=[log], pause=[0.0, 0.01]), store=tmp_path / "s", seeds=[3, 5, 7])
    assert sorted(calls(log)) == [3, 3, 5, 5, 7, 7]


def test_seconds_of_rows_found_are_told_once_and_those_of_rows_made_now_never(tmp_path, log, monkeypatch):
    first = sweeps.run_sweep(noted, [{"log": log}], store=tmp_path / "rows", seeds=2)
    monkeypatch.setenv("KDLIB_SWEEPS", str(tmp_path / "reused"))
    for _ in range(2):  # the second time all three are found, and the last was made in this run
        sweeps.run_sweep(noted, [{"log": log}], store=tmp_path / "rows", seeds=3)
    assert provenance.from_sweeps(tmp_path / "reused")["rows_seconds"] == pytest.approx(first["seconds"].sum(), rel=1e-12)
    assert provenance.from_sweeps(tmp_path / "nothing")["rows_seconds"] == 0


def stacked(seeds, n):
    generators = [torch.Generator().manual_seed(seed) for seed in seeds]
    x = torch.stack([torch.randn(n, n, generator=generator, dtype=torch.float64) for generator in generators])
    if 3 in seeds:
        raise ArithmeticError("seed 3")
    return [{"norm": norm} for norm in torch.linalg.matrix_norm(x @ x)]


def single(seed, n):
    return stacked([seed], n)[0]


def test_a_module_goes_by_value_only_with_the_function_that_needs_it():
    before = cloudpickle.list_registry_pickle_by_value()
    assert identity.pickled(single, ["processes"]) and cloudpickle.list_registry_pickle_by_value() == before


def test_batched_seeds_give_one_row_each(tmp_path, capsys, monkeypatch):
    settings = sweeps.grid(n=[4, 8])
    one_by_one = sweeps.run_sweep(single, settings, store=tmp_path, seeds=3)
    batched = sweeps.run_sweep(stacked, settings, store=tmp_path, seeds=3, batched=True)
    assert list(batched.columns) == ["n", "seed", "norm", "seconds"] and list(batched.seed) == [0, 1, 2] * 2
    numpy.testing.assert_allclose(batched.norm, one_by_one.norm, rtol=1e-13)  # float64 sums of 8 terms, other orders
    monkeypatch.setenv("KDLIB_SWEEPS", str(tmp_path / "told"))
    more = sweeps.run_sweep(stacked, settings, store=tmp_path, seeds=5, batched=True)  # 3 raises, 4 does not
    told = json.loads((tmp_path / "told").read_text())["failed"]
    assert [(row["setting"], row["seed"]) for row in told] == [({"n": "4"}, 3), ({"n": "8"}, 3)]
    assert list(more.seed) == [0, 1, 2, 4] * 2 and [row["seed"] for row in more.attrs["failed"]] == [3, 3]
    assert list(more.norm[more.seed < 3]) == list(batched.norm)


def with_data(seed, data):
    return {"sum": data["x"].sum() + seed, "kinds": [type(value).__name__ for value in data.values()],
            "dtype": str(torch.ones(1).dtype), "threads": torch.get_num_threads(), "device": torch.cuda.is_available()}


def test_data_is_part_of_the_key_and_arrives_as_it_was(tmp_path):
    data = {"x": torch.arange(6.0).reshape(2, 3).T, "labels": numpy.arange(3)}
    frame = sweeps.run_sweep(with_data, [{}], store=tmp_path, seeds=2, data=data)
    assert list(frame["sum"]) == [15, 16] and frame.kinds[0] == ["Tensor", "ndarray"]
    assert frame["dtype"][0] == "torch.float32"
    assert frame.threads[0] == 1 and not frame.device[0]
    data["x"] = data["x"] + 1
    assert list(sweeps.run_sweep(with_data, [{}], store=tmp_path, seeds=2, data=data)["sum"]) == [21, 22]
    torch.set_default_dtype(torch.float64)
    try:
        frame = sweeps.run_sweep(with_data, [{}], store=tmp_path, seeds=2, data=data)
    finally:
        torch.set_default_dtype(torch.float32)
    assert frame["dtype"][0] == "torch.float64"


def says_nothing_of_tensors(seed, data):
    return {"sum": float(data["x"].sum()), "kind": type(data["x"]).__name__}


def test_tensors_arrive_in_a_process_whose_run_does_not_name_torch(tmp_path, monkeypatch):
    monkeypatch.setattr(codekeys, "source_stamp", lambda: "another source: a new process, without torch")
    data = {"x": torch.arange(4.0)}
    frame = sweeps.run_sweep(says_nothing_of_tensors, [{}], store=tmp_path, seeds=1, data=data)
    assert frame["sum"][0] == 6 and frame["kind"][0] == "Tensor"


def test_asked_rows_are_missing_until_they_end_and_a_finished_row_outranks_a_failed_one(tmp_path):
    tasks = {f"{seed:032x}": asked.Task({"n": (1, 2)}, seed, "cpu") for seed in range(3)}
    first, second, third = tasks
    here, there = asked.AskedRows(tmp_path, tasks), asked.AskedRows(tmp_path, tasks)
    assert here.missing() == [first, second, third]
    sweep = {"sweep": "s", "code": "c"}
    here.keep(sweep, {first: asked.FailedRow("no", "where"), second: asked.FinishedRow({"y": 1}, 0.5, "m")})
    assert here.missing() == [third] and here.failed[first].error == "no"
    there.refresh()
    there.keep(sweep, {first: asked.FinishedRow({"y": 2}, 0.5, "m")})
    here.keep(sweep, {second: asked.FailedRow("too late", "")})
    assert here.finished[first].values == {"y": 2} and here.finished[second].values == {"y": 1} and not here.failed
    written = [json.loads(line) for line in (tmp_path / "rows.jsonl").read_text().splitlines()]
    assert [record.get("key") for record in written] == [None, first, second, first, second]  # the sweep's line is once
    assert written[1]["setting"] == {"n": [1, 2]}


def test_all_rows_of_all_jobs_are_reserved_but_those_that_ended_or_are_at_work_elsewhere(tmp_path):
    tasks = {f"{seed:032x}": asked.Task({}, seed, "cpu") for seed in range(5)}
    ended, first, second, third, elsewhere = tasks
    here = asked.AskedRows(tmp_path, tasks)
    here.keep({"sweep": "s", "code": "c"}, {ended: asked.FinishedRow({"y": 1}, 0.5, "m")})
    released = []
    reservations = types.SimpleNamespace(reserve=lambda key: key != elsewhere, release=released.append)
    jobs = [dispatch.Job(keys) for keys in ([ended], [first, second], [third, elsewhere])]
    ours, others = dispatch._reserve(here, jobs, reservations)
    assert [job.keys for job in ours] == [[first, second], [third]]
    assert [job.keys for job in others] == [[elsewhere]] and released == [ended]


def test_one_process_reserves_a_row_at_a_time(tmp_path):
    code = "import sys\nfrom companion.engine import rows\n"
    code += "with rows.reservations(sys.argv[1]) as reservations: print(reservations.reserve('a0'))"

    def other():
        return python("-c", code, str(tmp_path)).communicate(timeout=PATIENCE)[0].strip()

    with rows.reservations(tmp_path) as reservations:
        assert reservations.reserve("a0") and other() == "False"
        reservations.release("a0")
        assert other() == "True"
        assert reservations.reserve("a0")
    assert other() == "True"


def draws(seed):
    return {"torch": torch.rand(1).item(), "numpy": numpy.random.rand()}


def test_global_random_state_does_not_depend_on_the_rows_before(tmp_path):
    forward = sweeps.run_sweep(draws, [{}], store=tmp_path / "a", seeds=[0, 1, 2])
    backward = sweeps.run_sweep(draws, [{}], store=tmp_path / "b", seeds=[2, 1, 0])
    for name in ("torch", "numpy"):
        assert list(forward[name]) == list(backward[name])[::-1] and forward[name].nunique() == 3


def test_dask_commands_give_the_same_rows_bit_for_bit(tmp_path, monkeypatch):
    here = sweeps.run_sweep(mixed, [{}], store=tmp_path / "here", seeds=4)
    address, pem = tmp_path / "scheduler.json", str(tmp_path / "cluster.pem")
    security = distributed.Security.temporary()
    Path(pem).write_text(security.tls_client_key + security.tls_client_cert)
    tls = ["--tls-ca-file", pem, "--tls-cert", pem]  # as the README has it: one file, its own authority
    command = [str(Path(sys.executable).with_name("dask"))]
    loopback = ["--host", "127.0.0.1", "--no-dashboard", "--dashboard-address", "127.0.0.1:0", *tls]
    started = [python(*command, "scheduler", *loopback, "--port", "0", "--scheduler-file", str(address),
                      stderr=subprocess.DEVNULL)]
    try:
        until(lambda: address.exists() and address.read_text().endswith("}"), "the scheduler")
        monkeypatch.setenv("DASK_SCHEDULER_ADDRESS", json.loads(address.read_text())["address"])
        for name in ("one", "two"):
            started.append(python(*command, "worker", os.environ["DASK_SCHEDULER_ADDRESS"], *loopback, "--nthreads", "1",
                                  "--name", name, "--local-directory", str(tmp_path), stderr=subprocess.DEVNULL))
        with dask.config.set({"distributed.comm.tls.ca-file": pem, "distributed.comm.tls.client.cert": pem}):
            cluster.client().wait_for_workers(2, timeout=PATIENCE)
            there = sweeps.run_sweep(mixed, [{}], store=tmp_path / "there", seeds=4)
    finally:
        cluster.close()
        for process in reversed(started):
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=PATIENCE)
    pandas.testing.assert_frame_equal(here.drop(columns="seconds"), there.drop(columns="seconds"), check_exact=True)
    assert stored(tmp_path / "here") == stored(tmp_path / "there")  # arrays are named by their content
    here, there = ({r["seed"]: r["key"] for r in rows.read(tmp_path / s)[0] if "key" in r} for s in ("here", "there"))
    assert here == there


@pytest.mark.parametrize("victims", ["one worker", "all workers", "a row", "the scheduler"])
def test_a_kill_in_mid_sweep_costs_only_what_was_in_flight(tmp_path, log, monkeypatch, victims):
    workers = [*cluster.client().run(os.getpid).values()]
    scheduler, safe, in_flight = cluster._open.local.process.pid, {}, 2 * len(workers)
    monkeypatch.setattr(dispatch, "JOBS_PER_THREAD", (2, 2))

    def kill():
        until(lambda: len(stored(tmp_path / "s")) >= 4, "four rows on disk")
        safe["rows"] = set(stored(tmp_path / "s"))
        # The scheduler hears in turn which rows have come home and which are new: one that was sent out since tells that
        # it knows of all these.
        until(lambda: len(stored(tmp_path / "s")) > len(safe["rows"]) + in_flight, "a row that was sent out since")
        pids = {"one worker": workers[:1], "all workers": workers, "a row": descendants(workers[0])[:1],
                "the scheduler": [scheduler]}[victims]
        safe["calls"] = len(calls(log))
        for pid in pids:
            os.kill(pid, signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    frame = sweeps.run_sweep(noted, [{"log": log, "pause": 0.03}], store=tmp_path / "s", seeds=40)
    killer.join()
    begun = calls(log)
    assert list(frame.seed) == list(range(40)) and not frame.attrs["failed"]
    assert (frame.square == frame.seed**2).all() and set(begun) == set(range(40))
    assert not safe["rows"] & set(begun[safe["calls"]:])
    if victims == "the scheduler":
        assert cluster._open.local.process.pid != scheduler, "a new local cluster takes over"
    assert len(begun) - 40 <= (1 if victims == "a row" else in_flight)


def run_script(tmp_path, log):
    """A script without a main guard: 30 rows of 50 ms, of which the last ten hang while there is a file ``hang``."""
    script = tmp_path / "script.py"
    script.write_text(textwrap.dedent(f"""
        import os, time
        from companion import sweeps
        def run(seed):
            with open({log!r}, "a") as file:
                file.write(f"{{seed}}\\n")
            time.sleep(1000 if seed >= 20 and os.path.exists({str(tmp_path / "hang")!r}) else 0.05)
            return {{"square": seed ** 2}}
        frame = sweeps.run_sweep(run, [{{}}], store={str(tmp_path / "s")!r}, seeds=30)
        print(len(frame), frame.square.sum())
    """))
    return python(str(script), start_new_session=True, stderr=subprocess.DEVNULL, preexec_fn=hears_interrupts)


def test_a_killed_run_leaves_no_process_and_its_next_start_computes_what_is_missing(tmp_path, log):
    (tmp_path / "hang").touch()  # so that no run ends before it is killed
    for number, kill, ready in (
        (signal.SIGINT, os.killpg, lambda started: len(stored(tmp_path / "s")) >= 5),  # Ctrl-C reaches the whole group
        (signal.SIGKILL, os.kill, lambda started: max(started, default=0) >= 20),
    ):
        begun = len(calls(log))
        running = run_script(tmp_path, log)
        until(lambda ready=ready, begun=begun: ready(calls(log)[begun:]), "rows on disk, or one that hangs")
        family = descendants(running.pid)
        assert len(family) >= 3
        kill(running.pid, number)
        running.communicate(timeout=PATIENCE)
        until(lambda family=family: not any(map(alive, family)), "the end of cluster, workers and rows")
    (tmp_path / "hang").unlink()
    safe, begun = stored(tmp_path / "s"), len(calls(log))
    assert not any("error" in record for record in rows.read(tmp_path / "s")[0])
    output, _ = run_script(tmp_path, log).communicate(timeout=PATIENCE)
    assert output.split() == ["30", str(sum(seed**2 for seed in range(30)))]
    assert sorted(calls(log)[begun:]) == sorted(set(range(30)) - set(safe))


def test_two_processes_on_one_store_share_the_work(tmp_path, log):
    both = [run_script(tmp_path, log) for _ in range(2)]
    outputs = [process.communicate(timeout=PATIENCE)[0] for process in both]
    assert outputs[0] == outputs[1] and outputs[0].startswith("30 ")
    assert sorted(calls(log)) == list(range(30))
    lines = (tmp_path / "s" / "rows.jsonl").read_text().splitlines()
    assert len([json.loads(line)["key"] for line in lines if "key" in json.loads(line)]) == 30


def test_a_full_disk_is_one_error_and_leaves_the_finished_rows_alone(tmp_path, log, monkeypatch):
    folder, room = tmp_path / "s", [1500]

    def write_while_there_is_room(handle, content):
        room[0] -= len(content)
        if room[0] < 0:
            os.write(handle, content[:len(content) // 2])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return os.write(handle, content)

    setting = [{"log": log, "pause": 0.02}]
    with monkeypatch.context() as patch:
        patch.setattr(rows, "os", types.SimpleNamespace(**{**vars(os), "write": write_while_there_is_room}))
        with pytest.raises(OSError, match="No space left on device: cannot write rows; the finished ones are") as error:
            sweeps.run_sweep(noted, setting, store=folder, seeds=20)
    assert error.value.errno == errno.ENOSPC and error.value.__suppress_context__
    safe = stored(folder)
    assert 0 < len(safe) < 20 and (folder / "rows.jsonl").read_bytes().endswith(b"\n")
    begun = len(calls(log))
    assert len(sweeps.run_sweep(noted, setting, store=folder, seeds=20)) == 20
    assert sorted(calls(log)[begun:]) == sorted(set(range(20)) - set(safe))


def test_a_row_cut_off_in_the_middle_is_computed_again_and_no_other(tmp_path, log):
    path = tmp_path / "s" / "rows.jsonl"
    expected = sweeps.run_sweep(noted, [{"log": log}], store=tmp_path / "s", seeds=4)
    os.truncate(path, path.stat().st_size - 20)
    with open(path, "rb") as file:
        lost = json.loads(file.read().rpartition(b"\n")[2] .split(b', "setting"')[0] + b"}")["seed"]
    frame = sweeps.run_sweep(noted, [{"log": log}], store=tmp_path / "s", seeds=4)
    assert calls(log)[4:] == [lost] and list(frame.square) == list(expected.square)
    assert [json.loads(line).get("seed") for line in path.read_text().splitlines()].count(lost) == 1


def test_a_row_whose_array_is_gone_is_computed_again(tmp_path):
    expected = sweeps.run_sweep(mixed, [{}], store=tmp_path, seeds=2)
    next((tmp_path / "arrays").glob("*.npy")).unlink()
    again = sweeps.run_sweep(mixed, [{}], store=tmp_path, seeds=2)
    assert all((a == b).all() for a, b in zip(expected.weights, again.weights))
    assert (again.seconds != expected.seconds).sum() == 1


def troubled(seed, kind, log):
    with open(log, "a") as file:
        file.write(f"{seed}\n")
    if seed == 1 and kind == "raises":
        raise ZeroDivisionError("no such student")
    if seed == 1 and kind == "hangs":
        ctypes.PyDLL(None).sleep(30)  # in C, with the interpreter's lock: no signal handler would ever run
    if seed == 1 and kind == "crashes":
        os.kill(os.getpid(), signal.SIGSEGV)
    return {"y": math.nan if seed == 1 else float(seed)}


@pytest.mark.parametrize("kind, tries, message, where", [
    ("raises", 1, "ZeroDivisionError: no such student", "in troubled"),
    ("hangs", 1, "over the time limit of 3 s", "in troubled"),
    ("crashes", 2, "killed by signal 11", "in troubled"),
    ("returns NaN", 1, None, None),
])
def test_a_failed_row_is_kept_and_retried_on_request(tmp_path, log, capsys, monkeypatch, kind, tries, message, where):
    def sweep(**options):
        settings = [{"kind": kind, "log": log}]
        return sweeps.run_sweep(troubled, settings, store=tmp_path / "s", seeds=3, time_limit=3, **options)

    frame = sweep()
    band = intervals.mean_band(frame, "kind", "y").iloc[0]
    assert (band.k, band.K, band.seeds) == (2, 3, "2 of 3")
    assert calls(log).count(1) == tries and calls(log).count(0) == calls(log).count(2) == 1
    if kind == "returns NaN":
        assert list(frame.y.isna()) == [False, True, False] and frame.attrs["failed"] == [] and math.isnan(band["mean"])
        return
    failure, = frame.attrs["failed"]
    assert failure["seed"] == 1 and failure["setting"]["kind"] == kind
    assert message in failure["error"] and where in failure["traceback"]
    assert list(frame.seed) == [0, 2] and band["mean"] == 1
    *_, told, advice = capsys.readouterr().out.splitlines()
    assert told.startswith("row failed: seed=1, kind=") and message in told
    assert advice.startswith("KDLIB_RETRY=1 computes failed rows again")
    assert ("a larger KDLIB_TIME_LIMIT" in advice) == (kind == "hangs")
    assert where in (tmp_path / advice.rpartition("tracebacks: ")[2]).read_text()
    assert len(sweep().attrs["failed"]) == 1 and calls(log).count(1) == tries  # not tried again by itself
    if kind == "raises":
        assert len(sweep(retry_failed=True).attrs["failed"]) == 1
        monkeypatch.setenv("KDLIB_RETRY", "1")
        assert len(sweep().attrs["failed"]) == 1
        assert calls(log).count(1) == 3 and calls(log).count(0) == 1


def broken(seed):
    return {"y": undefined_name}  # noqa: F821


def test_a_sweep_without_any_row_raises_one_line_that_says_where_the_tracebacks_are(tmp_path):
    with pytest.raises(RuntimeError) as error:
        sweeps.run_sweep(broken, [{}], store=tmp_path, seeds=2)
    line = str(error.value)
    assert line.startswith("all 2 rows failed; the first, seed=0: NameError: name 'undefined_name' is not defined;")
    assert "\n" not in line and "KDLIB_RETRY=1 computes failed rows again" in line
    tracebacks = Path(line.partition("tracebacks: ")[2].partition(";")[0]).read_text()
    assert tracebacks.count("in broken") == 2 and "seed=1: NameError" in tracebacks


def sometimes(seed, switch):
    if Path(switch).exists():
        raise ValueError("several lines\nof words")
    return {"y": seed}


def test_a_sweep_that_fails_no_more_leaves_no_tracebacks(tmp_path):
    switch = tmp_path / "switch"
    switch.touch()
    with pytest.raises(RuntimeError, match="switch: ValueError: .*; tracebacks: ") as error:
        sweeps.run_sweep(sometimes, [{"switch": str(switch)}], store=tmp_path / "s", seeds=1)
    assert "\n" not in str(error.value) and len([*(tmp_path / "s").glob("failed-*.txt")]) == 1
    switch.unlink()
    sweeps.run_sweep(sometimes, [{"switch": str(switch)}], store=tmp_path / "s", seeds=1, retry_failed=True)
    assert not [*(tmp_path / "s").glob("failed-*.txt")]


@pytest.mark.parametrize("now", [None, 0.5, 1.0, 2.5, math.nextafter(2.5, 3), 1e9])
@pytest.mark.parametrize("then", [None, "unknown", 1.0, 2.5])
def test_a_row_that_a_limit_stopped_counts_as_failed_only_while_no_more_time_is_given(tmp_path, then, now):
    key = "0" * 32
    error = "TimeoutError: over the time limit of 7 s, stopped" if then else "ValueError: over the time limit"
    record = {"key": key, "sweep": "s", "error": error, "traceback": "where", "time_limit": then}
    if then == "unknown":  # a record of the time before there was the field
        del record["time_limit"]
    rows.append(tmp_path, [record])
    wanted = then is not None and (now is None or then == "unknown" or now > then)
    found = asked.AskedRows(tmp_path, {key: asked.Task({}, 0, "cpu")}, now)
    assert found.missing() == [key] * wanted
    found.keep({"sweep": "s"}, {key: asked.FailedRow("E: no", "where", now)})
    assert found.missing() == [], "a row that fails under this limit is not tried for ever"


def test_the_last_word_on_a_failed_row_counts(tmp_path):
    tasks = {"0" * 32: asked.Task({}, 0, "cpu")}
    here = asked.AskedRows(tmp_path, tasks)
    other = asked.AskedRows(tmp_path, tasks, 1.0)
    other.keep({"sweep": "s"}, {"0" * 32: asked.FailedRow("E: by itself", "where")})
    here.refresh()
    assert not here.missing()
    other.keep({"sweep": "s"}, {"0" * 32: asked.FailedRow("E: by the other's limit", "where", 1.0)})
    here.refresh()
    assert here.missing() and not other.missing()


def slow(seed):
    time.sleep(0.2)
    return {"y": seed}


def test_more_time_or_no_limit_computes_what_a_limit_stopped(tmp_path, monkeypatch):
    def sweep():
        return sweeps.run_sweep(slow, [{}], store=tmp_path, seeds=[1])

    for limit, stopped in (("0.05", 1), ("0.05", 1), ("0.04", 1), ("0.06", 2)):
        monkeypatch.setenv("KDLIB_TIME_LIMIT", limit)
        with pytest.raises(RuntimeError, match="over the time limit of 0.0[56] s.* a larger KDLIB_TIME_LIMIT"):
            sweep()
        assert [record.get("time_limit") for record in rows.read(tmp_path)[0][1:]] == [0.05, 0.06][:stopped]
    monkeypatch.delenv("KDLIB_TIME_LIMIT")
    assert list(sweep().y) == [1]


def slow_batch(seeds):
    time.sleep(0.2 * len(seeds))
    return [{"y": seed} for seed in seeds]


def test_a_time_limit_is_that_of_a_row_and_not_of_its_batch_and_may_be_any_number(tmp_path):
    frame = sweeps.run_sweep(slow_batch, [{}], store=tmp_path / "a", seeds=4, batched=True, time_limit=0.6)
    assert list(frame.y) == [0, 1, 2, 3]
    frame = sweeps.run_sweep(slow_batch, [{}], store=tmp_path / "b", seeds=1, batched=True, time_limit=1e300)
    assert list(frame.y) == [0]


def test_a_job_that_is_lost_is_sent_again_a_bounded_number_of_times():
    job, sent = dispatch.Job(["key"]), 1
    while True:
        results, again = dispatch._sorted([(job, None)])
        if results:
            break
        assert again == [dispatch.Job(["key"], sent)]
        (job,) = again
        sent += 1
    assert sent == 1 + dispatch.TRIES and results[0][1].error.startswith("ChildProcessError: the workers that held")


def test_a_store_whose_file_was_replaced_by_a_shorter_one_is_read_from_its_start(tmp_path):
    rows.append(tmp_path, [{"key": "first", "values": {}}, {"key": "second", "values": {}}])
    _, end = rows.read(tmp_path)
    (tmp_path / "rows.jsonl").unlink()
    rows.append(tmp_path, [{"key": "new", "values": {}}])
    records, end = rows.read(tmp_path, end)
    assert [record["key"] for record in records] == ["new"] and rows.read(tmp_path, end) == ([], end)


def test_a_changed_formula_is_computed_again_and_a_changed_docstring_is_not(tmp_path, log):
    package = tmp_path / "lib" / "kdlib"
    shutil.copytree(Path(kdlib.__file__).parent, package, ignore=shutil.ignore_patterns("__pycache__"))
    (package / "outer.py").write_text("from kdlib import formula\ndef value(x):\n    return formula.value(x)\n")
    (tmp_path / "script.py").write_text(textwrap.dedent(f"""
        from pathlib import Path
        from companion import sweeps
        from kdlib import outer
        def run(seed):
            with open({log!r}, "a") as file:
                file.write(f"{{seed}}\\n")
            return {{"y": outer.value(seed + 1)}}
        for text in ("return 2 * x", '"A docstring."\\n    # a comment\\n\\n    return (2 * x)', "return 3 * x"):
            Path({str(package)!r}, "formula.py").write_text("def value(x):\\n    " + text + "\\n")
            print(list(sweeps.run_sweep(run, [{{}}], store={str(tmp_path / "s")!r}, seeds=2).y))
    """))
    (package / "formula.py").write_text("def value(x):\n    raise NotImplementedError\n")
    process = python(str(tmp_path / "script.py"), env={"PYTHONPATH": str(package.parent)})
    output, _ = process.communicate(timeout=PATIENCE)
    assert output.splitlines() == ["[2, 4]", "[2, 4]", "[3, 6]"]
    assert sorted(calls(log)) == [0, 0, 1, 1]


FACTOR = 2.0


def helper(x):
    return FACTOR * x


def calls_helper(seed):
    return {"y": helper(seed)}


def test_the_key_follows_what_run_reads(monkeypatch):
    def key(run):
        found = codekeys.code_of(run)
        return found.digest, codekeys.digest(found.constants)

    def define(text, **names):
        scope = {"helper": helper, "__name__": "typed", "torch": torch, "functools": functools, **names}
        exec(text, scope)
        return scope["run"]

    monkeypatch.setitem(sys.modules, "typed", types.ModuleType("typed"))
    sys.modules["typed"].__file__ = "/nowhere/typed.py"
    code, constants = key(calls_helper)
    assert key(calls_helper) == (code, constants)
    monkeypatch.setitem(globals(), "FACTOR", 3.0)
    assert key(calls_helper)[0] == code and key(calls_helper)[1] != constants
    monkeypatch.setitem(globals(), "helper", lambda x: FACTOR * x + 1)
    assert key(calls_helper)[0] != code
    runs = ["def run(seed):\n    return helper(seed)", "def run(seed):\n    return helper(seed) + 1",
            "def run(seed, scale=2):\n    return helper(seed)", "def run(seed):\n    return (lambda: helper)()(seed)"]
    assert len({key(define(text)) for text in runs}) == 4
    mapped = "mapped = torch.func.vmap(helper, in_dims={})\ndef run(seed):\n    return mapped(seed)"
    assert key(define(mapped.format(0))) == key(define(mapped.format(0))) != key(define(mapped.format(1)))
    inside = define("def run(seed):\n    from kdlib.logits import effective_logits\n    return effective_logits")
    assert "kdlib.logits:effective_logits" in codekeys.code_of(inside).definitions
    values = [1, 1.0, True, "1", None, [1], (1,), {"a": 1}, numpy.ones(2), torch.ones(2), torch.ones(2).double(),
              torch.zeros(2), torch.ones(2, 1), torch.nn.Linear(1, 1), torch.float32, math.nan, -0.0, 0.0]
    keys = {key(define("def run(seed):\n    return value", value=value)) for value in values}
    assert len(keys) == len(values)
    with pytest.raises(ValueError, match="got 'value' of type object"):
        key(define("def run(seed):\n    return value", value=object()))


@pytest.mark.parametrize("value", [3, [1.0], "digits", torch.ones(2), functools.partial(helper, 1)])
def test_a_run_that_reads_a_value_of_the_notebook_is_refused_by_its_name(value):
    scope = {"__name__": "__main__", "width": value, "helper": helper, "torch": torch}
    exec("def run(seed):\n    return torch.ones(1) + width", scope)
    with pytest.raises(ValueError, match="run reads 'width' of the notebook: make it an argument"):
        codekeys.code_of(scope["run"])
    exec("def inner(seed):\n    return width\ndef run(seed):\n    return inner(seed)", scope)
    with pytest.raises(ValueError, match="inner reads 'width' of the notebook"):
        codekeys.code_of(scope["run"])
    exec("from math import sqrt\ndef run(seed, *, width):\n    return helper(width) + sqrt(torch.pi)", scope)
    assert codekeys.code_of(scope["run"]).digest


def test_a_run_of_no_imported_module_is_refused_rather_than_keyed_by_nothing():
    scope = {"__name__": "nowhere"}
    exec("def run(seed):\n    return {'y': seed}", scope)
    with pytest.raises(ValueError, match="a module that has been imported, got one of 'nowhere'"):
        codekeys.code_of(scope["run"])


def returns(seed, what):
    return {"list": [1], "setting": {"what": 1}, "object": {"y": object()}, "ragged": {"y": [numpy.ones(2)]}}[what]


@pytest.mark.parametrize("what, message", [
    ("list", "run must return a dict, got list"), ("setting", r"names the row or its time, got \['what'\]"),
    ("object", "run returned 'y' of type object"), ("ragged", "stack them into one array")])
def test_a_run_that_returns_no_row_fails_and_says_why(tmp_path, what, message):
    with pytest.raises(RuntimeError, match=message):
        sweeps.run_sweep(returns, [{"what": what}], store=tmp_path, seeds=1)


@pytest.mark.parametrize("arguments, message", [
    ({"seeds": 0}, "seeds must be a number of seeds of at least 1"),
    ({"seeds": [1, 1]}, "or different non-negative ints, got \\[1, 1\\]"),
    ({"settings": []}, "at least one setting"),
    ({"settings": [{"x": 1}]}, "run cannot be called with the setting {'x': 1}"),
    ({"settings": [{"seed": 1}]}, "no names of a setting"),
    ({"settings": [{}, {}]}, "must differ from each other"),
    ({"time_limit": 0}, "time_limit must be above 0 seconds, got 0"),
    ({"run": functools.partial(draws)}, "run must be a function"),
    ({"run": torch.no_grad()(draws), "settings": [{"x": 1}]}, "run cannot be called with the setting {'x': 1}"),
])
def test_guards(tmp_path, arguments, message):
    arguments = {"run": draws, "settings": [{}], "seeds": 1, **arguments}
    with pytest.raises(ValueError, match=message):
        sweeps.run_sweep(arguments.pop("run"), arguments.pop("settings"), store=tmp_path, **arguments)
    assert not any(tmp_path.iterdir())


def test_grid_store_and_their_guard(monkeypatch, tmp_path):
    assert sweeps.grid(a=[1, 2], b=(3,)) == [{"a": 1, "b": 3}, {"a": 2, "b": 3}]
    with pytest.raises(ValueError, match="a list of values for each name, got a=1"):
        sweeps.grid(a=1)
    monkeypatch.setenv("KDLIB_ROWS", str(tmp_path))
    assert sweeps.store("01") == tmp_path / "01"


def test_mean_band_is_student_t_and_guards_its_level():
    frame = pandas.DataFrame({"n": [1] * 4 + [2], "y": [1.0, 2.0, 4.0, 9.0, 5.0]})
    band = intervals.mean_band(frame, "n", "y", level=0.9)
    low, high = scipy.stats.t.interval(0.9, 3, 4.0, scipy.stats.sem(frame.y[:4]))
    first = band.loc[0, ["mean", "low", "high"]].astype(float)
    numpy.testing.assert_allclose(first, [4, low, high], rtol=1e-12)  # rounding of float64 in another order
    assert list(band.seeds) == ["4", "1"] and math.isnan(band.low[1])
    with pytest.raises(ValueError, match=r"level must be in \(0, 1\), got 95"):
        intervals.mean_band(frame, "n", "y", level=95)


def test_mean_band_counts_groups_that_failed_whole():
    frame = pandas.DataFrame({"n": [1, 1, 2], "y": [1.0, 3.0, 5.0]})
    frame.attrs = {"finished": 3, "failed": [{"setting": {"n": n}, "seed": 0} for n in (2, 3)]}
    assert [*intervals.mean_band(frame, "n", "y").seeds] == ["2", "1 of 2", "0 of 1"]
    assert [*intervals.mean_band(frame[frame.n == 2], "n", "y").seeds] == ["1 of 2"]


def test_progress_is_a_bar_on_a_terminal_only_and_a_file_where_asked(tmp_path, log, monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setenv("KDLIB_PROGRESS", str(tmp_path / "progress"))
    for stream, shows in ((Terminal(), True), (io.StringIO(), False)):
        monkeypatch.setattr(sys, "stderr", stream)
        sweeps.run_sweep(noted, [{"log": log, "pause": 0.01 * shows}], store=tmp_path / "rows", seeds=2)
        assert ("rows: 100%" in stream.getvalue() and "2/2" in stream.getvalue()) == shows
        assert bool(stream.getvalue()) == shows
        assert (tmp_path / "progress").read_text() == "2 2 rows\n"
