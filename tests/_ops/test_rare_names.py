"""Names that few programs use, beside PyTorch's."""

import warnings

from side_by_side import compared


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
