//! HTTP dates (RFC 9110 section 5.6.7), strictly.
//!
//! The three forms and nothing near them: one space where one is due, two digits where two
//! are due, `GMT`. Names are taken in any case. That the day of the week is the right one is
//! not checked, because nothing depends on it and senders do get it wrong.

use http::{HeaderMap, header};

use super::entry::Stamp;

const MONTHS: [&[u8; 3]; 12] =
    [b"jan", b"feb", b"mar", b"apr", b"may", b"jun", b"jul", b"aug", b"sep", b"oct", b"nov", b"dec"];
const DAYS: [&str; 7] = ["sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"];
/// The last second that an HTTP date can name.
const LAST_SECOND: u64 = 253_402_300_799;

/// The moment a date names, in whole seconds; the epoch, if it was before. `now` decides the
/// century of an RFC 850 date.
pub fn parse(value: &[u8], now: Stamp) -> Option<Stamp> {
    let date = match value.iter().position(|&byte| byte == b',') {
        Some(3) => imf_fixdate(value),
        Some(_) => rfc850(value, now),
        None => asctime(value),
    }?;
    date.stamp()
}

/// The date of a field, if it has exactly one line and that is a date.
pub fn field(headers: &HeaderMap, name: &header::HeaderName, now: Stamp) -> Option<Stamp> {
    let mut lines = headers.get_all(name).iter();
    match (lines.next(), lines.next()) {
        (Some(line), None) => parse(line.as_bytes(), now),
        _ => None,
    }
}

/// The IMF-fixdate of a moment.
pub fn format(stamp: Stamp) -> String {
    httpdate::fmt_http_date(Stamp(stamp.0.min(LAST_SECOND * 1000)).into())
}

struct Date {
    year: u32,
    month: u32,
    day: u32,
    /// Seconds since midnight.
    time: u32,
}

impl Date {
    fn stamp(&self) -> Option<Stamp> {
        let leap =
            self.year.is_multiple_of(4) && (!self.year.is_multiple_of(100) || self.year.is_multiple_of(400));
        let length = match self.month {
            2 => 28 + u32::from(leap),
            4 | 6 | 9 | 11 => 30,
            _ => 31,
        };
        (1..=length).contains(&self.day).then_some(())?;
        // Days since the first of March of year 0, whose leap day comes last.
        let (year, month) = if self.month > 2 {
            (self.year, self.month - 3)
        } else {
            (self.year.checked_sub(1)?, self.month + 9)
        };
        let days = year * 365 + year / 4 - year / 100 + year / 400 + (month * 153 + 2) / 5 + self.day - 1;
        // 719 468 of them are before the epoch.
        let seconds = (u64::from(days) * 86_400 + u64::from(self.time)).saturating_sub(719_468 * 86_400);
        Some(Stamp(seconds * 1000))
    }
}

/// `Sun, 06 Nov 1994 08:49:37 GMT`
fn imf_fixdate(value: &[u8]) -> Option<Date> {
    let (day_name, value) = value.split_at_checked(3)?;
    is_day_name(day_name).then_some(())?;
    let value = value.strip_prefix(b", ")?;
    let (day, value) = number(value, 2)?;
    let (month, value) = month(value.strip_prefix(b" ")?)?;
    let (year, value) = number(value.strip_prefix(b" ")?, 4)?;
    let (time, value) = time(value.strip_prefix(b" ")?)?;
    value.eq_ignore_ascii_case(b" GMT").then_some(Date { year, month, day, time })
}

/// `Sunday, 06-Nov-94 08:49:37 GMT`
fn rfc850(value: &[u8], now: Stamp) -> Option<Date> {
    let comma = value.iter().position(|&byte| byte == b',')?;
    let (day_name, value) = value.split_at(comma);
    DAYS.iter().any(|name| day_name.eq_ignore_ascii_case(name.as_bytes())).then_some(())?;
    let (day, value) = number(value.strip_prefix(b", ")?, 2)?;
    let (month, value) = month(value.strip_prefix(b"-")?)?;
    let (short_year, value) = number(value.strip_prefix(b"-")?, 2)?;
    let (time, value) = time(value.strip_prefix(b" ")?)?;
    value.eq_ignore_ascii_case(b" GMT").then_some(())?;
    let this_year = year_of(now);
    let mut year = this_year - this_year % 100 + short_year;
    // More than 50 years ahead is the most recent year in the past with these digits.
    if year > this_year + 50 {
        year -= 100;
    }
    Some(Date { year, month, day, time })
}

/// `Sun Nov  6 08:49:37 1994`
fn asctime(value: &[u8]) -> Option<Date> {
    let (day_name, value) = value.split_at_checked(3)?;
    is_day_name(day_name).then_some(())?;
    let (month, value) = month(value.strip_prefix(b" ")?)?;
    let (day, value) = match value.strip_prefix(b"  ") {
        Some(value) => number(value, 1)?,
        None => number(value.strip_prefix(b" ")?, 2)?,
    };
    let (time, value) = time(value.strip_prefix(b" ")?)?;
    let (year, value) = number(value.strip_prefix(b" ")?, 4)?;
    value.is_empty().then_some(Date { year, month, day, time })
}

fn is_day_name(name: &[u8]) -> bool {
    DAYS.iter().any(|day| name.eq_ignore_ascii_case(&day.as_bytes()[..3]))
}

/// The number of the month, from 1.
fn month(value: &[u8]) -> Option<(u32, &[u8])> {
    let (name, rest) = value.split_at_checked(3)?;
    let at = (1..).zip(MONTHS).find(|(_, month)| name.eq_ignore_ascii_case(*month))?;
    Some((at.0, rest))
}

/// `08:49:37`; a leap second is allowed and counts as the next one.
fn time(value: &[u8]) -> Option<(u32, &[u8])> {
    let (hour, value) = number(value, 2)?;
    let (minute, value) = number(value.strip_prefix(b":")?, 2)?;
    let (second, value) = number(value.strip_prefix(b":")?, 2)?;
    (hour < 24 && minute < 60 && second <= 60).then_some((hour * 3600 + minute * 60 + second, value))
}

/// So many digits.
fn number(value: &[u8], digits: usize) -> Option<(u32, &[u8])> {
    let (text, rest) = value.split_at_checked(digits)?;
    let all = text.iter().all(u8::is_ascii_digit);
    all.then(|| (text.iter().fold(0, |sum, digit| sum * 10 + u32::from(digit - b'0')), rest))
}

/// The year of a moment, in whole years of 365.2425 days; a day too far on either side of
/// midnight at New Year does not matter to a window of 50 years.
fn year_of(now: Stamp) -> u32 {
    let seconds = (now.0 / 1000).min(LAST_SECOND);
    u32::try_from(1970 + seconds / 31_556_952).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
