"""The calls of the developer guide, from Python's own library."""

import json
import os
import urllib.error
import urllib.request
import uuid

base = f"{os.environ['FOVEA']}/accounts/{os.environ['ACCOUNT']}/images"
token = os.environ["TOKEN"]


def form(fields, file=None):
    boundary = uuid.uuid4().hex
    parts = [f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode() for name, value in fields.items()]
    if file:
        with open(file, "rb") as content:
            parts.append(f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="image.jpg"\r\nContent-Type: image/jpeg\r\n\r\n'.encode() + content.read() + b"\r\n")
    return b"".join(parts) + f"--{boundary}--\r\n".encode(), f"multipart/form-data; boundary={boundary}"


def call(method, url, body=None, kind="application/json", authorised=True):
    request = urllib.request.Request(url, data=body, method=method, headers={"Content-Type": kind} if body else {})
    if authorised:
        request.add_header("Authorization", f"Bearer {token}")
    try:
        with urllib.request.urlopen(request) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


status, made = call("POST", f"{base}/v1", *form({"id": "py/1", "metadata": json.dumps({"key": "value"})}, os.environ["IMAGE"]))
assert status == 200 and made["result"]["meta"] == {"key": "value"}, made
status, draft = call("POST", f"{base}/v2/direct_upload", *form({"requireSignedURLs": "true"}))
assert status == 200, draft
status, done = call("POST", draft["result"]["uploadURL"], *form({}, os.environ["IMAGE"]), authorised=False)
assert status == 200 and done["result"]["id"] == draft["result"]["id"] and done["result"]["requireSignedURLs"], done
status, page = call("GET", f"{base}/v2?per_page=1000")
assert {"py/1", draft["result"]["id"]} <= {image["id"] for image in page["result"]["images"]}, page
for image in ("py%2F1", draft["result"]["id"]):
    status, gone = call("DELETE", f"{base}/v1/{image}")
    assert status == 200 and gone["result"] == {}, gone
status, missing = call("GET", f"{base}/v1/py%2F1")
assert status == 404 and missing["errors"][0]["code"] == 5404, missing
