/// The JSON text of one object, or of another value in the place of one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RawObject<'a> {
    /// The JSON text.
    pub text: &'a str,
    /// The line it starts on.
    pub line: u32,
    /// `apiVersion` of the object, or of the List around it.
    pub api_version: Option<&'a str>,
    /// `kind` of the object, or the one that the kind of the List around it implies.
    pub kind: Option<&'a str>,
    /// Whether it is an item of a List.
    pub is_item: bool,
}

/// What [`super::JsonReader`] passes on.
pub(crate) enum Event<'a> {
    /// An object.
    Object(RawObject<'a>),
    /// The end of a List.
    ListEnd {
        /// The List's kind.
        kind: Option<&'a str>,
        /// Whether it is a whole listing, not one page of several.
        is_whole: bool,
    },
}
