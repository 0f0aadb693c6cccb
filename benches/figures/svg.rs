//! A drawing: its frame, its scales, and how it looks in the light and in the dark.

use maud::{Markup, PreEscaped, html};

use super::data::Trial;

/// All drawings are so wide.
pub(super) const WIDTH: f64 = 860.0;

/// Where the drawing's own part begins, below title and subtitle.
pub(super) const TOP: f64 = 76.0;

/// One colour for each thing, in every drawing: secagg, its peers, a limit; and the parts of a server's work. Pages embed
/// drawings as images, so each brings its own background.
const SHEET: &str = "\
svg { color-scheme: light dark; --ink: #1c2430; --soft: #5b6675; --card: #ffffff; --line: #e3e7ec; --secagg: #1f5fa8; \
--peer: #cf7a1c; --limit: #c2453f; --apply: #1f5fa8; --recover: #8157b5; --add: #2f8a7b; --judge: #8a94a0; --client: #a8581c; } \
@media (prefers-color-scheme: dark) { svg { --ink: #e6e9ee; --soft: #9aa6b5; --card: #161b22; --line: #2c3541; \
--secagg: #6aa9ee; --peer: #e9a350; --limit: #ec7a74; --apply: #6aa9ee; --recover: #b998e8; --add: #5cc0ae; --judge: #8f9aa8; \
--client: #d99a66; } } \
text { fill: var(--ink); font: 13px system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', sans-serif; } \
.card { fill: var(--card); } .title { font-size: 17px; font-weight: 600; } .soft { fill: var(--soft); } .small { font-size: 12px; } \
.end { text-anchor: end; } .middle { text-anchor: middle; } .strong { font-weight: 600; } \
.grid { stroke: var(--line); } .axis { stroke: var(--soft); } \
.inside { fill: var(--card); } .dot { stroke: var(--card); stroke-width: 2; } .law { fill: none; stroke-width: 2; } .span { stroke-width: 3; stroke: var(--line); } \
.limit { stroke: var(--limit); stroke-width: 1.5; stroke-dasharray: 5 3; } text.of-limit { fill: var(--limit); } \
.secagg { fill: var(--secagg); } .peer { fill: var(--peer); } .apply { fill: var(--apply); } .recover { fill: var(--recover); } \
.add { fill: var(--add); } .judge { fill: var(--judge); } .client { fill: var(--client); } \
.law.apply { stroke: var(--apply); } .law.recover { stroke: var(--recover); } .law.add { stroke: var(--add); } \
.law.judge { stroke: var(--judge); } .law.client { stroke: var(--client); } path.law { fill: none; }";

/// Puts a drawing into its frame: what it shows, how to read it, and at the bottom what it was measured on, and how.
pub(super) fn frame(
    title: &str,
    subtitle: &str,
    (machine, trial): (&str, Trial),
    height: f64,
    body: &Markup,
) -> String {
    let height = height + 34.0;
    let svg = html! {
        svg xmlns="http://www.w3.org/2000/svg" viewBox=(format!("0 0 {WIDTH} {height}")) width=(WIDTH) height=(height) role="img" aria-label=(title) {
            style { (PreEscaped(SHEET)) }
            rect.card width=(WIDTH) height=(height) rx="8" {}
            text.title x="24" y="34" { (title) }
            text.soft x="24" y="56" { (subtitle) }
            (body)
            text.soft.small x="24" y=(px(height - 14.0)) { (machine) }
            @if trial.0 {
                text.end.strong.small.of-limit x=(px(WIDTH - 24.0)) y="34" { "a trial: read nothing into it" }
            }
        }
    };
    // One element a line, so that a change shows where it is.
    svg.into_string().replace("><", ">\n<") + "\n"
}

/// A stretch of values on a stretch of the drawing.
#[derive(Clone, Copy)]
pub(super) struct Scale {
    pub(super) values: (f64, f64),
    pub(super) places: (f64, f64),
    /// Whether each decade is as long as any other.
    pub(super) decades: bool,
}

impl Scale {
    /// Whole decades around all values.
    pub(super) fn decades(values: impl Iterator<Item = f64>, places: (f64, f64)) -> Self {
        let (least, most) = range(values);
        let values = (10_f64.powf(least.log10().floor()), 10_f64.powf(most.log10().ceil()));
        Self { values, places, decades: true }
    }

    /// From zero to a round number above all values.
    pub(super) fn from_zero(values: impl Iterator<Item = f64>, places: (f64, f64)) -> Self {
        let (_, most) = range(values);
        let step = step(most);
        Self { values: (0.0, (most / step).ceil() * step), places, decades: false }
    }

    /// Where a value is drawn.
    pub(super) fn at(&self, value: f64) -> f64 {
        let part = if self.decades {
            (value / self.values.0).ln() / (self.values.1 / self.values.0).ln()
        } else {
            (value - self.values.0) / (self.values.1 - self.values.0)
        };
        self.places.0 + part * (self.places.1 - self.places.0)
    }

    /// The values that get a line and a number.
    pub(super) fn marks(&self) -> Vec<f64> {
        let (least, most) = self.values;
        if self.decades {
            let first = least.log10().round() as i32;
            return (first..=most.log10().round() as i32).map(|it| 10_f64.powi(it)).collect();
        }
        let step = step(most);
        (0..=(most / step).round() as i32).map(|it| f64::from(it) * step).collect()
    }
}

/// One, two or five times a power of ten, of which there are four to ten below the value.
fn step(most: f64) -> f64 {
    let decade = 10_f64.powf(most.log10().floor());
    let steps = [0.1, 0.2, 0.5, 1.0].map(|part| part * decade);
    steps.into_iter().find(|step| most / step <= 8.0).unwrap_or(decade)
}

fn range(values: impl Iterator<Item = f64>) -> (f64, f64) {
    values.fold((f64::MAX, f64::MIN), |(least, most), value| (least.min(value), most.max(value)))
}

/// Vertical lines with numbers beneath, from `top` to `bottom`.
pub(super) fn columns(
    scale: &Scale,
    top: f64,
    bottom: f64,
    unit: &dyn Fn(f64) -> String,
) -> Markup {
    html! {
        @for mark in scale.marks() {
            line.grid x1=(px(scale.at(mark))) y1=(px(top)) x2=(px(scale.at(mark))) y2=(px(bottom)) {}
            text.soft.middle.small x=(px(scale.at(mark))) y=(px(bottom + 18.0)) { (unit(mark)) }
        }
    }
}

/// A coordinate, to a tenth of a pixel.
pub(super) fn px(place: f64) -> String {
    format!("{place:.1}")
}

/// Seconds as people say them.
pub(super) fn seconds(value: f64) -> String {
    match value {
        0.0 => "0".into(),
        ..1e-6 => format!("{} ns", short(value * 1e9)),
        ..1e-3 => format!("{} µs", short(value * 1e6)),
        ..1.0 => format!("{} ms", short(value * 1e3)),
        _ => format!("{} s", short(value)),
    }
}

/// Two digits that count, at least.
pub(super) fn short(value: f64) -> String {
    if value == 0.0 {
        return "0".into();
    }
    let whole = (value - value.round()).abs() < 0.005 * value;
    if value >= 9.95 || whole { format!("{value:.0}") } else { format!("{value:.1}") }
}
