"""The files of docs/cluster.md, as far as they can be checked without a cluster."""

from __future__ import annotations

import re
import shlex
import subprocess
from typing import Any

import pytest
import yaml
from fences import ROOT, blocks

from evalharness.cli.sweep import add_arguments
from evalharness.execution.executors.ray.executor import Ray

PAGE = ROOT / "docs" / "cluster.md"


def _job() -> dict[str, Any]:
    (job,) = [yaml.safe_load(text) for text in blocks(PAGE, "yaml") if text.startswith("apiVersion: ray.io/v1")]
    return dict(job)


def _arguments(command: str) -> None:
    import argparse

    parser = argparse.ArgumentParser(exit_on_error=False)
    add_arguments(parser)
    words = shlex.split(command)
    assert words[:3] == ["python", "-m", "evalharness.sweep"]
    parser.parse_args(words[3:])


@pytest.mark.parametrize("script", blocks(PAGE, "sbatch"), ids=["cluster", "array"])
def test_the_batch_script_is_bash(script: str) -> None:
    done = subprocess.run(["bash", "-n"], input=script, text=True, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    (command,) = [line for line in script.splitlines() if line.startswith("python")]
    _arguments(command.rstrip(" &").replace('"reports/$(basename "$1" .yaml)"', "x").replace("$1", "x"))
    assert len(re.findall(r"^#SBATCH --[a-z-]+(=\S+)?$", script, re.MULTILINE)) == len(re.findall("#SBATCH", script))


def test_the_executors_of_the_page_are_right() -> None:
    documents = [yaml.safe_load(text) for text in blocks(PAGE, "yaml")]
    executors = [document["executor"] for document in documents if "executor" in document]
    assert executors
    for executor in executors:
        settings = {key: value for key, value in executor.items() if key != "name"}
        assert executor["name"] == "ray"
        Ray.Settings.model_validate(settings, strict=True)


def test_the_job_mounts_what_it_has_and_gives_all_gpus_to_workers() -> None:
    spec = _job()["spec"]
    _arguments(spec["entrypoint"])
    groups = [spec["rayClusterSpec"]["headGroupSpec"], *spec["rayClusterSpec"]["workerGroupSpecs"]]
    images = set()
    for group in groups:
        pod = group["template"]["spec"]
        (container,) = pod["containers"]
        images.add(container["image"])
        assert {mount["name"] for mount in container["volumeMounts"]} == {volume["name"] for volume in pod["volumes"]}
        wanted, most = container["resources"]["requests"], container["resources"]["limits"]
        assert wanted["memory"] == most["memory"]
        assert wanted.get("nvidia.com/gpu") == most.get("nvidia.com/gpu")
    assert len(images) == 1
    head, workers = groups
    assert head["rayStartParams"] == {"num-cpus": "0", "num-gpus": "0"}
    assert workers["replicas"] == workers["minReplicas"] == workers["maxReplicas"]
