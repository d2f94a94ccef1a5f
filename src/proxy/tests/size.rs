//! What an idle session holds: it is paid for by the thousand.

use crate::proxy::extended::{Dialogue, Expected};
use crate::proxy::judge::EngineJudge;
use crate::proxy::relay::Relay;

#[test]
fn an_idle_session_stays_small() {
    let (relay, dialogue, expected) = (size_of::<Relay<EngineJudge>>(), size_of::<Dialogue>(), size_of::<Expected>());
    assert!(relay <= 768 && dialogue <= 192 && expected <= 128, "{relay} {dialogue} {expected}");
    // Maps and queues take nothing before they are used.
    let fresh = Dialogue::new(crate::wire::backend::Status::Idle);
    assert!(fresh.quiet() && fresh.due() == 0);
}
