from typing import Optional, Union

import pytest
from side_by_side import compared

import flambeau


class Net(flambeau.nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = flambeau.nn.Linear(3, 2)

    @flambeau.jit.export
    def twice(self, x: flambeau.Tensor) -> flambeau.Tensor:
        return self(x) * 2

    @flambeau.jit.unused
    def leave_out(self):
        return "kept"

    @flambeau.jit.ignore(drop=True)
    def dropped(self):
        return "kept"

    def forward(self, x: flambeau.Tensor) -> flambeau.Tensor:
        return self.fc(x) if x.sum() > 0 else x


def test_scripted_and_traced_programs_are_the_python_ones():
    net = Net()
    assert flambeau.jit.script(net) is net
    assert flambeau.jit.trace(net, flambeau.ones(1, 3)) is net
    assert flambeau.jit.trace_module(net, {"forward": flambeau.ones(1, 3)}) is net
    assert net.leave_out() == net.dropped() == "kept"
    assert net(-flambeau.ones(3)).tolist() == [-1.0, -1.0, -1.0]
    assert not isinstance(net, flambeau.jit.ScriptModule)
    assert not flambeau.jit.is_scripting()
    assert not flambeau.jit.is_tracing()


def test_modules_written_for_torchscript_run():
    class Old(flambeau.jit.ScriptModule):
        @flambeau.jit.script_method
        def forward(self, x):
            return x + 1

    assert Old()(flambeau.ones(1)).item() == 2


def test_frozen_module_is_a_copy_in_eval_mode():
    net = Net()
    with pytest.raises(RuntimeError, match=r"Please call .eval\(\) on your module before freezing"):
        flambeau.jit.freeze(net)
    frozen = flambeau.jit.freeze(net.eval())
    with flambeau.no_grad():
        net.fc.weight.zero_()
    assert frozen.fc.weight.any()
    assert not frozen(flambeau.ones(1, 3)).requires_grad


@compared
def test_isinstance_looks_into_containers(torch, log):
    values = [1, None, [1, 2], [1, "a"], {"a": 1}, (1, 2.0), (1, 2, 3), [], torch.ones(1), [[1], [2]]]
    types = [
        int, list[int], list[str], dict[str, int], Optional[int], tuple[int, float], Union[int, list[int]],  # noqa: UP007, UP045
        torch.Tensor, list[list[int]], (int, str), list[int], dict[str, int],
    ]  # fmt: skip
    for kind in types:
        log([torch.jit.isinstance(value, kind) for value in values if not (value == [] and kind is not int)])
    log.result(lambda: torch.jit.isinstance([1], list))


@compared
def test_annotations_hand_their_values_on(torch, log):
    log(torch.jit.annotate(list[int], [1]), torch.jit.Attribute(3, int).value)
    log.result(lambda: torch.jit.ignore(3))


def test_forked_work_is_done():
    assert flambeau.jit.wait(flambeau.jit.fork(lambda a, b: a + b, 1, b=2)) == 3


def test_archives_are_refused_with_a_way_out(tmp_path):
    with pytest.raises(
        NotImplementedError, match=r"save its state: torch.save\(module.state_dict\(\), file\)"
    ):
        flambeau.jit.save(Net(), tmp_path / "net.pt")
    with pytest.raises(NotImplementedError, match="load it in PyTorch"):
        flambeau.jit.load(tmp_path / "net.pt")
    with pytest.raises(NotImplementedError, match="TorchScript source"):
        flambeau.jit.CompilationUnit("def f(): pass")
