"""`/docs`: the OpenAPI document as one page that loads nothing."""

import json
from collections.abc import Mapping
from html import escape
from typing import Any

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
h2 { margin-top: 2.5rem; border-top: 1px solid #ccc; padding-top: 1rem }
code, pre { font: 14px/1.4 ui-monospace, monospace; background: #f4f4f4 }
pre { padding: 1rem; overflow-x: auto }
td, th { text-align: left; vertical-align: top; padding: .2rem 1rem .2rem 0 }
"""


def docs_page(document: Mapping[str, Any]) -> str:
    """The page for an OpenAPI document."""
    info = document["info"]
    operations = [
        _operation(method, path, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]
    schemas = [_schema(name, schema) for name, schema in document["components"]["schemas"].items()]
    return "\n".join(
        [
            "<!doctype html>",
            f"<html lang='en'><head><meta charset='utf-8'><title>{escape(info['title'])}</title>",
            f"<style>{_STYLE}</style></head><body>",
            f"<h1>{escape(info['title'])} {escape(info['version'])}</h1>",
            f"<p>{escape(info['description'])}</p>",
            "<p>For programs: <a href='/openapi.json'>/openapi.json</a></p>",
            *operations,
            "<h2>Schemas</h2>",
            *schemas,
            "</body></html>",
        ]
    )


def _operation(method: str, path: str, operation: Mapping[str, Any]) -> str:
    parts = [
        f"<h2><code>{method.upper()} {escape(path)}</code></h2>",
        f"<p>{escape(operation['summary'])}</p>",
    ]
    if "requestBody" in operation:
        (content,) = operation["requestBody"]["content"].values()
        parts.append(f"<p>Body: {_link(content['schema'])}, such as</p>{_json(content['example'])}")
    rows = [
        f"<tr><td>{status}</td><td>{escape(response['description'])}</td><td>"
        + ", ".join(
            f"<code>{escape(media)}</code> {_link(content['schema'])}"
            for media, content in response["content"].items()
        )
        + "</td></tr>"
        for status, response in operation["responses"].items()
    ]
    return "\n".join([*parts, "<table>", *rows, "</table>"])


def _schema(name: str, schema: Mapping[str, Any]) -> str:
    return f"<h3 id='{escape(name)}'>{escape(name)}</h3>{_json(schema)}"


def _link(schema: Mapping[str, Any]) -> str:
    name = schema.get("$ref", "").rpartition("/")[2]
    return f"<a href='#{escape(name)}'>{escape(name)}</a>" if name else ""


def _json(value: object) -> str:
    return f"<pre>{escape(json.dumps(value, indent=2))}</pre>"
