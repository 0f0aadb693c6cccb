//! Drawings of the page. Every number in them stands beside its bar, too.

use maud::{Markup, html};

use super::human;
use crate::check::{Check, Histogram};
use crate::report::limit::Limit;
use crate::report::{Report, Stage, Unmask};

/// All drawings are so wide; labels stand left of `LEFT`, numbers right of `RIGHT`.
const WIDTH: f64 = 860.0;
const LEFT: f64 = 220.0;
const RIGHT: f64 = 740.0;
const ROW: f64 = 30.0;

/// A part of a bar: what it is, where it begins and how long it is, both as parts of the whole.
struct Part {
    class: &'static str,
    from: f64,
    length: f64,
    title: String,
}

/// One bar with its label and number.
struct Bar {
    label: String,
    number: String,
    parts: Vec<Part>,
}

/// Stages one after another on one axis of time.
pub(super) fn timeline(report: &Report) -> Markup {
    let closing = report.stages.last().map_or(0.0, |stage| stage.closing_seconds);
    let last = report.unmask.map_or(0.0, |unmask| unmask.seconds - closing);
    let total = report.stages.iter().map(|stage| stage.seconds).sum::<f64>() + last;
    let mut start = 0.0;
    let mut bars: Vec<_> =
        report.stages.iter().map(|stage| span(stage, &mut start, total)).collect();
    if report.unmask.is_some() {
        let title = format!("the server takes the last masks off: {}", seconds(last));
        let part =
            Part { class: "server", from: ratio(start, total), length: ratio(last, total), title };
        bars.push(Bar { label: "last masks off".into(), number: seconds(last), parts: vec![part] });
    }
    html! {
        (chart("Stages over time", &bars, &html! {}))
        (key(&[("clients", "clients, and the server beside them"), ("server", "the server alone")]))
    }
}

fn span(stage: &Stage, start: &mut f64, total: f64) -> Bar {
    let clients = (stage.seconds - stage.closing_seconds).max(0.0);
    let part = |class, from, length: f64| Part {
        class,
        from: ratio(from, total),
        length: ratio(length, total),
        title: format!("{} of {}: {}", stage.stage, class, seconds(length)),
    };
    let parts = vec![
        part("clients", *start, clients),
        part("server", *start + clients, stage.seconds - clients),
    ];
    *start += stage.seconds;
    Bar { label: stage.stage.into(), number: seconds(stage.seconds), parts }
}

/// How each stage's cohort answered.
pub(super) fn cohort(stages: &[Stage]) -> Markup {
    let bars: Vec<_> = stages.iter().map(|stage| fates(stage, stages[0].asked)).collect();
    html! {
        (chart("Clients by stage", &bars, &html! {}))
        (key(&[
            ("answered", "answered"),
            ("left", "answered, with too few neighbours left"),
            ("dropped", "dropped"),
            ("rejected", "rejected"),
        ]))
    }
}

fn fates(stage: &Stage, cohort: usize) -> Bar {
    let (rejected, left) = (stage.rejected.len(), stage.left_out.len());
    let counts = [
        ("answered", stage.answered.saturating_sub(left)),
        ("left", left),
        ("dropped", stage.dropped.len().saturating_sub(rejected)),
        ("rejected", rejected),
    ];
    let mut from = 0.0;
    let part = |(class, count): (&'static str, usize)| {
        let length = ratio(count as f64, cohort as f64);
        let part = Part { class, from, length, title: format!("{class}: {count}") };
        from += length;
        part
    };
    let number = format!("{} of {}", stage.answered, stage.asked);
    Bar { label: stage.stage.into(), number, parts: counts.into_iter().map(part).collect() }
}

/// Bytes up and down, on a scale of decades.
pub(super) fn bytes(stages: &[Stage]) -> Markup {
    let most =
        stages.iter().flat_map(|it| [it.bytes_up_per_client, it.bytes_down_per_client]).max();
    let decades = (most.unwrap_or(0).max(10) as f64).log10().ceil();
    let bar = |label: String, class, bytes: u64| {
        let length = (bytes.max(1) as f64).log10() / decades;
        let part = Part { class, from: 0.0, length, title: format!("{bytes} bytes") };
        Bar { label, number: human(bytes), parts: vec![part] }
    };
    let both = |stage: &Stage| {
        let (up, down) = (format!("{} ↑", stage.stage), "↓".to_owned());
        [
            bar(up, "server", stage.bytes_up_per_client),
            bar(down, "clients", stage.bytes_down_per_client),
        ]
    };
    let bars: Vec<_> = stages.iter().flat_map(both).collect();
    let marks = html! {
        @for decade in 0..=decades as u32 { (rule("grid", f64::from(decade) / decades, bars.len())) }
    };
    html! {
        (chart("Bytes of one client by stage", &bars, &marks))
        (key(&[("server", "up, to the server"), ("clients", "down, to the client")]))
    }
}

/// The server's work, beside the least cost of the masks.
pub(super) fn server(report: &Report, limit: Limit) -> Markup {
    let judging = |stage: &Stage| (format!("judging {}", stage.stage), stage.server_seconds);
    let mut work: Vec<_> = report.stages.iter().map(judging).collect();
    if let (Some(unmask), Some((_, last))) = (report.unmask, work.last_mut()) {
        let Unmask { masks, recover_seconds, apply_seconds, cpu_seconds, .. } = unmask;
        *last = (cpu_seconds - recover_seconds - apply_seconds).max(0.0);
        work.push(("recovering seeds".into(), recover_seconds));
        work.push((format!("taking {masks} masks off"), apply_seconds));
    }
    let at_best = report.unmask.map(|unmask| limit.seconds(&report.parameters, unmask.masks));
    let most = work.iter().map(|&(_, time)| time).chain(at_best).fold(0.0, f64::max);
    let bar = |(label, time): (String, f64)| {
        let part =
            Part { class: "server", from: 0.0, length: ratio(time, most), title: seconds(time) };
        Bar { label, number: seconds(time), parts: vec![part] }
    };
    let bars: Vec<_> = work.into_iter().map(bar).collect();
    let mark = html! { @if let Some(at_best) = at_best { (rule("limit", ratio(at_best, most), bars.len())) } };
    html! {
        (chart("The server's processor time by part", &bars, &mark))
        @if let Some(at_best) = at_best {
            p.note {
                "Red line: " (seconds(at_best)) ", which is what ten AES rounds for every 16 bytes of these masks take ("
                (format!("{:.1}", limit.bytes_per_second / 1e9)) " GB/s on one core of this machine, measured on all of them after the round)."
            }
        }
    }
}

/// Elements by error. The rightmost column ends at the bound; what is above it stands alone.
pub(super) fn errors(check: &Check) -> Markup {
    let Histogram { above, within } = &check.histogram;
    let most = within.iter().copied().max().unwrap_or(0).max(*above).max(1) as f64;
    let (floor, height) = (170.0, 140.0);
    let step = (WIDTH - 40.0) / (within.len() + 2) as f64;
    let columns = within.iter().rev().chain([above]).enumerate().map(|(at, &count)| {
        let gap = if at == within.len() { step } else { 0.0 };
        (20.0 + at as f64 * step + gap, height * count as f64 / most, count, at < within.len())
    });
    let bound = 20.0 + within.len() as f64 * step;
    html! {
        svg viewBox=(format!("0 0 {WIDTH} 200")) role="img" aria-label="Elements by their error" {
            @for (x, tall, count, inside) in columns {
                rect.answered[inside].rejected[!inside] x=(x) y=(floor - tall) width=(step - 2.0) height=(tall) {
                    title { (count) " elements" }
                }
            }
            line.grid x1="20" y1=(floor) x2=(WIDTH - 20.0) y2=(floor) {}
            line.limit x1=(bound) y1="20" x2=(bound) y2=(floor) {}
            text.middle x=(bound) y="14" { "bound" }
            text.soft x="20" y="190" { "bound / 2^" (within.len() - 1) " and less" }
            text.soft.end x=(bound - 4.0) y="190" { "from half the bound to the bound" }
        }
    }
}

fn chart(name: &str, bars: &[Bar], marks: &Markup) -> Markup {
    let height = ROW * bars.len() as f64 + 6.0;
    html! {
        svg viewBox=(format!("0 0 {WIDTH} {height}")) role="img" aria-label=(name) {
            @for (row, bar) in bars.iter().enumerate() { (bar.draw(row as f64 * ROW)) }
            (marks)
        }
    }
}

impl Bar {
    fn draw(&self, top: f64) -> Markup {
        html! {
            text.end x=(LEFT - 10.0) y=(top + 20.0) { (self.label) }
            @for part in &self.parts {
                rect class=(part.class) x=(across(part.from)) y=(top + 5.0) width=((RIGHT - LEFT) * part.length) height=(ROW - 8.0) {
                    title { (part.title) }
                }
            }
            text x=(RIGHT + 10.0) y=(top + 20.0) { (self.number) }
        }
    }
}

/// A vertical line over all bars.
fn rule(class: &str, at: f64, bars: usize) -> Markup {
    html! { line class=(class) x1=(across(at)) y1="2" x2=(across(at)) y2=(ROW * bars as f64 + 2.0) {} }
}

fn key(entries: &[(&str, &str)]) -> Markup {
    html! {
        ul.key {
            @for (class, meaning) in entries {
                li { svg viewBox="0 0 10 10" aria-hidden="true" { rect class=(class) width="10" height="10" {} } (meaning) }
            }
        }
    }
}

fn across(part: f64) -> f64 {
    LEFT + (RIGHT - LEFT) * part
}

fn ratio(part: f64, whole: f64) -> f64 {
    if whole > 0.0 { part / whole } else { 0.0 }
}

pub(super) fn seconds(time: f64) -> String {
    match time {
        ..0.001 => format!("{:.0} µs", time * 1e6),
        ..1.0 => format!("{:.1} ms", time * 1e3),
        _ => format!("{time:.2} s"),
    }
}
