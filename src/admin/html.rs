//! HTML text whose every value is escaped.

/// Escapes a value for an element's content or a quoted attribute.
pub(super) fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            c => safe.push(c),
        }
    }
    safe
}

/// A table with a caption; nothing without rows. Cells are escaped.
pub(super) fn table(caption: &str, head: &[&str], rows: &[Vec<String>]) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let head: String = head.iter().map(|title| format!("<th scope=\"col\">{}</th>", escape(title))).collect();
    let row = |row: &Vec<String>| {
        let cells: String = row.iter().map(|cell| format!("<td>{}</td>", escape(cell))).collect();
        format!("<tr>{cells}</tr>")
    };
    let rows: String = rows.iter().map(row).collect();
    format!(
        "<div class=\"scroll\"><table><caption>{}</caption><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>",
        escape(caption)
    )
}

/// Labels and values as a definition list; without those whose value is empty.
pub(super) fn facts(facts: &[(&str, String)]) -> String {
    let fact =
        |(label, value): &(&str, String)| format!("<div><dt>{}</dt><dd>{}</dd></div>", escape(label), escape(value));
    let facts: String = facts.iter().filter(|(_, value)| !value.is_empty()).map(fact).collect();
    format!("<dl>{facts}</dl>")
}

/// A bar of a part of a whole, with its text beside it.
pub(super) fn bar(label: &str, part: f64, whole: f64, text: &str) -> String {
    format!(
        "<p class=\"bar\"><span>{}</span><progress max=\"{}\" value=\"{}\">{text}</progress><span>{text}</span></p>",
        escape(label),
        whole.max(f64::MIN_POSITIVE),
        part.clamp(0.0, whole.max(0.0)),
        text = escape(text)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_never_becomes_markup() {
        let hostile = "<script>alert('x')</script>\"&";
        let text = table(hostile, &[hostile], &[vec![hostile.to_owned()]]) + &facts(&[(hostile, hostile.to_owned())]);
        assert!(!(text + &bar(hostile, 1.0, 2.0, hostile)).contains("<script"));
    }

    #[test]
    fn a_table_without_rows_is_nothing() {
        assert_eq!(table("x", &["a"], &[]), "");
    }
}
