"""Nothing is run that is not exactly what jars.txt names."""

from dataclasses import replace

import pytest

from local import jars
from local.errors import LocalError


def test_a_jar_with_another_hash_is_refused_and_not_kept(tmp_path, monkeypatch):
    import jgo.maven

    class Artifact:
        def resolve(self):
            path = tmp_path / "downloaded.jar"
            path.write_bytes(b"something else")
            return path

    class Context:
        def __init__(self, **_):
            pass

        def create_dependency(self, _coordinate):
            return type("Dependency", (), {"artifact": Artifact()})()

    monkeypatch.setenv("CONVOBOSS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(jgo.maven, "MavenContext", Context)
    wanted = replace(jars.listed()[0])
    with pytest.raises(LocalError, match=r"is not the file that jars\.txt names"):
        jars.fetch([wanted])
    assert not wanted.present


async def test_the_class_path_is_sorted_because_a_class_archive_belongs_to_one_order(tmp_path):
    listed = [jar.path for jar in jars.listed()]
    assert len(set(listed)) == len(listed) == 45
    assert await jars.class_path(print, print, tmp_path / "log") == sorted(listed)
