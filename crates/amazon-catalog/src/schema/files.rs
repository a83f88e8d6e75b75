//! Lists of an account's feeds and reports. Both have the same fields under different names. The Creators API alone has them.

use crate::{dates, json::json_struct, schema::numbers::count};
use stockroom_proto::pb;

json_struct! {
    /// An entry of either list: a feed states `feed_name`, `feed_type` and `last_updated`, a report `filename`, `report_type`
    /// and `last_modified`.
    struct FileEntry {
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

impl FileEntry {
    /// The file; `None` without a name, by which links are requested.
    pub(crate) fn into_message(self) -> Option<pb::AccountFile> {
        let either = |feed: String, report: String| if feed.is_empty() { report } else { feed };
        let name = either(self.feed_name, self.filename);
        let text = either(self.last_updated, self.last_modified);
        (!name.is_empty()).then(|| pb::AccountFile {
            name,
            r#type: either(self.feed_type, self.report_type),
            size_bytes: count(self.size),
            md5: self.md5,
            update_time: dates::timestamp(&text),
            update_time_text: text,
        })
    }
}
