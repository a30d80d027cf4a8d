"""`device`, compared with PyTorch's on this machine's CPU."""

import copy
import pickle
import threading

import pytest
import torch

from flambeau._core.device import (
    current_device,
    device,
    device_count,
    get_default_device,
    is_available,
    resolve,
    set_default_device,
    to_jax,
)

GOOD = [
    *[
        ("cpu",),
        ("cuda",),
        ("cuda:1",),
        ("cuda", 0),
        ("cuda", None),
        ("xla",),
        ("xla:3",),
        ("mps",),
        ("meta",),
    ],
    *[("meta:0",), ("cpu:0",), ("cuda:127",), ("hpu",), ("hip",)],
]
BAD = [
    *[
        ("foo",),
        ("CPU",),
        ("foo:1",),
        ("cuda:x",),
        ("cuda:-1",),
        ("cuda:",),
        ("cuda:01",),
        ("cuda:1:2",),
        ("",),
    ],
    *[
        (":1",),
        ("cuda", -1),
        ("cuda:1", 1),
        (-1,),
        ("cuda", "1"),
        ("cuda", 1.0),
        ("cuda: 1",),
        (" cuda",),
        ("foo1",),
    ],
]
WRONG_TYPES = [(), (None,), (1.5,), (True,), ("cuda", 1, 2)]


@pytest.fixture(autouse=True)
def _no_default():
    yield
    set_default_device(None)


@pytest.mark.parametrize("args", GOOD, ids=str)
def test_good(args):
    mine, theirs = device(*args), torch.device(*args)
    assert (repr(mine), str(mine), mine.type, mine.index) == (
        repr(theirs),
        str(theirs),
        theirs.type,
        theirs.index,
    )
    assert device(*args) is mine
    assert pickle.loads(pickle.dumps(mine)) is copy.copy(mine) is copy.deepcopy(mine) is device(mine) is mine


@pytest.mark.parametrize("args", BAD, ids=str)
def test_bad(args):
    with pytest.raises((RuntimeError, TypeError)) as theirs:
        torch.device(*args)
    with pytest.raises(theirs.type) as mine:
        device(*args)
    assert str(mine.value).startswith(str(theirs.value))


@pytest.mark.parametrize("args", WRONG_TYPES, ids=str)
def test_wrong_types(args):
    with pytest.raises(TypeError) as theirs:
        torch.device(*args)
    with pytest.raises(TypeError) as mine:
        device(*args)
    assert str(mine.value).splitlines()[0] == str(theirs.value).splitlines()[0]


def test_keywords():
    assert device(type="cuda", index=2) is device("cuda:2") is device(device="cuda:2")
    with pytest.raises(TypeError, match=r"argument 'type' \(position 1\) must be str, not torch.device"):
        device(device("cuda"), 1)


def test_equality():
    assert device("cpu") != device("cpu:0")
    assert device("cpu") != "cpu"
    assert {device("cuda:1"): 1}[device("cuda", 1)] == 1
    with pytest.raises(TypeError):
        sorted([device("cpu"), device("cuda")])


def test_unwritable():
    with pytest.raises(AttributeError, match=r"attribute 'type' of 'torch.device' objects is not writable"):
        device("cpu").type = "cuda"
    with pytest.raises(AttributeError, match=r"'torch.device' object has no attribute 'foo'"):
        device("cpu").foo = 1
    with pytest.raises(TypeError, match="not an acceptable base type"):
        type("mine", (device,), {})


def test_default_device():
    assert current_device() is get_default_device() is device("cpu")
    set_default_device("meta")
    assert current_device() is get_default_device() is device("meta")
    set_default_device(None)
    assert current_device() is device("cpu")
    set_default_device("cuda:1")  # allowed where there is none, as in PyTorch; making a tensor there is not
    assert current_device() is device("cuda:1")


def test_with_device():
    with device("meta") as entered:
        assert entered is current_device() is get_default_device() is device("meta")
        with device("cpu"):
            assert current_device() is device("cpu")
        assert current_device() is device("meta")
        set_default_device("cpu:0")
        assert current_device() is device("meta")
    assert current_device() is device("cpu:0")


def test_with_device_ends_at_an_error():
    with pytest.raises(KeyError), device("meta"):
        raise KeyError
    assert current_device() is device("cpu")


def test_default_device_is_of_this_thread():
    found = []
    set_default_device("meta")
    thread = threading.Thread(target=lambda: found.append(current_device()))
    thread.start()
    thread.join()
    assert found == [device("cpu")]


def test_resolve():
    assert resolve(None) is resolve("cpu") is resolve("cpu:3") is resolve(device("cpu")) is device("cpu")
    assert resolve("meta:3") is device("meta")
    set_default_device("meta")
    assert resolve(None) is device("meta")


def test_to_jax():
    assert to_jax(device("cpu")).platform == "cpu"
    assert to_jax(device("cpu")) is to_jax(device("cpu:0"))
    assert to_jax(device("meta")) is None


@pytest.mark.skipif(is_available("cuda"), reason="there is a GPU")
def test_absent_cuda():
    with pytest.raises(AssertionError) as theirs:
        torch.zeros(1, device="cuda")
    with pytest.raises(AssertionError) as mine:
        resolve("cuda")
    assert str(mine.value).startswith(str(theirs.value))
    assert "Tensors can be on 'cpu'" in str(mine.value)
    assert device_count("cuda") == 0
    with pytest.raises(RuntimeError, match="Cannot access accelerator device when none is available"):
        device(0)


@pytest.mark.parametrize("kind", ["ipu", "vulkan", "hpu"])
def test_absent(kind):
    assert not is_available(kind)
    with pytest.raises(RuntimeError, match=f"device '{kind}' is not available: tensors can be on 'cpu'"):
        to_jax(device(kind))


def test_present():
    assert is_available("cpu")
    assert is_available("meta")
    assert device_count("cpu") >= 1
