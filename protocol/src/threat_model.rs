use core::fmt;
use core::str::FromStr;

/// What the server is assumed to do, beside colluding with some of the clients.
///
/// ```
/// use secagg::ThreatModel;
///
/// assert_eq!("active".parse(), Ok(ThreatModel::ActiveServer));
/// assert_eq!(ThreatModel::HonestButCurious.to_string(), "curious");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ThreatModel {
    /// The server follows the protocol, and studies all that it sees. Written `curious`.
    HonestButCurious,
    /// The server may also lie about anything: keys, neighbours, survivors. Written `active`.
    ActiveServer,
}

impl ThreatModel {
    /// Both models, the weaker server first.
    pub const ALL: [Self; 2] = [Self::HonestButCurious, Self::ActiveServer];

    /// The name that [`FromStr`] reads: `curious` or `active`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::HonestButCurious => "curious",
            Self::ActiveServer => "active",
        }
    }

    /// The number that stands for the model on the wire: 0 for `curious`, 1 for `active`. It never
    /// changes.
    pub const fn number(self) -> u8 {
        match self {
            Self::HonestButCurious => 0,
            Self::ActiveServer => 1,
        }
    }

    /// The model with this wire number.
    ///
    /// # Errors
    /// [`UnknownThreatModel`] if there is none.
    pub fn from_number(number: u8) -> Result<Self, UnknownThreatModel> {
        Self::ALL.into_iter().find(|model| model.number() == number).ok_or(UnknownThreatModel)
    }
}

impl fmt::Display for ThreatModel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// The name or number of no threat model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no such threat model; the threat models are curious (0) and active (1)")]
pub struct UnknownThreatModel;

impl FromStr for ThreatModel {
    type Err = UnknownThreatModel;

    /// Reads [`ThreatModel::name`].
    fn from_str(name: &str) -> Result<Self, UnknownThreatModel> {
        Self::ALL.into_iter().find(|model| model.name() == name).ok_or(UnknownThreatModel)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_of_threat_models_are_read_back() {
        for (model, name, number) in [
            (ThreatModel::HonestButCurious, "curious", 0),
            (ThreatModel::ActiveServer, "active", 1),
        ] {
            assert_eq!((model.to_string().as_str(), model.number()), (name, number));
            assert_eq!(name.parse(), Ok(model));
            assert_eq!(ThreatModel::from_number(number), Ok(model));
        }
    }

    #[test]
    fn other_names_and_numbers_are_no_threat_models() {
        for name in ["", "Active", "active ", "semi-honest", "0"] {
            assert_eq!(name.parse::<ThreatModel>(), Err(UnknownThreatModel), "{name:?}");
        }
        for number in [2, 255] {
            assert_eq!(ThreatModel::from_number(number), Err(UnknownThreatModel));
        }
    }
}
