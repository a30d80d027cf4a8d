"""Downloads come from `file:` addresses: nothing here needs a network."""

import hashlib
import zipfile

import pytest
import torch

import flambeau
from flambeau import hub


@pytest.fixture
def weights(tmp_path):
    """A file of weights that PyTorch wrote, under a name with its hash."""
    plain = tmp_path / "plain.pth"
    torch.save({"weight": torch.arange(3.0)}, plain)
    digest = hashlib.sha256(plain.read_bytes()).hexdigest()
    return plain.rename(tmp_path / f"net-{digest[:8]}.pth")


def test_state_dict_is_downloaded_once_and_read_from_the_folder(weights, tmp_path, capsys):
    folder = tmp_path / "kept"
    found = hub.load_state_dict_from_url(weights.as_uri(), str(folder), progress=False, check_hash=True)
    assert found["weight"].tolist() == [0.0, 1.0, 2.0]
    assert capsys.readouterr().err == f'Downloading: "{weights.as_uri()}" to {folder / weights.name}\n'
    weights.unlink()
    again = hub.load_state_dict_from_url("file:///gone/" + weights.name, str(folder))
    assert again["weight"].tolist() == [0.0, 1.0, 2.0]


def test_wrong_hash_leaves_no_file_behind(weights, tmp_path):
    folder = tmp_path / "kept"
    wrong = weights.rename(tmp_path / "net-00000000.pth")
    with pytest.raises(RuntimeError, match=r'invalid hash value \(expected "00000000", got "\w{8}"\)'):
        hub.load_state_dict_from_url(wrong.as_uri(), str(folder), progress=False, check_hash=True)
    assert list(folder.iterdir()) == []


def test_interrupted_download_leaves_the_old_file(weights, tmp_path):
    target = tmp_path / "kept.pth"
    target.write_bytes(b"old")
    with pytest.raises(RuntimeError, match="invalid hash"):
        hub.download_url_to_file(weights.as_uri(), str(target), hash_prefix="f" * 64, progress=False)
    assert target.read_bytes() == b"old"
    assert not list(tmp_path.glob("*.tmp"))


def test_progress_reaches_the_end(weights, tmp_path, capsys):
    hub.download_url_to_file(weights.as_uri(), str(tmp_path / "kept.pth"))
    assert "100" in capsys.readouterr().err


def test_zip_of_one_file_is_looked_into(weights, tmp_path):
    with zipfile.ZipFile(tmp_path / "zipped.pth", "w") as archive:
        archive.write(weights, "inner.pth")
    found = hub.load_state_dict_from_url(
        (tmp_path / "zipped.pth").as_uri(), str(tmp_path / "kept"), progress=False
    )
    assert found["weight"].tolist() == [0.0, 1.0, 2.0]


def test_folder_is_where_pytorch_has_it(monkeypatch, tmp_path):
    for name, value in (("TORCH_HOME", None), ("TORCH_HOME", "~/models"), ("XDG_CACHE_HOME", str(tmp_path))):
        monkeypatch.delenv("TORCH_HOME", raising=False)
        if value is not None:
            monkeypatch.setenv(name, value)
        assert hub.get_dir() == torch.hub.get_dir()
    monkeypatch.setattr(hub, "_hub_dir", None)
    hub.set_dir(tmp_path / "chosen")
    assert hub.get_dir() == str(tmp_path / "chosen")


@pytest.fixture
def repository(tmp_path):
    (tmp_path / "layers.py").write_text("def make(size, scale=1):\n    return size * scale\n")
    (tmp_path / "hubconf.py").write_text(
        "dependencies = ['numpy']\n"
        "import layers\n"
        "def net(size, scale=1):\n    'A net of that size.'\n    return layers.make(size, scale)\n"
        "def _hidden():\n    pass\n"
    )
    return tmp_path


def test_models_of_a_local_folder(repository, monkeypatch):
    assert hub.load(str(repository), "net", 3, source="local", scale=2) == 6
    assert torch.hub.load(str(repository), "net", 3, source="local", scale=2) == 6
    assert hub.list(str(repository)) == ["net"]
    assert hub.help(str(repository), "net") == "A net of that size."
    with pytest.raises(RuntimeError, match="Cannot find callable other in hubconf"):
        hub.load(str(repository), "other", source="local")
    (repository / "hubconf.py").write_text("dependencies = ['no_such_package_here']\n")
    with pytest.raises(RuntimeError, match="Missing dependencies: no_such_package_here"):
        hub.load(str(repository), "net", source="local")


def test_code_from_the_network_is_refused():
    with pytest.raises(NotImplementedError, match="Clone the repository"):
        hub.load("pytorch/vision", "resnet18")
    with pytest.raises(ValueError, match='Unknown source: "web"'):
        hub.load("pytorch/vision", "resnet18", source="web")


def test_model_zoo_is_the_older_name():
    from flambeau.utils import model_zoo

    assert model_zoo.load_url is flambeau.hub.load_state_dict_from_url
    assert callable(model_zoo.tqdm)
