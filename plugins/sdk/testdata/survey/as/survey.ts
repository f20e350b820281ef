// Makes every call of the SDK and tells in headers what came of it.
import {
  ERROR, INFO, NEXT, Request, Response, Text, Verdict, WARN,
  answer, config, configTable, deny, handle, handleResponse, log, logs, nextWith, now, number, random, redirect, tag, text, vary,
} from "../../../assemblyscript/rule";

const EARLY = config("quoted"); // is to stay
const TABLE = configTable(""), NONE = configTable("list");

export function handle_request(): Verdict { return handle(survey); }
export function handle_response(ctx: u32, failed: u32): void { handleResponse(ctx, failed, sent); }

function yes(b: bool): Text { return b ? text("1") : text("0"); }

function each(list: Text): Text {
  let all = text("");
  for (; list.len; list = list.after(0)) all = all.add("(").add(list.before(0)).add(")");
  return all;
}

function survey(): Verdict {
  const path = Request.path();
  if (path.equals("/survey/read")) {
    Response.setHeader("x-method", Request.method());
    Response.setHeader("x-uri", Request.uri());
    Response.setHeader("x-query", Request.query());
    Response.setHeader("x-param", Request.param("v").add("|").add(Request.param("w")).add("|").add(Request.param("none")));
    Response.setHeader("x-protocol", Request.protocol());
    Response.setHeader("x-header", Request.header("Save-Data").add("|").add(Request.header("none")));
    Response.setHeader("x-headers", each(Request.headers("x-many")));
    let all = text("");
    for (let list = Request.headerNames(); list.len; list = list.after(0)) {
      const name = list.before(0);
      if (name.startsWith("x-") || name.equals("save-data")) all = all.add("(").add(name).add(")");
    }
    Response.setHeader("x-names", all);
    Response.setHeader("x-cookie", Request.cookie("ab").add("|").add(Request.cookie("b")));
    Response.setHeader("x-scheme", Request.scheme());
    Response.setHeader("x-ip", Request.clientIp());
    Response.setHeader("x-addr", yes(Request.sourceAddr().startsWith(Request.clientIp())));
    Response.setHeader("x-id", yes(Request.id().len > 0));
    Response.setHeader("x-accepts", yes(Request.accepts("avif")).add(yes(Request.accepts("webp"))).add(yes(Request.accepts("webm"))));
    Response.setHeader("x-target", Request.target("image").add("|"));
    Response.setHeader("x-config", config("account").add("|").add(config("list").member("1")).add("|").add(config("quoted")).add("|").add(config("none")).add("|").add(EARLY));
    Response.setHeader("x-whole", yes(config("").startsWith("{") && config("").member("sizes").member("s").equals("320")));
    Response.setHeader("x-table", TABLE.find("account").add("|").add(TABLE.find("quoted")).add("|").add(TABLE.find("sizes")).add("|").add(TABLE.find("x")).add(NONE.find("0")));
    Response.setHeader("x-number", number(0).add("|").add(number(-42)));
  } else if (path.equals("/survey/write")) {
    Request.setMethod("HEAD");
    Request.setHeader("accept", "image/webp");
    Request.addHeader("accept", "image/avif");
    Request.removeHeader("x-many");
    Request.setUri(text("/cdn-cgi/imagedelivery/").add(config("account")).add("/landscape/width=80").add(Request.query()));
    const done = Request.setTarget("option.width", number(96)), unknown = Request.setTarget("colour", "red"), invalid = Request.setTarget("option.width", "wide");
    Response.setHeader("x-codes", number(done).add(number(unknown)).add(number(invalid)));
    Response.setHeader("x-target", Request.target("kind").add("|").add(Request.target("image")).add("|").add(Request.target("option.width")).add("|").add(Request.target("variant")));
    Response.setHeader("x-uri", Request.uri());
    vary("x-many");
    const good = tag("season:summer"), bad = tag("no spaces");
    Response.setHeader("x-tags", yes(good).add(yes(bad)));
  } else if (path.equals("/survey/around")) {
    log(INFO, text("seen ").add(path));
    log(WARN, "one part");
    Response.setHeader("x-logs", yes(logs(ERROR)));
    Response.setHeader("x-now", yes(now() > 1700000000000));
    const dice = random(256);
    let some = false;
    for (let i: u32 = 200; i < dice.len; i++) some = some || dice.byte(i) != 0;
    Response.setHeader("x-random", yes(some));
  } else if (path.equals("/survey/headers")) {
    Request.setUri(text("/cdn-cgi/imagedelivery/").add(config("account")).add("/landscape/width=80"));
    Response.setHeader("x-early", "over");
    Response.setHeader("x-early", "1");
    Response.addHeader("x-early", "2");
    Response.setHeader("x-gone", "1");
    Response.removeHeader("x-gone");
    let all = each(Response.headers("x-early"));
    for (let list = Response.headerNames(); list.len; list = list.after(0)) all = all.add(list.before(0));
    Response.setHeader("x-waiting", Response.header("x-early").add("|").add(all).add("|").add(Response.header("x-gone")));
    return nextWith(7);
  } else if (path.equals("/survey/answer")) return answer(418, "text/x-tea", text("no ").add("coffee"));
  else if (path.equals("/survey/redirect")) return redirect(307, text("https://example.com").add(Request.uri()));
  else if (path.equals("/survey/deny")) return deny(text("not ").add("yet"));
  else if (path.equals("/survey/hard")) {
    Response.setHeader("x-param", Request.param("v"));
    Response.setHeader("x-cookie", Request.cookie("ab"));
    Response.setHeader("x-many", number(Request.header("x-many").len));
    Response.setHeader("x-json", Request.header("x-json").member("a"));
  } else if (path.equals("/survey/full")) {
    for (let i = 0; i < 10000; i++) {
      const all = Request.headers("x-many");
      if (all.byte(all.len - 2) != 97) return NEXT;
    }
  } else if (path.equals("/survey/escapes")) {
    const json = Request.header("x-json");
    for (let i = 0; i < 10000; i++) json.member("a");
  } else if (path.equals("/survey/overflow")) for (let i = 0; i < 5000; i++) text("0123456789").add("abcdef");
  return NEXT;
}

function sent(ctx: u32, failed: bool): void {
  if (ctx != 7) return;
  let named = false;
  for (let list = Response.headerNames(); list.len; list = list.after(0)) named = named || list.before(0).equals("content-type");
  Response.setHeader("x-late", number(Response.status()).add("|").add(yes(failed)).add("|").add(each(Response.headers("x-early"))).add("|").add(yes(named)).add("|").add(Response.header("content-type")));
  Response.addHeader("x-late", number(ctx));
  Response.removeHeader("x-waiting");
}
