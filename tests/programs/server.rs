//! The server: saves after every message that it takes in, and before every one that it sends.

use std::fs;
use std::io;

use getrandom::SysRng;
use rand_core::UnwrapErr;
use secagg::server::{
    CollectMaskedVectors, ConfirmSurvivors, Recovered, Save, Setup, ShareKeys, Unmask,
};
use secagg::{ClientId, Directory, Outgoing, SessionId, Stage, StateKey, ThreatModel, saved_stage};
use secagg_tests::APPLICATION;
use secagg_tests::spool::{COHORT, TAKEN, Way, params};

use crate::Outcome;
use crate::files::{Files, read};

/// A stage, and the messages that open it.
type Open<S> = (S, Vec<Outgoing>);

struct Server<'a> {
    files: &'a Files,
    threat_model: ThreatModel,
    directory: Directory,
    key: StateKey,
}

pub(crate) fn run(files: &Files, threat_model: ThreatModel) -> Outcome<()> {
    let (directory, key) = (files.spool.directory()?, files.spool.key("server")?);
    let server = Server { files, threat_model, directory, key };
    if files.spool.result().exists() { Ok(()) } else { server.announce(server.resume()?) }
}

impl Server<'_> {
    /// From where the last process ended.
    fn resume(&self) -> Outcome<Recovered> {
        let state = read(&self.files.spool.server_state())?.unwrap_or_default();
        match saved_stage(&state) {
            None => self.setup(self.keep(self.open()?)?),
            Some(Stage::Setup) => self.setup(self.restore(&state)?),
            Some(Stage::ShareKeys) => self.share_keys(self.restore(&state)?),
            Some(Stage::CollectMaskedVectors) => self.collect(self.restore(&state)?),
            Some(Stage::ConfirmSurvivors) => self.confirm(self.restore(&state)?),
            _ => self.unmask(self.restore(&state)?),
        }
    }

    fn setup(&self, open: Open<Setup>) -> Outcome<Recovered> {
        self.share_keys(self.keep(self.exchange(open)?)?)
    }

    fn share_keys(&self, open: Open<ShareKeys>) -> Outcome<Recovered> {
        self.collect(self.keep(self.exchange(open)?)?)
    }

    fn collect(&self, open: Open<CollectMaskedVectors>) -> Outcome<Recovered> {
        self.confirm(self.keep(self.exchange(open)?)?)
    }

    fn confirm(&self, open: Open<ConfirmSurvivors>) -> Outcome<Recovered> {
        self.unmask(self.keep(self.exchange(open)?)?)
    }

    /// What is recovered is not kept: the last stage gives the same again.
    fn unmask(&self, open: Open<Unmask>) -> Outcome<Recovered> {
        Ok(self.exchange(open)?.0)
    }

    /// A new session: were it used before it is kept, the next process would have another one.
    fn open(&self) -> Outcome<Open<Setup>> {
        let session = SessionId::random(&mut UnwrapErr(SysRng));
        let params = params(self.threat_model);
        Ok(Setup::open_signed(params, session, &COHORT, APPLICATION, &self.directory)?)
    }

    fn restore<S: Save>(&self, state: &[u8]) -> Outcome<Open<S>> {
        Ok(S::restore(state, &self.key, Some(&self.directory))?)
    }

    fn keep<S: Save>(&self, open: Open<S>) -> Outcome<Open<S>> {
        self.keep_stage(&open.0, &open.1)?;
        Ok(open)
    }

    fn keep_stage<S: Save>(&self, stage: &S, outgoing: &[Outgoing]) -> io::Result<()> {
        let saved = stage.save(outgoing, &self.key, &mut UnwrapErr(SysRng));
        self.files.keep(&self.files.spool.server_state(), &saved)
    }

    /// Asks everyone, and waits for all but those who are given up for lost.
    fn exchange<S: Save>(&self, (mut stage, outgoing): Open<S>) -> Outcome<Open<S::Next>> {
        for Outgoing { to, message } in &outgoing {
            self.files.send(Way::Requests, S::STAGE, *to, message)?;
        }
        loop {
            for client in stage.waiting_for() {
                if let Some(answer) = self.take(S::STAGE, client)? {
                    stage.receive(client, &answer)?;
                    self.keep_stage(&stage, &outgoing)?;
                }
            }
            if stage.waiting_for().into_iter().all(|client| self.is_lost(client)) {
                return Ok(stage.close(&mut UnwrapErr(SysRng))?);
            }
            self.files.wait()?;
        }
    }

    /// As from a socket: what is taken and not kept is lost, unless the client sends it again.
    fn take(&self, stage: Stage, client: ClientId) -> Outcome<Option<Vec<u8>>> {
        let copies = self.files.spool.copies(Way::Answers, stage, client)?;
        let Some(copy) = copies.into_iter().find(|copy| copy.extension().is_none()) else {
            return Ok(None);
        };
        let taken = copy.with_extension("taken");
        fs::rename(&copy, &taken)?;
        self.files.step(TAKEN);
        Ok(Some(fs::read(&taken)?))
    }

    fn is_lost(&self, client: ClientId) -> bool {
        self.files.spool.gone(client).exists()
    }

    fn announce(&self, recovered: Recovered) -> Outcome<()> {
        let result = recovered.aggregate::<f64>()?;
        let survivors: Vec<_> = result.survivors.iter().map(ClientId::to_string).collect();
        let mean: Vec<_> = result.mean.iter().map(f64::to_string).collect();
        let text = format!("{}\n{}\n", survivors.join(" "), mean.join(" "));
        Ok(self.files.keep(&self.files.spool.result(), text.as_bytes())?)
    }
}
