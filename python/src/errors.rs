//! Errors of the crates become exceptions of `secagg._errors`, sorted by blame.

use std::fmt::{Debug, Display};

use pyo3::PyErr;
use secagg::client::PersistentError;
use secagg::{Abort, ClientId, Imprecise, Refused, Rejected};

use crate::arguments::stage_name;

/// In a module, since these types are made by a macro that documents none of their parts.
mod python {
    #![allow(missing_debug_implementations)]

    use pyo3::import_exception;

    import_exception!(secagg._errors, Misuse);
    import_exception!(secagg._errors, Malformed);
    import_exception!(secagg._errors, Misbehaved);
    import_exception!(secagg._errors, ServerMisbehaved);
    import_exception!(secagg._errors, BadUpdate);
    import_exception!(secagg._errors, Stale);
    import_exception!(secagg._errors, Abort);
    import_exception!(secagg._errors, Imprecise);
    import_exception!(secagg._errors, TooFew);
    import_exception!(secagg._errors, RestoreError);
}

/// A fault of the caller's.
pub(crate) fn misuse(rule: &'static str, message: impl Display) -> PyErr {
    python::Misuse::new_err((message.to_string(), rule))
}

/// A fault of the caller's that a crate has found.
pub(crate) fn misused(error: impl Display + Debug) -> PyErr {
    python::Misuse::new_err((error.to_string(), rule(&error)))
}

pub(crate) fn rejected(client: ClientId, rejected: Rejected) -> PyErr {
    let says = |error: &dyn Display| format!("client {client}: {error}");
    match rejected {
        Rejected::Malformed(error) => {
            python::Malformed::new_err((says(&error), rule(&error), client.0))
        }
        Rejected::Misbehaved(error) => {
            python::Misbehaved::new_err((says(&error), rule(&error), client.0))
        }
        other => python::Misbehaved::new_err((says(&other), rule(&other), client.0)),
    }
}

pub(crate) fn refused(refused: Refused) -> PyErr {
    let message = refused.to_string();
    match refused {
        Refused::Malformed(error) => python::ServerMisbehaved::new_err((message, rule(&error))),
        Refused::Misbehaved(error) => python::ServerMisbehaved::new_err((message, rule(&error))),
        Refused::Update(error) => python::BadUpdate::new_err((message, rule(&error))),
        Refused::Misuse(error @ secagg::Misuse::Dimension { .. }) => {
            python::BadUpdate::new_err((message, rule(&error)))
        }
        Refused::Misuse(error) => misused(error),
        other => python::ServerMisbehaved::new_err((message, rule(&other))),
    }
}

/// A store in memory does not fail.
pub(crate) fn unanswered<E: Display>(error: PersistentError<E>) -> PyErr {
    let message = error.to_string();
    match error {
        PersistentError::Refused(error) => refused(error),
        PersistentError::Stale => python::Stale::new_err((message, "Stale")),
        PersistentError::Store(_) => misuse("Store", message),
    }
}

pub(crate) fn aborted(abort: Abort) -> PyErr {
    let (message, rule) = (abort.to_string(), rule(&abort));
    match abort {
        Abort::TooFew { stage, have, need } => {
            let nobody = None::<u64>;
            python::TooFew::new_err((message, rule, stage_name(stage), nobody, have, need))
        }
        Abort::TooFewNeighbours { stage, client, have, need } => {
            python::TooFew::new_err((message, rule, stage_name(stage), client.0, have, need))
        }
        Abort::FalseShares { client, suspects } => {
            let suspects: Vec<_> = suspects.iter().map(|it| (it.client.0, it.framers)).collect();
            python::Abort::new_err((message, rule, None::<&str>, client.0, suspects))
        }
        Abort::Imprecise(noise) => imprecise(noise),
        _ => python::Abort::new_err((message, rule)),
    }
}

/// The exception that says how imprecise a mean is, or the value that a mean carries as a warning.
pub(crate) fn imprecise(it: Imprecise) -> PyErr {
    let Imprecise { error_bound, limit, total_weight, .. } = it;
    python::Imprecise::new_err((it.to_string(), "Imprecise", error_bound, limit, total_weight))
}

pub(crate) fn not_restored(error: secagg::RestoreError) -> PyErr {
    python::RestoreError::new_err((error.to_string(), rule(&error)))
}

/// Variants that say no more than which error is in them.
const WRAPPERS: [&str; 11] = [
    "Modulus",
    "Quantizer",
    "Overflow",
    "MaskedVector",
    "Params",
    "Quantize",
    "SumOverflow",
    "Malformed",
    "Sum",
    "Keystream",
    "Prg",
];

/// The name of an error's variant, or of the one that it wraps. No error holds a secret.
fn rule(error: &impl Debug) -> String {
    let text = format!("{error:?}");
    let mut rest = text.as_str();
    loop {
        let name = rest.split(|end: char| !end.is_ascii_alphanumeric()).next().unwrap_or_default();
        let inner = rest[name.len()..].strip_prefix('(').unwrap_or_default();
        if !(WRAPPERS.contains(&name)
            && inner.starts_with(|first: char| first.is_ascii_uppercase()))
        {
            return name.to_owned();
        }
        rest = inner;
    }
}
