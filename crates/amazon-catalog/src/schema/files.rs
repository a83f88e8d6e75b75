//! Lists of feeds and reports: one shape, with names of their own for the same fields.

use crate::{dates, json::json_struct};
use stockroom_proto::pb;

json_struct! {
    /// An entry of either list, which states one name, one type and one time.
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

impl Entry {
    /// The file; `None` where it has no name by which anybody could ask for it.
    pub(crate) fn message(self) -> Option<pb::AccountFile> {
        let (name, text) = (self.feed_name + &self.filename, self.last_updated + &self.last_modified);
        (!name.is_empty()).then(|| pb::AccountFile {
            name,
            r#type: self.feed_type + &self.report_type,
            size_bytes: self.size.filter(|size| *size >= 0),
            md5: self.md5,
            update_time: dates::timestamp(&text),
            update_time_text: text,
        })
    }
}
