//! Progress bars, on a terminal only.

use indicatif::{ProgressBar, ProgressStyle};
use secagg::Stage;

use crate::in_process::Progress;

/// A bar for each stage, on standard error. Where that is no terminal, nothing is drawn.
pub(crate) fn stage_bars<'a>() -> Progress<'a> {
    let mut shown: Option<(Stage, ProgressBar)> = None;
    Box::new(move |stage, answers, asked| {
        let (_, bar) = match &mut shown {
            Some(current) if current.0 == stage => current,
            other => other.insert((stage, bar(stage.name(), asked))),
        };
        bar.set_position(answers as u64);
        if answers == asked {
            bar.finish_and_clear();
        }
    })
}

/// A bar of `len` steps; hidden where standard error is no terminal.
pub(crate) fn bar(name: &'static str, len: usize) -> ProgressBar {
    // The template is fixed; were it wrong, the bar would just look plainer.
    let style = ProgressStyle::with_template("{prefix:>22} {wide_bar} {pos}/{len} {eta}");
    ProgressBar::new(len as u64)
        .with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
        .with_prefix(name)
}
