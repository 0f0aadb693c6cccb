//! What all that the server was told says of single clients: sections 8 and 13 of the
//! specification, for any part of the survivors.

use secagg::ClientId;
use secagg::kernels::{Accumulator, Backend, MaskPlan, Seed, Sign, WeightedMean};

use super::{Heist, Secret};
use crate::plain::{Clients, error_bound, weighted_mean};
use crate::puppet::{Bytes, Puppet, recover};

impl Heist {
    /// Remembers a mask secret key from another session.
    pub fn learn(&mut self, client: u64, mask_key: Bytes) {
        self.learnt.insert(ClientId(client), mask_key);
    }

    /// A client's mask secret key, if it is a puppet's or enough shares are there.
    pub fn mask_key(&self, client: ClientId) -> Option<Bytes> {
        let own = self.puppets.get(&client).map(Puppet::mask).or_else(|| self.learnt.get(&client));
        own.copied().or_else(|| self.secret(client, Secret::MaskKey))
    }

    fn secret(&self, owner: ClientId, secret: Secret) -> Option<Bytes> {
        let shares = self.shares.get(&(owner, secret))?;
        let threshold = self.terms.params.threshold() as usize;
        let enough: Vec<_> = shares.iter().map(|(&holder, &share)| (holder, share)).collect();
        Some(recover(enough.get(..threshold)?))
    }

    /// The mean of a part of the clients alone, if what the server knows tells it.
    pub fn read(&self, part: &Clients) -> Option<WeightedMean<f64>> {
        let (params, backend) = (&self.terms.params, Backend::detect());
        let mut sum = Accumulator::new(params.modulus(), params.dimension() + 2);
        let mut masks = Vec::new();
        for &client in part {
            let (near, packed) = self.masked.get(&client)?;
            sum.add_packed(backend, packed).expect("a client's vector");
            let own = self.secret(client, Secret::SelfMaskSeed)?;
            masks.push((Seed::from_bytes(own), Sign::Subtract));
            for &other in near.difference(part) {
                let sign = if client < other { Sign::Subtract } else { Sign::Add };
                masks.push((Seed::from_bytes(self.pairwise_seed(client, other)?), sign));
            }
        }
        sum.apply(backend, &MaskPlan::new(params.prg(), &masks)).expect("short vectors");
        sum.dequantize(backend, params.quantizer(), part.len() as u64).ok()
    }

    /// From either end.
    fn pairwise_seed(&self, one: ClientId, other: ClientId) -> Option<Bytes> {
        let from = |one: ClientId, other: ClientId| {
            let end = (other, *self.keys[&other].mask.as_bytes());
            Some(self.terms.pairwise_seed(&self.roster, (one, &self.mask_key(one)?), end))
        };
        from(one, other).or_else(|| from(other, one))
    }

    /// The server reads the mean of these clients alone, right within the stated bound.
    pub fn assert_reads(&self, part: impl IntoIterator<Item = u64>) {
        let part: Clients = part.into_iter().map(ClientId).collect();
        let read = self.read(&part).expect("a mean of these clients alone");
        let quantizer = self.terms.params.quantizer();
        let updates: Vec<_> = part.iter().map(|client| self.seats[client].brings()).collect();
        let expected = weighted_mean(updates.iter(), read.mean.len(), quantizer.clipping_range());
        let exact = updates.iter().all(|&(weight, _)| quantizer.weight_is_exact(weight));
        let bound = error_bound(quantizer, part.len(), read.total_weight, exact);
        for (found, expected) in read.mean.iter().zip(expected) {
            assert!((found - expected).abs() <= bound, "{found} for {expected}");
        }
    }
}
