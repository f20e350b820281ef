//! Shows pages of others a picture that says whose the images are, in place of them.
#[path = "../../../plugins/sdk/rust/rule.rs"]
mod rule;

use rule::{Request, Setting, Verdict, NEXT};

static HOSTS: Setting = Setting::new(&["hosts"]); // pages that may show our images
static INSTEAD: Setting = Setting::new(&["instead"]); // id of the picture for all others

#[no_mangle]
pub extern "C" fn handle_request() -> Verdict {
    rule::handle(guard)
}

fn guard(r: &Request) -> Verdict {
    if r.target("kind") != "delivery" || r.target("image") == &*INSTEAD {
        return NEXT;
    }
    rule::vary("referer");
    let page = r.header("referer");
    if page.is_empty() || ours(r, host(page)) {
        return NEXT;
    }
    if INSTEAD.is_empty() || r.set_target("image", &INSTEAD).is_err() {
        return r.deny(&["not for ", host(page)]);
    }
    r.response.set_header("cache-control", "no-store"); // the next page may be one of ours
    NEXT
}

/// The host of a page's URL, without user and port. What is no URL has none.
fn host(page: &str) -> &str {
    let after = page.split_once("://").map_or("", |(_, after)| after);
    let authority = after.split(|c| c == '/' || c == '?' || c == '#').next().unwrap_or("");
    let host = authority.rsplit('@').next().unwrap_or("");
    host.split(':').next().unwrap_or("")
}

fn ours(r: &Request, host: &str) -> bool {
    for i in 0.. {
        let one = r.member(&HOSTS, &[&rule::number(i)]);
        if one.is_empty() {
            break;
        }
        if one.eq_ignore_ascii_case(host) {
            return true;
        }
    }
    false
}
