//! The time at which the facts were gathered.

use jiff::{ZonedDateTime, tz::TimeZone};

use super::look::Look;
use crate::value::{Map, Value};

/// Reads it, in the time zone of the host.
pub fn read(_look: Look<'_>, facts: &mut Map) {
    facts.insert("date_time".into(), describe(&ZonedDateTime::now()));
}

/// All of Ansible's keys.
pub(super) fn describe(now: &ZonedDateTime) -> Value {
    let show = |format: &str| Value::from(now.strftime(format).to_string());
    let moment = now.timestamp();
    let utc = now.with_time_zone(TimeZone::UTC);
    let utc = |format: &str| Value::from(utc.strftime(format).to_string());
    // The name the zone has in its standard time and in summer; where it knows no summer time they are the same.
    let dst = now.time_zone().to_offset_info(moment).abbreviation().to_owned();
    Value::map([
        ("year", show("%Y")),
        ("month", show("%m")),
        ("weekday", show("%A")),
        ("weekday_number", show("%w")),
        ("weeknumber", show("%W")),
        ("day", show("%d")),
        ("hour", show("%H")),
        ("minute", show("%M")),
        ("second", show("%S")),
        ("epoch", Value::from(moment.as_second().to_string())),
        ("epoch_int", Value::from(moment.as_second().to_string())),
        ("date", show("%Y-%m-%d")),
        ("time", show("%H:%M:%S")),
        ("iso8601_micro", utc("%Y-%m-%dT%H:%M:%S.%6fZ")),
        ("iso8601", utc("%Y-%m-%dT%H:%M:%SZ")),
        ("iso8601_basic", show("%Y%m%dT%H%M%S%6f")),
        ("iso8601_basic_short", show("%Y%m%dT%H%M%S")),
        ("tz", show("%Z")),
        ("tz_dst", Value::from(summer_name(now).unwrap_or(dst))),
        ("tz_offset", show("%z")),
    ])
}

/// The abbreviation of the zone's daylight saving time, wherever in the next year it begins.
fn summer_name(now: &ZonedDateTime) -> Option<String> {
    let zone = now.time_zone();
    let next = zone.following(now.timestamp()).take(2).find(|change| change.dst().is_dst());
    let current = zone.to_offset_info(now.timestamp());
    if current.dst().is_dst() {
        return Some(current.abbreviation().to_owned());
    }
    next.map(|change| change.abbreviation().to_owned())
}
