//! The Velocity Template Language.
/// A parsed template.
#[derive(Debug)]
pub struct Template;
/// An error.
#[derive(Debug)]
pub struct Error {
    /// line
    pub line: usize,
    /// col
    pub column: usize,
    /// message
    pub message: String,
}
impl Template {
    /// parse
    pub fn parse(_text: &str) -> Result<Self, Error> {
        Ok(Self)
    }
}
