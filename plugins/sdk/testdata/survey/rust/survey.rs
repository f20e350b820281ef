//! Makes every call of the SDK and tells in headers what came of it.
#[path = "../../../rust/rule.rs"]
mod rule;

use rule::{number, Request, Response, Setting, Table, TargetError, Verdict, NEXT};

static EARLY: Setting = Setting::new(&["quoted"]); // is to stay
static TABLE: Table = Table::new(&[]);
static NONE: Table = Table::new(&["list"]);

#[no_mangle]
pub extern "C" fn handle_request() -> Verdict {
    rule::handle(survey)
}

#[no_mangle]
pub extern "C" fn handle_response(ctx: u32, failed: u32) {
    rule::handle_response(ctx, failed, sent)
}

fn yes(b: bool) -> &'static str {
    if b { "1" } else { "0" }
}

fn code(result: Result<(), TargetError>) -> &'static str {
    match result {
        Ok(()) => "0",
        Err(TargetError::UnknownField) => "1",
        Err(TargetError::InvalidValue) => "2",
    }
}

fn survey(r: &Request) -> Verdict {
    let say = |name: &str, parts: &[&str]| r.response.set_header(name, &parts.concat());
    match r.path() {
        "/survey/read" => {
            say("x-method", &[r.method()]);
            say("x-uri", &[r.uri()]);
            say("x-query", &[r.query()]);
            say("x-param", &[r.param("v"), "|", r.param("w"), "|", r.param("none")]);
            say("x-protocol", &[r.protocol()]);
            say("x-header", &[r.header("Save-Data"), "|", r.header("none")]);
            let mut all = "";
            for value in r.headers("x-many") {
                all = r.join(&[all, "(", value, ")"]);
            }
            say("x-headers", &[all]);
            all = "";
            for name in r.header_names() {
                if name.starts_with("x-") || name == "save-data" {
                    all = r.join(&[all, "(", name, ")"]);
                }
            }
            say("x-names", &[all]);
            say("x-cookie", &[r.cookie("ab"), "|", r.cookie("b")]);
            say("x-scheme", &[r.scheme()]);
            say("x-ip", &[r.client_ip()]);
            say("x-addr", &[yes(r.source_addr().starts_with(r.client_ip()))]);
            say("x-id", &[yes(!r.id().is_empty())]);
            say("x-accepts", &[yes(r.accepts("avif")), yes(r.accepts("webp")), yes(r.accepts("webm"))]);
            say("x-target", &[r.target("image"), "|"]);
            say("x-config", &[r.config(&["account"]), "|", r.config(&["list", "1"]), "|", r.config(&["quoted"]), "|", r.config(&["none"]), "|", &EARLY]);
            say("x-whole", &[yes(r.config(&[]).starts_with('{') && r.member(r.config(&[]), &["sizes", "s"]) == "320")]);
            say("x-table", &[TABLE.find("account"), "|", TABLE.find("quoted"), "|", TABLE.find("sizes"), "|", TABLE.find("x"), NONE.find("0")]);
            say("x-number", &[&number(0), "|", &number(-42)]);
        }
        "/survey/write" => {
            r.set_method("HEAD");
            r.set_header("accept", "image/webp");
            r.add_header("accept", "image/avif");
            r.remove_header("x-many");
            r.set_uri(&["/cdn-cgi/imagedelivery/", r.config(&["account"]), "/landscape/width=80", r.query()]);
            say("x-codes", &[code(r.set_target("option.width", &number(96))), code(r.set_target("colour", "red")), code(r.set_target("option.width", "wide"))]);
            say("x-target", &[r.target("kind"), "|", r.target("image"), "|", r.target("option.width"), "|", r.target("variant")]);
            say("x-uri", &[r.uri()]);
            rule::vary("x-many");
            say("x-tags", &[yes(rule::tag("season:summer")), yes(rule::tag("no spaces"))]);
        }
        "/survey/around" => {
            rule::log(rule::INFO, &["seen ", r.path()]);
            rule::log(rule::WARN, &["one part"]);
            say("x-logs", &[yes(rule::logs(rule::ERROR))]);
            say("x-now", &[yes(rule::now() > 1_700_000_000_000)]);
            let mut dice = [0; 300];
            rule::random(&mut dice);
            say("x-random", &[yes(dice[256..].iter().any(|&die| die != 0))]);
        }
        "/survey/headers" => {
            r.set_uri(&["/cdn-cgi/imagedelivery/", r.config(&["account"]), "/landscape/width=80"]);
            r.response.set_header("x-early", "over");
            r.response.set_header("x-early", "1");
            r.response.add_header("x-early", "2");
            r.response.set_header("x-gone", "1");
            r.response.remove_header("x-gone");
            let mut all = "";
            for value in r.response.headers("x-early") {
                all = r.join(&[all, "(", value, ")"]);
            }
            for name in r.response.header_names() {
                all = r.join(&[all, name]);
            }
            say("x-waiting", &[r.response.header("x-early"), "|", all, "|", r.response.header("x-gone")]);
            return NEXT.with(7);
        }
        "/survey/answer" => return r.answer(418, "text/x-tea", &["no ", "coffee"]),
        "/survey/redirect" => return r.redirect(307, &["https://example.com", r.uri()]),
        "/survey/deny" => return r.deny(&["not ", "yet"]),
        "/survey/hard" => {
            say("x-param", &[r.param("v")]);
            say("x-cookie", &[r.cookie("ab")]);
            say("x-many", &[&number(r.header("x-many").len() as i64)]);
            say("x-json", &[r.member(r.header("x-json"), &["a"])]);
        }
        "/survey/full" => {
            for _ in 0..10_000 {
                if r.headers("x-many").any(|value| !value.ends_with('a')) {
                    return NEXT;
                }
            }
        }
        "/survey/escapes" => {
            let json = r.header("x-json");
            for _ in 0..10_000 {
                r.member(json, &["a"]);
            }
        }
        "/survey/overflow" => {
            for _ in 0..5000 {
                r.join(&["0123456789", "abcdef"]);
            }
        }
        _ => {}
    }
    NEXT
}

fn sent(answer: &Response) {
    if answer.ctx != 7 {
        return;
    }
    let early: Vec<String> = answer.headers("x-early").map(|value| ["(", value, ")"].concat()).collect();
    let named = answer.header_names().any(|name| name == "content-type");
    let late = [&number(answer.status().into()), "|", yes(answer.failed), "|", &early.concat(), "|", yes(named), "|", answer.header("content-type")].concat();
    answer.set_header("x-late", &late);
    answer.add_header("x-late", &number(answer.ctx.into()));
    answer.remove_header("x-waiting");
}
