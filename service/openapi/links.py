"""OpenAPI links: from an answer that has made something to the operations that take its id. Pure.

An answer with a Location has made something; whatever takes its id in the path is linked.
"""

from collections.abc import Iterator

from service.openapi.texts import Json

#: the shape of what was made, and the name that its id has in paths
_MADE = {"JobView": "job_id", "BatchAccepted": "batch_id", "SessionView": "session_id", "UploadView": "upload_id"}


def add_links(paths: Json) -> None:
    """Link the answers of these paths in place."""
    operations = [(path, entry) for path, methods in paths.items() for entry in methods.values()]
    for _, entry in operations:
        for response in entry["responses"].values():
            if "Location" in response["headers"] and (name := _MADE.get(_shape(response))):
                response["links"] = dict(_links(operations, name))


def _shape(response: Json) -> str:
    reference: str = response.get("content", {}).get("application/json", {}).get("schema", {}).get("$ref", "")
    return reference.rpartition("/")[2]


def _links(operations: list[tuple[str, Json]], name: str) -> Iterator[tuple[str, Json]]:
    for path, entry in operations:
        if f"{{{name}}}" in path:
            target = entry["operationId"]
            yield target, {"operationId": target, "parameters": {name: "$response.body#/id"}}
