"""The compose file, the image and the example of `.env`, held against each other and against the code."""

from __future__ import annotations

import importlib.util
import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import typer.main
import yaml

from runtime.cli.command_line import app
from runtime.settings import Settings, variable_of, variables
from sandbox.settings import SandboxSettings

ROOT = Path(__file__).parents[2]
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
DOCKERFILE = (ROOT / "Dockerfile").read_text()
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = {name: service for name, service in SERVICES.items() if service["image"].startswith("stockbridge:")}
SANDBOX_VARIABLES = {f"SANDBOX_{name.upper()}" for name in SandboxSettings.model_fields}
CONNECTING = {"connect-erp": {"ERP_PASSWORD"}, "connect-carrier": {"CARRIER_TOKEN", "CARRIER_SECRET"}}
REFERENCE = re.compile(r"\$\{([A-Z_]+)(:[-?][^}]*)?\}")


def referenced(node: object) -> set[str]:
    """Return the variables that a part of the compose file takes from `.env`."""
    if isinstance(node, dict):
        return set().union(*(referenced(value) for value in node.values()))
    if isinstance(node, list):
        return set().union(*(referenced(value) for value in node))
    return {name for name, _ in REFERENCE.findall(str(node))}


def filled(node: Any, values: dict[str, str]) -> Any:
    """Return a part of the compose file with the variables filled in, as Compose would."""
    if isinstance(node, dict):
        return {key: filled(value, values) for key, value in node.items()}
    if isinstance(node, list):
        return [filled(value, values) for value in node]
    return REFERENCE.sub(lambda found: values[found[1]], node) if isinstance(node, str) else node


@pytest.fixture
def example() -> dict[str, str]:
    lines = (ROOT / ".env.example").read_text().splitlines()
    pairs = [line.split("=", 1) for line in lines if line and not line.startswith("#")]
    assert len({name for name, _ in pairs}) == len(pairs)
    return {pair[0]: pair[1] for pair in pairs}


def test_it_is_a_compose_file() -> None:
    package = importlib.util.find_spec("check_jsonschema")  # it ships the specification's own schema
    assert package is not None
    assert package.origin is not None
    schema = Path(package.origin).parent / "builtin_schemas" / "vendor" / "compose-spec.json"
    jsonschema.Draft7Validator(json.loads(schema.read_text())).validate(COMPOSE)


def test_every_process_of_ours_is_there_and_runs_a_command_that_exists() -> None:
    commands = set(typer.main.get_command(app).commands)  # type: ignore[attr-defined, unused-ignore]
    assert {service["command"][0] for service in OURS.values()} <= commands
    assert set(OURS) == {"migrate", "api", "worker", "relay", "sandbox", *CONNECTING}


@pytest.mark.parametrize("name", CONNECTING)
def test_connections_are_added_by_options_that_there_are_and_secrets_never_as_arguments(
    name: str, example: dict[str, str]
) -> None:
    connection = typer.main.get_command(app).commands["connection"]  # type: ignore[attr-defined, unused-ignore]
    add = connection.commands["add"]
    _, action, *arguments = filled(OURS[name]["command"], example)
    read = add.make_context(action, arguments).params
    assert (read["tenant"], read["or_change"]) == ("demo", True)
    variables_of = {each.partition("=env:")[2] for each in read["secret"]}
    assert variables_of == set(OURS[name]["environment"]) - set(variables())
    assert [value for key, value in example.items() if key in variables_of and value in " ".join(arguments)] == []


@pytest.mark.parametrize("name", OURS)
def test_every_variable_in_it_is_a_setting(name: str) -> None:
    known = SANDBOX_VARIABLES if name == "sandbox" else set(variables()) | CONNECTING.get(name, set())
    assert set(OURS[name]["environment"]) <= known


def test_what_it_takes_from_env_is_what_the_example_has(example: dict[str, str]) -> None:
    assert set(example) == referenced(COMPOSE)


def test_a_variable_in_the_example_with_our_prefix_is_a_setting(example: dict[str, str]) -> None:
    own = {name for name in example if name.startswith("STOCKBRIDGE_")} - {"STOCKBRIDGE_DB_PASSWORD"}
    assert own <= set(variables())


@pytest.mark.parametrize("name", sorted(set(OURS) - {"sandbox"}))
def test_with_the_example_filled_in_the_settings_load(
    name: str, example: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in variables():
        monkeypatch.delenv(variable, raising=False)
    sealing = {"STOCKBRIDGE_SEALING_KEYS": "k:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="}
    for variable, value in {**filled(OURS[name]["environment"], example), **sealing}.items():
        monkeypatch.setenv(variable, value)
    settings = Settings.load()
    assert settings.need("database_url").startswith("postgresql://stockbridge:change-me-limited@")
    assert (settings.database_admin_url is not None) == (name == "migrate")


def test_the_sandbox_and_the_product_agree(example: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    sandbox, api = (filled(OURS[name]["environment"], example) for name in ("sandbox", "api"))
    for variable, value in sandbox.items():
        monkeypatch.setenv(variable, value)
    assert SandboxSettings().hub_url == f"http://api:{api['STOCKBRIDGE_API_PORT']}"
    connecting = [filled(OURS[name], example) for name in CONNECTING]
    told = " ".join(str(part) for each in connecting for part in (*each["command"], *each["environment"].items()))
    for variable in ("ERP_USER", "ERP_PASSWORD", "CARRIER_TOKEN", "CARRIER_SECRET", "CARRIER_CONNECTION"):
        assert sandbox[f"SANDBOX_{variable}"] in told
    assert api["STOCKBRIDGE_API_KEYS"].endswith(f":{sandbox['SANDBOX_API_KEY']}")


@pytest.mark.parametrize("name", SERVICES)
def test_who_depends_on_a_service_waits_for_a_state_that_it_can_reach(name: str) -> None:
    for needed, how in SERVICES[name].get("depends_on", {}).items():
        if how["condition"] == "service_healthy":
            assert "healthcheck" in SERVICES[needed]
        else:
            assert how["condition"] == "service_completed_successfully"
            assert SERVICES[needed].get("restart") != "unless-stopped"


def test_everything_that_stays_up_has_a_health_check() -> None:
    assert {name for name, service in SERVICES.items() if "healthcheck" not in service} == {"migrate", *CONNECTING}


def test_every_image_is_pinned() -> None:
    bases = re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)
    images = [service["image"] for service in SERVICES.values()]
    assert all(re.search(r":\d+\.\d+(\.\d+)?(-\w+)*$", image) for image in [*bases, *images])


def test_ours_run_as_nobody_in_particular_and_may_write_nowhere_but_where_they_are_told() -> None:
    assert re.search(r"^USER (?!root)", DOCKERFILE, re.MULTILINE)
    for service in OURS.values():
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]


def test_the_volumes_and_configs_that_are_used_are_those_that_are_declared() -> None:
    volumes = {volume.split(":")[0] for service in SERVICES.values() for volume in service.get("volumes", [])}
    configs = {config["source"] for service in SERVICES.values() for config in service.get("configs", [])}
    assert volumes == set(COMPOSE["volumes"])
    assert configs == set(COMPOSE["configs"])


def test_the_deploying_page_has_every_setting_as_it_is() -> None:
    page = (ROOT / "docs" / "deploying.md").read_text()
    rows = re.findall(r"^\| `(?:STOCKBRIDGE|DATABASE|TEMPORAL)_[A-Z_]+` \|.*$", page, re.MULTILINE)
    assert rows == [row_of(name) for name in Settings.model_fields]


def row_of(name: str) -> str:
    """Return the row of the settings table for one setting."""
    field = Settings.model_fields[name]
    plain = Settings.model_construct().environment()[variable_of(name)]
    default = f"`{plain}`" if plain else ""
    return f"| `{variable_of(name)}` | {default} | {field.description} |"
