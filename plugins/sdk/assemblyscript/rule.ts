/**
 * What a rule plugin of Fovea is written with in AssemblyScript.
 *
 * A rule sees the request for an image before the proxy reads the URL. It may
 * rewrite, refuse, redirect, answer or annotate it:
 *
 *     import { Request, Verdict, NEXT, deny, handle } from "./rule";
 *
 *     export function handle_request(): Verdict { return handle(drafts); }
 *
 *     function drafts(): Verdict {
 *       if (Request.path().startsWith("/drafts/")) return deny("not yet");
 *       return NEXT;
 *     }
 *
 * It is built by asc; --use abort= because a rule has nobody to tell, and
 * --exportStart so that constants are made within the limit of a start:
 *
 *     asc drafts.ts -O3 --runtime stub --use abort= --exportStart _initialize -o drafts.wasm
 *
 * A Text is a stretch of UTF-8 bytes. Wherever one is taken, a string literal
 * may stand. What is not there reads as the empty Text. What a call returns lies
 * in a scratch memory of 64 KiB that the next request writes over; what a global
 * constant is set to stays. A request that needs more than the scratch ends as
 * a failure of the rule.
 *
 * Nothing allocates, so nothing leaks and no garbage collector is needed. That
 * holds for a rule as long as it has no `new`, no array and no string
 * arithmetic: add Texts instead.
 */

// @ts-ignore: decorator
@external("http_handler", "log_enabled") declare function host_log_enabled(level: i32): u32;
// @ts-ignore: decorator
@external("http_handler", "log") declare function host_log(level: i32, at: usize, len: u32): void;
// @ts-ignore: decorator
@external("http_handler", "get_config") declare function host_get_config(buf: usize, limit: u32): u32;
// @ts-ignore: decorator
@external("http_handler", "get_method") declare function host_get_method(buf: usize, limit: u32): u32;
// @ts-ignore: decorator
@external("http_handler", "set_method") declare function host_set_method(at: usize, len: u32): void;
// @ts-ignore: decorator
@external("http_handler", "get_uri") declare function host_get_uri(buf: usize, limit: u32): u32;
// @ts-ignore: decorator
@external("http_handler", "set_uri") declare function host_set_uri(at: usize, len: u32): void;
// @ts-ignore: decorator
@external("http_handler", "get_protocol_version") declare function host_get_protocol(buf: usize, limit: u32): u32;
// @ts-ignore: decorator
@external("http_handler", "get_source_addr") declare function host_get_source_addr(buf: usize, limit: u32): u32;
// @ts-ignore: decorator
@external("http_handler", "get_header_names") declare function host_get_header_names(kind: u32, buf: usize, limit: u32): u64;
// @ts-ignore: decorator
@external("http_handler", "get_header_values") declare function host_get_header_values(kind: u32, name: usize, n: u32, buf: usize, limit: u32): u64;
// @ts-ignore: decorator
@external("http_handler", "set_header_value") declare function host_set_header(kind: u32, name: usize, n: u32, value: usize, len: u32): void;
// @ts-ignore: decorator
@external("http_handler", "add_header_value") declare function host_add_header(kind: u32, name: usize, n: u32, value: usize, len: u32): void;
// @ts-ignore: decorator
@external("http_handler", "remove_header") declare function host_remove_header(kind: u32, name: usize, n: u32): void;
// @ts-ignore: decorator
@external("http_handler", "write_body") declare function host_write_body(kind: u32, at: usize, len: u32): void;
// @ts-ignore: decorator
@external("http_handler", "get_status_code") declare function host_get_status(): u32;
// @ts-ignore: decorator
@external("http_handler", "set_status_code") declare function host_set_status(code: u32): void;
// @ts-ignore: decorator
@external("image_rule", "get_target") declare function host_get_target(field: usize, n: u32, buf: usize, limit: u32): i32;
// @ts-ignore: decorator
@external("image_rule", "set_target") declare function host_set_target(field: usize, n: u32, value: usize, len: u32): i32;
// @ts-ignore: decorator
@external("image_rule", "get_request") declare function host_get_request(field: usize, n: u32, buf: usize, limit: u32): i32;
// @ts-ignore: decorator
@external("image_rule", "vary") declare function host_vary(name: usize, n: u32): void;
// @ts-ignore: decorator
@external("image_rule", "tag") declare function host_tag(tag: usize, n: u32): i32;
// @ts-ignore: decorator
@external("image_rule", "now_ms") declare function host_now(): i64;
// @ts-ignore: decorator
@external("image_rule", "random") declare function host_random(buf: usize, n: u32): void;

// ---- The scratch memory: bytes grow from its bottom, Texts from its top ----

const SIZE: usize = 64 << 10;
const MEMORY: usize = memory.data(65536, 8);
let used: usize = 0;
let texts: usize = SIZE;
let keptBytes: usize = 0; // by constants and the configuration, for ever
let keptTexts: usize = SIZE;
let begun = false;
let read: Text = changetype<Text>(0); // the URI, when it is known
let pathLength: u32 = 0;

function begin(): void {
  if (!begun) {
    begun = true;
    configuration();
    keptBytes = used;
    keptTexts = texts;
  }
  used = keptBytes;
  texts = keptTexts;
  read = changetype<Text>(0);
}

function overflow(): void {
  used = 0;
  texts = SIZE;
  const said = text("one request needs more than 64 KiB of scratch memory");
  host_log(ERROR, said.at, said.len);
  unreachable();
}

// @ts-ignore: decorator
@inline function free(): usize { return MEMORY + used; }
// @ts-ignore: decorator
@inline function left(): u32 { return <u32>(texts - used); }

/** The text of n bytes that was written where free said. */
function take(n: u32): Text {
  if (n > left()) overflow();
  used += n; // before the Text is made, so that it is not made over its bytes
  return view(free() - n, n);
}

// @ts-ignore: decorator
@inline function taken(n: i32): Text { return take(n < 0 ? 0 : n); }

function view(at: usize, len: u32): Text {
  if (left() < 8) overflow();
  texts = (texts - 8) & ~7;
  const made = changetype<Text>(MEMORY + texts);
  made.at = at;
  made.len = len;
  return made;
}

/** Writes a literal as UTF-8 and returns its length. */
function encode(literal: string): u32 {
  const from = changetype<usize>(literal), count = <u32>literal.length, to = free();
  if (left() < 3 * count) overflow();
  for (let i: u32 = 0; i < count; i++) {
    const unit = load<u16>(from + (<usize>i << 1));
    if (unit > 127) return <u32>String.UTF8.encodeUnsafe(from, count, to);
    store<u8>(to + i, <u8>unit);
  }
  return count;
}

// @ts-ignore: decorator
@inline function bytes<V>(value: V): Text {
  if (isString<V>()) return text(changetype<string>(value));
  return changetype<Text>(value);
}

/** A literal as a Text: `const WIDTH = text("option.width");` */
export function text(literal: string): Text { return take(encode(literal)); }

/** n in decimal: `Request.setTarget("option.width", number(640));` */
export function number(n: i64): Text {
  if (left() < 32) overflow();
  let at = free() + 20, rest: u64 = n < 0 ? 0 - <u64>n : <u64>n;
  const end = at;
  do {
    store<u8>(--at, 48 + rest % 10);
    rest /= 10;
  } while (rest);
  if (n < 0) store<u8>(--at, 45);
  const length = <u32>(end - at);
  memory.copy(free(), at, length);
  return take(length);
}

function lower(c: u8): u8 { return c >= 65 && c <= 90 ? c + 32 : c; }

/** A stretch of bytes, UTF-8 as a rule. */
@unmanaged
export class Text {
  /** Where the bytes are. */
  at: usize;
  /** How many they are. */
  len: u32;

  /** The byte at a place, 0 outside: `path.byte(0) == 47` */
  byte(i: u32): u8 { return i < this.len ? load<u8>(this.at + i) : 0; }

  /** The same bytes? `Request.method().equals("HEAD")` */
  equals<V>(other: V): bool {
    if (isString<V>()) {
      const literal = changetype<string>(other);
      return <u32>literal.length <= this.len && this.begins(literal) == this.len;
    }
    const b = changetype<Text>(other);
    return this.len == b.len && memory.compare(this.at, b.at, b.len) == 0;
  }

  /** The same, whatever the case of ASCII letters: `value.equalsFold("on")` */
  equalsFold<V>(other: V): bool {
    const b = bytes(other);
    if (this.len != b.len) return false;
    for (let i: u32 = 0; i < this.len; i++) if (lower(this.byte(i)) != lower(b.byte(i))) return false;
    return true;
  }

  /** Does it begin so? `Request.path().startsWith("/products/")` */
  startsWith<V>(other: V): bool {
    if (isString<V>()) return this.begins(changetype<string>(other)) != u32.MAX_VALUE;
    const b = changetype<Text>(other);
    return this.len >= b.len && memory.compare(this.at, b.at, b.len) == 0;
  }

  /** Does it end so? `Request.path().endsWith(".jpg")` */
  endsWith<V>(other: V): bool {
    const b = bytes(other);
    return this.len >= b.len && memory.compare(this.at + this.len - b.len, b.at, b.len) == 0;
  }

  /** How many bytes of this the literal is; u32.MAX_VALUE if this does not begin with it. */
  private begins(literal: string): u32 {
    const from = changetype<usize>(literal), count = <u32>literal.length;
    for (let i: u32 = 0; i < count; i++) {
      const unit = load<u16>(from + (<usize>i << 1));
      if (unit > 127) { // written out only for what is not ASCII
        const b = text(literal);
        return this.startsWith(b) ? b.len : u32.MAX_VALUE;
      }
      if (i >= this.len || load<u8>(this.at + i) != unit) return u32.MAX_VALUE;
    }
    return count;
  }

  /** The first place of a byte, or -1: `uri.indexOf(63)` */
  indexOf(c: i32): i32 {
    for (let i: u32 = 0; i < this.len; i++) if (load<u8>(this.at + i) == c) return i;
    return -1;
  }

  /** The last place of a byte, or -1: `path.lastIndexOf(47)` */
  lastIndexOf(c: i32): i32 {
    for (let i = this.len; i > 0; i--) if (load<u8>(this.at + i - 1) == c) return i - 1;
    return -1;
  }

  /** The bytes from one place to before another, cut to what there is: `path.slice(1, 4)` */
  slice(from: u32, to: u32 = u32.MAX_VALUE): Text {
    to = min(to, this.len);
    from = min(from, to);
    return view(this.at + from, to - from);
  }

  /** What stands before the first such byte; all if there is none: `uri.before(63)` */
  before(c: i32): Text {
    const i = this.indexOf(c);
    return i < 0 ? this : this.slice(0, i);
  }

  /** What stands after the first such byte; nothing if there is none. Each Text takes
   * eight bytes of the scratch. Together:
   * `while (list.len) { const one = list.before(44); list = list.after(44); … }` */
  after(c: i32): Text {
    const i = this.indexOf(c);
    return this.slice(i < 0 ? this.len : i + 1);
  }

  /** This with another behind it: `text("option.").add(name)` */
  add<V>(other: V): Text {
    let at = this.at;
    if (at + this.len != free()) { // something else was written since
      if (left() < this.len) overflow();
      at = free();
      memory.copy(at, this.at, this.len);
      used += this.len;
    }
    if (isString<V>()) used += encode(changetype<string>(other));
    else {
      const b = changetype<Text>(other);
      if (left() < b.len) overflow();
      memory.copy(free(), b.at, b.len);
      used += b.len;
    }
    return view(at, <u32>(free() - at));
  }

  /** The number that 1 to 9 digits say, or -1: `Request.param("width").toNumber()` */
  toNumber(): i32 {
    if (this.len == 0 || this.len > 9) return -1;
    let n = 0;
    for (let i: u32 = 0; i < this.len; i++) {
      const c = this.byte(i);
      if (c < 48 || c > 57) return -1;
      n = n * 10 + (c - 48);
    }
    return n;
  }

  /** Is it digits, and nothing else? `id.isNumber()` */
  isNumber(): bool {
    for (let i: u32 = 0; i < this.len; i++) {
      const c = load<u8>(this.at + i);
      if (c < 48 || c > 57) return false;
    }
    return this.len > 0;
  }

  /** What stands at a key of this JSON object, or at an index of this list:
   * `config("sizes").member("s")` */
  member<K>(key: K): Text {
    const json = jsonMember(this, bytes(key));
    return json.byte(0) == 34 ? unescaped(json.slice(1, json.len - 1)) : json;
  }

  /** The value of name among name=value pairs: `cookies.pair("ab", 59)` */
  pair<V>(name: V, between: i32): Text {
    const key = bytes(name);
    for (let i: u32 = 0, end: u32 = 0; i < this.len; i = end + 1) { // no Text for each: a visitor may send thousands
      for (end = i; end < this.len && load<u8>(this.at + end) != between;) end++;
      while (i < end && load<u8>(this.at + i) == 32) i++;
      if (end - i > key.len && load<u8>(this.at + i + key.len) == 61 && memory.compare(this.at + i, key.at, key.len) == 0)
        return this.slice(i + key.len + 1, end);
    }
    return view(free(), 0);
  }
}

// ---- What a rule returns ----

/** What a rule returns: NEXT, or what answer, redirect and deny return. */
export type Verdict = u64;

/** The request goes on, as the rule has changed it. */
export const NEXT: Verdict = 1;

/** The same, with a number that the response phase of this request gets: memory
 * may have served other requests in between. `return nextWith(7);` */
export function nextWith(ctx: u32): Verdict { return <u64>ctx << 32 | 1; }

/** Runs a rule over the current request.
 * `export function handle_request(): Verdict { return handle(drafts); }` */
export function handle(rule: () => Verdict): Verdict {
  begin();
  return rule();
}

/** Runs the second half of a rule over the answer that is about to be sent. A rule
 * without this export is not asked again. ctx is what nextWith was given, failed
 * is not 0 if the proxy could not answer.
 * `export function handle_response(ctx: u32, failed: u32): void { handleResponse(ctx, failed, sent); }` */
export function handleResponse(ctx: u32, failed: u32, rule: (ctx: u32, failed: bool) => void): void {
  begin();
  rule(ctx, failed != 0);
}

const OF_REQUEST: u32 = 0;
const OF_RESPONSE: u32 = 1;

function values(kind: u32, name: Text): Text { return take(<u32>host_get_header_values(kind, name.at, name.len, free(), left())); }
function names(kind: u32): Text { return take(<u32>host_get_header_names(kind, free(), left())); }
function about(field: Text): Text { return taken(host_get_request(field.at, field.len, free(), left())); }

/** What the visitor asks for, as earlier rules and this one have changed it. */
export namespace Request {
  /** GET, HEAD or OPTIONS for the requests that the proxy answers: `Request.method().equals("HEAD")` */
  export function method(): Text { return take(host_get_method(free(), left())); }

  /** Changes the method: `Request.setMethod("GET");` */
  export function setMethod<V>(value: V): void { const v = bytes(value); host_set_method(v.at, v.len); }

  /** Path and query as received, or as an earlier rule has left them: `Request.uri()` */
  export function uri(): Text {
    if (!changetype<usize>(read)) {
      read = take(host_get_uri(free(), left()));
      const i = read.indexOf(63);
      pathLength = i < 0 ? read.len : i;
    }
    return read;
  }

  /** What stands before the first question mark, escapes and all: `Request.path().startsWith("/products/")` */
  export function path(): Text { const all = uri(); return all.slice(0, pathLength); }

  /** What stands from the first question mark on, with it, or nothing. A rewrite
   * that keeps it keeps the proof of a private image.
   * `Request.setUri(text("/cdn-cgi/image/width=80").add(Request.path()).add(Request.query()));` */
  export function query(): Text { const all = uri(); return all.slice(pathLength); }

  /** The first parameter of that name in the query, escapes and all: `Request.param("size")` */
  export function param<V>(name: V): Text { return uri().after(63).pair(name, 38); }

  /** Changes path and query: `Request.setUri(text("/cdn-cgi/image/width=80").add(Request.uri()));` */
  export function setUri<V>(value: V): void {
    const v = bytes(value);
    host_set_uri(v.at, v.len);
    read = changetype<Text>(0);
  }

  /** HTTP/1.1: `Request.protocol()` */
  export function protocol(): Text { return take(host_get_protocol(free(), left())); }

  /** The first value of a request header; names are case-insensitive. Authorization,
   * Cookie and Proxy-Authorization are there only for a rule whose configuration
   * names them under expose. `Request.header("save-data").equals("on")` */
  export function header<V>(name: V): Text { return values(OF_REQUEST, bytes(name)).before(0); }

  /** All values of a request header, each ended by a NUL:
   * `for (let all = Request.headers("accept"); all.len; all = all.after(0)) { const one = all.before(0); … }` */
  export function headers<V>(name: V): Text { return values(OF_REQUEST, bytes(name)); }

  /** The names of all request headers, in lower case, each ended by a NUL:
   * `for (let all = Request.headerNames(); all.len; all = all.after(0)) { const one = all.before(0); … }` */
  export function headerNames(): Text { return names(OF_REQUEST); }

  /** Changes a request header to one value. Accept and the client hints feed the
   * choice of format and size: `Request.setHeader("accept", "image/webp");` */
  export function setHeader<N, V>(name: N, value: V): void { const n = bytes(name), v = bytes(value); host_set_header(OF_REQUEST, n.at, n.len, v.at, v.len); }

  /** Adds a value to a request header: `Request.addHeader("accept", "image/avif");` */
  export function addHeader<N, V>(name: N, value: V): void { const n = bytes(name), v = bytes(value); host_add_header(OF_REQUEST, n.at, n.len, v.at, v.len); }

  /** Removes all values of a request header: `Request.removeHeader("dpr");` */
  export function removeHeader<N>(name: N): void { const n = bytes(name); host_remove_header(OF_REQUEST, n.at, n.len); }

  /** The value of a cookie, as sent; the configuration must name cookie under
   * expose. `Request.cookie("ab").equals("b")` */
  export function cookie<V>(name: V): Text {
    const key = bytes(name);
    const all = headers("cookie"), line = all.slice(0);
    let found = all.slice(0, 0);
    for (let i: u32 = 0; i < all.len && !found.len; i += line.len + 1) {
      line.at = all.at + i;
      line.len = all.len - i;
      line.len = line.indexOf(0);
      found = line.pair(key, 59);
    }
    return found;
  }

  /** A field of the URI as the proxy would read it, or nothing if the URI is no
   * image's or has no such field: kind (delivery or transform), account, image,
   * variant, options, option.<name> by its long name, source.
   * `Request.target("variant").equals("public")` */
  export function target<V>(field: V): Text { const f = bytes(field); return taken(host_get_target(f.at, f.len, free(), left())); }

  /** Changes a field of the URI through the proxy's own writer, so that the result
   * is well formed. An empty option removes it. The result is DONE, UNKNOWN_FIELD
   * or INVALID_VALUE; the URI then is as it was. `Request.setTarget("option.quality", "40");` */
  export function setTarget<F, V>(field: F, value: V): i32 {
    const f = bytes(field), v = bytes(value);
    read = changetype<Text>(0);
    return host_set_target(f.at, f.len, v.at, v.len);
  }

  /** The visitor's address and port, after trusted proxies: `Request.sourceAddr()` */
  export function sourceAddr(): Text { return take(host_get_source_addr(free(), left())); }

  /** The visitor's address, after trusted proxies: `Request.clientIp().startsWith("10.")` */
  export function clientIp(): Text { return about(text("client_ip")); }

  /** http or https, as the visitor sees it: `Request.scheme().equals("https")` */
  export function scheme(): Text { return about(text("scheme")); }

  /** The request's id in the log: `Response.setHeader("x-request-id", Request.id());` */
  export function id(): Text { return about(text("request_id")); }

  /** Does the visitor take an output format: avif, webp? `Request.accepts("avif")` */
  export function accepts<V>(format: V): bool {
    const wanted = bytes(format);
    for (let list = about(text("accepts")); list.len; list = list.after(44)) if (list.before(44).equals(wanted)) return true;
    return false;
  }
}

/** Results of Request.setTarget. */
export const DONE = 0, UNKNOWN_FIELD = 1, INVALID_VALUE = 2;

/** The answer that is sent. Before NEXT its headers wait to be put over the proxy's
 * own; in the response phase they are those of the answer. Content-Type, ETag and
 * others that describe the body stay the proxy's. */
export namespace Response {
  /** The answer's status; only in the response phase: `Response.status() == 404` */
  export function status(): u32 { return host_get_status(); }

  /** The first value of a header of the answer: `Response.header("cache-status")` */
  export function header<V>(name: V): Text { return values(OF_RESPONSE, bytes(name)).before(0); }

  /** All values of a header of the answer, each ended by a NUL:
   * `for (let all = Response.headers("link"); all.len; all = all.after(0)) { const one = all.before(0); … }` */
  export function headers<V>(name: V): Text { return values(OF_RESPONSE, bytes(name)); }

  /** The names of the answer's headers, in lower case, each ended by a NUL:
   * `for (let all = Response.headerNames(); all.len; all = all.after(0)) { const one = all.before(0); … }` */
  export function headerNames(): Text { return names(OF_RESPONSE); }

  /** Changes a header of the answer: `Response.setHeader("x-rule", "drafts");` */
  export function setHeader<N, V>(name: N, value: V): void { const n = bytes(name), v = bytes(value); host_set_header(OF_RESPONSE, n.at, n.len, v.at, v.len); }

  /** Adds a value to a header of the answer: `Response.addHeader("link", "</about>; rel=author");` */
  export function addHeader<N, V>(name: N, value: V): void { const n = bytes(name), v = bytes(value); host_add_header(OF_RESPONSE, n.at, n.len, v.at, v.len); }

  /** Removes a header of the answer: `Response.removeHeader("server-timing");` */
  export function removeHeader<N>(name: N): void { const n = bytes(name); host_remove_header(OF_RESPONSE, n.at, n.len); }
}

/** Ends the request with this status, 200 to 599, media type and body, at most 1 MiB.
 * `return answer(404, "text/plain", text("no product ").add(name));` */
export function answer<M, V>(status: u32, mediaType: M, body: V): Verdict {
  const media = bytes(mediaType), b = bytes(body);
  host_set_status(status);
  if (media.len) Response.setHeader("content-type", media);
  if (b.len) host_write_body(OF_RESPONSE, b.at, b.len);
  return 0;
}

/** Ends the request with a 301, 302, 303, 307 or 308.
 * `return redirect(302, text("https://eu.example.com").add(Request.uri()));` */
export function redirect<V>(status: u32, location: V): Verdict {
  Response.setHeader("location", bytes(location));
  host_set_status(status);
  return 0;
}

/** Ends the request with 403 and the reason as its text: `return deny("not yet");` */
export function deny<V>(reason: V): Verdict { return answer(403, "text/plain", reason); }

// ---- Beside the request ----

/** Levels of log. */
export const DEBUG = -1, INFO = 0, WARN = 1, ERROR = 2;

/** Says that the decision depends on a request header, for the caches between here
 * and the visitor: `vary("save-data");` */
export function vary<V>(header: V): void { const h = bytes(header); host_vary(h.at, h.len); }

/** Adds a purge tag to what the cache keeps of this request: at most eight of
 * [A-Za-z0-9_:./-], 1 to 128 characters. Was it taken? `tag("season:summer");` */
export function tag<V>(name: V): bool { const t = bytes(name); return host_tag(t.at, t.len) == 0; }

/** Writes a line, with the rule's name, if the level is logged. Lines are limited to
 * ten a second. `log(INFO, text("moved ").add(Request.uri()));` */
export function log<V>(level: i32, line: V): void {
  if (!logs(level)) return;
  const l = bytes(line);
  host_log(level, l.at, l.len);
}

/** Are lines of this level written? `if (logs(DEBUG)) { … }` */
export function logs(level: i32): bool { return host_log_enabled(level) != 0; }

/** Milliseconds since 1970. A test or explain may fix it. `now() < 1790000000000` */
export function now(): i64 { return host_now(); }

/** n random bytes, at most 256. A test or explain may fix them. `random(1).byte(0) < 128` */
export function random(n: u32): Text {
  if (left() < n) overflow();
  host_random(free(), n);
  return take(n);
}

// ---- The configuration ----

let configured: Text = changetype<Text>(0);

function configuration(): Text {
  if (!changetype<usize>(configured)) configured = take(host_get_config(free(), left()));
  return configured;
}

/** What stands at a key of the rule's configuration; all of it at "". In
 *
 *     config: {account: abc, sizes: {s: 320}, hosts: [one.example, two.example]}
 *
 * `config("account")` is abc, `config("sizes").member("s")` is 320 and
 * `config("hosts").member("1")` is two.example. An object or a list is its JSON, and
 * what is not there is empty. Keys have no escapes.
 * `const ACCOUNT = config("account");` */
export function config<K>(key: K): Text {
  const k = bytes(key);
  return k.len ? configuration().member(k) : configuration();
}

/** An object of the configuration that is read once: a look-up costs a comparison for
 * each key before the one it finds. */
@unmanaged
export class Table {
  /** Where the entries are: key and value, both as the place and the number of bytes. */
  at: usize;
  count: u32;

  /** What stands at a key; empty if it is not there: `SIZES.find("s")` */
  find<K>(key: K): Text {
    const k = bytes(key);
    for (let at = this.at, end = at + (<usize>this.count << 4); at < end; at += 16) {
      const name = changetype<Text>(at);
      if (name.len == k.len && memory.compare(name.at, k.at, k.len) == 0) return changetype<Text>(at + 8);
    }
    return k.slice(0, 0);
  }
}

/** The object at a key of the rule's configuration, as config has it; empty if there is
 * none. It is a constant of the module.
 * `const SIZES = configTable("sizes");` */
export function configTable<K>(key: K): Table {
  const json = config(key), begin = entries(json);
  let count: u32 = 0;
  if (json.byte(begin) == 123) for (next = begin + 1; next; ) if (entry(json, next - 1, true).len) count++;
  take(<u32>(-used & 7));
  const all = take(count << 4), table = changetype<Table>(view(all.at, count));
  next = begin + 1;
  for (let to = all.at; count; ) {
    const value = entry(json, next - 1, true), plain = value.byte(0) == 34 ? unescaped(value.slice(1, value.len - 1)) : value;
    if (!value.len) continue; // no JSON
    store<usize>(to, entryKey.at);
    store<u32>(to + 4, entryKey.len);
    store<usize>(to + 8, plain.at);
    store<u32>(to + 12, plain.len);
    count--;
    to += 16;
  }
  return table;
}

/** The JSON at a key of an object, or at an index of a list. */
function jsonMember(json: Text, key: Text): Text {
  const nothing = json.slice(0, 0), begin = entries(json);
  const object = json.byte(begin) == 123;
  if (!object && json.byte(begin) != 91) return nothing;
  const wanted = key.toNumber();
  if (!object && wanted < 0) return nothing;
  next = begin + 1;
  for (let n = 0; next; n++) {
    const value = entry(json, next - 1, object);
    if (!value.len || (object ? entryKey.len == key.len && memory.compare(entryKey.at, key.at, key.len) == 0 : n == wanted)) return value;
  }
  return nothing;
}

let next: u32 = 0; // one more than the place of the comma after the last entry, or 0
let entryKey: Text = changetype<Text>(0);
let entryValue: Text = changetype<Text>(0);

/** Where an object or a list begins whose entries are looked at. All of them are told of
 * in the same two Texts: there may be thousands. */
function entries(json: Text): u32 {
  entryKey = json.slice(0, 0);
  entryValue = json.slice(0, 0);
  return blank(json, 0);
}

/** The JSON of the entry after i, the beginning of an object or a list or the comma
 * before it; none if there is no entry. Its key is in entryKey. */
function entry(json: Text, i: u32, object: bool): Text {
  entryValue.len = 0;
  next = 0;
  i = blank(json, i + 1);
  if (object) {
    const end = valueEnd(json, i);
    if (end - i < 2 || json.byte(i) != 34) return entryValue; // the end of an empty object, or no JSON
    entryKey.at = json.at + i + 1;
    entryKey.len = end - i - 2;
    i = blank(json, end);
    if (json.byte(i) != 58) return entryValue;
    i = blank(json, i + 1);
  }
  const end = valueEnd(json, i), comma = blank(json, end);
  if (json.byte(comma) == 44) next = comma + 1;
  entryValue.at = json.at + i;
  entryValue.len = end - i;
  return entryValue;
}

function isBlank(c: u8): bool { return c == 32 || c == 10 || c == 9 || c == 13; }

function blank(json: Text, i: u32): u32 {
  while (i < json.len && isBlank(json.byte(i))) i++;
  return i;
}

/** The end of the JSON value that begins at i; i itself if none does. */
function valueEnd(json: Text, i: u32): u32 {
  let depth = 0;
  for (let at = i; at < json.len; at++) {
    const c = load<u8>(json.at + at);
    if ((c >= 48 && c <= 57) || (c >= 97 && c <= 122)) continue; // most are
    if (c == 34) {
      for (at++; at < json.len && load<u8>(json.at + at) != 34; at++) if (load<u8>(json.at + at) == 92) at++;
      if (at >= json.len) return i;
    } else if (c == 123 || c == 91) {
      depth++;
      continue;
    } else if (c == 125 || c == 93) {
      if (!depth) return at;
      depth--;
    } else if (c == 44 || c == 58 || isBlank(c)) {
      if (!depth) return at;
      continue;
    } else continue;
    if (!depth) return at + 1;
  }
  return depth ? i : json.len;
}

/** The four hexadecimal digits at i; U+FFFD if they are none. */
function unit(s: Text, i: u32): u32 {
  let n: u32 = 0;
  if (i + 4 > s.len) return 0xFFFD;
  for (const end = i + 4; i < end; i++) {
    const c = lower(s.byte(i));
    if (!((c >= 48 && c <= 57) || (c >= 97 && c <= 102))) return 0xFFFD;
    n = n << 4 | (c <= 57 ? c - 48 : c - 87);
  }
  return n;
}

function put(c: u32): void { store<u8>(free(), c); used++; }

/** The text of a JSON string without its quotes. It is longer than that by one byte if
 * that ends within an escape. */
function unescaped(s: Text): Text {
  if (s.indexOf(92) < 0) return s;
  if (left() < s.len + 1) overflow();
  const start = free();
  for (let i: u32 = 0; i < s.len; i++) {
    let c: u32 = s.byte(i);
    if (c != 92 || i + 1 == s.len) { put(c); continue; }
    c = s.byte(++i);
    if (c != 117) {
      put(c == 98 ? 8 : c == 102 ? 12 : c == 110 ? 10 : c == 114 ? 13 : c == 116 ? 9 : c);
      continue;
    }
    let u = unit(s, i + 1);
    i += 4;
    if (u >= 0xD800 && u < 0xE000) {
      const low = u < 0xDC00 && s.byte(i + 1) == 92 && s.byte(i + 2) == 117 ? unit(s, i + 3) : 0;
      if (low >= 0xDC00 && low < 0xE000) {
        u = 0x10000 + ((u - 0xD800) << 10) + (low - 0xDC00);
        i += 6;
      } else u = 0xFFFD;
    }
    if (u < 0x80) put(u);
    else if (u < 0x800) { put(0xC0 | u >> 6); put(0x80 | (u & 63)); }
    else if (u < 0x10000) { put(0xE0 | u >> 12); put(0x80 | (u >> 6 & 63)); put(0x80 | (u & 63)); }
    else { put(0xF0 | u >> 18); put(0x80 | (u >> 12 & 63)); put(0x80 | (u >> 6 & 63)); put(0x80 | (u & 63)); }
  }
  return view(start, <u32>(free() - start));
}
