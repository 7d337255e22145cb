/// The text of one object, or of something else that stands in its place.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RawObject<'a> {
    /// The JSON text.
    pub text: &'a str,
    /// The line it starts on.
    pub line: u32,
    /// `apiVersion`, or that of the List around it.
    pub api_version: Option<&'a str>,
    /// `kind`, or what the kind of the List around it implies.
    pub kind: Option<&'a str>,
    /// Whether it is an item of a List.
    pub is_item: bool,
}

/// What a reader comes across.
pub(crate) enum Event<'a> {
    /// An object.
    Object(RawObject<'a>),
    /// A List is over.
    ListEnd {
        /// Its kind.
        kind: Option<&'a str>,
        /// Whether it is all there is, and not one page of several.
        is_whole: bool,
    },
}
