// What scripts without a client send: fetch and FormData, and batches.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

const { FOVEA, ACCOUNT, TOKEN, IMAGE } = process.env;
const bytes = readFileSync(IMAGE);
const headers = { Authorization: `Bearer ${TOKEN}` };

async function call(url, init = {}) {
  const response = await fetch(url, { ...init, headers: { ...headers, ...init.headers } });
  const answer = await response.json();
  assert.equal(answer.success, true, JSON.stringify(answer));
  return answer.result;
}

function form(fields) {
  const body = new FormData();
  for (const [name, value] of Object.entries(fields)) body.append(name, value, ...(name === "file" ? ["image.jpg"] : []));
  return body;
}

test("an upload with metadata as JSON", async () => {
  const body = form({ file: new Blob([bytes]), id: "fetch/1", metadata: JSON.stringify({ key: "value", n: 1 }), requireSignedURLs: "false" });
  const made = await call(`${FOVEA}/accounts/${ACCOUNT}/images/v1`, { method: "POST", body });
  assert.deepEqual(made.meta, { key: "value", n: 1 });
  const picture = await fetch(made.variants[0]);
  assert.equal(picture.status, 200);
  assert.equal(picture.headers.get("content-type"), "image/jpeg");
  await call(`${FOVEA}/accounts/${ACCOUNT}/images/v1/${encodeURIComponent(made.id)}`, { method: "DELETE" });
  assert.equal((await fetch(made.variants[0])).status, 404);
});

test("a batch", async () => {
  const { token } = await call(`${FOVEA}/accounts/${ACCOUNT}/images/v1/batch_token`);
  const batch = FOVEA.replace("/client/v4", "/batch/images");
  const own = { Authorization: `Bearer ${token}` };
  const ids = await Promise.all(Array.from({ length: 20 }, async (_, i) => {
    const made = await call(`${batch}/v1`, { method: "POST", headers: own, body: form({ file: new Blob([bytes]), id: `batch-${i}` }) });
    return made.id;
  }));
  const list = await call(`${batch}/v2?per_page=100`, { headers: own });
  assert.ok(ids.every((id) => list.images.some((image) => image.id === id)));
  await Promise.all(ids.map((id) => call(`${batch}/v1/${id}`, { method: "DELETE", headers: own })));
});

test("account settings", async () => {
  const patch = (body) => call(`${FOVEA}/accounts/${ACCOUNT}/images/v1/config`, { method: "PATCH", body: JSON.stringify(body), headers: { "Content-Type": "application/json" } });
  assert.equal((await patch({ browser_ttl: 31536000 })).browser_ttl, 31536000);
  assert.equal((await patch({ flexible_variants: true })).flexible_variants, true);
});
