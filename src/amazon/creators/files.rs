//! Feeds and reports: the same two operations each, with names of their own.

use std::time::SystemTime;

use secrecy::SecretString;
use serde_json::json;
use time::OffsetDateTime;

use super::failure;
use crate::amazon::{Error, File, Shelf, dates, lenient::group, reply::Reply, words::stated};

group! {
    /// What either list holds; each of its entries states one name, one time and one kind.
    struct Entry {
        feed_name: String,
        filename: String,
        feed_type: String,
        report_type: String,
        last_updated: String,
        last_modified: String,
        size: Option<i64>,
        md5: String,
    }
}

group! {
    struct Listed {
        feeds: Vec<Entry>,
        reports: Vec<Entry>,
    }
}

group! {
    struct Link {
        url: String,
    }
}

/// The path that lists a shelf.
pub(super) fn list_path(shelf: Shelf) -> &'static str {
    match shelf {
        Shelf::Feeds => "/catalog/v1/listFeeds",
        Shelf::Reports => "/reports/v1/listReports",
    }
}

/// The path that gives a link.
pub(super) fn link_path(shelf: Shelf) -> &'static str {
    match shelf {
        Shelf::Feeds => "/catalog/v1/getFeed",
        Shelf::Reports => "/reports/v1/getReport",
    }
}

/// The body that asks for a link.
pub(super) fn link_body(shelf: Shelf, name: &str, kind: Option<&str>) -> Vec<u8> {
    let body = match shelf {
        Shelf::Feeds => json!({ "feedName": name, "feedType": kind }),
        Shelf::Reports => json!({ "filename": name, "reportType": kind }),
    };
    serde_json::Value::Object(stated([body])).to_string().into_bytes()
}

/// Reads a list; an entry without a name, which nobody could ask for, is left out.
pub(super) fn list(reply: &Reply, now: OffsetDateTime) -> Result<Vec<File>, Error> {
    if !reply.status.is_success() {
        return Err(failure::error(reply, now));
    }
    let Listed { feeds, reports } = reply.read().ok_or_else(|| reply.malformed("not one whole JSON object"))?;
    let files = feeds.into_iter().chain(reports).map(File::from);
    Ok(files.filter(|file| !file.name.is_empty()).collect())
}

/// Reads a link; `None` where there is no such file.
pub(super) fn link(reply: &Reply, now: OffsetDateTime) -> Result<Option<SecretString>, Error> {
    if failure::is_nothing_found(reply) {
        return Ok(None);
    }
    if !reply.status.is_success() {
        return Err(failure::error(reply, now));
    }
    let Link { url } = reply.read().unwrap_or_default();
    if url.is_empty() { Err(reply.malformed("no link")) } else { Ok(Some(url.into())) }
}

impl From<Entry> for File {
    fn from(entry: Entry) -> Self {
        let modified_text = entry.last_updated + &entry.last_modified;
        Self {
            name: entry.feed_name + &entry.filename,
            kind: entry.feed_type + &entry.report_type,
            size_bytes: entry.size.and_then(|size| size.try_into().ok()),
            md5: entry.md5,
            modified: dates::timestamp(&modified_text).and_then(|instant| SystemTime::try_from(instant).ok()),
            modified_text,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::{HeaderMap, StatusCode};
    use secrecy::ExposeSecret;

    use super::*;
    use crate::amazon::Refusal;

    fn reply(status: u16, body: &str) -> Reply {
        let status = StatusCode::from_u16(status).unwrap();
        Reply { status, headers: HeaderMap::new(), body: Some(body.as_bytes().to_vec()) }
    }

    const NOW: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;

    #[test]
    fn feeds_and_reports_are_files_of_one_shape() {
        let feeds = r#"{"feeds": [
            {"feedName": "us-home.json.gz", "size": 1048576, "md5": "0a", "lastUpdated": "2026-06-01T04:00:00Z",
             "feedType": "PRODUCT_FEEDS"},
            {"size": 7}]}"#;
        let reports = r#"{"reports": [{"filename": "earnings.csv", "size": -1, "lastModified": "in June"}]}"#;
        let feed = File {
            name: "us-home.json.gz".to_owned(),
            kind: "PRODUCT_FEEDS".to_owned(),
            size_bytes: Some(1_048_576),
            md5: "0a".to_owned(),
            modified_text: "2026-06-01T04:00:00Z".to_owned(),
            modified: Some(SystemTime::UNIX_EPOCH + Duration::from_secs(1_780_286_400)),
        };
        let report = File { name: "earnings.csv".to_owned(), modified_text: "in June".to_owned(), ..File::default() };
        assert_eq!(list(&reply(200, feeds), NOW).unwrap(), [feed]);
        assert_eq!(list(&reply(200, reports), NOW).unwrap(), [report]);
        assert_eq!(list(&reply(200, "{}"), NOW).unwrap(), [], "the list of feeds may be left out");
    }

    #[test]
    fn a_link_is_given_or_there_is_no_such_file() {
        let found = link(&reply(200, r#"{"url": "https://files.example/x?signature=0"}"#), NOW).unwrap().unwrap();
        assert_eq!(found.expose_secret(), "https://files.example/x?signature=0");
        let missing = r#"{"type": "ResourceNotFoundException", "resourceType": "Feed", "resourceId": "x"}"#;
        assert!(link(&reply(404, missing), NOW).unwrap().is_none());
    }

    #[test]
    fn an_answer_that_is_none_is_an_error() {
        assert!(matches!(list(&reply(200, "<html>"), NOW), Err(Error::Malformed { .. })));
        assert!(matches!(link(&reply(200, "{}"), NOW), Err(Error::Malformed { .. })));
        let refused = r#"{"type": "AccessDeniedException", "reason": "AssociateNotEligible"}"#;
        for error in [list(&reply(403, refused), NOW).unwrap_err(), link(&reply(403, refused), NOW).unwrap_err()] {
            assert!(matches!(error, Error::Refused { refusal: Refusal::NotEligible, .. }), "{error:?}");
        }
    }

    #[test]
    fn a_kind_is_asked_for_only_where_it_is_known() {
        let body = |shelf, kind| String::from_utf8(link_body(shelf, "x", kind)).unwrap();
        assert_eq!(body(Shelf::Feeds, Some("DEALS_FEEDS")), r#"{"feedName":"x","feedType":"DEALS_FEEDS"}"#);
        assert_eq!(body(Shelf::Reports, None), r#"{"filename":"x"}"#);
    }
}
