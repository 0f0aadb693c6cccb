//! A listener that adds counters up, as exporters of metrics do, and counts spans.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id};
use tracing::{Dispatch, Event, Subscriber, dispatcher};
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::{Layer, Registry};

/// Sums by name and stage.
#[derive(Clone, Default)]
pub(crate) struct Counters(Arc<Mutex<Sums>>);

#[derive(Default)]
struct Sums {
    counters: BTreeMap<(String, String), u64>,
    spans: BTreeMap<&'static str, u64>,
}

impl Counters {
    pub(crate) fn listen<T>(&self, work: impl FnOnce() -> T) -> T {
        dispatcher::with_default(&Dispatch::new(Registry::default().with(self.clone())), work)
    }

    /// A counter over all stages.
    pub(crate) fn get(&self, name: &str) -> u64 {
        let counters = &self.0.lock().unwrap().counters;
        counters.iter().filter(|((of, _), _)| of == name).map(|(_, count)| count).sum()
    }

    /// A counter in one stage.
    pub(crate) fn of_stage(&self, name: &str, stage: &str) -> u64 {
        self.0.lock().unwrap().counters[&(name.to_owned(), stage.to_owned())]
    }

    /// How many spans of a name were opened.
    pub(crate) fn spans(&self, name: &str) -> u64 {
        self.0.lock().unwrap().spans[name]
    }
}

impl<S: Subscriber> Layer<S> for Counters {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        if event.metadata().target() == "secagg::metrics" {
            let mut fields = Fields::default();
            event.record(&mut fields);
            for (name, count) in fields.counters {
                let counter = (name, fields.stage.clone());
                *self.0.lock().unwrap().counters.entry(counter).or_default() += count;
            }
        }
    }

    fn on_new_span(&self, attributes: &Attributes<'_>, _: &Id, _: Context<'_, S>) {
        let name = attributes.metadata().name();
        *self.0.lock().unwrap().spans.entry(name).or_default() += 1;
    }
}

#[derive(Default)]
struct Fields {
    stage: String,
    counters: Vec<(String, u64)>,
}

impl Visit for Fields {
    fn record_u64(&mut self, field: &Field, value: u64) {
        if let Some(name) = field.name().strip_prefix("monotonic_counter.") {
            self.counters.push((name.to_owned(), value));
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "stage" {
            value.clone_into(&mut self.stage);
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        panic!("{field} is no counter: {value:?}");
    }
}
