"""The API is what its description says: valid OpenAPI, and requests made from it find nothing that it leaves out."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as hypothesis_settings
from openapi_spec_validator import validate
from prometheus_client.parser import text_string_to_metric_families

from ogaart.search.engine.service import SearchService
from ogaart.search.web.app import create_app
from ogaart_tests.search.tiny_generation import image_id

ROBOT = image_id("robot-animated", 0)


@pytest.fixture(scope="module")
def app(service: SearchService) -> FastAPI:
    unlimited = {"searches_per_minute": 0, "uploads_per_minute": 0, "url_fetch": False, "hosts": "testserver"}
    return create_app(service.settings.model_copy(update=unlimited), service)


@pytest.fixture(scope="module")
def client(app: FastAPI) -> Iterator[TestClient]:
    with TestClient(app, base_url="http://localhost") as client:
        yield client


def test_the_description_is_valid_and_its_operations_have_readable_names(client: TestClient) -> None:
    described = client.get("/api/openapi.json").json()

    validate(described)
    operations = [one for methods in described["paths"].values() for one in methods.values()]
    assert [one["operationId"] for one in operations] == [
        "search",
        "search_with_pictures",
        "suggest",
        "get_image",
        "get_credits",
        "get_info",
    ]
    for one in operations:
        for status, answer in one["responses"].items():
            assert "application/problem+json" in answer["content"] or status == "200", (one["operationId"], status)
        for parameter in one.get("parameters", []):
            bounds = parameter["schema"].get("items", parameter["schema"])
            assert {"enum", "maxLength", "maximum", "exclusiveMaximum"} & bounds.keys() or parameter["name"] in (
                "ids",
                "rely",
            ), parameter
    credits_types = described["paths"]["/api/v1/credits"]["get"]["responses"]["200"]["content"]
    assert {"text/plain", "text/markdown", "text/html", "text/csv", "application/json", "application/zip"} <= set(
        credits_types
    )


def test_urls_are_absolute(client: TestClient) -> None:
    found = client.get(f"/api/v1/search?like={ROBOT}&limit=2").json()

    urls = [found["next"], *(hit[name] for hit in found["hits"] for name in ("url", "thumb_url", "original_url"))]
    assert all(url.startswith("http://localhost/") for url in urls)
    assert client.get(found["next"]).json()["hits"]
    assert client.get(found["hits"][0]["thumb_url"]).headers["content-type"] == "image/webp"


def test_other_sites_may_use_the_api_and_the_pages_may_not_be_read(client: TestClient, service: SearchService) -> None:
    origin = {"Origin": "https://game.example"}
    asked = {**origin, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type"}

    assert client.get("/api/v1/info", headers=origin).headers["access-control-allow-origin"] == "*"
    assert client.get("/api/v1/nothing", headers=origin).headers["access-control-allow-origin"] == "*"
    before = client.options("/api/v1/search", headers=asked)
    assert before.status_code == 200
    assert "POST" in before.headers["access-control-allow-methods"]
    assert "access-control-allow-origin" not in client.get("/", headers=origin).headers
    some = service.settings.model_copy(update={"cors_origins": "https://game.example, https://other.example/"})
    with TestClient(create_app(some, service), base_url="http://localhost") as chosen:
        assert chosen.get("/api/v1/info", headers=origin).headers["access-control-allow-origin"] == origin["Origin"]
        other = chosen.get("/api/v1/info", headers={"Origin": "https://evil.example"})
        assert "access-control-allow-origin" not in other.headers


@pytest.mark.parametrize(
    ("path", "methods"),
    [
        ("/api/v1/search", "GET, HEAD, OPTIONS, POST"),
        ("/search", "GET, HEAD, OPTIONS, POST"),
        ("/api/v1/info", "GET, HEAD, OPTIONS"),
        ("/metrics", "GET, HEAD, OPTIONS"),
        (f"/image/{ROBOT}", "GET, HEAD, OPTIONS"),
        ("/static/any/ogaart.css", "GET, HEAD, OPTIONS"),
    ],
)
def test_allow_names_every_method_of_a_path(client: TestClient, path: str, methods: str) -> None:
    refused, asked = client.delete(path), client.options(path)

    assert (refused.status_code, refused.headers["allow"]) == (405, methods)
    assert (asked.status_code, asked.headers["allow"]) == (204, methods)
    whole, head = client.get(path), client.head(path)
    assert (head.status_code, head.content) == (whole.status_code, b"")
    assert head.headers["content-type"] == whole.headers["content-type"]


def test_the_allowance_is_in_the_headers(service: SearchService) -> None:
    limits = service.settings.model_copy(update={"searches_per_minute": 2, "uploads_per_minute": 30})
    with TestClient(create_app(limits, service), base_url="http://localhost") as client:
        answers = [client.get("/api/v1/search?q=robot") for _ in range(3)]
        thumb = client.get(f"/thumb/{ROBOT}.webp")

    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert answers[0].headers["ratelimit-policy"] == '"searches";q=2;w=60, "pictures";q=30;w=60'
    left = [re.match(r'"searches";r=(\d+);t=(\d+)', answer.headers["ratelimit"]) for answer in answers]
    assert [int(one[1]) for one in left if one] == [1, 0, 0]
    assert "ratelimit" not in thumb.headers


def test_parameters_that_a_route_does_not_have_are_refused(client: TestClient) -> None:
    for path in (
        "/api/v1/info?x=1",
        f"/api/v1/images/{ROBOT}?q=a",
        f"/api/v1/credits?idz={ROBOT}",
        "/api/v1/suggestions?q=a&Limit=3",
    ):
        answer = client.get(path)
        assert answer.status_code == 400, path
        assert "unknown parameter" in answer.json()["detail"] or "ids" in answer.json()["detail"]


def test_suggestions_link_their_searches(client: TestClient) -> None:
    found = client.get("/api/v1/suggestions?q=rob").json()["suggestions"]

    assert found[0]["text"] == "robot"
    for one in found:
        assert client.get(one["url"]).status_code == 200
        assert client.get(one["thumb_url"]).status_code == 200


def test_suggestions_are_of_the_filters_that_are_set(client: TestClient) -> None:
    everything = client.get("/api/v1/suggestions?q=rob").json()["suggestions"]
    free = client.get("/api/v1/suggestions?q=rob&license=cc0&use=sell").json()["suggestions"]
    other = client.get("/api/v1/suggestions?q=rob&licence=GPL").json()["suggestions"]

    assert {one["text"]: one["count"] for one in free} == {one["text"]: one["count"] for one in everything}
    assert not [one for one in other if one["text"] == "robot"]  # those are under CC0 alone
    for query in ("licens=CC0", "licence=", "licence=nonsense", "like=1", "min_width=-1", "size=icon&size=large"):
        assert client.get(f"/api/v1/suggestions?q=rob&{query}").status_code == 400, query


def test_every_metric_says_what_it_is(client: TestClient) -> None:
    client.get("/search?q=robot")
    text = client.get("/metrics").text

    families = list(text_string_to_metric_families(text))
    assert {"ogaart_requests", "ogaart_request_seconds", "ogaart_images"} <= {one.name for one in families}
    for one in families:
        assert one.documentation, one.name
        assert re.fullmatch(r"ogaart_[a-z_]+", one.name)
        assert one.type != "counter" or f"# TYPE {one.name}_total counter" in text
        assert not re.search(r"_(gauge|counter|histogram|ms|kb|percent)(_|$)", one.name)


@pytest.mark.skipif(shutil.which("promtool") is None, reason="needs promtool, of the Debian package prometheus")
def test_promtool_finds_nothing_in_the_metrics(client: TestClient) -> None:
    client.get("/search?q=robot")
    checked = subprocess.run(
        ["promtool", "check", "metrics"], input=client.get("/metrics").content, capture_output=True
    )

    assert (checked.returncode, checked.stderr) == (0, b"")


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["positive", "negative"])
def test_requests_made_from_the_description_find_nothing(app: FastAPI, mode: str) -> None:
    """Valid and invalid requests by the hundred: no crash, no answer that the description does not have."""
    import schemathesis  # a second, which each worker of the tests would spend
    from schemathesis.specs.openapi.checks import positive_data_acceptance

    described = schemathesis.openapi.from_asgi("/api/openapi.json", app)

    @given(case=described.as_strategy(generation_mode=schemathesis.GenerationMode(mode)))
    @hypothesis_settings(
        max_examples=400,
        deadline=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    def answers_as_described(case: schemathesis.Case[Any]) -> None:
        if isinstance(case.query, dict):
            case.query.pop("url", None)  # a link leads to other machines, and their answers are not described
        # Which values exist depends on the publication: a valid one may still be unknown there.
        case.call_and_validate(excluded_checks=[positive_data_acceptance])

    answers_as_described()
