//! A store in maps: for tests, and the model that engines are held against.
