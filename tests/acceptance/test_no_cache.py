"""What an apply starts is what the branch says, whoever has written what lies in git's folder."""

from itertools import count

import pytest

from reconciler.repository import cache
from tests.acceptance.conftest import OpenScene
from tests.acceptance.scene import runs


def test_an_apply_asks_no_cache(open_scene: OpenScene, monkeypatch: pytest.MonkeyPatch) -> None:
    scene = open_scene({**runs("a", "b", "c")})
    monkeypatch.setattr(cache, "_LEAST_FILES", 1)
    asked = count()
    monkeypatch.setattr(cache, "load", lambda *_: next(asked) and None)
    scene.run("plan")
    assert next(asked) == 0  # there is none yet
    scene.run("plan")
    assert next(asked) == 2
    scene.run("apply")
    assert next(asked) == 3
