//! A report as one page to look at: no script, no font, no picture from anywhere else.

mod charts;
mod mean;
mod style;

use std::num::NonZeroU64;

use indicatif::HumanBytes;
use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::limit::Limit;
use super::{Complaint, Parameters, Report, Stage};
use crate::check::Check;
use crate::text::{number, short};

impl Report {
    /// A self-contained page of HTML. The masks' cost is drawn beside the limit.
    pub fn html(&self, limit: Limit) -> String {
        let page = html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    title { "secagg: " (self.headline()) }
                    style { (PreEscaped(style::SHEET)) }
                }
                body { main { (self.body(limit)) } }
            }
        };
        page.into_string()
    }

    fn headline(&self) -> String {
        let Parameters { cohort_size, dimension, .. } = self.parameters;
        let headline =
            format!("{} of {cohort_size} clients, {dimension} parameters", self.survivors.len());
        let bound = self.error_bound.filter(|_| self.several_bounds().is_empty());
        let bound = bound.map(|bound| format!(", each element within {}", short(bound, 2)));
        headline + &bound.unwrap_or_default()
    }

    fn body(&self, limit: Limit) -> Markup {
        html! {
            header {
                p.verdict.good[self.succeeded()].bad[!self.succeeded()] { (self.verdict()) }
                h1 { (self.headline()) }
                @if let Some(reason) = &self.reason { p { (reason) "." } }
                @for warning in &self.warnings { p.warning { "Warning: " (warning) "." } }
            }
            @if let Some(mean) = self.mean() { (section("Mean", &(mean + "."), &mean::tables(self))) }
            (section("Stages", "Each bar is a stage, from its first message to its closing. Dark: the server alone at work.", &charts::timeline(self)))
            (section("Who dropped where", "Of the clients that each stage asked.", &self.cohort()))
            (section("Bytes of one client", "On average; each mark is ten times the one before.", &charts::bytes(&self.stages)))
            @if let Some(check) = &self.check {
                (section("Error against the plain weighted mean", "Elements by their error, in halves of the bound.", &error(check)))
            }
            (section("The server's processor time", "By what it did, much of it while clients were at work.", &charts::server(self, limit)))
            (section("Parameters", "", &self.parameters.table()))
        }
    }

    fn verdict(&self) -> &'static str {
        match (&self.reason, &self.check) {
            (Some(_), _) => "No mean",
            (None, Some(check)) if !check.holds => "The error is above the bound",
            (None, Some(_)) => "Done, and the error is within the bound",
            (None, None) => "Done",
        }
    }

    fn cohort(&self) -> Markup {
        html! {
            (charts::cohort(&self.stages))
            @for stage in &self.stages { (stage.faults()) }
            @if !self.false_shares.is_empty() {
                details {
                    summary { (self.false_shares.len()) " false shares" }
                    ul { @for it in &self.false_shares { li { (it.holder) " revealed a false share of " (it.owner) "'s secret" } } }
                }
            }
        }
    }
}

fn section(title: &str, note: &str, content: &Markup) -> Markup {
    html! {
        section {
            h2 { (title) }
            @if !note.is_empty() { p.note { (note) } }
            (content)
        }
    }
}

impl Stage {
    fn faults(&self) -> Markup {
        let all = self.dropped.len() + self.left_out.len() + self.refused.len();
        html! {
            @if let Some(all) = NonZeroU64::new(all as u64) {
                details {
                    summary { (self.stage) ": " (all) }
                    (complaints("rejected", &self.rejected))
                    (complaints("left", &self.refused))
                    @if !self.dropped.is_empty() { p { "Dropped: " (self.dropped.join(", ")) } }
                    @if !self.left_out.is_empty() { p { "Too few neighbours left: " (self.left_out.join(", ")) } }
                }
            }
        }
    }
}

fn complaints(what: &str, complaints: &[Complaint]) -> Markup {
    html! {
        @if !complaints.is_empty() {
            ul { @for Complaint { client, reason } in complaints { li { (client) " " (what) ": " (reason) } } }
        }
    }
}

fn error(check: &Check) -> Markup {
    let Check { largest_error, rms_error, bound, clipped_elements, .. } = check;
    html! {
        (charts::errors(check))
        p {
            "Largest " (short(*largest_error, 4)) ", root of the mean square " (short(*rms_error, 4))
            ", bound " (short(*bound, 4)) "."
            @if *clipped_elements > 0 {
                " " (clipped_elements) " elements were clipped: with them, the largest error is "
                (short(check.largest_error_with_clipping, 4)) "."
            }
        }
        (mean::groups(check.telling_groups()))
    }
}

impl Parameters {
    fn table(&self) -> Markup {
        let rows = [
            ("Clients", self.cohort_size.to_string()),
            ("Elements of an update", self.dimension.to_string()),
            ("Shares of each secret", self.num_shares.to_string()),
            ("Shares that recover one", self.reconstruction_threshold.to_string()),
            ("Neighbours that may collude", self.corrupted_neighbours.to_string()),
            ("The server is assumed to be", self.threat_model.clone()),
            ("Largest weight", self.max_weight.to_string()),
            ("Clipping range", format!("±{}", number(self.clipping_range))),
            ("Levels of the quantizer", self.quantization_range.to_string()),
            ("Modulus", format!("2^{}", self.modulus_bits)),
            ("PRG", self.prg.clone()),
        ];
        html! { table { @for (name, value) in rows { tr { th scope="row" { (name) } td { (value) } } } } }
    }
}

fn human(bytes: u64) -> String {
    HumanBytes(bytes).to_string()
}
