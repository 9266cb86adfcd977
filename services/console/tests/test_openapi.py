from pathlib import Path

from aiohttp import web
from openapi_spec_validator import OpenAPIV31SpecValidator

from console import access, application, openapi
from console.registry import PREFIX
from console.routes import all_routes
from console.services import Door

COMMITTED = Path(__file__).parents[1] / "openapi.json"


def test_the_committed_description_is_the_generated_one():
    assert COMMITTED.read_text() == openapi.text(all_routes()), "run: python -m console openapi > openapi.json"


def test_the_description_is_valid_openapi():
    errors = [error.message for error in OpenAPIV31SpecValidator(openapi.document(all_routes())).iter_errors()]
    assert errors == []


def test_every_route_of_the_server_is_described_and_has_a_rule():
    app = application.make(all_routes(), Door(), secure=False)
    served = {
        (route.method, route.resource.canonical)
        for route in app.router.routes()
        if route.method != "HEAD" and isinstance(route.resource, web.Resource)
    }
    described = openapi.document(all_routes())["paths"]
    assert served == {(method.upper(), path) for path, methods in described.items() for method in methods}
    assert {route.operation_id for route in all_routes()} == set(access.ROUTES)


def test_no_operation_id_is_used_twice():
    names = [route.operation_id for route in all_routes()]
    assert len(names) == len(set(names))


def test_the_frames_of_the_socket_are_told_apart_by_their_type():
    schemas = openapi.document(all_routes())["components"]["schemas"]
    assert schemas["ServerFrame"]["discriminator"]["propertyName"] == "type"
    assert set(schemas["ClientFrame"]["discriminator"]["mapping"]) == {"subscribe", "unsubscribe", "ping"}


def test_every_answer_and_refusal_of_an_operation_has_a_schema():
    for path, methods in openapi.document(all_routes())["paths"].items():
        for operation in methods.values():
            assert path.startswith(PREFIX)
            for status, answer in operation["responses"].items():
                assert "content" in answer or status in {"101", "204"}, (path, status)


def test_secrets_are_written_and_never_answered():
    schemas = openapi.document(all_routes())["components"]["schemas"]
    assert schemas["ChannelBody"]["properties"]["page_token"]["anyOf"][0]["writeOnly"] is True
    for name, schema in schemas.items():
        if not name.endswith(("Body", "Patch", "SignIn")):
            assert not {"password", "app_secret", "page_token", "verify_token"} & set(schema.get("properties", {})), (
                name
            )
