//! What a rule plugin of Fovea is written with in Rust.
//!
//! A rule sees the request for an image before the proxy reads the URL. It may
//! rewrite, refuse, redirect, answer or annotate it:
//!
//! ```ignore
//! mod rule;
//! use rule::{Request, Verdict, NEXT};
//!
//! #[no_mangle]
//! pub extern "C" fn handle_request() -> Verdict {
//!     rule::handle(drafts)
//! }
//!
//! fn drafts(r: &Request) -> Verdict {
//!     if r.path().starts_with("/drafts/") {
//!         return r.deny(&["not yet"]);
//!     }
//!     NEXT
//! }
//! ```
//!
//! It is built by rustc alone, and has no dependency:
//!
//! ```sh
//! rustc --edition 2021 --target wasm32-unknown-unknown --crate-type cdylib \
//!   -O -C panic=abort -C strip=symbols -o drafts.wasm drafts.rs
//! ```
//!
//! What is not there reads as the empty text. What a call returns lies in a
//! scratch memory of 64 KiB that the next request writes over; the borrow
//! checker sees to it. Bytes that are not UTF-8 read as `?`. No call allocates.
//! A request that needs more than the scratch ends as a failure of the rule, as
//! any panic does.
#![allow(dead_code)]

use std::cell::{Cell, UnsafeCell};
use std::ops::Deref;
use std::ptr::{addr_of, addr_of_mut};

mod host {
    #[link(wasm_import_module = "http_handler")]
    extern "C" {
        pub(super) fn log_enabled(level: i32) -> u32;
        pub(super) fn log(level: i32, at: *const u8, len: usize);
        pub(super) fn get_config(buf: *mut u8, limit: usize) -> usize;
        pub(super) fn get_method(buf: *mut u8, limit: usize) -> usize;
        pub(super) fn set_method(at: *const u8, len: usize);
        pub(super) fn get_uri(buf: *mut u8, limit: usize) -> usize;
        pub(super) fn set_uri(at: *const u8, len: usize);
        pub(super) fn get_protocol_version(buf: *mut u8, limit: usize) -> usize;
        pub(super) fn get_source_addr(buf: *mut u8, limit: usize) -> usize;
        pub(super) fn get_header_names(kind: u32, buf: *mut u8, limit: usize) -> u64;
        pub(super) fn get_header_values(kind: u32, name: *const u8, n: usize, buf: *mut u8, limit: usize) -> u64;
        pub(super) fn set_header_value(kind: u32, name: *const u8, n: usize, value: *const u8, len: usize);
        pub(super) fn add_header_value(kind: u32, name: *const u8, n: usize, value: *const u8, len: usize);
        pub(super) fn remove_header(kind: u32, name: *const u8, n: usize);
        pub(super) fn write_body(kind: u32, at: *const u8, len: usize);
        pub(super) fn get_status_code() -> u32;
        pub(super) fn set_status_code(code: u32);
    }
    #[link(wasm_import_module = "image_rule")]
    extern "C" {
        pub(super) fn get_target(field: *const u8, n: usize, buf: *mut u8, limit: usize) -> i32;
        pub(super) fn set_target(field: *const u8, n: usize, value: *const u8, len: usize) -> i32;
        pub(super) fn get_request(field: *const u8, n: usize, buf: *mut u8, limit: usize) -> i32;
        pub(super) fn vary(name: *const u8, n: usize);
        pub(super) fn tag(tag: *const u8, n: usize) -> i32;
        pub(super) fn now_ms() -> i64;
        pub(super) fn random(buf: *mut u8, n: usize);
    }
}

// ---- The scratch memory ----

const SIZE: usize = 64 << 10;

struct Scratch {
    memory: [u8; SIZE],
    used: usize,
    kept: usize, // by the configuration, for ever
    begun: bool,
}

static mut SCRATCH: Scratch = Scratch { memory: [0; SIZE], used: 0, kept: 0, begun: false };

// An instance serves one request at a time, on one thread. A stretch that was
// taken is never written again before `begin`, and nothing that borrows a
// Request or a Response outlives the call in which they are made.

fn begin() {
    unsafe {
        if !SCRATCH.begun {
            SCRATCH.begun = true;
            fill(|buf, limit| host::get_config(buf, limit));
            SCRATCH.kept = SCRATCH.used;
        }
        SCRATCH.used = SCRATCH.kept;
    }
}

/// The text that `write` writes into the free part of the scratch. It returns
/// the length, and writes nothing if that is above the limit.
fn fill<'a>(write: impl FnOnce(*mut u8, usize) -> usize) -> &'a str {
    utf8(bytes(write))
}

/// The same of what is UTF-8 already.
fn made<'a>(write: impl FnOnce(*mut u8, usize) -> usize) -> &'a str {
    unsafe { std::str::from_utf8_unchecked(bytes(write)) }
}

fn bytes<'a>(write: impl FnOnce(*mut u8, usize) -> usize) -> &'a mut [u8] {
    unsafe {
        let left = SIZE - SCRATCH.used;
        let at = (addr_of_mut!(SCRATCH.memory) as *mut u8).add(SCRATCH.used);
        let n = write(at, left);
        if n > left {
            overflow();
        }
        SCRATCH.used += n;
        std::slice::from_raw_parts_mut(at, n)
    }
}

fn utf8(bytes: &mut [u8]) -> &str {
    let mut from = 0;
    while let Err(bad) = std::str::from_utf8(&bytes[from..]) {
        from += bad.valid_up_to();
        bytes[from] = b'?';
    }
    unsafe { std::str::from_utf8_unchecked(bytes) }
}

fn overflow() -> ! {
    let said = "one request needs more than 64 KiB of scratch memory";
    unsafe { host::log(ERROR, said.as_ptr(), said.len()) };
    std::process::abort()
}

/// Parts as one text.
fn joined<'a>(parts: &[&'a str]) -> &'a str {
    if let [one] = parts {
        return one;
    }
    made(|buf, limit| {
        let n = parts.iter().map(|part| part.len()).sum();
        if n <= limit {
            let mut at = buf;
            for part in parts {
                unsafe {
                    at.copy_from_nonoverlapping(part.as_ptr(), part.len());
                    at = at.add(part.len());
                }
            }
        }
        n
    })
}

/// The value of name among name=value pairs.
fn pair<'a>(pairs: &'a str, name: &str, between: char) -> &'a str {
    for one in pairs.split(between) {
        if let Some((key, value)) = one.trim_start_matches(' ').split_once('=') {
            if key == name {
                return value;
            }
        }
    }
    ""
}

// ---- What a rule returns ----

/// What a rule returns: `NEXT`, or what `answer`, `redirect` and `deny` return.
#[repr(transparent)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Verdict(u64);

/// The request goes on, as the rule has changed it.
pub const NEXT: Verdict = Verdict(1);

const STOP: Verdict = Verdict(0);

impl Verdict {
    /// The verdict with a number that the response phase of this request gets:
    /// memory may have served other requests in between.
    ///
    /// ```ignore
    /// NEXT.with(7)
    /// ```
    pub fn with(self, ctx: u32) -> Verdict {
        Verdict(u64::from(ctx) << 32 | self.0 & 1)
    }
}

/// Runs a rule over the current request.
///
/// ```ignore
/// #[no_mangle]
/// pub extern "C" fn handle_request() -> Verdict {
///     rule::handle(drafts)
/// }
/// ```
pub fn handle(rule: fn(&Request) -> Verdict) -> Verdict {
    begin();
    rule(&Request { response: Response { ctx: 0, failed: false }, uri: Cell::new(None) })
}

/// Runs the second half of a rule over the answer that is about to be sent. A
/// rule without this export is not asked again.
///
/// ```ignore
/// #[no_mangle]
/// pub extern "C" fn handle_response(ctx: u32, failed: u32) {
///     rule::handle_response(ctx, failed, |answer| answer.set_header("x-rule", "drafts"))
/// }
/// ```
pub fn handle_response(ctx: u32, failed: u32, rule: fn(&Response)) {
    begin();
    rule(&Response { ctx, failed: failed != 0 })
}

// ---- The request ----

const OF_REQUEST: u32 = 0;
const OF_RESPONSE: u32 = 1;

/// What the visitor asks for, as earlier rules and this one have changed it.
pub struct Request {
    /// The answer that the visitor will get: headers set on it wait until the
    /// proxy has its own.
    ///
    /// ```ignore
    /// r.response.set_header("x-rule", "drafts");
    /// ```
    pub response: Response,
    uri: Cell<Option<(&'static str, usize)>>, // in the scratch, and the length of its path, once it is read; lent out for as long as the Request lives
}

/// What `set_target` complains about. The URI is then as it was.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TargetError {
    /// No field of that name, or no image's URL.
    UnknownField,
    /// The field cannot have that value.
    InvalidValue,
}

impl Request {
    /// GET, HEAD or OPTIONS for the requests that the proxy answers.
    ///
    /// ```ignore
    /// r.method() == "HEAD"
    /// ```
    pub fn method(&self) -> &str {
        fill(|buf, limit| unsafe { host::get_method(buf, limit) })
    }

    /// Changes the method.
    ///
    /// ```ignore
    /// r.set_method("GET");
    /// ```
    pub fn set_method(&self, method: &str) {
        unsafe { host::set_method(method.as_ptr(), method.len()) }
    }

    /// Path and query as received, or as an earlier rule has left them.
    ///
    /// ```ignore
    /// let uri = r.uri();
    /// ```
    pub fn uri(&self) -> &str {
        self.parts().0
    }

    fn parts(&self) -> (&str, usize) {
        if let Some(parts) = self.uri.get() {
            return parts;
        }
        let uri = fill(|buf, limit| unsafe { host::get_uri(buf, limit) });
        let parts = (uri, uri.bytes().position(|c| c == b'?').unwrap_or(uri.len()));
        self.uri.set(Some(parts));
        parts
    }

    /// What stands before the first question mark, escapes and all.
    ///
    /// ```ignore
    /// r.path().starts_with("/products/")
    /// ```
    pub fn path(&self) -> &str {
        let (uri, path) = self.parts();
        &uri[..path]
    }

    /// What stands from the first question mark on, with it, or nothing. A
    /// rewrite that keeps it keeps the proof of a private image.
    ///
    /// ```ignore
    /// r.set_uri(&["/cdn-cgi/image/width=80", r.path(), r.query()]);
    /// ```
    pub fn query(&self) -> &str {
        let (uri, path) = self.parts();
        &uri[path..]
    }

    /// The first parameter of that name in the query, escapes and all.
    ///
    /// ```ignore
    /// let size = r.param("size");
    /// ```
    pub fn param(&self, name: &str) -> &str {
        pair(self.query().strip_prefix('?').unwrap_or(""), name, '&')
    }

    /// Changes path and query to the parts, joined.
    ///
    /// ```ignore
    /// r.set_uri(&["/cdn-cgi/image/width=80", r.uri()]);
    /// ```
    pub fn set_uri(&self, parts: &[&str]) {
        let uri = joined(parts);
        unsafe { host::set_uri(uri.as_ptr(), uri.len()) }
        self.uri.set(None);
    }

    /// HTTP/1.1.
    ///
    /// ```ignore
    /// r.protocol() == "HTTP/1.1"
    /// ```
    pub fn protocol(&self) -> &str {
        fill(|buf, limit| unsafe { host::get_protocol_version(buf, limit) })
    }

    /// The first value of a request header; names are case-insensitive.
    /// Authorization, Cookie and Proxy-Authorization are there only for a rule
    /// whose configuration names them under `expose`.
    ///
    /// ```ignore
    /// r.header("save-data") == "on"
    /// ```
    pub fn header(&self, name: &str) -> &str {
        values(OF_REQUEST, name).next().unwrap_or("")
    }

    /// All values of a request header.
    ///
    /// ```ignore
    /// r.headers("accept").any(|value| value.contains("image/avif"))
    /// ```
    pub fn headers<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> {
        values(OF_REQUEST, name)
    }

    /// The names of all request headers, in lower case.
    ///
    /// ```ignore
    /// r.header_names().any(|name| name == "dpr")
    /// ```
    pub fn header_names(&self) -> impl Iterator<Item = &str> {
        names(OF_REQUEST)
    }

    /// Changes a request header to one value. Accept and the client hints feed
    /// the choice of format and size.
    ///
    /// ```ignore
    /// r.set_header("accept", "image/webp");
    /// ```
    pub fn set_header(&self, name: &str, value: &str) {
        set_header(OF_REQUEST, name, value)
    }

    /// Adds a value to a request header.
    ///
    /// ```ignore
    /// r.add_header("accept", "image/avif");
    /// ```
    pub fn add_header(&self, name: &str, value: &str) {
        add_header(OF_REQUEST, name, value)
    }

    /// Removes all values of a request header.
    ///
    /// ```ignore
    /// r.remove_header("dpr");
    /// ```
    pub fn remove_header(&self, name: &str) {
        remove_header(OF_REQUEST, name)
    }

    /// The value of a cookie, as sent; the configuration must name `cookie`
    /// under `expose`.
    ///
    /// ```ignore
    /// r.cookie("ab") == "b"
    /// ```
    pub fn cookie(&self, name: &str) -> &str {
        self.headers("cookie").map(|line| pair(line, name, ';')).find(|value| !value.is_empty()).unwrap_or("")
    }

    /// A field of the URI as the proxy would read it, or nothing if the URI is
    /// no image's or has no such field: kind (delivery or transform), account,
    /// image, variant, options, option.<name> by its long name, source.
    ///
    /// ```ignore
    /// r.target("variant") == "public"
    /// ```
    pub fn target(&self, field: &str) -> &str {
        fill(|buf, limit| there(unsafe { host::get_target(field.as_ptr(), field.len(), buf, limit) }))
    }

    /// Changes a field of the URI through the proxy's own writer, so that the
    /// result is well formed. An empty option removes it.
    ///
    /// ```ignore
    /// r.set_target("option.width", &rule::number(640)).is_ok()
    /// ```
    pub fn set_target(&self, field: &str, value: &str) -> Result<(), TargetError> {
        self.uri.set(None);
        match unsafe { host::set_target(field.as_ptr(), field.len(), value.as_ptr(), value.len()) } {
            0 => Ok(()),
            2 => Err(TargetError::InvalidValue),
            _ => Err(TargetError::UnknownField),
        }
    }

    /// The visitor's address and port, after trusted proxies.
    ///
    /// ```ignore
    /// let port = r.source_addr().rsplit(':').next();
    /// ```
    pub fn source_addr(&self) -> &str {
        fill(|buf, limit| unsafe { host::get_source_addr(buf, limit) })
    }

    /// The visitor's address, after trusted proxies.
    ///
    /// ```ignore
    /// r.client_ip().starts_with("10.")
    /// ```
    pub fn client_ip(&self) -> &str {
        about("client_ip")
    }

    /// http or https, as the visitor sees it.
    ///
    /// ```ignore
    /// r.scheme() == "https"
    /// ```
    pub fn scheme(&self) -> &str {
        about("scheme")
    }

    /// The request's id in the log.
    ///
    /// ```ignore
    /// r.response.set_header("x-request-id", r.id());
    /// ```
    pub fn id(&self) -> &str {
        about("request_id")
    }

    /// Does the visitor take an output format: avif, webp?
    ///
    /// ```ignore
    /// r.accepts("avif")
    /// ```
    pub fn accepts(&self, format: &str) -> bool {
        about("accepts").split(',').any(|one| one == format)
    }

    /// Ends the request with this status, 200 to 599, media type and body: the
    /// parts, joined, at most 1 MiB.
    ///
    /// ```ignore
    /// return r.answer(404, "text/plain", &["no product ", name]);
    /// ```
    pub fn answer(&self, status: u32, media_type: &str, body: &[&str]) -> Verdict {
        unsafe { host::set_status_code(status) };
        if !media_type.is_empty() {
            self.response.set_header("content-type", media_type);
        }
        for part in body {
            unsafe { host::write_body(OF_RESPONSE, part.as_ptr(), part.len()) };
        }
        STOP
    }

    /// Ends the request with a 301, 302, 303, 307 or 308 to the parts, joined.
    ///
    /// ```ignore
    /// return r.redirect(302, &["https://eu.example.com", r.uri()]);
    /// ```
    pub fn redirect(&self, status: u32, location: &[&str]) -> Verdict {
        self.response.set_header("location", joined(location));
        unsafe { host::set_status_code(status) };
        STOP
    }

    /// Ends the request with 403 and the reason as its text.
    ///
    /// ```ignore
    /// return r.deny(&["not yet"]);
    /// ```
    pub fn deny(&self, reason: &[&str]) -> Verdict {
        self.answer(403, "text/plain", reason)
    }

    /// Parts as one text.
    ///
    /// ```ignore
    /// let field = r.join(&["option.", name]);
    /// ```
    pub fn join<'a>(&'a self, parts: &[&'a str]) -> &'a str {
        joined(parts)
    }

    /// What stands at the end of the keys in the rule's configuration; all of
    /// it without keys. In
    /// `config: {account: abc, sizes: {s: 320}, hosts: [one.example, two.example]}`
    /// `["account"]` leads to abc, `["sizes", "s"]` to 320 and `["hosts", "1"]`
    /// to two.example. An object or a list is its JSON, and what is not there is
    /// empty. Keys have no escapes.
    ///
    /// ```ignore
    /// let account = r.config(&["account"]);
    /// ```
    pub fn config(&self, keys: &[&str]) -> &str {
        config(keys)
    }

    /// What stands at the end of the keys in a JSON text, such as `config`
    /// returns for an object.
    ///
    /// ```ignore
    /// r.member(&SIZES, &["s"])
    /// ```
    pub fn member<'a>(&'a self, json: &'a str, keys: &[&str]) -> &'a str {
        lookup(json, keys)
    }
}

// ---- The answer ----

/// The answer that is sent. Before `NEXT` its headers wait to be put over the
/// proxy's own; in the response phase they are those of the answer.
/// Content-Type, ETag and others that describe the body stay the proxy's.
pub struct Response {
    /// What `NEXT.with` was given; only in the response phase.
    pub ctx: u32,
    /// The proxy could not answer; only in the response phase.
    pub failed: bool,
}

impl Response {
    /// The answer's status. Only in the response phase: before it, reading it
    /// is a failure.
    ///
    /// ```ignore
    /// answer.status() == 404
    /// ```
    pub fn status(&self) -> u32 {
        unsafe { host::get_status_code() }
    }

    /// The first value of a header of the answer.
    ///
    /// ```ignore
    /// answer.header("cache-status").contains("hit")
    /// ```
    pub fn header(&self, name: &str) -> &str {
        values(OF_RESPONSE, name).next().unwrap_or("")
    }

    /// All values of a header of the answer.
    ///
    /// ```ignore
    /// answer.headers("link").count()
    /// ```
    pub fn headers<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> {
        values(OF_RESPONSE, name)
    }

    /// The names of the answer's headers, in lower case.
    ///
    /// ```ignore
    /// answer.header_names().any(|name| name == "warning")
    /// ```
    pub fn header_names(&self) -> impl Iterator<Item = &str> {
        names(OF_RESPONSE)
    }

    /// Changes a header of the answer to one value.
    ///
    /// ```ignore
    /// answer.set_header("x-rule", "drafts");
    /// ```
    pub fn set_header(&self, name: &str, value: &str) {
        set_header(OF_RESPONSE, name, value)
    }

    /// Adds a value to a header of the answer.
    ///
    /// ```ignore
    /// answer.add_header("link", "</about>; rel=author");
    /// ```
    pub fn add_header(&self, name: &str, value: &str) {
        add_header(OF_RESPONSE, name, value)
    }

    /// Removes a header of the answer.
    ///
    /// ```ignore
    /// answer.remove_header("server-timing");
    /// ```
    pub fn remove_header(&self, name: &str) {
        remove_header(OF_RESPONSE, name)
    }

    /// As `Request::config`.
    ///
    /// ```ignore
    /// answer.set_header("x-shop", answer.config(&["shop"]));
    /// ```
    pub fn config(&self, keys: &[&str]) -> &str {
        config(keys)
    }
}

fn there(n: i32) -> usize {
    n.max(0) as usize
}

fn about<'a>(field: &str) -> &'a str {
    fill(|buf, limit| there(unsafe { host::get_request(field.as_ptr(), field.len(), buf, limit) }))
}

fn values<'a>(of: u32, name: &str) -> impl Iterator<Item = &'a str> {
    let list = fill(|buf, limit| unsafe { host::get_header_values(of, name.as_ptr(), name.len(), buf, limit) as u32 as usize });
    list.split_terminator('\0')
}

fn names<'a>(of: u32) -> impl Iterator<Item = &'a str> {
    fill(|buf, limit| unsafe { host::get_header_names(of, buf, limit) as u32 as usize }).split_terminator('\0')
}

fn set_header(of: u32, name: &str, value: &str) {
    unsafe { host::set_header_value(of, name.as_ptr(), name.len(), value.as_ptr(), value.len()) }
}

fn add_header(of: u32, name: &str, value: &str) {
    unsafe { host::add_header_value(of, name.as_ptr(), name.len(), value.as_ptr(), value.len()) }
}

fn remove_header(of: u32, name: &str) {
    unsafe { host::remove_header(of, name.as_ptr(), name.len()) }
}

// ---- Beside the request ----

/// Level of a log line.
pub const DEBUG: i32 = -1;
/// Level of a log line.
pub const INFO: i32 = 0;
/// Level of a log line.
pub const WARN: i32 = 1;
/// Level of a log line.
pub const ERROR: i32 = 2;

/// Says that the decision depends on a request header, for the caches between
/// here and the visitor.
///
/// ```ignore
/// rule::vary("save-data");
/// ```
pub fn vary(header: &str) {
    unsafe { host::vary(header.as_ptr(), header.len()) }
}

/// Adds a purge tag to what the cache keeps of this request: at most eight of
/// `[A-Za-z0-9_:./-]`, 1 to 128 characters. It reports whether it was taken.
///
/// ```ignore
/// rule::tag("season:summer");
/// ```
pub fn tag(tag: &str) -> bool {
    unsafe { host::tag(tag.as_ptr(), tag.len()) == 0 }
}

/// Writes the parts as one line, with the rule's name, if the level is logged.
/// Lines are limited to ten a second.
///
/// ```ignore
/// rule::log(rule::INFO, &["moved ", r.uri()]);
/// ```
pub fn log(level: i32, parts: &[&str]) {
    if logs(level) {
        let line = joined(parts);
        unsafe { host::log(level, line.as_ptr(), line.len()) }
    }
}

/// Are lines of this level written?
///
/// ```ignore
/// if rule::logs(rule::DEBUG) { … }
/// ```
pub fn logs(level: i32) -> bool {
    unsafe { host::log_enabled(level) != 0 }
}

/// Milliseconds since 1970. A test or explain may fix it.
///
/// ```ignore
/// rule::now() < 1_790_000_000_000
/// ```
pub fn now() -> i64 {
    unsafe { host::now_ms() }
}

/// Fills `b` with random bytes. A test or explain may fix them.
///
/// ```ignore
/// let mut dice = [0; 4];
/// rule::random(&mut dice);
/// ```
pub fn random(b: &mut [u8]) {
    for some in b.chunks_mut(256) {
        unsafe { host::random(some.as_mut_ptr(), some.len()) }
    }
}

/// A number as text, without allocating.
pub struct Number {
    digits: [u8; 20],
    at: usize,
}

impl Deref for Number {
    type Target = str;
    fn deref(&self) -> &str {
        std::str::from_utf8(&self.digits[self.at..]).unwrap_or("")
    }
}

/// n in decimal.
///
/// ```ignore
/// r.set_target("option.width", &rule::number(640))
/// ```
pub fn number(n: i64) -> Number {
    let mut made = Number { digits: [0; 20], at: 20 };
    let mut left = n.unsigned_abs();
    loop {
        made.at -= 1;
        made.digits[made.at] = b'0' + (left % 10) as u8;
        left /= 10;
        if left == 0 {
            break;
        }
    }
    if n < 0 {
        made.at -= 1;
        made.digits[made.at] = b'-';
    }
    made
}

// ---- The configuration ----

fn config<'a>(keys: &[&str]) -> &'a str {
    // It was made UTF-8 when it was read.
    let text: &'a str = unsafe { std::str::from_utf8_unchecked(std::slice::from_raw_parts(addr_of!(SCRATCH.memory) as *const u8, SCRATCH.kept)) };
    if keys.is_empty() {
        text
    } else {
        lookup(text, keys)
    }
}

fn lookup<'a>(mut json: &'a str, keys: &[&str]) -> &'a str {
    for key in keys {
        json = member(json, key);
    }
    match json.strip_prefix('"').and_then(|text| text.strip_suffix('"')) {
        Some(inner) => unescaped(inner),
        None => json,
    }
}

/// What stands at the end of the keys in the configuration, read once an
/// instance. It is a `str`.
///
/// ```ignore
/// static ACCOUNT: rule::Setting = rule::Setting::new(&["account"]);
/// r.set_uri(&["/cdn-cgi/imagedelivery/", &ACCOUNT, r.uri()]);
/// ```
pub struct Setting {
    keys: &'static [&'static str],
    read: UnsafeCell<Option<&'static str>>,
}

// An instance has one thread.
unsafe impl Sync for Setting {}

impl Setting {
    /// A setting at these keys, as `Request::config` takes them.
    ///
    /// ```ignore
    /// static SIZES: rule::Setting = rule::Setting::new(&["sizes"]);
    /// ```
    pub const fn new(keys: &'static [&'static str]) -> Setting {
        Setting { keys, read: UnsafeCell::new(None) }
    }
}

impl Deref for Setting {
    type Target = str;
    fn deref(&self) -> &str {
        let read = unsafe { &mut *self.read.get() };
        *read.get_or_insert_with(|| Box::leak(config(self.keys).into())) // once an instance and setting
    }
}

/// An object of the configuration, read once an instance: a look-up costs a
/// comparison for each key before the one it finds. The first one reads the
/// object, on its request's budget, which is enough for a thousand keys.
///
/// ```ignore
/// static SIZES: rule::Table = rule::Table::new(&["sizes"]);
/// ```
pub struct Table {
    keys: &'static [&'static str],
    read: UnsafeCell<Option<Vec<(&'static str, &'static str)>>>,
}

unsafe impl Sync for Table {}

impl Table {
    /// The object at these keys, as `Request::config` takes them; empty if there
    /// is none.
    pub const fn new(keys: &'static [&'static str]) -> Table {
        Table { keys, read: UnsafeCell::new(None) }
    }

    /// What stands at a key; empty if it is not there.
    ///
    /// ```ignore
    /// let width = SIZES.find("s");
    /// ```
    pub fn find(&self, key: &str) -> &'static str {
        let read = unsafe { &mut *self.read.get() };
        let entries = read.get_or_insert_with(|| entries(Box::leak(config(self.keys).into()))); // once an instance and table
        entries.iter().find(|(name, _)| *name == key).map_or("", |(_, value)| value)
    }
}

/// The keys of an object, and what stands there.
fn entries(json: &'static str) -> Vec<(&'static str, &'static str)> {
    let mut all = Vec::new();
    let mut at = Some(blank(json.as_bytes(), 0)).filter(|&i| json.as_bytes().get(i) == Some(&b'{'));
    while let Some(i) = at {
        let (name, value, next) = entry(json, i, true);
        if !value.is_empty() {
            all.push((name, &*Box::leak(lookup(value, &[]).into())));
        }
        at = next;
    }
    all
}

/// The JSON at a key of an object, or at an index of a list.
fn member<'a>(json: &'a str, key: &str) -> &'a str {
    let text = json.as_bytes();
    let mut at = blank(text, 0);
    let object = match text.get(at) {
        Some(b'{') => true,
        Some(b'[') => false,
        _ => return "",
    };
    let wanted: Option<usize> = if object { None } else { key.parse().ok() };
    if !object && wanted.is_none() {
        return "";
    }
    let mut n = 0;
    loop {
        let (name, value, next) = entry(json, at, object);
        if value.is_empty() || object && name == key || Some(n) == wanted {
            return value;
        }
        match next {
            Some(comma) => at = comma,
            None => return "",
        }
        n += 1;
    }
}

/// What comes after i, the beginning of an object or a list or the comma before
/// the entry: its key and its JSON, none if there is no entry, and where the
/// next comma is.
fn entry(json: &str, i: usize, object: bool) -> (&str, &str, Option<usize>) {
    let text = json.as_bytes();
    let mut i = blank(text, i + 1);
    let mut key = "";
    if object {
        let end = value(text, i);
        if end - i < 2 || text[i] != b'"' {
            return ("", "", None); // the end of an empty object, or no JSON
        }
        key = &json[i + 1..end - 1];
        i = blank(text, end);
        if text.get(i) != Some(&b':') {
            return ("", "", None);
        }
        i = blank(text, i + 1);
    }
    let end = value(text, i);
    let next = Some(blank(text, end)).filter(|&next| text.get(next) == Some(&b','));
    (key, &json[i..end], next)
}

/// The first place from i on that is no white space.
fn blank(text: &[u8], mut i: usize) -> usize {
    while i < text.len() && matches!(text[i], b' ' | b'\n' | b'\t' | b'\r') {
        i += 1;
    }
    i.min(text.len())
}

/// The end of the JSON value that begins at i; i itself if none does.
fn value(text: &[u8], i: usize) -> usize {
    let mut depth = 0;
    let mut at = i;
    while at < text.len() {
        match text[at] {
            b'"' => {
                at += 1;
                while at < text.len() && text[at] != b'"' {
                    at += if text[at] == b'\\' { 2 } else { 1 };
                }
                if at >= text.len() {
                    return i;
                }
                if depth == 0 {
                    return at + 1;
                }
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' if depth == 0 => return at,
            b'}' | b']' => {
                depth -= 1;
                if depth == 0 {
                    return at + 1;
                }
            }
            b',' | b':' | b' ' | b'\n' | b'\t' | b'\r' if depth == 0 => return at,
            _ => {}
        }
        at += 1;
    }
    if depth > 0 {
        i
    } else {
        text.len()
    }
}

/// The text of a JSON string without its quotes. It is longer than that by one
/// byte if that ends within an escape.
fn unescaped<'a>(inner: &'a str) -> &'a str {
    if !inner.contains('\\') {
        return inner;
    }
    made(|buf, limit| {
        if inner.len() + 1 > limit {
            return inner.len() + 1;
        }
        let mut n = 0;
        let mut put = |c: char| {
            let mut bytes = [0; 4];
            for &byte in c.encode_utf8(&mut bytes).as_bytes() {
                unsafe { buf.add(n).write(byte) };
                n += 1;
            }
        };
        let mut rest = inner;
        while let Some(c) = rest.chars().next() {
            rest = &rest[c.len_utf8()..];
            let escaped = match rest.chars().next() {
                Some(escaped) if c == '\\' => escaped,
                _ => {
                    put(c);
                    continue;
                }
            };
            rest = &rest[escaped.len_utf8()..];
            match escaped {
                'b' => put('\u{8}'),
                'f' => put('\u{c}'),
                'n' => put('\n'),
                'r' => put('\r'),
                't' => put('\t'),
                'u' => {
                    let high = unit(&mut rest);
                    let mut after = rest.strip_prefix("\\u").unwrap_or("");
                    if (0xD800..0xDC00).contains(&high) && !after.is_empty() {
                        let low = unit(&mut after);
                        if (0xDC00..0xE000).contains(&low) {
                            rest = after;
                            put(char::from_u32(0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00)).unwrap_or('\u{FFFD}'));
                            continue;
                        }
                    }
                    put(char::from_u32(high).unwrap_or('\u{FFFD}'));
                }
                other => put(other),
            }
        }
        n
    })
}

/// The four hexadecimal digits at the beginning, which is moved behind them.
fn unit(rest: &mut &str) -> u32 {
    let digits = rest.get(..4).unwrap_or("");
    *rest = rest.get(4..).unwrap_or("");
    if !digits.bytes().all(|c| c.is_ascii_hexdigit()) {
        return 0xFFFD; // a sign would be taken for a part of the number
    }
    u32::from_str_radix(digits, 16).unwrap_or(0xFFFD)
}
