import subprocess
import sys


def test_the_settings_can_be_had_without_loading_an_http_client() -> None:
    code = "import reconciler.enos.access, sys; sys.exit('httpx' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
