//! stub
/// x
pub fn write_all(_: &crate::result::Document, _: &std::path::Path) -> crate::error::Result<()> {
    todo!()
}
/// x
pub fn summary(_: &crate::result::Document, _: &std::path::Path) -> String {
    todo!()
}
