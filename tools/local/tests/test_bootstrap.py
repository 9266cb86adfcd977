"""What a person reads when the machine lacks something, and when the environment is made anew."""

import importlib.util
from pathlib import Path

import pytest

FILE = Path(__file__).parents[1] / "bootstrap.py"


@pytest.fixture(scope="module")
def bootstrap():
    spec = importlib.util.spec_from_file_location("bootstrap", FILE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def clone(tmp_path):
    """What the bootstrap reads of a clone."""
    (tmp_path / "requirements").mkdir()
    for name in ("uv.txt", "dev.txt"):
        (tmp_path / "requirements" / name).write_text("")
    (tmp_path / "pyproject.toml").write_text('[tool.mypy]\nmypy_path = ["libs/schemas"]\n')
    return tmp_path


def test_an_old_python_is_told_which_one_is_needed(bootstrap):
    with pytest.raises(bootstrap.Refused, match=r"3\.10 is too old.*3\.11 or newer"):
        bootstrap.check_python((3, 10))


def test_a_python_without_venv_is_told_the_package_that_brings_it(bootstrap):
    with pytest.raises(bootstrap.Refused, match=r"apt install python3\.12-venv"):
        bootstrap.check_python((3, 12), has_ensurepip=False)


def test_this_python_is_good_enough(bootstrap):
    bootstrap.check_python((3, 11), has_ensurepip=True)


def test_a_failed_download_shows_the_installer_s_words_and_asks_for_a_network(bootstrap):
    with pytest.raises(bootstrap.Refused, match=r"(?s)not installed.*no route to host.*Is there a network\?"):
        bootstrap._run(["sh", "-c", "echo no route to host >&2; exit 1"], "uv was not installed.")


def test_an_environment_that_is_current_costs_nothing(bootstrap, clone):
    (clone / ".venv" / "bin").mkdir(parents=True)
    (clone / ".venv" / "bin" / "python").touch()
    (clone / ".venv" / "convoboss-stamp").write_text(bootstrap._stamp(clone))
    assert bootstrap.ensure(clone) is False


@pytest.mark.parametrize("changed", ["requirements/dev.txt", "requirements/uv.txt"])
def test_new_requirements_make_the_environment_anew(bootstrap, clone, changed):
    before = bootstrap._stamp(clone)
    (clone / changed).write_text("aiohttp==4.0.0")
    assert bootstrap._stamp(clone) != before


def test_the_path_file_names_every_package_root_of_the_workspace(bootstrap, clone):
    packages = clone / ".venv" / "lib" / "python3.11" / "site-packages"
    packages.mkdir(parents=True)
    bootstrap._write_pth(clone, clone / ".venv")
    assert (packages / "convoboss-workspace.pth").read_text() == f"{clone / 'libs/schemas'}\n"
