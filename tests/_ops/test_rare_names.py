"""Names that few programs use, beside PyTorch's."""

import sys
import warnings

import numpy as np
import pytest
import torch as real
from side_by_side import compared

import flambeau


@compared
def test_orders_of_dimensions(torch, log):
    x = torch.ones(2, 3, 4, 5)
    last = x.contiguous(memory_format=torch.channels_last)
    for each in (x, last, x[0, 0].T, torch.ones(1, 3, 1), torch.ones(3, 1).expand(3, 4), torch.tensor(1.0)):
        log(each.dim_order())
        log.result(lambda each=each: each.dim_order(ambiguity_check=True))
    formats = [torch.contiguous_format, torch.channels_last]
    log(x.dim_order(ambiguity_check=formats), last.dim_order(ambiguity_check=formats))
    log.result(lambda: torch.ones(2, 1, 3, 4).dim_order(ambiguity_check=formats))


@compared
def test_norms_and_other_forms(torch, log):
    x = torch.arange(6.0).reshape(2, 3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        log(torch.frobenius_norm(x, [0]), torch.frobenius_norm(x, 1, True), torch.frobenius_norm(x, (0, 1)))
        log(torch.nuclear_norm(x), torch.nuclear_norm(x, (0, 1), True), torch.nuclear_norm(x, keepdim=True))
    log(list(reversed(x)), reversed(torch.tensor(1)), x.to_dense() is x, x.to_dense(torch.float64))
    log(torch.addmv_(torch.ones(2), x, torch.ones(3)), torch.as_strided_(x.clone(), (2,), (1,)))
    log(torch.embedding_renorm_(x.clone(), torch.tensor([1]), 1.0, 2.0))
    y = (torch.ones(2, requires_grad=True) * 2).mul_(3)
    log(torch.detach_(y) is y, y.requires_grad)


@compared
def test_names_of_types(torch, log):
    Linear = torch.nn.Linear
    for each in (torch.ones(1).long(), 3, "a", Linear, Linear(1, 1), torch.nn.Parameter(torch.ones(1)), None):
        log(torch.typename(each))


@compared
def test_deterministic_debug_mode(torch, log):
    try:
        for mode in (0, 1, 2, "default", "warn", "error"):
            torch.set_deterministic_debug_mode(mode)
            log(torch.get_deterministic_debug_mode(), torch.are_deterministic_algorithms_enabled())
        for mode in ("x", 7, 1.5):
            log.result(lambda mode=mode: torch.set_deterministic_debug_mode(mode))
    finally:
        torch.use_deterministic_algorithms(False)


@compared
def test_small_helpers(torch, log):
    with torch.autograd.set_multithreading_enabled(False):
        x = torch.ones(1, requires_grad=True)
        (x * 2).backward()
        log(x.grad)
    log(torch.nn.factory_kwargs({"device": 1, "factory_kwargs": {"dtype": 2}}), torch.nn.factory_kwargs(None))
    log.result(lambda: torch.nn.factory_kwargs({"a": 1}))
    log.result(lambda: torch.nn.factory_kwargs({"device": 1, "factory_kwargs": {"device": 2}}))
    log(issubclass(torch.linalg.LinAlgError, RuntimeError), torch.legacy_contiguous_format)


@compared
def test_resizing_out_of_place(torch, log):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        x = torch.arange(6.0)
        log(x.resize(2, 3), x.resize(6, 1), x.resize_as(torch.ones(2, 3)))
        log.result(lambda: x.resize(2, 2))


@compared
def test_settings_of_the_process(torch, log):
    log(torch.is_warn_always_enabled(), torch.compiled_with_cxx11_abi(), torch.thread_safe_generator())
    torch.set_warn_always(True)
    log(torch.is_warn_always_enabled())
    torch.set_warn_always(False)
    log.result(lambda: torch.set_warn_always(1))
    torch.set_anomaly_enabled(True, False)
    log(torch.is_anomaly_enabled(), torch.is_anomaly_check_nan_enabled())
    torch.set_anomaly_enabled(False)
    log(torch.is_anomaly_enabled())


@compared
def test_modules_of_devices(torch, log):
    assert torch.get_device_module() is torch.get_device_module("cpu") is torch.cpu
    assert torch.get_device_module(torch.device("cuda", 1)) is torch.cuda
    log.result(lambda: torch.get_device_module("meta"))
    log.result(lambda: torch.get_device_module(3))


@compared
def test_loading_into_a_tensor(torch, log):
    x = torch.ones(2)
    log(x.module_load(torch.zeros(2), assign=True), x, x.module_load(torch.zeros(2)), x)
    log.result(lambda: x.pin_memory())


def test_a_warning_that_comes_each_time():
    flambeau.set_warn_always(True)
    for _ in range(2):
        with pytest.warns(UserWarning, match="indexing argument"):
            flambeau.meshgrid(flambeau.ones(1), flambeau.ones(1))
    flambeau.set_warn_always(False)


def test_tensors_on_files(tmp_path):
    path = tmp_path / "numbers"
    for torch in (real, flambeau):
        there = torch.from_file(str(path), shared=True, size=4)
        there.fill_(2)
        private = torch.from_file(str(path), size=2)
        private.fill_(3)
        assert private.tolist() == [3, 3]
        assert np.fromfile(path, np.float32).tolist() == [2, 2, 2, 2]
        with pytest.raises(RuntimeError, match="is smaller than the required mapping size <400>"):
            torch.from_file(str(path), False, 100)
        path.unlink()
        with pytest.raises(RuntimeError, match="No such file or directory"):
            torch.from_file(str(path), False, 100)


def test_weights_in_another_order_of_memory():
    for torch in (real, flambeau):
        net = torch.nn.Sequential(torch.nn.Conv2d(2, 3, 3), torch.nn.Conv3d(2, 3, 3))
        assert torch.nn.utils.convert_conv2d_weight_memory_format(net, torch.channels_last) is net
        torch.nn.utils.convert_conv3d_weight_memory_format(net, torch.channels_last_3d)
        assert net[0].weight.is_contiguous(memory_format=torch.channels_last)
        assert net[1].weight.is_contiguous(memory_format=torch.channels_last_3d)


def test_classes_say_that_they_are_the_librarys():
    for name in ["Tensor", "Size", "dtype", "device", "finfo", "iinfo", "layout", "memory_format"]:
        assert getattr(flambeau, name).__module__ == flambeau.__name__
        assert getattr(real, name).__module__ == real.__name__
    assert flambeau.torch is sys.modules["flambeau"]
    assert flambeau.GradScaler is flambeau.amp.GradScaler
    assert issubclass(flambeau.OutOfMemoryError, RuntimeError)


@compared
def test_a_number_or_a_pair(torch, log):
    for arg in (3, (1, 2), [1, 2, 3], ()):
        log.result(
            lambda arg=arg: torch.nn.functional.assert_int_or_pair(arg, "stride", "{} is no number or pair")
        )
