from tests.acceptance.conftest import OpenScene
from tests.acceptance.scene import runs


def test_smoke(open_scene: OpenScene) -> None:
    scene = open_scene(runs("a", "b"))
    for args in (["validate"], ["plan"], ["apply"], ["apply"], ["status"], ["status", "a"]):
        said = scene.run(*args)
        print(args, said.out, said.err)
    print(scene.ledger())
