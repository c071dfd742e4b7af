//! (storj)
