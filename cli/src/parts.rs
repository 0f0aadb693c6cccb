//! The server's time by the spans that it opens.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use tracing::span::Id;
use tracing::{Dispatch, Subscriber, dispatcher};
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::{Layer, Registry};

use crate::process::Stopwatch;

/// Processor seconds by the name of the span.
#[derive(Clone, Debug, Default)]
pub(crate) struct Parts(Arc<Mutex<BTreeMap<&'static str, f64>>>);

impl Parts {
    /// Runs some work and listens to it, on this thread and on all that are
    /// [`given the listener`](Listener).
    pub(crate) fn listen<T>(&self, work: impl FnOnce() -> T) -> T {
        let listener = Dispatch::new(Registry::default().with(self.clone()));
        dispatcher::with_default(&listener, work)
    }

    /// Seconds of all spans of a name so far.
    pub(crate) fn seconds(&self, span: &str) -> f64 {
        let parts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        parts.get(span).copied().unwrap_or(0.0)
    }

    fn add(&self, span: &'static str, seconds: f64) {
        let mut parts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *parts.entry(span).or_default() += seconds;
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Parts {
    fn on_enter(&self, id: &Id, context: Context<'_, S>) {
        if let Some(span) = context.span(id) {
            span.extensions_mut().replace(Stopwatch::start());
        }
    }

    fn on_exit(&self, id: &Id, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        if let Some(watch) = span.extensions_mut().remove::<Stopwatch>() {
            self.add(span.name(), watch.seconds());
        }
    }
}

/// Whoever listens on the thread that made it, for other threads.
#[derive(Clone, Debug)]
pub(crate) struct Listener(Dispatch);

impl Listener {
    pub(crate) fn here() -> Self {
        Self(dispatcher::get_default(Clone::clone))
    }

    pub(crate) fn listen<T>(&self, work: impl FnOnce() -> T) -> T {
        dispatcher::with_default(&self.0, work)
    }
}
