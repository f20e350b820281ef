/* Shows visitors who are not logged in the variant with a watermark. */
#include "rule.h"

static text cookie, variants;
RULE_START {
  cookie = rule_config(PARTS(T("cookie")));
  variants = rule_config(PARTS(T("variants"))); /* {"large": "large-marked"} */
}

/* Any cookie of that name counts, so this is a courtesy and no lock: what must
   not be seen without a mark is a private image. */
RULE_HANDLE_REQUEST {
  text marked = rule_member(variants, PARTS(rule_target(T("variant"))));
  if (!marked.len) return rule_next;
  rule_vary(T("cookie"));
  if (!rule_cookie(cookie).len) {
    rule_set_target(T("variant"), marked);
    rule_set_response_header(T("cache-control"), T("private"));
  }
  return rule_next;
}
