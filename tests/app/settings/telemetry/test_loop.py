"""The keys about the event loop and its tasks."""

from pathlib import Path

import pytest

from towpath._app.settings.telemetry.loop import LoopOptions
from towpath._core.errors import SetupError
from towpath.settings import load


def read(folder: Path, text: str) -> LoopOptions:
    (folder / "towpath.toml").write_text(f"[telemetry]\n{text}")
    return load(folder / "towpath.toml", {}).telemetry.loop


def test_each_key_is_read(tmp_path: Path) -> None:
    text = "loop_monitor = false\nloop_block_limit = '0.1s'\nleaked_task_after = 'off'\ndebug_documents = 'on'"
    assert read(tmp_path, text) == LoopOptions(monitor=False, block_limit=0.1, leaked_task_after=None, debug_documents="on")
    assert read(tmp_path, "") == LoopOptions()


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("loop_block_limit = '0.01s'", 'telemetry.loop_block_limit: \'0.01s\' is out of range; give "0.03s" to "60s"'),
        ("leaked_task_after = '0.5s'", 'telemetry.leaked_task_after: \'0.5s\' is out of range; give "1s" to "86400s", or "off"'),
        ("debug_documents = 'yes'", 'telemetry.debug_documents: \'yes\' is not known; give "loopback", "on" or "off"'),
        ("loop_monitor = 1", "telemetry.loop_monitor: expected `bool`, got `int`"),
    ],
)
def test_a_mistake_names_its_key(tmp_path: Path, text: str, error: str) -> None:
    with pytest.raises(SetupError) as caught:
        read(tmp_path, text)
    assert str(caught.value) == f"{tmp_path}/towpath.toml: {error}"
