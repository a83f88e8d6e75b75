//! A configuration as it took effect, as TOML in which each line tells where its value came from. No secret is told.

use std::fmt::{Display, Write as _};

use super::{
    Account, Config, Credentials, LogFormat, Settings,
    value::{show_duration, show_size},
};

const HIDDEN: &str = "\"(hidden)\"";

impl Config {
    /// The configuration as TOML. What `settings` does not hold is marked as the default.
    pub fn effective(&self, settings: &Settings) -> String {
        let mut page = Page { settings, table: String::new(), text: String::new() };
        page.line("listen", quoted(self.listen));
        page.line("default_marketplace", quoted(self.default_marketplace.code()));
        page.line("replicas", self.replicas);
        self.accounts.iter().for_each(|account| page.account(account));
        for caller in &self.callers {
            page.begin(format!("callers.{}", caller.name));
            page.line("token", HIDDEN);
            page.line("admin", caller.admin);
            page.maybe("calls_per_day", caller.calls_per_day);
            page.line("weight", caller.weight);
        }
        page.begin("cache".to_owned());
        page.line("memory", quoted(show_size(self.cache.memory_bytes)));
        page.line("offers_fresh", quoted(show_duration(self.cache.offers_fresh)));
        page.line("catalog_fresh", quoted(show_duration(self.cache.catalog_fresh)));
        page.line("offers_stale", quoted(show_duration(self.cache.offers_stale)));
        page.line("ceiling", quoted(show_duration(self.cache.ceiling)));
        page.begin("redis".to_owned());
        page.maybe("url", self.redis.as_ref().map(|_| HIDDEN));
        if let Some(redis) = &self.redis {
            page.line("prefix", quoted(&redis.prefix));
            page.line("timeout", quoted(show_duration(redis.timeout)));
            page.maybe("ca_file", redis.ca_file.as_ref().map(|file| quoted(file.display())));
        }
        page.begin("server".to_owned());
        page.line("default_deadline", quoted(show_duration(self.server.default_deadline)));
        page.line("max_deadline", quoted(show_duration(self.server.max_deadline)));
        page.line("max_concurrent_calls", self.server.max_concurrent_calls);
        page.line("max_connections", self.server.max_connections);
        page.line("drain", quoted(show_duration(self.server.drain)));
        page.line("lame_duck", quoted(show_duration(self.server.lame_duck)));
        page.line("reflection", self.server.reflection);
        page.begin("log".to_owned());
        let format = match self.log.format {
            LogFormat::Auto => "auto",
            LogFormat::Pretty => "pretty",
            LogFormat::Json => "json",
        };
        page.line("format", quoted(format));
        page.line("filter", quoted(&self.log.filter));
        page.text
    }
}

struct Page<'a> {
    settings: &'a Settings,
    table: String,
    text: String,
}

impl Page<'_> {
    fn account(&mut self, account: &Account) {
        self.begin(format!("accounts.{}", account.name));
        match &account.credentials {
            Credentials::Creators { version, token_endpoint, .. } => {
                self.line("protocol", quoted("creators"));
                self.line("credential_id", HIDDEN);
                self.line("credential_secret", HIDDEN);
                self.line("credential_version", quoted(version));
                self.maybe("token_endpoint", token_endpoint.as_ref().map(quoted));
            }
            Credentials::Paapi5 { .. } => {
                self.line("protocol", quoted("paapi5"));
                self.line("access_key", HIDDEN);
                self.line("secret_key", HIDDEN);
            }
        }
        for (marketplace, tag) in &account.partner_tags {
            self.line(&format!("partner_tags.{}", marketplace.code()), quoted(tag));
        }
        self.line("calls_per_second", account.calls_per_second);
        self.line("calls_per_day", account.calls_per_day);
        self.maybe("endpoint", account.endpoint.as_ref().map(quoted));
        self.maybe("ca_file", account.ca_file.as_ref().map(|file| quoted(file.display())));
        self.maybe("proxy", account.proxy.as_ref().map(|url| quoted(without_password(url))));
        self.line("connect_timeout", quoted(show_duration(account.connect_timeout)));
        self.line("timeout", quoted(show_duration(account.timeout)));
        self.line("max_body", quoted(show_size(account.max_body_bytes as u64)));
        self.line("queue_capacity", account.queue_capacity);
        for (marketplace, entity) in &account.content_notice_entities {
            self.line(&format!("content_notice_entities.{}", marketplace.code()), quoted(entity));
        }
    }

    fn begin(&mut self, table: String) {
        self.put(format_args!("\n[{table}]\n"));
        self.table = table + ".";
    }

    fn line(&mut self, key: &str, value: impl Display) {
        let path = format!("{}{key}", self.table);
        let setting = self.settings.get(&path).or_else(|| self.settings.get(&format!("{path}_file")));
        match setting {
            Some(setting) => self.put(format_args!("{key} = {value} # {}\n", setting.origin)),
            None => self.put(format_args!("{key} = {value} # default\n")),
        }
    }

    fn maybe(&mut self, key: &str, value: Option<impl Display>) {
        match value {
            Some(value) => self.line(key, value),
            None => self.put(format_args!("# {key} = (not set)\n")),
        }
    }

    fn put(&mut self, text: std::fmt::Arguments<'_>) {
        // Writing to a String cannot fail.
        let _ = self.text.write_fmt(text);
    }
}

/// A TOML string.
fn quoted(value: impl Display) -> String {
    toml::Value::String(value.to_string()).to_string()
}

/// A URL, with what stands before an `@` in its host hidden.
fn without_password(url: &str) -> String {
    match (url.split_once("://"), url.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, host))) => format!("{scheme}://(hidden)@{host}"),
        _ => url.to_owned(),
    }
}
