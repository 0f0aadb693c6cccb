//! Names of tensors, and patterns for them.

use std::str::FromStr;

use glob::Pattern as Glob;

use crate::text::is_obeyed;

/// A tensor's name, or a pattern of names: `*` stands for anything, `?` for one character, `[ab]`
/// for one of these.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern(Glob);

impl Pattern {
    /// Whether it stands for this name. A name always stands for itself.
    pub fn matches(&self, name: &str) -> bool {
        self.0.as_str() == name || self.0.matches(name)
    }

    /// The text of a pattern for this name, which can be typed: `*`, `?` and brackets stand for
    /// themselves, and `?` for each character that a terminal obeys.
    pub(crate) fn naming(name: &str) -> String {
        Glob::escape(name).replace(is_obeyed, "?")
    }

    /// The pattern as it was given.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl FromStr for Pattern {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let glob = Glob::new(text);
        glob.map(Self).map_err(|e| format!("{text:?} is not a pattern: {} at {}", e.msg, e.pos))
    }
}

/// Tensors that are not averaged.
#[derive(Clone, Debug, Default)]
pub struct Skip(Vec<Pattern>);

impl Skip {
    /// Whether this tensor is one of them.
    pub fn matches(&self, name: &str) -> bool {
        self.0.iter().any(|pattern| pattern.matches(name))
    }

    /// The patterns.
    pub fn patterns(&self) -> &[Pattern] {
        &self.0
    }
}

impl From<Vec<Pattern>> for Skip {
    fn from(patterns: Vec<Pattern>) -> Self {
        Self(patterns)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_cross_dots_and_slashes_and_names_are_themselves() {
        let matches = |pattern: &str, name| pattern.parse::<Pattern>().map(|it| it.matches(name));
        assert_eq!(matches("*.running_var", "layer1.0/bn.running_var"), Ok(true));
        assert_eq!(matches("*.running_var", "running_var"), Ok(false));
        assert_eq!(matches("w[0]", "w[0]"), Ok(true));
        assert_eq!(matches("w?", "w12"), Ok(false));
        assert!(matches("[", "[").is_err());
    }

    #[test]
    fn the_pattern_of_a_name_matches_it_and_not_what_it_would_match_as_a_pattern() {
        for (name, other) in [("w[0]", "w0"), ("*", "a"), ("[", "("), ("a?]", "ab]"), ("é'", "e")]
        {
            let pattern: Pattern = Pattern::naming(name).parse().unwrap();
            assert!(pattern.matches(name) && !pattern.matches(other), "{pattern:?}");
        }
        assert_eq!(Pattern::naming("a\n*"), "a?[*]");
    }
}
