//! (tune)
