//! A fitted link as a file that `--simulate`, `serve --model` and `--like` take.

use std::fmt::Write;

use super::estimate::{Estimate, Fitted, Held};
use super::parameter::Parameter;
use crate::storj::Model;
use crate::units::Rate;

/// The link in TOML. Each number says what it rests on; what was taken from `like` is called an ASSUMPTION, as
/// everywhere. Limits are not fitted, so there are none in it: they are Storj's, unless somebody names others.
pub fn text(fitted: &Fitted, runs: &[String], like: &str) -> String {
    let text = format!(
        "# A link fitted to {}; what these do not tell is as in {like}.\n\ntls = {}\nsegment_size = \"{}B\"\n",
        runs.join(", "),
        fitted.model.tls,
        fitted.model.segment_size.0
    );
    Writer { text, fitted, like }.whole()
}

struct Writer<'a> {
    text: String,
    fitted: &'a Fitted,
    like: &'a str,
}

impl Writer<'_> {
    fn whole(mut self) -> String {
        let model = &self.fitted.model;
        let assumed = self.assumed();
        self.line("round_trip", &time(model.round_trip.as_secs_f64()), &assumed);
        if let Some(rate) = model.connection_rate {
            self.line(
                "connection_rate",
                &in_bytes(rate),
                &self.rests_on(Parameter::ConnectionRate),
            );
        }
        if let Some(rate) = model.shared_rate {
            self.line("shared_rate", &in_bytes(rate), &self.rests_on(Parameter::SharedRate));
        }
        let crowding = format!("{:?}", model.crowding);
        self.line("crowding", &crowding, &self.rests_on(Parameter::Crowding));
        let overheads = [
            ("call_overhead", Some(model.call_overhead), Parameter::Call),
            ("part_overhead", Some(model.part_overhead), Parameter::Part),
            ("get_overhead", model.get_overhead, Parameter::FirstByte),
            ("segment_overhead", Some(model.segment_overhead), Parameter::SegmentOverhead),
        ];
        for (name, overhead, parameter) in overheads {
            if let Some(overhead) = overhead {
                let why = self.rests_on(parameter);
                self.line(name, &time(overhead.as_secs_f64()), &why);
            }
        }
        let read_ahead = format!("\"{}B\"", model.read_ahead.0);
        self.line("read_ahead", &read_ahead, &self.rests_on(Parameter::ReadAhead));
        self.nodes(model);
        self.gateway(model);
        self.text
    }

    fn nodes(&mut self, model: &Model) {
        let Some(nodes) = &model.nodes else { return };
        let (required, optimal, total) = (nodes.required, nodes.optimal, nodes.total);
        let _ = writeln!(
            self.text,
            "\n[nodes]\n# As in {}.\nrequired = {required}\noptimal = {optimal}\ntotal = {total}",
            self.like
        );
        let assumed = self.assumed();
        self.line("latency", &time(nodes.latency.as_secs_f64()), &assumed);
        self.line("spread", &format!("{:?}", nodes.spread), &self.rests_on(Parameter::NodeSpread));
    }

    /// What no measurement tells.
    fn gateway(&mut self, model: &Model) {
        let Some(gateway) = &model.self_hosted else { return };
        let assumed = self.assumed();
        self.text.push_str("\n[self_hosted]\n");
        self.line("cores", &gateway.cores.to_string(), &assumed);
        self.line("core_rate", &in_bytes(gateway.core_rate), &assumed);
    }

    fn line(&mut self, name: &str, value: &str, why: &str) {
        let _ = writeln!(self.text, "# {why}\n{name} = {value}");
    }

    fn assumed(&self) -> String {
        format!(
            "not seen: taken from {}, as far as what was measured allows (ASSUMPTION)",
            self.like
        )
    }

    fn rests_on(&self, parameter: Parameter) -> String {
        let found = self.fitted.estimates.iter().find(|one| one.parameter == parameter);
        let Some(Estimate { value, interval_90, held, .. }) = found else { return self.assumed() };
        let said = |value| parameter.said(value);
        match (held, interval_90) {
            (Held::NotReached, _) => format!(
                "not reached: taken from {}, or what was carried, if that is more (ASSUMPTION)",
                self.like
            ),
            (Held::Absent, _) => "measured: none was seen".into(),
            (Held::Measured, Some([low, high])) => format!(
                "measured: {} is {}, from {} to {} (90 %)",
                parameter.name(),
                said(*value),
                said(*low),
                said(*high)
            ),
            _ => self.assumed(),
        }
    }
}

fn time(seconds: f64) -> String {
    format!("\"{}us\"", (seconds * 1e6).round())
}

fn in_bytes(rate: Rate) -> String {
    format!("\"{}B/s\"", rate.0.round())
}
