//! What else the numbers of a model could be that have no source.

use std::time::Duration;

use toml::{Table, Value};

use super::{Assumed, Variation, Varied, parse};
use crate::units::{ByteSize, Rate};
use crate::words;

/// The table of the ends of ranges, by the names of parameters: `"nodes.latency" = ["5ms", "100ms"]`.
pub(super) const RANGES: &str = "ranges";

/// Of each assumed parameter that is a quantity, or has a range.
///
/// # Errors
/// If a range is none, or is of something that is not there.
pub(super) fn variations(text: &str, assumed: &[Assumed]) -> Result<Vec<Variation>, String> {
    let mut table: Table = toml::from_str(text).map_err(|error| error.to_string())?;
    let mut ranges = match table.remove(RANGES) {
        None => Table::new(),
        Some(Value::Table(ranges)) => ranges,
        Some(_) => return Err("`ranges` is not a table".into()),
    };
    let mut variations = Vec::new();
    for Assumed { parameter, .. } in assumed {
        let Some(value) = place(&mut table, parameter).cloned() else { continue };
        let ends = match ranges.remove(parameter) {
            Some(range) => Some(ends_of(parameter, range)?),
            None => scaled(&value, 0.5).zip(scaled(&value, 2.0)).map(|(low, high)| [low, high]),
        };
        if let Some([low, high]) = ends {
            let ends = [vary(&table, parameter, low)?, vary(&table, parameter, high)?];
            variations.push(Variation { parameter: parameter.clone(), value: said(&value), ends });
        }
    }
    match ranges.keys().next() {
        None => Ok(variations),
        Some(other) => Err(format!("`ranges` names {other}, which no comment calls an ASSUMPTION")),
    }
}

fn ends_of(parameter: &str, range: Value) -> Result<[Value; 2], String> {
    let ends = match range {
        Value::Array(ends) => <[Value; 2]>::try_from(ends).ok(),
        _ => None,
    };
    ends.ok_or_else(|| {
        format!("the range of {parameter} is not two values, such as [\"5ms\", \"40ms\"]")
    })
}

/// The model with another value.
fn vary(table: &Table, parameter: &str, value: Value) -> Result<Varied, String> {
    let mut table = table.clone();
    let said = said(&value);
    if let Some(place) = place(&mut table, parameter) {
        *place = value;
    }
    let parsed = toml::to_string(&table).map_err(|error| error.to_string());
    let parsed = parsed.and_then(|text| parse(&text).map_err(|error| error.to_string()));
    let (model, _) = parsed.map_err(|error| format!("{parameter} cannot be {said}: {error}"))?;
    Ok(Varied { value: said, model })
}

fn place<'a>(table: &'a mut Table, parameter: &str) -> Option<&'a mut Value> {
    match parameter.split_once('.') {
        None => table.get_mut(parameter),
        Some((inner, name)) => table.get_mut(inner)?.as_table_mut()?.get_mut(name),
    }
}

/// So many times a quantity; `None` if it is none.
fn scaled(value: &Value, factor: f64) -> Option<Value> {
    match value {
        Value::Float(number) => Some(Value::Float(number * factor)),
        Value::String(text) => scaled_text(text, factor).map(Value::String),
        _ => None,
    }
}

fn scaled_text(text: &str, factor: f64) -> Option<String> {
    if let Ok(time) = humantime::parse_duration(text) {
        return Some(words::as_set(time.mul_f64(factor)));
    }
    if let Ok(Rate(rate)) = text.parse() {
        return Some(format!("{}B/s", rate * factor));
    }
    let ByteSize(bytes) = text.parse().ok()?;
    Some(((bytes as f64 * factor) as u64).to_string())
}

/// For a reader.
fn said(value: &Value) -> String {
    let Value::String(text) = value else { return value.to_string() };
    if let Ok(Rate(rate)) = text.parse() {
        return Rate(rate).to_string();
    }
    if humantime::parse_duration(text).is_ok_and(|time| time > Duration::ZERO) {
        return text.clone();
    }
    text.parse::<ByteSize>().map_or(text.clone(), |size| size.to_string())
}

#[cfg(test)]
mod tests {
    use super::super::assumed;
    use super::*;

    fn varied(text: &str) -> Result<Vec<Variation>, String> {
        variations(text, &assumed(text))
    }

    fn names_and_ends(text: &str) -> Vec<(String, [String; 2])> {
        let all = varied(text).unwrap().into_iter();
        all.map(|one| (one.parameter, one.ends.map(|end| end.value))).collect()
    }

    #[test]
    fn what_has_no_range_is_halved_and_doubled() {
        let text = "round_trip = \"15ms\" # ASSUMPTION\nconnection_rate = \"280MB/s\" # ASSUMPTION\n\
                    read_ahead = \"10MiB\" # ASSUMPTION\ntls = true # ASSUMPTION\ncall_overhead = \"1ms\"";
        let expected = [
            ("round_trip", ["7ms 500us", "30ms"]),
            ("connection_rate", ["140 MB/s", "560 MB/s"]),
            ("read_ahead", ["5 MiB", "20 MiB"]),
        ];
        let expected = expected.map(|(name, ends)| (name.to_owned(), ends.map(str::to_owned)));
        assert_eq!(names_and_ends(text), expected);
        let rates = &varied(text).unwrap()[1].ends;
        assert_eq!(
            rates.each_ref().map(|end| end.model.connection_rate),
            [Some(Rate(140e6)), Some(Rate(560e6))]
        );
        assert_eq!(rates[0].model.round_trip, Duration::from_millis(15), "all else is as it was");
    }

    #[test]
    fn a_range_counts_where_there_is_one() {
        let text = "[nodes]\nrequired = 4\noptimal = 8\ntotal = 10\nspread = 0.5\n# ASSUMPTION\nlatency = \"5ms\"\n\
                    [ranges]\n\"nodes.latency\" = [\"2ms\", \"100ms\"]";
        let expected = ("nodes.latency".to_owned(), ["2ms".to_owned(), "100ms".to_owned()]);
        assert_eq!(names_and_ends(text), [expected]);
        let nodes = varied(text).unwrap()[0].ends[1].model.nodes.clone().unwrap();
        assert_eq!(nodes.latency, Duration::from_millis(100));
    }

    #[test]
    fn what_is_no_range_is_refused_in_a_sentence() {
        let with = |range: &str| format!("round_trip = \"15ms\" # ASSUMPTION\n[ranges]\n{range}");
        for (range, said) in [
            ("round_trip = \"5ms\"", "not two values"),
            ("round_trip = [\"5ms\", \"soon\"]", "cannot be soon"),
            ("tls = [true, false]", "which no comment calls"),
        ] {
            let error = varied(&with(range)).unwrap_err();
            assert!(error.contains(said), "{range}: {error}");
        }
    }
}
