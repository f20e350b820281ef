/* Gives products friendly URLs:
   /products/red-running-shoe-4711-s.jpg is product 4711 at size s. */
#include "rule.h"

static text account;
static rule_table sizes;
RULE_START {
  account = rule_config(PARTS(T("account")));
  sizes = rule_config_table(PARTS(T("sizes")));
}

static text cut_last(text *name) {
  int i = rule_last_index(*name, '-');
  text last = rule_from(*name, (rule_u32)(i + 1));
  *name = rule_slice(*name, 0, i < 0 ? 0 : (rule_u32)i);
  return last;
}

/* The last two words of the name are the number and perhaps the size; what is
   before them is for people. */
RULE_HANDLE_REQUEST {
  text name = rule_path();
  if (!rule_starts(name, T("/products/"))) return rule_next;
  int jpg = rule_ends(name, T(".jpg"));
  name = rule_slice(name, 10, name.len - 4);
  text id = cut_last(&name), width = rule_find(sizes, id);
  if (width.len)
    id = cut_last(&name);
  else
    width = rule_find(sizes, T("m"));
  if (!jpg || !rule_is_number(id)) return rule_answer(404, T("text/plain"), PARTS(T("no such product")));
  rule_tag(rule_join(PARTS(T("product:"), id)));
  rule_set_uri(PARTS(T("/cdn-cgi/imagedelivery/"), account, T("/products/"), id, T(".jpg/width="), width, rule_query()));
  return rule_next;
}
