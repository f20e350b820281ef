/* rule.h is what a rule plugin of Fovea is written with in C.

   A rule sees the request for an image before the proxy reads the URL. It may
   rewrite, refuse, redirect, answer or annotate it:

     #include "rule.h"

     RULE_HANDLE_REQUEST {
       if (rule_starts(rule_path(), T("/drafts/")))
         return rule_deny(T("not yet"));
       return rule_next;
     }

   It is built by clang and lld, and includes this file once:

     clang --target=wasm32 -std=c11 -O2 -nostdlib -ffreestanding -fno-builtin \
       -Wl,--no-entry -Wl,-z,stack-size=16384 -o drafts.wasm drafts.c

   A text is a pointer and a length, without a NUL at its end; T("…") makes one
   of a literal. What is not there reads as the empty text. What a call returns
   lies in a scratch memory of 64 KiB that the next request writes over. A
   request that needs more than the scratch ends as a failure of the rule.
   Nothing else is allocated. */
#ifndef FOVEA_RULE_H
#define FOVEA_RULE_H

typedef unsigned char rule_u8;
typedef unsigned int rule_u32;
typedef unsigned long long rule_u64;
typedef long long rule_i64;

/* A stretch of bytes, UTF-8 as a rule. */
typedef struct { const char *at; rule_u32 len; } text;

/* The text of a literal: T("image"). */
#define T(literal) ((text){"" literal, sizeof(literal) - 1})

/* Several texts for a call that joins them:
   rule_set_uri(PARTS(T("/cdn-cgi/image/width=80"), rule_uri())); */
#define PARTS(...) (const text[]){__VA_ARGS__}, sizeof((const text[]){__VA_ARGS__}) / sizeof(text)

/* What a rule returns: rule_next, or what rule_answer, rule_redirect and
   rule_deny return. */
typedef rule_u64 verdict;

/* The request goes on, as the rule has changed it. */
#define rule_next ((verdict)1)

/* The same, with a number that the response phase of this request gets: memory
   may have served other requests in between.
     return rule_next_with(7); */
#define rule_next_with(ctx) ((verdict)(rule_u32)(ctx) << 32 | 1)

/* Levels of rule_log. */
enum { rule_debug = -1, rule_info = 0, rule_warn = 1, rule_error = 2 };

/* Results of rule_set_target. */
enum { rule_done = 0, rule_unknown_field = 1, rule_invalid_value = 2 };

/* ---- What the host offers ---- */

#define RULE_FROM(module, name) __attribute__((import_module(module), import_name(name)))
#define RULE_HTTP(name) RULE_FROM("http_handler", name) extern
#define RULE_IMAGE(name) RULE_FROM("image_rule", name) extern
RULE_HTTP("log_enabled") rule_u32 rule_host_log_enabled(int level);
RULE_HTTP("log") void rule_host_log(int level, const char *at, rule_u32 len);
RULE_HTTP("get_config") rule_u32 rule_host_get_config(char *buf, rule_u32 limit);
RULE_HTTP("get_method") rule_u32 rule_host_get_method(char *buf, rule_u32 limit);
RULE_HTTP("set_method") void rule_host_set_method(const char *at, rule_u32 len);
RULE_HTTP("get_uri") rule_u32 rule_host_get_uri(char *buf, rule_u32 limit);
RULE_HTTP("set_uri") void rule_host_set_uri(const char *at, rule_u32 len);
RULE_HTTP("get_protocol_version") rule_u32 rule_host_get_protocol(char *buf, rule_u32 limit);
RULE_HTTP("get_source_addr") rule_u32 rule_host_get_source_addr(char *buf, rule_u32 limit);
RULE_HTTP("get_header_names") rule_u64 rule_host_get_header_names(rule_u32 kind, char *buf, rule_u32 limit);
RULE_HTTP("get_header_values") rule_u64 rule_host_get_header_values(rule_u32 kind, const char *name, rule_u32 n, char *buf, rule_u32 limit);
RULE_HTTP("set_header_value") void rule_host_set_header(rule_u32 kind, const char *name, rule_u32 n, const char *value, rule_u32 len);
RULE_HTTP("add_header_value") void rule_host_add_header(rule_u32 kind, const char *name, rule_u32 n, const char *value, rule_u32 len);
RULE_HTTP("remove_header") void rule_host_remove_header(rule_u32 kind, const char *name, rule_u32 n);
RULE_HTTP("write_body") void rule_host_write_body(rule_u32 kind, const char *at, rule_u32 len);
RULE_HTTP("get_status_code") rule_u32 rule_host_get_status(void);
RULE_HTTP("set_status_code") void rule_host_set_status(rule_u32 code);
RULE_IMAGE("get_target") int rule_host_get_target(const char *field, rule_u32 n, char *buf, rule_u32 limit);
RULE_IMAGE("set_target") int rule_host_set_target(const char *field, rule_u32 n, const char *value, rule_u32 len);
RULE_IMAGE("get_request") int rule_host_get_request(const char *field, rule_u32 n, char *buf, rule_u32 limit);
RULE_IMAGE("vary") void rule_host_vary(const char *name, rule_u32 n);
RULE_IMAGE("tag") int rule_host_tag(const char *tag, rule_u32 n);
RULE_IMAGE("now_ms") rule_i64 rule_host_now(void);
RULE_IMAGE("random") void rule_host_random(void *buf, rule_u32 n);

#define RULE_INLINE static inline __attribute__((unused))
enum { rule_of_request = 0, rule_of_response = 1 };

/* ---- What clang calls for copies and initialisers: there is no C library ---- */

__attribute__((weak)) void *memset(void *to, int c, __SIZE_TYPE__ n) {
  for (char *at = to; n; n--) *at++ = (char)c;
  return to;
}
__attribute__((weak)) void *memcpy(void *to, const void *from, __SIZE_TYPE__ n) {
  char *at = to;
  const char *source = from;
  if (n >= 8) {
    const char *last = source + n - 8;
    for (; source < last; at += 8, source += 8) __builtin_memcpy(at, source, 8); /* one load, one store */
    __builtin_memcpy((char *)to + n - 8, last, 8);
    return to;
  }
  if (n & 4) { __builtin_memcpy(at, source, 4); at += 4; source += 4; }
  if (n & 2) { __builtin_memcpy(at, source, 2); at += 2; source += 2; }
  if (n & 1) *at = *source;
  return to;
}
__attribute__((weak)) void *memmove(void *to, const void *from, __SIZE_TYPE__ n) {
  char *at = to;
  const char *source = from;
  if (at < source) {
    while (n--) *at++ = *source++;
    return to;
  }
  while (n--) at[n] = source[n];
  return to;
}

/* ---- The scratch memory ---- */

enum { rule_scratch_size = 64 << 10 };
static struct {
  char memory[rule_scratch_size];
  rule_u32 used, kept; /* kept: by the configuration, for ever */
  text config, uri, path;
  int config_read, uri_read;
} rule_scratch;

RULE_INLINE char *rule_free(void) { return rule_scratch.memory + rule_scratch.used; }
RULE_INLINE rule_u32 rule_left(void) { return rule_scratch_size - rule_scratch.used; }

/* The text of n bytes that was written where rule_free said. */
RULE_INLINE text rule_take(rule_u32 n) {
  if (n > rule_left()) {
    text said = T("one request needs more than 64 KiB of scratch memory");
    rule_host_log(rule_error, said.at, said.len);
    __builtin_trap();
  }
  text taken = {rule_free(), n};
  rule_scratch.used += n;
  return taken;
}

/* What the host writes, as a text. */
#define RULE_TAKE(call, ...) rule_take((rule_u32)call(__VA_ARGS__ rule_free(), rule_left()))

/* The same of a length that may be -1: not there. */
RULE_INLINE text rule_taken(int n) { return rule_take(n < 0 ? 0 : (rule_u32)n); }

/* ---- Texts ---- */

/* Eight bytes, the first one lowest. */
RULE_INLINE rule_u64 rule_eight(const char *at) {
  rule_u64 eight;
  __builtin_memcpy(&eight, at, 8); /* one load */
  return eight;
}

/* Are both the same bytes?  rule_equal(rule_method(), T("HEAD")) */
RULE_INLINE int rule_equal(text a, text b) {
  if (a.len != b.len) return 0;
  rule_u32 i = 0;
  for (; i + 8 <= a.len; i += 8)
    if (rule_eight(a.at + i) != rule_eight(b.at + i)) return 0;
  for (; i < a.len; i++)
    if (a.at[i] != b.at[i]) return 0;
  return 1;
}

RULE_INLINE char rule_lower(char c) { return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c; }

/* The same, whatever the case of ASCII letters. */
RULE_INLINE int rule_equal_fold(text a, text b) {
  if (a.len != b.len) return 0;
  for (rule_u32 i = 0; i < a.len; i++)
    if (rule_lower(a.at[i]) != rule_lower(b.at[i])) return 0;
  return 1;
}

/* The bytes from one place to before another, cut to what there is.
     rule_slice(T("shoes"), 1, 3) is "ho" */
RULE_INLINE text rule_slice(text s, rule_u32 from, rule_u32 to) {
  if (to > s.len) to = s.len;
  if (from > to) from = to;
  return (text){s.at + from, to - from};
}

/* All from a place on.  rule_from(T("shoes"), 2) is "oes" */
RULE_INLINE text rule_from(text s, rule_u32 from) { return rule_slice(s, from, s.len); }

/* Does it begin so?  rule_starts(rule_path(), T("/products/")) */
RULE_INLINE int rule_starts(text s, text with) { return s.len >= with.len && rule_equal(rule_slice(s, 0, with.len), with); }

/* Does it end so?  rule_ends(rule_path(), T(".jpg")) */
RULE_INLINE int rule_ends(text s, text with) { return s.len >= with.len && rule_equal(rule_from(s, s.len - with.len), with); }

/* The first place of a character, or -1.  rule_index(rule_uri(), '?') */
RULE_INLINE int rule_index(text s, char c) {
  const rule_u64 each = 0x0101010101010101ull, wanted = each * (rule_u8)c;
  rule_u32 i = 0;
  for (; i + 8 <= s.len; i += 8) { /* a byte that is 0 borrows, the lowest one surely */
    rule_u64 other = rule_eight(s.at + i) ^ wanted, zero = (other - each) & ~other & each << 7;
    if (zero) return (int)(i + ((rule_u32)__builtin_ctzll(zero) >> 3));
  }
  for (; i < s.len; i++)
    if (s.at[i] == c) return (int)i;
  return -1;
}

/* The last place of a character, or -1.  rule_last_index(rule_path(), '/') */
RULE_INLINE int rule_last_index(text s, char c) {
  for (rule_u32 i = s.len; i > 0; i--)
    if (s.at[i - 1] == c) return (int)(i - 1);
  return -1;
}

/* The text up to a character; *rest goes on after it, and is empty at the end.
     for (text rest = list, one; rest.len;) { one = rule_cut(&rest, ','); … } */
RULE_INLINE text rule_cut(text *rest, char c) {
  int i = rule_index(*rest, c);
  text one = i < 0 ? *rest : rule_slice(*rest, 0, (rule_u32)i);
  *rest = i < 0 ? rule_from(*rest, rest->len) : rule_from(*rest, (rule_u32)i + 1);
  return one;
}

/* Texts as one.  text key = rule_join(PARTS(T("option."), name)); */
RULE_INLINE text rule_join(const text *parts, rule_u32 count) {
  if (count == 1) return parts[0];
  rule_u32 n = 0;
  for (rule_u32 i = 0; i < count; i++) n += parts[i].len;
  char *to = rule_free();
  text joined = rule_take(n);
  for (rule_u32 i = 0; i < count; i++) {
    memcpy(to, parts[i].at, parts[i].len);
    to += parts[i].len;
  }
  return joined;
}

/* n in decimal.  rule_set_target(T("option.width"), rule_number(640)); */
RULE_INLINE text rule_number(rule_i64 n) {
  char digits[20];
  rule_u32 at = sizeof digits;
  rule_u64 left = n < 0 ? 0 - (rule_u64)n : (rule_u64)n;
  do digits[--at] = (char)('0' + left % 10);
  while (left /= 10);
  if (n < 0) digits[--at] = '-';
  char *to = rule_free();
  text made = rule_take(sizeof digits - at);
  for (rule_u32 i = 0; i < made.len; i++) to[i] = digits[at + i];
  return made;
}

/* Is it digits, and nothing else?  rule_is_number(T("4711")) */
RULE_INLINE int rule_is_number(text s) {
  for (rule_u32 i = 0; i < s.len; i++)
    if (s.at[i] < '0' || s.at[i] > '9') return 0;
  return s.len > 0;
}

/* The number that a text of 1 to 9 digits says, or -1.  rule_to_number(T("640")) */
RULE_INLINE int rule_to_number(text s) {
  if (s.len == 0 || s.len > 9) return -1;
  int n = 0;
  for (rule_u32 i = 0; i < s.len; i++) {
    if (s.at[i] < '0' || s.at[i] > '9') return -1;
    n = n * 10 + (s.at[i] - '0');
  }
  return n;
}

/* The value of name among name=value pairs.
     rule_pair(rule_from(rule_query(), 1), T("v"), '&') */
RULE_INLINE text rule_pair(text pairs, text name, char between) {
  while (pairs.len) {
    text one = rule_cut(&pairs, between);
    while (one.len && one.at[0] == ' ') one = rule_from(one, 1);
    if (one.len > name.len && one.at[name.len] == '=' && rule_starts(one, name)) return rule_from(one, name.len + 1);
  }
  return T("");
}

/* ---- The request, as earlier rules and this one have changed it ---- */

/* GET, HEAD or OPTIONS for the requests that the proxy answers.
     rule_equal(rule_method(), T("HEAD")) */
RULE_INLINE text rule_method(void) { return RULE_TAKE(rule_host_get_method,); }

/* Changes the method.  rule_set_method(T("GET")); */
RULE_INLINE void rule_set_method(text method) { rule_host_set_method(method.at, method.len); }

/* Path and query as received, or as an earlier rule has left them.
     text uri = rule_uri(); */
RULE_INLINE text rule_uri(void) {
  if (!rule_scratch.uri_read) {
    text rest = rule_scratch.uri = RULE_TAKE(rule_host_get_uri,);
    rule_scratch.path = rule_cut(&rest, '?');
    rule_scratch.uri_read = 1;
  }
  return rule_scratch.uri;
}

/* What stands before the first question mark, escapes and all.
     rule_starts(rule_path(), T("/products/")) */
RULE_INLINE text rule_path(void) {
  rule_uri();
  return rule_scratch.path;
}

/* What stands from the first question mark on, with it, or nothing. A rewrite
   that keeps it keeps the proof of a private image.
     rule_set_uri(PARTS(T("/cdn-cgi/image/width=80"), rule_path(), rule_query())); */
RULE_INLINE text rule_query(void) { return rule_from(rule_uri(), rule_scratch.path.len); }

/* The first parameter of that name in the query, escapes and all.
     text size = rule_param(T("size")); */
RULE_INLINE text rule_param(text name) { return rule_pair(rule_from(rule_query(), 1), name, '&'); }

/* Changes path and query to the parts, joined.
     rule_set_uri(PARTS(T("/cdn-cgi/image/width=80"), rule_uri())); */
RULE_INLINE void rule_set_uri(const text *parts, rule_u32 count) {
  text uri = rule_join(parts, count);
  rule_host_set_uri(uri.at, uri.len);
  rule_scratch.uri_read = 0;
}

/* HTTP/1.1.  rule_log(rule_debug, PARTS(rule_protocol())); */
RULE_INLINE text rule_protocol(void) { return RULE_TAKE(rule_host_get_protocol,); }

RULE_INLINE text rule_values(rule_u32 kind, text name) { return RULE_TAKE(rule_host_get_header_values, kind, name.at, name.len,); }
RULE_INLINE text rule_names(rule_u32 kind) { return RULE_TAKE(rule_host_get_header_names, kind,); }

/* The first value of a request header; names are case-insensitive.
   Authorization, Cookie and Proxy-Authorization are there only for a rule
   whose configuration names them under expose.
     rule_equal(rule_header(T("save-data")), T("on")) */
RULE_INLINE text rule_header(text name) { text all = rule_values(rule_of_request, name); return rule_cut(&all, 0); }

/* All values of a request header, each ended by a NUL.
     for (text all = rule_headers(T("accept")), one; all.len;) { one = rule_cut(&all, 0); … } */
RULE_INLINE text rule_headers(text name) { return rule_values(rule_of_request, name); }

/* The names of all request headers, in lower case, each ended by a NUL.
     for (text all = rule_header_names(), one; all.len;) { one = rule_cut(&all, 0); … } */
RULE_INLINE text rule_header_names(void) { return rule_names(rule_of_request); }

/* Changes a request header to one value. Accept and the client hints feed the
   choice of format and size.  rule_set_header(T("accept"), T("image/webp")); */
RULE_INLINE void rule_set_header(text name, text value) { rule_host_set_header(rule_of_request, name.at, name.len, value.at, value.len); }

/* Adds a value to a request header.  rule_add_header(T("accept"), T("image/avif")); */
RULE_INLINE void rule_add_header(text name, text value) { rule_host_add_header(rule_of_request, name.at, name.len, value.at, value.len); }

/* Removes all values of a request header.  rule_remove_header(T("dpr")); */
RULE_INLINE void rule_remove_header(text name) { rule_host_remove_header(rule_of_request, name.at, name.len); }

/* The value of a cookie, as sent; the configuration must name cookie under expose.
     rule_equal(rule_cookie(T("ab")), T("b")) */
RULE_INLINE text rule_cookie(text name) {
  for (text all = rule_headers(T("cookie")), found; all.len;)
    if ((found = rule_pair(rule_cut(&all, 0), name, ';')).len) return found;
  return T("");
}

/* A field of the URI as the proxy would read it, or nothing if the URI is no
   image's or has no such field: kind (delivery or transform), account, image,
   variant, options, option.<name> by its long name, source.
     rule_equal(rule_target(T("variant")), T("public")) */
RULE_INLINE text rule_target(text field) { return rule_taken(rule_host_get_target(field.at, field.len, rule_free(), rule_left())); }

/* Changes a field of the URI through the proxy's own writer, so that the result
   is well formed. An empty option removes it. The result is rule_done,
   rule_unknown_field or rule_invalid_value; the URI then is as it was.
     rule_set_target(T("option.quality"), T("40")); */
RULE_INLINE int rule_set_target(text field, text value) {
  rule_scratch.uri_read = 0;
  return rule_host_set_target(field.at, field.len, value.at, value.len);
}

RULE_INLINE text rule_about(text field) { return rule_taken(rule_host_get_request(field.at, field.len, rule_free(), rule_left())); }

/* The visitor's address and port, after trusted proxies.
     rule_log(rule_debug, PARTS(T("from "), rule_source_addr())); */
RULE_INLINE text rule_source_addr(void) { return RULE_TAKE(rule_host_get_source_addr,); }

/* The visitor's address, after trusted proxies.  rule_starts(rule_client_ip(), T("10.")) */
RULE_INLINE text rule_client_ip(void) { return rule_about(T("client_ip")); }

/* http or https, as the visitor sees it.  rule_equal(rule_scheme(), T("https")) */
RULE_INLINE text rule_scheme(void) { return rule_about(T("scheme")); }

/* The request's id in the log.  rule_set_response_header(T("x-request-id"), rule_id()); */
RULE_INLINE text rule_id(void) { return rule_about(T("request_id")); }

/* Does the visitor take an output format: avif, webp?  rule_accepts(T("avif")) */
RULE_INLINE int rule_accepts(text format) {
  for (text list = rule_about(T("accepts")); list.len;)
    if (rule_equal(rule_cut(&list, ','), format)) return 1;
  return 0;
}

/* ---- The answer. Before rule_next its headers wait to be put over the proxy's
   own; in the response phase they are those of the answer. Content-Type, ETag
   and others that describe the body stay the proxy's. ---- */

/* The answer's status; only in the response phase.  rule_status() == 404 */
RULE_INLINE int rule_status(void) { return (int)rule_host_get_status(); }

/* The first value of a header of the answer.  rule_response_header(T("cache-status")) */
RULE_INLINE text rule_response_header(text name) { text all = rule_values(rule_of_response, name); return rule_cut(&all, 0); }

/* All values of a header of the answer, each ended by a NUL.
     for (text all = rule_response_headers(T("link")), one; all.len;) { one = rule_cut(&all, 0); … } */
RULE_INLINE text rule_response_headers(text name) { return rule_values(rule_of_response, name); }

/* The names of the answer's headers, in lower case, each ended by a NUL.
     for (text all = rule_response_header_names(), one; all.len;) { one = rule_cut(&all, 0); … } */
RULE_INLINE text rule_response_header_names(void) { return rule_names(rule_of_response); }

/* Changes a header of the answer.  rule_set_response_header(T("x-rule"), T("drafts")); */
RULE_INLINE void rule_set_response_header(text name, text value) { rule_host_set_header(rule_of_response, name.at, name.len, value.at, value.len); }

/* Adds a value to a header of the answer.  rule_add_response_header(T("link"), value); */
RULE_INLINE void rule_add_response_header(text name, text value) { rule_host_add_header(rule_of_response, name.at, name.len, value.at, value.len); }

/* Removes a header of the answer.  rule_remove_response_header(T("server-timing")); */
RULE_INLINE void rule_remove_response_header(text name) { rule_host_remove_header(rule_of_response, name.at, name.len); }

/* Ends the request with this status, 200 to 599, media type and body: the
   parts, joined, at most 1 MiB.
     return rule_answer(404, T("text/plain"), PARTS(T("no product "), name)); */
RULE_INLINE verdict rule_answer(int status, text media_type, const text *body, rule_u32 count) {
  rule_host_set_status((rule_u32)status);
  if (media_type.len) rule_set_response_header(T("content-type"), media_type);
  for (rule_u32 i = 0; i < count; i++) rule_host_write_body(rule_of_response, body[i].at, body[i].len);
  return 0;
}

/* Ends the request with a 301, 302, 303, 307 or 308 to the parts, joined.
     return rule_redirect(302, PARTS(T("https://eu.example.com"), rule_uri())); */
RULE_INLINE verdict rule_redirect(int status, const text *location, rule_u32 count) {
  rule_set_response_header(T("location"), rule_join(location, count));
  rule_host_set_status((rule_u32)status);
  return 0;
}

/* Ends the request with 403 and the reason as its text.
     return rule_deny(T("not yet")); */
RULE_INLINE verdict rule_deny(text reason) { return rule_answer(403, T("text/plain"), &reason, 1); }

/* ---- Beside the request ---- */

/* Says that the decision depends on a request header, for the caches between
   here and the visitor.  rule_vary(T("save-data")); */
RULE_INLINE void rule_vary(text header) { rule_host_vary(header.at, header.len); }

/* Adds a purge tag to what the cache keeps of this request: at most eight of
   [A-Za-z0-9_:./-], 1 to 128 characters. Was it taken?  rule_tag(T("season:summer")); */
RULE_INLINE int rule_tag(text tag) { return rule_host_tag(tag.at, tag.len) == 0; }

/* Are lines of this level written?  if (rule_logs(rule_debug)) … */
RULE_INLINE int rule_logs(int level) { return (int)rule_host_log_enabled(level); }

/* Writes the parts as one line, with the rule's name. Lines are limited to ten
   a second.  rule_log(rule_info, PARTS(T("moved "), rule_uri())); */
RULE_INLINE void rule_log(int level, const text *parts, rule_u32 count) {
  if (!rule_logs(level)) return;
  text line = rule_join(parts, count);
  rule_host_log(level, line.at, line.len);
}

/* Milliseconds since 1970. A test or explain may fix it.
     rule_now() < 1790000000000 */
RULE_INLINE rule_i64 rule_now(void) { return rule_host_now(); }

/* Fills n bytes with random ones. A test or explain may fix them.
     unsigned char dice[4]; rule_random(dice, sizeof dice); */
RULE_INLINE void rule_random(void *buf, rule_u32 n) {
  for (rule_u8 *at = buf; n;) {
    rule_u32 some = n < 256 ? n : 256;
    rule_host_random(at, some);
    at += some;
    n -= some;
  }
}

/* ---- The configuration ---- */

RULE_INLINE rule_u32 rule_json_blank(text s, rule_u32 i) {
  while (i < s.len && (s.at[i] == ' ' || s.at[i] == '\n' || s.at[i] == '\t' || s.at[i] == '\r')) i++;
  return i;
}

/* The end of the JSON string that begins at i; i itself if it has none. */
RULE_INLINE rule_u32 rule_json_string(text s, rule_u32 i) {
  for (rule_u32 at = i + 1; at < s.len; at++) {
    if (s.at[at] == '"') return at + 1;
    if (s.at[at] == '\\') at++;
  }
  return i;
}

/* The end of the JSON value that begins at i; i itself if none does. */
RULE_INLINE rule_u32 rule_json_end(text s, rule_u32 i) {
  if (i >= s.len) return i;
  char c = s.at[i];
  if (c == '"') return rule_json_string(s, i);
  if (c != '{' && c != '[') { /* a number, or a word */
    while (c > ' ' && c != ',' && c != ':' && c != '}' && c != ']') {
      if (++i == s.len) return i;
      c = s.at[i];
    }
    return i;
  }
  rule_u32 depth = 0;
  for (rule_u32 at = i; at < s.len; at++) {
    c = s.at[at];
    if (c == '"') {
      rule_u32 end = rule_json_string(s, at);
      if (end == at) return i;
      at = end - 1;
    } else if (c == '{' || c == '[')
      depth++;
    else if ((c == '}' || c == ']') && --depth == 0)
      return at + 1;
  }
  return i;
}

/* What comes after *i, the beginning of an object or a list or the comma before
   the entry: its key and its JSON, none if there is no entry. *i becomes where
   the next comma is, or 0. */
RULE_INLINE text rule_json_entry(text s, rule_u32 *i, int object, text *key) {
  rule_u32 at = rule_json_blank(s, *i + 1);
  *i = 0;
  if (object) {
    rule_u32 end = rule_json_end(s, at);
    if (end - at < 2 || s.at[at] != '"') return T(""); /* the end of an empty object, or no JSON */
    *key = rule_slice(s, at + 1, end - 1);
    if ((at = rule_json_blank(s, end)) == s.len || s.at[at] != ':') return T("");
    at = rule_json_blank(s, at + 1);
  }
  rule_u32 end = rule_json_end(s, at), next = rule_json_blank(s, end);
  if (next < s.len && s.at[next] == ',') *i = next;
  return rule_slice(s, at, end);
}

/* The JSON at a key of an object, or at an index of a list. */
RULE_INLINE text rule_json_member(text s, text key) {
  rule_u32 i = rule_json_blank(s, 0);
  if (i == s.len || (s.at[i] != '{' && s.at[i] != '[')) return T("");
  int object = s.at[i] == '{', wanted = rule_to_number(key);
  if (!object && wanted < 0) return T("");
  for (int n = 0;; n++) {
    text name = T(""), json = rule_json_entry(s, &i, object, &name);
    if (!json.len || (object ? rule_equal(name, key) : n == wanted)) return json;
    if (!i) return T("");
  }
}

/* The four hexadecimal digits at i; U+FFFD if they are none. */
RULE_INLINE rule_u32 rule_json_unit(text s, rule_u32 i) {
  rule_u32 n = 0;
  if (i + 4 > s.len) return 0xFFFD;
  for (rule_u32 end = i + 4; i < end; i++) {
    char c = rule_lower(s.at[i]);
    if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'))) return 0xFFFD;
    n = n << 4 | (rule_u32)(c <= '9' ? c - '0' : c - 'a' + 10);
  }
  return n;
}

/* The text of a JSON string without its quotes. It is longer than that by one
   byte if that ends within an escape. */
RULE_INLINE text rule_json_unescape(text s) {
  if (rule_index(s, '\\') < 0) return s;
  char *out = rule_free();
  rule_u32 n = 0, before = rule_scratch.used;
  rule_take(s.len + 1);
  for (rule_u32 i = 0; i < s.len; i++) {
    char c = s.at[i];
    if (c != '\\' || i + 1 == s.len) { out[n++] = c; continue; }
    c = s.at[++i];
    if (c != 'u') {
      out[n++] = c == 'b' ? '\b' : c == 'f' ? '\f' : c == 'n' ? '\n' : c == 'r' ? '\r' : c == 't' ? '\t' : c;
      continue;
    }
    rule_u32 u = rule_json_unit(s, i + 1);
    i += 4;
    if (u >= 0xD800 && u < 0xE000) {
      rule_u32 low = u < 0xDC00 && i + 2 < s.len && s.at[i + 1] == '\\' && s.at[i + 2] == 'u' ? rule_json_unit(s, i + 3) : 0;
      if (low >= 0xDC00 && low < 0xE000) {
        u = 0x10000 + ((u - 0xD800) << 10) + (low - 0xDC00);
        i += 6;
      } else
        u = 0xFFFD;
    }
    if (u < 0x80) out[n++] = (char)u;
    else if (u < 0x800) { out[n++] = (char)(0xC0 | u >> 6); out[n++] = (char)(0x80 | (u & 63)); }
    else if (u < 0x10000) { out[n++] = (char)(0xE0 | u >> 12); out[n++] = (char)(0x80 | (u >> 6 & 63)); out[n++] = (char)(0x80 | (u & 63)); }
    else { out[n++] = (char)(0xF0 | u >> 18); out[n++] = (char)(0x80 | (u >> 12 & 63)); out[n++] = (char)(0x80 | (u >> 6 & 63)); out[n++] = (char)(0x80 | (u & 63)); }
  }
  rule_scratch.used = before + n;
  return (text){out, n};
}

/* What stands at the end of the keys in a JSON text, such as rule_config returns
   for an object.  rule_member(sizes, PARTS(T("s"))) */
RULE_INLINE text rule_member(text json, const text *keys, rule_u32 count) {
  for (rule_u32 i = 0; i < count; i++) json = rule_json_member(json, keys[i]);
  return json.len && json.at[0] == '"' ? rule_json_unescape(rule_slice(json, 1, json.len - 1)) : json;
}

/* What stands at the end of the keys in the rule's configuration. In
     config: {account: abc, sizes: {s: 320}, hosts: [one.example, two.example]}
   rule_config(PARTS(T("account"))) is abc, rule_config(PARTS(T("sizes"), T("s")))
   is 320 and rule_config(PARTS(T("hosts"), T("1"))) is two.example;
   rule_config(0, 0) is all of it. An object or a list is its JSON, and what is
   not there is empty. Keys have no escapes. */
RULE_INLINE text rule_config(const text *keys, rule_u32 count) {
  if (!rule_scratch.config_read) { /* once an instance, before anything else */
    rule_scratch.config_read = 1;
    rule_scratch.config = RULE_TAKE(rule_host_get_config,);
    rule_scratch.kept = rule_scratch.used;
  }
  return count ? rule_member(rule_scratch.config, keys, count) : rule_scratch.config;
}

/* An object of the configuration that is read once: a look-up costs a
   comparison for each key before the one it finds. */
typedef struct { const text *entries; rule_u32 count; } rule_table;

/* The object at the end of the keys in the rule's configuration, as rule_config
   has it; empty if there is none. It belongs into RULE_START.
     static rule_table sizes;
     RULE_START { sizes = rule_config_table(PARTS(T("sizes"))); } */
RULE_INLINE rule_table rule_config_table(const text *keys, rule_u32 count) {
  text s = rule_config(keys, count), name;
  rule_u32 begin = rule_json_blank(s, 0), n = 0;
  if (begin == s.len || s.at[begin] != '{') return (rule_table){0, 0};
  for (rule_u32 i = begin, first = 1; first || i; first = 0) n += rule_json_entry(s, &i, 1, &name).len > 0;
  rule_take(-rule_scratch.used & 7);
  text *entries = (text *)rule_take(2 * n * sizeof(text)).at;
  rule_table table = {entries, n};
  for (rule_u32 i = begin; n;) {
    text json = rule_json_entry(s, &i, 1, entries);
    if (!json.len) continue; /* no JSON */
    entries[1] = rule_member(json, 0, 0);
    entries += 2;
    n--;
  }
  return table;
}

/* What stands at a key of a table; empty if it is not there.
     rule_set_target(T("option.width"), rule_find(sizes, T("s"))); */
RULE_INLINE text rule_find(rule_table table, text key) {
  for (rule_u32 i = 0; i < table.count; i++)
    if (rule_equal(table.entries[2 * i], key)) return table.entries[2 * i + 1];
  return T("");
}

/* ---- What a rule exports ---- */

/* What runs once, before the first request: a body follows. What it reads stays
   for ever, so that requests need not read it.
     static text account;
     RULE_START { account = rule_config(PARTS(T("account"))); } */
#define RULE_START                                                                 \
  static void rule_on_start(void);                                                 \
  __attribute__((export_name("_initialize"))) void rule_initialize(void) {         \
    rule_on_start();                                                               \
    rule_scratch.kept = rule_scratch.used;                                         \
  }                                                                                \
  static void rule_on_start(void)

RULE_INLINE void rule_begin(void) {
  rule_config(0, 0);
  rule_scratch.used = rule_scratch.kept;
  rule_scratch.uri_read = 0;
}

/* The rule itself: a body that returns a verdict follows. */
#define RULE_HANDLE_REQUEST                                                            \
  static verdict rule_on_request(void);                                                \
  __attribute__((export_name("handle_request"))) verdict rule_handle_request(void) {   \
    rule_begin();                                                                      \
    return rule_on_request();                                                          \
  }                                                                                    \
  static verdict rule_on_request(void)

/* Its second half, if it has one: a body that may change the answer's headers
   follows. ctx is what rule_next_with was given, failed says that the proxy
   could not answer.
     RULE_HANDLE_RESPONSE { if (!failed) rule_set_response_header(T("x-rule"), T("drafts")); } */
#define RULE_HANDLE_RESPONSE                                                                              \
  static void rule_on_response(rule_u32 ctx, int failed);                                                 \
  __attribute__((export_name("handle_response"))) void rule_handle_response(rule_u32 ctx, rule_u32 failed) { \
    rule_begin();                                                                                         \
    rule_on_response(ctx, failed != 0);                                                                   \
  }                                                                                                       \
  static void rule_on_response(__attribute__((unused)) rule_u32 ctx, __attribute__((unused)) int failed)

#endif
