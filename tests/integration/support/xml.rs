//! Answers in XML, taken apart without a schema.

/// The elements that have no others within, with their texts, in order. An owner is told as `*`,
/// whoever it is. A root that is empty says nothing and is left out.
pub fn leaves(xml: &str) -> Vec<(String, String)> {
    let mut leaves = Vec::new();
    let mut open: Vec<&str> = Vec::new();
    let xml = without_comments(xml);
    let mut tags = xml.split('<').skip(1).filter_map(|piece| piece.split_once('>')).peekable();
    while let Some((tag, text)) = tags.next() {
        if tag.starts_with(['?', '!']) {
            continue;
        }
        if tag.starts_with('/') {
            open.pop();
            continue;
        }
        let name = tag.trim_end_matches('/').split_ascii_whitespace().next().unwrap_or_default();
        let within_owner = open.iter().any(|name| is_owner(name));
        let is_root = open.is_empty();
        let (closes, text) = if tag.ends_with('/') { (true, "") } else { (false, text) };
        let is_leaf =
            closes || tags.peek().is_some_and(|(next, _)| next.strip_prefix('/') == Some(name));
        if is_owner(name) {
            leaves.push((name.to_owned(), "*".to_owned()));
        } else if is_leaf && !within_owner && !(is_root && text.is_empty()) {
            leaves.push((name.to_owned(), unescaped(text)));
        }
        if !closes {
            open.push(name);
        }
    }
    leaves
}

fn is_owner(name: &str) -> bool {
    matches!(name, "Owner" | "Initiator")
}

fn without_comments(xml: &str) -> String {
    let mut pieces = xml.split("<!--");
    let first = pieces.next().unwrap_or_default().to_owned();
    first
        + &pieces
            .map(|piece| piece.split_once("-->").map_or("", |(_, rest)| rest))
            .collect::<String>()
}

/// Text as it was before it was escaped.
pub fn unescaped(text: &str) -> String {
    let mut pieces = text.split('&');
    let first = pieces.next().unwrap_or_default().to_owned();
    let rest = pieces.map(|piece| match piece.split_once(';') {
        Some((name, rest)) => {
            character(name).map_or(format!("&{piece}"), |it| format!("{it}{rest}"))
        }
        None => format!("&{piece}"),
    });
    first + &rest.collect::<String>()
}

fn character(name: &str) -> Option<char> {
    let number = match name {
        "amp" => return Some('&'),
        "lt" => return Some('<'),
        "gt" => return Some('>'),
        "quot" => return Some('"'),
        "apos" => return Some('\''),
        name => name.strip_prefix('#')?,
    };
    let number = match number.strip_prefix('x') {
        Some(digits) => u32::from_str_radix(digits, 16).ok()?,
        None => number.parse().ok()?,
    };
    char::from_u32(number)
}
