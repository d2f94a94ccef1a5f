//! Runs the live view: one thread waits for keys, one for answers, one for signals, and this one draws.

use std::io;
use std::sync::mpsc::{Sender, channel};
use std::thread;
use std::time::Duration;

use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, Event, KeyEvent};
use tokio::signal::unix::{SignalKind, signal};

use super::app::App;
use super::client::Client;
use super::view;
use crate::admin::sessions::answer::Answer as Sessions;
use crate::admin::shapes::answer::Answer;
use crate::admin::shapes::query::Order;

/// What happens.
enum Happening {
    Key(KeyEvent),
    Resized,
    Answer(Box<Result<Answer, String>>),
    Sessions(Box<Result<Sessions, String>>),
    End,
}

/// Shows what runs until somebody has seen enough.
///
/// # Errors
/// The terminal cannot be used.
pub fn run(app: App, client: Client, interval: Duration) -> io::Result<()> {
    let (sender, happenings) = channel();
    follow_signals(sender.clone())?;
    let mut terminal = ratatui::try_init().inspect_err(|_| _ = ratatui::try_restore())?;
    let keys = sender.clone();
    // Both threads wait for what may never come, and end with the process.
    thread::spawn(move || read_keys(&keys));
    thread::spawn(move || ask(&client, interval, &sender));
    let result = follow(app, &mut terminal, || happenings.recv().ok());
    // It brings the cursor back when it is dropped, and that belongs to the screen that is left.
    drop(terminal);
    ratatui::try_restore()?;
    result
}

fn follow(mut app: App, terminal: &mut DefaultTerminal, mut next: impl FnMut() -> Option<Happening>) -> io::Result<()> {
    loop {
        terminal.draw(|frame| view::draw(frame, &app))?;
        match next() {
            Some(Happening::Key(key)) => {
                if !app.pressed(key) {
                    return Ok(());
                }
            }
            Some(Happening::Answer(answer)) => app.answered(*answer),
            Some(Happening::Sessions(answer)) => app.told(*answer),
            Some(Happening::Resized) => {}
            Some(Happening::End) | None => return Ok(()),
        }
    }
}

fn read_keys(sender: &Sender<Happening>) {
    loop {
        let happening = match event::read() {
            Ok(Event::Key(key)) => Happening::Key(key),
            Ok(Event::Resize(..)) => Happening::Resized,
            Ok(_) => continue,
            // The terminal has gone away.
            Err(_) => Happening::End,
        };
        let is_over = matches!(happening, Happening::End);
        if sender.send(happening).is_err() || is_over {
            return;
        }
    }
}

/// Those that ran last are asked for: what did nothing has no rate.
fn ask(client: &Client, interval: Duration, sender: &Sender<Happening>) {
    while sender.send(Happening::Answer(Box::new(client.ask(Order::LastSeen)))).is_ok()
        && sender.send(Happening::Sessions(Box::new(client.sessions()))).is_ok()
    {
        thread::sleep(interval);
    }
}

/// A terminal must be left as it was found, also when somebody else ends the program.
fn follow_signals(sender: Sender<Happening>) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    thread::spawn(move || {
        runtime.block_on(async {
            let kinds = [SignalKind::terminate(), SignalKind::interrupt(), SignalKind::hangup()];
            let [Ok(mut terminate), Ok(mut interrupt), Ok(mut hangup)] = kinds.map(signal) else { return };
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
                _ = hangup.recv() => {}
            }
            // Nobody may be left to be told.
            _ = sender.send(Happening::End);
        });
    });
    Ok(())
}
