//! What players see, and what they do not.
