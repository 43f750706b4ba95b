"""The files under deploy/ are valid for what reads them, and agree with ogaart's commands, settings and metrics."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import kubernetes_validate
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from ogaart.cli.main import main
from ogaart.core.stages import WorkerKind
from ogaart.operations.metrics import pipeline_metrics
from ogaart.search.web.app import create_app
from ogaart.settings import Settings
from ogaart_tests.world import World

DEPLOY = Path(__file__).parents[2] / "deploy"
COMPOSE = DEPLOY / "compose"
KUBERNETES_VERSION = "1.34"
FOREIGN = {"OGAART_SERVICES"}
"""Variables with our prefix that are no settings."""


def texts() -> dict[str, str]:
    """Every file under deploy/."""
    return {str(path.relative_to(DEPLOY)): path.read_text() for path in sorted(DEPLOY.rglob("*")) if path.is_file()}


def yaml_files() -> list[Path]:
    return sorted([*DEPLOY.rglob("*.yaml"), *DEPLOY.rglob("*.yml")])


def kubernetes_objects() -> list[dict[str, Any]]:
    """Every object of the manifests; the values of Dagster's chart are none."""
    files = [path for path in (DEPLOY / "kubernetes").glob("*.yaml") if path.name != "dagster-values.yaml"]
    return [one for path in sorted(files) for one in yaml.safe_load_all(path.read_text())]


def containers() -> Iterator[tuple[str, list[str]]]:
    """Name and arguments of every container that runs ``ogaart``."""
    compose = yaml.safe_load((DEPLOY / "compose" / "compose.yaml").read_text())
    for name, service in compose["services"].items():
        if service["image"] == "ogaart":
            yield f"compose {name}", service["command"]
    for one in kubernetes_objects():
        for container in one.get("spec", {}).get("template", {}).get("spec", {}).get("containers", []):
            yield f"kubernetes {container['name']}", container["args"]
    for path in (DEPLOY / "systemd").glob("*.service"):
        [line] = re.findall(r"^ExecStart=\S+/ogaart (.*)$", path.read_text(), re.MULTILINE)
        yield path.name, line.replace("%i", "site").split()


def test_yaml_files_are_tidy() -> None:
    off = dict.fromkeys(("document-start", "braces", "brackets"), "disable")
    rules = json.dumps({"extends": "default", "rules": {"line-length": {"max": 120}, **off}})

    done = subprocess.run(
        [sys.executable, "-m", "yamllint", "--strict", "-d", rules, *map(str, yaml_files())],
        capture_output=True,
        text=True,
    )

    assert done.returncode == 0, done.stdout


def test_the_compose_files_are_valid() -> None:
    files = ["compose.yaml", "bucket.yaml"]
    done = subprocess.run(
        [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", *files],
        cwd=DEPLOY / "compose",
        capture_output=True,
        text=True,
    )

    assert done.returncode == 0, done.stdout + done.stderr


def test_every_variable_of_the_compose_files_is_in_their_example() -> None:
    wanted = {name for path in COMPOSE.glob("*.yaml") for name in re.findall(r"\$\{(\w+)", path.read_text())}
    given = set(re.findall(r"^(\w+)=", (DEPLOY / "compose" / "env.example").read_text(), re.MULTILINE))

    assert wanted - {"OGAART_MODEL"} == given


def test_no_replica_counts_as_away_for_longer_than_it_is() -> None:
    config = (COMPOSE / "nginx.conf").read_text()

    # By default one refused request keeps nginx from a replica for ten seconds: long enough for the other one to end.
    assert re.findall(r"^ *server (\S+) .*max_fails=(\d+);", config, re.MULTILINE) == [("search:8080", "0")]
    assert "proxy_connect_timeout" in config


def test_every_service_of_ogaart_uses_the_bucket() -> None:
    main_file, bucket = (yaml.safe_load((COMPOSE / name).read_text()) for name in ("compose.yaml", "bucket.yaml"))
    own = {name for name, service in main_file["services"].items() if service["image"] == "ogaart"}

    used = {name for name, service in bucket["services"].items() if "OGAART_OBJECTS" in service.get("environment", {})}
    assert used == own
    assert set(bucket["volumes"]).isdisjoint(main_file["volumes"])


@pytest.mark.parametrize("one", kubernetes_objects(), ids=lambda one: f"{one['kind']}-{one['metadata']['name']}")
def test_every_kubernetes_object_is_valid(one: dict[str, Any]) -> None:
    kubernetes_validate.validate(one, KUBERNETES_VERSION, strict=True)


def test_what_shares_the_data_root_is_one_host() -> None:
    """Kernel locks hold on one machine, and the data root belongs to one name of a host."""
    pods = [one["spec"]["template"]["spec"] for one in kubernetes_objects() if "template" in one.get("spec", {})]
    pods = [pod for pod in pods if any("persistentVolumeClaim" in volume for volume in pod["volumes"])]
    compose = yaml.safe_load((DEPLOY / "compose" / "compose.yaml").read_text())
    values = yaml.safe_load((DEPLOY / "kubernetes" / "dagster-values.yaml").read_text())
    launched = values["runLauncher"]["config"]["k8sRunLauncher"]["runK8sConfig"]["podSpecConfig"]

    names = [pod["hostname"] for pod in pods] + [
        service["hostname"] for service in compose["services"].values() if service["image"] == "ogaart"
    ]
    assert set(names) == {"ogaart"} == {launched["hostname"]}
    # The controller of a StatefulSet names the host of a pod after the pod, whatever its template says.
    assert not [one["kind"] for one in kubernetes_objects() if one["kind"] == "StatefulSet"]
    [search] = [pod for pod in pods if pod["containers"][0]["name"] == "search"]
    [code_server] = values["dagster-user-deployments"]["deployments"]
    for pod in (search, launched):
        [near] = pod["affinity"]["podAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
        assert near["labelSelector"]["matchLabels"].items() <= code_server["labels"].items()


def test_the_image_runs_what_it_is_told_since_the_chart_of_dagster_runs_dagster_in_it() -> None:
    image = (DEPLOY / "Dockerfile").read_text()
    compose = yaml.safe_load((COMPOSE / "compose.yaml").read_text())
    own = [service["entrypoint"] for service in compose["services"].values() if service["image"] == "ogaart"]
    specs = [one["spec"]["template"]["spec"] for one in kubernetes_objects() if "template" in one.get("spec", {})]

    assert not re.search("^ENTRYPOINT", image, re.MULTILINE)
    assert re.findall("^CMD (.*)", image, re.MULTILINE) == ['["ogaart", "doctor"]']
    assert all(
        command == ["ogaart"] for command in [*own, *(one["command"] for pod in specs for one in pod["containers"])]
    )


def test_the_instance_of_dagsters_chart_has_the_limits_of_ours() -> None:
    values = yaml.safe_load((DEPLOY / "kubernetes" / "dagster-values.yaml").read_text())
    ours = yaml.safe_load((DEPLOY.parent / "dagster.yaml").read_text())

    given = values["additionalInstanceConfig"]["concurrency"]
    assert given["pools"] == ours["concurrency"]["pools"]
    assert given["runs"].keys() == ours["concurrency"]["runs"].keys()
    # Dagster refuses an instance that states the number of runs in both places.
    assert values["dagsterDaemon"]["runCoordinator"]["config"] == {"queuedRunCoordinator": {}}
    retries = values["dagsterDaemon"]["runRetries"]
    assert retries["maxRetries"] == ours["run_retries"]["max_retries"]
    assert retries["retryOnAssetOrOpFailure"] == ours["run_retries"]["retry_on_asset_or_op_failure"]


def test_one_worker_takes_the_steps_with_requests_and_every_queue_has_one() -> None:
    for shape in ("compose", "kubernetes"):
        queues = [a for name, args in containers() if name.startswith(shape) and args[0] == "worker" for a in args[1:]]
        assert queues.count("site") == 1
        assert set(WorkerKind) <= set(queues)


@pytest.mark.parametrize(("where", "arguments"), list(containers()))
def test_every_command_exists_with_its_options(where: str, arguments: list[str]) -> None:
    group = click.Context(main, info_name="ogaart", **main.context_settings)
    command = main.commands[arguments[0]]

    command.make_context(where, list(arguments[1:]), parent=group)  # a command keeps the help option it has first


@pytest.mark.parametrize("name", [name for name in texts() if name != "monitoring/grafana-dashboard.json"])
def test_every_setting_exists(name: str) -> None:
    known = {f"OGAART_{field.upper()}" for field in Settings.model_fields} | FOREIGN

    assert set(re.findall(r"\bOGAART_[A-Z_]+\b", texts()[name])) <= known


def test_example_settings_are_valid(monkeypatch: pytest.MonkeyPatch) -> None:
    [secret] = [one for one in kubernetes_objects() if one["kind"] == "Secret"]
    for name, value in secret["stringData"].items():
        monkeypatch.setenv(name, value)

    assert Settings().executor == "celery"


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze")
def test_systemd_units_are_valid(tmp_path: Path) -> None:
    for path in (DEPLOY / "systemd").glob("*.service"):
        unit = tmp_path / path.name.replace("@.", "@site.")
        unit.write_text(path.read_text().replace("/opt/ogaart/.venv/bin/ogaart", sys.executable))

    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *map(str, tmp_path.glob("*.service"))], capture_output=True, text=True
    )

    assert (done.returncode, done.stderr) == (0, "")


def test_every_configuration_of_prometheus_scrapes_the_jobs_of_the_alerts() -> None:
    rules = (DEPLOY / "monitoring" / "alerts.yml").read_text()
    wanted = set(re.findall(r'job="([\w-]+)"', rules))

    for path in (DEPLOY / "monitoring" / "prometheus.yml", COMPOSE / "prometheus.yml"):
        jobs = {job["job_name"] for job in yaml.safe_load(path.read_text())["scrape_configs"]}
        assert jobs == wanted, path


def test_prometheus_reaches_every_replica_in_containers_past_the_proxy() -> None:
    services = yaml.safe_load((COMPOSE / "compose.yaml").read_text())["services"]
    jobs = yaml.safe_load((COMPOSE / "prometheus.yml").read_text())["scrape_configs"]
    found = {one["names"][0]: one["port"] for job in jobs for one in job["dns_sd_configs"]}

    assert found == {"search": Settings.model_fields["serve_port"].default, "metrics": 9464}
    assert services["metrics"]["command"][-2:] == ["--port", "9464"]
    for volume in services["prometheus"]["volumes"][:2]:
        assert (COMPOSE / volume.split(":")[0]).is_file()


@pytest.mark.skipif(shutil.which("promtool") is None, reason="needs promtool, of the Debian package prometheus")
def test_prometheus_accepts_its_configuration_and_rules() -> None:
    done = subprocess.run(
        ["promtool", "check", "config", "--lint-fatal", "prometheus.yml"],
        cwd=DEPLOY / "monitoring",
        capture_output=True,
        text=True,
    )

    assert done.returncode == 0, done.stdout + done.stderr


def test_rules_and_dashboard_use_metrics_that_there_are(demo_world: World) -> None:
    from fastapi.testclient import TestClient

    with TestClient(create_app(demo_world.settings), base_url="http://localhost") as client:
        client.get("/search", params={"q": "tree"})
        served = client.get("/metrics").text
    there = {
        sample.name
        for text in (served, pipeline_metrics(demo_world.settings))
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    dashboard = json.loads((DEPLOY / "monitoring" / "grafana-dashboard.json").read_text())
    rules = yaml.safe_load((DEPLOY / "monitoring" / "alerts.yml").read_text())
    queries = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    queries += [rule["expr"] for group in rules["groups"] for rule in group["rules"]]

    used = {name for query in queries for name in re.findall(r"\bogaart_\w+", query)}
    assert used <= there
    assert '"/search"' in served


def test_panels_of_the_dashboard_do_not_overlap() -> None:
    dashboard = json.loads((DEPLOY / "monitoring" / "grafana-dashboard.json").read_text())
    cells = [
        (panel["gridPos"]["x"] + x, panel["gridPos"]["y"] + y)
        for panel in dashboard["panels"]
        for x in range(panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["h"])
    ]

    assert len(cells) == len(set(cells))
    assert len({panel["id"] for panel in dashboard["panels"]}) == len(dashboard["panels"])
