"""The story on each kind of Facebook page, and with the faults that bear on order and on threads: `make regimes` plays all."""

import asyncio
import json
import os
import sys
from pathlib import Path

import pytest

from story.doors import Refused
from story.regime import Regime
from story.regimes import FAULTS, REGIMES, Show, configure, shows
from story.sample import REGIMES as SAMPLED

ROOT = Path(__file__).parents[3]
WITHIN = 240.0  # seconds, on a busy machine; measured 20


@pytest.mark.infra
@pytest.mark.timeout(300)
async def test_the_story_goes_as_told_in_each_regime_and_with_faults(tmp_path):
    report = tmp_path / "sample.json"
    command = ("-m", "local", "regimes", "--sample", "--data", str(tmp_path / "data"), "--report", str(report))
    out = (tmp_path / "out").open("wb")
    settings = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        *command,
        "--parent",
        str(os.getpid()),
        cwd=ROOT,
        env=settings,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=out,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        code = await asyncio.wait_for(child.wait(), WITHIN)
    finally:
        if child.returncode is None:
            child.terminate()
            await child.wait()
        out.close()
    said = (tmp_path / "out").read_text()
    assert code == 0, said
    rows = json.loads(report.read_text())["rows"]
    assert {row["regime"] for row in rows} == {regime.text for regime in REGIMES}
    assert any(row["notification"] == "refused" for row in rows)
    assert all(row["ok"] and row["steps"] for row in rows), said


def test_every_combination_of_regime_notification_and_receiver_is_played_and_the_sample_has_each_regime():
    assert len(set(REGIMES)) == len({regime.name for regime in REGIMES}) * 2 * 2 == 16
    assert {regime.name for regime in SAMPLED} == {regime.name for regime in REGIMES}
    pages = [show.page for show in shows(REGIMES, FAULTS)]
    assert len(set(pages)) == len(pages) == len(REGIMES) + len(FAULTS)


def test_every_switch_of_facebook_in_a_box_is_played():
    from facebook.faults import Faults

    played = {name for fault in FAULTS for name in fault.switches}
    assert set(Faults.model_fields) == played


class Lenient:
    """A console that lets the notification be switched on whatever the page."""

    def __init__(self, refuses: bool) -> None:
        self.refuses = refuses
        self.put: list[dict[str, object]] = []

    async def ask(self, method, path, body=None, **headers):
        if method == "GET":
            return {"configuration": {"page_inbox_app": "1"}}
        if self.refuses and body["messenger_inbox_notification"]:
            raise Refused(method, path, 422, '{"field": "messenger_inbox_notification"}')
        self.put.append(body)
        return None


@pytest.mark.parametrize(("refuses", "ok"), [(True, True), (False, False)])
async def test_where_there_is_no_way_back_the_notification_has_to_be_refused(refuses, ok):
    show = Show(Regime("zero_config"), "1", ())
    console = Lenient(refuses)
    await configure(console, show)
    assert show.row.ok is ok
    assert show.row.notification == "refused"
    assert console.put[-1]["has_default_app"] is False
