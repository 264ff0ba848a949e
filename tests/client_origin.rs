//! Origins, and which RP IDs they may claim (requirements A10, A26).

use countersign::client::{Origin, OriginError, rp_id_allowed};

fn origin(text: &str) -> Origin {
    Origin::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[test]
fn origins_are_serialised_as_browsers_do() {
    for (text, serialized) in [
        ("https://example.org", "https://example.org"),
        ("HTTPS://Example.ORG", "https://example.org"),
        ("https://example.org:443", "https://example.org"),
        ("https://example.org:8443", "https://example.org:8443"),
        ("https://example.org:080", "https://example.org:80"),
        ("https://xn--bcher-kva.example", "https://xn--bcher-kva.example"),
        ("https://a_b.example-.org", "https://a_b.example-.org"),
        ("https://intranet", "https://intranet"),
        ("https://1.example2", "https://1.example2"),
        ("https://192.0.2.1:8443", "https://192.0.2.1:8443"),
        ("https://[2001:DB8::1]", "https://[2001:db8::1]"),
        ("https://[2001:db8:0:0:0:0:0:1]:444", "https://[2001:db8::1]:444"),
        ("http://localhost:8080", "http://localhost:8080"),
        ("http://localhost:80", "http://localhost"),
        ("http://app.localhost", "http://app.localhost"),
        ("http://127.0.0.1", "http://127.0.0.1"),
        ("http://[::1]:3000", "http://[::1]:3000"),
    ] {
        assert_eq!(origin(text).as_str(), serialized, "{text}");
    }
}

#[test]
fn what_is_no_origin_is_refused_with_its_reason() {
    let long_label = format!("https://{}.org", "a".repeat(64));
    let long_host = format!("https://{}org", "abcdefgh.".repeat(28));
    for (text, reason) in [
        ("", OriginError::NotAnOrigin),
        ("null", OriginError::NotAnOrigin),
        ("example.org", OriginError::NotAnOrigin),
        ("https:example.org", OriginError::NotAnOrigin),
        ("ftp://example.org", OriginError::Scheme),
        (" https://example.org", OriginError::Scheme),
        ("android:apk-key-hash://x", OriginError::Scheme),
        ("http://example.org", OriginError::Insecure),
        ("http://localhost.example.org", OriginError::Insecure),
        ("http://notlocalhost", OriginError::Insecure),
        ("http://128.0.0.1", OriginError::Insecure),
        ("http://[::2]", OriginError::Insecure),
        ("https://example.org/", OriginError::Path),
        ("https://example.org\\", OriginError::Path),
        ("https://example.org?a", OriginError::Path),
        ("https://example.org#a", OriginError::Path),
        ("https://example.org@evil.example", OriginError::UserInfo),
        ("https://example.org:443@evil.example", OriginError::UserInfo),
        ("https://bücher.example", OriginError::NonAscii),
        ("https://\u{435}xample.org", OriginError::NonAscii),
        ("https://example\u{3002}org", OriginError::NonAscii),
        ("https://", OriginError::Host),
        ("https://.", OriginError::Host),
        ("https://example.org.", OriginError::Host),
        ("https://.example.org", OriginError::Host),
        ("https://example..org", OriginError::Host),
        ("https://exa mple.org", OriginError::Host),
        ("https://exam%70le.org", OriginError::Host),
        ("https://example.org\n", OriginError::Host),
        ("https://example.org,evil.example", OriginError::Host),
        (long_label.as_str(), OriginError::Host),
        (long_host.as_str(), OriginError::Host),
        ("https://192.0.2", OriginError::Host),
        ("https://192.0.2.256", OriginError::Host),
        ("https://0x7f.1", OriginError::Host),
        ("https://127.0.0.0x1", OriginError::Host),
        ("https://2130706433", OriginError::Host),
        ("https://010.0.0.1", OriginError::Host),
        ("https://[::ffff:192.0.2.1]", OriginError::Host),
        ("https://[::1", OriginError::Host),
        ("https://[::1]x", OriginError::Host),
        ("https://[]", OriginError::Host),
        ("https://example.org:", OriginError::Port),
        ("https://example.org:+443", OriginError::Port),
        ("https://example.org:65536", OriginError::Port),
        ("https://example.org:a", OriginError::Port),
    ] {
        assert_eq!(Origin::parse(text), Err(reason), "{text}");
    }
}

#[test]
fn an_rp_id_is_the_host_or_a_parent_domain_of_it() {
    for (caller, rp_id) in [
        ("https://example.org", "example.org"),
        ("https://example.org:8443", "example.org"),
        ("https://LOGIN.example.org", "example.org"),
        ("https://a.b.example.org", "b.example.org"),
        ("https://a.b.example.org", "a.b.example.org"),
        ("https://xn--bcher-kva.example", "xn--bcher-kva.example"),
        ("http://localhost:3000", "localhost"),
        ("https://localhost", "localhost"),
        ("http://app.localhost", "app.localhost"),
        ("https://intranet", "intranet"),
    ] {
        assert!(rp_id_allowed(&origin(caller), rp_id), "{caller} {rp_id}");
    }
}

#[test]
fn an_rp_id_of_anybody_else_is_refused() {
    for (caller, rp_id) in [
        // Neither children nor neighbours.
        ("https://example.org", "login.example.org"),
        ("https://a.example.org", "b.example.org"),
        ("https://example.org", "example.com"),
        // A label boundary, not a suffix of the text.
        ("https://notexample.org", "example.org"),
        ("https://example.org", "xample.org"),
        ("https://a.example.org", ".example.org"),
        ("https://a.example.org", "a.example.org."),
        ("https://a.example.org", "example.org."),
        ("https://a.example.org", "a..example.org"),
        // A single label belongs to nobody.
        ("https://example.com", "com"),
        ("https://app.localhost", "localhost"),
        ("https://example.org", ""),
        ("https://example.org", "."),
        // Bytes are compared as they are.
        ("https://example.org", "Example.org"),
        ("https://example.org", "EXAMPLE.ORG"),
        ("https://example.org", " example.org"),
        ("https://example.org", "example.org\0"),
        ("https://example.org", "https://example.org"),
        ("https://example.org:8443", "example.org:8443"),
        // Look-alikes: Cyrillic e, its A-label, full-width letters, an ideographic full stop, a soft hyphen.
        ("https://example.org", "\u{435}xample.org"),
        ("https://xn--xample-2of.org", "example.org"),
        ("https://example.org", "xn--xample-2of.org"),
        ("https://example.org", "\u{ff45}xample.org"),
        ("https://example.org", "example\u{3002}org"),
        ("https://example.org", "exam\u{ad}ple.org"),
        ("https://xn--bcher-kva.example", "bücher.example"),
        ("https://examp1e.org", "example.org"),
        ("https://example.org.evil.example", "example.org"),
        // An IP address is no domain and has no parents.
        ("https://192.0.2.1", "192.0.2.1"),
        ("https://192.0.2.1", "0.2.1"),
        ("https://192.0.2.1", "2.1"),
        ("https://[2001:db8::1]", "[2001:db8::1]"),
        ("http://127.0.0.1", "localhost"),
        ("http://127.0.0.1", "127.0.0.1"),
    ] {
        assert!(!rp_id_allowed(&origin(caller), rp_id), "{caller} {rp_id}");
    }
}
