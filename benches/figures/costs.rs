//! What a round costs along one axis: dots as measured, lines as the formulas say with one set of costs for all axes.

use crate::scaling::{Axis, Case, Laws, Measured, Part, Point};
use maud::{Markup, html};

use super::data::Trial;
use super::svg::{Scale, TOP, WIDTH, columns, frame, px, seconds, short};

const LEFT: f64 = 86.0;
const RIGHT: f64 = WIDTH - 190.0;
const BOTTOM: f64 = TOP + 330.0;

/// Labels at the right keep this far from each other.
const LABEL: f64 = 17.0;

/// Some parts that are drawn as one, with their colour.
struct Series {
    name: &'static str,
    class: &'static str,
    parts: &'static [Part],
}

const SERIES: [Series; 5] = [
    Series { name: "server: take masks off", class: "apply", parts: &[Part::Apply] },
    Series { name: "server: recover seeds", class: "recover", parts: &[Part::Recover] },
    Series { name: "server: add uploads", class: "add", parts: &[Part::Add] },
    Series {
        name: "server: judge the rest",
        class: "judge",
        parts: &[Part::Keys, Part::Boxes, Part::Reveal],
    },
    Series { name: "one client, all of it", class: "client", parts: &Part::CLIENT },
];

/// Against n.
pub(super) fn clients(measured: &Measured) -> String {
    let title = "A round’s cost against the number of clients";
    let subtitle = "Processor seconds; 100,000 parameters, 10 % dropped, neighbours and threshold from the planner";
    draw(measured, Axis::Clients, title, subtitle, "clients")
}

/// Against m.
pub(super) fn parameters(measured: &Measured) -> String {
    let title = "A round’s cost against the length of updates";
    let subtitle =
        "Processor seconds; 100 clients, 10 dropped, neighbours and threshold from the planner";
    draw(measured, Axis::Dimension, title, subtitle, "parameters")
}

/// Against D.
pub(super) fn dropped(measured: &Measured) -> String {
    let title = "A round’s cost against drop-outs";
    let subtitle = "Processor seconds; 1,000 clients with 100 neighbours each, 100,000 parameters, threshold 40";
    draw(measured, Axis::Dropped, title, subtitle, "clients that dropped out")
}

fn draw(measured: &Measured, axis: Axis, title: &str, subtitle: &str, unit: &str) -> String {
    let laws = Laws::fit(measured);
    let mut points: Vec<_> = measured.points.iter().filter(|point| point.axis == axis).collect();
    points.sort_by(|a, b| axis.place(&a.case).total_cmp(&axis.place(&b.case)));
    let (x, y) = scales(&points, &laws, axis);
    let ends = ends(&points, &laws, &y);
    let body = html! {
        (columns(&x, TOP, BOTTOM, &count))
        text.soft.middle x=(px(f64::midpoint(LEFT, RIGHT))) y=(px(BOTTOM + 40.0)) { (unit) }
        @for mark in y.marks() {
            line.grid x1=(px(LEFT)) y1=(px(y.at(mark))) x2=(px(RIGHT)) y2=(px(y.at(mark))) {}
            text.soft.end.small x=(px(LEFT - 10.0)) y=(px(y.at(mark) + 4.0)) { (seconds(mark)) }
        }
        @for (series, end) in SERIES.iter().zip(ends) { (series.line(&points, &laws, (&x, &y), axis, end)) }
        @for series in &SERIES { (series.dots(&points, (&x, &y), axis)) }
        text.soft.small x=(px(RIGHT + 40.0)) y=(px(BOTTOM + 18.0)) { "dots: measured" }
        text.soft.small x=(px(RIGHT + 40.0)) y=(px(BOTTOM + 36.0)) { "lines: the formula" }
    };
    let machine =
        format!("One thread on {}; medians of {}", measured.machine, measured.repetitions);
    frame(title, subtitle, (&machine, Trial(measured.trial)), BOTTOM + 50.0, &body)
}

/// Drop-outs begin at zero; all else goes over decades.
fn scales(points: &[&Point], laws: &Laws, axis: Axis) -> (Scale, Scale) {
    let places = || points.iter().map(|point| axis.place(&point.case));
    let times = points.iter().flat_map(|point| {
        SERIES.iter().flat_map(|series| [series.measured(point), series.said(laws, point)])
    });
    let (across, up) = ((LEFT, RIGHT), (BOTTOM, TOP));
    if axis == Axis::Dropped {
        return (Scale::from_zero(places(), across), Scale::decades(times, up));
    }
    (Scale::decades(places(), across), Scale::decades(times, up))
}

/// Where each series' label stands: beside its end, or as near as the others leave room.
fn ends(points: &[&Point], laws: &Laws, y: &Scale) -> Vec<f64> {
    let Some(last) = points.last() else { return vec![BOTTOM; SERIES.len()] };
    let mut ends: Vec<_> =
        SERIES.iter().map(|series| y.at(series.said(laws, last))).enumerate().collect();
    ends.sort_by(|a, b| b.1.total_cmp(&a.1));
    let mut below = f64::MAX;
    for (_, end) in &mut ends {
        *end = end.min(below - LABEL);
        below = *end;
    }
    // Down again, where that led above the drawing.
    let mut above = TOP - LABEL;
    for (_, end) in ends.iter_mut().rev() {
        *end = end.max(above + LABEL);
        above = *end;
    }
    ends.sort_by_key(|end| end.0);
    ends.into_iter().map(|(_, end)| end).collect()
}

impl Series {
    fn measured(&self, point: &Point) -> f64 {
        self.parts.iter().map(|part| point.parts[part].processor).sum()
    }

    fn said(&self, laws: &Laws, point: &Point) -> f64 {
        laws.seconds(self.parts, &point.case)
    }

    /// What the formula says, with the series' name at its end.
    fn line(
        &self,
        points: &[&Point],
        laws: &Laws,
        (x, y): (&Scale, &Scale),
        axis: Axis,
        label: f64,
    ) -> Markup {
        let cases = cases(points, axis);
        let places = cases.iter().map(|case| {
            let said = laws.seconds(self.parts, case);
            format!("{:.1} {:.1}", x.at(axis.place(case)), y.at(said))
        });
        let last = cases.last().map_or(RIGHT, |case| x.at(axis.place(case)));
        html! {
            path class={ "law " (self.class) } d={ "M " (places.collect::<Vec<_>>().join(" L ")) } {}
            text class={ "strong " (self.class) } x=(px(last + 16.0)) y=(px(label + 4.5)) { (self.name) }
        }
    }

    fn dots(&self, points: &[&Point], (x, y): (&Scale, &Scale), axis: Axis) -> Markup {
        html! {
            @for point in points {
                circle class={ "dot " (self.class) } cx=(px(x.at(axis.place(&point.case)))) cy=(px(y.at(self.measured(point)))) r="5.5" {}
            }
        }
    }
}

/// Where lines bend: at the points, and between them where nothing but drop-outs differs.
fn cases(points: &[&Point], axis: Axis) -> Vec<Case> {
    match points.last() {
        Some(Point { case, .. }) if axis == Axis::Dropped => {
            (0..=case.dropped).step_by(5).map(|dropped| Case { dropped, ..*case }).collect()
        }
        _ => points.iter().map(|point| point.case).collect(),
    }
}

/// A number of clients or parameters.
fn count(value: f64) -> String {
    match value {
        1e6.. => format!("{} M", short(value / 1e6)),
        1e4.. => format!("{},000", short(value / 1e3)),
        1e3.. => format!("{},{:03}", (value / 1e3).floor(), value % 1e3),
        _ => short(value),
    }
}
