//! (trial)
