//! API Gateway's API key file format: comma-separated values with a header row, columns in any order and any case.

use std::str::FromStr as _;
use std::sync::Arc;

use crate::document::{Problems, Severity, Source, Span, Spanned};

/// One key of the file.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) name: String,
    pub(super) value: Spanned<String>,
    pub(super) enabled: bool,
    pub(super) usage_plan_ids: Vec<String>,
    /// The whole row.
    pub(super) span: Span,
}

/// Where each column stands.
struct Columns {
    name: Option<usize>,
    key: Option<usize>,
    enabled: Option<usize>,
    usage_plan_ids: Option<usize>,
}

/// Reads all rows, one after the other: there may be many; one that is wrong is a problem, and left out.
pub(super) fn rows(source: &Arc<Source>, problems: &mut Problems, each: &mut dyn FnMut(Row, &mut Problems)) {
    let mut lines = lines(&source.text);
    let header = lines.next().unwrap_or_default();
    let titles = cells(&source.text, header);
    let column = |title: &str| titles.iter().position(|(text, _)| text.eq_ignore_ascii_case(title));
    let columns = Columns { name: column("Name"), key: column("Key"), enabled: column("Enabled"), usage_plan_ids: column("UsagePlanIds") };
    for (title, found) in [("Name", columns.name), ("Key", columns.key)] {
        if found.is_none() {
            problems.at(Severity::Error, source, header, format!("the header row has no column `{title}`"));
            problems.help("columns: Name, Key, Description, Enabled, UsagePlanIds");
        }
    }
    for line in lines {
        if let Some(row) = row(source, line, &columns, problems) {
            each(row, problems);
        }
    }
}

fn row(source: &Arc<Source>, span: Span, columns: &Columns, problems: &mut Problems) -> Option<Row> {
    let cells = cells(&source.text, span);
    let cell = |column: Option<usize>| column.and_then(|column| cells.get(column)).filter(|(text, _)| !text.is_empty());
    let (Some((name, _)), Some((value, at))) = (cell(columns.name), cell(columns.key)) else {
        // A missing column was reported once, at the header.
        if columns.name.is_some() && columns.key.is_some() {
            problems.at(Severity::Error, source, span, "a row needs a name and a key");
        }
        return None;
    };
    let enabled = match cell(columns.enabled).map(|(text, at)| (bool::from_str(&text.to_ascii_lowercase()), at)) {
        None => true,
        Some((Ok(enabled), _)) => enabled,
        Some((Err(_), at)) => {
            problems.at(Severity::Error, source, *at, "`Enabled` is true or false");
            false
        }
    };
    let plans = cell(columns.usage_plan_ids).map_or("", |(text, _)| text.as_str());
    Some(Row {
        name: name.clone(),
        value: Spanned { value: value.clone(), span: *at, source: Arc::clone(source) },
        enabled,
        usage_plan_ids: plans.split(',').map(|id| id.trim().to_owned()).filter(|id| !id.is_empty()).collect(),
        span,
    })
}

/// The rows that hold something. A line break inside double quotes is part of its cell (RFC 4180).
fn lines(text: &str) -> impl Iterator<Item = Span> {
    let mut rows = Vec::new();
    // A byte order mark is some spreadsheets' greeting.
    let first = if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
    let mut start = first;
    let (mut quoted, mut cell_is_empty) = (false, true);
    for (at, c) in text.char_indices().skip_while(|(at, _)| *at < first) {
        match c {
            '"' if quoted || cell_is_empty => (quoted, cell_is_empty) = (!quoted, false),
            ',' if !quoted => cell_is_empty = true,
            '\n' if !quoted => {
                rows.push((start, at));
                (start, cell_is_empty) = (at + 1, true);
            }
            c => cell_is_empty &= c.is_whitespace(),
        }
    }
    rows.push((start, text.len()));
    let spans = rows.into_iter().map(|(start, end)| Span { start, end: start + text.get(start..end).unwrap_or_default().trim_end().len() });
    spans.filter(|span| span.end > span.start).collect::<Vec<_>>().into_iter()
}

/// The cells of a row without the blanks and the quotes, single or double, around them. A quote is doubled inside quotes.
fn cells(text: &str, line: Span) -> Vec<(String, Span)> {
    let mut cells = Vec::new();
    let mut cell = String::new();
    let mut quote = None;
    let mut start = line.start;
    let mut characters = text.get(line.start..line.end).unwrap_or_default().char_indices().peekable();
    while let Some((at, c)) = characters.next() {
        match (c, quote) {
            (',', None) => {
                let end = line.start + at;
                cells.push((std::mem::take(&mut cell).trim().to_owned(), Span { start, end }));
                start = end + 1;
            }
            ('"' | '\'', None) if cell.trim().is_empty() => quote = Some(c),
            (c, Some(open)) if c == open => match characters.next_if(|(_, next)| *next == open) {
                Some(_) => cell.push(open),
                None => quote = None,
            },
            _ => cell.push(c),
        }
    }
    cells.push((cell.trim().to_owned(), Span { start, end: line.end }));
    cells
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(source: &Arc<Source>, problems: &mut Problems) -> Vec<Row> {
        let mut all = Vec::new();
        rows(source, problems, &mut |row, _| all.push(row));
        all
    }

    #[test]
    fn columns_stand_in_any_order_and_case() {
        let text = "Key, name ,Enabled,usageplanIds,other\n\"0123456789\", a , tRuE ,'p1, p2',x\n9876543210,b,,p1\n\n";
        let source = Source::new("keys.csv", text.to_owned());
        let mut problems = Problems::default();
        let rows = all(&source, &mut problems);
        let found: Vec<_> =
            rows.iter().map(|row| (row.name.as_str(), row.value.value.as_str(), row.enabled, row.usage_plan_ids.join("+"))).collect();
        assert_eq!(found, [("a", "0123456789", true, "p1+p2".to_owned()), ("b", "9876543210", true, "p1".to_owned())]);
        assert!(problems.list().is_empty());
    }

    #[test]
    fn spreadsheets_write_quotes_breaks_and_marks() {
        let text = "\u{feff}Name,Description,Key\r\n\"a \"\"b\"\"\",\"two\nlines, one cell\",0123456789\r\n\r\nc,12\" wide,9876543210\r\n";
        let source = Source::new("keys.csv", text.to_owned());
        let mut problems = Problems::default();
        let rows = all(&source, &mut problems);
        let found: Vec<_> = rows.iter().map(|row| (row.name.as_str(), row.value.value.as_str())).collect();
        assert_eq!(found, [("a \"b\"", "0123456789"), ("c", "9876543210")], "{}", problems.to_text());
        assert!(problems.list().is_empty());
    }

    #[test]
    fn what_is_wrong_is_told_without_showing_a_key() {
        let source = Source::new("keys.csv", "Name,Key,Enabled\na,0123456789secret,perhaps\n,9876543210secret,true\n".to_owned());
        let mut problems = Problems::default();
        problems.secretly(|problems| all(&source, problems));
        assert_eq!(
            problems.to_lines(),
            ["keys.csv:2:20: error: `Enabled` is true or false", "keys.csv:3:1: error: a row needs a name and a key"]
        );
        assert!(!problems.to_text().contains("secret") && !problems.to_json().to_string().contains("secret"));
    }
}
