//! stub
pub fn admitted(_n: &str) -> bool {
    true
}
