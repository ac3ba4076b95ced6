"""Versions of models, of which there are none: kserve has the routes, and would say 501."""

from fastapi import APIRouter

from agentic_rag.serving.errors import NoSuchModel


def router() -> APIRouter:
    """Return the routes, to stand before kserve's."""
    routes = APIRouter(prefix="/v2/models/{model_name}/versions/{version}", include_in_schema=False)

    @routes.get("")
    @routes.get("/ready")
    @routes.post("/infer")
    async def none(model_name: str, version: str) -> None:
        raise NoSuchModel(model_name, version)

    return routes
