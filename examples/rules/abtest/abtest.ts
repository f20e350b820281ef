// Shows half of the visitors another variant of an image: those whose cookie
// says so. The site sets the cookie.
import { NEXT, Request, Response, Verdict, config, handle, handleResponse, nextWith, text, vary } from "../../../plugins/sdk/assemblyscript/rule";

const COOKIE = config("cookie");
const GROUP = config("group");
const VARIANTS = config("variants"); // {"hero": "hero-b"}

export function handle_request(): Verdict {
  return handle(choose);
}

export function handle_response(ctx: u32, failed: u32): void {
  handleResponse(ctx, failed, tell);
}

function choose(): Verdict {
  const other = VARIANTS.member(Request.target("variant"));
  if (!other.len) return NEXT;
  vary("cookie");
  if (!Request.cookie(COOKIE).equals(GROUP)) return nextWith(1);
  Request.setTarget("variant", other);
  return nextWith(2);
}

// The page's own scripts can see which picture it was.
function tell(ctx: u32, failed: bool): void {
  if (ctx == 0 || failed) return;
  Response.setHeader("x-experiment", text(ctx == 2 ? "b" : "a"));
}
