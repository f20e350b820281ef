// Gives products friendly URLs:
// /products/red-running-shoe-4711-s.jpg is product 4711 at size s.
import { NEXT, Request, Text, Verdict, answer, config, configTable, handle, tag, text } from "../../../../plugins/sdk/assemblyscript/rule";

export function handle_request(): Verdict {
  return handle(products);
}

const DASH = 45;
const ACCOUNT = config("account");
const SIZES = configTable("sizes");
const M = SIZES.find("m");

// The last two words of the name are the number and perhaps the size; what is
// before them is for people.
function products(): Verdict {
  const uri = Request.uri();
  let name = uri.before(63);
  if (!name.startsWith("/products/")) return NEXT;
  const query = uri.slice(name.len), jpg = name.endsWith(".jpg");
  name = name.slice(10, name.len - 4);
  let id = last(name), width = SIZES.find(id);
  if (width.len) id = last(name.slice(0, name.len - id.len - 1));
  else width = M;
  if (!jpg || !id.isNumber()) return answer(404, "text/plain", "no such product");
  tag(text("product:").add(id));
  Request.setUri(text("/cdn-cgi/imagedelivery/").add(ACCOUNT).add("/products/").add(id).add(".jpg/width=").add(width).add(query));
  return NEXT;
}

function last(name: Text): Text {
  return name.slice(name.lastIndexOf(DASH) + 1);
}
