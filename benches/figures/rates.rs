//! How fast masks are made: by backend beside the limit, and beside what else one could use.

use maud::{Markup, html};

use super::data::{Bench, Measurement, Peers, Rate};
use super::svg::{Scale, TOP, WIDTH, columns, frame, px, short};

const LEFT: f64 = 250.0;
const RIGHT: f64 = WIDTH - 70.0;
const ROW: f64 = 26.0;
const GAP: f64 = 14.0;

/// Bars by generator and backend, and a line for what AES rounds alone do.
pub(super) fn backends(bench: &Bench) -> String {
    let on_one = || bench.measurements.iter().filter(|it| it.threads == 1);
    let masks: Vec<_> =
        on_one().filter(|it| it.kernel == "mask" && it.variant.ends_with(", u32")).collect();
    let rounds = on_one().filter(|it| it.kernel == "ceiling: AES rounds");
    let limit = rounds.map(|it| it.bytes_per_second).fold(0.0, f64::max);
    let rates = masks.iter().map(|it| it.bytes_per_second).chain([limit]);
    let scale = Scale::from_zero(rates.map(giga), (LEFT, RIGHT));
    let generators = ["aes-128-ctr", "aegis-128x4", "chacha20"];
    let mut y = TOP + 26.0;
    let mut bars = Vec::new();
    for generator in generators {
        let of = masks.iter().filter(|it| it.variant.starts_with(generator));
        for (place, measured) in of.enumerate() {
            bars.push(bar(measured, (place == 0).then_some(generator), &scale, y));
            y += ROW;
        }
        y += GAP;
    }
    let (top, at) = (TOP + 20.0, scale.at(giga(limit)));
    let body = html! {
        (columns(&scale, top, y, &|value| format!("{value:.0} GB/s")))
        @for bar in &bars { (bar) }
        line.limit x1=(px(at)) y1=(px(top)) x2=(px(at)) y2=(px(y)) {}
        text.middle.small.of-limit x=(px(at)) y=(px(top - 6.0)) { "ten AES rounds alone: " (short(giga(limit))) }
    };
    let subtitle = format!(
        "Keystream expanded and added to a vector of u32, {} masks over {} MiB, one thread",
        bench.masks,
        bench.accumulator_bytes >> 20
    );
    let machine = bench.machine.processor.as_deref().unwrap_or("unknown processor");
    let machine = format!("secagg bench; one core of an {machine}, {}", bench.machine.architecture);
    frame("Masks by generator and backend", &subtitle, (&machine, bench.trial), y + 28.0, &body)
}

fn bar(measured: &Measurement, generator: Option<&str>, scale: &Scale, y: f64) -> Markup {
    let rate = giga(measured.bytes_per_second);
    let backend = measured.backend.as_deref().unwrap_or_default();
    html! {
        @if let Some(generator) = generator { text.strong x="24" y=(px(y + 15.0)) { (generator) } }
        text.end.soft x=(px(LEFT - 12.0)) y=(px(y + 15.0)) { (backend) }
        rect.secagg x=(px(LEFT)) y=(px(y + 2.0)) width=(px(scale.at(rate) - LEFT)) height=(px(ROW - 6.0)) rx="2" {}
        @if scale.at(rate) - LEFT > 60.0 {
            text.small.strong.end.inside x=(px(scale.at(rate) - 8.0)) y=(px(y + 15.0)) { (short(rate)) }
        } @else {
            text.small.strong x=(px(scale.at(rate) + 8.0)) y=(px(y + 15.0)) { (short(rate)) }
        }
    }
}

/// A dot for each way to make masks, the fastest first.
pub(super) fn peers(measured: &Peers) -> String {
    let scale =
        Scale::decades(measured.rates.iter().map(|it| giga(it.bytes_per_second)), (330.0, RIGHT));
    let (top, bottom) = (TOP + 8.0, TOP + 8.0 + ROW * measured.rates.len() as f64);
    let body = html! {
        (columns(&scale, top, bottom, &|value| format!("{} GB/s", short(value))))
        @for (place, peer) in measured.rates.iter().enumerate() {
            (row(peer, &scale, top + (place as f64 + 0.5) * ROW))
        }
    };
    let subtitle =
        "Bytes of keystream expanded and added in a second, one thread, on a logarithmic scale";
    let machine = format!("cargo bench --bench peers; {}", measured.machine);
    frame(
        "Masks: secagg’s kernels and what else one could use",
        subtitle,
        (&machine, measured.trial),
        bottom + 28.0,
        &body,
    )
}

fn row(peer: &Rate, scale: &Scale, y: f64) -> Markup {
    let (ours, rate) = (peer.name.starts_with("secagg"), giga(peer.bytes_per_second));
    let class = if ours { "secagg" } else { "peer" };
    // What is added afterwards is in the subtitle, and what runs on which backend in two words.
    let name =
        peer.name.replace(", then add", "").replace("secagg-kernels", "secagg:").replace('/', ", ");
    html! {
        text class={ "end " (if ours { class } else { "" }) } x="306" y=(px(y + 4.5)) { (name) }
        line.grid x1="330" y1=(px(y)) x2=(px(scale.at(rate))) y2=(px(y)) {}
        circle class={ "dot " (class) } cx=(px(scale.at(rate))) cy=(px(y)) r="7" {}
        text class={ "small strong " (class) } x=(px(scale.at(rate) + 12.0)) y=(px(y + 4.5)) { (short(rate)) }
    }
}

fn giga(rate: f64) -> f64 {
    rate / 1e9
}
