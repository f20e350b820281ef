/* Makes every call of the SDK and tells in headers what came of it. */
#include "rule.h"

static text early; /* is to stay */
static rule_table table, none;
RULE_START {
  early = rule_config(PARTS(T("quoted")));
  table = rule_config_table(0, 0);
  none = rule_config_table(PARTS(T("list")));
}

#define SAY(name, ...) rule_set_response_header(T(name), rule_join(PARTS(__VA_ARGS__)))
#define IS(path) rule_equal(rule_path(), T("/survey/" path))

static text yes(int b) { return b ? T("1") : T("0"); }
static text each(text list) {
  text all = T("");
  while (list.len) {
    text one = rule_cut(&list, 0);
    all = rule_join(PARTS(all, T("("), one, T(")")));
  }
  return all;
}

RULE_HANDLE_REQUEST {
  if (IS("read")) {
    SAY("x-method", rule_method());
    SAY("x-uri", rule_uri());
    SAY("x-query", rule_query());
    SAY("x-param", rule_param(T("v")), T("|"), rule_param(T("w")), T("|"), rule_param(T("none")));
    SAY("x-protocol", rule_protocol());
    SAY("x-header", rule_header(T("Save-Data")), T("|"), rule_header(T("none")));
    SAY("x-headers", each(rule_headers(T("x-many"))));
    text all = T("");
    for (text list = rule_header_names(); list.len;) {
      text name = rule_cut(&list, 0);
      if (rule_starts(name, T("x-")) || rule_equal(name, T("save-data"))) all = rule_join(PARTS(all, T("("), name, T(")")));
    }
    SAY("x-names", all);
    SAY("x-cookie", rule_cookie(T("ab")), T("|"), rule_cookie(T("b")));
    SAY("x-scheme", rule_scheme());
    SAY("x-ip", rule_client_ip());
    SAY("x-addr", yes(rule_starts(rule_source_addr(), rule_client_ip())));
    SAY("x-id", yes(rule_id().len > 0));
    SAY("x-accepts", yes(rule_accepts(T("avif"))), yes(rule_accepts(T("webp"))), yes(rule_accepts(T("webm"))));
    SAY("x-target", rule_target(T("image")), T("|"));
    SAY("x-config", rule_config(PARTS(T("account"))), T("|"), rule_config(PARTS(T("list"), T("1"))), T("|"), rule_config(PARTS(T("quoted"))), T("|"),
        rule_config(PARTS(T("none"))), T("|"), early);
    SAY("x-whole", yes(rule_starts(rule_config(0, 0), T("{")) && rule_equal(rule_member(rule_config(0, 0), PARTS(T("sizes"), T("s"))), T("320"))));
    SAY("x-table", rule_find(table, T("account")), T("|"), rule_find(table, T("quoted")), T("|"), rule_find(table, T("sizes")), T("|"), rule_find(table, T("x")), rule_find(none, T("0")));
    SAY("x-number", rule_number(0), T("|"), rule_number(-42));
  } else if (IS("write")) {
    rule_set_method(T("HEAD"));
    rule_set_header(T("accept"), T("image/webp"));
    rule_add_header(T("accept"), T("image/avif"));
    rule_remove_header(T("x-many"));
    rule_set_uri(PARTS(T("/cdn-cgi/imagedelivery/"), rule_config(PARTS(T("account"))), T("/landscape/width=80"), rule_query()));
    int done = rule_set_target(T("option.width"), rule_number(96)), unknown = rule_set_target(T("colour"), T("red")),
        invalid = rule_set_target(T("option.width"), T("wide"));
    SAY("x-codes", rule_number(done), rule_number(unknown), rule_number(invalid));
    SAY("x-target", rule_target(T("kind")), T("|"), rule_target(T("image")), T("|"), rule_target(T("option.width")), T("|"), rule_target(T("variant")));
    SAY("x-uri", rule_uri());
    rule_vary(T("x-many"));
    int good = rule_tag(T("season:summer")), bad = rule_tag(T("no spaces"));
    SAY("x-tags", yes(good), yes(bad));
  } else if (IS("around")) {
    rule_log(rule_info, PARTS(T("seen "), rule_path()));
    rule_log(rule_warn, PARTS(T("one part")));
    SAY("x-logs", yes(rule_logs(rule_error)));
    SAY("x-now", yes(rule_now() > 1700000000000));
    unsigned char dice[300] = {0};
    int some = 0;
    rule_random(dice, sizeof dice);
    for (int i = 256; i < 300; i++) some = some || dice[i];
    SAY("x-random", yes(some));
  } else if (IS("headers")) {
    rule_set_uri(PARTS(T("/cdn-cgi/imagedelivery/"), rule_config(PARTS(T("account"))), T("/landscape/width=80")));
    rule_set_response_header(T("x-early"), T("over"));
    rule_set_response_header(T("x-early"), T("1"));
    rule_add_response_header(T("x-early"), T("2"));
    rule_set_response_header(T("x-gone"), T("1"));
    rule_remove_response_header(T("x-gone"));
    text all = each(rule_response_headers(T("x-early"))), names = rule_response_header_names();
    while (names.len) {
      text name = rule_cut(&names, 0);
      all = rule_join(PARTS(all, name));
    }
    SAY("x-waiting", rule_response_header(T("x-early")), T("|"), all, T("|"), rule_response_header(T("x-gone")));
    return rule_next_with(7);
  } else if (IS("answer"))
    return rule_answer(418, T("text/x-tea"), PARTS(T("no "), T("coffee")));
  else if (IS("redirect"))
    return rule_redirect(307, PARTS(T("https://example.com"), rule_uri()));
  else if (IS("deny"))
    return rule_deny(rule_join(PARTS(T("not "), T("yet"))));
  else if (IS("hard")) {
    SAY("x-param", rule_param(T("v")));
    SAY("x-cookie", rule_cookie(T("ab")));
    SAY("x-many", rule_number(rule_header(T("x-many")).len));
    SAY("x-json", rule_member(rule_header(T("x-json")), PARTS(T("a"))));
  } else if (IS("full")) {
    for (int i = 0; i < 10000; i++) {
      text all = rule_headers(T("x-many"));
      if (all.at[all.len - 2] != 'a') return rule_next;
    }
  } else if (IS("escapes")) {
    text json = rule_header(T("x-json"));
    for (int i = 0; i < 10000; i++) rule_member(json, PARTS(T("a")));
  } else if (IS("overflow"))
    for (int i = 0; i < 5000; i++) rule_join(PARTS(T("0123456789"), T("abcdef")));
  return rule_next;
}

RULE_HANDLE_RESPONSE {
  if (ctx != 7) return;
  int named = 0;
  for (text names = rule_response_header_names(); names.len;)
    if (rule_equal(rule_cut(&names, 0), T("content-type"))) named = 1;
  SAY("x-late", rule_number(rule_status()), T("|"), yes(failed), T("|"), each(rule_response_headers(T("x-early"))), T("|"), yes(named), T("|"), rule_response_header(T("content-type")));
  rule_add_response_header(T("x-late"), rule_number(ctx));
  rule_remove_response_header(T("x-waiting"));
}
