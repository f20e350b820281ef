// Every call of npm cloudflare's images resource, against a running Fovea.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import Cloudflare, { toFile } from "cloudflare";

const { FOVEA, ACCOUNT, TOKEN, IMAGE, PICTURES } = process.env;
const client = new Cloudflare({ apiToken: TOKEN, baseURL: FOVEA, maxRetries: 0 });
const account_id = ACCOUNT;
const bytes = readFileSync(IMAGE);
const { images } = client;
const create = async (fields) => images.v1.create({ account_id, file: await toFile(bytes, "image.jpg"), ...fields });

test("an image from creation to removal", async () => {
  const id = "ts/b c%.jpg";
  const made = await create({ id, creator: "me", requireSignedURLs: true, metadata: { k: "v", o: { p: 1 }, list: ["a", "b"] } });
  assert.equal(made.id, id);
  assert.equal(made.filename, "image.jpg");
  assert.deepEqual(made.meta, { k: "v", o: { p: "1" }, list: ["a", "b"] });
  assert.equal(made.requireSignedURLs, true);
  assert.ok(made.variants.some((url) => url.endsWith("/ts/b%20c%25.jpg/public")), made.variants);
  assert.match(made.uploaded, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  assert.deepEqual(await images.v1.get(id, { account_id }), made);
  const edited = await images.v1.edit(id, { account_id, metadata: { n: 1 }, requireSignedURLs: false });
  assert.deepEqual(edited, { ...made, meta: { n: 1 }, requireSignedURLs: false });
  const blob = await images.v1.blobs.get(id, { account_id });
  assert.deepEqual(Buffer.from(await blob.arrayBuffer()), bytes);
  assert.equal(blob.headers.get("content-type"), "image/jpeg");
  await assert.rejects(create({ id }), (error) => error.status === 409 && error.errors[0].code === 5409);
  assert.deepEqual(await images.v1.delete(id, { account_id }), {});
  await assert.rejects(images.v1.get(id, { account_id }), (error) => error.status === 404 && error.errors[0].code === 5404);
});

test("an import by URL", async () => {
  const made = await images.v1.create({ account_id, url: `${PICTURES}/a/photo.jpg` });
  assert.equal(made.filename, "photo.jpg");
  await images.v1.delete(made.id, { account_id });
});

test("lists with pages and filters, and statistics", async () => {
  const ids = ["t0", "t1", "t2"];
  for (const id of ids) await create({ id, creator: "ts", metadata: { name: id, deep: { er: id } } });
  const first = await images.v2.list({ account_id, per_page: 2, sort_order: "asc", creator: "ts" });
  assert.deepEqual(first.images.map((i) => i.id), ["t0", "t1"]);
  const second = await images.v2.list({ account_id, per_page: 2, sort_order: "asc", creator: "ts", continuation_token: first.continuation_token });
  assert.deepEqual(second.images.map((i) => i.id), ["t2"]);
  assert.equal(second.continuation_token, null);
  for (const [query, want] of [
    [{ "meta.name[eq]": "t1" }, ["t1"]],
    [{ "meta.name[in]": "t0|t2" }, ["t2", "t0"]],
    [{ "meta.deep.er[eq:string]": "t2" }, ["t2"]],
    [{ "meta.name[eq:number]": "1" }, []],
  ]) {
    const got = await images.v2.list({ account_id }, { query });
    assert.deepEqual(got.images.map((i) => i.id), want, JSON.stringify(query));
  }
  await assert.rejects(images.v2.list({ account_id }, { query: { "meta.name[like]": "t" } }), (error) => error.status === 400);
  const v1 = await images.v1.list({ account_id, page: 1, per_page: 10 });
  assert.ok(JSON.stringify(v1).includes('"t1"'));
  const stats = await images.v1.stats.get({ account_id });
  assert.ok(stats.count.current >= 3 && stats.count.allowed > stats.count.current);
  for (const id of ids) await images.v1.delete(id, { account_id });
});

test("variants", async () => {
  const options = { fit: "cover", width: 40, height: 30, metadata: "none" };
  const made = await images.v1.variants.create({ account_id, id: "ts", options, neverRequireSignedURLs: true });
  assert.deepEqual(made.variant, { id: "ts", options, neverRequireSignedURLs: true });
  const edited = await images.v1.variants.edit("ts", { account_id, options: { ...options, width: 41 }, neverRequireSignedURLs: false });
  assert.deepEqual(edited.variant, { id: "ts", options: { ...options, width: 41 }, neverRequireSignedURLs: false });
  assert.deepEqual(await images.v1.variants.get("ts", { account_id }), edited);
  const all = await images.v1.variants.list({ account_id });
  assert.deepEqual(all.variants.ts, edited.variant);
  assert.deepEqual(all.variants.public.options, { fit: "scale-down", width: 1366, height: 768, metadata: "none" });
  await images.v1.variants.delete("ts", { account_id });
  await assert.rejects(images.v1.variants.get("ts", { account_id }), (error) => error.status === 404);
});

test("signing keys", async () => {
  assert.equal((await images.v1.keys.update("ts", { account_id })).keys.length, 2);
  assert.deepEqual((await images.v1.keys.list({ account_id })).keys.map((k) => k.name), ["default", "ts"]);
  assert.deepEqual((await images.v1.keys.delete("ts", { account_id })).keys.map((k) => k.name), ["default"]);
});

test("direct creator uploads", async () => {
  const expiry = new Date(Date.now() + 10 * 60_000).toISOString();
  const draft = await images.v2.directUploads.create({ account_id, expiry, metadata: { a: "b" }, creator: "me" });
  assert.equal((await images.v1.get(draft.id, { account_id })).draft, true);
  const form = new FormData();
  form.append("file", new Blob([bytes]), "mine.jpg");
  const response = await fetch(draft.uploadURL, { method: "POST", body: form });
  const answer = await response.json();
  assert.equal(answer.result.filename, "mine.jpg");
  const made = await images.v1.get(draft.id, { account_id });
  assert.equal(made.draft, undefined);
  assert.deepEqual([made.meta, made.creator], [{ a: "b" }, "me"]);
  assert.equal((await fetch(draft.uploadURL, { method: "POST", body: form })).status, 404);
  await images.v1.delete(draft.id, { account_id });
});
