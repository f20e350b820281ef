//! Gives products friendly URLs:
//! /products/red-running-shoe-4711-s.jpg is product 4711 at size s.
#[path = "../../../../plugins/sdk/rust/rule.rs"]
mod rule;

use rule::{Request, Setting, Table, Verdict, NEXT};

static ACCOUNT: Setting = Setting::new(&["account"]);
static SIZES: Table = Table::new(&["sizes"]);

#[no_mangle]
pub extern "C" fn handle_request() -> Verdict {
    rule::handle(products)
}

/// The last two words of the name are the number and perhaps the size; what is
/// before them is for people.
fn products(r: &Request) -> Verdict {
    let name = match r.path().strip_prefix("/products/") {
        Some(name) => name,
        None => return NEXT,
    };
    let jpg = name.ends_with(".jpg");
    let (words, mut id) = cut_last(name.trim_end_matches(".jpg"));
    let mut width = SIZES.find(id);
    if width.is_empty() {
        width = SIZES.find("m");
    } else {
        id = cut_last(words).1;
    }
    if !jpg || id.is_empty() || !id.bytes().all(|c| c.is_ascii_digit()) {
        return r.answer(404, "text/plain", &["no such product"]);
    }
    rule::tag(r.join(&["product:", id]));
    r.set_uri(&["/cdn-cgi/imagedelivery/", &ACCOUNT, "/products/", id, ".jpg/width=", width, r.query()]);
    NEXT
}

fn cut_last(name: &str) -> (&str, &str) {
    name.rsplit_once('-').unwrap_or(("", name))
}
