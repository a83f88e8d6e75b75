//! Hides the user and the password of a URL in texts that people read: errors, the effective configuration, the log.

/// Written in place of what must not be shown.
pub(super) const HIDDEN: &str = "(hidden)";

/// A text that should be a URL, without anything that may be a user or a password.
///
/// The text may be malformed, so its parts are not known for certain. Only these are shown: the scheme, and hosts with
/// their ports and the path behind them where they follow the last `@` or where there is no `@`.
///
/// | text | shown |
/// | --- | --- |
/// | `redis://user:word@host:6379/1` | `redis://(hidden)@host:6379/1` |
/// | `redis://host:6379/1` | `redis://host:6379/1` |
/// | `redis://:word/1` (the `@` is missing) | `redis://(hidden)` |
/// | `word@host` (the scheme is missing) | `(hidden)` |
pub(super) fn without_credentials(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once("://").filter(|(scheme, _)| is_scheme(scheme)) else {
        return HIDDEN.to_owned();
    };
    match rest.rsplit_once('@') {
        Some((_, hosts)) if is_hosts_and_path(hosts) => format!("{scheme}://{HIDDEN}@{hosts}"),
        None if is_hosts_and_path(rest) => text.to_owned(),
        _ => format!("{scheme}://{HIDDEN}"),
    }
}

fn is_scheme(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
}

/// Whether a text is `host[:port]`, several of them with commas between, and perhaps a path without a query.
fn is_hosts_and_path(text: &str) -> bool {
    let hosts = text.split('/').next().unwrap_or_default();
    !text.contains(['?', '#']) && hosts.split(',').all(is_host)
}

fn is_host(text: &str) -> bool {
    let (host, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, port)) => (address, port.strip_prefix(':').unwrap_or(port)),
        None => text.split_once(':').unwrap_or((text, "")),
    };
    !host.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_hidden_wherever_it_is_in_the_text() {
        let cases = [
            ("redis://:hush@h", "redis://(hidden)@h"),
            ("redis://u:hush@hush@h/1", "redis://(hidden)@h/1"),
            ("redis://:hush#hush@h", "redis://(hidden)@h"),
            ("redis-sentinel://:hush@a:26379,b/primary", "redis-sentinel://(hidden)@a:26379,b/primary"),
            ("redis://:hush@[::1]:7000", "redis://(hidden)@[::1]:7000"),
            ("redis://:hush/h", "redis://(hidden)"),
            ("redis://u:hush/h", "redis://(hidden)"),
            ("redis://:hush", "redis://(hidden)"),
            ("http://me:hush@", "http://(hidden)"),
            ("http://h/path?token=hush", "http://(hidden)"),
            ("u:hush@h", "(hidden)"),
            (":pa://hush@h", "(hidden)"),
            ("hush", "(hidden)"),
        ];
        for (text, shown) in cases {
            assert_eq!(without_credentials(text), shown);
        }
    }

    #[test]
    fn a_url_without_a_password_is_shown_as_it_is() {
        for text in ["redis://host", "redis://host:6379/1", "https://[::1]:8443/path", "redis-cluster://a:1,b:2"] {
            assert_eq!(without_credentials(text), text);
        }
    }
}
