"""Rows that multiply in bfloat16 where their device is fast in it: their keys, records and pages say so."""

import json

import pytest
import torch

from companion import sweeps
from companion.engine import cluster, codekeys, identity, rowmain, rows
from companion.press import provenance, records
from kdlib import devices, training
from kdlib.training import prediction
from tools import gpu

FAST = {"bfloat16": {"avx512_bf16": True}, "float32": {}}  # what torch tells of a processor


@pytest.fixture(params=FAST)
def arithmetic(request, monkeypatch):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: FAST[request.param], raising=False)
    return request.param


def asks(seed):
    return {"bfloat16": devices.has_bfloat16("cpu")}


def asks_through_others(seed):
    with prediction.autocast(torch.device("cpu"), True):
        return {"product": torch.ones(1, 1) @ torch.ones(1, 1)}


def trains(seed, model):
    return {"z": training.predict(model, torch.ones(1, 1), bfloat16=True)}


def never_asks(seed):
    return {"product": torch.ones(1, 1) @ torch.ones(1, 1)}


@pytest.mark.parametrize("run", [asks, asks_through_others, trains])
def test_rows_that_ask_their_device_have_its_answer(arithmetic, run):
    code = codekeys.code_of(run)
    assert identity.arithmetic(code, "cpu") == arithmetic


def test_rows_that_never_ask_have_none(arithmetic):
    assert identity.arithmetic(codekeys.code_of(never_asks), "cpu") is None


def test_the_name_that_rows_ask_by_is_a_definition():
    assert codekeys.definition_digest(identity.ASKS_DEVICE) is not None


def test_a_key_holds_the_arithmetic_where_there_is_one_and_is_the_old_one_elsewhere():
    code = codekeys.code_of(never_asks)
    sweep = identity.sweep_record(code, None, None, False)
    keys = [identity.row_key(sweep, "cpu", {"n": 3}, 0, name) for name in (None, *FAST)]
    assert len(set(keys)) == 3
    assert keys[0] == codekeys.digest([sweep["sweep"], "cpu", [["n", ["int", 3]]], 0])


def test_a_card_is_asked_where_there_is_one(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    for capability, name in (((7, 5), "float32"), ((8, 0), "bfloat16"), ((9, 0), "bfloat16")):
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device, told=capability: told)
        assert identity.device_arithmetic("cuda") == name
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ValueError, match="device cuda needs an NVIDIA card on the machine that asks"):
        identity.device_arithmetic("cuda")


@pytest.mark.parametrize("expected", [None, *FAST])
def test_a_row_process_compares_only_where_the_row_asks(arithmetic, expected):
    if expected in (None, arithmetic):
        rowmain._check_same_arithmetic(expected, "cpu")
    else:
        with pytest.raises(RuntimeError, match=f"multiplies in {arithmetic}, .* in {expected}"):
            rowmain._check_same_arithmetic(expected, "cpu")


@pytest.mark.parametrize(
    ("lines", "chosen"),
    [([[]], []), ([["bfloat16"], [], ["bfloat16"]], ["bfloat16"]), ([["float32"], ["bfloat16"]], ["bfloat16", "float32"])],
)
def test_a_page_says_in_which_arithmetic_its_rows_are(tmp_path, lines, chosen):
    sweep = {"store": "s", "asked": 1, "found": {}, "failed": [], "source": None}
    told = tmp_path / "told"
    told.write_text("".join(json.dumps(sweep | {"arithmetic": line}) + "\n" for line in lines))
    found = provenance.from_sweeps(told)["arithmetic"]
    assert found == chosen
    record = {"device": "cpu", "arithmetic": found}
    assert records._device(record) == ("cpu with products in " + " and ".join(chosen) if chosen else "cpu")


# ---------------------------------------------------------------- on real processes


HERE = identity.device_arithmetic("cpu")
OTHER = "float32" if HERE == "bfloat16" else "bfloat16"


@pytest.fixture(scope="module", autouse=True)
def _no_cluster_left():
    yield
    cluster.close()


def test_a_row_is_computed_in_the_arithmetic_of_its_key_or_not_at_all(monkeypatch, tmp_path):
    """A host whose processor is another than that of the process that asks refuses the row."""
    told = tmp_path / "told"
    monkeypatch.setenv("KDLIB_SWEEPS", str(told))
    table = sweeps.run_sweep(asks, [{}], store=tmp_path / "rows", seeds=1)
    assert table["bfloat16"].tolist() == [HERE == "bfloat16"]
    assert provenance.from_sweeps(told)["arithmetic"] == [HERE]
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: FAST[OTHER], raising=False)
    with pytest.raises(RuntimeError, match=f"multiplies in {HERE}, that of the process that asks in {OTHER}"):
        sweeps.run_sweep(asks, [{}], store=tmp_path / "rows", seeds=1)
    stored = [record for record in rows.read(tmp_path / "rows")[0] if "key" in record]
    assert [(record["arithmetic"], "error" in record) for record in stored] == [(HERE, False), (OTHER, True)]


def test_the_row_that_checks_a_gpu_job_goes_through_workers():
    assert gpu.check("cpu").startswith("a row was computed on cpu: ")
