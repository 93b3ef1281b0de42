//! Dates in the ways that APIs write them.

use chrono::{
    DateTime, FixedOffset, NaiveDate, NaiveDateTime, NaiveTime, SecondsFormat, Utc,
    format::{Item, Parsed, StrftimeItems},
};

use super::value;

/// A way to write a date.
#[derive(Clone, Debug, PartialEq)]
pub enum DateForm {
    /// `2026-01-31T12:00:00Z` (RFC 3339).
    Rfc3339,
    /// Seconds since 1970 as a number.
    Unix,
    /// Milliseconds since 1970 as a number.
    UnixMillis,
    /// A pattern with `%`.
    Pattern(Vec<Item<'static>>),
}

/// What is known of a date: without a zone it is UTC, without a time it is midnight.
pub type Date = DateTime<FixedOffset>;

impl DateForm {
    /// Reads the name of a form or a pattern.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn compile(text: &str) -> Result<Self, String> {
        match text {
            "rfc3339" => return Ok(Self::Rfc3339),
            "unix" => return Ok(Self::Unix),
            "unix_ms" => return Ok(Self::UnixMillis),
            "date" => return Self::compile("%Y-%m-%d"),
            _ if !text.contains('%') => return Err(format!("`{text}` is no way to write a date")),
            _ => {}
        }
        let items = StrftimeItems::new(text).parse_to_owned();
        let items = items.map_err(|_| format!("`{text}` has a `%` that means nothing"))?;
        let form = Self::Pattern(items);
        // What cannot be read back here never could.
        let date = DateTime::<Utc>::UNIX_EPOCH.fixed_offset();
        match form.write(&date).and_then(|written| form.parse(&written)) {
            Some(_) => Ok(form),
            None => Err(format!("`{text}` does not say which day it is, or only half of the time")),
        }
    }

    /// Reads a scalar; `None` if it is no such date.
    pub fn parse(&self, scalar: &str) -> Option<Date> {
        match self {
            Self::Unix => DateTime::from_timestamp(scalar.parse().ok()?, 0).map(|date| date.fixed_offset()),
            Self::UnixMillis => {
                DateTime::from_timestamp_millis(scalar.parse().ok()?).map(|date| date.fixed_offset())
            }
            Self::Rfc3339 => DateTime::parse_from_rfc3339(&inside(scalar)?).ok(),
            Self::Pattern(items) => {
                let text = inside(scalar)?;
                let mut parsed = Parsed::new();
                chrono::format::parse(&mut parsed, &text, items.iter()).ok()?;
                complete(&parsed)
            }
        }
    }

    /// Writes a date as a scalar.
    pub fn write(&self, date: &Date) -> Option<Box<str>> {
        match self {
            Self::Unix => Some(date.timestamp().to_string().into()),
            Self::UnixMillis => Some(date.timestamp_millis().to_string().into()),
            Self::Rfc3339 => Some(value::encode(&date.to_rfc3339_opts(SecondsFormat::AutoSi, true))),
            Self::Pattern(items) => {
                let mut text = String::new();
                std::fmt::Write::write_fmt(
                    &mut text,
                    format_args!("{}", date.format_with_items(items.iter())),
                )
                .ok()?;
                Some(value::encode(&text))
            }
        }
    }
}

fn inside(scalar: &str) -> Option<std::borrow::Cow<'_, str>> {
    scalar.strip_prefix('"')?.strip_suffix('"').map(value::decode)
}

fn complete(parsed: &Parsed) -> Option<Date> {
    if let Ok(date) = parsed.to_datetime() {
        return Some(date);
    }
    let date: NaiveDate = parsed.to_naive_date().ok()?;
    let says_time = parsed.hour_div_12().or(parsed.hour_mod_12()).or(parsed.minute()).or(parsed.second());
    let time = match says_time {
        Some(_) => parsed.to_naive_time().ok()?,
        None => NaiveTime::MIN,
    };
    Some(NaiveDateTime::new(date, time).and_utc().fixed_offset())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rewrite(from: &str, to: &str, scalar: &str) -> Option<String> {
        let (from, to) = (DateForm::compile(from).unwrap(), DateForm::compile(to).unwrap());
        Some(to.write(&from.parse(scalar)?)?.into())
    }

    #[test]
    fn forms_change_into_each_other() {
        for (from, to, scalar, expected) in [
            ("%d/%m/%Y", "date", "\"31/01/1980\"", "\"1980-01-31\""),
            ("date", "rfc3339", "\"1980-01-31\"", "\"1980-01-31T00:00:00Z\""),
            ("rfc3339", "unix", "\"2026-01-31T12:00:00+01:00\"", "1769857200"),
            ("unix_ms", "rfc3339", "1769857200123", "\"2026-01-31T11:00:00.123Z\""),
            ("rfc3339", "date", "\"2026-01-31T00:30:00+02:00\"", "\"2026-01-31\""),
            ("%Y-%m-%d %H:%M", "rfc3339", "\"2026-01-31 07:05\"", "\"2026-01-31T07:05:00Z\""),
            ("unix", "%d %B %Y", "-1", "\"31 December 1969\""),
        ] {
            assert_eq!(rewrite(from, to, scalar).as_deref(), Some(expected), "{scalar} {from} → {to}");
        }
        for (from, scalar) in
            [("date", "\"1980-02-30\""), ("unix", "\"1\""), ("unix", "1.5"), ("rfc3339", "1")]
        {
            assert_eq!(rewrite(from, "unix", scalar), None, "{scalar} as {from}");
        }
    }

    #[test]
    fn patterns_have_to_tell_the_day() {
        for bad in ["iso", "%Q", "%H:%M", "%d/%m", "", "%d/%m/%Y %H"] {
            assert!(DateForm::compile(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn no_scalar_upsets_it(scalar in "\"?[-+0-9:T/Z.]{0,30}\"?", form in "rfc3339|unix|unix_ms|date|%d/%m/%Y %H:%M") {
            let form = DateForm::compile(&form).unwrap();
            if let Some(date) = form.parse(&scalar) {
                for to in ["rfc3339", "unix", "unix_ms", "%c %z"] {
                    let _ = DateForm::compile(to).unwrap().write(&date);
                }
            }
        }
    }
}
