//! A moment: what `now()` and `to_datetime` give. It looks like Python's `datetime`.

use std::sync::Arc;

use minijinja::value::{Object, ObjectRepr, Value as Jinja};
use minijinja::{Error, ErrorKind, State};

use super::filters::call::fail;

/// A date and a time of day, without a zone where nobody gave one.
#[derive(Clone, Debug)]
pub struct Moment {
    at: jiff::ZonedDateTime,
    shows_zone: bool,
}

impl Moment {
    /// A point in time, here or in UTC.
    pub fn at(time: jiff::Timestamp, utc: bool) -> Self {
        let zone = if utc { jiff::tz::TimeZone::UTC } else { jiff::tz::TimeZone::system() };
        Self { at: time.to_zoned_datetime(zone), shows_zone: false }
    }

    /// Reads text of a format.
    pub fn read(text: &str, format: &str) -> Result<Self, Error> {
        let wrong = |e: jiff::Error| fail(format!("time data '{text}' does not match format '{format}': {e}"));
        let parsed = jiff::fmt::strtime::parse(format, text).map_err(wrong)?;
        if parsed.offset().is_some() {
            return parsed.to_zoned_datetime().map(|at| Self { at, shows_zone: true }).map_err(wrong);
        }
        let date = parsed.to_date().or_else(|_| jiff::civil::Date::new(1900, 1, 1)).map_err(wrong)?;
        let time = parsed.to_time().unwrap_or_default();
        let at = date.to_datetime(time).to_zoned_datetime(jiff::tz::TimeZone::system()).map_err(wrong)?;
        Ok(Self { at, shows_zone: false })
    }

    /// As text of a format.
    pub fn formatted(&self, format: &str) -> Result<String, Error> {
        // Python's microseconds are six digits of the fraction.
        let format = format.replace("%f", "%6f");
        jiff::fmt::strtime::format(&format, &self.at)
            .map_err(|e| fail(format!("`{format}` is not a format of a date: {e}")))
    }

    fn iso(&self, between: char) -> String {
        let micros = self.at.subsec_nanosecond() / 1000;
        let fraction = if micros == 0 { String::new() } else { format!(".{micros:06}") };
        let zone = if self.shows_zone { self.at.strftime("%:z").to_string() } else { String::new() };
        format!("{}{between}{}{fraction}{zone}", self.at.strftime("%Y-%m-%d"), self.at.strftime("%H:%M:%S"))
    }
}

impl Object for Moment {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Jinja> {
        Some(match key {
            "year" => Jinja::from(self.at.year()),
            "month" => Jinja::from(self.at.month()),
            "day" => Jinja::from(self.at.day()),
            "hour" => Jinja::from(self.at.hour()),
            "minute" => Jinja::from(self.at.minute()),
            "second" => Jinja::from(self.at.second()),
            "microsecond" => Jinja::from(self.at.subsec_nanosecond() / 1000),
            _ => return None,
        })
    }

    fn call_method(self: &Arc<Self>, _state: &mut State<'_, '_>, method: &str, args: &[Jinja]) -> Result<Jinja, Error> {
        let text = |n: usize| args.get(n).map(ToString::to_string);
        Ok(match method {
            "strftime" => Jinja::from(self.formatted(&text(0).unwrap_or_default())?),
            "isoformat" => Jinja::from(self.iso(text(0).and_then(|t| t.chars().next()).unwrap_or('T'))),
            "timestamp" => Jinja::from(self.at.timestamp().as_microsecond() as f64 / 1e6),
            "date" => Jinja::from(self.formatted("%Y-%m-%d")?),
            "time" => Jinja::from(self.formatted("%H:%M:%S")?),
            "weekday" => Jinja::from(self.at.weekday().to_monday_zero_offset()),
            "isoweekday" => Jinja::from(self.at.weekday().to_monday_one_offset()),
            _ => return Err(Error::from(ErrorKind::UnknownMethod)),
        })
    }

    fn render(self: &Arc<Self>, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.iso(' '))
    }
}
