//! A tree as a text that parses to the same tree.
