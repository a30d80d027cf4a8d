"""JAX's arrays as tensors and back, and tensors in pytrees."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import flambeau
from flambeau._core.trace import engine
from flambeau.jax import from_jax


def address(array):
    return array.unsafe_buffer_pointer()


def test_from_jax_shares_memory():
    array = jnp.arange(6.0).reshape(2, 3)
    tensor = from_jax(array)
    assert (tensor.shape, tensor.dtype, tensor.device.type) == ((2, 3), flambeau.float32, "cpu")
    assert tensor.jax() is array
    assert address(tensor.detach().jax()) == address(array)


def test_the_same_array_each_time():
    tensor = flambeau.ones(3) + 1
    assert tensor.jax() is tensor.jax()


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "int8", "bool", "complex64", "uint32"])
def test_dtypes(dtype):
    array = jnp.ones(3, dtype)
    assert str(from_jax(array).dtype) == f"torch.{dtype}"
    assert from_jax(array).clone().jax().dtype == array.dtype


def test_writing_leaves_the_array_alone():
    array = jnp.arange(6.0)
    tensor = from_jax(array)
    tensor.add_(1)
    tensor[0] = 9
    assert array.tolist() == [0, 1, 2, 3, 4, 5]
    assert tensor.tolist() == [9, 2, 3, 4, 5, 6]


@pytest.mark.parametrize("tier", [1, 2])
def test_memory_that_was_handed_out_is_never_given_away(tier, monkeypatch):
    monkeypatch.setattr(engine, "tier", tier)
    weight = flambeau.zeros(1000)
    for step in range(4):
        weight.add_(1)
        weight.mul_(1)
        array = weight.jax()
        kept = np.array(array)
        weight.add_(1)
        weight.mul_(2)
        weight.sub_(1)
        assert weight[0].item() == 2 * (kept[0] + 1) - 1
        assert not array.is_deleted()
        np.testing.assert_array_equal(kept, np.asarray(array))
        weight.fill_(step)


def test_mistakes_are_told():
    with pytest.raises(TypeError, match=r"must be jax\.Array, not ndarray"):
        from_jax(np.ones(1))
    with pytest.raises(TypeError, match="no Tensor has the dtype of this JAX array: key<fry>"):
        from_jax(jax.random.key(0))
    with pytest.raises(TypeError, match=r"flambeau.jax.function\(\)"):
        jax.jit(lambda x: from_jax(x).jax())(jnp.ones(1))
    array = jnp.ones(3)
    array.delete()
    with pytest.raises(RuntimeError, match="has been deleted"):
        from_jax(array)


# -- pytrees ---------------------------------------------------------------------------------------


def test_tree_map_gives_tensors():
    found = jax.tree.map(lambda a, b: a + 2 * b, {"w": flambeau.ones(2)}, {"w": flambeau.ones(2)})
    assert type(found["w"]) is flambeau.Tensor
    assert found["w"].tolist() == [3, 3]


def test_parameters_stay_parameters():
    layer = flambeau.nn.Linear(2, 2)
    with flambeau.no_grad():
        found = jax.tree.map(lambda a: a * 0, dict(layer.named_parameters()))
    assert all(type(each) is flambeau.nn.Parameter and each.requires_grad for each in found.values())


def test_through_jit_and_grad():
    tensor = flambeau.tensor([1.0, 2.0])
    assert jax.jit(lambda t: t)(tensor).tolist() == [1, 2]
    assert jax.grad(lambda t: (t.jax() ** 2).sum())(tensor).tolist() == [2, 4]
    batched = jax.vmap(lambda t: t.jax() * 2)(tensor)
    assert isinstance(batched, jax.Array)


def test_the_graph_is_never_lost_in_silence():
    tensor = flambeau.ones(2, requires_grad=True)
    with pytest.raises(RuntimeError, match=r"flambeau.jax.wrap\(function\)"):
        jax.jit(lambda t: t)(tensor)
    with flambeau.no_grad():
        assert jax.jit(lambda t: t)(tensor).tolist() == [1, 1]


def test_what_is_no_array_is_held_but_not_computed_with():
    masks = jax.tree.map(lambda a: a.ndim > 1, {"w": flambeau.ones(2, 2), "b": flambeau.ones(2)})
    assert repr(masks) == "{'b': Tensor(False), 'w': Tensor(True)}"
    found = jax.tree.map(
        lambda m, a: a * 2 if m else a, masks, {"w": flambeau.ones(2, 2), "b": flambeau.ones(2)}
    )
    assert (found["w"].sum().item(), found["b"].sum().item()) == (8, 2)
    for use in (
        lambda t: t + 1,
        lambda t: t.item(),
        lambda t: t.numpy(),
        lambda t: bool(t),
        lambda t: t.add_(1),
    ):
        with pytest.raises(RuntimeError, match="holds True, not an array"):
            use(masks["w"])


def test_computing_with_a_tensor_that_jax_traces_is_refused():
    with pytest.raises(RuntimeError, match=r"holds a value that JAX is tracing.*flambeau.jax.function"):
        jax.jit(lambda t: t * 2)(flambeau.ones(2))


def test_abstract_values():
    shapes = jax.eval_shape(lambda t: t, {"w": flambeau.ones(2, 3)})
    assert (shapes["w"].shape, shapes["w"].dtype) == ((2, 3), flambeau.float32)
