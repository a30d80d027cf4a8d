"""Saving and loading, with files going both ways between flambeau and PyTorch."""

import collections
import copyreg
import io
import os
import pathlib
import pickle
import zipfile

import numpy as np
import pytest
import torch
from layer_cases import LEARNED, make_input

import flambeau
from flambeau import serialization

DTYPES = (
    *("float64", "float32", "float16", "bfloat16", "complex64", "complex128", "bool"),
    *("uint8", "int8", "int16", "int32", "int64", "uint16", "uint32", "uint64"),
    *("float8_e4m3fn", "float8_e5m2"),
)
READERS = {"flambeau": flambeau.load, "torch": torch.load}


def saved(library, obj, **options):
    buffer = io.BytesIO()
    library.save(obj, buffer, **options)
    buffer.seek(0)
    return buffer


def plain(value):
    """The value with each tensor as class, dtype, shape, strides, grad flag and bytes."""
    if isinstance(value, (flambeau.Tensor, torch.Tensor)):
        return (
            type(value).__name__,
            str(value.dtype),
            tuple(value.shape),
            value.stride(),
            value.requires_grad,
            str(value.device),
            None if value.is_meta else bits(value),
        )
    if isinstance(value, dict):
        return type(value), [(key, plain(item)) for key, item in value.items()]
    if isinstance(value, (list, tuple)):
        return type(value).__name__, [plain(item) for item in value]
    if "torch" in type(value).__module__ or "flambeau" in type(value).__module__:
        return str(value)
    return value


def bits(tensor):
    if isinstance(tensor, torch.Tensor):
        return bytes(tensor.detach().contiguous().reshape(-1).view(torch.uint8).numpy())
    return np.ascontiguousarray(tensor.detach()._host_array()).tobytes()


def example(library):
    """What checkpoints hold, and more."""
    base = library.arange(6.0).view(2, 3)
    parameter = library.nn.Parameter(library.ones(2))
    noted = library.nn.Parameter(library.ones(1), requires_grad=False)
    noted.note = "kept"
    return {
        "contiguous": base,
        "again": base,
        "row": base[1],
        "transposed": base.t(),
        "every other": base[:, ::2],
        "expanded": library.ones(1).expand(3),
        "scalar": library.tensor(3),
        "empty": library.zeros(0, 3),
        "learned": library.ones(2, requires_grad=True),
        "parameter": parameter,
        "noted": noted,
        "meta": library.zeros(3, device="meta"),
        "size": base.shape,
        "dtype": library.float16,
        "device": library.device("cuda:1"),
        "layout": library.strided,
        "ordered": collections.OrderedDict(b=1, a=[library.zeros(1)]),
        "counted": collections.Counter("aab"),
        "others": [1, -5, 2**80, 2.5, "é", b"\xff", None, True, (1, 2), {1, 2}, 1j, bytearray(b"a")],
    }


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("writer", [flambeau, torch], ids=["from flambeau", "from torch"])
def test_every_kind_of_object_goes_every_way(writer, reader):
    assert plain(READERS[reader](saved(writer, example(writer)))) == plain(example(torch))


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("writer", [flambeau, torch], ids=["from flambeau", "from torch"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_every_dtype_goes_every_way(writer, reader, dtype):
    values = writer.tensor([0, 1, 1, 0]).to(getattr(writer, dtype))
    loaded = READERS[reader](saved(writer, values))
    assert (str(loaded.dtype), tuple(loaded.shape)) == (f"torch.{dtype}", (4,))
    assert bits(loaded) == bits(values)


@pytest.mark.parametrize("reader", READERS)
def test_tensors_that_share_memory_share_it_when_loaded(reader):
    base = flambeau.zeros(2, 3)
    loaded = READERS[reader](saved(flambeau, [base, base, base[1], base.t(), base.detach()]))
    assert loaded[0] is loaded[1]
    loaded[0][1, 2] = 7
    assert [loaded[2][2].item(), loaded[3][2, 1].item(), loaded[4][1, 2].item()] == [7, 7, 7]


def test_a_view_saved_first_shares_with_its_base():
    base = torch.zeros(2, 3)
    loaded = flambeau.load(saved(torch, [base[1], base.t(), base]))
    loaded[2][1, 2] = 7
    assert [loaded[0][2].item(), loaded[1][2, 1].item()] == [7, 7]


def test_a_channels_last_tensor_keeps_its_strides():
    image = torch.arange(36.0).view(1, 4, 3, 3).to(memory_format=torch.channels_last)
    loaded = flambeau.load(saved(torch, [image, image[:, 1]]))
    assert loaded[0].stride() == image.stride()
    assert loaded[0].tolist() == image.tolist()
    assert loaded[1].tolist() == image[:, 1].tolist()
    back = torch.load(saved(flambeau, loaded[0]))
    assert back.stride() == image.stride()
    assert torch.equal(back, image)


def test_state_dicts_of_modules_and_optimizers_go_both_ways():
    states = {}
    for library in (flambeau, torch):
        library.manual_seed(0)
        model = library.nn.Sequential(library.nn.Linear(3, 2), library.nn.ReLU(), library.nn.Linear(2, 1))
        optimizer = library.optim.Adam(model.parameters(), lr=0.1, amsgrad=True)
        model(library.ones(4, 3)).sum().backward()
        optimizer.step()
        states[library] = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "epoch": 3}
    ours = torch.load(saved(flambeau, states[flambeau]))
    theirs = flambeau.load(saved(torch, states[torch]))
    assert plain(flambeau.load(saved(flambeau, states[flambeau]))) == plain(states[flambeau])
    assert plain(theirs) == plain(states[torch])
    assert theirs["model"]._metadata == states[torch]["model"]._metadata
    torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.ReLU(), torch.nn.Linear(2, 1)).load_state_dict(
        ours["model"]
    )


# Layers with state that `layer_cases.LEARNED` leaves to tests of their own.
COMPOSED = [
    "RNN(3, 4, num_layers=2, bidirectional=True)",
    "GRU(3, 4, bias=False)",
    "LSTM(3, 4, num_layers=2)",
    "LSTM(3, 4, proj_size=2, bidirectional=True)",
    "RNNCell(3, 4)",
    "GRUCell(3, 4)",
    "LSTMCell(3, 4, bias=False)",
    "MultiheadAttention(8, 2)",
    "MultiheadAttention(8, 2, bias=False, add_bias_kv=True, kdim=3, vdim=5)",
    "TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16), 2, norm=nn.LayerNorm(8))",
    "TransformerDecoder(nn.TransformerDecoderLayer(8, 2, 16, bias=False), 2)",
    "Transformer(8, 2, 1, 1, 16)",
    "CrossEntropyLoss(weight=torch.tensor([1.0, 2.0]))",
    "BCEWithLogitsLoss(pos_weight=torch.tensor([2.0]))",
    "ModuleDict({'a': nn.ModuleList([nn.Linear(2, 3)]), 'b': nn.BatchNorm1d(3)})",
    "ParameterList([torch.ones(2), torch.zeros(3)])",
    "ParameterDict({'scale': torch.ones(2)})",
    "utils.parametrizations.weight_norm(nn.Linear(2, 3))",
    "utils.parametrizations.spectral_norm(nn.Linear(2, 3))",
    "utils.parametrizations.orthogonal(nn.Linear(3, 3))",
]
STATEFUL = [(text, spec) for text, spec in LEARNED if spec is not None or not text.startswith("Lazy")] + [
    (text, None) for text in COMPOSED
]


def made(library, text, spec):
    """The layer, after a call in training where inputs are given: lazy ones learn their sizes, statistics move."""
    layer = eval(f"nn.{text}", {"nn": library.nn, "torch": library})
    if spec is not None:
        random = np.random.default_rng(0)
        layer(*[library.from_numpy(make_input(each, random)) for each in spec])
    return layer


def values(state):
    """Without strides: loading keeps those of the layer."""
    return [(key, str(value.dtype), tuple(value.shape), bits(value)) for key, value in state.items()]


@pytest.mark.filterwarnings("ignore:Using padding='same':UserWarning")
@pytest.mark.filterwarnings("ignore:enable_nested_tensor is True:UserWarning")
@pytest.mark.parametrize(("writer", "reader"), [(flambeau, torch), (torch, flambeau)], ids=["to", "from"])
@pytest.mark.parametrize(("text", "spec"), STATEFUL, ids=[text for text, _ in STATEFUL])
def test_the_state_of_every_layer_goes_both_ways(writer, reader, text, spec):
    writer.manual_seed(1)
    state = made(writer, text, spec).state_dict()
    reader.manual_seed(2)
    layer = made(reader, text, spec)
    found = layer.load_state_dict(reader.load(saved(writer, state)), strict=True)
    assert (found.missing_keys, found.unexpected_keys) == ([], [])
    assert values(layer.state_dict()) == values(state)
    assert layer.state_dict()._metadata == state._metadata


def test_whole_modules_go_both_ways_for_those_who_trust_the_file():
    model = flambeau.nn.Sequential(flambeau.nn.Linear(3, 2), flambeau.nn.Tanh())
    assert repr(flambeau.load(saved(flambeau, model), weights_only=False)) == repr(model)
    loaded = torch.load(saved(flambeau, model), weights_only=False)
    assert isinstance(loaded, torch.nn.Sequential)
    np.testing.assert_allclose(
        loaded(torch.ones(1, 3)).detach().numpy(), model(flambeau.ones(1, 3)).detach().numpy(), rtol=1e-6
    )
    back = flambeau.load(saved(torch, loaded), weights_only=False)
    assert isinstance(back, flambeau.nn.Sequential)


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("weights_only", [True, False])
def test_pickle_protocols(protocol, weights_only):
    obj = {"a": flambeau.ones(2), "b": [1, (2, 3), "x", {4}]}
    buffer = saved(flambeau, obj, pickle_protocol=protocol)
    assert plain(flambeau.load(buffer, weights_only=weights_only)) == plain(obj)
    buffer.seek(0)
    assert plain(torch.load(buffer, weights_only=False)) == plain(obj)


@pytest.mark.parametrize("weights_only", [True, False])
def test_files_from_before_pytorch_1_6(weights_only):
    base = torch.arange(6.0).view(2, 3)
    obj = {"a": base, "t": base.t(), "p": torch.nn.Parameter(torch.ones(2)), "i": torch.tensor(3)}
    buffer = saved(torch, obj, _use_new_zipfile_serialization=False)
    loaded = flambeau.load(buffer, weights_only=weights_only)
    assert plain(loaded) == plain(obj)
    loaded["a"][0, 1] = 9
    assert loaded["t"][1, 0].item() == 9


def test_the_archive_is_laid_out_as_pytorchs(tmp_path):
    layouts = []
    for library in (flambeau, torch):
        path = tmp_path / "model.v2.pth"
        library.save({"a": library.ones(3), "b": library.zeros(5)}, path)
        with zipfile.ZipFile(path) as archive:
            records = {info.filename: archive.read(info.filename) for info in archive.infolist()}
            offsets = []
            for info in archive.infolist():
                with open(path, "rb") as file:
                    file.seek(info.header_offset + 26)
                    lengths = file.read(4)
                name, extra = int.from_bytes(lengths[:2], "little"), int.from_bytes(lengths[2:], "little")
                offsets.append((info.header_offset + 30 + name + extra) % 64)
        identity = records.pop("model.v2/.data/serialization_id")
        assert len(identity) == 40
        assert identity.isdigit()
        layouts.append((list(records.items()), offsets))
    assert layouts[0] == layouts[1]


@pytest.mark.parametrize("reader", READERS)
def test_mapping_into_memory(tmp_path, reader):
    path = tmp_path / "a.pt"
    obj = {"a": flambeau.arange(1000.0), "e": flambeau.zeros(0)}
    flambeau.save(obj, path)
    assert plain(READERS[reader](path, mmap=True)) == plain(obj)
    loaded = flambeau.load(path, mmap=True)
    loaded["a"][3] = -1
    assert flambeau.load(path)["a"][3].item() == 3


def test_a_saved_object_may_stand_in_the_middle_of_a_file():
    buffer = io.BytesIO(b"before")
    buffer.seek(0, io.SEEK_END)
    flambeau.save(flambeau.ones(2), buffer)
    for reader in READERS.values():
        buffer.seek(6)
        assert reader(buffer).tolist() == [1.0, 1.0]


def test_an_object_that_can_only_write_is_enough_to_save_to():
    class Pipe:
        parts: list = []  # noqa: RUF012

        def write(self, data):
            self.parts.append(bytes(data))
            return len(data)

    flambeau.save([flambeau.ones(2)], Pipe())
    assert torch.load(io.BytesIO(b"".join(Pipe.parts)))[0].tolist() == [1.0, 1.0]


# -- files on disk -------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [str, pathlib.Path])
def test_a_path_is_written_whole(tmp_path, kind):
    path = tmp_path / "a.pt"
    flambeau.save([1], kind(path))
    assert flambeau.load(kind(path)) == [1]
    assert os.listdir(tmp_path) == ["a.pt"]


def test_a_failed_save_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "a.pt"
    flambeau.save([1], path)
    with pytest.raises((pickle.PicklingError, AttributeError)):
        flambeau.save([flambeau.ones(2), lambda: None], path)
    assert flambeau.load(path) == [1]
    assert os.listdir(tmp_path) == ["a.pt"]


def test_saving_through_a_link_keeps_the_link_and_the_mode(tmp_path):
    path, link = tmp_path / "a.pt", tmp_path / "latest.pt"
    flambeau.save([1], path)
    path.chmod(0o640)
    link.symlink_to(path)
    flambeau.save([2], link)
    assert link.is_symlink()
    assert flambeau.load(path) == [2]
    assert path.stat().st_mode & 0o777 == 0o640


# -- map_location --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "map_location",
    ["cpu", "meta", lambda t: t.device("cpu"), lambda t: {"cpu": "meta"}, lambda t: {"cuda:0": "cpu"}],
)
def test_map_location(map_location):
    results = []
    for library in (flambeau, torch):
        where = map_location(library) if callable(map_location) else map_location
        results.append(plain(library.load(saved(torch, torch.ones(2)), map_location=where)))
    assert results[0] == results[1]


def test_map_location_by_a_function():
    asked = []

    def place(storage, location):
        asked.append(location)
        return storage if len(asked) == 1 else None

    loaded = flambeau.load(saved(torch, [torch.ones(2), torch.ones(3)]), map_location=place)
    assert [tensor.tolist() for tensor in loaded] == [[1, 1], [1, 1, 1]]
    assert asked == ["cpu", "cpu"]


def test_a_gpu_that_is_not_there_is_said_so():
    if flambeau.cuda.is_available():
        pytest.skip("there is a GPU")
    with pytest.raises(
        RuntimeError, match=r"Attempting to deserialize object on a CUDA device .* map_location"
    ):
        flambeau.load(saved(torch, torch.ones(2)), map_location="cuda")


# -- what may be loaded --------------------------------------------------------------------------


class Payload:
    """What a hostile file would hold."""

    ran = False

    def __reduce__(self):
        return Payload.run, ()

    @staticmethod
    def run():
        Payload.ran = True


class Plain:
    pass


class Slotted:
    __slots__ = ("a",)


@pytest.mark.parametrize(
    "obj",
    [os.system, eval, getattr, Plain(), Payload(), frozenset([1]), range(3), pathlib.PurePosixPath("a")],
)
def test_weights_only_refuses_what_it_does_not_know(obj):
    messages = []
    for library in (flambeau, torch):
        with pytest.raises(pickle.UnpicklingError, match=r"^Weights only load failed\.") as error:
            library.load(saved(torch, {"x": obj}))
        messages.append(str(error.value))
    wanted = next(line for line in messages[1].splitlines() if "GLOBAL" in line).strip()
    assert wanted in messages[0]
    assert not Payload.ran


def assembled(*parts):
    """A PyTorch archive whose pickle is made by hand."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("archive/data.pkl", b"\x80\x02" + b"".join(parts) + b".")
        archive.writestr("archive/version", b"3\n")
    buffer.seek(0)
    return buffer


@pytest.mark.parametrize(
    "parts",
    [
        (b"ctorch.nn.parameter\nParameter\n", b"N}X\x03\x00\x00\x00fooK\x01s\x86b"),  # attributes for a class
        (b"ctorch._utils\n_rebuild_tensor_v2\n", b"}X\x03\x00\x00\x00fooK\x01sb"),  # and for a function
        (b"(ios\nsystem\n",),
        (b"(X\x04\x00\x00\x00echoios\nsystem\n",),
        (b"cbuiltins\neval\n", b"X\x01\x00\x00\x001\x85R"),
        (b"ctorch\nfloat32\n", b")R"),
        (b"ctorch._utils\n_rebuild_tensor_v2.__globals__\n",),
        (b"]", b"N}X\x01\x00\x00\x00aK\x01s\x86b"),
        (b"K\x01", b"K\x02a"),
    ],
)
def test_weights_only_refuses_pickles_made_to_harm(parts):
    with pytest.raises((pickle.UnpicklingError, RuntimeError)):
        flambeau.load(assembled(*parts))


def test_weights_only_calls_no_codec_on_a_files_behalf():
    with pytest.raises(ValueError, match="codec 'zlib'"):
        flambeau.load(assembled(b"c_codecs\nencode\n", b"X\x01\x00\x00\x00aX\x04\x00\x00\x00zlib\x86R"))


@pytest.mark.parametrize("place", [(99, (2,), (1,)), (0, (3,), (1,)), (0, (2,), (2,)), (-1, (1,), (1,))])
def test_a_tensor_beyond_its_storage_is_refused(place):
    class Lie:
        def __reduce_ex__(self, protocol):
            function, args = torch.ones(2).__reduce_ex__(protocol)
            return function, (args[0], *place, *args[4:])

    with pytest.raises(RuntimeError, match="out of bounds for storage"):
        flambeau.load(saved(torch, Lie()))


def test_weights_only_false_makes_anything():
    obj = Plain()
    obj.a = 1
    assert flambeau.load(saved(flambeau, obj), weights_only=False).a == 1


def test_safe_globals():
    plain_one, slotted = Plain(), Slotted()
    plain_one.a = slotted.a = 3
    serialization.add_safe_globals([Plain, copyreg._reconstructor, object])
    try:
        assert flambeau.load(saved(flambeau, plain_one)).a == 3
        with serialization.safe_globals([Slotted]):
            assert flambeau.load(saved(torch, slotted)).a == 3
            assert Slotted in serialization.get_safe_globals()
        assert Slotted not in serialization.get_safe_globals()
        with pytest.raises(pickle.UnpicklingError, match="Slotted was not an allowed global"):
            flambeau.load(saved(torch, slotted))
    finally:
        serialization.clear_safe_globals()
    assert serialization.get_safe_globals() == []


def test_safe_globals_under_another_name():
    class Renamed:
        pass

    buffer = saved(flambeau, Plain())
    with serialization.safe_globals([(Renamed, f"{Plain.__module__}.Plain")]):
        assert type(flambeau.load(buffer)) is Renamed


@pytest.mark.parametrize("protocol", [2, 4])
def test_unsafe_globals_are_listed(protocol):
    obj = [torch.ones(1), Plain(), pathlib.PurePosixPath("a")]
    buffer = saved(torch, obj, pickle_protocol=protocol)
    assert serialization.get_unsafe_globals_in_checkpoint(buffer) == [
        f"{Plain.__module__}.Plain",
        "pathlib.PurePosixPath",
    ]


# -- errors --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "action",
    [
        lambda t: t.load("/nowhere/x"),
        lambda t: t.save(1, "/nowhere/x"),
        lambda t: t.load(io.BytesIO(b"")),
        lambda t: t.load(3),
        lambda t: t.load(saved(torch, 1), mmap=True),
        lambda t: t.load(saved(torch, 1), weights_only=True, pickle_module=pickle),
    ],
)
def test_error(action):
    with pytest.raises(Exception) as expected:  # noqa: PT011
        action(torch)
    with pytest.raises(expected.type) as error:
        action(flambeau)
    assert str(error.value) == str(expected.value)


def test_saving_to_what_is_no_file():
    with pytest.raises(AttributeError, match="expected 'f' to be string, path, or a file-like object"):
        flambeau.save(1, 3)


@pytest.mark.parametrize("cut", [60, 200, 600])
def test_a_truncated_file_is_said_to_be_damaged(cut):
    data = saved(torch, [torch.ones(100)]).getvalue()[:cut]
    with pytest.raises(RuntimeError, match=r"PytorchStreamReader failed reading zip archive.*corrupted"):
        flambeau.load(io.BytesIO(data))


def test_a_damaged_record_is_noticed():
    data = bytearray(saved(torch, [torch.ones(100)]).getvalue())
    data[data.find(b"\x00\x00\x80?" * 10)] = 7
    with pytest.raises(RuntimeError, match=r"data/0.*CRC"):
        flambeau.load(io.BytesIO(bytes(data)))


@pytest.mark.parametrize("data", [b"hello world", b"\x80\x02K\x01.", pickle.dumps({"a": 1})])
def test_other_files_are_refused(data):
    with pytest.raises((RuntimeError, pickle.UnpicklingError)):
        flambeau.load(io.BytesIO(data))


def test_another_zip_file_is_told_apart():
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("folder/file", "x")
    buffer.seek(0)
    with pytest.raises(RuntimeError, match=r'hasRecord\("version"\).*folder/file'):
        flambeau.load(buffer)


FUNCTIONS = (
    "add",
    "tanh",
    "nn.functional.gelu",
    "nn.functional.relu",
    "linalg.norm",
    "special.expit",
    "nn.init.ones_",
)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_are_saved_by_their_public_names(name):
    def of(library):
        for part in name.split("."):
            library = getattr(library, part)
        return library

    assert pickle.loads(pickle.dumps(of(flambeau))) is of(flambeau)
    ours = flambeau.load(saved(flambeau, [of(flambeau)]), weights_only=False)[0]
    assert ours is of(flambeau)
    # A function with two names may come back under the other one.
    x = [1.0, 2.0]
    theirs = torch.load(saved(flambeau, [of(flambeau)]), weights_only=False)[0]
    if name not in ("add", "nn.init.ones_"):
        np.testing.assert_allclose(
            theirs(torch.tensor(x)).numpy(), of(flambeau)(flambeau.tensor(x)).numpy(), 1e-5
        )


def test_a_layer_that_pytorch_saved_with_its_functions():
    layer = torch.nn.TransformerEncoderLayer(4, 2, activation=torch.nn.functional.gelu)
    layer.other = torch.tanh
    found = flambeau.load(saved(torch, layer), weights_only=False)
    assert found.activation is flambeau.nn.functional.gelu
    assert found.other is flambeau.tanh
