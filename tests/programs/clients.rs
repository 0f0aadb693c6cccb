//! Clients: each answers the last request that it finds, once in its life for every copy.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use getrandom::SysRng;
use rand_core::UnwrapErr;
use secagg::client::{Persistent, Setup};
use secagg::{ClientId, Stage};
use secagg_tests::APPLICATION;
use secagg_tests::spool::{Way, update};

use crate::Outcome;
use crate::files::{Files, StateFile, read};

struct Player {
    id: ClientId,
    client: Persistent<StateFile>,
    /// In this stage it is given up for lost, and answers when it is too late.
    leaves: Option<Stage>,
    /// The copy of a request that it answered last in this life.
    answered: Option<PathBuf>,
}

pub(crate) fn run(
    files: &Rc<Files>,
    ids: impl Iterator<Item = ClientId>,
    (leaver, stage): (ClientId, Stage),
) -> Outcome<()> {
    let wake = |id| Player::wake(files, id, (id == leaver).then_some(stage));
    let mut players = ids.map(wake).collect::<Outcome<Vec<_>>>()?;
    while !files.spool.result().exists() {
        players.iter_mut().try_for_each(|player| player.turn(files))?;
        files.wait()?;
    }
    Ok(())
}

impl Player {
    /// From where the last process ended.
    fn wake(files: &Rc<Files>, id: ClientId, leaves: Option<Stage>) -> Outcome<Self> {
        let (spool, store) = (&files.spool, StateFile(Rc::clone(files), id));
        let (identity, directory) = (spool.identity(id)?, spool.directory()?);
        let key = spool.key("clients")?;
        let client = if let Some(kept) = read(&spool.client_state(id))? {
            Persistent::restore(&kept, Some((identity, directory)), key, store)?
        } else {
            let setup = Setup::new(id).application(APPLICATION).identity(identity, directory);
            let setup = setup.also_curious();
            Persistent::new(setup, key, store)
        };
        Ok(Self { id, client, leaves, answered: None })
    }

    fn turn(&mut self, files: &Files) -> Outcome<()> {
        let Some((stage, request)) = self.last_request(files)? else { return Ok(()) };
        let is_late = self.leaves.is_some_and(|leaves| leaves <= stage);
        if is_late {
            fs::write(files.spool.gone(self.id), [])?;
        }
        let is_time = !is_late || files.spool.is_over(stage)?;
        if is_time && self.answered.as_ref() != Some(&request) {
            self.answer(files, stage, &request)?;
            self.answered = Some(request);
        }
        Ok(())
    }

    fn answer(&mut self, files: &Files, stage: Stage, request: &Path) -> Outcome<()> {
        let ((weight, update), mut rng) = (update(self.id), UnwrapErr(SysRng));
        let reply = self.client.answer(&fs::read(request)?, weight, &update, &mut rng)?;
        Ok(files.send(Way::Answers, stage, self.id, &reply)?)
    }

    /// The copy that the last process of the server sent, of the last stage in which there is one.
    fn last_request(&self, files: &Files) -> io::Result<Option<(Stage, PathBuf)>> {
        for stage in Stage::ALL.into_iter().rev() {
            let copies = files.spool.copies(Way::Requests, stage, self.id)?;
            if let Some(last) = copies.into_iter().max_by_key(|copy| life(copy)) {
                return Ok(Some((stage, last)));
            }
        }
        Ok(None)
    }
}

/// Of the process that sent a copy: their names begin with it.
fn life(copy: &Path) -> Option<u32> {
    copy.file_name()?.to_str()?.split('-').next()?.parse().ok()
}
