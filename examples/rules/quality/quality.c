/* Fewer bytes for who asks for them, and for small screens. */
#include "rule.h"

static text saving, mobile;
RULE_START {
  saving = rule_config(PARTS(T("saving")));
  mobile = rule_config(PARTS(T("mobile")));
}

/* Only URLs with options can be changed without changing the picture: a variant
   is what its owner has made it. A quality that the page has chosen stays. */
RULE_HANDLE_REQUEST {
  if (!rule_target(T("options")).len || rule_target(T("option.quality")).len) return rule_next;
  text quality = T("");
  rule_vary(T("save-data"));
  if (rule_equal_fold(rule_header(T("save-data")), T("on")))
    quality = saving;
  else {
    rule_vary(T("sec-ch-ua-mobile"));
    if (rule_equal(rule_header(T("sec-ch-ua-mobile")), T("?1"))) quality = mobile;
  }
  if (quality.len && rule_set_target(T("option.quality"), quality) != rule_done)
    rule_log(rule_warn, PARTS(T("expected a quality in the configuration, received "), quality));
  return rule_next;
}
