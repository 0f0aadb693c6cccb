//! How long a server takes to unmask, with the Flower framework's own SecAgg+ and with ours.

use maud::{Markup, html};

use super::data::{Round, SideBySide};
use super::svg::{Scale, TOP, WIDTH, columns, frame, px, seconds};

const LEFT: f64 = 300.0;
const ROW: f64 = 46.0;

/// One row for each round, a dot for each side.
pub(super) fn draw(measured: &SideBySide) -> String {
    let rounds = &measured.cases;
    let times = rounds.iter().flat_map(|it| [it.found.flower.unmask, it.found.secagg.unmask]);
    let scale = Scale::decades(times, (LEFT, WIDTH - 80.0));
    let (top, bottom) = (TOP + 26.0, TOP + 26.0 + ROW * rounds.len() as f64);
    let body = html! {
        (columns(&scale, top, bottom, &seconds))
        @for (place, round) in rounds.iter().enumerate() {
            (row(round, &scale, top + (place as f64 + 0.5) * ROW, place == 0))
        }
    };
    let subtitle = "Processor seconds of the server in its last stage, on a logarithmic scale";
    let machine = format!("Flower {}, same apps, same grid; {}", measured.flower, measured.machine);
    frame(
        "Unmasking a round: Flower’s SecAgg+ and secagg",
        subtitle,
        (&machine, measured.trial),
        bottom + 28.0,
        &body,
    )
}

fn row(round: &Round, scale: &Scale, y: f64, first: bool) -> Markup {
    let (flower, secagg) = (round.found.flower.unmask, round.found.secagg.unmask);
    let (theirs, ours) = (scale.at(flower), scale.at(secagg));
    html! {
        text.end x=(px(LEFT - 24.0)) y=(px(y - 1.0)) { (round.clients) " clients, " (parameters(round.parameters)) }
        text.end.soft.small x=(px(LEFT - 24.0)) y=(px(y + 15.0)) { (dropped(round.dropped)) }
        line.span x1=(px(ours)) y1=(px(y)) x2=(px(theirs)) y2=(px(y)) {}
        text.middle.soft.small x=(px(f64::midpoint(ours, theirs))) y=(px(y - 8.0)) { (format!("{:.0} times", flower / secagg)) }
        (dot("secagg", ours, y, secagg, first))
        (dot("peer", theirs, y, flower, first))
    }
}

fn dot(class: &str, x: f64, y: f64, value: f64, named: bool) -> Markup {
    html! {
        circle class={ "dot " (class) } cx=(px(x)) cy=(px(y)) r="8" {}
        text class={ "middle strong small " (class) } x=(px(x)) y=(px(y + 23.0)) { (seconds(value)) }
        @if named {
            text class={ "middle strong " (class) } x=(px(x)) y=(px(y - 34.0)) { (if class == "peer" { "Flower" } else { "secagg" }) }
        }
    }
}

fn dropped(clients: u64) -> String {
    if clients == 0 { "nobody dropped".into() } else { format!("{clients} dropped") }
}

fn parameters(count: u64) -> String {
    match count {
        1_000_000.. => format!("{} M parameters", count / 1_000_000),
        _ => format!("{},000 parameters", count / 1000),
    }
}
