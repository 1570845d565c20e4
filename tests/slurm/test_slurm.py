"""The demo suite on a real Slurm, where jobs are preempted, run out of time and lose their node."""

from __future__ import annotations

import csv
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import yaml
from cluster import Cluster
from cluster_run import ClusterRun
from short_specs import make_short
from snakemake_project import ROOT, Project

from slm.plan import make_plan, read_sheet

pytestmark = [pytest.mark.slurm, pytest.mark.workflow, pytest.mark.slow]

# Long enough to be caught in the middle: PPO trains for seconds, A2C for too short a time.
MAX_FRAME, SESSIONS = 1024, 2
# A run's bytes don't depend on how often it is saved.
SETTINGS = ("demo", "--config", "checkpoint_interval=0.2")
# One experiment goes without the profile's warning before the time limit, so that Slurm itself ends its job.
WARNING = yaml.safe_load((ROOT / "workflow/profiles/slurm/config.yaml").read_text())["default-resources"]["slurm_extra"]
UNWARNED = f"train_session:slurm_extra='' if wildcards.experiment == 'ppo_acrobot' else {WARNING}"
EXACT = ("spec.json", "train.csv", "eval.csv", "model.pt", "best.pt", "curve.csv")
OF_THE_RUN = {"wall_time_s", "fps", "sps"}


ALL = [(name, session) for name in ("ppo_cartpole", "a2c_cartpole", "ppo_acrobot") for session in range(SESSIONS)]
# One session for each fault; two are left in peace.
PREEMPTED, WARNED, NOT_WARNED, LOST = ("ppo_cartpole", 0), ("ppo_cartpole", 1), ("ppo_acrobot", 1), ("ppo_acrobot", 0)


def test_the_demo_suite_loses_nothing_to_preemption_time_limits_and_a_lost_node(
    cluster: Cluster, tmp_path: Path
) -> None:
    project, local = (make_demo(tmp_path / name) for name in ("project", "local"))
    run, pool = ClusterRun(project, cluster, *SETTINGS, "--set-resources", UNWARNED), ThreadPoolExecutor(1)
    try:
        preempted, warned, unwarned, lost = run.catch(PREEMPTED, WARNED, NOT_WARNED, LOST)
        cluster.run("scontrol", "requeue", preempted.job)
        cluster.run("scancel", "--signal=USR1", warned.job)
        # Two minutes before its end a job is warned: at once, then. The other job is left until its time is over.
        cluster.limit(warned.job, minutes=3)
        cluster.limit(unwarned.job, minutes=1)
        compared = pool.submit(local.finish, *SETTINGS)  # while there is only time to pass
        run.thaw_when_asked_to_end(warned)
        for limited in (warned, unwarned):
            run.wait_for(lambda job=limited.job: cluster.state(job) in ("FAILED", "TIMEOUT"), "the time limit")
        assert (cluster.state(warned.job), cluster.state(unwarned.job)) == ("FAILED", "TIMEOUT")
        cluster.kill_node(lost.node)
        run.wait_for(lambda: cluster.node_states().get(lost.node, "").startswith("down"), "the end of the node")
        cluster.start_node(lost.node)
        run.finish()
        compared.result()
    finally:
        run.stop()
        pool.shutdown()

    # What Slurm took away came back under the same job; what its time limit ended was submitted once more.
    assert run.train_jobs() == {session: 2 if session in (WARNED, NOT_WARNED) else 1 for session in ALL}
    for limited_session in (WARNED, NOT_WARNED):
        first, second = run.memory()[limited_session]
        assert second == 2 * first
    assert run.rules() == {"train_session", "random_baseline"}
    # The log of the job that ended, which Snakemake shows: SIGUSR1 ended nothing.
    assert "SIGUSR1: saved at frame" in run.printed()
    for name, session in (PREEMPTED, WARNED, NOT_WARNED, LOST):
        log = project.path / f"results/logs/train_session/{name}/trial0-session{session}.log"
        assert "resumed at frame" in log.read_text()
    assert results(project) == results(local)


def make_demo(path: Path) -> Project:
    """The demo suite with short sessions."""
    schema = yaml.safe_load((ROOT / "workflow/schemas/benchmarks.schema.yaml").read_text())
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        plan = make_plan(read_sheet(Path("config/benchmarks.tsv"), schema), ["demo"], "eager", False)
        return make_short(path, plan.suite("demo"), MAX_FRAME, SESSIONS)


def results(project: Project) -> dict[str, Any]:
    """All results by path: bytes where bytes are promised, else the content without what a clock says."""
    folder = project.path / "results"
    found: dict[str, Any] = {
        str(path.relative_to(folder)): path.read_bytes()
        for path in [*(folder / "experiments").rglob("*"), *(folder / "baselines").rglob("*")]
        if path.name in EXACT or path.parent.name == "baselines"
    }
    for path in (folder / "experiments").rglob("session.json"):
        record = json.loads(path.read_text())
        found[str(path.relative_to(folder))] = {key: value for key, value in record.items() if key not in OF_THE_RUN}
    with (folder / "reports/demo/table.csv").open(newline="") as table:
        rows = list(csv.DictReader(table))
    found["table.csv"] = [{key: value for key, value in row.items() if key not in OF_THE_RUN} for row in rows]
    return found
